/* What the store layer makes of an engine's answers: they are checked, failures get words, and what expires while it is read is
 * read again. The engine answers what the test has written down; so does its clock. */
#include "say.h"

#include "store/reaper.h"

/* ---- failures ---- */

enum { GET, PUT, ERASE, SCAN, CHANGES, EXPIRED, MUTATE, MOVE, WRITE_MANY, HIGHEST, MAY_PURGE, N_SLOTS };
static const char *const slots[N_SLOTS] = {"get",    "put",  "erase",      "scan",    "changes",  "expired",
                                           "mutate", "move", "write_many", "highest", "may_purge"};

static segue_status ask(segue_store *s, int slot)
{
    segue_call call = seg_call_new(s, 0, &err);
    segue_put put = {.rec = {.key = segue_str("k"), .body = segue_str("1"), .revision = 1}};
    segue_bounds bounds = {.tombstones = true};
    segue_since since = {0};
    segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = segue_str("1")};
    segue_outcome outcome;
    segue_move move = {.key = segue_str("k"), .cas = 1};
    segue_write write = {.put = put};
    uint64_t cas = 0;
    uint32_t next = 99;
    SEG_AUTO(segue_doc) doc = {0};
    segue_status st = SEGUE_OK;
    switch (slot) {
    case GET: return seg_call_get(s, segue_str("k"), &doc, &call);
    case PUT: return seg_call_put(s, &put, &cas, &call);
    case ERASE: return seg_call_erase(s, segue_str("k"), 1, &call);
    case SCAN: return seg_call_scan(s, &bounds, &page, &call);
    case CHANGES: return seg_call_changes(s, &since, &page, &call);
    case EXPIRED:
        st = seg_call_expired(s, 100, &page, &next, &call);
        if (st != SEGUE_OK && next != 0 && !engine.next) fail_msg("%u is next", (unsigned)next);
        return st;
    case MUTATE: return seg_call_mutate(s, segue_str("k"), &m, 1, 0, false, &doc, &outcome, NULL, &call);
    case MOVE: return seg_call_move(s, s, &move, 1, &call);
    case WRITE_MANY: return seg_call_write_many(s, &write, 1, &call);
    case HIGHEST: return seg_call_highest(s, 0, &cas, &call);
    default: return seg_call_may_purge(s, &call);
    }
}

static void a_failure_without_words_gets_those_of_its_status(void **state)
{
    (void)state;
    segue_store *traced = open_store("trace+say:"), *const both[] = {store, traced};
    for (int i = 0; i < 2 * N_SLOTS; i++) {
        int slot = i / 2;
        forget();
        engine.page = "a10";
        engine.more = engine.mute = true;
        engine.status = engine.get_status = SEGUE_IO_ERROR;
        status_is(slots[slot], ask(both[i % 2], slot), SEGUE_IO_ERROR);
        text_is(slots[slot], "the sentence", err.message, "say:: input/output error");
        if (page.n || page.more) fail_msg("%s leaves %s behind", slots[slot], show());
        forget();
        engine.page = "a10";
        engine.status = engine.get_status = SEGUE_IO_ERROR;
        status_is(slots[slot], ask(both[i % 2], slot), SEGUE_IO_ERROR);
        text_is(slots[slot], "the sentence", err.message, "the engine says IO_ERROR");
        forget();
        engine.gets[0] = "k10";
        status_is(slots[slot], ask(both[i % 2], slot), SEGUE_OK);
        text_is(slots[slot], "what was asked", engine.log,
                slot == GET     ? "get(k)"
                : slot == PUT   ? "put(k)"
                : slot == ERASE ? "erase(k 1)"
                                : slots[slot]);
        text_is(slots[slot], "the sentence of a success", err.message, "");
    }
    segue_close(traced);
}

