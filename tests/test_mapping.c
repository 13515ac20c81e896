/* The operations of Sync Gateway's DataStore interface: which call of <segue/ops.h>, <segue/store.h> or <segue/feed.h> each of
 * them is, which mutations that makes, and which of the 120 scenarios test it. Each row is run on a store in memory (by
 * mapping_calls.h), and what it says is compared with what is done: the call is made, and its mutations are these. */
#include "mapping_calls.h"

#include <stdlib.h>

#include "base/base.h"
#include "store/filter.h"

/* ---- mutations, as they reach the store ---- */

enum { SHAPES = 8, SHAPE_TEXT = 128, SCENARIOS = 120 };

static char seen[SHAPES][SHAPE_TEXT]; /* of the named call of the row that is run */
static size_t n_seen;

static void add(char text[SHAPE_TEXT], bool holds, const char *word)
{
    size_t n = strlen(text);
    if (holds) (void)snprintf(text + n, SHAPE_TEXT - n, "%s%s", n ? " " : "", word); /* it fits */
}

/* "CAS KEEP xattrs": what is expected, what becomes of the body, and what else it asks for. */
static void describe(const segue_mutation *m, char text[SHAPE_TEXT])
{
    static const char *const expectations[] = {"ANY", "NOT_LIVE", "LIVE", "CAS", "RECORD_CAS", "ABSENT"};
    static const char *const bodies[] = {"KEEP", "SET", "DELETE", "APPEND", "ADD"};
    static const char *const actions[] = {"path=SET", "path=INSERT", "path=DELETE", "path=APPEND"};
    static const char *const options[] = {"AS_TOMBSTONE",    "TOMBSTONE_OK", "NOTHING_OK",
                                          "DROP_MISSING_OK", "REPLACE_ALL",  "FROM_EMPTY"};
    text[0] = 0;
    add(text, true, expectations[m->expect]);
    add(text, true, bodies[m->body_op]);
    add(text, m->json == SEGUE_JSON_YES, "json");
    add(text, m->n_set_xattrs, "xattrs");
    add(text, m->n_drop_xattrs, "drops");
    for (size_t i = 0; i < m->n_paths; i++) add(text, true, actions[m->paths[i].action]);
    add(text, m->expiry.op != SEGUE_EXPIRY_DEFAULT, m->expiry.keep_if_live ? "expiry-kept" : "expiry");
    for (size_t i = 0; i < N(options); i++) add(text, m->options & (1u << i), options[i]);
}

static segue_status mutate_and_note(void *self, segue_slice key, const segue_mutation *m, uint64_t write_id,
                                    uint64_t cas_floor, bool require_record, segue_doc *base,
                                    segue_outcome *ret_outcome, segue_doc *ret_doc, segue_call *call)
{
    char text[SHAPE_TEXT];
    size_t i = 0;
    describe(m, text);
    while (i < n_seen && strcmp(seen[i], text) != 0) i++;
    if (is_named_running && i == n_seen) {
        if (n_seen == SHAPES) fail_msg("%s: more than %d kinds of mutations", running, SHAPES);
        memcpy(seen[n_seen++], text, sizeof text);
    }
    return seg_filter_mutate(self, key, m, write_id, cas_floor, require_record, base, ret_outcome, ret_doc, call);
}

static bool before(void *self, seg_passage *passage, segue_call *call)
{
    (void)self, (void)passage, (void)call;
    return true;
}
static segue_status after(void *self, const seg_passage *passage, segue_status st, segue_call *call)
{
    (void)self, (void)passage, (void)call;
    return st;
}
static const seg_filter_hooks hooks = {before, after};

/* A store in memory behind a filter that notes mutations. */
static segue_store *open_noting(void)
{
    static segue_backend noting = SEG_FILTER_TABLE("noting", seg_filter, NULL);
    noting.mutate = mutate_and_note;
    segue_store *below = NULL, *store = NULL;
    segue_status st = segue_open("mem:s?collection=a.b", NULL, &below, &err);
    if (st == SEGUE_OK) st = seg_filter_make(&noting, &hooks, below, &store, &err);
    segue_close(below);
    if (st != SEGUE_OK) fail_msg("cannot open: %s", err.message);
    return store;
}

/* ---- the table ---- */

