/* Every engine and every kind of dual store against one plain store in memory: random mutations, updates, reaping, steps of a
 * sweep and of the clock, and after each step both must show the same documents, answers, revisions, scans and feeds, and the
 * CASes of both must stand in the same order. One seed is fixed, one is new at each run; a failure prints its seed and step.
 * SEGUE_OPERATIONS: how many on each store (make differential: a million). SEGUE_SEED: this seed only. SEGUE_WITHOUT: with
 * this rule of base/rules.def off, so as to see that it is missed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <segue/dual.h>
#include <segue/feed.h>
#include <segue/ops.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/base.h"
#include "base/env.h"
#include "base/rules.h"
#include "doc/doc.h"
#include "store/call.h"
#include "support/bucket.h"
#include "support/file.h"
#include "support/show.h"

#define K(text) segue_str(text)

enum { KEYS = 6, STEPS = 120, OPERATIONS = 3400 };

/* A store alone (no fallback), or a dual one. %s is the folder of the test, %u the number of the run. */
typedef struct target {
    const char *name, *primary, *fallback;
} target;

static const target targets[] = {
    {"mem without mutate", "mem:p%u?caps=-mutate", NULL},
    {"sqlite", "sqlite:%s/s%u.db?sync=off", NULL},
    {"rosmar", "rosmar:%s/r%u?collection=p.p", NULL},
    {"mem over mem", "mem:p%u", "mem:f%u"},
    {"mem collections", "mem:c%u?collection=p.p", "mem:c%u?collection=f.f"},
    {"mem over mem, by loop", "mem:p%u?caps=-mutate", "mem:f%u?caps=-mutate"},
    {"mem over mem, own CAS", "mem:p%u?caps=-keep_cas", "mem:f%u"},
    {"mem over mem, poor", "mem:p%u?caps=-mutate,-keep_cas,-write_id", "mem:f%u"},
    {"one file", "sqlite:%s/o%u.db?sync=off&collection=p.p", "sqlite:%s/o%u.db?sync=off&collection=f.f"},
    {"two files", "sqlite:%s/p%u.db?sync=off", "sqlite:%s/f%u.db?sync=off"},
    {"sqlite over rosmar", "sqlite:%s/q%u.db?sync=off", "rosmar:%s/b%u?collection=f.f"},
    {"one bucket", "rosmar:%s/k%u?collection=p.p", "rosmar:%s/k%u?collection=f.f"},
};
enum { N_TARGETS = sizeof targets / sizeof targets[0] };

typedef struct model {
    const target *target;
    segue_store *oracle, *store; /* store: what is compared, a dual one or primary itself */
    segue_store *primary, *fallback;
    segue_env env;
    segue_error err;
    int64_t skew_ns;
    uint64_t random, seed;
    unsigned step;
    bool has_flags, has_cas_macros;
    segue_phase phase;    /* of a dual store */
    segue_feed *follower; /* open all the time */
    segue_doc told[KEYS]; /* by it, last */
    sqlite3 *bucket;   /* the file of a bucket that is compared, by itself; or NULL */
    sqlite3_stmt *check;
    uint64_t cases[2]; /* the CASes of the last write on either */
} model;

static uint64_t n_operations;

static int64_t wall_ns(void *ctx) { return INT64_C(1800000000) * 1000000000 + ((model *)ctx)->skew_ns; }
static int64_t mono_ns(void *ctx) { return wall_ns(ctx); }
static void sleep_ns(void *ctx, int64_t ns) { ((model *)ctx)->skew_ns += ns; }
static void random_bytes(void *ctx, void *out, size_t size)
{
    (void)ctx;
    segue_env_default()->random(NULL, out, size);
}

static unsigned pick(model *m, unsigned n)
{
    m->random = m->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(m->random >> 33) % n;
}

#define FAIL(m, ...)                                                                                                   \
    do {                                                                                                               \
        print_error("%s, seed %llu, step %u: ", (m)->target->name, (unsigned long long)(m)->seed, (m)->step);          \
        fail_msg(__VA_ARGS__);                                                                                         \
    } while (0)

