/* Whole records: segue_put_record, segue_put_with_meta and what segue_get makes of a tombstone. */
#include "world.h"

#include <string.h>

#define N(array) (sizeof(array) / sizeof *(array))

static void status_is(const world *w, const char *what, segue_status got, segue_status want)
{
    if (got != want)
        fail_msg("%s: %s (%s), not %s", what, segue_status_name(got), w->err.message, segue_status_name(want));
}

static void says(const world *w, const char *what, const char *sentence)
{
    size_t n = strlen(w->err.message), m = strlen(sentence);
    if (n < m || strcmp(w->err.message + n - m, sentence) != 0)
        fail_msg("%s: \"%s\" does not end with \"%s\"", what, w->err.message, sentence);
}

/* "1 cas 5 revision 7 e9 f3 json", "- cas 5 revision 1", or "none". */
static const char *show(world *w, segue_store *store, const char *key)
{
    static char text[128];
    segue_status st = segue_get_record(store, K(key), NULL, &w->doc, &w->err);
    const segue_record *rec = &w->doc.rec;
    if (st == SEGUE_NOT_FOUND) return "none";
    MUST(st);
    (void)snprintf(text, sizeof text, "%.*s cas %llu revision %llu%s%.0u%s%.0u%s", /* fits: an expiry of 0 is no text */
                   rec->is_tombstone ? 1 : (int)rec->body.size, rec->is_tombstone ? "-" : rec->body.data,
                   (unsigned long long)rec->cas, (unsigned long long)rec->revision, rec->expiry ? " e" : "",
                   (unsigned)rec->expiry, rec->flags ? " f" : "", (unsigned)rec->flags, rec->is_json ? " json" : "");
    return text;
}

static void stored_is(world *w, segue_store *store, const char *key, const char *want)
{
    const char *got = show(w, store, key);
    if (strcmp(got, want) != 0) fail_msg("%s is %s, not %s", key, got, want);
}

/* ---- put_record ---- */

static void a_record_is_stored_as_records_are(void **state)
{
    world *w = *state;
    static const struct {
        segue_record rec;
        const char *is;
    } rows[] = {
        {{.body = {"1", 1}, .cas = 5, .revision = 7, .expiry = UINT32_MAX, .flags = 3, .is_json = true},
         "1 cas 5 revision 7 e4294967295 f3 json"},
        {{.body = {"1", 1}, .cas = 6}, "1 cas 6 revision 1"},
        {{.is_tombstone = true, .cas = 7, .expiry = 9, .flags = 3, .is_json = true}, "- cas 7 revision 1"},
        {{.is_tombstone = true, .cas = 8, .revision = 4}, "- cas 8 revision 4"},
    };
    for (size_t i = 0; i < N(rows); i++) {
        char key[] = {(char)('a' + i), 0};
        uint64_t cas = 0;
        segue_record rec = rows[i].rec;
        rec.key = K(key);
        MUST(segue_put_record(w->p, &rec, 0, NULL, &cas, &w->err));
        assert_int_equal(cas, rec.cas);
        stored_is(w, w->p, key, rows[i].is);
    }
}

static void a_cas_is_kept_where_there_is_one_and_it_can_be(void **state)
{
    world *w = *state;
    segue_store *other = world_open_one(w, "mem:?caps=-keep_cas"), *const stores[] = {w->p, other};
    for (size_t i = 0; i < 2; i++)
        for (uint64_t given = 0; given <= 5; given += 5)
            for (unsigned replace = 0; replace <= SEGUE_PUT_REPLACE; replace += SEGUE_PUT_REPLACE) {
                uint64_t cas = 0;
                bool kept = i == 0 && given;
                segue_record rec = {.key = K("k"), .body = K("1"), .cas = given, .revision = 9};
                segue_status st = segue_put_record(stores[i], &rec, replace, NULL, &cas, &w->err);
                if (!replace && given) status_is(w, "again", st, SEGUE_EXISTS);
                else status_is(w, "put", st, SEGUE_OK);
                if (st == SEGUE_OK && (cas == 5) != kept) fail_msg("the CAS is %llu", (unsigned long long)cas);
                if (st == SEGUE_OK && given) {
                    MUST(segue_get_record(stores[i], K("k"), NULL, &w->doc, &w->err));
                    assert_int_equal(w->doc.rec.revision, kept ? 9 : 11); /* else one more than the present one's */
                }
            }
    segue_close(other);
}

