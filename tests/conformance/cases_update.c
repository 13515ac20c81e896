/* Conformance: update and counters, scenarios 26 to 40. */
#include "conform.h"

#include <pthread.h>
#include <stdio.h>

#include "base/base.h"

/* What a scripted callback does, and what it saw. */
typedef struct script {
    cf *t;
    const char *key;
    unsigned calls;
    bool saw_live[4], saw_record[4];
    char saw_body[4][32];
    const char *write; /* the body that it writes; NULL: none */
    bool deletes;
    segue_expiry expiry; /* if it names one */
    bool sets_expiry;
    segue_expect expect;
    uint64_t cas;
    segue_status answer;  /* of the first call */
    void (*first)(cf *t); /* taken during the first call: somebody else's step */
} script;

static segue_status play(void *ctx, const segue_record *current, segue_mutation *m)
{
    script *s = ctx;
    unsigned n = s->calls++;
    assert_true(n < 4);
    s->saw_record[n] = current != NULL;
    s->saw_live[n] = current && !current->is_tombstone;
    if (s->saw_live[n])
        (void)snprintf(s->saw_body[n], sizeof s->saw_body[n], "%.*s", (int)current->body.size, current->body.data);
    if (n == 0 && s->first) s->first(s->t);
    if (n == 0 && s->answer != SEGUE_OK) return s->answer;
    if (s->write) {
        m->body_op = SEGUE_BODY_SET;
        m->body = K(s->write);
    } else if (s->deletes) {
        m->body_op = SEGUE_BODY_DELETE;
    }
    if (s->sets_expiry) m->expiry = s->expiry;
    m->expect = s->expect;
    m->cas = s->cas;
    return SEGUE_OK;
}

static void update_creates_and_changes(cf *t)
{
    script s = {.write = "1"};
    IS(OK, do_update(t, "new", play, &s, NULL));
    CHECK(!s.saw_record[0]);
    CHECK(t->outcome.written);
    EQ(t->outcome.cas, cf_cas(t, "new"));
    fx_doc(t, "k", "{\"n\":1}", X("_a=1", "u=2"));
    script c = {.write = "{\"n\":2}"};
    IS(OK, do_update(t, "k", play, &c, NULL));
    EQ(1, c.calls);
    assert_string_equal(c.saw_body[0], "{\"n\":1}");
    BODY_IS("k", "{\"n\":2}");
    EQ(t->outcome.cas, t->doc.rec.cas);
    EQ(2, t->doc.rec.revision);
    EQ(2, t->outcome.revision);
    XATTR_IS("k", "_a", "1");
    XATTR_IS("k", "u", "2");
}

static void somebody_sets(cf *t) { IS(OK, do_set(t, "k", "\"theirs\"")); }
static void somebody_adds(cf *t) { IS(OK, do_add(t, "k", "\"theirs\"")); }
static void somebody_deletes(cf *t) { IS(OK, do_delete(t, "k")); }

static void update_sees_the_newer_body(cf *t)
{
    fx_set(t, "k", "1");
    script s = {.t = t, .write = "\"mine\"", .first = somebody_sets};
    IS(OK, do_update(t, "k", play, &s, NULL));
    EQ(2, s.calls);
    assert_string_equal(s.saw_body[1], "\"theirs\"");
    BODY_IS("k", "\"mine\"");
    EQ(3, t->doc.rec.revision);
}

static void update_meets_an_insert(cf *t)
{
    script s = {.t = t, .write = "\"mine\"", .first = somebody_adds};
    IS(OK, do_update(t, "k", play, &s, NULL));
    EQ(2, s.calls);
    CHECK(!s.saw_record[0]);
    assert_string_equal(s.saw_body[1], "\"theirs\"");
    BODY_IS("k", "\"mine\"");
}

static void callback_stops_it(cf *t)
{
    fx_set(t, "k", "1");
    cf_state before = cf_state_of(t, "k");
    script s = {.write = "2", .answer = SEGUE_CANCELLED};
    IS(CANCELLED, do_update(t, "k", play, &s, NULL));
    IS(CANCELLED, do_update(t, "new", play, &(script){.write = "2", .answer = SEGUE_CANCELLED}, NULL));
    UNCHANGED("k", before);
    NOTHING("new");
}