/* What lay where the words of a public call are put is none of them; with them comes the engine's own code. */
static void a_public_call_begins_without_words_and_gives_them_if_it_fails(void **state)
{
    (void)state;
    segue_error why = {.status = SEGUE_IO_ERROR, .message = "of somebody else"}, said = {.native = 7};
    SEG_AUTO(segue_doc) doc = {0};
    forget();
    engine.get_status = SEGUE_IO_ERROR;
    engine.mute = true;
    segue_call call = seg_call_public(store, 0, &why, &said);
    text_is("public", "what it begins with", why.message, "");
    segue_status st = seg_call_get(store, segue_str("k"), &doc, &call);
    status_is("public", seg_call_give(store, st, &why, &said), SEGUE_IO_ERROR);
    if (!strstr(said.message, "say:") || said.status != st || said.native != 0)
        fail_msg("%s, %d: \"%s\"", segue_status_name(said.status), said.native, said.message);
    why.native = 5;
    status_is("public", seg_call_give(store, st, &why, &said), SEGUE_IO_ERROR);
    assert_int_equal(said.native, 5);
    why.native = 6;
    status_is("public", seg_call_give(store, SEGUE_OK, &why, &said), SEGUE_OK);
    assert_int_equal(said.native, 5);
    assert_null(seg_call_public(store, 0, &why, NULL).err);
    status_is("public", seg_call_give(store, st, &why, NULL), SEGUE_IO_ERROR);
}

/* A capability without the slot, or a slot without the capability, is none. */
static void what_an_engine_cannot_do_is_not_asked_of_it(void **state)
{
    (void)state;
    static const struct {
        int slot;
        unsigned cap;
        segue_status status;
        const char *says, *asked;
    } rows[] = {
        {CHANGES, SEGUE_CAP_CHANGES, SEGUE_UNSUPPORTED, "cannot tell its changes, so there is no feed of it", ""},
        {EXPIRED, SEGUE_CAP_EXPIRED, SEGUE_UNSUPPORTED, "cannot find what has expired", ""},
        {MUTATE, SEGUE_CAP_MUTATE, SEGUE_USE_LOOP, "", ""},
        {MOVE, SEGUE_CAP_MOVE, SEGUE_UNSUPPORTED, "cannot move records", ""},
        {WRITE_MANY, SEGUE_CAP_WRITE_MANY, SEGUE_OK, "", "put(k)"},
    };
    segue_store *bare = open_store("bare:"), *traced = open_store("trace+bare:");
    for (size_t i = 0; i < N(rows); i++)
        for (int how = 0; how < 3; how++) {
            segue_store *asked = how == 0 ? store : how == 1 ? bare : traced;
            forget();
            engine.page = "a10";
            if (how == 0) engine.caps &= ~rows[i].cap;
            segue_status st = ask(asked, rows[i].slot);
            status_is(slots[rows[i].slot], st, rows[i].status);
            text_is(slots[rows[i].slot], "what was asked", engine.log, rows[i].asked);
            if (!strstr(err.message, rows[i].says)) fail_msg("%s: %s", slots[rows[i].slot], err.message);
            if (page.n) fail_msg("%s leaves %s behind", slots[rows[i].slot], show());
        }
    assert_true(seg_call_has_highest(store));
    assert_false(seg_call_has_highest(bare));
    assert_false(seg_call_has_highest(traced));
    segue_close(bare);
    segue_close(traced);
}

static void records_move_within_one_engine_only(void **state)
{
    (void)state;
    segue_store *other = open_store("mem:"), *twin = open_store("trace+stats+say:");
    segue_move move = {.key = segue_str("k"), .cas = 1};
    segue_call call = seg_call_new(store, 0, &err);
    status_is("to mem", seg_call_move(store, other, &move, 1, &call), SEGUE_UNSUPPORTED);
    text_is("to mem", "the sentence", err.message, "say: and mem: are different engines");
    text_is("to mem", "what was asked", engine.log, "");
    status_is("to a filter over the same", seg_call_move(store, twin, &move, 1, &call), SEGUE_OK);
    status_is("from a filter over the same", seg_call_move(twin, store, &move, 1, &call), SEGUE_OK);
    text_is("to the same", "what was asked", engine.log, "move move");
    segue_close(other);
    segue_close(twin);
}

