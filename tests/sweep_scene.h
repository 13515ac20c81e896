/* For tests of a migration from inside: two mem stores with records at chosen CASes, of which each call is written down, can
 * fail, lose its answer, or be met by somebody else's step; and what a page of the sweep has to say afterwards. Clocks stand
 * still but for sleeps, which cost nothing. Header only; one thread. */
#ifndef SWEEP_SCENE_H
#define SWEEP_SCENE_H

#include "dual_scene.h"

#include "base/rules.h"
#include "base/sched.h"
#include "doc/doc.h"
#include "migrate/migration.h"

typedef struct sweep sweep;

/* What happens at some calls to a side. */
typedef struct trouble {
    const char *at;         /* the beginning of the call, as it is written down: "P.put(a" */
    unsigned nth, times;    /* which of them is the first, from 1; how many (0: one) */
    segue_status status;    /* OK: it is not the call that fails */
    bool after;             /* it was done, and the answer is lost */
    char key;               /* of a batch or a move, the answer for this record alone; M: for the manifest */
    void (*step)(sweep *w); /* taken before the call */
    unsigned but;           /* that one of them goes well */
} trouble;

#define FAILS(call, first, n, how)                                                                                     \
    {                                                                                                                  \
        .at = (call), .nth = (first), .times = (n), .status = SEGUE_##how                                              \
    }
#define LOST(call, how)                                                                                                \
    {                                                                                                                  \
        .at = (call), .nth = 1, .status = SEGUE_##how, .after = true                                                   \
    }
#define ODD(call, n, how, of)                                                                                          \
    {                                                                                                                  \
        .at = (call), .nth = 1, .times = (n), .status = SEGUE_##how, .key = (of)                                       \
    }
#define MEET(call, other)                                                                                              \
    {                                                                                                                  \
        .at = (call), .nth = 1, .step = (other)                                                                        \
    }
#define MEET_AND_FAIL(call, n, how, other)                                                                             \
    {                                                                                                                  \
        .at = (call), .nth = 1, .times = (n), .status = SEGUE_##how, .step = (other)                                   \
    }

struct sweep {
    scene s;
    trouble trouble;
    unsigned seen;
    bool strikes;
    const char *policy_text; /* NULL: sweep_policy */
    segue_policy *policy;
    segue_migration_options options;
    segue_migration *m;
    seg_swept swept;
    long live_before;        /* allocations */
    unsigned n_read[SIDES];  /* records of scans */
    bool is_gone, is_behind; /* b is erased from the fallback, or changed there, when the page has been read */
};

/* ---- the sides ---- */

static sweep *watched_sweep;
static int64_t sweep_now_s, sweep_slept_ns;

static inline segue_status sweep_enter(const void *self, segue_call *call, const char *what)
{
    char text[160];
    sweep *w = watched_sweep;
    const trouble now = w->trouble, *t = &now; /* the step may plan another one */
    (void)snprintf(text, sizeof text, "%c.%s", self == w->s.selves[P] ? 'P' : 'F', what); /* cut is fine */
    append(w->s.log, "%s%s", w->s.log[0] ? " " : "", text);
    if (++w->s.n_calls > CALLS_MOST) fail_msg("there is no end: %s", w->s.log);
    w->strikes = t->at && strncmp(text, t->at, strlen(t->at)) == 0 && ++w->seen >= t->nth &&
                 w->seen < t->nth + (t->times ? t->times : 1) && w->seen != t->but;
    if (w->strikes && t->step) t->step(w);
    bool fails = w->strikes && t->status != SEGUE_OK && !t->after && !t->key;
    return fails ? segue_fail(call, t->status, "%s was made to fail", text) : SEGUE_OK;
}

static inline segue_status sweep_leave(segue_status st, segue_call *call)
{
    const trouble *t = &watched_sweep->trouble;
    bool is_lost = watched_sweep->strikes && t->status != SEGUE_OK && t->after && !t->key;
    return is_lost ? segue_fail(call, t->status, "an answer was made to be lost") : st;
}

