/* The read-modify-write loop over one store, by the store's own slot and by hand: what a callback is asked and when again, what
 * an outcome says, how the fate of a write is found out whose answer was lost, and that nothing leaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <segue/ops.h>

#include "backend/mem/mem.h"
#include "base/base.h"
#include "store/filters.h"
#include "support/memory.h"

#define K(text) segue_str(text)
#define N(array) (sizeof(array) / sizeof *(array))

static const char *const both_caps[] = {"", "-mutate"};
enum { WRITES = SEG_OP_PUT | SEG_OP_MUTATE };

/* ---- a store, others beside it, and calls that fail ---- */

typedef struct scene scene;
struct scene {
    segue_store *plain, *fault; /* the same data */
    segue_doc doc;
    segue_outcome outcome;
    segue_error err;
    seg_fault_plan plan;
    void (*step)(scene *s); /* taken once, at the first call of this kind */
    seg_store_op step_at;
    bool step_after, taken;
    long live; /* allocations, before it was opened */
};

static void must(const scene *s, segue_status st, int line)
{
    if (st != SEGUE_OK) fail_msg("line %d: %s: %s", line, segue_status_name(st), s->err.message);
}
#define OK(call) must(s, (call), __LINE__)

static void hook(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    scene *s = ctx;
    (void)key, (void)count;
    if (!s->step || s->taken || !((unsigned)op & (unsigned)s->step_at) || after != s->step_after) return;
    s->taken = true;
    s->step(s);
}

static void scene_open_in(scene *s, const char *caps, const segue_env *env)
{
    segue_open_options options = {env, SEGUE_OPEN_NO_REAPER};
    segue_store *below = NULL;
    static unsigned number;
    char url[64];
    *s = (scene){.live = atomic_load(&test_memory_live), .plan = {.hook = hook}};
    (void)snprintf(url, sizeof url, "mem:loop%u", number); /* fits */
    OK(segue_open(url, &options, &s->plain, &s->err));
    (void)snprintf(url, sizeof url, "mem:loop%u%s%s", number++, *caps ? "?caps=" : "", caps); /* too */
    OK(segue_open(url, &options, &below, &s->err));
    OK(seg_fault_open(below, &s->fault, &s->err));
    segue_close(below);
}

static void scene_open(scene *s, const char *caps) { scene_open_in(s, caps, NULL); }

static void scene_close(scene *s)
{
    segue_close(s->fault);
    segue_close(s->plain);
    segue_doc_free(&s->doc);
    long left = atomic_load(&test_memory_live) - s->live;
    if (left) fail_msg("%ld allocations leak", left);
}

/* From now on. */
static void fail_calls(scene *s, unsigned ops, unsigned nth, bool after, segue_status st)
{
    s->plan.ops = ops;
    s->plan.nth = nth;
    s->plan.after = after;
    s->plan.status = st;
    s->plan.hook_ctx = s;
    seg_fault_set(s->fault, &s->plan);
}

static void let_step(scene *s, void (*step)(scene *s), unsigned at, bool after)
{
    s->step = step;
    s->step_at = (seg_store_op)at;
    s->step_after = after;
    s->taken = false;
    fail_calls(s, 0, 0, false, SEGUE_OK);
}

static uint64_t put(scene *s, const char *body)
{
    uint64_t cas = 0;
    OK(segue_set(s->plain, K("k"), K(body), segue_expiry_none(), NULL, &cas, &s->err));
    return cas;
}

/* The record as it is, or an empty one. */
static const segue_record *look(scene *s)
{
    static segue_record none;
    segue_error ignored;
    segue_status st = segue_get_record(s->plain, K("k"), NULL, &s->doc, &ignored);
    return st == SEGUE_OK ? &s->doc.rec : &none;
}

static void body_is(scene *s, const char *want, int line)
{
    const segue_record *rec = look(s);
    if (!segue_slice_equal(rec->body, K(want)))
        fail_msg("line %d: the body is %.*s, not %s", line, (int)rec->body.size, rec->body.data ? rec->body.data : "",
                 want);
}
#define BODY_IS(want) body_is(s, want, __LINE__)

