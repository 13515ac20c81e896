/* Conformance: scans, scenarios 104 to 108; and the scenarios that are not run here, with the reason. */
#include "conform.h"

#include <stdio.h>

#include "base/base.h"

static const char *scan(cf *t, const char *from, const char *to, const char *prefix, unsigned options, segue_buf *out)
{
    segue_range range = {segue_str(from), segue_str(to), segue_str(prefix), options};
    return do_scan(t, &range, out);
}

static void ranges(cf *t)
{
    SEG_AUTO(segue_buf) keys = {0};
    const char *const all[] = {"doc_c", "doc_a", "doc_e", "doc_b", "doc_d"};
    for (size_t i = 0; i < 5; i++) fx_set(t, all[i], all[i]);
    assert_string_equal(scan(t, NULL, NULL, "doc_", 0, &keys), "doc_a doc_b doc_c doc_d doc_e");
    assert_string_equal(scan(t, "doc_b", "doc_d", NULL, SEGUE_SCAN_TO_OPEN, &keys), "doc_b doc_c");
    assert_string_equal(scan(t, "doc_a", "doc_c", NULL, SEGUE_SCAN_FROM_OPEN, &keys), "doc_b doc_c");
    assert_string_equal(scan(t, "doc_b", "doc_d", NULL, 0, &keys), "doc_b doc_c doc_d");
    assert_string_equal(scan(t, NULL, NULL, NULL, 0, &keys), "doc_a doc_b doc_c doc_d doc_e");
    assert_string_equal(scan(t, "doc_d", "doc_b", NULL, 0, &keys), "");
    assert_string_equal(scan(t, "doc_d", NULL, "doc_", 0, &keys), "doc_d doc_e");
    assert_string_equal(scan(t, NULL, "doc_b", "doc_", 0, &keys), "doc_a doc_b");
    assert_string_equal(scan(t, NULL, NULL, "doc_f", 0, &keys), "");
    assert_string_equal(scan(t, NULL, NULL, "doc_c", 0, &keys), "doc_c");
}

static void what_records_show(cf *t)
{
    fx_doc(t, "k", "{\"a\":1}", X("_a=1", "u=2"));
    uint64_t cas = cf_cas(t, "k");
    for (unsigned keys_only = 0; keys_only < 2; keys_only++) {
        segue_range range = {.options = keys_only ? SEGUE_SCAN_KEYS_ONLY : 0};
        segue_scan *s = NULL;
        const segue_record *rec = NULL;
        IS(OK, segue_scan_open(t->store, &range, &s, &t->err));
        IS(OK, segue_scan_next(s, &rec, &t->err));
        EQ(cas, rec->cas);
        EQ(1, rec->revision);
        CHECK(!rec->is_tombstone);
        CHECK(keys_only || segue_slice_equal(rec->body, K("{\"a\":1}")));
        CHECK(keys_only || rec->n_xattrs == 2);
        IS(END, segue_scan_next(s, &rec, &t->err));
        segue_scan_close(s);
    }
}

static void prefix_edges(cf *t)
{
    static const char *const in[] = {"_sync",
                                     "_sync7",
                                     "_sync\xC3\xA9",
                                     "_sync\xE4\xB8\xAD",
                                     "_sync\xF0\x9F\x98\x80",
                                     "_sync\xF4\x8F\xBF\xBF",
                                     "_sync\xF3",
                                     "_sync\xF4",
                                     "_sync\xF4\x37"};
    static const char *const out[] = {"_synb", "_synd", "_syn", "_syo"};
    for (size_t i = 0; i < sizeof out / sizeof out[0]; i++) fx_set(t, out[i], "0");
    for (size_t i = 0; i < sizeof in / sizeof in[0]; i++) fx_set(t, in[i], "1");
    segue_range range = {.prefix = K("_sync")};
    segue_scan *s = NULL;
    const segue_record *rec = NULL;
    segue_status st;
    size_t n = 0;
    IS(OK, segue_scan_open(t->store, &range, &s, &t->err));
    while ((st = segue_scan_next(s, &rec, &t->err)) == SEGUE_OK) {
        n++;
        CHECK(segue_slice_starts_with(rec->key, K("_sync")));
    }
    segue_scan_close(s);
    IS(END, st);
    EQ(sizeof in / sizeof in[0], n);
}

