/* For tests of what a dual store reads: two mem stores with records at chosen CASes, of which each call is written down, and
 * can fail or be met by somebody else's step. Header only; one thread. */
#ifndef DUAL_SCENE_H
#define DUAL_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <segue/dual.h>
#include <segue/ops.h>

#include "backend/mem/mem.h"
#include "base/base.h"
#include "dual/dual.h"
#include "store/call.h"
#include "support/memory.h"

#define K(text) segue_str(text)
#define LEGACY SEGUE_PHASE_LEGACY
#define HOLD SEGUE_PHASE_HOLD
#define FORWARD SEGUE_PHASE_FORWARD
#define SEALED SEGUE_PHASE_SEALED
#define CLEAN SEGUE_PHASE_CLEAN

typedef struct scene scene;
typedef void (*scene_step)(scene *s);
enum { P, F, SIDES, TEXT_SIZE = 2048, CALLS_MOST = 300 };

struct scene {
    segue_store *plain[SIDES], *sides[SIDES], *dual;
    void *selves[SIDES]; /* of `sides` */
    size_t most[SIDES];  /* its pages of a scan end after so many, 0: as asked */
    uint64_t says;       /* not 0: P's `highest` says no more than that */
    unsigned n_calls;    /* to the sides, since the log was cleared */
    unsigned fail_at;    /* that call fails so, 0: none */
    segue_status fail_with;
    unsigned step_after; /* the step is taken after that call */
    scene_step step;
    segue_page page;
    segue_error err;
    char log[TEXT_SIZE]; /* "F.changes(0) P.highest(20) P.get(a)" */
    char text[TEXT_SIZE];
};

#define OK(s, call) scene_must(s, (call), #call, __LINE__)

static inline void scene_must(const scene *s, segue_status st, const char *what, int line)
{
    if (st != SEGUE_OK) fail_msg("line %d: %s: %s: %s", line, what, segue_status_name(st), s->err.message);
}

