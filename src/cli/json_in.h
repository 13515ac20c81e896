/* L6: a strict reader for one line of JSON, piece by piece: what `segue export` writes needs no more. Texts are resolved
 * into memory of the reader. One thread. */
#ifndef SEG_JSON_IN_H
#define SEG_JSON_IN_H

#include <segue/bytes.h>
#include <stdint.h>

typedef struct seg_json_in {
    segue_slice text;
    size_t at;
    char *memory; /* as large as text: resolved texts are never longer */
    size_t used;
    bool passes; /* texts are passed over, not read: half a pair of surrogates, which UTF-8 has not, will do */
    bool failed; /* it is no JSON, at byte `at`; every further call fails, too */
} seg_json_in;

/* NO_MEMORY. The text must stay; what was read is valid until close. */
segue_status seg_json_in_open(seg_json_in *in, segue_slice text);
void seg_json_in_close(seg_json_in *in);

/* Whether the next thing is this character, which is then passed over; white space before it does not count. */
bool seg_json_in_take(seg_json_in *in, char c);
/* The same, and anything else is a failure. */
bool seg_json_in_must(seg_json_in *in, char c);
/* The next character that counts, not passed over; 0 at the end. */
char seg_json_in_peek(seg_json_in *in);

/* Each fails if the next thing is no text, no unsigned whole number, no such word. */
bool seg_json_in_text(seg_json_in *in, segue_slice *ret_text);
bool seg_json_in_number(seg_json_in *in, uint64_t *ret_number);
bool seg_json_in_bool(seg_json_in *in, bool *ret_value);
bool seg_json_in_null(seg_json_in *in);
/* Any value, passed over. It fails where the library's scanner does. */
bool seg_json_in_value(seg_json_in *in);
/* Whether a text is exactly one JSON value: OK, or INVALID_JSON; NO_MEMORY. */
segue_status seg_json_check_value(segue_slice text);
/* Nothing is left. */
bool seg_json_in_end(seg_json_in *in);

/* The member of an object with this name: its unsigned whole number, or 1 for true. False: no object, no such member, or no
 * number. */
bool seg_json_member_number(segue_slice object, const char *name, uint64_t *ret_number);

#endif