static void prefix_of_high_bytes(cf *t)
{
    SEG_AUTO(segue_buf) keys = {0};
    fx_set(t, "a\xFF", "1");
    fx_set(t, "a\xFF\xFF", "1");
    fx_set(t, "b", "1");
    assert_string_equal(scan(t, NULL, NULL, "a\xFF", 0, &keys), "a\xFF a\xFF\xFF");
    assert_string_equal(scan(t, NULL, NULL, "\xFF", 0, &keys), "");
    fx_set(t, "\xFF\x01", "1");
    assert_string_equal(scan(t, NULL, NULL, "\xFF", 0, &keys), "\xFF\x01");
}

static void tombstones_are_left_out(cf *t)
{
    SEG_AUTO(segue_buf) keys = {0};
    fx_set(t, "a", "1");
    fx_set(t, "b", "1");
    fx_tombstone(t, "c", X("_a=1"));
    fx_set(t, "d", "1");
    IS(OK, do_delete(t, "b"));
    assert_string_equal(do_scan(t, NULL, &keys), "a d");
    assert_string_equal(scan(t, NULL, NULL, NULL, SEGUE_SCAN_TOMBSTONES, &keys), "a b c d");
    assert_string_equal(scan(t, NULL, NULL, NULL, SEGUE_SCAN_TOMBSTONES | SEGUE_SCAN_KEYS_ONLY, &keys), "a b c d");
    IS(OK, do_add(t, "c", "1"));
    assert_string_equal(do_scan(t, NULL, &keys), "a c d");
}

/* A third of the documents was changed through the store under test, a third deleted, a third not touched. */
static void each_exactly_once(cf *t, int many)
{
    char key[16];
    for (int i = 0; i < many; i++) {
        (void)snprintf(key, sizeof key, "key%05d", (int)(i * INT64_C(7919) % many)); /* fits */
        segue_store *where = t->target->place == IN_FALLBACK ? t->fallback : t->store;
        IS(OK, segue_set(where, K(key), K("{\"some\":\"document of a usual length\"}"), segue_expiry_none(), NULL, NULL,
                         &t->err));
        if (i % 3 == 1) IS(OK, do_set(t, key, "2"));
        if (i % 3 == 2) IS(OK, do_delete(t, key));
    }
    segue_scan *s = NULL;
    const segue_record *rec = NULL;
    segue_status st;
    size_t n = 0;
    char last[16] = "";
    IS(OK, segue_scan_open(t->store, NULL, &s, &t->err));
    while ((st = segue_scan_next(s, &rec, &t->err)) == SEGUE_OK) {
        CHECK(segue_slice_compare(rec->key, K(last)) > 0);
        EQ(8, rec->key.size);
        memcpy(last, rec->key.data, rec->key.size);
        n++;
    }
    segue_scan_close(s);
    IS(END, st);
    EQ((uint64_t)many / 3 * 2, n);
}

static void many_exactly_once(cf *t) { each_exactly_once(t, 600); }

/* 8192 that are there, over many pages. */
static void very_many_exactly_once(cf *t) { each_exactly_once(t, 8192 / 2 * 3); }

/* More tombstones in a row than fit on a page hide what is behind them from nobody. */
static void behind_many_tombstones(cf *t)
{
    enum { DEAD = 520 };
    SEG_AUTO(segue_buf) keys = {0};
    char key[16];
    fx_set(t, "a", "1");
    fx_set(t, "z", "1");
    for (int i = 0; i < DEAD; i++) {
        (void)snprintf(key, sizeof key, "dead%03d", i); /* fits */
        if (t->target->place != IN_STORE) fx_set(t, key, "1");
        segue_xattr x = {K("_a"), K("1")};
        segue_xattr_write w = {.set = &x, .n_set = 1};
        if (t->target->place != IN_STORE) IS(OK, do_delete(t, key));
        else IS(OK, segue_write_tombstone(t->store, K(key), 0, false, &w, NULL, NULL, &t->err));
    }
    assert_string_equal(do_scan(t, NULL, &keys), "a z");
    assert_string_equal(scan(t, NULL, "y", NULL, 0, &keys), "a"); /* and at the end */
    assert_string_equal(scan(t, "b", "y", NULL, 0, &keys), "");
    uint64_t purged = 0;
    IS(OK, do_purge(t, &purged));
    EQ(DEAD, purged);
    assert_string_equal(scan(t, NULL, NULL, NULL, SEGUE_SCAN_TOMBSTONES, &keys), "a z");
}

