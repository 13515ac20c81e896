/* For tests of migrations: a key space with every shape of record, in two stores of any kinds, and what must have become of it.
 * Header only; one thread. */
#ifndef MIGRATION_SCENE_H
#define MIGRATION_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <stdatomic.h>

#include <segue/migrate.h>
#include <segue/ops.h>

#include "base/base.h"
#include "base/rules.h"
#include "doc/doc.h"
#include "store/filters.h"
#include "support/bucket.h"

#define K(text) segue_str(text)

/* Two stores; {} stands for the test's folder, # for a number that is never the same. */
typedef struct pair {
    const char *name, *from, *to;
} pair;

static const pair pairs[] = {
    {"mem, one engine", "mem:s#?collection=a.a", "mem:s#?collection=b.b"},
    {"mem, two engines", "mem:f#", "mem:t#"},
    {"mem, without batches", "mem:f#?caps=-write_many", "mem:t#?caps=-write_many,-mutate"},
    {"mem, CAS not kept", "mem:f#", "mem:t#?caps=-keep_cas"},
    {"sqlite, one file", "sqlite:{}/s#.db?collection=a.a", "sqlite:{}/s#.db?collection=b.b"},
    {"sqlite, two files", "sqlite:{}/f#.db", "sqlite:{}/t#.db"},
    {"rosmar, one bucket", "rosmar:{}/r#?collection=new.one", "rosmar:{}/r#?collection=new.two"},
    {"rosmar to sqlite", "rosmar:{}/r#?collection=new.one", "sqlite:{}/t#.db"},
};
enum {
    N_PAIRS = sizeof pairs / sizeof pairs[0],
    MEM_ONE = 0,
    MEM_TWO = 1,
    MEM_OWN_CAS = 3,
    SQLITE_ONE = 4,
    SQLITE_TWO = 5
};

static const char policy_text[] = "{ // what moves\n"
                                  "  \"rules\": [\n"
                                  "    {\"key\": \"n:counter\", \"action\": \"counter\"},\n"
                                  "    {\"prefix\": \"hb:\", \"action\": \"drop\"},\n"
                                  "    {\"key\": \"d:registry\", \"action\": \"move\", \"last\": true},\n"
                                  "    {\"glob\": \"?:*\", \"action\": \"move\"}\n"
                                  "  ]\n}\n";

typedef struct mscene {
    char from_url[256], to_url[256];
    segue_store *from, *to;             /* the stores themselves */
    segue_store *fault_from, *fault_to; /* what the migration gets */
    segue_policy *policy;
    segue_migration_options options;
    segue_doc doc;
} mscene;

static inline void fill_url(char out[256], const char *pattern, unsigned number)
{
    size_t n = 0;
    for (const char *p = pattern; *p; p++) {
        if (*p == '#') {
            n += (size_t)snprintf(out + n, 256 - n, "%u", number);
        } else if (p[0] == '{' && p[1] == '}') {
            n += (size_t)snprintf(out + n, 256 - n, "%s", test_folder);
            p++;
        } else {
            out[n++] = *p;
        }
        assert_in_range(n, 0, 250);
    }
    out[n] = '\0';
}

static inline void put_rec(segue_store *store, const segue_record *rec)
{
    assert_ok(segue_put_record(store, rec, SEGUE_PUT_REPLACE, NULL, NULL, &test_err));
}

/* Live documents of all shapes, tombstones, one that has expired, a counter, and what is not to be moved. */
static inline void fill_store(segue_store *store)
{
    char key[32], body[32];
    uint64_t cas = UINT64_C(1700000000000000000);
    bool has_flags = segue_store_caps(store) & SEGUE_CAP_FLAGS;
    segue_xattr xattrs[] = {{K("_sync"), K("{\"rev\":1.0}")}, {K("user"), K("[1, 2]")}};
    for (unsigned i = 0; i < 12; i++) {
        (void)snprintf(key, sizeof key, "d:%02u", i);       /* fits */
        (void)snprintf(body, sizeof body, "{\"i\":%u}", i); /* fits */
        segue_record rec = {.key = K(key), .body = K(body), .cas = cas += 65536, .revision = i + 1, .is_json = true};
        if (i % 3 == 1) rec.xattrs = xattrs, rec.n_xattrs = 2;
        if (i % 4 == 2) rec.expiry = 4000000000u + i;
        if (i % 5 == 3 && has_flags) rec.flags = 0x2000000u + i;
        if (i == 7) rec.body = segue_bytes("\0\xff\1", 3), rec.is_json = false;
        if (i == 8) rec.body = K(""), rec.is_json = false;
        if (i == 9) rec.body.data = NULL, rec.body.size = 0, rec.is_tombstone = true, rec.is_json = false;
        if (i == 10)
            rec = (segue_record){
                .key = K(key), .is_tombstone = true, .xattrs = xattrs, .n_xattrs = 1, .cas = cas, .revision = 4};
        if (i == 11) rec.expiry = 1000; /* long ago */
        put_rec(store, &rec);
    }
    const struct {
        const char *key, *body;
    } others[] = {
        {"d:registry", "{\"last\":true}"}, {"hb:1", "1"}, {"hb:2", "1"}, {"n:counter", "41"}, {"other", "\"stays\""}};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        segue_record rec = {
            .key = K(others[i].key), .body = K(others[i].body), .cas = cas += 65536, .revision = 3, .is_json = true};
        put_rec(store, &rec);
    }
}
enum { N_MOVED = 14, N_DROPPED = 2 };

