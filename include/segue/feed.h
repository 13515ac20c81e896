/* Feeds: what has changed in one or several stores, in order, and what changes from now on.
 *
 * A feed is pulled: nothing runs while segue_feed_next is not called, and whatever the consumer does, a feed holds no more
 * than one page of records. It tells the state of documents, not each write: of several changes of one document since the
 * consumer last asked, the last is seen. For each store:
 *
 * - At least once: every record that is there when the feed begins, and every change after that, deletions included. Only what
 *   was erased (purged, dropped) before it was seen is not told of, and a record that was put there with an old CAS (an import,
 *   segue_put_record) may go unseen by a feed that is past that CAS.
 * - Of one key, the CAS of its events only grows. Of one store, events come in order of CAS. Between stores there is no order.
 * - On a dual store there is one feed of both sides. A document comes once, from the side that shows it; its move is no
 *   event, unless the primary cannot keep its CAS: then it is told as a change. A change of phase is no event.
 *
 * Stores with SEGUE_CAP_CHANGES have a feed: mem, sqlite, rosmar, and a dual store of two such. Writes by other processes are
 * seen by looking again and again: at once where much happens, and every feed_poll_ms (of the URL, 100 if not given) where
 * nothing does. A feed belongs to one thread at a time; any number of feeds may read one store. */
#ifndef SEGUE_FEED_H
#define SEGUE_FEED_H

#include <segue/store.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct segue_feed segue_feed;

enum {
    SEGUE_FEED_NO_BODIES = 1 << 0, /* a live document's body is empty */
    SEGUE_FEED_NO_XATTRS = 1 << 1,
    SEGUE_FEED_KEYS_ONLY = SEGUE_FEED_NO_BODIES | SEGUE_FEED_NO_XATTRS, /* neither is even read */
    SEGUE_FEED_STOP_AT_END = 1 << 2 /* END when everything there is has been told; else wait for more */
};

enum { SEGUE_FEED_STORES_MAX = 256 };

/* As `since`: nothing of what is there when the feed is opened, only what changes after that. */
#define SEGUE_FEED_NOW UINT64_MAX

typedef struct segue_feed_options {
    unsigned flags; /* SEGUE_FEED_... */
    const uint64_t
        *since; /* for each store: only changes with a greater CAS (0: everything), or SEGUE_FEED_NOW. NULL: 0 */
    segue_slice
        cursor;      /* from segue_feed_cursor: go on there, and since is not looked at. None (data NULL): from since */
    int64_t poll_ns; /* when idle, look for news at least this often; 0: as the stores' URLs say */
} segue_feed_options;

/* A feed of these stores (1 to SEGUE_FEED_STORES_MAX). It holds references: the caller still closes its own handles, before or
 * after. options may be NULL; nothing of it is needed after the call. UNSUPPORTED: one of them cannot tell its changes;
 * INVALID_CURSOR: the cursor is none of a feed of so many stores, or is damaged; the sentence says where. INVALID_ARGUMENT: no
 * store, too many, or flags that do not exist. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_feed_open(segue_store *const *stores, size_t n_stores,
                                                        const segue_feed_options *options, segue_feed **ret_feed,
                                                        segue_error *reterr);

typedef struct segue_feed_event {
    size_t store; /* which one, by its place among those that were given */
    segue_record
        rec; /* as it was when it was read; a tombstone: a deletion, with the system xattrs that stay. Valid until the
                          next call */
} segue_feed_event;

/* The next event. timeout_ns: how long to wait for one; 0: not at all; negative: as long as it takes. TIMEOUT: there was none,
 * call again. END: everything has been told (only with SEGUE_FEED_STOP_AT_END), and so at every further call. Any other
 * status: it could not be read; nothing is skipped, and calling again goes on at the same place. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_feed_next(segue_feed *feed, int64_t timeout_ns,
                                                        segue_feed_event *ret_event, segue_error *reterr);

/* Where the feed stands, right after the last event that segue_feed_next gave, as a printable text without spaces: save it
 * when the event was dealt with, and a feed of the same stores in the same order goes on there. Replaces what is in *cursor;
 * not ended by a zero byte. NO_MEMORY. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_feed_cursor(const segue_feed *feed, segue_buf *cursor);

/* NULL is legal. */
SEGUE_API void segue_feed_close(segue_feed *feed);

#ifdef __cplusplus
}
#endif
#endif
