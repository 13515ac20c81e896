/* L3: reaping: what has expired is replaced by the tombstone that it reads as. reap.c does it, page by page; reaper.c is the
 * thread that does it in the background. Any thread. */
#ifndef SEG_REAPER_H
#define SEG_REAPER_H

#include "store/call.h"

/* ---- one page (reap.c) ---- */

typedef struct seg_reaped {
    uint64_t n;    /* replaced by this call */
    uint32_t next; /* the earliest expiry that is still to come, 0 none; without `more` */
    bool more;     /* there may be more that has expired already */
} seg_reaped;

/* Replace up to `max` (at least 1) of what has expired. The page is scratch memory. *reaped is filled on failure too; records
 * that could be replaced are, whatever fails of the others. TIMEOUT, UNAVAILABLE and the like; MAYBE_APPLIED. */
segue_status seg_reap_page(segue_store *store, size_t max, segue_page *page, seg_reaped *reaped, segue_call *call);

/* ---- in the background (reaper.c) ---- */

/* From now on this handle's collection is reaped, if its backend can find what has expired. */
void seg_reaper_join(segue_store *store);
/* No longer; the reaper is out of it when this returns. The thread ends with the last that leaves. */
void seg_reaper_leave(segue_store *store);
/* A record with this expiry has been stored through this handle. */
void seg_reaper_note(segue_store *store, uint32_t expiry);
/* Records of which it is not known when they expire have been stored: look when the first does. */
void seg_reaper_look(segue_store *store);

#ifdef SEG_TESTING
/* Wake the thread, for the clock has been moved, and return when it has nothing to do any more. */
void seg_reaper_settle(void);
bool seg_reaper_is_running(void);
#endif

#endif
