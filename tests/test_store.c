/* The public verbs over `mem:`: what does not depend on an engine. The conformance suite does the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "backend/mem/mem.h"
#include "base/base.h"
#include "store/filters.h"
#include <segue/dual.h>
#include <segue/ops.h>

static segue_error err;

#define ASSERT_STATUS(expected, call)                                                                                  \
    do {                                                                                                               \
        segue_status got_ = (call);                                                                                    \
        if (got_ != (expected))                                                                                        \
            fail_msg("%s: %s (%s), expected %s", #call, segue_status_name(got_), err.message,                          \
                     segue_status_name(expected));                                                                     \
    } while (0)
#define ASSERT_OK(call) ASSERT_STATUS(SEGUE_OK, call)

static segue_store *open_store(const char *url)
{
    segue_store *store = NULL;
    ASSERT_OK(segue_open(url, NULL, &store, &err));
    return store;
}

static uint64_t put(segue_store *store, const char *key, const char *body)
{
    segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = segue_str(body)};
    segue_outcome outcome;
    ASSERT_OK(segue_mutate(store, segue_str(key), &m, NULL, &outcome, NULL, &err));
    return outcome.cas;
}

static void assert_body(segue_store *store, const char *key, const char *body)
{
    segue_doc doc = {0};
    ASSERT_OK(segue_get(store, segue_str(key), NULL, &doc, &err));
    assert_int_equal(doc.rec.body.size, strlen(body));
    assert_memory_equal(doc.rec.body.data, body, strlen(body));
    segue_doc_free(&doc);
}

/* ---- open ---- */

static void a_bad_url_is_refused_with_its_reason(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        const char *says;
    } rows[] = {
        {"", "scheme"},
        {"app.db", "scheme"},
        {"nosuch:x", "no kind of store called \"nosuch\""},
        {"mem:?caps=-mutate&caps=-move", "twice"},
        {"mem:?caps=mutate", "\"mutate\" is not a capability with a minus"},
        {"mem:?caps=+mutate", "\"+mutate\" is not"},
        {"mem:?caps=-move,-nosuch", "\"-nosuch\" is not"},
        {"mem:?caps=-move,-mutatE", "\"-mutatE\" is not"},
        {"mem:?reap=maybe", "neither on nor off"},
        {"mem:?colour=red", "no parameter \"colour\""},
        {"mem:?caps", "not name=value"},
        {"mem:%zz", "percent-escape"},
        {"mem+mem:", "is no filter"},
        {"stats+nosuch:", "no kind of store"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        segue_store *store = NULL;
        memset(&err, 0, sizeof err);
        ASSERT_STATUS(SEGUE_INVALID_URL, segue_open(rows[i].url, NULL, &store, &err));
        assert_null(store);
        assert_int_equal(err.status, SEGUE_INVALID_URL);
        if (!strstr(err.message, rows[i].says)) fail_msg("\"%s\": %s", rows[i].url, err.message);
    }
}

static void one_name_is_one_store_in_memory(void **state)
{
    (void)state;
    segue_store *a = open_store("mem:shared");
    segue_store *b = open_store("mem:shared");
    segue_store *other = open_store("mem:other");
    put(a, "k", "1");
    assert_body(b, "k", "1");
    segue_doc doc = {0};
    ASSERT_STATUS(SEGUE_NOT_FOUND, segue_get(other, segue_str("k"), NULL, &doc, &err));
    segue_doc_free(&doc);
    segue_close(a);
    assert_body(b, "k", "1");
    segue_close(b);
    segue_close(other);
    segue_close(NULL);
}

/* ---- keys ---- */

static void a_bad_key_is_refused_before_anything_happens(void **state)
{
    (void)state;
    segue_store *store = open_store("stats+mem:");
    char big[SEGUE_KEY_MAX + 1];
    memset(big, 'k', sizeof big);
    segue_slice bad[] = {segue_bytes("", 0), segue_bytes("a\0b", 3), segue_bytes(big, sizeof big)};
    segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = segue_str("1")};
    segue_doc doc = {0};
    for (size_t i = 0; i < 3; i++) {
        ASSERT_STATUS(SEGUE_INVALID_KEY, segue_mutate(store, bad[i], &m, NULL, NULL, NULL, &err));
        ASSERT_STATUS(SEGUE_INVALID_KEY, segue_get(store, bad[i], NULL, &doc, &err));
    }
    ASSERT_STATUS(SEGUE_REFUSED, segue_mutate(store, segue_str("_segue:x"), &m, NULL, NULL, NULL, &err));
    ASSERT_STATUS(SEGUE_REFUSED, segue_get(store, segue_str("_segue:x"), NULL, &doc, &err));
    segue_stats stats;
    ASSERT_OK(segue_store_stats(store, &stats));
    assert_int_equal(stats.get + stats.put + stats.mutate, 0);
    ASSERT_OK(segue_mutate(store, segue_bytes(big, SEGUE_KEY_MAX), &m, NULL, NULL, NULL, &err));
    segue_close(store);
}

