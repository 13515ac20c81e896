/* For tests: a dual store over two mem stores, each behind a fault filter, so that another party's step can be taken
 * between any two store calls of an operation. Header only; one thread. */
#ifndef WORLD_H
#define WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <stdatomic.h>

#include <segue/dual.h>
#include <segue/ops.h>

#include "base/base.h"
#include "base/env.h"
#include "store/filters.h"

#define K(text) segue_str(text)

typedef struct world world;
typedef void (*world_step)(world *w);

typedef enum world_side { PRIMARY, FALLBACK, EITHER } world_side;

struct world {
    segue_store *p, *f;             /* the plain stores, with all capabilities */
    segue_store *stats_p, *stats_f; /* stats filters, what the dual store sees behind the fault filters */
    segue_store *fault_p, *fault_f;
    segue_store *dual;
    segue_doc doc;
    segue_error err;
    uint64_t cas;
    world_step step; /* taken once, at the chosen call */
    unsigned acked;  /* the steps' own: writes acknowledged */
    unsigned nth;
    bool after, taken;
    const char *only_key;    /* NULL; else the step is taken at the first call with this key, whatever nth says */
    _Atomic int64_t skew_ns; /* of both clocks */
    _Atomic unsigned looks;  /* at the wall clock */
    segue_env env;
};

static inline int64_t world_wall_ns(void *ctx)
{
    ((world *)ctx)->looks++;
    return segue_env_default()->wall_ns(NULL) + ((world *)ctx)->skew_ns;
}
static inline int64_t world_mono_ns(void *ctx) { return segue_env_default()->mono_ns(NULL) + ((world *)ctx)->skew_ns; }
/* Long sleeps are mostly made of moving the clocks on. */
enum { WORLD_NAP_NS = 100000 };
static inline void world_sleep_ns(void *ctx, int64_t ns)
{
    int64_t real = ns < WORLD_NAP_NS ? ns : WORLD_NAP_NS;
    segue_env_default()->sleep_ns(NULL, real);
    ((world *)ctx)->skew_ns += ns - real;
}
static inline void world_random(void *ctx, void *out, size_t size)
{
    (void)ctx;
    segue_env_default()->random(NULL, out, size);
}

static inline void must(world *w, segue_status st, const char *what, int line)
{
    if (st != SEGUE_OK) fail_msg("line %d: %s: %s: %s", line, what, segue_status_name(st), w->err.message);
}
/* For a step that is allowed to fail: what it did shows at the end of the scenario. */
static inline void try(segue_status st) { (void)st; }
#define MUST(call) must(w, (call), #call, __LINE__)

static inline segue_store *world_open_one(world *w, const char *url)
{
    segue_store *store = NULL;
    segue_open_options options = {&w->env, SEGUE_OPEN_NO_REAPER}; /* the only steps are those of the test */
    MUST(segue_open(url, &options, &store, &w->err));
    return store;
}

/* caps: "" or "-mutate,...", of the primary and the fallback as the dual store sees them. */
static inline void world_open(world *w, const char *p_caps, const char *f_caps, segue_phase phase)
{
    static unsigned n;
    char url[128];
    memset(w, 0, sizeof *w);
    w->env = (segue_env){w, world_wall_ns, world_mono_ns, world_sleep_ns, world_random};
    n++;
    (void)snprintf(url, sizeof url, "mem:wp%u", n); /* fits */
    w->p = world_open_one(w, url);
    (void)snprintf(url, sizeof url, "mem:wf%u", n);
    w->f = world_open_one(w, url);
    (void)snprintf(url, sizeof url, "stats+mem:wp%u%s%s", n, *p_caps ? "?caps=" : "", p_caps);
    w->stats_p = world_open_one(w, url);
    (void)snprintf(url, sizeof url, "stats+mem:wf%u%s%s", n, *f_caps ? "?caps=" : "", f_caps);
    w->stats_f = world_open_one(w, url);
    MUST(seg_fault_open(w->stats_p, &w->fault_p, &w->err));
    MUST(seg_fault_open(w->stats_f, &w->fault_f, &w->err));
    segue_dual_options options = {phase};
    MUST(segue_dual_open(w->fault_p, w->fault_f, &options, &w->dual, &w->err));
}

static inline void world_close(world *w)
{
    segue_store *const stores[] = {w->dual, w->fault_p, w->fault_f, w->stats_p, w->stats_f, w->p, w->f};
    for (size_t i = 0; i < sizeof stores / sizeof stores[0]; i++) segue_close(stores[i]);
    segue_doc_free(&w->doc);
}

/* For tests that have a world of their own, in forward. */
static inline int world_set_up(void **state)
{
    static world w;
    world_open(&w, "", "", SEGUE_PHASE_FORWARD);
    *state = &w;
    return 0;
}