static void scan_ends_once(cf *t)
{
    fx_set(t, "a", "1");
    segue_scan *s = NULL;
    const segue_record *rec = NULL;
    IS(OK, segue_scan_open(t->store, NULL, &s, &t->err));
    IS(OK, segue_scan_next(s, &rec, &t->err));
    IS(END, segue_scan_next(s, &rec, &t->err));
    IS(END, segue_scan_next(s, &rec, &t->err));
    segue_scan_close(s);
    IS(OK, segue_scan_open(t->store, NULL, &s, &t->err));
    segue_scan_close(s); /* not begun */
    segue_scan_close(NULL);
}

static void own_records_are_hidden(cf *t)
{
    SEG_AUTO(segue_buf) keys = {0};
    IS(REFUSED, do_set(t, "_segue:x", "1"));
    IS(REFUSED, do_get(t, "_segue:x"));
    IS(REFUSED, do_delete(t, "_segue:x"));
    segue_call call = seg_call_new(t->store, 0, &t->err);
    segue_put put = {.rec = {.key = K("_segue:x"), .body = K("1"), .revision = 1}, .condition = SEGUE_IF_ABSENT};
    IS(OK, seg_call_begin(t->store, true, &call));
    segue_status st = seg_call_put(t->store, &put, NULL, &call);
    seg_call_end(t->store, &call);
    IS(OK, st);
    fx_set(t, "_segu", "1");
    fx_set(t, "a", "1");
    assert_string_equal(do_scan(t, NULL, &keys), "_segu a");
}

const cf_case cf_scan_cases[] = {
    {"S104", "ranges and prefixes, open and closed", 0, ranges, NULL},
    {"S104b", "a scan shows what get shows, or keys only", 0, what_records_show, NULL},
    {"S105", "a prefix takes all that begins with it and nothing else", 0, prefix_edges, NULL},
    {"S105b", "a prefix of high bytes has an end too", 0, prefix_of_high_bytes, NULL},
    {"S106", "tombstones are left out unless asked for", 0, tombstones_are_left_out, NULL},
    {"S106b", "many documents are seen exactly once, in order", 0, many_exactly_once, NULL},
    {"S106f", "8192 documents among deleted ones are seen exactly once, in order", RUNS_ONCE, very_many_exactly_once,
     NULL},
    {"S106e", "a long row of tombstones hides nothing, and is purged page by page", 0, behind_many_tombstones, NULL},
    {"S106c", "the end stays the end", 0, scan_ends_once, NULL},
    {"S106d", "Segue's own records are refused and not listed", 0, own_records_are_hidden, NULL},
    {NULL, NULL, 0, NULL, NULL},
};

const cf_case cf_elsewhere_cases[] = {
    {"S107", "the iterator's Err after Close", 0, NULL, "the iterator has one status and no Err: S106c pins it"},
    {"S108", "an unsupported scan type", 0, NULL, "a range is a struct: there is no other type to refuse"},
    {"S114", "a feed begins beside a writer", 0, NULL, "B10 is that, with four writers"},
    {"S117", "corrupt xattrs under a feed", 0, NULL, "needs a damaged file: test_feed_files does it for each kind"},
    {"S118", "dropping a collection beside feeds", 0, NULL, "Segue drops no collections"},
    {"S119", "a feed without bodies of a document without xattrs", 0, NULL, "S112 has it among its documents"},
    {NULL, NULL, 0, NULL, NULL},
};
