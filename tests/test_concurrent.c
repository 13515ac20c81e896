/* A whole migration under real clients: eight threads on one dual store, from legacy through hold and the sweep to clean and
 * purged. No acknowledged increment is lost, a deleted document stays deleted, of two adds one wins, and a document that nobody
 * deletes is there at every moment. Round after round with other capabilities; made for ThreadSanitizer too. */
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <segue/dual.h>
#include <segue/ops.h>

#include "base/base.h"
#include "base/env.h"
#include "store/call.h"
#include "store/registry.h"

enum { THREADS = 8, COUNTERS = 3, DOCS = 24, PAGE = 5 };
static const int64_t ROUND_PAUSE_NS = 300000, TEST_NS = INT64_C(900) * 1000000;

typedef struct round {
    segue_store *primary, *fallback, *dual;
    _Atomic bool over;
    _Atomic unsigned acked[COUNTERS];
    _Atomic unsigned added[DOCS];
    _Atomic unsigned deleted; /* documents d0..d(deleted - 1) are gone */
    _Atomic uint64_t ops;
    pthread_mutex_t lock;
    char problem[300]; /* the first that was found */
} round;

static void report(round *r, const char *what, const char *key, segue_status st, const segue_error *err)
{
    pthread_mutex_lock(&r->lock);
    if (!r->problem[0])
        (void)snprintf(r->problem, sizeof r->problem, "%s %s: %s: %s", what, key, segue_status_name(st),
                       st == SEGUE_OK ? "" : err->message); /* cut is fine */
    pthread_mutex_unlock(&r->lock);
    atomic_store(&r->over, true);
}

static segue_slice key_of(char out[16], char kind, unsigned i)
{
    (void)snprintf(out, 16, "%c%03u", kind, i); /* fits */
    return segue_str(out);
}

static unsigned pick(unsigned *seed, unsigned n)
{
    *seed = *seed * 1103515245u + 12345u;
    return (*seed >> 16) % n;
}

/* ---- clients: each returns after one operation ---- */

static segue_status add_one(void *ctx, const segue_record *current, segue_mutation *m)
{
    static _Thread_local char digits[21];
    uint64_t number = 0;
    (void)ctx;
    if (!current || !seg_parse_u64(current->body, &number)) return SEGUE_CANCELLED;
    m->body_op = SEGUE_BODY_SET;
    m->body = segue_bytes(digits, seg_format_u64(number + 1, digits));
    return SEGUE_OK;
}

/* By hand: get, then write by the CAS. False: somebody was faster. */
static segue_status incr_by_cas(round *r, segue_slice key, segue_error *err)
{
    segue_doc doc = {0};
    char digits[21];
    uint64_t number = 0;
    segue_status st = segue_get(r->dual, key, NULL, &doc, err);
    if (st == SEGUE_OK && !seg_parse_u64(doc.rec.body, &number)) st = SEGUE_CORRUPT;
    if (st == SEGUE_OK) {
        segue_slice body = segue_bytes(digits, seg_format_u64(number + 1, digits));
        st = segue_write_cas(r->dual, key, doc.rec.cas, body, segue_expiry_none(), 0, NULL, NULL, err);
    }
    segue_doc_free(&doc);
    return st;
}

static void increment(round *r, unsigned way, unsigned *seed)
{
    char text[16];
    segue_error err = {0};
    unsigned i = pick(seed, COUNTERS);
    segue_slice key = key_of(text, 'c', i);
    segue_status st = way == 0   ? segue_incr(r->dual, key, 1, NULL, segue_expiry_none(), NULL, NULL, &err)
                      : way == 1 ? segue_update(r->dual, key, add_one, NULL, NULL, NULL, &err)
                                 : incr_by_cas(r, key, &err);
    if (st == SEGUE_OK) atomic_fetch_add(&r->acked[i], 1);
    else if (way != 2 || st != SEGUE_CAS_MISMATCH) report(r, "increment of", text, st, &err);
}