typedef struct row {
    const char *operation;
    const char *call; /* ours */
    void (*run)(segue_store *store);
    const char *mutations[SHAPES]; /* that it makes; or one text in (), what else it is */
    unsigned char scenarios[24];
    const char *why_not; /* why there is no call, or no scenario */
} row;

#define READ                                                                                                           \
    {                                                                                                                  \
        "(a read)"                                                                                                     \
    }
#define CALLBACK                                                                                                       \
    {                                                                                                                  \
        "(what its callback asks for, under RECORD_CAS or ABSENT)"                                                     \
    }
#define WHOLE                                                                                                          \
    {                                                                                                                  \
        "(a whole record, under the CAS of the old one)"                                                               \
    }

static const row table[] = {
    {"Get", "segue_get", run_get, READ, {1, 2, 5, 18, 24, 43, 53}, NULL},
    {"GetRaw", "segue_get", run_get, READ, {1, 2, 18, 21, 24}, NULL},
    {"GetAndTouchRaw", "segue_get_and_touch", run_get_and_touch, {"LIVE KEEP expiry"}, {1, 46, 47}, NULL},
    {"Exists", "segue_exists", run_exists, READ, {1, 43, 87}, NULL},
    {"GetExpiry", "segue_get_expiry", run_get_expiry, READ, {1, 41, 43, 48, 49}, NULL},
    {"Touch", "segue_touch", run_touch, {"LIVE KEEP expiry"}, {1, 45, 46, 47, 52}, NULL},
    {"Add", "segue_add", run_add, {"NOT_LIVE SET json expiry"}, {3, 4, 5, 6, 18}, NULL},
    {"AddRaw", "segue_add_raw", run_add_raw, {"NOT_LIVE SET expiry"}, {42, 113}, NULL},
    {"Set",
     "segue_set",
     run_set,
     {"ANY SET json expiry", "ANY SET json expiry-kept"},
     {2, 7, 8, 18, 19, 20, 24, 25, 41, 48, 51, 101},
     NULL},
    {"SetRaw", "segue_set_raw", run_set_raw, {"ANY SET expiry"}, {19, 21, 113}, NULL},
    {"WriteCas",
     "segue_write_cas",
     run_write_cas,
     {"CAS SET json expiry", "NOT_LIVE SET json expiry", "CAS SET expiry", "CAS APPEND expiry"},
     {7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 113},
     NULL},
    {"Delete", "segue_delete", run_delete, {"ANY DELETE"}, {1, 5, 23, 24, 101}, NULL},
    {"Remove", "segue_remove", run_remove, {"CAS DELETE", "NOT_LIVE DELETE"}, {1, 22}, NULL},
    {"Update", "segue_update", run_update, CALLBACK, {26, 27, 28, 29, 30, 31, 32, 33, 34}, NULL},
    {"Incr", "segue_incr", run_incr, {"ANY ADD expiry-kept"}, {35, 36, 37, 38, 39, 40}, NULL},
    {"GetSubDocRaw", "segue_subdoc_get", run_get_sub_doc_raw, READ, {57, 58, 59}, NULL},
    {"SubdocInsert",
     "segue_subdoc_insert",
     run_subdoc_insert,
     {"ANY KEEP path=INSERT", "CAS KEEP path=INSERT"},
     {56, 58, 59},
     NULL},
    {"WriteSubDoc",
     "segue_subdoc_set",
     run_write_sub_doc,
     {"ANY KEEP path=SET FROM_EMPTY", "CAS KEEP path=SET FROM_EMPTY"},
     {54, 55, 58, 59, 60, 61, 62},
     NULL},
    {"DeleteSubDocPaths",
     "segue_xattrs_drop",
     run_delete_sub_doc_paths,
     {"ANY KEEP drops DROP_MISSING_OK"},
     {70, 89},
     NULL},
    {"GetXattrs", "segue_xattrs_get", run_get_xattrs, READ, {63, 64, 66, 67, 68, 69}, NULL},
    {"SetXattrs",
     "segue_xattrs_set",
     run_set_xattrs,
     {"ANY KEEP xattrs", "ANY KEEP xattrs drops"},
     {50, 70, 86, 87, 94},
     NULL},
    {"RemoveXattrs",
     "segue_xattrs_remove",
     run_remove_xattrs,
     {"CAS KEEP drops", "NOT_LIVE KEEP drops"},
     {70, 88},
     NULL},
    {"DeleteWithXattrs",
     "segue_delete_with_xattrs",
     run_delete_with_xattrs,
     {"ANY DELETE drops TOMBSTONE_OK DROP_MISSING_OK"},
     {90},
     NULL},
    {"GetWithXattrs", "segue_get_with_xattrs", run_get_with_xattrs, READ, {21, 64, 65, 84}, NULL},
    {"WriteWithXattrs",
     "segue_write_with_xattrs",
     run_write_with_xattrs,
     {"NOT_LIVE SET json xattrs expiry", "CAS SET json xattrs drops", "CAS KEEP xattrs", "CAS KEEP xattrs drops"},
     {71, 72, 73, 74, 75, 76, 77, 78, 79, 91, 92, 93, 94},
     NULL},
    {"WriteTombstoneWithXattrs",
     "segue_write_tombstone",
     run_write_tombstone,
     {"ABSENT KEEP xattrs AS_TOMBSTONE", "CAS KEEP xattrs", "CAS DELETE xattrs", "NOT_LIVE DELETE xattrs"},
     {80, 81, 82, 83, 84},
     NULL},
    {"WriteResurrectionWithXattrs",
     "segue_write_resurrection",
     run_write_resurrection,
     {"NOT_LIVE SET json xattrs"},
     {85},
     NULL},
    {"WriteUpdateWithXattrs",
     "segue_write_update_with_xattrs",
     run_write_update_with_xattrs,
     CALLBACK,
     {95, 96, 97, 98, 99, 100},
     NULL},
    {"UpdateXattrs",
     "segue_xattrs_update",
     run_update_xattrs,
     {"CAS KEEP xattrs expiry", "NOT_LIVE KEEP xattrs expiry"},
     {50, 87, 88},
     NULL},
    {"TouchXattrWithCas", "segue_touch_xattr", run_touch_xattr, {"CAS KEEP xattrs", "NOT_LIVE KEEP xattrs"}, {1}, NULL},
    {"SetWithMeta", "segue_put_with_meta", run_set_with_meta, WHOLE, {120}, NULL},
    {"DeleteWithMeta", "segue_put_with_meta", run_delete_with_meta, WHOLE, {120}, NULL},
    {"Scan", "segue_scan_open", run_scan, READ, {8, 84, 90, 104, 105, 106}, NULL},
    {"StartDCPFeed",
     "segue_feed_open",
     run_feed,
     READ,
     {4, 8, 16, 20, 22, 43, 47, 79, 87, 89, 102, 109, 110, 111, 112, 113, 115, 116, 120},
     NULL},
    {"PurgeTombstones", "segue_purge_tombstones", run_purge, {"(it erases)"}, {44, 102}, NULL},
    /* Cases are skipped, or not, by what this says: flags, changes, keeping a CAS. */
    {"IsSupported", "segue_store_caps", run_is_supported, READ, {25, 109, 120}, NULL},
};