/* Without batches: what a write finds does not stop those after it, a failure does. */
static void writes_go_one_by_one_until_one_fails(void **state)
{
    (void)state;
    segue_write writes[] = {
        {.put.rec = {.key = segue_str("x"), .body = segue_str("1"), .revision = 1}, .status = SEGUE_CORRUPT},
        {.op = SEGUE_WRITE_ERASE, .put = {.rec.key = segue_str("b"), .if_cas = 5}, .status = SEGUE_CORRUPT},
        {.put.rec = {.key = segue_str("c"), .body = segue_str("1"), .revision = 1}, .status = SEGUE_CORRUPT},
    };
    segue_call call = seg_call_new(store, 0, &err);
    engine.caps = 0;
    status_is("all", seg_call_write_many(store, writes, 3, &call), SEGUE_OK);
    text_is("all", "what was asked", engine.log, "put(x) erase(b 5) put(c)");
    assert_int_equal(writes[0].status, SEGUE_EXISTS);
    assert_int_equal(writes[1].status, SEGUE_OK);
    assert_int_equal(writes[2].status, SEGUE_OK);
    assert_int_equal(writes[2].cas, 7);
    static const segue_status data[] = {SEGUE_NOT_FOUND, SEGUE_CAS_MISMATCH}, bad[] = {SEGUE_IO_ERROR, SEGUE_TIMEOUT};
    for (size_t i = 0; i < 4; i++) {
        engine.status = i < 2 ? data[i] : bad[i - 2];
        engine.log[0] = 0;
        status_is("then", seg_call_write_many(store, writes, 3, &call), i < 2 ? SEGUE_OK : engine.status);
        text_is("then", "what was asked", engine.log, i < 2 ? "put(x) erase(b 5) put(c)" : "put(x) erase(b 5)");
        assert_int_equal(writes[1].status, engine.status);
    }
}

/* ---- damage ---- */

static void a_page_that_is_out_of_order_is_damage(void **state)
{
    (void)state;
    static const struct {
        const char *page;
        bool more, ok;
    } rows[] = {{"", false, true},           {"", true, false},           {"a10", true, true},
                {"a10 b9 c8", false, true},  {"a10 b9 b8", false, false}, {"b10 a11", false, false},
                {"a10 c9 b8", false, false}, {"a0", false, false},        {"a10 b0", false, false},
                {"a10 a10", false, false}};
    for (size_t i = 0; i < N(rows); i++) {
        forget();
        engine.page = rows[i].page;
        engine.more = rows[i].more;
        status_is(rows[i].page, ask(store, SCAN), rows[i].ok ? SEGUE_OK : SEGUE_CORRUPT);
        text_is(rows[i].page, "the page", show(), rows[i].ok ? rows[i].page : "");
        assert_int_equal(page.more, rows[i].ok && rows[i].more);
        text_is(rows[i].page, "the sentence", err.message,
                rows[i].ok ? "" : "say: yields records out of their order: it is damaged");
    }
}

static void changes_that_are_out_of_order_are_damage(void **state)
{
    (void)state;
    static const struct {
        uint64_t cas;
        const char *key, *page;
        bool more, ok;
    } rows[] = {
        {0, NULL, "", false, true},
        {0, NULL, "", true, false},
        {0, NULL, "b10 a11 c11", true, true},
        {0, NULL, "b10 a11 a11", false, false},
        {0, NULL, "b10 c11 a11", false, false},
        {0, NULL, "b10 a9", false, false},
        {0, NULL, "b0", false, false},
        {0, NULL, "b10 c0", false, false},
        {20, NULL, "b21", false, true},
        {20, NULL, "b20", false, false},
        {20, NULL, "b19", false, false},
        {20, "m", "n20", false, true},
        {20, "m", "m20", false, false},
        {20, "m", "a20", false, false},
        {20, "m", "z19", false, false},
        {20, "m", "a21", false, true},
        {INT64_MAX - 1, NULL, "", false, true},
    };
    for (size_t i = 0; i < N(rows); i++) {
        forget();
        engine.page = rows[i].page;
        engine.more = rows[i].more;
        segue_since since = {.cas = rows[i].cas, .key = rows[i].key ? segue_str(rows[i].key) : (segue_slice){0}};
        segue_call call = seg_call_new(store, 0, &err);
        status_is(rows[i].page, seg_call_changes(store, &since, &page, &call), rows[i].ok ? SEGUE_OK : SEGUE_CORRUPT);
        text_is(rows[i].page, "what was asked", engine.log, "changes");
        text_is(rows[i].page, "the page", show(), rows[i].ok ? rows[i].page : "");
        assert_int_equal(page.more, rows[i].ok && rows[i].more);
        text_is(rows[i].page, "the sentence", err.message,
                rows[i].ok ? "" : "say: yields records out of their order: it is damaged");
    }
}

