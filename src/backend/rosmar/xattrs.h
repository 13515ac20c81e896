/* L4: the xattrs column of a bucket: one JSON object, name -> value. */
#ifndef SEG_ROSMAR_XATTRS_H
#define SEG_ROSMAR_XATTRS_H

#include <segue/backend.h>

/* Decoded xattrs; zero-initialise, use again. Points into the JSON text that it was decoded from and into names. */
typedef struct seg_rosmar_xattrs {
    segue_xattr *slots; /* in byte order of name */
    size_t n;
    size_t capacity;
    segue_buf names; /* those that had escapes */
} seg_rosmar_xattrs;
void seg_rosmar_xattrs_free(seg_rosmar_xattrs *xattrs);

/* Values keep their bytes but for white space around them; of a name that stands twice the last counts, as for the
 * original. An absent, empty or `null` text means none. CORRUPT: not one JSON object; NO_MEMORY. */
segue_status seg_rosmar_xattrs_decode(segue_slice json, seg_rosmar_xattrs *xattrs);

/* Append the object, names in the order given. INVALID_JSON: a value that is no JSON text would damage its neighbours;
 * NO_MEMORY. Nothing is appended for no xattrs: the column is NULL then. */
segue_status seg_rosmar_xattrs_encode(const segue_xattr *xattrs, size_t n, segue_buf *out);

#endif
