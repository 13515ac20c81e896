/* Pills, the marks of a hand-over that another program has begun: one that is read stands for a counter, and the one that is
 * written for that number is read as the same. The input: the body, a line feed, what it keeps of the counter. */
#include "fuzz.h"

#include "base/base.h"
#include "doc/doc.h"
#include "doc/pill.h"

static void write_again(uint64_t number)
{
    SEG_AUTO(segue_buf) body = {0};
    uint64_t again = 0;
    MUST(seg_pill_write(number, 1700000000000000000, &body) == SEGUE_OK);
    segue_record rec = {
        .key = segue_str("k"), .body = segue_buf_slice(&body), .cas = 1, .revision = 1, .is_json = true};
    MUST(seg_pill_read(&rec, &again) && again == number);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = seg_alloc(size); /* exactly as long as it is, so that a step too far is seen */
    MUST(copy);
    if (size) memcpy(copy, data, size);
    const char *end = size ? memchr(copy, '\n', size) : NULL;
    size_t first = end ? (size_t)(end - copy) : size;
    segue_xattr origin = {segue_str(SEG_PILL_ORIGIN),
                          segue_bytes(copy + first + (end != NULL), size - first - (end != NULL))};
    segue_record rec = {
        .key = segue_str("k"), .body = segue_bytes(copy, first), .cas = 1, .revision = 2, .is_json = true};
    if (end) rec.xattrs = &origin, rec.n_xattrs = 1;
    uint64_t number = 0, counter = 0;
    SEG_AUTO(segue_doc) doc = {0};
    bool is_pill = seg_pill_read(&rec, &number);
    (void)seg_pill_read_origin(&rec); /* whatever it is, it is looked at */
    MUST(segue_doc_assign(&doc, &rec) == SEGUE_OK && seg_pill_to_counter(&doc, false) == SEGUE_OK);
    if (is_pill) {
        write_again(number);
        MUST(seg_parse_u64(doc.rec.body, &counter) && counter == number);
        MUST(!segue_record_xattr(&doc.rec, segue_str(SEG_PILL_ORIGIN)));
    } else {
        MUST(seg_record_same(&doc.rec, &rec));
    }
    seg_free(copy);
    return 0;
}