static void outcome_is(const scene *s, bool written, uint64_t cas, uint64_t revision, int line)
{
    const segue_outcome *o = &s->outcome;
    if (o->written != written || o->cas != cas || o->revision != revision)
        fail_msg("line %d: written %d, CAS %llx, revision %llu; not %d, %llx, %llu", line, o->written,
                 (unsigned long long)o->cas, (unsigned long long)o->revision, written, (unsigned long long)cas,
                 (unsigned long long)revision);
}
#define OUTCOME_IS(written, cas, revision) outcome_is(s, written, cas, revision, __LINE__)

static void refused(const scene *s, segue_status got, segue_status want, const char *says, int line)
{
    if (got != want || s->err.status != want || !strstr(s->err.message, says))
        fail_msg("line %d: %s (\"%s\"), not %s (\"%s\")", line, segue_status_name(got), s->err.message,
                 segue_status_name(want), says);
}
#define REFUSED(want, says, call) refused(s, (call), SEGUE_##want, (says), __LINE__)

/* ---- callbacks ---- */

enum { CALLS_MOST = 4 };

/* What a callback does at each of its calls, and what it has seen. */
typedef struct script {
    scene *s;
    void (*write[CALLS_MOST])(segue_mutation *m); /* NULL: it asks for nothing */
    segue_status answers[CALLS_MOST];
    unsigned calls;
    char seen[64];   /* "first|none|" */
    uint64_t expect; /* a CAS, for `expecting` */
} script;

static script *playing;

static segue_status play(void *ctx, const segue_record *current, segue_mutation *m)
{
    script *p = ctx;
    unsigned n = p->calls++;
    if (n >= CALLS_MOST) fail_msg("called too often: %s", p->seen);
    size_t at = strlen(p->seen);
    (void)snprintf(p->seen + at, sizeof p->seen - at, "%.*s|", current ? (int)current->body.size : 4,
                   !current             ? "none"
                   : current->body.data ? current->body.data
                                        : ""); /* short bodies */
    playing = p;
    if (p->write[n]) p->write[n](m);
    return p->answers[n];
}

static void write_new(segue_mutation *m)
{
    m->body_op = SEGUE_BODY_SET;
    m->body = K("new");
}
static void delete_it(segue_mutation *m) { m->body_op = SEGUE_BODY_DELETE; }
static void longer(segue_mutation *m) { m->expiry.seconds += 1000; }

static void expecting_live(segue_mutation *m)
{
    write_new(m);
    m->expect = SEGUE_EXPECT_LIVE;
    m->cas = playing->expect;
}
static void expecting_cas(segue_mutation *m)
{
    expecting_live(m);
    m->expect = SEGUE_EXPECT_CAS;
}
static void expecting_record_cas(segue_mutation *m)
{
    expecting_live(m);
    m->expect = SEGUE_EXPECT_RECORD_CAS;
}
static void expecting_absent(segue_mutation *m)
{
    write_new(m);
    m->expect = SEGUE_EXPECT_ABSENT;
}

static segue_status update(scene *s, script *p, const segue_update_options *options)
{
    p->s = s;
    p->calls = 0;
    p->seen[0] = 0;
    s->outcome = (segue_outcome){0};
    return segue_update(s->fault, K("k"), play, p, options, &s->outcome, &s->err);
}

static void saw(const script *p, const char *want, int line)
{
    if (strcmp(p->seen, want) != 0) fail_msg("line %d: the callback saw %s, not %s", line, p->seen, want);
}
#define SAW(want) saw(&p, want, __LINE__)

static void somebody_writes(scene *s) { put(s, "other"); }

/* ---- updates that want nothing ---- */

