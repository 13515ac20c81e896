/* Envelopes and xattr sections: what is decoded lies inside the bytes and is encoded again to the same record. */
#include "fuzz.h"

#include "base/base.h"
#include "doc/codec.h"
#include "doc/doc.h"

static void envelope(segue_slice bytes)
{
    segue_xattr slots[SEGUE_XATTRS_MAX], slots_again[SEGUE_XATTRS_MAX];
    segue_record rec = {.key = segue_str("k")}, again = {.key = segue_str("k")};
    segue_status st = seg_envelope_decode(bytes, slots, &rec);
    if (st != SEGUE_OK) {
        MUST(st == SEGUE_CORRUPT);
        return;
    }
    MUST(rec.n_xattrs <= SEGUE_XATTRS_MAX && rec.is_tombstone == !rec.body.data);
    SEG_AUTO(segue_buf) out = {0};
    MUST(seg_envelope_encode(&rec, &out) == SEGUE_OK);
    MUST(seg_envelope_cas(out.data) == rec.cas);
    MUST(seg_envelope_decode(segue_buf_slice(&out), slots_again, &again) == SEGUE_OK);
    MUST(seg_record_same(&rec, &again) && rec.write_id == again.write_id);
    seg_digest a = seg_record_digest(&rec), b = seg_record_digest(&again);
    MUST(a.low == b.low && a.high == b.high);
}

static void xattrs(segue_slice bytes)
{
    segue_xattr slots[SEGUE_XATTRS_MAX], slots_again[SEGUE_XATTRS_MAX];
    size_t n = 0, n_again = 0;
    if (seg_xattrs_decode(bytes, slots, &n) != SEGUE_OK) return;
    MUST(n <= SEGUE_XATTRS_MAX);
    SEG_AUTO(segue_buf) out = {0};
    MUST(seg_xattrs_encode(slots, n, &out) == SEGUE_OK);
    MUST(out.size == bytes.size); /* the same pairs, sorted */
    MUST(seg_xattrs_decode(segue_buf_slice(&out), slots_again, &n_again) == SEGUE_OK && n_again == n);
    for (size_t i = 0; i < n; i++) {
        MUST(segue_slice_equal(slots[i].name, slots_again[i].name));
        MUST(segue_slice_equal(slots[i].value, slots_again[i].value));
        MUST(i == 0 || segue_slice_compare(slots[i - 1].name, slots[i].name) < 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = seg_alloc(size); /* exactly as long as it is, so that a step too far is seen */
    MUST(copy);
    if (size) memcpy(copy, data, size);
    envelope(segue_bytes(copy, size));
    xattrs(segue_bytes(copy, size));
    seg_free(copy);
    return 0;
}