/* The real world, but for patience: sleeps are short, so that retries and pauses between passes cost little. */
static inline void short_sleep(void *ctx, int64_t ns)
{
    (void)ctx;
    segue_env_default()->sleep_ns(NULL, ns / 50);
}

static inline void open_stores(mscene *s)
{
    segue_env env = *segue_env_default();
    env.sleep_ns = short_sleep;
    segue_open_options options = {&env, SEGUE_OPEN_NO_REAPER}; /* nothing happens but what a test does */
    assert_ok(segue_open(s->from_url, &options, &s->from, &test_err));
    assert_ok(segue_open(s->to_url, &options, &s->to, &test_err));
    assert_ok(seg_fault_open(s->from, &s->fault_from, &test_err));
    assert_ok(seg_fault_open(s->to, &s->fault_to, &test_err));
}

static inline void close_stores(mscene *s)
{
    segue_store *const stores[] = {s->fault_from, s->fault_to, s->from, s->to};
    for (size_t i = 0; i < sizeof stores / sizeof stores[0]; i++) segue_close(stores[i]);
}

static inline void begin_scene(mscene *s, size_t which)
{
    static unsigned number;
    memset(s, 0, sizeof *s);
    number++;
    fill_url(s->from_url, pairs[which].from, number);
    fill_url(s->to_url, pairs[which].to, number);
    assert_ok(segue_policy_parse(K(policy_text), &s->policy, &test_err));
    if (strncmp(s->from_url, "rosmar:", 7) == 0) {
        char directory[256];
        (void)snprintf(directory, sizeof directory, "%.*s", (int)strcspn(s->from_url + 7, "?"),
                       s->from_url + 7); /* fits */
        test_copy_bucket("sg-bucket", directory);
    }
    s->options = (segue_migration_options){.policy = s->policy, .page_docs = 3, .stale_ns = 1};
    open_stores(s);
    fill_store(s->from);
}

/* Time that passes only when a test says so, or somebody sleeps and the test says that this counts. */
static _Atomic int64_t scene_ns = 1;
static bool scene_sleeps_count;
static inline int64_t scene_mono_ns(void *ctx) { return (void)ctx, atomic_load(&scene_ns); }
static inline int64_t scene_wall_ns(void *ctx) { return INT64_C(1800000000000000000) + scene_mono_ns(ctx); }
static inline void scene_sleep_ns(void *ctx, int64_t ns)
{
    if (scene_sleeps_count) atomic_fetch_add(&scene_ns, ns);
    else short_sleep(ctx, ns); /* for the work of another thread */
}

/* From here on the migration, and who calls the stores, go by that clock. */
static inline void use_own_time(mscene *s)
{
    segue_store *const stores[] = {s->from, s->to, s->fault_from, s->fault_to};
    for (size_t i = 0; i < sizeof stores / sizeof stores[0]; i++) {
        segue_env *env = &stores[i]->env;
        *env = (segue_env){env->ctx, scene_wall_ns, scene_mono_ns, scene_sleep_ns, env->random};
    }
}

static inline void end_scene(mscene *s)
{
    close_stores(s);
    segue_policy_free(s->policy);
    segue_doc_free(&s->doc);
}

static inline segue_status run_between(mscene *s, segue_store *from, segue_store *to)
{
    segue_migration *m = NULL;
    assert_ok(segue_migration_open(from, to, &s->options, &m, &test_err));
    segue_status st = segue_migration_run(m, &test_err);
    segue_migration_close(m);
    return st;
}

/* Through the fault filters. */
static inline segue_status run_scene(mscene *s) { return run_between(s, s->fault_from, s->fault_to); }

static inline void heal(mscene *s)
{
    seg_fault_plan none = {0};
    seg_fault_set(s->fault_from, &none);
    seg_fault_set(s->fault_to, &none);
}