static void callback_wants_nothing(cf *t)
{
    fx_set(t, "k", "1");
    cf_state before = cf_state_of(t, "k");
    script s = {0};
    IS(OK, do_update(t, "k", play, &s, NULL));
    CHECK(!t->outcome.written);
    EQ(before.cas, t->outcome.cas);
    EQ(before.revision, t->outcome.revision);
    UNCHANGED("k", before);
    IS(OK, do_update(t, "new", play, &s, NULL));
    CHECK(!t->outcome.written);
    EQ(0, t->outcome.cas);
    NOTHING("new");
}

static void update_that_deletes(cf *t)
{
    script s = {.deletes = true};
    IS(OK, do_update(t, "new", play, &s, NULL));
    CHECK(!t->outcome.written);
    NOTHING("new");
    fx_doc_expiring(t, "k", "1", segue_expiry_in(1000), X("_a=1", "u=2"));
    script d = {.deletes = true};
    IS(OK, do_update(t, "k", play, &d, NULL));
    CHECK(t->outcome.written);
    TOMBSTONE("k");
    EQ(t->outcome.cas, t->doc.rec.cas);
    XATTR_IS("k", "_a", "1");
    XATTR_IS("k", "u", NULL);
    CHECK(!t->doc.rec.is_json);
    script again = {.deletes = true};
    IS(OK, do_update(t, "k", play, &again, NULL));
    CHECK(again.saw_record[0] && !again.saw_live[0]);
    CHECK(!t->outcome.written);
}

static void body_wins_over_delete(cf *t)
{
    fx_set(t, "k", "1");
    script s = {.write = "2", .deletes = true};
    IS(OK, do_update(t, "k", play, &s, NULL));
    BODY_IS("k", "2");
}

static void update_of_expiry_only(cf *t)
{
    uint64_t cas = fx_doc(t, "k", "1", X("_a=1"));
    script s = {.sets_expiry = true, .expiry = segue_expiry_in(1000)};
    IS(OK, do_update(t, "k", play, &s, NULL));
    NE(cas, t->outcome.cas);
    BODY_IS("k", "1");
    CHECK(t->doc.rec.expiry > cf_now() + 900 && t->doc.rec.expiry < cf_now() + 1100);
    XATTR_IS("k", "_a", "1");
}

static void update_starts_with_its_expiry(cf *t)
{
    fx_doc_expiring(t, "k", "1", segue_expiry_in(1000), NULL);
    uint32_t old = cf_expiry(t, "k");
    segue_update_options keep = {.expiry = segue_expiry_keep()};
    script s = {.write = "2"};
    IS(OK, do_update(t, "k", play, &s, &keep));
    EQ(old, cf_expiry(t, "k"));
    segue_update_options in = {.expiry = segue_expiry_in(5000)};
    IS(OK, do_update(t, "k", play, &(script){.write = "3"}, &in));
    CHECK(cf_expiry(t, "k") > cf_now() + 4000);
    IS(OK, do_update(t, "k", play, &(script){.write = "4"}, NULL));
    EQ(0, cf_expiry(t, "k"));
}

static void callback_asks_again(cf *t)
{
    fx_set(t, "k", "1");
    script s = {.t = t, .write = "2", .answer = SEGUE_RETRY, .first = somebody_sets};
    IS(OK, do_update(t, "k", play, &s, NULL));
    EQ(2, s.calls);
    assert_string_equal(s.saw_body[1], "\"theirs\"");
    BODY_IS("k", "2");
}

static void deleted_during_the_callback(cf *t)
{
    fx_doc(t, "k", "1", X("_a=1", "u=2"));
    script s = {.t = t, .write = "2", .first = somebody_deletes};
    IS(OK, do_update(t, "k", play, &s, NULL));
    EQ(2, s.calls);
    CHECK(s.saw_record[1] && !s.saw_live[1]);
    BODY_IS("k", "2");
    EQ(0, t->doc.rec.n_xattrs);
    EQ(3, t->doc.rec.revision);
}

