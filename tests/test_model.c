/* The dual store against an oracle: random mutations, random steps of a sweep and of the clock, and after each step a plain
 * store that was given the same mutations must show the same documents, answers, revisions and scans. Seeds are fixed; a
 * failure prints its seed and step. */
#include "world.h"

#include "doc/doc.h"

enum { KEYS = 6, SEEDS = 150, STEPS = 120 };

typedef struct model {
    world w;
    segue_store *oracle;
    uint64_t random;
    unsigned seed, step;
    const char *caps;
} model;

static unsigned pick(model *m, unsigned n)
{
    m->random = m->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(m->random >> 33) % n;
}

#define FAIL(m, ...)                                                                                                   \
    do {                                                                                                               \
        print_error("seed %u, step %u, primary (%s): ", (m)->seed, (m)->step, (m)->caps);                              \
        fail_msg(__VA_ARGS__);                                                                                         \
    } while (0)

static segue_slice key_of(unsigned i)
{
    static const char *const keys[KEYS] = {"a", "b", "c", "d", "e", "f"};
    return K(keys[i]);
}

/* ---- comparing ---- */

/* What scans and gets show; CAS values are each store's own. */
static void same_record(model *m, const segue_record *want, const segue_record *have, const char *by)
{
    if (seg_record_same_content(want, have) && want->revision == have->revision) return;
    FAIL(m,
         "%s of %.*s shows \"%.*s\" (revision %llu, %zu xattrs%s), the oracle \"%.*s\" (revision %llu, %zu xattrs%s)",
         by, (int)want->key.size, want->key.data, (int)have->body.size, have->body.data ? have->body.data : "",
         (unsigned long long)have->revision, have->n_xattrs, have->is_tombstone ? ", tombstone" : "",
         (int)want->body.size, want->body.data ? want->body.data : "", (unsigned long long)want->revision,
         want->n_xattrs, want->is_tombstone ? ", tombstone" : "");
}

static segue_status read_one(model *m, segue_store *store, unsigned key, segue_doc *doc)
{
    return segue_get_record(store, key_of(key), NULL, doc, &m->w.err);
}