static void must_be_gone(round *r, unsigned i)
{
    char text[16];
    segue_doc doc = {0};
    segue_error err = {0};
    segue_status st = segue_get(r->dual, key_of(text, 'd', i), NULL, &doc, &err);
    if (st != SEGUE_NOT_FOUND) report(r, "deleted, but there:", text, st, &err);
    segue_doc_free(&doc);
}

static void delete_one(round *r, unsigned *seed)
{
    char text[16];
    segue_error err = {0};
    unsigned n = atomic_load(&r->deleted);
    if (n == DOCS || pick(seed, 4)) {
        if (n) must_be_gone(r, pick(seed, n));
        return;
    }
    segue_status st = segue_delete(r->dual, key_of(text, 'd', n), NULL, &err);
    if (st != SEGUE_OK) report(r, "delete of", text, st, &err);
    atomic_store(&r->deleted, n + 1);
    must_be_gone(r, n);
}

/* Documents with an even number are there from the beginning. */
static void add_some(round *r, unsigned *seed)
{
    char text[16];
    segue_error err = {0};
    unsigned i = pick(seed, DOCS);
    segue_status st = segue_add(r->dual, key_of(text, 'a', i), segue_str("1"), segue_expiry_none(), NULL, NULL, &err);
    if (st == SEGUE_OK) atomic_fetch_add(&r->added[i], 1);
    else if (st != SEGUE_EXISTS) report(r, "add of", text, st, &err);
}

/* Documents that nobody deletes are listed, each once; and can be read. */
static void look(round *r, unsigned *seed)
{
    char text[16];
    segue_error err = {0};
    segue_scan *scan = NULL;
    const segue_record *rec = NULL;
    segue_range range = {.prefix = segue_str("s")};
    unsigned n = 0;
    segue_status st = segue_scan_open(r->dual, &range, &scan, &err);
    while (st == SEGUE_OK && (st = segue_scan_next(scan, &rec, &err)) == SEGUE_OK)
        n += segue_slice_equal(rec->key, key_of(text, 's', n));
    segue_scan_close(scan);
    if (st != SEGUE_END || n != DOCS) {
        (void)snprintf(text, sizeof text, "%u of %d", n, DOCS); /* fits */
        report(r, "listed", text, st, &err);
    }
    segue_doc doc = {0};
    st = segue_get(r->dual, key_of(text, 's', pick(seed, DOCS)), NULL, &doc, &err);
    if (st != SEGUE_OK) report(r, "not deleted, but gone:", text, st, &err);
    segue_doc_free(&doc);
}

typedef struct client {
    round *r;
    unsigned n;
    pthread_t thread;
} client;

static void *run_client(void *arg)
{
    client *c = arg;
    unsigned seed = c->n * 7919 + 1;
    while (!atomic_load(&c->r->over)) {
        atomic_fetch_add_explicit(&c->r->ops, 1, memory_order_relaxed);
        switch (c->n) {
        case 0:
        case 1:
        case 2: increment(c->r, c->n, &seed); break;
        case 3: increment(c->r, pick(&seed, 3), &seed); break;
        case 4: delete_one(c->r, &seed); break;
        case 5:
        case 6: add_some(c->r, &seed); break;
        default: look(c->r, &seed); break;
        }
    }
    return NULL;
}

/* ---- the migration ---- */

/* By hand, as between two engines. */
static segue_status copy_and_erase(round *r, const segue_record *rec, segue_call *call)
{
    bool keeps = segue_store_caps(r->primary) & SEGUE_CAP_KEEP_CAS;
    segue_put put = {.rec = *rec, .condition = SEGUE_IF_ABSENT, .keep_cas = keeps, .cas_floor = rec->cas};
    segue_status st = seg_call_put(r->primary, &put, NULL, call);
    return st == SEGUE_OK || st == SEGUE_EXISTS ? seg_call_erase(r->fallback, rec->key, rec->cas, call) : st;
}