static void what_wants_nothing_tells_what_it_saw(void **state)
{
    (void)state;
    for (size_t i = 0; i < N(both_caps); i++) {
        scene this, *s = &this;
        script p = {0}, late = {.write = {write_new}};
        segue_record previous = {.key = K("k"), .body = K("old"), .cas = 17, .revision = 5};
        segue_update_options options = {.previous = &previous};
        scene_open(s, both_caps[i]);
        OK(update(s, &p, NULL));
        OUTCOME_IS(false, 0, 0);
        SAW("none|");
        uint64_t cas = put(s, "first");
        OK(update(s, &p, NULL));
        OUTCOME_IS(false, cas, 1);
        SAW("first|");
        fail_calls(s, 0, 0, false, SEGUE_OK);
        OK(update(s, &p, &options));
        OUTCOME_IS(false, 17, 5); /* nothing was read */
        previous.cas = 0;
        OK(update(s, &p, &options));
        OUTCOME_IS(false, 0, 0);
        SAW("none|");
        assert_int_equal(seg_fault_count(s->fault), 0);
        let_step(s, somebody_writes, WRITES, false);
        OK(update(s, &late, NULL)); /* it wanted something until somebody else had done it */
        saw(&late, "first|other|", __LINE__);
        const segue_record *rec = look(s);
        OUTCOME_IS(false, rec->cas, 2);
        BODY_IS("other");
        scene_close(s);
    }
}

static void a_callback_may_delete_what_is_not_there(void **state)
{
    (void)state;
    for (size_t i = 0; i < N(both_caps); i++) {
        scene this, *s = &this;
        script p = {.write = {delete_it}};
        segue_mutation m = {.body_op = SEGUE_BODY_DELETE, .options = SEGUE_M_NOTHING_OK};
        scene_open(s, both_caps[i]);
        OK(update(s, &p, NULL));
        OUTCOME_IS(false, 0, 0);
        OK(segue_mutate(s->fault, K("k"), &m, NULL, &s->outcome, &s->doc, &s->err));
        OUTCOME_IS(false, 0, 0);
        if (s->doc.rec.key.data || s->doc.rec.cas) fail_msg("a document that is not there was given");
        put(s, "first");
        OK(segue_delete(s->plain, K("k"), NULL, &s->err));
        uint64_t cas = look(s)->cas;
        OK(update(s, &p, NULL));
        OUTCOME_IS(false, cas, 2);
        scene_close(s);
    }
}

/* What the options start with is nothing asked for; each change of it is. */
static segue_macro others[] = {{{"_s.b", 4}, SEGUE_MACRO_BODY_CRC32C}};
static void other_macros(segue_mutation *m)
{
    m->macros = others;
    m->n_macros = 1;
}

static void what_options_start_with_asks_for_nothing(void **state)
{
    (void)state;
    static const segue_macro macros[] = {{{"_s.a", 4}, SEGUE_MACRO_BODY_CRC32C}};
    const segue_xattr xattrs[] = {{K("_s"), K("{\"a\":0,\"b\":0}")}};
    for (size_t i = 0; i < N(both_caps); i++) {
        scene this, *s = &this;
        segue_update_options options = {.expiry = segue_expiry_in(1000), .macros = macros, .n_macros = 1};
        script nothing = {0}, more_time = {.write = {longer}}, macro = {.write = {other_macros}};
        uint32_t before = 0, after = 0;
        scene_open(s, both_caps[i]);
        put(s, "1");
        OK(segue_xattrs_set(s->plain, K("k"), xattrs, 1, NULL, NULL, &s->err));
        OK(segue_touch(s->plain, K("k"), segue_expiry_in(100000), NULL, NULL, &s->err));
        OK(segue_get_expiry(s->plain, K("k"), NULL, &before, &s->err));
        OK(update(s, &nothing, &options));
        assert_false(s->outcome.written);
        OK(update(s, &more_time, &options));
        assert_true(s->outcome.written);
        OK(segue_get_expiry(s->plain, K("k"), NULL, &after, &s->err));
        assert_in_range(before - after, 97990, 98010);
        OK(update(s, &macro, NULL));
        assert_true(s->outcome.written);
        uint64_t cas = put(s, "2");
        OK(update(s, &macro, &options));
        assert_true(s->outcome.written && s->outcome.cas > cas);
        scene_close(s);
    }
}

/* ---- updates that want one thing ---- */

