/* Lines of `segue import`: a record that is read is written and read again as the same; whatever is none says why. */
#define _POSIX_C_SOURCE 200809L /* open_memstream */
#include "fuzz.h"

#include "base/base.h"
#include "cli/json_in.c" /* the program is no library: its reader and its writer are compiled in */
#include "cli/jsonl.c"
#include "doc/doc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = seg_alloc(size); /* exactly as long as it is, so that a step too far is seen */
    MUST(copy);
    if (size) memcpy(copy, data, size);
    segue_error err = {0};
    SEG_AUTO(segue_doc) doc = {0}, again = {0};
    segue_status st = seg_parse_record(segue_bytes(copy, size), &doc, &err);
    seg_free(copy);
    if (st != SEGUE_OK) {
        MUST(st == SEGUE_INVALID_JSON && err.status == st && err.message[0]);
        return 0;
    }
    char *line = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&line, &length);
    MUST(out);
    seg_write_record(out, &doc.rec);
    MUST(fclose(out) == 0 && length > 0 && !memchr(line, '\n', length - 1) && line[length - 1] == '\n');
    MUST(seg_parse_record(segue_bytes(line, length - 1), &again, &err) == SEGUE_OK);
    MUST(segue_slice_equal(doc.rec.key, again.rec.key) && seg_record_same(&doc.rec, &again.rec));
    free(line); /* stdio's */
    return 0;
}