/* ---- update ---- */

typedef struct scripted {
    segue_store *store; /* other party's step at the first call, if not NULL */
    int calls;
    segue_status answer;
    char seen[64];
} scripted;

static segue_status append_x(void *ctx, const segue_record *current, segue_mutation *m)
{
    scripted *s = ctx;
    if (s->calls++ == 0 && s->store) put(s->store, "k", "other");
    if (s->answer != SEGUE_OK) return s->answer;
    (void)snprintf(s->seen, sizeof s->seen, "%.*sx", current ? (int)current->body.size : 0,
                   current && current->body.data ? current->body.data : "");
    m->body_op = SEGUE_BODY_SET;
    m->body = segue_str(s->seen);
    return SEGUE_OK;
}

static void update_calls_again_when_somebody_was_faster(void **state)
{
    (void)state;
    segue_store *store = open_store("mem:");
    put(store, "k", "first");
    scripted s = {.store = store};
    segue_outcome outcome;
    ASSERT_OK(segue_update(store, segue_str("k"), append_x, &s, NULL, &outcome, &err));
    assert_int_equal(s.calls, 2);
    assert_body(store, "k", "otherx");
    assert_int_equal(outcome.revision, 3);
    segue_close(store);
}

static void update_ends_with_what_the_callback_says(void **state)
{
    (void)state;
    segue_store *store = open_store("mem:");
    put(store, "k", "first");
    scripted s = {.answer = SEGUE_CANCELLED};
    ASSERT_STATUS(SEGUE_CANCELLED, segue_update(store, segue_str("k"), append_x, &s, NULL, NULL, &err));
    assert_non_null(strstr(err.message, "stopped by its callback"));
    assert_body(store, "k", "first");
    segue_close(store);
}

static segue_status want_nothing(void *ctx, const segue_record *current, segue_mutation *m)
{
    (void)ctx;
    (void)current;
    (void)m;
    return SEGUE_OK;
}

static void update_that_wants_nothing_writes_nothing(void **state)
{
    (void)state;
    segue_store *store = open_store("stats+mem:");
    uint64_t cas = put(store, "k", "first");
    segue_outcome outcome = {.written = true};
    ASSERT_OK(segue_update(store, segue_str("k"), want_nothing, NULL, NULL, &outcome, &err));
    assert_false(outcome.written);
    segue_doc doc = {0};
    ASSERT_OK(segue_get(store, segue_str("k"), NULL, &doc, &err));
    assert_true(doc.rec.cas == cas);
    segue_doc_free(&doc);
    segue_close(store);
}

static void update_from_a_previous_document_reads_nothing(void **state)
{
    (void)state;
    segue_store *store = open_store("stats+mem:");
    uint64_t cas = put(store, "k", "first");
    segue_record previous = {.key = segue_str("k"), .body = segue_str("first"), .cas = cas, .revision = 1};
    segue_update_options options = {.previous = &previous};
    scripted s = {0};
    segue_stats before, now;
    ASSERT_OK(segue_store_stats(store, &before));
    ASSERT_OK(segue_update(store, segue_str("k"), append_x, &s, &options, NULL, &err));
    ASSERT_OK(segue_store_stats(store, &now));
    assert_int_equal(now.get - before.get, 0);
    assert_int_equal(now.mutate - before.mutate, 1);
    assert_body(store, "k", "firstx");
    /* The same again: that document is old now, the callback sees the present one. */
    s.calls = 0;
    ASSERT_OK(segue_update(store, segue_str("k"), append_x, &s, &options, NULL, &err));
    assert_int_equal(s.calls, 2);
    assert_body(store, "k", "firstxx");
    segue_close(store);
}

static void a_deadline_in_the_past_applies_nothing(void **state)
{
    (void)state;
    segue_store *store = open_store("mem:");
    segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = segue_str("1")};
    segue_options options = {.timeout_ns = 1};
    ASSERT_STATUS(SEGUE_TIMEOUT, segue_mutate(store, segue_str("k"), &m, &options, NULL, NULL, &err));
    segue_doc doc = {0};
    ASSERT_STATUS(SEGUE_NOT_FOUND, segue_get_record(store, segue_str("k"), NULL, &doc, &err));
    segue_close(store);
}

/* ---- scan ---- */