/* There is no CAS that is greater. */
static void nothing_comes_after_the_last_cas(void **state)
{
    (void)state;
    segue_since since = {.cas = INT64_MAX};
    segue_call call = seg_call_new(store, 0, &err);
    status_is("a page before", ask(store, CHANGES), SEGUE_OK);
    engine.page = "a10";
    engine.through = 5;
    engine.log[0] = 0;
    status_is("a page before", ask(store, CHANGES), SEGUE_OK);
    text_is("a page before", "the page", show(), "a10");
    status_is("the last", seg_call_changes(store, &since, &page, &call), SEGUE_OK);
    text_is("the last", "what was asked", engine.log, "changes");
    text_is("the last", "the page", show(), "");
    assert_int_equal(page.through, 0);
    engine.caps = 0;
    status_is("without changes", seg_call_changes(store, &since, &page, &call), SEGUE_UNSUPPORTED);
}

/* ---- expiry: a get ---- */

static void what_expires_while_it_is_read_is_read_again(void **state)
{
    (void)state;
    static const struct {
        const char *gets[3];
        int64_t times[3];
        unsigned n_looks;
        const char *is, *log;
    } rows[] = {
        {{"k10"}, {100}, 0, "k10", "get(k)"},
        {{"-k10"}, {100}, 0, "-k10", "get(k)"},
        {{"k10e101"}, {100}, 1, "k10e101", "get(k)"},
        {{"k10e100", "k10e100"}, {100}, 2, "-k10", "get(k) get(k)"},
        {{"k10e90", "k10e90"}, {100}, 2, "-k10", "get(k) get(k)"},
        {{"k10e90", "k11e150"}, {100}, 2, "k11e150", "get(k) get(k)"},
        {{"k10e90", "k11"}, {100}, 1, "k11", "get(k) get(k)"},
        {{"k10e90", "-k11"}, {100}, 1, "-k11", "get(k) get(k)"},
        {{"k10e90", "k11e150", "k11e150"}, {100, 160}, 3, "-k11", "get(k) get(k) get(k)"},
        {{"k10e90", "k11e100"}, {100}, 2, "-k11", "get(k) get(k)"},
        {{"k10e90"}, {100}, 1, "", "get(k) get(k)"},
        {{NULL}, {100}, 0, "", "get(k)"},
    };
    for (size_t i = 0; i < N(rows); i++) {
        forget();
        segue_call call = seg_call_new(store, 0, &err);
        memcpy(engine.gets, rows[i].gets, sizeof rows[i].gets);
        memcpy(engine.times, rows[i].times, sizeof rows[i].times);
        page.n = 0;
        assert_int_equal(segue_page_add(&page, &(segue_record){.key = segue_str("?")}, &(bool){0}), SEGUE_OK);
        segue_status st = seg_call_get(store, segue_str("k"), &page.docs[0], &call);
        status_is(rows[i].log, st, rows[i].is[0] ? SEGUE_OK : SEGUE_NOT_FOUND);
        if (st == SEGUE_OK) text_is(rows[i].log, "the record", show(), rows[i].is);
        text_is(rows[i].log, "what was asked", engine.log, rows[i].log);
        if (engine.n_looks != rows[i].n_looks) fail_msg("row %zu: %u looks at the clock", i, engine.n_looks);
    }
}

/* ---- expiry: pages ---- */

/* The clock says 100 before the page is read. What reads as expired by a later look is read again; `scan` and `changes` are
 * the page that a caller gets. */
typedef struct expiring {
    const char *page, *gets[3];
    int64_t times[4];
    const char *scan, *changes, *log;
} expiring;