/* What the interface has besides: who one is, and the divisions of a cluster. */
static const row identity[] = {
    {"GetName", "segue_store_url", run_name, READ, {0}, "the name is all there is to it"},
    {"ScopeName", "segue_store_url", run_name, READ, {0}, "the name is all there is to it"},
    {"CollectionName", "segue_store_url", run_name, READ, {0}, "the name is all there is to it"},
    {"GetCollectionID", "", NULL, {NULL}, {0}, "collections go by their names here, in URLs and in feeds"},
    {"GetMaxVbno", "", NULL, {NULL}, {0}, "nothing is divided into vBuckets here"},
};

/* Scenarios that are of no single operation. (Those without a case have their reason in docs/conformance.md.) */
static const struct {
    unsigned scenario;
    const char *why;
} of_none[] = {{103, "the clock, which gives all operations their CAS"}};

static void the_table_is_complete(void **state)
{
    (void)state;
    assert_int_equal(N(table), 35 + 1); /* and what tells which of them there are */
    for (size_t i = 0; i < N(table); i++) {
        const row *r = &table[i];
        for (size_t j = 0; j < i; j++)
            if (strcmp(r->operation, table[j].operation) == 0) fail_msg("%s stands there twice", r->operation);
        if (!r->run || !r->call[0]) fail_msg("%s: which call is it?", r->operation);
        if (!r->mutations[0]) fail_msg("%s: which mutations does it make?", r->operation);
        if (!r->scenarios[0]) fail_msg("%s: which scenario tests it?", r->operation);
        if (r->why_not) fail_msg("%s: a call and a reason", r->operation);
    }
    for (size_t i = 0; i < N(identity); i++) {
        if (!identity[i].why_not) fail_msg("%s: neither a scenario nor a reason", identity[i].operation);
        if (!identity[i].run) print_message("%s: not here: %s\n", identity[i].operation, identity[i].why_not);
    }
}