static void a_record_that_cannot_be_is_refused(void **state)
{
    world *w = *state;
    segue_xattr bad = {K("_s"), K("{")};
    segue_record fine = {.key = K("k"), .body = K("1"), .cas = 5}, none = fine, own = fine, wrong = fine, far = fine;
    none.key = K("");
    own.key = K("_segue:x");
    wrong.xattrs = &bad;
    wrong.n_xattrs = 1;
    far.cas = UINT64_C(1) << 63;
    const struct {
        const segue_record *rec;
        unsigned options;
        segue_status status;
        const char *says;
    } rows[] = {{&none, 0, SEGUE_INVALID_KEY, ""},
                {&own, 2, SEGUE_REFUSED, "keys that begin with \"_segue:\" are Segue's own"},
                {&fine, 2, SEGUE_INVALID_ARGUMENT, "a put of a record has no options 0x2"},
                {&fine, 3, SEGUE_INVALID_ARGUMENT, "a put of a record has no options 0x2"},
                {&wrong, 2, SEGUE_INVALID_ARGUMENT, "a put of a record has no options 0x2"},
                {&wrong, 0, SEGUE_INVALID_JSON, ""},
                {&far, 0, SEGUE_INVALID_ARGUMENT, ""}};
    for (size_t i = 0; i < N(rows); i++) {
        char what[32];
        (void)snprintf(what, sizeof what, "row %zu", i); /* fits */
        status_is(w, what, segue_put_record(w->p, rows[i].rec, rows[i].options, NULL, NULL, &w->err), rows[i].status);
        says(w, what, rows[i].says);
        stored_is(w, w->p, "k", "none");
    }
}

static void a_deadline_is_for_whole_records_too(void **state)
{
    world *w = *state;
    segue_record rec = {.key = K("k"), .body = K("1"), .cas = 5};
    segue_options soon = {.timeout_ns = 1000000}, late = {.timeout_ns = 3600 * INT64_C(1000000000)};
    segue_dual_options hold = {SEGUE_PHASE_HOLD};
    segue_store *held = NULL;
    MUST(segue_dual_open(w->p, w->f, &hold, &held, &w->err));
    status_is(w, "put_record", segue_put_record(held, &rec, 0, &soon, NULL, &w->err), SEGUE_TIMEOUT);
    status_is(w, "put_with_meta", segue_put_with_meta(held, &rec, 0, &soon, &w->err), SEGUE_TIMEOUT);
    stored_is(w, held, "k", "none");
    segue_close(held);
    status_is(w, "put_record", segue_put_record(w->p, &rec, 0, &late, NULL, &w->err), SEGUE_OK);
}

/* ---- put_with_meta ---- */