static inline void append(char out[TEXT_SIZE], const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline void append(char out[TEXT_SIZE], const char *format, ...)
{
    size_t n = strlen(out);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(out + n, TEXT_SIZE - n, format, args); /* a test that needs more than that finds another text */
    va_end(args);
}

/* ---- the two sides: mem, with somebody looking on ---- */

static scene *spied;
static segue_backend spy;

static inline segue_status spy_enter(void *self, segue_call *call, const char *what)
{
    scene *s = spied;
    append(s->log, "%s%c.%s", s->log[0] ? " " : "", self == s->selves[P] ? 'P' : 'F', what);
    if (++s->n_calls > CALLS_MOST) fail_msg("there is no end: %s", s->log);
    if (s->n_calls == s->fail_at) return segue_fail(call, s->fail_with, "call %u was made to fail", s->n_calls);
    return SEGUE_OK;
}

static inline segue_status spy_leave(segue_status st)
{
    if (spied->n_calls == spied->step_after) spied->step(spied);
    return st;
}

static inline segue_status spy_open(void *self, const segue_open_args *args, segue_call *call)
{
    spied->selves[segue_url_path(args->url)[0] == 'p' ? P : F] = self;
    return seg_backend_mem.open(self, args, call);
}

static inline segue_status spy_get(void *self, segue_slice key, segue_doc *doc, segue_call *call)
{
    char what[64];
    (void)snprintf(what, sizeof what, "get(%.*s)", (int)key.size, key.data); /* short keys */
    segue_status st = spy_enter(self, call, what);
    return st == SEGUE_OK ? spy_leave(seg_backend_mem.get(self, key, doc, call)) : st;
}

static inline segue_status spy_changes(void *self, const segue_since *since, segue_page *page, segue_call *call)
{
    char what[64];
    (void)snprintf(what, sizeof what, "changes(%llu%s%.*s%s)", (unsigned long long)since->cas,
                   since->key.data ? " " : "", (int)since->key.size, since->key.data ? since->key.data : "",
                   since->keys_only ? " keys" : ""); /* as above */
    segue_status st = spy_enter(self, call, what);
    return st == SEGUE_OK ? spy_leave(seg_backend_mem.changes(self, since, page, call)) : st;
}

static inline segue_status spy_scan(void *self, const segue_bounds *b, segue_page *page, segue_call *call)
{
    char what[96];
    (void)snprintf(what, sizeof what, "scan(%s%.*s,%.*s%s%s%s)",
                   !b->from.data  ? ""
                   : b->from_open ? ">"
                                  : ">=",
                   (int)b->from.size, b->from.data ? b->from.data : "", (int)b->to.size, b->to.data ? b->to.data : "",
                   !b->to.data  ? ""
                   : b->to_open ? ">"
                                : ">=",
                   b->keys_only ? " keys" : "", b->tombstones ? "" : " live"); /* as above */
    segue_status st = spy_enter(self, call, what);
    if (st != SEGUE_OK) return st;
    size_t most = spied->most[self == spied->selves[P] ? P : F], asked = page->max_docs;
    if (most && most < asked) page->max_docs = most;
    st = spy_leave(seg_backend_mem.scan(self, b, page, call));
    page->max_docs = asked;
    return st;
}

static inline segue_status spy_highest(void *self, uint64_t at_least, uint64_t *ret_cas, segue_call *call)
{
    char what[64];
    (void)snprintf(what, sizeof what, "highest(%llu)", (unsigned long long)at_least); /* as above */
    segue_status st = spy_enter(self, call, what);
    if (st == SEGUE_OK) st = spy_leave(seg_backend_mem.highest(self, at_least, ret_cas, call));
    bool shy = st == SEGUE_OK && spied->says && self == spied->selves[P] && *ret_cas > spied->says;
    if (shy) *ret_cas = at_least > spied->says ? at_least : spied->says;
    return st;
}

/* Before the first store is opened. */
static inline void scene_install(void)
{
    test_memory_install();
    spy = seg_backend_mem;
    spy.scheme = "spy";
    spy.open = spy_open;
    spy.get = spy_get;
    spy.changes = spy_changes;
    spy.scan = spy_scan;
    spy.highest = spy_highest;
    if (segue_register_backend(&spy) != SEGUE_OK) abort();
}

/* ---- records, as texts: "a10 -b20 c30=2 d50>20=7": a live one at CAS 10 with body 1, a tombstone, one with a body, and a pill
 * at 50 of a counter that was at 20 and held 7 ---- */

static inline segue_status put_text(segue_store *store, const char *text, size_t *ret_size)
{
    char *at = NULL, body[128], origin[96];
    bool dead = *text == '-';
    segue_record rec = {.key = segue_bytes(text + dead, 1), .is_tombstone = dead, .is_json = !dead, .revision = 1};
    rec.cas = strtoull(text + dead + 1, &at, 10);
    segue_xattr x = {K("_segue"), K(origin)};
    unsigned long long before = *at == '>' ? strtoull(at + 1, &at, 10) : 0;
    int n = *at == '=' ? (int)strcspn(at + 1, " ") : 1;
    const char *value = *at == '=' ? at + 1 : "1";
    if (before) {
        (void)snprintf(origin, sizeof origin, "{\"cas\":%llu,\"revision\":1,\"json\":true}", before); /* fits */
        (void)snprintf(body, sizeof body, "{\"last_seq\":%.*s,\"sg_metadata_migration_pill\":true}", n, value);
        x.value = K(origin);
        rec.xattrs = &x;
        rec.n_xattrs = 1;
        rec.revision = 2;
    } else (void)snprintf(body, sizeof body, "%.*s", n, value); /* fits, both */
    if (!dead) rec.body = K(body);
    *ret_size = (size_t)(at - text) + (*at == '=' ? 1 + (size_t)n : 0);
    return segue_put_record(store, &rec, SEGUE_PUT_REPLACE, NULL, NULL, NULL);
}

static inline segue_status scene_try_put(const scene *s, int side, const char *texts)
{
    segue_status st = SEGUE_OK;
    size_t size = 0;
    for (const char *at = texts; at && *at && st == SEGUE_OK; at += size, at += *at == ' ')
        st = put_text(s->plain[side], at, &size);
    return st;
}

static inline void put(const scene *s, int side, const char *texts) { OK(s, scene_try_put(s, side, texts)); }

static inline void show_record(char out[TEXT_SIZE], const segue_record *rec)
{
    append(out, "%s%s%.*s%llu%s", out[0] ? " " : "", rec->is_tombstone ? "-" : "", (int)rec->key.size, rec->key.data,
           (unsigned long long)seg_feed_cas(rec->cas), rec->cas & SEG_FALLBACK_TOKEN ? "*" : "");
    if (!rec->is_tombstone && !segue_slice_equal(rec->body, K("1")))
        append(out, "=%.*s", (int)rec->body.size, rec->body.data);
}

/* ---- the scene ---- */

static inline int64_t no_time(void *ctx) { return (void)ctx, 0; } /* so a new CAS is one more than the last */
static inline int64_t some_time(void *ctx) { return segue_env_default()->mono_ns(ctx); }
static inline void sleep_some(void *ctx, int64_t ns) { segue_env_default()->sleep_ns(ctx, ns); }
static inline void some_random(void *ctx, void *out, size_t size) { segue_env_default()->random(ctx, out, size); }
static const segue_env scene_env = {NULL, no_time, some_time, sleep_some, some_random};

static inline segue_status scene_try_open(scene *s, const char *p_caps, const char *f_caps)
{
    static unsigned number;
    const char *const caps[SIDES] = {p_caps, f_caps};
    segue_open_options options = {&scene_env, SEGUE_OPEN_NO_REAPER};
    segue_status st = SEGUE_OK;
    *s = (scene){.page = {.max_docs = 1, .max_bytes = SIZE_MAX}};
    spied = s;
    number++;
    for (int i = 0; i < SIDES && st == SEGUE_OK; i++) {
        char url[64];
        (void)snprintf(url, sizeof url, "mem:%c%u", "pf"[i], number); /* fits */
        st = segue_open(url, &options, &s->plain[i], &s->err);
        (void)snprintf(url, sizeof url, "spy:%c%u%s%s", "pf"[i], number, *caps[i] ? "?caps=" : "", caps[i]); /* too */
        if (st == SEGUE_OK) st = segue_open(url, &options, &s->sides[i], &s->err);
    }
    return st;
}

static inline segue_status scene_try_begin(scene *s, segue_phase phase)
{
    segue_dual_options options = {phase};
    segue_status st = segue_dual_open(s->sides[P], s->sides[F], &options, &s->dual, &s->err);
    s->log[0] = 0;
    s->n_calls = 0;
    return st;
}

/* With these records, from before the dual store is opened. */
static inline void scene_open(scene *s, bool keeps_cas, segue_phase phase, const char *p, const char *f)
{
    OK(s, scene_try_open(s, keeps_cas ? "" : "-keep_cas", ""));
    put(s, P, p);
    put(s, F, f);
    OK(s, scene_try_begin(s, phase));
}

static inline void scene_close(scene *s)
{
    segue_close(s->dual);
    for (int i = 0; i < SIDES; i++) {
        segue_close(s->sides[i]);
        segue_close(s->plain[i]);
    }
    segue_page_free(&s->page);
}

/* One call to the dual store begins; what was seen before is forgotten. */
static inline segue_call scene_begin_call(scene *s, segue_error *err)
{
    segue_call call = seg_call_new(s->dual, 0, err);
    s->err = (segue_error){0};
    s->log[0] = s->text[0] = 0;
    s->n_calls = 0;
    OK(s, seg_call_begin(s->dual, false, &call));
    return call;
}

static inline void text_is(const char *what, const char *name, const char *got, const char *want)
{
    if (strcmp(got, want) != 0) fail_msg("%s: %s is\n  %s\nnot\n  %s", name, what, got, want);
}

/* ---- what is shown, whatever fits on a page ---- */

/* The records of the page, without the marks of tokens, behind what is in `out`. The last one, or NULL. */
static inline const segue_record *show_page(const scene *s, char out[TEXT_SIZE])
{
    assert_true(s->page.n > 0 || !s->page.more);
    assert_in_range(s->page.n, 0, s->page.max_docs);
    for (size_t i = 0; i < s->page.n; i++) {
        segue_record rec = s->page.docs[i].rec;
        rec.cas = seg_feed_cas(rec.cas);
        show_record(out, &rec);
    }
    return s->page.n ? &s->page.docs[s->page.n - 1].rec : NULL;
}

typedef struct showing {
    const char *name, *p, *f; /* from before the store is opened */
    const char *f_later;      /* what the fallback gets then */
    const char *shown;
} showing;

/* Page after page, each of so many documents, into `out`. */
typedef void (*scene_walk)(scene *s, size_t max_docs, char out[TEXT_SIZE]);

/* In both phases in which both sides are asked, whether a move keeps CASes or not, with 1 to `most` documents on a page. */
static inline void each_is_shown_once(const showing *cases, size_t n_cases, size_t most, scene_walk walk)
{
    for (size_t i = 0; i < n_cases; i++)
        for (size_t n = 0; n < 2 * 2 * most; n++) {
            const showing *c = &cases[i];
            segue_phase phase = n & 2 ? FORWARD : HOLD;
            char shown[TEXT_SIZE], name[128];
            scene s;
            scene_open(&s, n & 1, phase, c->p, c->f);
            put(&s, F, c->f_later);
            walk(&s, 1 + n / 4, shown);
            (void)snprintf(name, sizeof name, "%s, %s, %zu on a page, %s", c->name, segue_phase_name(phase), 1 + n / 4,
                           n & 1 ? "CAS kept" : "CAS not kept"); /* fits */
            text_is("what is shown", name, shown, c->shown);
            scene_close(&s);
        }
}

#endif