static void update_from_a_previous_document(cf *t)
{
    fx_doc(t, "k", "1", X("_a=1"));
    IS(OK, do_get(t, "k"));
    SEG_AUTO(segue_doc) previous = {0};
    IS(OK, segue_doc_assign(&previous, &t->doc.rec));
    segue_update_options options = {.previous = &previous.rec};
    script s = {.write = "2"};
    IS(OK, do_update(t, "k", play, &s, &options));
    EQ(1, s.calls);
    BODY_IS("k", "2");
    XATTR_IS("k", "_a", "1");
    script again = {.write = "3"}; /* the same one is stale now */
    IS(OK, do_update(t, "k", play, &again, &options));
    EQ(2, again.calls);
    assert_string_equal(again.saw_body[0], "1");
    assert_string_equal(again.saw_body[1], "2");
    BODY_IS("k", "3");
    segue_record unknown = {.key = K("k")};
    segue_update_options absent = {.previous = &unknown};
    script wrong = {.write = "4"};
    IS(OK, do_update(t, "k", play, &wrong, &absent));
    EQ(2, wrong.calls);
    CHECK(!wrong.saw_record[0]);
    assert_string_equal(wrong.saw_body[1], "3");
    BODY_IS("k", "4");
}

/* Whatever the callback expects besides, what it made of the previous document goes over that one only. */
static void a_stale_previous_document_is_never_the_base(cf *t)
{
    uint64_t cas = fx_set(t, "k", "1");
    segue_record previous = {.key = K("k"), .body = K("1"), .cas = cas, .revision = 1};
    segue_update_options options = {.previous = &previous};
    IS(OK, do_set(t, "k", "2"));
    static const segue_expect fine[] = {SEGUE_EXPECT_ANY, SEGUE_EXPECT_LIVE};
    for (size_t i = 0; i < 2; i++) {
        script s = {.write = "3", .expect = fine[i]};
        IS(OK, do_update(t, "k", play, &s, &options));
        EQ(2, s.calls);
        assert_string_equal(s.saw_body[0], "1");
        assert_string_equal(s.saw_body[1], i ? "3" : "2");
    }
    cf_state before = cf_state_of(t, "k");
    static const segue_expect wrong[] = {SEGUE_EXPECT_NOT_LIVE, SEGUE_EXPECT_ABSENT};
    for (size_t i = 0; i < 2; i++) {
        script s = {.write = "4", .expect = wrong[i]};
        IS(EXISTS, do_update(t, "k", play, &s, &options));
    }
    static const segue_expect by_cas[] = {SEGUE_EXPECT_CAS, SEGUE_EXPECT_RECORD_CAS};
    for (size_t i = 0; i < 2; i++) {
        script s = {.write = "4", .expect = by_cas[i], .cas = cas};
        IS(CAS_MISMATCH, do_update(t, "k", play, &s, &options));
    }
    UNCHANGED("k", before);
    previous.cas = before.cas; /* now it is the present one */
    for (size_t i = 0; i < 2; i++) {
        script s = {.write = "5", .expect = by_cas[i], .cas = previous.cas};
        IS(OK, do_update(t, "k", play, &s, &options));
        EQ(1, s.calls);
        previous.cas = t->outcome.cas;
    }
}