/* How many records there are, tombstones too. */
static inline size_t count_records(segue_store *store)
{
    segue_range all = {.options = SEGUE_SCAN_TOMBSTONES | SEGUE_SCAN_KEYS_ONLY};
    segue_scan *scan = NULL;
    const segue_record *rec = NULL;
    size_t n = 0;
    assert_ok(segue_scan_open(store, &all, &scan, &test_err));
    segue_status st;
    while ((st = segue_scan_next(scan, &rec, &test_err)) == SEGUE_OK) n++;
    assert_int_equal(st, SEGUE_END);
    segue_scan_close(scan);
    return n;
}

static inline bool is_at(segue_store *store, const char *key)
{
    SEG_AUTO(segue_doc) doc = {0};
    segue_status st = segue_get_record(store, K(key), NULL, &doc, &test_err);
    if (st != SEGUE_OK && st != SEGUE_NOT_FOUND) fail_msg("%s: %s", key, test_err.message);
    return st == SEGUE_OK;
}

static inline void assert_body(segue_store *store, const char *key, const char *expected)
{
    SEG_AUTO(segue_doc) doc = {0};
    assert_ok(segue_get_record(store, K(key), NULL, &doc, &test_err));
    segue_slice body = doc.rec.body.data ? doc.rec.body : K("(a tombstone)");
    if (!segue_slice_equal(body, K(expected)))
        fail_msg("%s is %.*s, expected %s", key, (int)body.size, body.data, expected);
}

/* Record for record, with or without CAS: what an undisturbed migration leaves. `model` is a store filled alike. */
static inline void assert_moved(const mscene *s, const char *what)
{
    segue_store *model = NULL;
    segue_range all = {.options = SEGUE_SCAN_TOMBSTONES};
    segue_scan *scan = NULL;
    const segue_record *rec = NULL;
    char quoted[SEG_QUOTED_MAX];
    bool keeps_cas = segue_store_caps(s->to) & SEGUE_CAP_KEEP_CAS;
    assert_ok(segue_open("mem:?reap=off", NULL, &model, &test_err));
    bool has_flags = segue_store_caps(s->from) & SEGUE_CAP_FLAGS;
    fill_store(model);
    assert_ok(segue_scan_open(model, &all, &scan, &test_err));
    while (segue_scan_next(scan, &rec, &test_err) == SEGUE_OK) {
        SEG_AUTO(segue_doc) doc = {0};
        segue_record expected = *rec;
        if (!has_flags) expected.flags = 0;
        bool stays = segue_slice_equal(rec->key, K("other")), drops = segue_slice_starts_with(rec->key, K("hb:"));
        segue_status st = segue_get_record(s->to, rec->key, NULL, &doc, &test_err);
        if ((stays || drops) != (st == SEGUE_NOT_FOUND))
            fail_msg("%s: %s in the primary: %s", what, seg_quote(rec->key, quoted), segue_status_name(st));
        if (st == SEGUE_OK && !keeps_cas) doc.rec.cas = expected.cas;
        if (st == SEGUE_OK && !seg_record_same(&doc.rec, &expected))
            fail_msg("%s: %s is not as it was: revision %llu, was %llu; CAS %llu, was %llu", what,
                     seg_quote(rec->key, quoted), (unsigned long long)doc.rec.revision,
                     (unsigned long long)rec->revision, (unsigned long long)doc.rec.cas, (unsigned long long)rec->cas);
        st = segue_get_record(s->from, rec->key, NULL, &doc, &test_err);
        if (stays != (st == SEGUE_OK))
            fail_msg("%s: %s in the fallback: %s", what, seg_quote(rec->key, quoted), segue_status_name(st));
    }
    segue_scan_close(scan);
    segue_close(model);
    assert_int_equal(count_records(s->to), N_MOVED);
    assert_int_equal(count_records(s->from), 1);
}

static inline segue_migration_status read_status(const mscene *s)
{
    segue_migration_status status = {0};
    assert_ok(segue_migration_status_read(s->to, NULL, &status, &test_err));
    return status;
}

static inline segue_stage stage_of(const mscene *s)
{
    segue_migration_status status = read_status(s);
    segue_stage stage = status.stage;
    segue_migration_status_free(&status);
    return stage;
}

/* Segue's own records, seen from below. */
static inline size_t count_manifests(const mscene *s)
{
    segue_error err = {0};
    segue_page page = {.max_docs = 1000, .max_bytes = 1 << 20};
    segue_bounds b = {.from = K("_segue:manifest:"), .to = K("_segue:manifest;"), .tombstones = true};
    segue_call call = seg_call_new(s->to, 0, &err);
    assert_ok(seg_call_scan(s->to, &b, &page, &call));
    size_t n = page.n;
    segue_page_free(&page);
    return n;
}

#endif