static void a_record_replaces_the_one_that_is_known(void **state)
{
    world *w = *state;
    static const struct {
        const char *key; /* k: live at 50, revision 3; t: a tombstone at 60, revision 4; n: none */
        uint64_t old_cas, cas;
        segue_status status;
        const char *says, *is;
    } rows[] = {
        {"k", 50, 20, SEGUE_OK, "", "2 cas 20 revision 4"},
        {"k", 50, 70, SEGUE_OK, "", "2 cas 70 revision 4"},
        {"t", 60, 20, SEGUE_OK, "", "2 cas 20 revision 5"},
        {"n", 0, 20, SEGUE_OK, "", "2 cas 20 revision 1"},
        {"k", 0, 20, SEGUE_CAS_MISMATCH, "the record \"k\" has the CAS 50, not 0", "1 cas 50 revision 3"},
        {"k", 51, 20, SEGUE_CAS_MISMATCH, "the record \"k\" has the CAS 50, not 51", "1 cas 50 revision 3"},
        {"t", 0, 20, SEGUE_CAS_MISMATCH, "the record \"t\" has the CAS 60, not 0", "- cas 60 revision 4"},
        {"n", 7, 20, SEGUE_CAS_MISMATCH, "there is no record \"n\", nor the CAS 7", "none"},
        {"k", 50, 0, SEGUE_INVALID_ARGUMENT, "0 is not a CAS that can be kept", "1 cas 50 revision 3"},
        {"k", 50, INT64_MAX, SEGUE_INVALID_ARGUMENT, "9223372036854775807 is not a CAS that can be kept",
         "1 cas 50 revision 3"},
        {"", 50, 20, SEGUE_INVALID_KEY, "", "none"},
        {"_segue:k", 0, 20, SEGUE_REFUSED, "", "none"},
    };
    segue_record live = {.key = K("k"), .body = K("1"), .cas = 50, .revision = 3};
    segue_record dead = {.key = K("t"), .is_tombstone = true, .cas = 60, .revision = 4};
    for (size_t i = 0; i < N(rows); i++) {
        char url[32];
        (void)snprintf(url, sizeof url, "stats+mem:meta%zu", i); /* fits */
        segue_store *s = world_open_one(w, url);
        MUST(segue_put_record(s, &live, 0, NULL, NULL, &w->err));
        MUST(segue_put_record(s, &dead, 0, NULL, NULL, &w->err));
        segue_record rec = {.key = K(rows[i].key), .body = K("2"), .cas = rows[i].cas, .revision = 99};
        status_is(w, url, segue_put_with_meta(s, &rec, rows[i].old_cas, NULL, &w->err), rows[i].status);
        if (rows[i].status != SEGUE_OK) says(w, url, rows[i].says);
        if (rows[i].key[0] && rows[i].key[0] != '_') stored_is(w, s, rows[i].key, rows[i].is);
        segue_close(s);
    }
}

static void the_first_thing_that_is_wrong_is_told(void **state)
{
    world *w = *state;
    segue_store *other = world_open_one(w, "mem:?caps=-keep_cas");
    segue_xattr bad = {K("_s"), K("{")};
    segue_record rec = {.key = K("k"), .body = K("1"), .xattrs = &bad, .n_xattrs = 1};
    status_is(w, "all of it", segue_put_with_meta(other, &rec, 0, NULL, &w->err), SEGUE_INVALID_JSON);
    rec.n_xattrs = 0;
    status_is(w, "no CAS", segue_put_with_meta(other, &rec, 0, NULL, &w->err), SEGUE_INVALID_ARGUMENT);
    rec.cas = 5;
    status_is(w, "here", segue_put_with_meta(other, &rec, 0, NULL, &w->err), SEGUE_UNSUPPORTED);
    says(w, "here", "mem:?caps=-keep_cas cannot keep a given CAS");
    stored_is(w, other, "k", "none");
    segue_close(other);
}

static void a_dual_store_takes_no_foreign_cas_before_it_is_clean(void **state)
{
    world *w = *state;
    segue_record rec = {.key = K("k"), .body = K("1"), .cas = 5};
    status_is(w, "forward", segue_put_with_meta(w->dual, &rec, 0, NULL, &w->err), SEGUE_REFUSED);
    says(w, "forward", ": before it is clean, a dual store gives CASes of its own");
    stored_is(w, w->dual, "k", "none");
    segue_dual_options clean = {SEGUE_PHASE_CLEAN};
    segue_store *done = NULL;
    MUST(segue_dual_open(w->p, w->f, &clean, &done, &w->err));
    MUST(segue_put_with_meta(done, &rec, 0, NULL, &w->err));
    rec.cas = 4;
    MUST(segue_put_with_meta(done, &rec, 5, NULL, &w->err));
    stored_is(w, w->p, "k", "1 cas 4 revision 2");
    stored_is(w, w->f, "k", "none");
    segue_close(done);
}

/* Between its look and its write somebody else was faster. */
static void somebody_writes(world *w) { put_doc(w, w->p, "k", "theirs"); }
static void somebody_erases(world *w)
{
    segue_call call = seg_call_new(w->p, 0, &w->err);
    MUST(seg_call_erase(w->p, K("k"), 50, &call));
}

