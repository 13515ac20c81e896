/* The xattrs column of a bucket, which another program writes: names are found once each and in order, values inside the text;
 * put together again they are the same. */
#include "fuzz.h"

#include "backend/rosmar/xattrs.h"
#include "base/base.h"
#include "doc/json.h"

static void free_xattrs(seg_sql_xattrs *xattrs)
{
    seg_free(xattrs->slots);
    segue_buf_free(&xattrs->names);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = seg_alloc(size); /* exactly as long as it is, so that a step too far is seen */
    MUST(copy);
    if (size) memcpy(copy, data, size);
    seg_sql_xattrs found = {0}, again = {0};
    SEG_AUTO(segue_buf) text = {0};
    segue_status st = seg_rosmar_xattrs_decode(segue_bytes(copy, size), &found);
    MUST(st == SEGUE_OK || st == SEGUE_CORRUPT);
    if (st == SEGUE_OK) {
        for (size_t i = 0; i < found.n; i++) {
            MUST(found.slots[i].value.data > copy && seg_json_valid(found.slots[i].value, NULL));
            MUST(found.slots[i].value.data + found.slots[i].value.size < copy + size);
            MUST(i == 0 || segue_slice_compare(found.slots[i - 1].name, found.slots[i].name) < 0);
        }
        MUST(seg_rosmar_xattrs_encode(found.slots, found.n, &text) == SEGUE_OK);
        MUST(seg_rosmar_xattrs_decode(segue_buf_slice(&text), &again) == SEGUE_OK && again.n == found.n);
        for (size_t i = 0; i < found.n; i++) {
            MUST(segue_slice_equal(found.slots[i].name, again.slots[i].name));
            MUST(segue_slice_equal(found.slots[i].value, again.slots[i].value));
        }
    }
    free_xattrs(&found);
    free_xattrs(&again);
    seg_free(copy);
    return 0;
}
