/* L3: where a feed stands, and that as a text: "f1" and, for each store, ".CAS" or ".CAS-KEY", then "." and the CRC-32C of all
 * before it; numbers and bytes in lower-case hexadecimal. */
#ifndef SEG_CURSOR_H
#define SEG_CURSOR_H

#include <segue/feed.h>

#include "store/call.h"

/* Append. NO_MEMORY. The positions are `stride` bytes apart. */
segue_status seg_cursor_write(const seg_position *at, size_t n, size_t stride, segue_buf *out);
/* INVALID_CURSOR: not a cursor, damaged, or not one of n stores; the positions may have been written to. */
segue_status seg_cursor_read(segue_slice text, seg_position *at, size_t n, size_t stride, segue_error *reterr);

#endif