static const expiring pages[] = {
    {"a10 b20 c30", {0}, {100}, "a10 b20 c30", "a10 b20 c30", ""},
    {"a10e90 b20e100 -c30 d40e101", {0}, {100}, "-a10 -b20 -c30 d40e101", "-a10 -b20 -c30 d40e101", ""},
    {"a10e100", {0}, {100, 50}, "-a10", "-a10", ""},           /* the clock is set back */
    {"-a10e150", {0}, {100, 160}, "-a10e150", "-a10e150", ""}, /* nobody stores one so */
    {"a10e150 b20", {"a10e150", "a10e150"}, {100, 150}, "-a10 b20", "-a10 b20", "get(a) get(a)"},
    {"a10e150 b20", {"a11e300"}, {100, 160}, "a11e300 b20", "a10e150 b20", "get(a)"},
    {"a10e150 b20", {"a11"}, {100, 160}, "a11 b20", "a10e150 b20", "get(a)"},
    {"a10e150 b20", {"-a11"}, {100, 160}, "-a11 b20", "a10e150 b20", "get(a)"},
    {"a10e150 b20", {NULL}, {100, 160}, "-a10 b20", "-a10 b20", "get(a)"},
    {"a10e150 b20e151 c30e152",
     {"a11", "b21"},
     {100, 160},
     "a11 b21 -c30",
     "a10e150 b20e151 -c30",
     "get(a) get(b) get(c)"},
};

static void page_is_read(const expiring *x, bool by_change, bool keys_only)
{
    char log[LOG_SIZE + 16], want[LOG_SIZE] = "";
    forget();
    segue_call call = seg_call_new(store, 0, &err);
    segue_bounds bounds = {.tombstones = true, .keys_only = keys_only};
    segue_since since = {.keys_only = keys_only};
    memcpy(engine.gets, x->gets, sizeof x->gets);
    memcpy(engine.times, x->times, sizeof x->times);
    engine.page = x->page;
    status_is(x->page,
              by_change ? seg_call_changes(store, &since, &page, &call) : seg_call_scan(store, &bounds, &page, &call),
              SEGUE_OK);
    text_is(x->page, "the page", show(), by_change ? x->changes : x->scan);
    text_is(x->page, "the sentence of a success", err.message, "");
    for (const char *at = x->log; *at; at++)
        (void)snprintf(want + strlen(want), sizeof want - strlen(want), "%s%c", *at == ')' && keys_only ? " short" : "",
                       *at);
    (void)snprintf(log, sizeof log, "%s%s%s", by_change ? "changes" : "scan", *want ? " " : "", want); /* fits */
    text_is(x->page, "what was asked", engine.log, log);
}

static void what_expires_while_a_page_is_read_is_read_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < N(pages); i++)
        for (int how = 0; how < 4; how++) page_is_read(&pages[i], how & 1, how & 2);
}

static void a_page_forgets_the_one_before(void **state)
{
    (void)state;
    engine.page = "a10e101 b20e101";
    status_is("two", ask(store, SCAN), SEGUE_OK);
    for (int slot = SCAN; slot <= CHANGES; slot++) { /* the second place of the page has what expires now */
        forget();
        engine.page = "a10";
        engine.times[1] = 160;
        status_is("one", ask(store, slot), SEGUE_OK);
        text_is("one", "what was asked", engine.log, slots[slot]);
        text_is("one", "the page", show(), "a10");
    }
    engine.page = "a10e90";
    for (int i = 0; i < 2; i++) {
        status_is("expired", ask(store, EXPIRED), SEGUE_OK);
        text_is("expired", "the page", show(), "a10e90");
    }
    engine.caps = 0;
    status_is("expired", ask(store, EXPIRED), SEGUE_UNSUPPORTED);
    text_is("expired", "the page", show(), "");
}

static void a_page_that_cannot_be_read_again_is_none(void **state)
{
    (void)state;
    for (int slot = SCAN; slot <= CHANGES; slot++) {
        forget();
        engine.page = "a10 b20e150";
        engine.more = true;
        engine.times[1] = 160;
        engine.get_status = SEGUE_UNAVAILABLE;
        status_is(slots[slot], ask(store, slot), SEGUE_UNAVAILABLE);
        text_is(slots[slot], "the sentence", err.message, "the engine says UNAVAILABLE");
        if (page.n || page.more) fail_msg("%s leaves %s behind", slots[slot], show());
        segue_call call = seg_call_new(store, 0, NULL); /* nobody wants the words */
        engine.n_looks = 0;
        status_is(slots[slot], seg_call_scan(store, &(segue_bounds){0}, &page, &call), SEGUE_UNAVAILABLE);
    }
}

/* ---- deadlines ---- */

static int64_t still_ns(void *ctx) { return *(int64_t *)ctx; }

