/* L2: bytes of xattrs and of whole records, for engines that keep them as values.
 *
 * Xattr section (the format of Couchbase's DCP values): for each xattr u32 big-endian length of the pair, name, 0, value, 0.
 * Envelope: u8 version 1, u8 bits (1 tombstone, 2 JSON), u16 0, u32 flags, u32 expiry, u64 cas, u64 revision, u64 write id,
 * u32 length of the xattr section, the section, the body; all little-endian but the section. */
#ifndef SEG_CODEC_H
#define SEG_CODEC_H

#include <segue/backend.h>

/* Append. NO_MEMORY. */
segue_status seg_xattrs_encode(const segue_xattr *xattrs, size_t n, segue_buf *out);
/* Into slots (capacity SEGUE_XATTRS_MAX), which then point into bytes. CORRUPT: not such a section. */
segue_status seg_xattrs_decode(segue_slice bytes, segue_xattr slots[SEGUE_XATTRS_MAX], size_t *ret_n);

enum { SEG_ENVELOPE_HEADER = 40 };
size_t seg_envelope_size(const segue_record *rec);
/* Append. NO_MEMORY. */
segue_status seg_envelope_encode(const segue_record *rec, segue_buf *out);
/* rec points into bytes and slots; its key is not touched. CORRUPT. */
segue_status seg_envelope_decode(segue_slice bytes, segue_xattr slots[SEGUE_XATTRS_MAX], segue_record *rec);
/* Where the CAS stands in an envelope (for engines that learn it late). */
void seg_envelope_set_cas(char *envelope, uint64_t cas);
uint64_t seg_envelope_cas(const char *envelope);

#endif