static void set_u(segue_mutation *m)
{
    static const segue_xattr u = {{"u", 1}, {"2", 1}};
    m->set_xattrs = &u;
    m->n_set_xattrs = 1;
}
static void drop_u(segue_mutation *m)
{
    static const segue_slice u = {"u", 1};
    m->drop_xattrs = &u;
    m->n_drop_xattrs = 1;
}
static void set_path(segue_mutation *m)
{
    static const segue_path_op path = {SEGUE_PATH_SET, SEGUE_IN_BODY, {"b", 1}, {"2", 1}, 0};
    m->paths = &path;
    m->n_paths = 1;
}
static void set_flags(segue_mutation *m)
{
    m->has_flags = true;
    m->flags = 7;
}
static void no_json(segue_mutation *m) { m->json = SEGUE_JSON_NO; }
static void no_expiry(segue_mutation *m) { m->expiry.op = SEGUE_EXPIRY_NONE; }
static void keep_expiry(segue_mutation *m) { m->expiry.keep_if_live = true; }
static void fewer_macros(segue_mutation *m) { m->n_macros--; }
static void make_tombstone(segue_mutation *m) { m->options |= SEGUE_M_AS_TOMBSTONE; }

/* Whatever it is, it is asked for although nothing else is. */
static void each_thing_alone_is_asked_for(void **state)
{
    (void)state;
    static const segue_macro macros[] = {{{"u", 1}, SEGUE_MACRO_BODY_CRC32C}, {{"u.c", 3}, SEGUE_MACRO_BODY_CRC32C}};
    static const struct {
        const char *name;
        void (*write)(segue_mutation *m);
        bool on_nothing, is_the_same;
    } rows[] = {{"an xattr", set_u, false, false},
                {"an xattr less", drop_u, false, false},
                {"a path", set_path, false, false},
                {"flags", set_flags, false, false},
                {"no JSON", no_json, false, false},
                {"no expiry", no_expiry, false, false},
                {"the expiry that it has", keep_expiry, false, true},
                {"a tombstone", make_tombstone, true, false}};
    for (size_t i = 0; i < N(both_caps) * N(rows); i++) {
        scene this, *s = &this;
        script p = {.write = {rows[i / 2].write}};
        scene_open(s, both_caps[i % 2]);
        put(s, "{\"b\":1}");
        OK(segue_xattrs_set(s->plain, K("k"), &(segue_xattr){K("u"), K("{\"c\":0}")}, 1, NULL, NULL, &s->err));
        OK(segue_touch(s->plain, K("k"), segue_expiry_in(1000), NULL, NULL, &s->err));
        if (rows[i / 2].on_nothing) OK(seg_call_erase(s->plain, K("k"), look(s)->cas, &(segue_call){.err = &s->err}));
        uint64_t before = look(s)->cas;
        OK(update(s, &p, NULL));
        uint64_t after = look(s)->cas;
        if (s->outcome.written == rows[i / 2].is_the_same || (after == before) != rows[i / 2].is_the_same)
            fail_msg("%s: written %d", rows[i / 2].name, s->outcome.written);
        scene_close(s);
    }
    for (size_t i = 0; i < N(both_caps); i++) { /* one of the two that it started with could not be done */
        scene this, *s = &this;
        script p = {.write = {fewer_macros}};
        segue_update_options options = {.macros = &macros[0], .n_macros = 2};
        scene_open(s, both_caps[i]);
        put(s, "1");
        REFUSED(INVALID_PATH, "u", update(s, &p, &options));
        scene_close(s);
    }
}

/* ---- again ---- */

static void a_callback_that_asks_to_is_called_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < N(both_caps); i++) {
        scene this, *s = &this;
        script p = {.write = {NULL, write_new}, .answers = {SEGUE_RETRY}};
        segue_record previous = {.key = K("k"), .body = K("old"), .cas = 17, .revision = 5};
        segue_update_options options = {.previous = &previous};
        scene_open(s, both_caps[i]);
        put(s, "first");
        OK(update(s, &p, NULL));
        SAW("first|first|");
        BODY_IS("new");
        s->err = (segue_error){0};
        OK(update(s, &p, NULL)); /* it met nobody: the error is not touched */
        if (s->err.status != SEGUE_OK || s->err.message[0]) fail_msg("a success says \"%s\"", s->err.message);
        put(s, "second");
        script stopped = {.answers = {SEGUE_RETRY, SEGUE_CANCELLED}};
        REFUSED(CANCELLED, "the update of \"k\" was stopped by its callback; nothing was written",
                update(s, &stopped, &options));
        OK(update(s, &p, &options));
        SAW("old|second|"); /* and then it is read */
        BODY_IS("new");
        OUTCOME_IS(true, s->doc.rec.cas, 5);
        scene_close(s);
    }
}