static segue_status sweep_page(round *r, const segue_page *page, segue_call *call)
{
    segue_move moves[PAGE] = {0};
    for (size_t i = 0; i < page->n; i++)
        moves[i] = (segue_move){.key = page->docs[i].rec.key, .cas = page->docs[i].rec.cas};
    segue_status st = seg_call_move(r->fallback, r->primary, moves, page->n, call);
    for (size_t i = 0; i < page->n; i++) {
        if (st == SEGUE_UNSUPPORTED) moves[i].status = copy_and_erase(r, &page->docs[i].rec, call);
        if (moves[i].status != SEGUE_OK) return moves[i].status;
    }
    return st == SEGUE_UNSUPPORTED ? SEGUE_OK : st;
}

static segue_status sweep(round *r, segue_error *err)
{
    segue_page page = {.max_docs = PAGE, .max_bytes = 1 << 20};
    segue_bounds all = {.tombstones = true};
    segue_status st;
    do {
        segue_call call = seg_call_new(r->fallback, 0, err);
        st = seg_call_scan(r->fallback, &all, &page, &call);
        if (st == SEGUE_OK) st = sweep_page(r, &page, &call);
        seg_sleep_ns(segue_env_default(), ROUND_PAUSE_NS / 8);
    } while (st == SEGUE_OK && page.n > 0 && !atomic_load(&r->over));
    segue_page_free(&page);
    return st;
}

static void migrate(round *r)
{
    segue_error err = {0};
    uint64_t purged = 0;
    seg_sleep_ns(segue_env_default(), ROUND_PAUSE_NS);
    segue_status st = segue_dual_set_phase(r->dual, SEGUE_PHASE_HOLD, 0, &err);
    if (st == SEGUE_OK) st = segue_dual_set_phase(r->dual, SEGUE_PHASE_FORWARD, 0, &err);
    seg_sleep_ns(segue_env_default(), ROUND_PAUSE_NS);
    if (st == SEGUE_OK) st = sweep(r, &err);
    if (st == SEGUE_OK) st = segue_dual_set_phase(r->dual, SEGUE_PHASE_SEALED, 0, &err);
    seg_sleep_ns(segue_env_default(), ROUND_PAUSE_NS);
    if (st == SEGUE_OK) st = segue_dual_set_phase(r->dual, SEGUE_PHASE_CLEAN, 0, &err);
    if (st == SEGUE_OK) st = segue_purge_tombstones(r->dual, &purged, &err);
    seg_sleep_ns(segue_env_default(), ROUND_PAUSE_NS);
    if (st != SEGUE_OK) report(r, "the migration of", "everything", st, &err);
    atomic_store(&r->over, true);
}

/* ---- a round ---- */

static void fill(round *r)
{
    segue_error err = {0};
    char text[16];
    for (unsigned i = 0; i < DOCS * 4; i++) {
        char kind = "csda"[i / DOCS];
        unsigned n = i % DOCS;
        if ((kind == 'c' && n >= COUNTERS) || (kind == 'a' && n % 2)) continue;
        segue_status st = segue_set(r->dual, key_of(text, kind, n), segue_str("0"), segue_expiry_none(), NULL, NULL,
                                    &err);
        if (st != SEGUE_OK) fail_msg("cannot prepare %s: %s", text, err.message);
    }
}

/* The ledger against what is there. */
static void check(round *r)
{
    segue_doc doc = {0};
    segue_error err = {0};
    char text[16];
    if (r->problem[0]) fail_msg("%s", r->problem);
    for (unsigned i = 0; i < COUNTERS; i++) {
        uint64_t value = 0;
        segue_status st = segue_get(r->dual, key_of(text, 'c', i), NULL, &doc, &err);
        if (st != SEGUE_OK || !seg_parse_u64(doc.rec.body, &value)) fail_msg("%s: %s", text, segue_status_name(st));
        if (value != r->acked[i] || doc.rec.revision != value + 1)
            fail_msg("%s is %llu at revision %llu after %u increments", text, (unsigned long long)value,
                     (unsigned long long)doc.rec.revision, r->acked[i]);
    }
    for (unsigned i = 0; i < atomic_load(&r->deleted); i++) must_be_gone(r, i);
    if (r->problem[0]) fail_msg("%s", r->problem);
    for (unsigned i = 0; i < DOCS; i++)
        if (r->added[i] > (i % 2)) fail_msg("a%03u was added %u times", i, r->added[i]);
    segue_doc_free(&doc);
}