static inline bool sweep_is_odd(segue_slice key)
{
    char odd = watched_sweep->strikes ? watched_sweep->trouble.key : 0;
    return odd == 'M' ? segue_slice_starts_with(key, K(SEG_MANIFEST_PREFIX))
                      : odd && segue_slice_equal(key, segue_bytes(&odd, 1));
}

/* Segue's own records by what they are. */
static inline void show_key(char out[TEXT_SIZE], const char *before, segue_slice key)
{
    if (segue_slice_starts_with(key, K(SEG_MANIFEST_PREFIX))) key = K("manifest");
    else if (segue_slice_starts_with(key, K(SEG_STATUS_PREFIX))) key = K("status");
    append(out, "%s%.*s", before, (int)key.size, key.data ? key.data : "");
}

static inline segue_status sweep_enter_key(const void *self, segue_call *call, const char *op, segue_slice key)
{
    char what[TEXT_SIZE] = "";
    show_key(what, op, key);
    append(what, ")");
    return sweep_enter(self, call, what);
}

static inline segue_status sweep_open_side(void *self, const segue_open_args *args, segue_call *call)
{
    const char *collection = segue_url_param(args->url, "collection");
    bool is_primary = collection ? collection[0] == 'p' : segue_url_path(args->url)[0] == 'p';
    watched_sweep->s.selves[is_primary ? P : F] = self;
    return seg_backend_mem.open(self, args, call);
}

static inline segue_status sweep_get(void *self, segue_slice key, segue_doc *doc, segue_call *call)
{
    segue_status st = sweep_enter_key(self, call, "get(", key);
    return st == SEGUE_OK ? sweep_leave(seg_backend_mem.get(self, key, doc, call), call) : st;
}

static inline segue_status sweep_put(void *self, const segue_put *put, uint64_t *ret_cas, segue_call *call)
{
    segue_status st = sweep_enter_key(self, call, "put(", put->rec.key);
    return st == SEGUE_OK ? sweep_leave(seg_backend_mem.put(self, put, ret_cas, call), call) : st;
}

static inline segue_status sweep_erase(void *self, segue_slice key, uint64_t cas, segue_call *call)
{
    segue_status st = sweep_enter_key(self, call, "erase(", key);
    return st == SEGUE_OK ? sweep_leave(seg_backend_mem.erase(self, key, cas, call), call) : st;
}

static inline segue_status sweep_scan(void *self, const segue_bounds *b, segue_page *page, segue_call *call)
{
    char what[TEXT_SIZE] = "";
    show_key(what, b->from_open ? "scan(>" : "scan(", b->from);
    show_key(what, b->to_open ? "..<" : "..", b->to);
    append(what, "%s%s)", b->keys_only ? " keys" : "", b->tombstones ? "" : " live");
    segue_status st = sweep_enter(self, call, what);
    if (st == SEGUE_OK) st = sweep_leave(seg_backend_mem.scan(self, b, page, call), call);
    watched_sweep->n_read[self == watched_sweep->s.selves[P] ? P : F] += (unsigned)page->n;
    return st;
}

/* Of a batch: what is odd is not asked for, and all the rest is asked for at once. */
enum { PARTS_MOST = 64 };