static void who_was_not_the_fastest_hears_of_it(void **state)
{
    world *w = *state;
    static const struct {
        world_step step;
        bool there;
    } rows[] = {{somebody_writes, true}, {somebody_writes, false}, {somebody_erases, true}};
    for (size_t i = 0; i < N(rows); i++) {
        char sentence[64];
        segue_record rec = {.key = K("k"), .body = K("1"), .cas = 50};
        segue_call call = seg_call_new(w->p, 0, &w->err);
        if (segue_get_record(w->p, K("k"), NULL, &w->doc, &w->err) == SEGUE_OK)
            MUST(seg_call_erase(w->p, K("k"), w->doc.rec.cas, &call));
        if (rows[i].there) MUST(segue_put_record(w->p, &rec, 0, NULL, NULL, &w->err));
        rec.cas = 60;
        world_inject(w, PRIMARY, SEG_OP_PUT, 1, false, rows[i].step);
        segue_status st = segue_put_with_meta(w->fault_p, &rec, rows[i].there ? 50 : 0, NULL, &w->err);
        world_heal(w);
        status_is(w, "late", st, SEGUE_CAS_MISMATCH);
        (void)snprintf(sentence, sizeof sentence, "the record \"k\" has just lost the CAS %d", rows[i].there ? 50 : 0);
        says(w, "late", sentence);
    }
}

static void a_failure_on_the_way_is_what_it_is(void **state)
{
    world *w = *state;
    segue_record rec = {.key = K("k"), .body = K("1"), .cas = 50};
    static const struct {
        seg_store_op op;
        segue_status fails, status;
    } rows[] = {{SEG_OP_GET, SEGUE_UNAVAILABLE, SEGUE_UNAVAILABLE},  {SEG_OP_GET, SEGUE_CORRUPT, SEGUE_CORRUPT},
                {SEG_OP_PUT, SEGUE_UNAVAILABLE, SEGUE_UNAVAILABLE},  {SEG_OP_PUT, SEGUE_NO_SPACE, SEGUE_NO_SPACE},
                {SEG_OP_PUT, SEGUE_EXISTS, SEGUE_CAS_MISMATCH},      {SEG_OP_PUT, SEGUE_NOT_FOUND, SEGUE_CAS_MISMATCH},
                {SEG_OP_PUT, SEGUE_CAS_MISMATCH, SEGUE_CAS_MISMATCH}};
    for (size_t i = 0; i < N(rows); i++) {
        world_fail(w, PRIMARY, rows[i].op, 1, false, false, rows[i].fails);
        segue_status st = segue_put_with_meta(w->fault_p, &rec, 0, NULL, &w->err);
        world_heal(w);
        status_is(w, segue_status_name(rows[i].fails), st, rows[i].status);
        says(w, segue_status_name(rows[i].fails),
             st == SEGUE_CAS_MISMATCH ? "the record \"k\" has just lost the CAS 0" : "injected failure of call 1");
        stored_is(w, w->p, "k", "none");
    }
}

/* ---- get ---- */

static void nothing_is_left_of_a_tombstone_that_was_not_asked_for(void **state)
{
    world *w = *state;
    segue_doc doc = {0};
    segue_record dead = {.key = K("t"), .is_tombstone = true, .cas = 60};
    MUST(segue_put_record(w->p, &dead, 0, NULL, NULL, &w->err));
    put_doc(w, w->p, "k", "1");
    MUST(segue_get(w->p, K("k"), NULL, &doc, &w->err));
    status_is(w, "t", segue_get(w->p, K("t"), NULL, &doc, &w->err), SEGUE_NOT_FOUND);
    says(w, "t", ": there is no live document \"t\"");
    assert_int_equal(doc.rec.cas, 0);
    assert_false(doc.rec.is_tombstone);
    assert_null(doc.rec.key.data);
    segue_doc_free(&doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_record_is_stored_as_records_are),
        WORLD_TEST(a_cas_is_kept_where_there_is_one_and_it_can_be),
        WORLD_TEST(a_record_that_cannot_be_is_refused),
        WORLD_TEST(a_deadline_is_for_whole_records_too),
        WORLD_TEST(a_record_replaces_the_one_that_is_known),
        WORLD_TEST(the_first_thing_that_is_wrong_is_told),
        WORLD_TEST(a_dual_store_takes_no_foreign_cas_before_it_is_clean),
        WORLD_TEST(who_was_not_the_fastest_hears_of_it),
        WORLD_TEST(a_failure_on_the_way_is_what_it_is),
        WORLD_TEST(nothing_is_left_of_a_tombstone_that_was_not_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
