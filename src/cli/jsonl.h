/* L6: records as JSON Lines, the format of `segue export` and `segue import`: one record a line, fields in this order,
 * without spaces:
 *
 *   key (key_base64 if it is not UTF-8) · cas, rev (decimal text) · exp (Unix seconds, 0 none) · flags (only if not 0) ·
 *   is_json · deleted · body (base64; null for a tombstone) · xattrs (name -> the JSON text of its value, as a string) */
#ifndef SEG_JSONL_H
#define SEG_JSONL_H

#include <segue/doc.h>
#include <stdio.h>

/* A body of the largest size in base64, and as much again for the xattrs. */
enum { SEG_LINE_MAX = 64 * 1024 * 1024 };

/* These write and do not look at errors: stdio keeps them (ferror). */
void seg_write_base64(FILE *out, segue_slice bytes);
void seg_write_json_string(FILE *out, segue_slice text);
void seg_write_record(FILE *out, const segue_record *rec);
/* The same of a feed's event: without body and xattrs if keys_only; and which store (if not -1), and the cursor. */
void seg_write_event(FILE *out, const segue_record *rec, bool keys_only, int store, segue_slice cursor);

/* A reader of lines with a bound. Zero-initialise, set file. */
typedef struct seg_lines {
    FILE *file;
    uint64_t number; /* of the line read last, from 1 */
    segue_buf line;
    char chunk[65536];
    size_t at, end; /* in chunk: what is not used up */
} seg_lines;
/* The next line without its newline, valid until the next call; the last one needs none. END; TOO_BIG past SEG_LINE_MAX;
 * IO_ERROR; NO_MEMORY. */
segue_status seg_lines_next(seg_lines *lines, segue_slice *ret_line, segue_error *reterr);
void seg_lines_free(seg_lines *lines);

/* One line into doc. INVALID_JSON with a sentence that says what is wrong with it; NO_MEMORY. */
segue_status seg_parse_record(segue_slice line, segue_doc *doc, segue_error *reterr);

#endif
