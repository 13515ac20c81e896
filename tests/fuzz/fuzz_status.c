/* Status records of migrations, as another process finds them: one that is understood is written and read again as the same;
 * any other is refused as a whole. */
#include "fuzz.h"

#include "base/base.h"
#include "migrate/record.h"
#include "store/call.h"

#define NAME "m"

static bool same_buf(const segue_buf *a, const segue_buf *b)
{
    return segue_slice_equal(segue_buf_slice(a), segue_buf_slice(b));
}

static bool same_keys(const seg_keys *a, const seg_keys *b)
{
    bool same = a->n == b->n;
    for (size_t i = 0; same && i < a->n; i++) same = same_buf(&a->keys[i], &b->keys[i]);
    return same;
}

static void check_same(const seg_status *a, const seg_status *b)
{
    MUST(strcmp(a->name, b->name) == 0 && strcmp(a->run_id, b->run_id) == 0 && strcmp(a->policy, b->policy) == 0);
    MUST(strcmp(a->proof, b->proof) == 0 && strcmp(a->last_error, b->last_error) == 0);
    MUST(a->epoch == b->epoch && a->sequence == b->sequence && a->stage == b->stage && a->pass == b->pass);
    MUST(a->keep == b->keep && a->keep_cas == b->keep_cas && a->is_tail == b->is_tail);
    MUST(a->total == b->total && a->done == b->done && a->run_ns == b->run_ns && a->started_s == b->started_s);
    MUST(a->finished_s == b->finished_s && a->active_ns == b->active_ns && a->hold_ns == b->hold_ns);
    MUST(a->overtaken_ns == b->overtaken_ns);
    MUST(memcmp(&a->counts, &b->counts, sizeof a->counts) == 0);
    MUST(same_buf(&a->from, &b->from) && same_buf(&a->to, &b->to) && same_buf(&a->cursor, &b->cursor));
    MUST(same_keys(&a->failed, &b->failed) && same_keys(&a->foreign, &b->foreign));
    MUST(strcmp(a->runner.id, b->runner.id) == 0);
    if (!a->runner.id[0]) return; /* nobody has neither place nor beat */
    MUST(strcmp(a->runner.place, b->runner.place) == 0);
    MUST(a->runner.pid == b->runner.pid && a->runner.beat_ns == b->runner.beat_ns);
}

static void load_and_save(segue_store *store, segue_call *call)
{
    seg_status first = {0}, again = {0};
    segue_status st = seg_status_load(store, NAME, &first, call);
    if (st == SEGUE_OK) {
        MUST(seg_status_save(store, &first, call) == SEGUE_OK);
        MUST(seg_status_load(store, NAME, &again, call) == SEGUE_OK);
        check_same(&first, &again);
        seg_status_free(&again);
    } else {
        MUST(st == SEGUE_CORRUPT && call->err->status == st && first.from.data == NULL && first.cas == 0);
    }
    seg_status_free(&first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static segue_store *store;
    char key[SEG_STATUS_KEY_SIZE];
    segue_error err = {0};
    if (!store) MUST(segue_open("mem:fuzz", NULL, &store, &err) == SEGUE_OK); /* for all inputs */
    segue_call call = seg_call_new(store, 0, &err);
    segue_put put = {.condition = SEGUE_IF_ANY};
    put.rec = (segue_record){.key = seg_status_key(NAME, key), .body = segue_bytes(data, size), .revision = 1};
    if (!data) put.rec.body = segue_str("");
    MUST(seg_call_put(store, &put, NULL, &call) == SEGUE_OK);
    load_and_save(store, &call);
    return 0;
}