/* A mutation under an expectation of its own goes out unread only if the expectation is what was given. */
static void a_previous_document_is_no_more_than_it_is(void **state)
{
    (void)state;
    static const struct {
        void (*write)(segue_mutation *m);
        bool stale;      /* somebody has written since */
        bool newest;     /* it expects the CAS that is there, not that of the previous one */
        const char *saw; /* by the callback */
        segue_status st;
    } rows[] = {
        {write_new, false, false, "first|", SEGUE_OK},
        {write_new, true, false, "first|second|", SEGUE_OK},
        {expecting_cas, false, false, "first|", SEGUE_OK},
        {expecting_record_cas, false, false, "first|", SEGUE_OK},
        {expecting_cas, true, false, "first|second|", SEGUE_CAS_MISMATCH},
        {expecting_record_cas, true, true, "first|second|", SEGUE_OK},
        {expecting_cas, true, true, "first|second|", SEGUE_OK},
        {expecting_live, true, false, "first|second|", SEGUE_OK},
        {expecting_live, false, false, "first|first|", SEGUE_OK},
        {expecting_absent, false, false, "first|first|", SEGUE_EXISTS},
    };
    for (size_t i = 0; i < 2 * N(rows); i++) {
        scene this, *s = &this;
        scene_open(s, both_caps[i % 2]);
        uint64_t cas = put(s, "first");
        segue_record previous = {.key = K("k"), .body = K("first"), .cas = cas, .revision = 1};
        segue_update_options options = {.previous = &previous};
        script p = {.expect = cas};
        for (size_t n = 0; n < CALLS_MOST; n++) p.write[n] = rows[i / 2].write;
        if (rows[i / 2].stale) cas = put(s, "second");
        if (rows[i / 2].newest) p.expect = cas;
        segue_status st = update(s, &p, &options);
        if (st != rows[i / 2].st || strcmp(p.seen, rows[i / 2].saw) != 0)
            fail_msg("row %zu, %s: %s, %s; the callback saw %s, not %s", i / 2, both_caps[i % 2], segue_status_name(st),
                     s->err.message, p.seen, rows[i / 2].saw);
        BODY_IS(st == SEGUE_OK ? "new" : rows[i / 2].stale ? "second" : "first");
        scene_close(s);
    }
}

/* "Known not to exist", and it does; or it was, and is not any more. */
static void what_was_known_may_be_otherwise(void **state)
{
    (void)state;
    for (size_t i = 0; i < N(both_caps); i++) {
        scene this, *s = &this;
        script p = {.write = {write_new, write_new}};
        segue_record previous = {.key = K("k"), .body = K("old"), .revision = 1};
        segue_update_options options = {.previous = &previous};
        scene_open(s, both_caps[i]);
        OK(update(s, &p, &options));
        SAW("none|");
        BODY_IS("new");
        put(s, "first");
        OK(update(s, &p, &options));
        SAW("none|first|");
        previous.cas = look(s)->cas;
        OK(segue_delete(s->plain, K("k"), NULL, &s->err));
        OK(segue_purge_tombstones(s->plain, NULL, &s->err));
        OK(update(s, &p, &options));
        SAW("old|none|");
        BODY_IS("new");
        OUTCOME_IS(true, s->doc.rec.cas, 1);
        scene_close(s);
    }
}

/* ---- who loses waits longer each time ---- */

static int64_t passed_ns, first_nap_ns, longest_nap_ns;

static int64_t virtual_ns(void *ctx) { return (void)ctx, INT64_C(1800000000) * 1000000000 + passed_ns; }
static void nap(void *ctx, int64_t ns)
{
    (void)ctx;
    if (!first_nap_ns) first_nap_ns = ns;
    if (ns > longest_nap_ns) longest_nap_ns = ns;
    passed_ns += ns;
}

static segue_status always_new(void *ctx, const segue_record *current, segue_mutation *m)
{
    (void)ctx, (void)current;
    write_new(m);
    return SEGUE_OK;
}

