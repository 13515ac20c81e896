/* L4: the xattrs column of a bucket: one JSON object, name -> value. */
#ifndef SEG_ROSMAR_XATTRS_H
#define SEG_ROSMAR_XATTRS_H

#include "backend/sqlbase/conn.h"

/* In byte order of name. They point into the text and, names that had escapes, into xattrs->names. Values keep their
 * bytes but for white space around them; of a name that stands twice the last counts, as for the original. An absent, empty
 * or `null` text means none. CORRUPT: not one JSON object; NO_MEMORY. */
segue_status seg_rosmar_xattrs_decode(segue_slice json, seg_sql_xattrs *xattrs);

/* Append the object, names in the order given. INVALID_JSON: a value that is no JSON text would damage its neighbours;
 * NO_MEMORY. Nothing is appended for no xattrs: the column is NULL then. */
segue_status seg_rosmar_xattrs_encode(const segue_xattr *xattrs, size_t n, segue_buf *out);

#endif