static void a_deadline_is_over_when_it_has_come(void **state)
{
    (void)state;
    static const segue_env *const real = &env;
    int64_t now = 1000;
    segue_env still = {&now, real->wall_ns, still_ns, real->sleep_ns, real->random};
    segue_store *s = NULL;
    segue_open_options options = {&still, SEGUE_OPEN_NO_REAPER};
    status_is("open", segue_open("say:", &options, &s, &err), SEGUE_OK);
    segue_call call = seg_call_new(s, 10, &err), never = seg_call_new(s, 0, &err),
               far = seg_call_new(s, INT64_MAX, &err);
    now = 1009;
    status_is("before", seg_call_in_time(&call), SEGUE_OK);
    now = 1010;
    status_is("at its time", seg_call_in_time(&call), SEGUE_TIMEOUT);
    text_is("at its time", "the sentence", err.message, "the deadline passed before anything was applied");
    now = INT64_MAX - 1;
    status_is("none", seg_call_in_time(&never), SEGUE_OK);
    status_is("one past the end of time", seg_call_in_time(&far), SEGUE_OK);
    segue_close(s);
}

/* ---- what the reaper hears of ---- */

static int64_t second_1000_ns(void *ctx) { return (void)ctx, INT64_C(1000) * 1000000000; }
static const segue_env at_1000 = {NULL, second_1000_ns, real_mono_ns, real_sleep_ns, real_random};

static void put_it(segue_store *s, const char *key, bool dead, uint32_t expiry, segue_status want)
{
    segue_call call = seg_call_new(s, 0, &err);
    segue_put put = {.rec = {.key = segue_str(key), .is_tombstone = dead, .revision = 1, .expiry = expiry},
                     .condition = SEGUE_IF_ABSENT};
    if (!dead) put.rec.body = segue_str("1");
    status_is("put", seg_call_put(s, &put, NULL, &call), want);
}

static void mutate_it(segue_store *s, segue_expiry expiry, bool touch, segue_status want)
{
    SEG_AUTO(segue_doc) doc = {0};
    segue_call call = seg_call_new(s, 0, &err);
    segue_mutation m = {.body_op = touch ? SEGUE_BODY_KEEP : SEGUE_BODY_SET, .body = segue_str("1"), .expiry = expiry};
    segue_outcome outcome = {0};
    status_is("mutate", seg_call_mutate(s, segue_str("k"), &m, 1, 0, false, &doc, &outcome, NULL, &call), want);
}

/* One write of two that stand there. */
static void write_it(segue_store *s, segue_write_op op, const char *key, uint64_t cas, segue_status want)
{
    segue_call call = seg_call_new(s, 0, &err);
    segue_write writes[2] = {
        {.op = op, .put = {.rec = {.key = segue_str(key), .body = segue_str("1"), .revision = 1, .expiry = 2000}}},
        {.put = {.rec = {.key = segue_str("other"), .body = segue_str("1"), .revision = 1, .expiry = 3000}}}};
    writes[0].put.condition = SEGUE_IF_ABSENT;
    writes[0].put.if_cas = cas;
    status_is("write", seg_call_write_many(s, writes, 1, &call), want);
}

static uint64_t there(segue_store *s)
{
    uint64_t cas = 0;
    segue_call call = seg_call_new(s, 0, &err);
    segue_put put = {.rec = {.key = segue_str("k"), .body = segue_str("1"), .revision = 1}};
    status_is("there", seg_call_put(s, &put, &cas, &call), SEGUE_OK);
    return cas;
}

