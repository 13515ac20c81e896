/* Manifests: entries lie inside the body, and added again they make the same bytes. */
#include "fuzz.h"

#include "base/base.h"
#include "migrate/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = seg_alloc(size); /* exactly as long as it is, so that a step too far is seen */
    MUST(copy);
    if (size) memcpy(copy, data, size);
    segue_slice body = segue_bytes(copy, size);
    SEG_AUTO(segue_buf) again = {0};
    seg_entry e;
    size_t at = 0, last = 0;
    bool ok = true;
    while (seg_manifest_next(body, &at, &e, &ok)) {
        MUST(ok && at > last && at <= size);
        MUST(e.key.size >= 1 && e.key.size <= SEGUE_KEY_MAX);
        MUST(e.key.data > copy && e.key.data + e.key.size < copy + at);
        MUST(seg_manifest_add(&again, &e) == SEGUE_OK);
        MUST(again.size == at && memcmp(again.data, copy, at) == 0);
        last = at;
    }
    MUST(!ok || last == size || size == 1); /* a header alone is a manifest without entries */
    seg_free(copy);
    return 0;
}
