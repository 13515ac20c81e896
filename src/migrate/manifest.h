/* L5: manifests: what was moved, remembered in the primary page by page before it is moved, so that a verification
 * can tell what must be there without keeping anything in memory.
 *
 * The record `_segue:manifest:NAME:EEEEEEEEXXXXXXXX` (hex digits: the runner's epoch, and counting up) has as its
 * body a header (u8 version) and entries in byte order of key: u8 bits, u8 size of the key, key, u32 expiry, u64 CAS,
 * u64 revision, u64 low and u64 high half of the record's digest; all little-endian. The CAS is that of the record in
 * the fallback; where the primary does not keep CASes the digest is of the record with CAS 0. An entry tells what was
 * about to happen: the record may not have been moved after all (then another entry follows for the same key), and
 * may have been changed since. */
#ifndef SEG_MANIFEST_H
#define SEG_MANIFEST_H

#include "doc/doc.h"
#include "store/call.h"

#include <segue/migrate.h>

enum {
    SEG_ENTRY_THERE = 1 << 0, /* the primary had a record of its own; nothing was moved */
    SEG_ENTRY_HIDDEN =
        1 << 1 /* and that was a tombstone with this CAS (`cas` is the tombstone's), over a live record */
};

typedef struct seg_entry {
    unsigned bits;
    segue_slice key;
    uint32_t expiry;
    uint64_t cas, revision;
    seg_digest digest;
} seg_entry;

enum { SEG_MANIFEST_KEY_SIZE = 128 };
segue_slice seg_manifest_key(const char *name, uint64_t number, char out[SEG_MANIFEST_KEY_SIZE]);
/* All keys of the migration's manifests. `text` holds the bounds. */
segue_bounds seg_manifest_bounds(const char *name, char text[2 * SEG_MANIFEST_KEY_SIZE]);

/* Append; the first entry brings the header. NO_MEMORY. */
segue_status seg_manifest_add(segue_buf *body, const seg_entry *entry);
/* The entry for a record that is to be moved. */
seg_entry seg_manifest_entry(const segue_record *rec, bool keeps_cas);
/* The put that stores it. */
segue_put seg_manifest_put(segue_slice key, const segue_buf *body);

/* Walk: *at begins as 0. False: at the end. *ret_ok false: the body cannot be understood. */
bool seg_manifest_next(segue_slice body, size_t *at, seg_entry *ret_entry, bool *ret_ok);

#endif