static uint64_t play(segue_store *primary, segue_store *fallback)
{
    round r = {.primary = primary, .fallback = fallback, .lock = PTHREAD_MUTEX_INITIALIZER};
    segue_dual_options legacy = {SEGUE_PHASE_LEGACY};
    segue_error err = {0};
    client clients[THREADS];
    if (segue_dual_open(primary, fallback, &legacy, &r.dual, &err) != SEGUE_OK) fail_msg("%s", err.message);
    fill(&r);
    for (unsigned i = 0; i < THREADS; i++) {
        clients[i] = (client){.r = &r, .n = i};
        assert_int_equal(pthread_create(&clients[i].thread, NULL, run_client, &clients[i]), 0);
    }
    migrate(&r);
    for (unsigned i = 0; i < THREADS; i++) assert_int_equal(pthread_join(clients[i].thread, NULL), 0);
    check(&r);
    segue_close(r.dual);
    return atomic_load(&r.ops);
}

/* ---- kinds of pairs ---- */

static char folder[] = "/tmp/segue-concurrent-XXXXXX";

/* The collection of round n, of the primary (p) or the fallback (f). */
static segue_store *open_side(const char *scheme, const char *file, char side, unsigned n, const char *more)
{
    char url[256];
    segue_store *store = NULL;
    segue_error err = {0};
    bool in_file = strcmp(scheme, "mem") != 0;
    (void)snprintf(url, sizeof url, "%s:%s%s%s?collection=%c.c%u%s", scheme, in_file ? folder : "", in_file ? "/" : "",
                   file, side, n, more); /* fits */
    if (segue_open(url, NULL, &store, &err) != SEGUE_OK) fail_msg("cannot open %s: %s", url, err.message);
    return store;
}

typedef struct pair {
    const char *name, *scheme;
    bool one_engine;
    const char *more[4]; /* of the primary's URL, in turn */
} pair;

static const pair pairs[] = {
    {"mem and mem in one engine", "mem", true, {"", "&caps=-mutate", "&caps=-move", "&caps=-keep_cas"}},
    {"mem and mem", "mem", false, {"", "&caps=-mutate", "&caps=-keep_cas", "&caps=-mutate,-keep_cas,-write_id"}},
    {"sqlite and sqlite in one file", "sqlite", true, {"", "", "", ""}},
    {"sqlite and sqlite in two files", "sqlite", false, {"", "", "", ""}},
};
enum { N_PAIRS = sizeof pairs / sizeof pairs[0] };

static void nothing_is_lost(void **state)
{
    static unsigned n;
    const pair *p = *state;
    uint64_t ops = 0;
    unsigned rounds = 0;
    if (!seg_backend_find(p->scheme)) {
        print_message("skipped: %s is not compiled in\n", p->scheme);
        skip();
    }
    int64_t end = seg_mono_ns(segue_env_default()) + TEST_NS;
    for (; rounds < 4 || seg_mono_ns(segue_env_default()) < end; rounds++, n++) {
        segue_store *primary = open_side(p->scheme, "primary", 'p', n, p->more[rounds % 4]);
        segue_store *fallback = open_side(p->scheme, p->one_engine ? "primary" : "fallback", 'f', n, "");
        ops += play(primary, fallback);
        segue_close(primary);
        segue_close(fallback);
    }
    print_message("%s: %u migrations under %llu operations\n", p->name, rounds, (unsigned long long)ops);
}