static void who_loses_waits_longer_each_time_until_the_deadline(void **state)
{
    (void)state;
    segue_env env = *segue_env_default();
    env.wall_ns = env.mono_ns = virtual_ns;
    env.sleep_ns = nap;
    for (size_t i = 0; i < N(both_caps); i++) {
        scene this, *s = &this;
        segue_update_options options = {.timeout_ns = INT64_C(10) * 1000000000};
        passed_ns = first_nap_ns = longest_nap_ns = 0;
        scene_open_in(s, both_caps[i], &env);
        put(s, "first");
        s->plan.persistent = true;
        fail_calls(s, WRITES, 1, false, SEGUE_CAS_MISMATCH);
        REFUSED(TIMEOUT, "applied", segue_update(s->fault, K("k"), always_new, NULL, &options, NULL, &s->err));
        if (passed_ns != options.timeout_ns || first_nap_ns > 20000 || longest_nap_ns > 10000000 ||
            longest_nap_ns < 5000000)
            fail_msg("%lld ns passed, the first wait was %lld ns, the longest %lld", (long long)passed_ns,
                     (long long)first_nap_ns, (long long)longest_nap_ns);
        BODY_IS("first");
        scene_close(s);
    }
}

/* ---- answers that are lost ---- */

static const segue_xattr with_place = {{"_s", 2}, {"{\"c\":0}", 7}};
static const segue_macro cas_macro = {{"_s.c", 4}, SEGUE_MACRO_CAS};

/* It was applied, and is found by its id: then all is told as if the answer had come. */
static void what_is_found_by_its_id_is_told_whole(void **state)
{
    (void)state;
    static const struct {
        segue_mutation m;
        const char *body;
        bool has_doc;
        uint64_t counter, revision;
    } rows[] = {
        {{.body_op = SEGUE_BODY_ADD, .delta = 1}, "6", false, 6, 2},
        {{.body_op = SEGUE_BODY_ADD, .delta = 1}, "6", true, 6, 2},
        {{.body_op = SEGUE_BODY_SET,
          .body = {"7", 1},
          .set_xattrs = &with_place,
          .n_set_xattrs = 1,
          .macros = &cas_macro,
          .n_macros = 1},
         "7",
         true,
         0,
         2},
    };
    for (size_t i = 0; i < 4 * N(rows); i++) {
        scene this, *s = &this;
        segue_doc doc = {0};
        scene_open(s, both_caps[i % 2]);
        put(s, "5");
        fail_calls(s, WRITES, i / 2 % 2, true, SEGUE_MAYBE_APPLIED);
        OK(segue_mutate(s->fault, K("k"), &rows[i / 4].m, NULL, &s->outcome, rows[i / 4].has_doc ? &doc : NULL,
                        &s->err));
        const segue_record *rec = look(s);
        OUTCOME_IS(true, rec->cas, rows[i / 4].revision);
        BODY_IS(rows[i / 4].body);
        assert_int_equal(rec->revision, rows[i / 4].revision);
        assert_int_equal(s->outcome.counter, rows[i / 4].counter);
        if (rows[i / 4].has_doc)
            assert_true(doc.rec.cas == rec->cas && segue_slice_equal(doc.rec.body, rec->body) &&
                        doc.rec.revision == rec->revision && doc.rec.n_xattrs == rec->n_xattrs);
        if (rec->n_xattrs) assert_true(segue_slice_equal(doc.rec.xattrs[0].value, rec->xattrs[0].value));
        segue_doc_free(&doc);
        scene_close(s);
    }
}

static segue_status replace_all(scene *s)
{
    segue_mutation m = {.body_op = SEGUE_BODY_SET,
                        .body = K("7"),
                        .set_xattrs = &with_place,
                        .n_set_xattrs = 1,
                        .macros = &cas_macro,
                        .n_macros = 1,
                        .options = SEGUE_M_REPLACE_ALL};
    s->outcome = (segue_outcome){0};
    return segue_mutate(s->fault, K("k"), &m, NULL, &s->outcome, NULL, &s->err);
}

