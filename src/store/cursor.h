/* L3: where a feed stands, and that as a text: "f1" and, for each store, ".CAS" or ".CAS-KEY", then "." and the CRC-32C of all
 * before it; numbers and bytes in lower-case hexadecimal. */
#ifndef SEG_CURSOR_H
#define SEG_CURSOR_H

#include <segue/doc.h>
#include <segue/feed.h>

/* Everything up to this CAS has been told; with a key: of those with this very CAS only up to this key. */
typedef struct seg_position {
    uint64_t cas;
    size_t key_size; /* 0: no key */
    char key[SEGUE_KEY_MAX];
} seg_position;

void seg_position_set(seg_position *at, uint64_t cas, segue_slice key);
/* None if it has none. */
segue_slice seg_position_key(const seg_position *at);

/* Append. NO_MEMORY. The positions are `stride` bytes apart. */
segue_status seg_cursor_write(const seg_position *at, size_t n, size_t stride, segue_buf *out);
/* INVALID_ARGUMENT: not a cursor, damaged, or not one of n stores; the positions may have been written to. */
segue_status seg_cursor_read(segue_slice text, seg_position *at, size_t n, size_t stride, segue_error *reterr);

#endif