static void put_expiring(segue_store *s) { put_it(s, "k", false, 2000, SEGUE_OK); }
static void put_lasting(segue_store *s) { put_it(s, "k", false, 0, SEGUE_OK); }
static void put_dead(segue_store *s) { put_it(s, "k", true, 2000, SEGUE_OK); }
static void put_over(segue_store *s) { (void)there(s), put_it(s, "k", false, 2000, SEGUE_EXISTS); }
static void set_at(segue_store *s) { mutate_it(s, segue_expiry_at(2000), false, SEGUE_OK); }
static void set_in(segue_store *s) { mutate_it(s, segue_expiry_in(10), false, SEGUE_OK); }
static void set_latest(segue_store *s) { mutate_it(s, segue_expiry_in(UINT32_MAX - 1000), false, SEGUE_OK); }
static void set_lasting(segue_store *s) { mutate_it(s, segue_expiry_none(), false, SEGUE_OK); }
static void touch_nothing(segue_store *s) { mutate_it(s, segue_expiry_at(2000), true, SEGUE_NOT_FOUND); }
static void set_in_vain(segue_store *s) { mutate_it(s, segue_expiry_at(2000), false, SEGUE_IO_ERROR); }
static void batch(segue_store *s) { write_it(s, SEGUE_WRITE_PUT, "k", 0, SEGUE_OK); }
static void batch_over(segue_store *s) { (void)there(s), write_it(s, SEGUE_WRITE_PUT, "k", 0, SEGUE_OK); }
static void batch_erase(segue_store *s) { write_it(s, SEGUE_WRITE_ERASE, "k", there(s), SEGUE_OK); }
static void batch_in_vain(segue_store *s) { write_it(s, SEGUE_WRITE_PUT, "k", 0, SEGUE_IO_ERROR); }
static void move_here(segue_store *s)
{
    segue_store *from = open_store("mem:heard?collection=s.from");
    segue_move move = {.key = segue_str("k")};
    segue_call call = seg_call_new(from, 0, &err);
    segue_put put = {.rec = {.key = move.key, .body = segue_str("1"), .revision = 1, .expiry = 2000}};
    status_is("put", seg_call_put(from, &put, &move.cas, &call), SEGUE_OK);
    status_is("move", seg_call_move(from, s, &move, 1, &call), SEGUE_OK);
    segue_close(from);
}

static void the_reaper_hears_of_what_is_stored(void **state)
{
    (void)state;
    static const struct {
        const char *name, *url;
        void (*step)(segue_store *s);
        uint32_t due; /* 0: of nothing */
    } rows[] = {{"put", "mem:", put_expiring, 2000},
                {"put without expiry", "mem:", put_lasting, 0},
                {"put of a tombstone", "mem:", put_dead, 0},
                {"put that finds something", "mem:", put_over, 0},
                {"at", "mem:", set_at, 2000},
                {"in", "mem:", set_in, 1010},
                {"in the last second that there is", "mem:", set_latest, UINT32_MAX},
                {"mutate without expiry", "mem:", set_lasting, 0},
                {"touch of nothing", "mem:", touch_nothing, 0},
                {"mutate that fails", "say:", set_in_vain, 0},
                {"batch", "mem:", batch, 2000},
                {"batch, one by one", "mem:?caps=-write_many", batch, 2000},
                {"batch that finds something", "mem:", batch_over, 0},
                {"batch that erases", "mem:", batch_erase, 0},
                {"batch that fails", "say:", batch_in_vain, 0},
                {"move", "mem:heard?collection=s.to", move_here, 2000}};
    for (size_t i = 0; i < N(rows); i++) {
        segue_store *s = NULL;
        segue_open_options options = {.env = &at_1000};
        forget();
        engine.caps = ~(unsigned)SEGUE_CAP_SHARED; /* so that there is no thread without a reason */
        status_is(rows[i].name, segue_open(rows[i].url, &options, &s, &err), SEGUE_OK);
        engine.status = SEGUE_IO_ERROR;
        rows[i].step(s);
        uint32_t due = atomic_load(&s->reaping.due);
        if (due != rows[i].due || seg_reaper_is_running() != (due != 0))
            fail_msg("%s: %u is due, not %u", rows[i].name, (unsigned)due, (unsigned)rows[i].due);
        segue_close(s);
    }
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_failure_without_words_gets_those_of_its_status),
        TEST(a_public_call_begins_without_words_and_gives_them_if_it_fails),
        TEST(what_an_engine_cannot_do_is_not_asked_of_it),
        TEST(records_move_within_one_engine_only),
        TEST(writes_go_one_by_one_until_one_fails),
        TEST(a_page_that_is_out_of_order_is_damage),
        TEST(changes_that_are_out_of_order_are_damage),
        TEST(nothing_comes_after_the_last_cas),
        TEST(what_expires_while_it_is_read_is_read_again),
        TEST(what_expires_while_a_page_is_read_is_read_again),
        TEST(a_page_forgets_the_one_before),
        TEST(a_page_that_cannot_be_read_again_is_none),
        TEST(a_deadline_is_over_when_it_has_come),
        TEST(the_reaper_hears_of_what_is_stored),
    };
    return cmocka_run_group_tests(tests, install, NULL);
}