static void compare_all(model *m)
{
    segue_doc want = {0}, have = {0};
    for (unsigned i = 0; i < KEYS; i++) {
        segue_status a = read_one(m, m->oracle, i, &want), b = read_one(m, m->w.dual, i, &have);
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
        segue_call call = seg_call_new(store, 0, &m->w.err);
        must(&m->w, seg_call_begin(store, false, &call), "begin", __LINE__);
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
        must(&m->w, segue_buf_append(&from, last.data, last.size), "append", __LINE__);
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
    scan_all(m, m->w.dual, &b, 1 + pick(m, 4), &have);
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
    uint32_t now = (uint32_t)seg_wall_s(&m->w.env);
    if (n == 0) e.op = SEGUE_EXPIRY_NONE;
    if (n == 1) e = (segue_expiry){SEGUE_EXPIRY_AT, now / 1000 * 1000 + 1000 * (1 + pick(m, 3)), e.keep_if_live};
    if (n == 2) e = (segue_expiry){SEGUE_EXPIRY_AT, now - 5, e.keep_if_live};
    return e;
}

/* Everything but the CAS, which is each store's own. */
static segue_mutation random_mutation(model *m, segue_xattr set[2], segue_slice drop[1])
{
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
    if (pick(m, 4) == 0) mu.has_flags = true, mu.flags = pick(m, 3);
    for (unsigned n = pick(m, 3); mu.n_set_xattrs < n; mu.n_set_xattrs++)
        set[mu.n_set_xattrs] = (segue_xattr){K(names[2 * mu.n_set_xattrs + pick(m, 2)]), K(pick(m, 2) ? "1" : "[2]")};
    if (pick(m, 4) == 0) drop[mu.n_drop_xattrs++] = K(names[pick(m, 4)]);
    static const unsigned options[] = {SEGUE_M_AS_TOMBSTONE, SEGUE_M_TOMBSTONE_OK, SEGUE_M_NOTHING_OK,
                                       SEGUE_M_DROP_MISSING_OK};
    for (size_t i = 0; i < 4; i++)
        if (pick(m, 3) == 0) mu.options |= options[i];
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

static void mutate_both(model *m)
{
    segue_xattr set[2];
    segue_slice drop[1];
    unsigned key = pick(m, KEYS);
    bool right = pick(m, 4) != 0;
    segue_mutation a = random_mutation(m, set, drop), b = a;
    segue_outcome want = {0}, have = {0};
    segue_doc shown = {0};
    a.cas = cas_for(m, m->oracle, key, right);
    b.cas = cas_for(m, m->w.dual, key, right);
    segue_status sa = segue_mutate(m->oracle, key_of(key), &a, NULL, &want, NULL, &m->w.err);
    segue_status sb = segue_mutate(m->w.dual, key_of(key), &b, NULL, &have, pick(m, 2) ? &shown : NULL, &m->w.err);
    if (sa != sb)
        FAIL(m, "expect %d, body op %d, options %x on key %u is %s, the oracle says %s", (int)a.expect, (int)a.body_op,
             a.options, key, segue_status_name(sb), segue_status_name(sa));
    if (sa == SEGUE_OK &&
        (want.written != have.written || want.revision != have.revision || want.counter != have.counter))
        FAIL(m, "expect %d, body op %d, options %x on key %u: written %d, revision %llu, the oracle %d, %llu",
             (int)a.expect, (int)a.body_op, a.options, key, have.written, (unsigned long long)have.revision,
             want.written, (unsigned long long)want.revision);
    if (shown.rec.cas && shown.rec.cas != have.cas) FAIL(m, "the document shown has another CAS than the outcome");
    segue_doc_free(&shown);
}

/* One key of the fallback goes to the primary, as the sweep does it. */
static void sweep_one(model *m)
{
    world *w = &m->w;
    segue_doc doc = {0};
    unsigned key = pick(m, KEYS);
    segue_call call = seg_call_new(w->f, 0, &w->err);
    if (seg_call_get(w->stats_f, key_of(key), &doc, &call) == SEGUE_OK) {
        segue_put put = {.rec = doc.rec, .condition = SEGUE_IF_ABSENT, .cas_floor = doc.rec.cas};
        put.keep_cas = segue_store_caps(w->stats_p) & SEGUE_CAP_KEEP_CAS;
        segue_status st = seg_call_put(w->stats_p, &put, NULL, &call);
        if (st != SEGUE_OK && st != SEGUE_EXISTS) FAIL(m, "sweep: %s", segue_status_name(st));
        must(w, seg_call_erase(w->stats_f, key_of(key), doc.rec.cas, &call), "erase", __LINE__);
    }
    segue_doc_free(&doc);
}

/* The same documents in the oracle and on one of the sides, or in the primary over something else in the fallback. */
static void prepare(model *m)
{
    world *w = &m->w;
    for (unsigned i = 0; i < KEYS; i++) {
        segue_xattr xattrs[] = {{K("_a"), K("0")}, {K("u"), K("0")}};
        unsigned place = pick(m, 4);
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
        if (!dead && pick(m, 3) == 0) rec.expiry = (uint32_t)seg_wall_s(&w->env) + 300 * (1 + pick(m, 4));
        must(w, segue_put_record(m->oracle, &rec, 0, NULL, NULL, &w->err), "put", __LINE__);
        must(w, segue_put_record(place == 1 ? w->f : w->p, &rec, 0, NULL, NULL, &w->err), "put", __LINE__);
        if (place == 3) must(w, segue_put_record(w->f, &stale, 0, NULL, NULL, &w->err), "put", __LINE__);
    }
}

static void play(model *m)
{
    char url[64];
    world_open(&m->w, m->caps, "", SEGUE_PHASE_FORWARD);
    (void)snprintf(url, sizeof url, "mem:oracle%u", m->seed); /* fits */
    m->oracle = world_open_one(&m->w, url);
    prepare(m);
    for (m->step = 0; m->step < STEPS; m->step++) {
        unsigned n = pick(m, 20);
        if (n < 14) mutate_both(m);
        else if (n < 17) sweep_one(m);
        else if (n < 18) m->w.skew_ns += INT64_C(250) * 1000000000;
        else compare_scans(m);
        compare_all(m);
    }
    compare_scans(m);
    segue_close(m->oracle);
    world_close(&m->w);
}

static void a_dual_store_is_one_store(void **state)
{
    model m = {.caps = *state};
    for (m.seed = 1; m.seed <= SEEDS; m.seed++) {
        m.random = m.seed * UINT64_C(0x9E3779B97F4A7C15);
        play(&m);
    }
    print_message("%d runs of %d steps\n", SEEDS, STEPS);
}

int main(void)
{
    static char caps[][48] = {"", "-mutate", "-keep_cas", "-mutate,-keep_cas,-write_id"};
    const struct CMUnitTest tests[] = {
        {"a dual store is one store: native", a_dual_store_is_one_store, NULL, NULL, caps[0]},
        {"a dual store is one store: by loop", a_dual_store_is_one_store, NULL, NULL, caps[1]},
        {"a dual store is one store: without kept CAS", a_dual_store_is_one_store, NULL, NULL, caps[2]},
        {"a dual store is one store: poor", a_dual_store_is_one_store, NULL, NULL, caps[3]},
    };
    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