/* ---- hold ---- */

static void *increment_on(void *arg)
{
    client *c = arg;
    segue_error err = {0};
    while (!atomic_load(&c->r->over)) {
        segue_status st = segue_incr(c->r->dual, segue_str("c000"), 1, NULL, segue_expiry_none(), NULL, NULL, &err);
        if (st != SEGUE_OK) report(c->r, "increment of", "c000", st, &err);
        else atomic_fetch_add(&c->r->acked[0], 1);
    }
    return NULL;
}

static uint64_t counter_in(segue_store *store)
{
    segue_doc doc = {0};
    uint64_t number = 0;
    segue_status st = segue_get(store, segue_str("c000"), NULL, &doc, NULL);
    if (st != SEGUE_OK || !seg_parse_u64(doc.rec.body, &number)) fail_msg("no counter: %s", segue_status_name(st));
    segue_doc_free(&doc);
    return number;
}

/* Once the change to hold has returned, nobody writes until the next change, however often it goes to and fro. */
static void nothing_is_written_while_held(void **state)
{
    (void)state;
    segue_store *primary = open_side("mem", "primary", 'p', 999, ""),
                *fallback = open_side("mem", "hold", 'f', 999, "");
    round r = {.primary = primary, .fallback = fallback, .lock = PTHREAD_MUTEX_INITIALIZER};
    segue_dual_options legacy = {SEGUE_PHASE_LEGACY};
    segue_error err = {0};
    client clients[3];
    unsigned held = 0;
    if (segue_dual_open(primary, fallback, &legacy, &r.dual, &err) != SEGUE_OK) fail_msg("%s", err.message);
    fill(&r);
    for (unsigned i = 0; i < 3; i++) {
        clients[i] = (client){.r = &r, .n = i};
        assert_int_equal(pthread_create(&clients[i].thread, NULL, increment_on, &clients[i]), 0);
    }
    int64_t end = seg_mono_ns(segue_env_default()) + TEST_NS / 2;
    while (seg_mono_ns(segue_env_default()) < end && !atomic_load(&r.over)) {
        segue_status st = segue_dual_set_phase(r.dual, SEGUE_PHASE_HOLD, 0, &err);
        uint64_t before = counter_in(fallback);
        for (int i = 0; i < 40; i++) (void)counter_in(fallback); /* time for a late writer to show */
        uint64_t after = counter_in(fallback);
        if (st != SEGUE_OK) fail_msg("%s", err.message);
        if (before != after) report(&r, "written in hold:", "c000", st, &err);
        held++;
        st = segue_dual_set_phase(r.dual, SEGUE_PHASE_LEGACY, 0, &err);
        if (st != SEGUE_OK) fail_msg("%s", err.message);
    }
    atomic_store(&r.over, true);
    for (unsigned i = 0; i < 3; i++) assert_int_equal(pthread_join(clients[i].thread, NULL), 0);
    if (r.problem[0]) fail_msg("after %u holds: %s", held, r.problem);
    assert_int_equal(counter_in(fallback), atomic_load(&r.acked[0]));
    print_message("held %u times\n", held);
    segue_close(r.dual);
    segue_close(primary);
    segue_close(fallback);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

int main(void)
{
    struct CMUnitTest tests[N_PAIRS + 1];
    if (!mkdtemp(folder)) return 1;
    for (size_t i = 0; i < N_PAIRS; i++) {
        union {
            const pair *p;
            void *state;
        } u = {&pairs[i]};
        tests[i] = (struct CMUnitTest){pairs[i].name, nothing_is_lost, NULL, NULL, u.state};
    }
    tests[N_PAIRS] = (struct CMUnitTest)cmocka_unit_test(nothing_is_written_while_held);
    int failed = _cmocka_run_group_tests("concurrent", tests, N_PAIRS + 1, NULL, NULL);
    (void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS); /* left-overs in a temp folder do no harm */
    return failed;
}