/* ---- scenarios, which are the cases of the conformance suite by their numbers ---- */

typedef enum scenario { UNKNOWN, HAS_CASE, HAS_REASON } scenario;

/* From docs/conformance.md, which the conformance program makes of its cases; a test keeps it current. */
static void read_scenarios(scenario found[SCENARIOS + 1])
{
    char line[1024], *end;
    scenario kind = UNKNOWN;
    FILE *file = fopen(TEST_DATA_DIR "/../../docs/conformance.md", "r");
    if (!file) fail_msg("docs/conformance.md cannot be read");
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, "## ", 3) == 0)
            kind = strstr(line, "Cases") ? HAS_CASE : strstr(line, "without a case") ? HAS_REASON : UNKNOWN;
        if (kind == UNKNOWN || strncmp(line, "| S", 3) != 0) continue;
        unsigned long n = strtoul(line + 3, &end, 10);
        if (end == line + 3 || n < 1 || n > SCENARIOS) continue;
        if (found[n] == UNKNOWN) found[n] = kind;
    }
    (void)fclose(file); /* it was only read */
}

static void every_scenario_is_of_an_operation(void **state)
{
    (void)state;
    scenario found[SCENARIOS + 1] = {UNKNOWN};
    bool named_by_row[SCENARIOS + 1] = {false};
    read_scenarios(found);
    for (size_t i = 0; i < N(table); i++)
        for (size_t j = 0; j < N(table[i].scenarios) && table[i].scenarios[j]; j++) {
            unsigned n = table[i].scenarios[j];
            if (n > SCENARIOS || found[n] != HAS_CASE)
                fail_msg("%s: no case of the conformance suite is S%u", table[i].operation, n);
            named_by_row[n] = true;
        }
    for (size_t i = 0; i < N(of_none); i++) {
        if (named_by_row[of_none[i].scenario]) fail_msg("S%u has a row and a reason", of_none[i].scenario);
        print_message("S%u: no operation's: %s\n", of_none[i].scenario, of_none[i].why);
        named_by_row[of_none[i].scenario] = true;
    }
    for (unsigned n = 1; n <= SCENARIOS; n++)
        if (!named_by_row[n] && found[n] != HAS_REASON) fail_msg("scenario %u is in no row and has no reason", n);
}

/* ---- running ---- */

static void compare_mutations(const row *r)
{
    size_t n = 0;
    bool is_none = r->mutations[0][0] == '(';
    while (!is_none && n < SHAPES && r->mutations[n]) n++;
    for (size_t i = 0; i < n_seen; i++) {
        size_t j = 0;
        while (j < n && strcmp(seen[i], r->mutations[j]) != 0) j++;
        if (j == n)
            fail_msg("%s: %s makes the mutation \"%s\", which the table does not name", r->operation, r->call, seen[i]);
    }
    if (n_seen != n) fail_msg("%s: %zu kinds of mutations were made, the table has %zu", r->operation, n_seen, n);
}

static void run_all(const row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const row *r = &rows[i];
        if (!r->run) continue;
        running = r->operation;
        named = r->call;
        n_named = 0;
        n_seen = 0;
        segue_store *store = open_noting();
        r->run(store);
        segue_close(store);
        if (!n_named) fail_msg("%s: %s was not called", r->operation, r->call);
        compare_mutations(r);
    }
}

static void each_operation_does_what_its_call_promises(void **state)
{
    (void)state;
    run_all(table, N(table));
    run_all(identity, N(identity));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_complete),
        cmocka_unit_test(every_scenario_is_of_an_operation),
        cmocka_unit_test(each_operation_does_what_its_call_promises),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