static inline segue_status sweep_write_many(void *self, segue_write *writes, size_t n, segue_call *call)
{
    char what[TEXT_SIZE] = "write(";
    for (size_t i = 0; i < n; i++) {
        show_key(what, i ? " " : "", (segue_slice){NULL, 0});
        show_key(what, writes[i].op == SEGUE_WRITE_PUT ? "+" : "-", writes[i].put.rec.key);
    }
    append(what, ")");
    segue_status st = sweep_enter(self, call, what);
    if (st != SEGUE_OK) return st;
    bool odd[PARTS_MOST];
    segue_write others[PARTS_MOST];
    size_t n_others = 0, at = 0;
    assert_in_range(n, 1, PARTS_MOST);
    for (size_t i = 0; i < n; i++) {
        odd[i] = sweep_is_odd(writes[i].put.rec.key);
        if (!odd[i]) others[n_others++] = writes[i];
    }
    st = seg_backend_mem.write_many(self, others, n_others, call);
    if (st != SEGUE_OK) return st;
    for (size_t i = 0; i < n; i++) {
        if (odd[i]) writes[i].status = watched_sweep->trouble.status;
        else writes[i] = others[at++];
    }
    return sweep_leave(st, call);
}

static inline segue_status sweep_move(void *self, void *to, segue_move *moves, size_t n, segue_call *call)
{
    char what[TEXT_SIZE] = "";
    for (size_t i = 0; i < n; i++) show_key(what, i ? " " : "move(", moves[i].key);
    append(what, ")");
    segue_status st = sweep_enter(self, call, what);
    if (st != SEGUE_OK) return st;
    bool odd[PARTS_MOST];
    segue_move others[PARTS_MOST];
    size_t n_others = 0, at = 0;
    assert_in_range(n, 1, PARTS_MOST);
    for (size_t i = 0; i < n; i++) {
        odd[i] = sweep_is_odd(moves[i].key);
        if (!odd[i]) others[n_others++] = moves[i];
    }
    st = seg_backend_mem.move(self, to, others, n_others, call);
    if (st != SEGUE_OK) return st;
    for (size_t i = 0; i < n; i++) {
        if (odd[i]) moves[i].status = watched_sweep->trouble.status;
        else moves[i] = others[at++];
    }
    return sweep_leave(st, call);
}

static inline segue_status sweep_highest(void *self, uint64_t at_least, uint64_t *ret_cas, segue_call *call)
{
    char what[64];
    (void)snprintf(what, sizeof what, "highest(%llu)", (unsigned long long)at_least); /* fits */
    segue_status st = sweep_enter(self, call, what);
    return st == SEGUE_OK ? sweep_leave(seg_backend_mem.highest(self, at_least, ret_cas, call), call) : st;
}

/* Before the first store is opened. */
static inline void sweep_install(void)
{
    scene_install();
    spy.open = sweep_open_side;
    spy.get = sweep_get;
    spy.put = sweep_put;
    spy.erase = sweep_erase;
    spy.scan = sweep_scan;
    spy.write_many = sweep_write_many;
    spy.move = sweep_move;
    spy.highest = sweep_highest;
}

/* How the sweep of a page of two, or three, begins that are all to be moved. */
#define TRY_AB "P.get(a) P.get(b) P.put(manifest) F.move(a b)"
#define TRY_ABC "P.get(a) P.get(b) P.get(c) P.put(manifest) F.move(a b c)"

/* ---- clocks and chance ---- */

static inline int64_t sweep_wall_ns(void *ctx) { return (void)ctx, sweep_now_s * 1000000000; }
static inline int64_t sweep_mono_ns(void *ctx) { return (void)ctx, 1 + sweep_slept_ns; }
static inline void sweep_sleep_ns(void *ctx, int64_t ns) { (void)ctx, sweep_slept_ns += ns; }
static inline void sweep_random(void *ctx, void *out, size_t size)
{
    static unsigned char number;
    (void)ctx;
    memset(out, 0xff, size); /* so a wait is about as long as it may be */
    *(unsigned char *)out = number++;
}
static const segue_env sweep_env = {NULL, sweep_wall_ns, sweep_mono_ns, sweep_sleep_ns, sweep_random};

/* ---- the scene ---- */