/* One put that reads nothing knows no revision. */
static void a_replacement_without_a_read_is_one_put(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        scene this, *s = &this;
        char want[32];
        scene_open(s, i % 2 ? "-mutate" : "");
        put(s, "5");
        fail_calls(s, i / 2 ? WRITES : 0, i / 2 ? 1 : 0, i / 2 != 2, SEGUE_MAYBE_APPLIED);
        if (i / 2 == 2) { /* it did not arrive */
            REFUSED(MAYBE_APPLIED, "not known whether the write of \"k\" was applied; read the document",
                    replace_all(s));
            BODY_IS("5");
        } else {
            OK(replace_all(s));
            BODY_IS("7");
            OUTCOME_IS(true, s->doc.rec.cas, i % 2 ? 0 : 2);
            segue_slice value = s->doc.rec.xattrs[0].value;
            (void)snprintf(want, sizeof want, "{\"c\":\"0x%016llx\"}",
                           (unsigned long long)__builtin_bswap64(s->doc.rec.cas)); /* fits */
            if (!segue_slice_equal(value, K(want))) fail_msg("%.*s, not %s", (int)value.size, value.data, want);
            if (i < 2) assert_int_equal(seg_fault_count(s->fault), 1);
        }
        scene_close(s);
    }
}

/* An engine that says nothing of what it has done. */
static segue_status mutate_and_forget(void *self, segue_slice key, const segue_mutation *m, uint64_t write_id,
                                      uint64_t cas_floor, bool require_record, segue_doc *base, segue_outcome *outcome,
                                      segue_doc *doc, segue_call *call)
{
    segue_outcome ignored;
    (void)outcome, (void)doc;
    segue_status st = seg_backend_mem.mutate(self, key, m, write_id, cas_floor, require_record, base, &ignored, NULL,
                                             call);
    return st == SEGUE_OK ? segue_fail(call, SEGUE_MAYBE_APPLIED, "the line went dead") : st;
}

static void what_an_engine_did_not_say_is_read(void **state)
{
    (void)state;
    static segue_backend forgetful;
    segue_store *store = NULL;
    segue_error err = {0};
    segue_doc doc = {0}, now = {0};
    segue_outcome outcome = {0};
    segue_mutation m = {.body_op = SEGUE_BODY_ADD, .delta = 2, .has_initial = true, .initial = 40};
    forgetful = seg_backend_mem;
    forgetful.scheme = "forgetful";
    forgetful.mutate = mutate_and_forget;
    assert_int_equal(segue_register_backend(&forgetful), SEGUE_OK);
    assert_int_equal(segue_open("forgetful:", NULL, &store, &err), SEGUE_OK);
    for (unsigned i = 1; i <= 3; i++) {
        outcome = (segue_outcome){0};
        segue_status st = segue_mutate(store, K("k"), &m, NULL, &outcome, i == 2 ? NULL : &doc, &err);
        assert_int_equal(segue_get(store, K("k"), NULL, &now, &err), SEGUE_OK);
        if (st != SEGUE_OK || !outcome.written || outcome.counter != 38 + 2 * i || outcome.revision != i ||
            outcome.cas != now.rec.cas)
            fail_msg("%s: written %d, counter %llu, revision %llu", segue_status_name(st), outcome.written,
                     (unsigned long long)outcome.counter, (unsigned long long)outcome.revision);
        if (i != 2) assert_true(doc.rec.cas == now.rec.cas && segue_slice_equal(doc.rec.body, now.rec.body));
    }
    segue_doc_free(&doc);
    segue_doc_free(&now);
    segue_close(store);
}

