/* L2: a JSON scanner over bytes that stay where they are. Nothing is parsed into a tree and nothing is printed again, so
 * whatever is not addressed stays byte for byte. RFC 8259; UTF-8 is checked; no recursion. */
#ifndef SEG_JSON_H
#define SEG_JSON_H

#include <segue/backend.h>

enum { SEG_JSON_DEPTH_MAX = 512 };

/* Whether text is exactly one JSON value (white space around it is allowed). *ret_offset (may be NULL): where it went
 * wrong. */
bool seg_json_valid(segue_slice text, size_t *ret_offset);

/* Walk the members of an object: zero-initialise, set text. The text must be valid. */
typedef struct seg_json_members {
    segue_slice text;
    size_t at;
} seg_json_members;
/* The next member: name as it stands between its quotes (escapes not resolved) and the value's text without white space
 * around it. False: there are no more, or the text is no object. */
bool seg_json_next_member(seg_json_members *walk, segue_slice *ret_name, segue_slice *ret_value);

/* Resolve the escapes of a string (what stands between its quotes), appending UTF-8. NO_MEMORY; INVALID_JSON for an
 * unpaired surrogate. */
segue_status seg_json_unescape(segue_slice inner, segue_buf *out);
/* Append bytes as a JSON string with its quotes. Only what must be escaped is. */
segue_status seg_json_quote(segue_slice bytes, segue_buf *out);

#endif