static const char sweep_policy[] =
    "{\"rules\":[{\"key\":\"n\",\"action\":\"counter\"},{\"key\":\"h\",\"action\":\"drop\"},"
    "{\"key\":\"i\",\"action\":\"drop\"},{\"key\":\"l\",\"action\":\"leave\"},"
    "{\"key\":\"s\",\"action\":\"stop\",\"name\":\"never\"},{\"key\":\"z\",\"action\":\"move\",\"last\":true},"
    "{\"key\":\"a\",\"action\":\"move\"},{\"key\":\"b\",\"action\":\"move\"},{\"key\":\"c\",\"action\":\"move\"},"
    "{\"key\":\"d\",\"action\":\"move\"},{\"key\":\"e\",\"action\":\"move\"},{\"key\":\"f\",\"action\":\"move\"}]}";

static const char moves_all[] = "{\"unmatched\":\"move\",\"rules\":[]}";

enum sweep_engines { TWO_ENGINES, ONE_ENGINE };

/* Running out of memory is an answer. */
static inline segue_status sweep_try_open(sweep *w, enum sweep_engines engines, const char *p_caps)
{
    static unsigned number;
    scene *s = &w->s;
    segue_open_options options = {&sweep_env, SEGUE_OPEN_NO_REAPER};
    segue_status st = SEGUE_OK;
    watched_sweep = w;
    w->live_before = atomic_load(&test_memory_live);
    sweep_now_s = sweep_slept_ns = 0;
    number++;
    for (int i = 0; i < SIDES && st == SEGUE_OK; i++) {
        char path[64], url[128];
        const char *caps = i == P ? p_caps : "";
        if (engines == ONE_ENGINE)
            (void)snprintf(path, sizeof path, "sw%u?collection=%c.%c", number, "pf"[i], "pf"[i]); /* fits, all */
        else (void)snprintf(path, sizeof path, "%csw%u?collection=%c.%c", "pf"[i], number, "pf"[i], "pf"[i]);
        (void)snprintf(url, sizeof url, "mem:%s", path);
        st = segue_open(url, &options, &s->plain[i], &s->err);
        (void)snprintf(url, sizeof url, "spy:%s%s%s", path, *caps ? "&caps=" : "", caps);
        if (st == SEGUE_OK) st = segue_open(url, &options, &s->sides[i], &s->err);
    }
    return st;
}

static inline segue_status sweep_try_begin(sweep *w)
{
    segue_status st = segue_policy_parse(K(w->policy_text ? w->policy_text : sweep_policy), &w->policy, &w->s.err);
    w->options.policy = w->policy;
    if (!w->options.workers) w->options.workers = 1;
    if (st == SEGUE_OK) st = segue_migration_open(w->s.sides[F], w->s.sides[P], &w->options, &w->m, &w->s.err);
    if (st == SEGUE_OK) atomic_store(&w->m->next_manifest, 1); /* as a runner has it */
    return st;
}

/* With these records, and the options that are set. */
static inline void sweep_open(sweep *w, enum sweep_engines engines, const char *p_caps, const char *p, const char *f)
{
    OK(&w->s, sweep_try_open(w, engines, p_caps));
    put(&w->s, P, p);
    put(&w->s, F, f);
    OK(&w->s, sweep_try_begin(w));
}

static inline void sweep_close(sweep *w)
{
    seg_swept_clear(&w->swept);
    segue_migration_close(w->m);
    segue_policy_free(w->policy);
    for (int i = 0; i < SIDES; i++) {
        segue_close(w->s.sides[i]);
        segue_close(w->s.plain[i]);
    }
    segue_page_free(&w->s.page);
    long left = atomic_load(&test_memory_live) - w->live_before;
    if (left) fail_msg("%ld allocations leak", left);
}

static inline void sweep_trouble(sweep *w, trouble t)
{
    w->trouble = t;
    w->seen = 0;
    w->strikes = false;
    w->s.log[0] = 0;
    w->s.n_calls = 0;
}