static void assert_scan(segue_store *store, segue_range range, const char *expected)
{
    char seen[256] = "";
    segue_scan *scan = NULL;
    const segue_record *rec;
    ASSERT_OK(segue_scan_open(store, &range, &scan, &err));
    segue_status st;
    while ((st = segue_scan_next(scan, &rec, &err)) == SEGUE_OK)
        (void)snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%.*s%s ", (int)rec->key.size, rec->key.data,
                       rec->is_tombstone ? "!" : "");
    ASSERT_STATUS(SEGUE_END, st);
    ASSERT_STATUS(SEGUE_END, segue_scan_next(scan, &rec, &err));
    segue_scan_close(scan);
    assert_string_equal(seen, expected);
}

static void scan_keeps_to_its_range(void **state)
{
    (void)state;
    segue_store *store = open_store("mem:");
    static const char *const keys[] = {"a", "ab", "abc", "b", "b\xff", "b\xff\xff", "c"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) put(store, keys[i], "1");
    ASSERT_OK(segue_delete(store, segue_str("abc"), NULL, &err));
    assert_scan(store, (segue_range){0}, "a ab b b\xff b\xff\xff c ");
    assert_scan(store, (segue_range){.options = SEGUE_SCAN_TOMBSTONES, .prefix = segue_str("ab")}, "ab abc! ");
    assert_scan(store, (segue_range){.prefix = segue_str("b\xff")}, "b\xff b\xff\xff ");
    assert_scan(store, (segue_range){.prefix = segue_str("\xff")}, "");
    assert_scan(store, (segue_range){.from = segue_str("ab"), .to = segue_str("b")}, "ab b ");
    segue_range open = {
        .from = segue_str("ab"), .to = segue_str("c"), .options = SEGUE_SCAN_FROM_OPEN | SEGUE_SCAN_TO_OPEN};
    assert_scan(store, open, "b b\xff b\xff\xff ");
    assert_scan(store, (segue_range){.prefix = segue_str("a"), .from = segue_str("ab"), .to = segue_str("c")}, "ab ");
    assert_scan(store, (segue_range){.prefix = segue_str("b"), .to = segue_str("b")}, "b ");
    segue_close(store);
}

static void a_cut_scan_never_becomes_an_end(void **state)
{
    (void)state;
    segue_store *below = open_store("mem:");
    char key[16];
    for (int i = 0; i < 600; i++) {
        (void)snprintf(key, sizeof key, "k%03d", i);
        put(below, key, "1");
    }
    segue_store *store = NULL;
    ASSERT_OK(seg_fault_open(below, &store, &err));
    seg_fault_plan plan = {.ops = SEG_OP_SCAN, .nth = 2, .status = SEGUE_UNAVAILABLE};
    seg_fault_set(store, &plan);
    segue_scan *scan = NULL;
    const segue_record *rec;
    ASSERT_OK(segue_scan_open(store, NULL, &scan, &err));
    int n = 0;
    segue_status st;
    while ((st = segue_scan_next(scan, &rec, &err)) == SEGUE_OK) n++;
    ASSERT_STATUS(SEGUE_UNAVAILABLE, st);
    assert_in_range(n, 1, 599);
    ASSERT_STATUS(SEGUE_UNAVAILABLE, segue_scan_next(scan, &rec, &err));
    segue_scan_close(scan);
    segue_close(store);
    segue_close(below);
}

/* ---- whole records and purge ---- */

static void put_record_keeps_cas_and_revision(void **state)
{
    (void)state;
    segue_store *store = open_store("mem:");
    segue_xattr xattr = {segue_str("_sync"), segue_str("{\"a\":1}")};
    segue_record rec = {.key = segue_str("k"),
                        .xattrs = &xattr,
                        .n_xattrs = 1,
                        .cas = 0x123450000,
                        .revision = 7,
                        .is_tombstone = true};
    uint64_t cas;
    ASSERT_OK(segue_put_record(store, &rec, 0, NULL, &cas, &err));
    assert_true(cas == rec.cas);
    ASSERT_STATUS(SEGUE_EXISTS, segue_put_record(store, &rec, 0, NULL, &cas, &err));
    rec.revision = 8;
    ASSERT_OK(segue_put_record(store, &rec, SEGUE_PUT_REPLACE, NULL, &cas, &err));
    segue_doc doc = {0};
    ASSERT_OK(segue_get_record(store, rec.key, NULL, &doc, &err));
    assert_true(doc.rec.is_tombstone);
    assert_int_equal(doc.rec.revision, 8);
    assert_int_equal(doc.rec.n_xattrs, 1);
    assert_true(put(store, "other", "1") > rec.cas);
    segue_doc_free(&doc);
    segue_close(store);
}