/* What did not arrive is sent again under the same condition, which only one of the two can meet. */
static void what_did_not_arrive_is_sent_again(void **state)
{
    (void)state;
    static const struct {
        const char *caps;
        bool is_there, persistent;
        segue_status st;
        unsigned calls; /* reads and writes */
    } rows[] = {
        {"-mutate", true, false, SEGUE_OK, 4},
        {"-mutate", true, true, SEGUE_MAYBE_APPLIED, 12}, /* it ends */
        {"-mutate", false, false, SEGUE_MAYBE_APPLIED, 3},
        {"", true, false, SEGUE_MAYBE_APPLIED, 2},
        {"", false, false, SEGUE_MAYBE_APPLIED, 2},
        {"-mutate,-write_id", true, false, SEGUE_MAYBE_APPLIED, 2},
        {"-write_id", true, false, SEGUE_MAYBE_APPLIED, 1},
    };
    for (size_t i = 0; i < N(rows); i++) {
        scene this, *s = &this;
        uint64_t cas = 0, calls = 0;
        scene_open(s, rows[i].caps);
        if (rows[i].is_there) put(s, "5");
        segue_store *stats = NULL;
        OK(seg_stats_open(s->fault, &stats, &s->err));
        s->plan.persistent = rows[i].persistent;
        fail_calls(s, WRITES, 1, false, SEGUE_MAYBE_APPLIED);
        segue_status st = segue_set(stats, K("k"), K("6"), segue_expiry_none(), NULL, &cas, &s->err);
        segue_stats n = {0};
        OK(segue_store_stats(stats, &n));
        calls = n.get + n.put + n.mutate;
        if (st != rows[i].st || calls != rows[i].calls)
            fail_msg("row %zu: %s after %llu calls, not %s after %u", i, segue_status_name(st),
                     (unsigned long long)calls, segue_status_name(rows[i].st), rows[i].calls);
        if (st == SEGUE_OK) BODY_IS("6");
        else REFUSED(MAYBE_APPLIED, "not known whether the write of \"k\" was applied; read the document", st);
        const segue_record *rec = look(s);
        assert_true(cas == (st == SEGUE_OK ? rec->cas : 0));
        assert_int_equal(rec->revision, rows[i].is_there + (st == SEGUE_OK));
        segue_close(stats);
        scene_close(s);
    }
}

static void memory_runs_out(scene *s)
{
    segue_doc_free(&s->doc);
    test_fault_arm(&test_memory, 1, true);
}

/* It is found, but there is no memory to tell it in: then it is not known to the caller, and no failure. */
static void what_cannot_be_told_is_not_called_a_failure(void **state)
{
    (void)state;
    scene this, *s = &this;
    segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = K("6")};
    scene_open(s, "");
    put(s, "5");
    let_step(s, memory_runs_out, SEG_OP_GET, true);
    fail_calls(s, 0, 1, true, SEGUE_MAYBE_APPLIED);
    segue_status st = segue_mutate(s->fault, K("k"), &m, NULL, NULL, &s->doc, &s->err);
    test_fault_heal(&test_memory);
    assert_true(s->taken);
    REFUSED(MAYBE_APPLIED, "not known whether the write of \"k\" was applied", st);
    assert_null(s->doc.rec.key.data);
    BODY_IS("6");
    scene_close(s);
}

/* ---- failures ---- */

/* Not even of what would have been written. */
static void a_failure_gives_no_document(void **state)
{
    (void)state;
    for (size_t i = 0; i < N(both_caps); i++) {
        scene this, *s = &this;
        segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = K("6")};
        scene_open(s, both_caps[i]);
        put(s, "5");
        OK(segue_get(s->plain, K("k"), NULL, &s->doc, &s->err));
        fail_calls(s, WRITES, 1, false, SEGUE_NO_SPACE);
        REFUSED(NO_SPACE, "injected", segue_mutate(s->fault, K("k"), &m, NULL, NULL, &s->doc, &s->err));
        if (s->doc.rec.key.data || s->doc.rec.body.data || s->doc.rec.cas) fail_msg("a document was given");
        BODY_IS("5");
        scene_close(s);
    }
}

int main(void)
{
    test_memory_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_wants_nothing_tells_what_it_saw),
        cmocka_unit_test(a_callback_may_delete_what_is_not_there),
        cmocka_unit_test(what_options_start_with_asks_for_nothing),
        cmocka_unit_test(each_thing_alone_is_asked_for),
        cmocka_unit_test(a_callback_that_asks_to_is_called_again),
        cmocka_unit_test(a_previous_document_is_no_more_than_it_is),
        cmocka_unit_test(what_was_known_may_be_otherwise),
        cmocka_unit_test(who_loses_waits_longer_each_time_until_the_deadline),
        cmocka_unit_test(what_is_found_by_its_id_is_told_whole),
        cmocka_unit_test(what_an_engine_did_not_say_is_read),
        cmocka_unit_test(a_replacement_without_a_read_is_one_put),
        cmocka_unit_test(what_did_not_arrive_is_sent_again),
        cmocka_unit_test(what_cannot_be_told_is_not_called_a_failure),
        cmocka_unit_test(a_failure_gives_no_document),
    };
    return cmocka_run_group_tests_name("test_loop", tests, NULL, NULL);
}