static inline int world_tear_down(void **state)
{
    world_close(*state);
    return 0;
}

#define WORLD_TEST(fn) cmocka_unit_test_setup_teardown(fn, world_set_up, world_tear_down)

static inline void world_hook(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    world *w = ctx;
    (void)op;
    bool here = w->only_key ? segue_slice_equal(key, K(w->only_key)) : count == w->nth;
    if (w->taken || after != w->after || !here) return;
    w->taken = true;
    w->step(w);
}

/* Take `step`, once, right before or after the nth call of these operations (0: any) to one side, or to either. */
static inline void world_inject(world *w, world_side side, unsigned ops, unsigned nth, bool after, world_step step)
{
    seg_fault_plan plan = {.ops = ops, .hook = world_hook, .hook_ctx = w}, none = {0};
    w->step = step;
    w->nth = nth;
    w->after = after;
    w->taken = false;
    seg_fault_set(w->fault_p, side == FALLBACK ? &none : &plan);
    seg_fault_set(w->fault_f, side == PRIMARY ? &none : &plan);
}

/* Fail calls to one side. */
static inline void world_fail(world *w, world_side side, unsigned ops, unsigned nth, bool persistent, bool after,
                              segue_status status)
{
    seg_fault_plan plan = {.ops = ops, .nth = nth, .persistent = persistent, .after = after, .status = status};
    seg_fault_set(side == PRIMARY ? w->fault_p : w->fault_f, &plan);
}

static inline void world_heal(world *w)
{
    seg_fault_plan none = {0};
    seg_fault_set(w->fault_p, &none);
    seg_fault_set(w->fault_f, &none);
}

/* ---- documents ---- */

/* A document straight into one plain store. */
static inline uint64_t put_doc(world *w, segue_store *store, const char *key, const char *body)
{
    uint64_t cas = 0;
    MUST(segue_set(store, K(key), K(body), segue_expiry_none(), NULL, &cas, &w->err));
    return cas;
}

/* One with everything that a record can have: body 1, xattrs _sync and u, revision 5, CAS 77, flags 9. Its expiry. */
static inline uint32_t put_rich_doc(world *w, segue_store *store, const char *key)
{
    segue_xattr xattrs[] = {{K("_sync"), K("{\"rev\":1}")}, {K("u"), K("2")}};
    segue_record rec = {.key = K(key),
                        .body = K("1"),
                        .xattrs = xattrs,
                        .n_xattrs = 2,
                        .revision = 5,
                        .cas = 77,
                        .expiry = (uint32_t)seg_wall_s(&w->env) + 5000,
                        .flags = 9,
                        .is_json = true};
    MUST(segue_put_record(store, &rec, 0, NULL, NULL, &w->err));
    return rec.expiry;
}

static inline segue_status get_doc(world *w, const char *key)
{
    return segue_get(w->dual, K(key), NULL, &w->doc, &w->err);
}

/* What a client sees: whether there is a live document with this body. */
static inline bool shows(world *w, const char *key, const char *body)
{
    return get_doc(w, key) == SEGUE_OK && segue_slice_equal(w->doc.rec.body, K(body));
}

static inline bool is_gone(world *w, const char *key) { return get_doc(w, key) == SEGUE_NOT_FOUND; }

static inline bool has_xattr(const world *w, const char *name, const char *value)
{
    const segue_xattr *x = segue_record_xattr(&w->doc.rec, K(name));
    return x && segue_slice_equal(x->value, K(value));
}

static inline segue_status set_doc(world *w, const char *key, const char *body)
{
    return segue_set(w->dual, K(key), K(body), segue_expiry_none(), NULL, &w->cas, &w->err);
}

static inline segue_status delete_doc(world *w, const char *key)
{
    return segue_delete(w->dual, K(key), NULL, &w->err);
}

/* Whether a scan of the dual store lists exactly "a b c". */
static inline bool lists(world *w, const char *want)
{
    segue_buf keys = {0};
    segue_scan *scan = NULL;
    const segue_record *rec = NULL;
    segue_status st = segue_scan_open(w->dual, NULL, &scan, &w->err);
    while (st == SEGUE_OK && (st = segue_scan_next(scan, &rec, &w->err)) == SEGUE_OK) {
        if (keys.size) MUST(segue_buf_append(&keys, " ", 1));
        MUST(segue_buf_append(&keys, rec->key.data, rec->key.size));
    }
    segue_scan_close(scan);
    bool same = st == SEGUE_END && segue_slice_equal(segue_buf_slice(&keys), K(want));
    segue_buf_free(&keys);
    return same;
}

#endif