#define MUST(m, call)                                                                                                  \
    do {                                                                                                               \
        segue_status must_ = (call);                                                                                   \
        if (must_ != SEGUE_OK) FAIL(m, "%s: %s: %s", #call, segue_status_name(must_), (m)->err.message);               \
    } while (0)

static segue_slice key_of(unsigned i)
{
    static const char *const keys[KEYS] = {"a", "b", "c", "d", "e", "f"};
    return K(keys[i]);
}

/* ---- comparing ---- */

/* What a macro has written there: "0x0123456789abcdef". */
static bool is_cas_text(segue_slice text)
{
    enum { SIZE = 20 };
    return text.size >= SIZE && memcmp(text.data, "\"0x", 3) == 0 &&
           memchr(text.data + 1, '"', SIZE - 1) == text.data + SIZE - 1;
}

/* Equal but for those, which are each store's own. */
static bool same_but_cas(segue_slice a, segue_slice b)
{
    if (a.size != b.size) return false;
    for (size_t i = 0; i < a.size; i++) {
        segue_slice one = segue_bytes(a.data + i, a.size - i), other = segue_bytes(b.data + i, b.size - i);
        if (is_cas_text(one) && is_cas_text(other)) i += 18; /* to its last digit */
        else if (a.data[i] != b.data[i]) return false;
    }
    return true;
}

static bool same_content(const segue_record *a, const segue_record *b)
{
    if (seg_record_same_content(a, b)) return true;
    segue_record one = *a, other = *b;
    if (one.n_xattrs != other.n_xattrs) return false;
    for (size_t i = 0; i < one.n_xattrs; i++)
        if (!segue_slice_equal(a->xattrs[i].name, b->xattrs[i].name) ||
            !same_but_cas(a->xattrs[i].value, b->xattrs[i].value))
            return false;
    one.n_xattrs = other.n_xattrs = 0;
    return seg_record_same_content(&one, &other);
}

/* What scans and gets show; CAS values are each store's own. */
static void same_record(model *m, const segue_record *want, const segue_record *have, const char *by)
{
    if (same_content(want, have) && want->revision == have->revision) return;
    char one[TEST_LINE], other[TEST_LINE];
    test_show(want, one);
    test_show(have, other);
    FAIL(m, "%s of %.*s shows \"%s\", revision %llu, the oracle \"%s\", revision %llu", by, (int)want->key.size,
         want->key.data, other, (unsigned long long)have->revision, one, (unsigned long long)want->revision);
}

static segue_status read_one(model *m, segue_store *store, unsigned key, segue_doc *doc)
{
    return segue_get_record(store, key_of(key), NULL, doc, &m->err);
}

static void compare_all(model *m)
{
    segue_doc want = {0}, have = {0};
    for (unsigned i = 0; i < KEYS; i++) {
        segue_status a = read_one(m, m->oracle, i, &want), b = read_one(m, m->store, i, &have);
        if (a != b) FAIL(m, "get of key %u is %s, the oracle says %s", i, segue_status_name(b), segue_status_name(a));
        if (a == SEGUE_OK) same_record(m, &want.rec, &have.rec, "get");
    }
    segue_doc_free(&want);
    segue_doc_free(&have);
}

/* A whole scan by pages of `max` records into *all. */
static void scan_all(model *m, segue_store *store, const segue_bounds *bounds, size_t max, segue_page *all)
{
    segue_page page = {.max_docs = max, .max_bytes = 1 << 20};
    segue_bounds b = *bounds;
    segue_buf from = {0};
    bool full = false;
    segue_status st = SEGUE_OK;
    unsigned rounds = 0;
    do {
        segue_call call = seg_call_new(store, 0, &m->err);
        MUST(m, seg_call_begin(store, false, &call));
        st = seg_call_scan(store, &b, &page, &call);
        seg_call_end(store, &call);
        for (size_t i = 0; i < page.n && st == SEGUE_OK; i++)
            if (!page.docs[i].rec.is_tombstone || bounds->tombstones)
                st = segue_page_add(all, &page.docs[i].rec, &full);
        if (st != SEGUE_OK || rounds++ > 4 * KEYS)
            FAIL(m, "a scan by pages of %zu does not end: %s", max, segue_status_name(st));
        if (page.n == 0) break;
        segue_slice last = page.docs[page.n - 1].rec.key;
        segue_buf_clear(&from);
        MUST(m, segue_buf_append(&from, last.data, last.size));
        b.from = segue_buf_slice(&from);
        b.from_open = true;
    } while (page.more);
    segue_page_free(&page);
    segue_buf_free(&from);
}

static void compare_scans(model *m)
{
    segue_page want = {.max_docs = 100, .max_bytes = 1 << 20}, have = want;
    segue_bounds b = {.tombstones = pick(m, 2), .from_open = pick(m, 2), .to_open = pick(m, 2)};
    if (pick(m, 3) == 0) b.from = key_of(pick(m, KEYS));
    if (pick(m, 3) == 0) b.to = key_of(pick(m, KEYS));
    scan_all(m, m->oracle, &b, 100, &want);
    scan_all(m, m->store, &b, 1 + pick(m, 4), &have);
    if (want.n != have.n) FAIL(m, "a scan shows %zu records, the oracle %zu", have.n, want.n);
    for (size_t i = 0; i < want.n; i++) {
        if (!segue_slice_equal(want.docs[i].rec.key, have.docs[i].rec.key))
            FAIL(m, "a scan shows another key at %zu", i);
        same_record(m, &want.docs[i].rec, &have.docs[i].rec, "scan");
    }
    segue_page_free(&want);
    segue_page_free(&have);
}

/* ---- steps ---- */

static segue_expiry random_expiry(model *m)
{
    segue_expiry e = {SEGUE_EXPIRY_DEFAULT, 0, pick(m, 4) == 0};
    unsigned n = pick(m, 6);
    uint32_t now = (uint32_t)seg_wall_s(&m->env);
    if (n == 0) e.op = SEGUE_EXPIRY_NONE;
    if (n == 1) e = (segue_expiry){SEGUE_EXPIRY_AT, now / 1000 * 1000 + 1000 * (1 + pick(m, 3)), e.keep_if_live};
    if (n == 2) e = (segue_expiry){SEGUE_EXPIRY_AT, now - 5, e.keep_if_live};
    return e;
}

/* Everything but the CAS, which is each store's own. */
static segue_mutation random_mutation(model *m, segue_xattr set[2], segue_slice drop[1], segue_path_op *path)
{
    static const char *const paths[] = {"a", "b.c", "a[0]", "x", "_a.b", "_b", "u.v", "a."};
    static const segue_macro macros[] = {{{"_a.crc", 6}, SEGUE_MACRO_BODY_CRC32C}, {{"_a.cas", 6}, SEGUE_MACRO_CAS}};
    static const char *const values[] = {"1", "[2]", "{}"};
    static const char *const bodies[] = {"1", "7", "{\"a\":1}", "x", ""};
    static const char *const names[] = {"_a", "_b", "u", "v"};
    segue_mutation mu = {.expect = (segue_expect)pick(m, SEGUE_EXPECT_ABSENT + 1),
                         .body_op = (segue_body_op)pick(m, SEGUE_BODY_ADD + 1),
                         .expiry = random_expiry(m),
                         .json = (segue_json)pick(m, 3),
                         .delta = pick(m, 3),
                         .initial = 4,
                         .has_initial = pick(m, 2),
                         .set_xattrs = set,
                         .drop_xattrs = drop};
    if (pick(m, 2)) mu.expect = SEGUE_EXPECT_ANY;
    if (mu.body_op == SEGUE_BODY_SET || mu.body_op == SEGUE_BODY_APPEND) mu.body = K(bodies[pick(m, 5)]);
    if (pick(m, 4) == 0 && m->has_flags) mu.has_flags = true, mu.flags = pick(m, 3);
    for (unsigned n = pick(m, 3); mu.n_set_xattrs < n; mu.n_set_xattrs++)
        set[mu.n_set_xattrs] = (segue_xattr){K(names[2 * mu.n_set_xattrs + pick(m, 2)]), K(values[pick(m, 3)])};
    if (pick(m, 4) == 0) drop[mu.n_drop_xattrs++] = K(names[pick(m, 4)]);
    static const unsigned options[] = {SEGUE_M_AS_TOMBSTONE, SEGUE_M_TOMBSTONE_OK, SEGUE_M_NOTHING_OK,
                                       SEGUE_M_DROP_MISSING_OK};
    for (size_t i = 0; i < 4; i++)
        if (pick(m, 3) == 0) mu.options |= options[i];
    *path = (segue_path_op){.action = (segue_path_action)pick(m, SEGUE_PATH_APPEND + 1),
                            .in = pick(m, 2) ? SEGUE_IN_XATTR : SEGUE_IN_BODY,
                            .path = K(paths[pick(m, 8)]),
                            .value = K(pick(m, 8) ? "{\"b\":[1]}" : "{"),
                            .options = pick(m, 2) ? SEGUE_PATH_PARENTS : 0};
    if (pick(m, 3) == 0) mu.paths = path, mu.n_paths = 1;
    if (pick(m, 8) == 0) mu.macros = macros, mu.n_macros = m->has_cas_macros ? 1 + pick(m, 2) : 1;
    return mu;
}

/* The CAS of the record there; sometimes a wrong one. */
static uint64_t cas_for(model *m, segue_store *store, unsigned key, bool right)
{
    segue_doc doc = {0};
    uint64_t cas = read_one(m, store, key, &doc) == SEGUE_OK ? doc.rec.cas : 1;
    segue_doc_free(&doc);
    return right ? cas : cas + 12345;
}

static void note_cas(model *m, const char *what, uint64_t want, uint64_t have)
{
    have = seg_feed_cas(have); /* a token of the fallback's has a mark */
    if ((want > m->cases[0]) != (have > m->cases[1]))
        FAIL(m, "%s: its CAS is %s the last one's, the oracle's is not", what, have > m->cases[1] ? "above" : "below");
    m->cases[0] = want;
    m->cases[1] = have;
}

/* The macro in the document is the CAS of this write. */
static void check_cas_macro(model *m, unsigned key, uint64_t cas)
{
    segue_doc doc = {0};
    char text[24] = "0x";
    MUST(m, read_one(m, m->store, key, &doc));
    for (int i = 0; i < 8; i++)
        (void)snprintf(text + 2 + 2 * i, sizeof text - 2 - 2 * (size_t)i, "%02x",
                       (unsigned)(seg_feed_cas(cas) >> (8 * i)) & 0xFF); /* fits */
    const segue_xattr *x = segue_record_xattr(&doc.rec, K("_a"));
    if (!x || !memmem(x->value.data, x->value.size, text, strlen(text)))
        FAIL(m, "the macro in key %u is not %s: %.*s", key, text, x ? (int)x->value.size : 0, x ? x->value.data : "");
    segue_doc_free(&doc);
}

static void mutate_both(model *m)
{
    segue_xattr set[2];
    segue_slice drop[1];
    segue_path_op path;
    unsigned key = pick(m, KEYS);
    bool right = pick(m, 4) != 0;
    segue_mutation a = random_mutation(m, set, drop, &path), b = a;
    segue_outcome want = {0}, have = {0};
    segue_doc shown = {0};
    a.cas = cas_for(m, m->oracle, key, right);
    b.cas = cas_for(m, m->store, key, right);
    segue_status sa = segue_mutate(m->oracle, key_of(key), &a, NULL, &want, NULL, &m->err);
    segue_status sb = segue_mutate(m->store, key_of(key), &b, NULL, &have, pick(m, 2) ? &shown : NULL, &m->err);
    if (sa != sb)
        FAIL(m, "expect %d, body op %d, options %x on key %u is %s, the oracle says %s", (int)a.expect, (int)a.body_op,
             a.options, key, segue_status_name(sb), segue_status_name(sa));
    if (sa == SEGUE_OK &&
        (want.written != have.written || want.revision != have.revision || want.counter != have.counter))
        FAIL(m, "expect %d, body op %d, options %x on key %u: written %d, revision %llu, the oracle %d, %llu",
             (int)a.expect, (int)a.body_op, a.options, key, have.written, (unsigned long long)have.revision,
             want.written, (unsigned long long)want.revision);
    if (sa == SEGUE_OK && want.written) note_cas(m, "a mutation", want.cas, have.cas);
    if (sa == SEGUE_OK && want.written && a.n_macros == 2) check_cas_macro(m, key, have.cas);
    if (shown.rec.cas && shown.rec.cas != have.cas) FAIL(m, "the document shown has another CAS than the outcome");
    segue_doc_free(&shown);
}

/* The read-modify-write loop: the callback sees the same on both, and asks for the same. */
typedef struct rewriting {
    char seen[64];
    bool deletes;
} rewriting;

static segue_status rewrite(void *ctx, const segue_record *current, segue_mutation *mu)
{
    static char body[64];
    rewriting *r = ctx;
    int size = current && current->body.data && current->body.size < 20 ? (int)current->body.size : 0;
    (void)snprintf(r->seen, sizeof r->seen, "%.*s", size, size ? current->body.data : ""); /* fits */
    if (r->deletes) {
        mu->body_op = current && !current->is_tombstone ? SEGUE_BODY_DELETE : SEGUE_BODY_KEEP;
        return SEGUE_OK;
    }
    int n = snprintf(body, sizeof body, "%.*s7", size, size ? current->body.data : "");
    mu->body_op = SEGUE_BODY_SET;
    mu->body = segue_bytes(body, (size_t)n);
    return SEGUE_OK;
}

static void update_both(model *m)
{
    unsigned key = pick(m, KEYS);
    rewriting a = {.deletes = pick(m, 4) == 0}, b = a;
    segue_outcome want = {0}, have = {0};
    segue_status sa = segue_update(m->oracle, key_of(key), rewrite, &a, NULL, &want, &m->err);
    segue_status sb = segue_update(m->store, key_of(key), rewrite, &b, NULL, &have, &m->err);
    if (sa != sb || strcmp(a.seen, b.seen) != 0 || want.revision != have.revision || want.written != have.written)
        FAIL(m, "an update of key %u saw \"%s\" and is %s, the oracle's saw \"%s\" and is %s", key, b.seen,
             segue_status_name(sb), a.seen, segue_status_name(sa));
}

/* ---- feeds ---- */

static unsigned key_number(model *m, const segue_record *rec)
{
    unsigned i = 0;
    while (i < KEYS && !segue_slice_equal(rec->key, key_of(i))) i++;
    if (i == KEYS) FAIL(m, "a feed tells of \"%.*s\"", (int)rec->key.size, rec->key.data);
    return i;
}

/* What is told of a key, with what these flags leave of it, is what is there. */
static void check_told(model *m, unsigned key, const segue_record *told, unsigned flags)
{
    segue_doc want = {0}, shown = {0};
    if (read_one(m, m->oracle, key, &want) != SEGUE_OK) FAIL(m, "a feed tells of key %u, which is not there", key);
    MUST(m, read_one(m, m->store, key, &shown));
    if ((flags & SEGUE_FEED_NO_BODIES) && want.rec.body.data) want.rec.body = K("");
    if (flags & SEGUE_FEED_NO_XATTRS) want.rec.n_xattrs = 0;
    same_record(m, &want.rec, told, "feed");
    if (seg_feed_cas(told->cas) != seg_feed_cas(shown.rec.cas))
        FAIL(m, "a feed tells of key %u with the CAS %llx, a get shows %llx", key, (unsigned long long)told->cas,
             (unsigned long long)shown.rec.cas);
    segue_doc_free(&want);
    segue_doc_free(&shown);
}

/* What a feed has told, in its order. */
typedef struct pass {
    unsigned key[KEYS];
    uint64_t cas[KEYS];
    size_t n;
} pass;

static segue_feed *open_feed(model *m, unsigned flags, segue_slice cursor, uint64_t since)
{
    segue_feed_options o = {.flags = flags, .cursor = cursor, .since = &since};
    segue_feed *feed = NULL;
    MUST(m, segue_feed_open(&m->store, 1, &o, &feed, &m->err));
    return feed;
}

/* Up to `most` events: nobody writes, so each key comes once, and the CASes grow. */
static pass read_feed(model *m, segue_feed *feed, unsigned flags, size_t most)
{
    pass p = {.n = 0};
    segue_feed_event event;
    segue_status st = SEGUE_OK;
    while (p.n < most && (st = segue_feed_next(feed, 0, &event, &m->err)) == SEGUE_OK) {
        unsigned key = key_number(m, &event.rec);
        for (size_t i = 0; i < p.n; i++)
            if (p.key[i] == key) FAIL(m, "a feed tells twice of key %u", key);
        if (p.n && seg_feed_cas(event.rec.cas) < seg_feed_cas(p.cas[p.n - 1])) FAIL(m, "a feed is not in order of CAS");
        check_told(m, key, &event.rec, flags);
        p.key[p.n] = key;
        p.cas[p.n++] = event.rec.cas;
    }
    if (most > KEYS && st != SEGUE_END) FAIL(m, "a feed ends with %s: %s", segue_status_name(st), m->err.message);
    return p;
}

/* The last of `all`, and nothing else. */
static void is_rest(model *m, const pass *all, const pass *rest, size_t from, const char *what)
{
    bool same = rest->n == all->n - from;
    for (size_t i = 0; i < rest->n && same; i++) same = rest->key[i] == all->key[from + i];
    if (!same) FAIL(m, "%s event %zu of %zu a feed tells %zu others or in another order", what, from, all->n, rest->n);
}

/* A whole feed, and from a place in its middle on, by cursor and by CAS; with one of the contents. */
static void compare_feeds(model *m)
{
    static const unsigned contents[] = {0, SEGUE_FEED_NO_BODIES, SEGUE_FEED_NO_XATTRS, SEGUE_FEED_KEYS_ONLY};
    unsigned flags = SEGUE_FEED_STOP_AT_END | contents[pick(m, 4)];
    segue_buf cursor = {0};
    segue_doc doc = {0};
    segue_slice none = {0};
    segue_feed *feed = open_feed(m, flags, none, 0);
    pass all = read_feed(m, feed, flags, KEYS + 1), rest;
    size_t there = 0, at = pick(m, (unsigned)all.n + 1);
    segue_feed_close(feed);
    for (unsigned i = 0; i < KEYS; i++) there += read_one(m, m->oracle, i, &doc) == SEGUE_OK;
    if (all.n != there) FAIL(m, "a feed tells of %zu records, there are %zu", all.n, there);

    feed = open_feed(m, flags, none, 0);
    (void)read_feed(m, feed, flags, at);
    MUST(m, segue_feed_cursor(feed, &cursor));
    segue_feed_close(feed);
    feed = open_feed(m, flags, segue_buf_slice(&cursor), 0);
    rest = read_feed(m, feed, flags, KEYS + 1);
    is_rest(m, &all, &rest, at, "from its cursor after");
    segue_feed_close(feed);

    uint64_t since = at ? all.cas[at - 1] : 0;
    feed = open_feed(m, flags, none, since);
    rest = read_feed(m, feed, flags, KEYS + 1);
    while (at < all.n && seg_feed_cas(all.cas[at]) == seg_feed_cas(since)) at++; /* equal ones are not told */
    is_rest(m, &all, &rest, at, "since the CAS before");
    segue_feed_close(feed);
    segue_buf_free(&cursor);
    segue_doc_free(&doc);
}

/* The feed that has been open since the beginning, or goes on from its cursor: what it has told last of each key is what is
 * there, whatever was moved or was stopped meanwhile, and of each key the CASes have grown. */
static void follow(model *m)
{
    segue_feed_event event;
    segue_status st;
    segue_doc now = {0};
    if (pick(m, 3) == 0) {
        segue_buf cursor = {0};
        MUST(m, segue_feed_cursor(m->follower, &cursor));
        segue_feed_close(m->follower);
        m->follower = open_feed(m, 0, segue_buf_slice(&cursor), 0);
        segue_buf_free(&cursor);
    }
    while ((st = segue_feed_next(m->follower, 0, &event, &m->err)) == SEGUE_OK) {
        segue_doc *told = &m->told[key_number(m, &event.rec)];
        if (told->rec.key.data && seg_feed_cas(event.rec.cas) <= seg_feed_cas(told->rec.cas))
            FAIL(m, "the events of key %.*s go back", (int)event.rec.key.size, event.rec.key.data);
        MUST(m, segue_doc_assign(told, &event.rec));
    }
    if (st != SEGUE_TIMEOUT) FAIL(m, "a feed ends with %s: %s", segue_status_name(st), m->err.message);
    for (unsigned i = 0; i < KEYS; i++) {
        segue_doc *told = &m->told[i];
        bool there = read_one(m, m->store, i, &now) == SEGUE_OK;
        if (told->rec.key.data) seg_doc_expire(told, seg_wall_s(&m->env));
        if (there && !told->rec.key.data) FAIL(m, "a feed has not told of key %u", i);
        if (there) check_told(m, i, &told->rec, 0);
        else segue_doc_clear(told); /* purged: of that there is no event */
    }
    segue_doc_free(&now);
}

/* What has expired in the fallback is not reaped past legacy, so a dual store may have less to do. */
static void reap_both(model *m)
{
    uint64_t want = 0, have = 0;
    if (m->fallback && m->phase != SEGUE_PHASE_LEGACY) return;
    MUST(m, segue_reap(m->oracle, 0, &want, &m->err));
    MUST(m, segue_reap(m->store, 0, &have, &m->err));
    if (want != have)
        FAIL(m, "%llu were reaped, in the oracle %llu", (unsigned long long)have, (unsigned long long)want);
}

static void purge_both(model *m)
{
    uint64_t want = 0, have = 0;
    segue_status st = segue_purge_tombstones(m->store, &have, &m->err);
    if (m->fallback) {
        if (st != SEGUE_REFUSED) FAIL(m, "a purge is %s", segue_status_name(st));
        return;
    }
    MUST(m, st);
    MUST(m, segue_purge_tombstones(m->oracle, &want, &m->err));
    if (want != have)
        FAIL(m, "%llu were purged, in the oracle %llu", (unsigned long long)have, (unsigned long long)want);
}

/* One key of the fallback goes to the primary, as the sweep does it. */
static void sweep_one(model *m)
{
    segue_doc doc = {0};
    unsigned key = pick(m, KEYS);
    if (!m->fallback) return;
    segue_call call = seg_call_new(m->fallback, 0, &m->err);
    if (seg_call_get(m->fallback, key_of(key), &doc, &call) == SEGUE_OK) {
        segue_put put = {.rec = doc.rec, .condition = SEGUE_IF_ABSENT, .cas_floor = doc.rec.cas};
        put.keep_cas = segue_store_caps(m->primary) & SEGUE_CAP_KEEP_CAS;
        segue_status st = seg_call_put(m->primary, &put, NULL, &call);
        if (st != SEGUE_OK && st != SEGUE_EXISTS) FAIL(m, "sweep: %s", segue_status_name(st));
        MUST(m, seg_call_erase(m->fallback, key_of(key), doc.rec.cas, &call));
    }
    segue_doc_free(&doc);
}

static void set_phase(model *m, segue_phase phase)
{
    MUST(m, segue_dual_set_phase(m->store, phase, 0, &m->err));
    m->phase = phase;
    if (phase != SEGUE_PHASE_FORWARD || (segue_store_caps(m->primary) & SEGUE_CAP_KEEP_CAS)) return;
    uint64_t cas = 0; /* as a migration does before it moves anything */
    segue_call call = seg_call_new(m->primary, 0, &m->err);
    MUST(m, seg_call_highest(m->fallback, 0, &cas, &call));
    MUST(m, seg_call_highest(m->primary, cas, &cas, &call));
}

/* One step of the migration: of the sweep, or towards it, or back. */
static void migrate_a_little(model *m)
{
    if (!m->fallback) return;
    if (m->phase == SEGUE_PHASE_FORWARD) sweep_one(m);
    else if (m->phase == SEGUE_PHASE_LEGACY && pick(m, 4) == 0) set_phase(m, SEGUE_PHASE_HOLD);
    else if (m->phase == SEGUE_PHASE_HOLD && pick(m, 2) == 0)
        set_phase(m, pick(m, 3) ? SEGUE_PHASE_FORWARD : SEGUE_PHASE_LEGACY);
}

/* A write on hold waits until its time is up, and does nothing. */
static void write_on_hold(model *m)
{
    segue_options soon = {1000};
    segue_status st = segue_set(m->store, key_of(pick(m, KEYS)), K("9"), segue_expiry_none(), &soon, NULL, &m->err);
    if (st != SEGUE_TIMEOUT) FAIL(m, "a write on hold is %s", segue_status_name(st));
}

/* A bucket stays one for the original's own code: what its schema and bookkeeping ask for holds of every row of ours.
 * (That a body is JSON is the word of who writes it, there as here.) */
static void check_bucket(model *m)
{
    static const char *const wrong[] = {
        "typeof(key)<>'text' OR typeof(cas)<>'integer' OR cas<=0 OR typeof(revSeqNo)<>'integer' OR revSeqNo<1",
        "tombstone NOT IN (0,1) OR isJSON NOT IN (0,1) OR (tombstone=1)<>(value IS NULL)",
        "value IS NOT NULL AND typeof(value)<>'blob' AND typeof(value)<>'text'",
        "xattrs IS NOT NULL AND (NOT json_valid(CAST(xattrs AS text)) OR json_type(CAST(xattrs AS text))<>'object')",
        "exp IS NULL OR exp<0 OR (tombstone=1 AND exp<>0)",
        "cas>c.lastCas OR cas>(SELECT lastCas FROM bucket)",
    };
    char sql[2000] = "SELECT key, CASE";
    size_t n = strlen(sql);
    if (!m->bucket) return;
    for (size_t i = 0; !m->check && i < sizeof wrong / sizeof wrong[0]; i++)
        n += (size_t)snprintf(sql + n, sizeof sql - n, " WHEN %s THEN %zu", wrong[i], i); /* fits */
    (void)snprintf(sql + n, sizeof sql - n,
                   " END AS wrong FROM documents d JOIN collections c ON c.id=d.collection "
                   "WHERE c.scope IN ('p','f') AND wrong IS NOT NULL"); /* fits */
    if (!m->check && sqlite3_prepare_v2(m->bucket, sql, -1, &m->check, NULL) != SQLITE_OK)
        FAIL(m, "%s", sqlite3_errmsg(m->bucket));
    int got = sqlite3_step(m->check);
    if (got == SQLITE_ROW)
        FAIL(m, "the bucket's row %s: %s", sqlite3_column_text(m->check, 0), wrong[sqlite3_column_int(m->check, 1)]);
    if (got != SQLITE_DONE) FAIL(m, "%s", sqlite3_errmsg(m->bucket));
    (void)sqlite3_reset(m->check); /* it has ended well */
}

/* The same documents in the oracle and on one of the sides, or in the primary over something else in the fallback. */
static void prepare(model *m)
{
    for (unsigned i = 0; i < KEYS; i++) {
        segue_xattr xattrs[] = {{K("_a"), K("0")}, {K("u"), K("0")}};
        unsigned place = !m->fallback ? 2 * pick(m, 2) : m->phase == SEGUE_PHASE_LEGACY ? pick(m, 2) : pick(m, 4);
        bool dead = pick(m, 4) == 0;
        segue_record rec = {.key = key_of(i),
                            .body = segue_str(dead ? NULL : "5"),
                            .is_tombstone = dead,
                            .revision = 3,
                            .xattrs = xattrs,
                            .n_xattrs = dead ? 1 : pick(m, 3),
                            .is_json = !dead};
        segue_record stale = {.key = key_of(i), .body = K("\"stale\""), .revision = 9, .is_json = true};
        if (place == 0) continue;
        if (!dead && pick(m, 3) == 0) rec.expiry = (uint32_t)seg_wall_s(&m->env) + 300 * (1 + pick(m, 4));
        MUST(m, segue_put_record(m->oracle, &rec, 0, NULL, NULL, &m->err));
        if (place == 3) MUST(m, segue_put_record(m->fallback, &stale, 0, NULL, NULL, &m->err));
        MUST(m, segue_put_record(place == 1 ? m->fallback : m->primary, &rec, 0, NULL, NULL, &m->err));
    }
}

static segue_store *open_one(model *m, const char *format, unsigned number)
{
    segue_store *store = NULL;
    char url[400];
    segue_open_options options = {&m->env, SEGUE_OPEN_NO_REAPER}; /* the only steps are those of the test */
    const char *folder = strstr(format, "%s"), *mark = strstr(format, "%u");
    const char *rest = folder ? folder + 2 : format;
    (void)snprintf(url, sizeof url, "%.*s%s%.*s%u%s", folder ? (int)(folder - format) : 0, format,
                   folder ? test_folder : "", (int)(mark - rest), rest, number, mark + 2); /* fits */
    if (strncmp(url, "rosmar:", 7) == 0) { /* a bucket is not made by opening it; its new collections are empty */
        char directory[400];
        (void)snprintf(directory, sizeof directory, "%.*s", (int)strcspn(url + 7, "?"), url + 7); /* fits */
        if (access(directory, F_OK) != 0) test_copy_bucket("sg-bucket", directory);
        (void)snprintf(directory + strlen(directory), sizeof directory - strlen(directory),
                       "/rosmar.sqlite3"); /* fits */
        if (!m->bucket && sqlite3_open(directory, &m->bucket) != SQLITE_OK) FAIL(m, "%s does not open", directory);
    }
    MUST(m, segue_open(url, &options, &store, &m->err));
    return store;
}

static void open_all(model *m)
{
    static unsigned number;
    number++;
    m->env = (segue_env){m, wall_ns, mono_ns, sleep_ns, random_bytes};
    m->oracle = open_one(m, "mem:oracle%u", number);
    m->primary = open_one(m, m->target->primary, number);
    m->fallback = m->target->fallback ? open_one(m, m->target->fallback, number) : NULL;
    m->store = m->primary;
    m->has_flags = segue_store_caps(m->primary) & SEGUE_CAP_FLAGS;
    m->has_cas_macros = segue_store_caps(m->primary) & SEGUE_CAP_CAS_MACROS;
    if (m->fallback) m->has_flags = m->has_flags && (segue_store_caps(m->fallback) & SEGUE_CAP_FLAGS);
    if (m->fallback) m->has_cas_macros = m->has_cas_macros && (segue_store_caps(m->fallback) & SEGUE_CAP_CAS_MACROS);
    m->phase = m->fallback && pick(m, 2) ? SEGUE_PHASE_LEGACY : SEGUE_PHASE_FORWARD;
    segue_dual_options options = {m->phase};
    prepare(m);
    if (m->fallback) MUST(m, segue_dual_open(m->primary, m->fallback, &options, &m->store, &m->err));
    m->follower = open_feed(m, 0, (segue_slice){0}, 0);
}

/* The migration goes to its end: what both show stays the same. */
static void finish(model *m)
{
    static const segue_phase phases[] = {SEGUE_PHASE_SEALED, SEGUE_PHASE_CLEAN};
    if (m->phase == SEGUE_PHASE_LEGACY) set_phase(m, SEGUE_PHASE_HOLD);
    if (m->phase == SEGUE_PHASE_HOLD) set_phase(m, SEGUE_PHASE_FORWARD);
    segue_page left = {.max_docs = 100, .max_bytes = 1 << 20};
    segue_bounds all = {.tombstones = true};
    for (unsigned rounds = 0; m->fallback && rounds < 1000; rounds++) {
        segue_page_clear(&left);
        scan_all(m, m->fallback, &all, 100, &left);
        if (left.n == 0) break;
        sweep_one(m);
    }
    segue_page_free(&left);
    for (unsigned i = 0; m->fallback && i < 2; i++) {
        set_phase(m, phases[i]);
        for (unsigned n = 0; n < 10; n++) {
            mutate_both(m);
            compare_all(m);
        }
        follow(m);
    }
    compare_scans(m);
    compare_feeds(m);
    follow(m);
}

static void step(model *m)
{
    unsigned n = pick(m, 25);
    bool holds = m->phase == SEGUE_PHASE_HOLD;
    if (holds && n < 16) write_on_hold(m);
    else if (n < 14) mutate_both(m);
    else if (n < 16) update_both(m);
    else if (n < 19) migrate_a_little(m);
    else if (n < 20) m->skew_ns += INT64_C(250) * 1000000000;
    else if (n < 21) reap_both(m);
    else if (n < 22 && pick(m, 4) == 0) purge_both(m);
    else if (n < 23) compare_scans(m);
    else if (n < 24) compare_feeds(m);
    else follow(m);
}

static void play(model *m)
{
    open_all(m);
    for (m->step = 0; m->step < STEPS; m->step++) {
        step(m);
        n_operations++;
        compare_all(m);
        check_bucket(m);
    }
    finish(m);
    segue_feed_close(m->follower);
    for (unsigned i = 0; i < KEYS; i++) segue_doc_free(&m->told[i]);
    if (m->fallback) segue_close(m->store);
    segue_store *const stores[] = {m->oracle, m->primary, m->fallback};
    for (size_t i = 0; i < sizeof stores / sizeof stores[0]; i++) segue_close(stores[i]);
    (void)sqlite3_finalize(m->check); /* NULL is legal */
    if (sqlite3_close(m->bucket) != SQLITE_OK) FAIL(m, "the bucket does not close");
}

static void is_the_same_store(void **state)
{
    const target *t = *state;
    const char *said = getenv("SEGUE_OPERATIONS"), *seed = getenv("SEGUE_SEED");
    uint64_t most = OPERATIONS, only = 0, fresh = 0;
    if (said && !seg_parse_u64(K(said), &most)) fail_msg("SEGUE_OPERATIONS=%s is no number", said);
    if (seed && !seg_parse_u64(K(seed), &only)) fail_msg("SEGUE_SEED=%s is no number", seed);
    segue_env_default()->random(NULL, &fresh, sizeof fresh);
    fresh = fresh % 1000000000 + 1000000;
    uint64_t runs = (most + STEPS - 1) / STEPS;
    n_operations = 0;
    for (uint64_t i = 0; i < runs && !(seed && i); i++) {
        model m = {.target = t, .seed = seed ? only : i < runs / 2 ? i + 1 : fresh + i};
        m.random = m.seed * UINT64_C(0x9E3779B97F4A7C15);
        play(&m);
    }
    print_message("differential: %s: %llu operations, new seeds from %llu\n", t->name, (unsigned long long)n_operations,
                  (unsigned long long)fresh);
}

int main(void)
{
    struct CMUnitTest tests[N_TARGETS];
    const char *without = getenv("SEGUE_WITHOUT");
    if (without && !seg_rule_switch(without, false)) return fprintf(stderr, "there is no rule %s\n", without), 2;
    for (size_t i = 0; i < N_TARGETS; i++)
        tests[i] = (struct CMUnitTest){targets[i].name, is_the_same_store, test_make_folder, test_remove_folder,
                                       (void *)(uintptr_t)&targets[i]};
    return _cmocka_run_group_tests("differential", tests, N_TARGETS, NULL, NULL);
}