/* Running out of memory is an answer. */
static inline segue_status try_erase_plainly(sweep *w, int side, const char *key)
{
    segue_error err;
    SEG_AUTO(segue_doc) doc = {0};
    segue_call call = seg_call_new(w->s.plain[side], 0, &err);
    segue_status st = seg_call_get(w->s.plain[side], K(key), &doc, &call);
    return st == SEGUE_OK ? seg_call_erase(w->s.plain[side], K(key), doc.rec.cas, &call) : st;
}

static inline void erase_plainly(sweep *w, int side, const char *key) { OK(&w->s, try_erase_plainly(w, side, key)); }

static inline segue_status sweep_try_page(sweep *w, bool tail)
{
    segue_bounds all = {.tombstones = true};
    w->s.page.max_docs = 1000;
    w->s.page.max_bytes = SIZE_MAX;
    segue_call call = seg_call_new(w->s.sides[F], 0, &w->s.err);
    segue_status st = seg_call_scan(w->s.sides[F], &all, &w->s.page, &call);
    w->s.log[0] = 0; /* that was the runner's, not the sweep's */
    if (st == SEGUE_OK && w->is_gone) st = try_erase_plainly(w, F, "b");
    if (st == SEGUE_OK && w->is_behind) put(&w->s, F, "b90=3");
    if (st == SEGUE_OK) seg_sweep_page(w->m, &w->s.page, tail, &w->swept);
    return st == SEGUE_OK ? w->swept.status : st;
}

/* All that the fallback has, as one page. */
static inline void sweep_page(sweep *w, bool tail) { (void)sweep_try_page(w, tail); /* a failure is in swept */ }

/* ---- what there is to see ---- */

static inline void show_side(const sweep *w, int side, char out[TEXT_SIZE])
{
    segue_error err;
    segue_page page = {.max_docs = 1000, .max_bytes = SIZE_MAX};
    segue_bounds all = {.tombstones = true};
    segue_call call = seg_call_new(w->s.plain[side], 0, &err);
    out[0] = 0;
    OK(&w->s, seg_call_scan(w->s.plain[side], &all, &page, &call));
    for (size_t i = 0; i < page.n; i++)
        if (!seg_key_is_reserved(page.docs[i].rec.key)) show_record(out, &page.docs[i].rec);
    segue_page_free(&page);
}

/* "[a b! c?]": ! where the primary had a record of its own, ? where that was a tombstone over a live one. */
static inline void show_manifests(const sweep *w, char out[TEXT_SIZE])
{
    char bounds[2 * SEG_MANIFEST_KEY_SIZE];
    segue_error err;
    segue_page page = {.max_docs = 1000, .max_bytes = SIZE_MAX};
    segue_bounds all = seg_manifest_bounds("default", bounds);
    segue_call call = seg_call_new(w->s.plain[P], 0, &err);
    out[0] = 0;
    OK(&w->s, seg_call_scan(w->s.plain[P], &all, &page, &call));
    for (size_t i = 0; i < page.n; i++) {
        seg_entry e;
        bool ok = true;
        append(out, "[");
        for (size_t at = 0; seg_manifest_next(page.docs[i].rec.body, &at, &e, &ok);)
            append(out, "%s%.*s%s", out[strlen(out) - 1] == '[' ? "" : " ", (int)e.key.size, e.key.data,
                   e.bits & SEG_ENTRY_HIDDEN  ? "?"
                   : e.bits & SEG_ENTRY_THERE ? "!"
                                              : "");
        append(out, "]");
        assert_true(ok);
    }
    segue_page_free(&page);
}

static inline void show_keys(char out[TEXT_SIZE], const char *what, const seg_keys *keys)
{
    for (size_t i = 0; i < keys->n; i++)
        append(out, "%s%.*s", i ? "," : what, (int)keys->keys[i].size, (const char *)keys->keys[i].data);
}