static void a_store_that_cannot_keep_a_cas_says_so(void **state)
{
    (void)state;
    segue_store *store = open_store("mem:?caps=-keep_cas");
    segue_call call = seg_call_new(store, 0, &err);
    segue_put kept = {.rec = {.key = segue_str("k"), .body = segue_str("1"), .cas = 5, .revision = 1},
                      .keep_cas = true};
    uint64_t cas = 77;
    ASSERT_STATUS(SEGUE_UNSUPPORTED, seg_call_put(store, &kept, &cas, &call));
    assert_int_equal(cas, 77);
    ASSERT_STATUS(SEGUE_NOT_FOUND, segue_get_record(store, segue_str("k"), NULL, &(segue_doc){0}, &err));
    segue_close(store);
}

static void purge_takes_tombstones_only(void **state)
{
    (void)state;
    segue_store *store = open_store("mem:");
    char key[16];
    for (int i = 0; i < 1200; i++) {
        (void)snprintf(key, sizeof key, "k%04d", i);
        put(store, key, "1");
        if (i % 3 == 0) ASSERT_OK(segue_delete(store, segue_str(key), NULL, &err));
    }
    uint64_t n = 0;
    ASSERT_OK(segue_purge_tombstones(store, &n, &err));
    assert_int_equal(n, 400);
    segue_doc doc = {0};
    ASSERT_STATUS(SEGUE_NOT_FOUND, segue_get_record(store, segue_str("k0003"), NULL, &doc, &err));
    assert_body(store, "k0004", "1");
    ASSERT_OK(segue_purge_tombstones(store, &n, &err));
    assert_int_equal(n, 0);
    segue_close(store);
}

/* ---- engines that break their promises ---- */

static segue_status scan_in_disorder(void *self, const segue_bounds *bounds, segue_page *page, segue_call *call)
{
    static const char *const keys[] = {"b", "a"};
    bool full;
    (void)self, (void)bounds;
    for (int i = 0; i < 2; i++) {
        segue_record rec = {.key = segue_str(keys[i]), .body = segue_str("1"), .cas = 1, .revision = 1};
        if (segue_page_add(page, &rec, &full) != SEGUE_OK) return segue_fail(call, SEGUE_NO_MEMORY, "out of memory");
    }
    return SEGUE_OK;
}

/* As a damaged file yields them. It is an error, and no end of the process. */
static void records_out_of_their_order_are_damage(void **state)
{
    (void)state;
    static segue_backend disorder;
    segue_scan *scan = NULL;
    const segue_record *rec = NULL;
    disorder = seg_backend_mem;
    disorder.scheme = "disorder";
    disorder.scan = scan_in_disorder;
    ASSERT_OK(segue_register_backend(&disorder));
    segue_store *store = open_store("disorder:");
    ASSERT_OK(segue_scan_open(store, NULL, &scan, &err));
    ASSERT_STATUS(SEGUE_CORRUPT, segue_scan_next(scan, &rec, &err));
    assert_non_null(strstr(err.message, "order"));
    segue_scan_close(scan);
    segue_close(store);
}

/* ---- the error ---- */

/* Reads of nothing, a loop's look at what is not there, a fallback behind a miss: all of it is put into words on the way. */
static void a_success_does_not_touch_the_error(void **state)
{
    (void)state;
    static const char *const urls[] = {"mem:", "mem:?caps=-mutate", "dual:?primary=mem:&fallback=mem:said"};
    static const segue_error before = {.status = SEGUE_END, .native = 7, .message = "as before"};
    segue_error said = before;
    segue_store *fallback = NULL;
    segue_doc doc = {0};
    ASSERT_OK(segue_open("mem:said", NULL, &fallback, &err));
    ASSERT_OK(segue_set(fallback, segue_str("k"), segue_str("1"), segue_expiry_none(), NULL, NULL, &err));
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        segue_store *store = NULL;
        bool exists = true;
        ASSERT_OK(segue_open(urls[i], NULL, &store, &said));
        ASSERT_OK(segue_exists(store, segue_str("none"), NULL, &exists, &said));
        assert_false(exists);
        if (i < 2) ASSERT_OK(segue_set(store, segue_str("k"), segue_str("1"), segue_expiry_none(), NULL, NULL, &said));
        ASSERT_OK(segue_get(store, segue_str("k"), NULL, &doc, &said));
        ASSERT_OK(segue_append(store, segue_str("k"), segue_str("2"), NULL, NULL, &said));
        ASSERT_OK(segue_delete(store, segue_str("k"), NULL, &said));
        if (said.status != before.status || said.native != before.native || strcmp(said.message, before.message) != 0)
            fail_msg("%s: a success says \"%s\"", urls[i], said.message);
        assert_int_equal(segue_get(store, segue_str("k"), NULL, &doc, &said), SEGUE_NOT_FOUND);
        if (said.status != SEGUE_NOT_FOUND || said.native) fail_msg("%s: \"%s\"", urls[i], said.message);
        said = before;
        segue_close(store);
    }
    segue_doc_free(&doc);
    segue_close(fallback);
}