static void what_a_callback_may_say_of_a_previous_document(cf *t)
{
    uint64_t cas = fx_set(t, "k", "1");
    segue_record previous = {.key = K("k"), .body = K("1"), .cas = cas, .revision = 1};
    segue_record none = {.key = K("new")};
    segue_update_options options = {.previous = &previous}, absent = {.previous = &none};
    cf_state before = cf_state_of(t, "k");
    script stops = {.write = "2", .answer = SEGUE_REFUSED};
    IS(REFUSED, do_update(t, "k", play, &stops, &options));
    EQ(1, stops.calls);
    script nothing = {0};
    IS(OK, do_update(t, "k", play, &nothing, &options));
    EQ(cas, t->outcome.cas);
    EQ(0, t->outcome.written);
    script nothing_of_nothing = {0};
    IS(OK, do_update(t, "new", play, &nothing_of_nothing, &absent));
    EQ(0, t->outcome.cas);
    UNCHANGED("k", before);
    script again = {.write = "2", .answer = SEGUE_RETRY};
    IS(OK, do_update(t, "k", play, &again, &options));
    EQ(2, again.calls);
    BODY_IS("k", "2");
    script creates = {.write = "1", .expect = SEGUE_EXPECT_ABSENT};
    IS(OK, do_update(t, "new", play, &creates, &absent));
    EQ(1, creates.calls);
    script deletes = {.deletes = true}; /* of what has been deleted meanwhile */
    IS(OK, do_delete(t, "k"));
    IS(OK, do_update(t, "k", play, &deletes, &options));
    EQ(2, deletes.calls);
    EQ(0, t->outcome.written);
    TOMBSTONE("k");
}

/* ---- counters ---- */

static void incr_creates_and_adds(cf *t)
{
    IS(OK, do_incr_from(t, "new", 1, 5));
    EQ(5, t->value);
    IS(OK, do_incr_from(t, "new", 1, 5));
    EQ(6, t->value);
    BODY_IS("new", "6");
    CHECK(t->doc.rec.is_json);
    IS(OK, do_incr_from(t, "zero", 0, 0));
    BODY_IS("zero", "0");
    fx_doc(t, "k", "41", X("_a=1", "u=2"));
    IS(OK, do_incr(t, "k", 1));
    EQ(42, t->value);
    BODY_IS("k", "42");
    XATTR_IS("k", "_a", "1");
    XATTR_IS("k", "u", "2");
    EQ(2, t->doc.rec.revision);
}

static void incr_over_a_tombstone(cf *t)
{
    fx_tombstone(t, "k", X("_a=1"));
    IS(NOT_FOUND, do_incr(t, "k", 1));
    TOMBSTONE("k");
    IS(OK, do_incr_from(t, "k", 1, 7));
    EQ(7, t->value);
    BODY_IS("k", "7");
    XATTR_IS("k", "_a", NULL);
}

static void incr_wraps(cf *t)
{
    uint64_t cas = fx_set(t, "k", "42");
    IS(OK, do_incr(t, "k", 0));
    EQ(42, t->value);
    NE(cas, cf_cas(t, "k"));
    EQ(2, cf_revision(t, "k"));
    IS(OK, do_incr(t, "k", UINT64_MAX));
    EQ(41, t->value);
    fx_set(t, "hundred", "100");
    IS(OK, do_incr(t, "hundred", UINT64_MAX - 9));
    EQ(90, t->value);
    fx_set(t, "most", "18446744073709551615");
    IS(OK, do_incr(t, "most", 2));
    EQ(1, t->value);
}

static void incr_without_initial(cf *t)
{
    IS(NOT_FOUND, do_incr(t, "new", 1));
    NOTHING("new");
    fx_set(t, "k", "42");
    IS(OK, do_incr(t, "k", 1));
    EQ(43, t->value);
}

static void incr_wants_a_number(cf *t)
{
    const char *const bodies[] = {"{\"last_seq\":42}",    "null", "",   "-1", "1.5", "\"1\"", "+1",
                                  "18446744073709551616", " 1",   "1 ", "0x1"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        char key[8];
        (void)snprintf(key, sizeof key, "k%zu", i); /* fits */
        fx_set(t, key, bodies[i]);
        cf_state before = cf_state_of(t, key);
        IS(NOT_A_NUMBER, do_incr_from(t, key, 1, 5));
        EQ(0, t->value);
        UNCHANGED(key, before);
    }
}

static void incr_keeps_the_expiry(cf *t)
{
    fx_doc_expiring(t, "k", "1", segue_expiry_in(1000), NULL);
    uint32_t old = cf_expiry(t, "k");
    IS(OK, do_incr(t, "k", 1));
    EQ(old, cf_expiry(t, "k"));
    uint64_t initial = 1;
    IS(OK, segue_incr(t->store, K("new"), 1, &initial, segue_expiry_in(1000), NULL, NULL, &t->err));
    CHECK(cf_expiry(t, "new") > cf_now() + 900);
}