/* What is not 0: "2 scanned, 1 moved (2 bytes)". */
static inline void show_counts(char out[TEXT_SIZE], const segue_counts *counts)
{
    static const char *const names[] = {"scanned", "moved",  "bytes",     "already",  "hidden",
                                        "dropped", "left",   "unmatched", "counters", "finished",
                                        "foreign", "errors", "retries",   "passes",   "purged"};
    const uint64_t n[] = {counts->scanned,  counts->moved,          counts->moved_bytes,    counts->already,
                          counts->hidden,   counts->dropped,        counts->left,           counts->unmatched,
                          counts->counters, counts->pills_finished, counts->foreign_writes, counts->errors,
                          counts->retries,  counts->passes,         counts->purged};
    for (size_t i = 0; i < sizeof n / sizeof n[0]; i++)
        if (n[i]) append(out, "%s%llu %s", out[0] ? ", " : "", (unsigned long long)n[i], names[i]);
}

static inline void show_swept(const seg_swept *swept, char out[TEXT_SIZE])
{
    out[0] = 0;
    show_counts(out, &swept->counts);
    append(out, "; %llu of work, %llu settled", (unsigned long long)swept->work, (unsigned long long)swept->settled);
    show_keys(out, "; failed ", &swept->failed);
    if (swept->why != SEGUE_OK) append(out, ": %s", segue_status_name(swept->why));
    show_keys(out, "; foreign ", &swept->foreign);
    if (swept->status != SEGUE_OK) append(out, "; %s: %s", segue_status_name(swept->status), swept->err.message);
}

/* ---- a page, as a line of a table ---- */

typedef struct page_case {
    const char *name;
    /* Words: "one" engine (else two), "own" CASes in the primary, "keep", "tail", "newer", "primary", "gone", "behind",
     * "forgets", "moves" all. */
    const char *how;
    const char *p, *f; /* before */
    trouble trouble;
    const char *calls, *left; /* "primary | fallback | remembered" */
    const char *swept;
} page_case;

static inline void play_page(const page_case *c)
{
    sweep w = {.options = {.keep = strstr(c->how, "keep")}};
    char left[TEXT_SIZE], part[TEXT_SIZE];
    w.is_gone = strstr(c->how, "gone");
    w.is_behind = strstr(c->how, "behind");
    if (strstr(c->how, "moves")) w.policy_text = moves_all;
    if (strstr(c->how, "newer")) w.options.on_foreign_write = SEGUE_FOREIGN_NEWER;
    if (strstr(c->how, "primary")) w.options.on_foreign_write = SEGUE_FOREIGN_PRIMARY;
    sweep_open(&w, strstr(c->how, "one") ? ONE_ENGINE : TWO_ENGINES, strstr(c->how, "own") ? "-keep_cas" : "", c->p,
               c->f);
    if (strstr(c->how, "forgets")) atomic_store(&w.m->next_manifest, 0); /* as when all is clean */
    sweep_trouble(&w, c->trouble);
    sweep_page(&w, strstr(c->how, "tail"));
    show_side(&w, P, left);
    show_side(&w, F, part);
    append(left, " | %s | ", part);
    show_manifests(&w, part);
    append(left, "%s", part);
    show_swept(&w.swept, part);
    text_is("what was asked", c->name, w.s.log, c->calls);
    text_is("what is left", c->name, left, c->left);
    text_is("what is said", c->name, part, c->swept);
    sweep_close(&w);
}

/* What others do meanwhile. */
static inline void client_has_b(sweep *w) { put(&w->s, P, "b90=2"); }
static inline void client_deletes_b(sweep *w) { put(&w->s, P, "-b90"); }
static inline void outsider_has_b(sweep *w) { put(&w->s, F, "b90=3"); }
static inline void outsider_deletes_b(sweep *w) { put(&w->s, F, "-b90"); }
static inline void outsider_erases_b(sweep *w) { erase_plainly(w, F, "b"); }
static inline void rival_moves_b(sweep *w)
{
    put(&w->s, P, "b20");
    erase_plainly(w, F, "b");
}

#endif