/* ---- more time is given between the read and the judgement ---- */

static struct {
    int64_t now_ns;
    int at; /* the how manieth look at the clock from now */
    segue_store *store;
} slow;

static int64_t slow_wall_ns(void *ctx)
{
    (void)ctx;
    if (slow.at && --slow.at == 0) { /* the thread is kept waiting here; another one goes on */
        segue_options o = {0};
        ASSERT_OK(segue_touch(slow.store, segue_str("k"), segue_expiry_at(UINT32_MAX), &o, NULL, &err));
        slow.now_ns += INT64_C(20) * 1000000000;
    }
    return slow.now_ns;
}

static segue_status delete_it(segue_store *store) { return segue_delete(store, segue_str("k"), NULL, &err); }

static segue_status touch_it(segue_store *store)
{
    return segue_touch(store, segue_str("k"), segue_expiry_at(UINT32_MAX - 1), NULL, NULL, &err);
}

static segue_status append_if_live(void *ctx, const segue_record *current, segue_mutation *m)
{
    (void)ctx;
    if (!current || current->is_tombstone) return SEGUE_NOT_FOUND;
    m->body_op = SEGUE_BODY_APPEND;
    m->body = segue_str("2");
    return SEGUE_OK;
}

static segue_status update_it(segue_store *store)
{
    return segue_update(store, segue_str("k"), append_if_live, NULL, NULL, NULL, &err);
}

static void a_write_does_not_call_dead_what_was_given_more_time(void **state)
{
    (void)state;
    static segue_status (*const writes[])(segue_store *) = {delete_it, touch_it, update_it};
    segue_env env = *segue_env_default();
    env.wall_ns = slow_wall_ns;
    segue_open_options options = {&env, SEGUE_OPEN_NO_REAPER};
    segue_doc doc = {0};
    slow.now_ns = INT64_C(1800000000) * 1000000000;
    ASSERT_OK(segue_open("mem:?caps=-mutate", &options, &slow.store, &err));
    for (size_t i = 0; i < sizeof writes / sizeof *writes; i++)
        for (int at = 1; at <= 2; at++) { /* the clock is looked at after the read and before the decision */
            segue_expiry soon = segue_expiry_at((uint32_t)(slow.now_ns / 1000000000) + 10);
            ASSERT_OK(segue_set(slow.store, segue_str("k"), segue_str("1"), soon, NULL, NULL, &err));
            slow.at = at;
            ASSERT_OK(writes[i](slow.store));
            assert_int_equal(slow.at, 0);
            ASSERT_OK(segue_get_record(slow.store, segue_str("k"), NULL, &doc, &err));
            assert_int_equal(doc.rec.is_tombstone, i == 0); /* and it was done */
            if (i == 1) assert_int_equal(doc.rec.expiry, UINT32_MAX - 1);
            if (i == 2) assert_int_equal(doc.rec.body.size, 2);
        }
    segue_doc_free(&doc);
    segue_close(slow.store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bad_url_is_refused_with_its_reason),
        cmocka_unit_test(one_name_is_one_store_in_memory),
        cmocka_unit_test(a_bad_key_is_refused_before_anything_happens),
        cmocka_unit_test(update_calls_again_when_somebody_was_faster),
        cmocka_unit_test(update_ends_with_what_the_callback_says),
        cmocka_unit_test(update_that_wants_nothing_writes_nothing),
        cmocka_unit_test(update_from_a_previous_document_reads_nothing),
        cmocka_unit_test(a_deadline_in_the_past_applies_nothing),
        cmocka_unit_test(scan_keeps_to_its_range),
        cmocka_unit_test(a_cut_scan_never_becomes_an_end),
        cmocka_unit_test(put_record_keeps_cas_and_revision),
        cmocka_unit_test(a_store_that_cannot_keep_a_cas_says_so),
        cmocka_unit_test(purge_takes_tombstones_only),
        cmocka_unit_test(records_out_of_their_order_are_damage),
        cmocka_unit_test(a_success_does_not_touch_the_error),
        cmocka_unit_test(a_write_does_not_call_dead_what_was_given_more_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