enum { THREADS = 4, ROUNDS = 25 };

typedef struct adder {
    cf *t;
    uint64_t from;
    segue_status st;
} adder;

static void *add_numbers(void *arg)
{
    adder *a = arg;
    for (uint64_t i = 0; i < ROUNDS && a->st == SEGUE_OK; i++)
        a->st = segue_incr(a->t->store, K("k"), a->from + i, NULL, segue_expiry_none(), NULL, NULL, NULL);
    return NULL;
}

static void incr_from_many_threads(cf *t)
{
    pthread_t threads[THREADS];
    adder adders[THREADS];
    fx_set(t, "k", "0");
    for (uint64_t i = 0; i < THREADS; i++) {
        adders[i] = (adder){t, i * ROUNDS + 1, SEGUE_OK};
        EQ(0, (uint64_t)pthread_create(&threads[i], NULL, add_numbers, &adders[i]));
    }
    for (size_t i = 0; i < THREADS; i++) (void)pthread_join(threads[i], NULL); /* joinable and ours */
    for (size_t i = 0; i < THREADS; i++) IS(OK, adders[i].st);
    uint64_t n = THREADS * ROUNDS, sum = n * (n + 1) / 2;
    IS(OK, do_incr(t, "k", 0));
    EQ(sum, t->value);
    EQ(n + 2, cf_revision(t, "k"));
}

const cf_case cf_update_cases[] = {
    {"S26", "update creates, changes, and gives the CAS that get gives", 0, update_creates_and_changes, NULL},
    {"S27", "update calls back with the newer body when somebody was faster", 0, update_sees_the_newer_body, NULL},
    {"S28", "update of a missing document meets an insert and goes on from it", 0, update_meets_an_insert, NULL},
    {"S29", "a callback's own status ends the update, nothing written", 0, callback_stops_it, NULL},
    {"S29b", "a callback that wants nothing writes nothing", 0, callback_wants_nothing, NULL},
    {"S30", "an update that deletes: nothing of nothing, a tombstone of a live one", 0, update_that_deletes, NULL},
    {"S31", "a callback that sets the body last has set it", 0, body_wins_over_delete, NULL},
    {"S32", "an update of the expiry alone keeps the body", 0, update_of_expiry_only, NULL},
    {"S32b", "an update starts with its options' expiry", 0, update_starts_with_its_expiry, NULL},
    {"S33", "RETRY from the callback reads again", 0, callback_asks_again, NULL},
    {"S34", "a document deleted during the callback is a retry on the tombstone", 0, deleted_during_the_callback, NULL},
    {"S34b", "a previous document saves the read and a stale one costs a retry", 0, update_from_a_previous_document,
     NULL},
    {"S34c", "what was made of a stale document goes over no other", 0, a_stale_previous_document_is_never_the_base,
     NULL},
    {"S34d", "a callback stops, asks again, wants nothing of a previous document", 0,
     what_a_callback_may_say_of_a_previous_document, NULL},
    {"S35", "incr stores the initial value, then adds, and keeps xattrs", 0, incr_creates_and_adds, NULL},
    {"S35b", "incr over a tombstone starts anew", 0, incr_over_a_tombstone, NULL},
    {"S36", "incr adds modulo 2^64, and by 0 is a mutation", 0, incr_wraps, NULL},
    {"S37", "incr of nothing without initial value is NOT_FOUND", 0, incr_without_initial, NULL},
    {"S38", "incr of anything but a number is NOT_A_NUMBER, unchanged", 0, incr_wants_a_number, NULL},
    {"S39", "incr keeps the expiry of a live counter", 0, incr_keeps_the_expiry, NULL},
    {"S40", "no increment of many threads is lost", 0, incr_from_many_threads, NULL},
    {NULL, NULL, 0, NULL, NULL},
};
