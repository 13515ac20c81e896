/* For tests of a migration's steps: clients of a dual store of this process, whose operations last for as long as a test says;
 * the status record as a test wants it. Header only; one thread. */
#ifndef STEPS_SCENE_H
#define STEPS_SCENE_H

#include "migration_scene.h"

#include "migrate/migration.h"

static const int64_t SECOND = 1000000000;

typedef struct held {
    mscene s;
    segue_store *dual;
    segue_call inside; /* an operation of a client that does not end */
} held;

static inline void begin_held(held *h, segue_phase phase)
{
    segue_dual_options options = {phase};
    begin_scene(&h->s, MEM_TWO);
    use_own_time(&h->s);
    assert_ok(segue_dual_open(h->s.fault_to, h->s.fault_from, &options, &h->dual, &test_err));
    h->s.options.dual = h->dual;
    h->s.options.workers = 1;
    h->s.options.page_docs = 100;
    h->s.options.drain_ns = SECOND;
}

static inline void end_held(held *h)
{
    scene_sleeps_count = false;
    segue_close(h->dual);
    end_scene(&h->s);
}

static inline void enter(held *h, bool write)
{
    h->inside = seg_call_new(h->dual, 0, &test_err);
    assert_ok(seg_call_begin(h->dual, write, &h->inside));
}

static inline void leave(held *h) { seg_call_end(h->dual, &h->inside); }

static inline void phase_is(const held *h, segue_phase want)
{
    segue_phase phase = SEGUE_PHASE_LEGACY;
    assert_ok(segue_dual_phase(h->dual, &phase));
    if (phase != want) fail_msg("%s, not %s", segue_phase_name(phase), segue_phase_name(want));
}

static inline void pass_time(int64_t ns) { atomic_fetch_add(&scene_ns, ns); }

static inline void cancel_it(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    (void)op, (void)key, (void)after, (void)count;
    segue_migration_cancel(ctx);
}

static inline void says(const char *word)
{
    if (!strstr(test_err.message, word)) fail_msg("no \"%s\" in: %s", word, test_err.message);
}

static inline segue_status by_hand(mscene *s, segue_status (*step)(segue_migration *, segue_error *))
{
    segue_migration *m = NULL;
    assert_ok(segue_migration_open(s->fault_from, s->fault_to, &s->options, &m, &test_err));
    segue_status st = step(m, &test_err);
    segue_migration_close(m);
    return st;
}

/* A run that waits in vain for as long as it may. */
static inline segue_status run_in_vain(held *h)
{
    int64_t began = atomic_load(&scene_ns);
    scene_sleeps_count = true;
    segue_status st = run_scene(&h->s);
    scene_sleeps_count = false;
    int64_t took = atomic_load(&scene_ns) - began;
    if (took < SECOND || took > SECOND + SECOND / 2) fail_msg("it has waited for %lld ns", (long long)took);
    return st;
}

static inline void edit_status(mscene *s, void (*edit)(seg_status *status))
{
    seg_status status = {0};
    segue_call call = seg_call_new(s->to, 0, &test_err);
    assert_ok(seg_status_load(s->to, "default", &status, &call));
    edit(&status);
    assert_ok(seg_status_save(s->to, &status, &call));
    seg_status_free(&status);
}

static inline void write_two_behind(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    const mscene *s = ctx;
    (void)op, (void)key;
    if (after || count != 1) return;
    assert_ok(segue_set(s->from, K("d:00"), K("1"), segue_expiry_none(), NULL, NULL, &test_err));
    assert_ok(segue_set(s->from, K("d:01"), K("1"), segue_expiry_none(), NULL, NULL, &test_err));
}

#endif
