/* L2: a JSON scanner over bytes that stay where they are. Nothing is parsed into a tree and nothing is printed again, so
 * whatever is not addressed stays byte for byte. RFC 8259; UTF-8 is checked; no recursion. */
#ifndef SEG_JSON_H
#define SEG_JSON_H

#include <segue/backend.h>

enum { SEG_JSON_DEPTH_MAX = SEGUE_JSON_DEPTH_MAX, SEG_JSON_SAID_MAX = 80 };

/* What is wrong with a text, and where. */
typedef struct seg_json_fault {
    size_t offset;
    size_t depth_max; /* not 0: the bracket there is one too many; what comes after it was not looked at */
} seg_json_fault;

/* Whether text is exactly one JSON value (white space around it is allowed). *ret_offset (may be NULL): where it went
 * wrong. */
bool seg_json_valid(segue_slice text, size_t *ret_offset);
/* The same with at most `depth_max` brackets in each other: fewer for a value that is to stand inside others. */
bool seg_json_check(segue_slice text, size_t depth_max, seg_json_fault *ret_fault);
/* "is not valid JSON: error at byte 5", for sentences. */
const char *seg_json_say(const seg_json_fault *fault, char out[SEG_JSON_SAID_MAX]);
/* Without the white space around it. */
segue_slice seg_json_trim(segue_slice text);

/* Walk the members of an object or the elements of an array: zero-initialise, set text. The text must be valid; it is not
 * looked at closely again (in one that is not, nonsense comes out, but nothing outside of it is read). */
typedef struct seg_json_walk {
    segue_slice text;
    size_t at;
    bool is_object;
} seg_json_walk;
/* The next one: name as it stands between its quotes (escapes not resolved; none in an array) and the value's text without
 * white space around it. False: there are no more, or the text is neither. */
bool seg_json_next(seg_json_walk *walk, segue_slice *ret_name, segue_slice *ret_value);
/* The next member; false also if the text is no object. */
bool seg_json_next_member(seg_json_walk *walk, segue_slice *ret_name, segue_slice *ret_value);

/* The bytes of the next character of a string's inside, escapes resolved; their number, 0 for an unpaired surrogate. *at < its
 * size, and goes on. A character that is not escaped comes byte by byte. */
size_t seg_json_next_char(segue_slice inner, size_t *at, char out[4]);

/* Resolve the escapes of a string (what stands between its quotes), appending UTF-8. NO_MEMORY; INVALID_JSON for an
 * unpaired surrogate. */
segue_status seg_json_unescape(segue_slice inner, segue_buf *out);
/* Append bytes as a JSON string with its quotes. Only what must be escaped is. */
segue_status seg_json_quote(segue_slice bytes, segue_buf *out);

#endif
