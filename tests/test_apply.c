/* What a mutation means: each starting state under each mutation, from the words of <segue/doc.h>; then thousands of random
 * records under random mutations, which must keep what no rule takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/base.h"
#include "doc/doc.h"
#include "doc/json.h"
#include "support/memory.h"
#include "support/show.h"

#define N(array) (sizeof(array) / sizeof *(array))
#define TEXT(literal)                                                                                                  \
    {                                                                                                                  \
        "" literal, sizeof(literal) - 1                                                                                \
    }

enum { NOW = 1000, CAS = 100, REVISION = 5 };

static segue_error err;
static segue_call call_ = {.err = &err};

/* ---- the states ---- */

static const segue_xattr system_and_user[] = {{TEXT("_s"), TEXT("1")}, {TEXT("u"), TEXT("2")}};
enum { NONE, TOMB, TOMB_SYS, JSON, BINARY, XATTRS, EXPIRED, EXPIRING, N_STATES };
static const char *const state_names[N_STATES] = {"none",      "tombstone",       "tombstone with system xattr",
                                                  "live JSON", "binary",          "live with xattrs",
                                                  "expired",   "live with expiry"};
#define RECORD .key = TEXT("k"), .cas = CAS, .revision = REVISION, .write_id = 9
static const segue_record states[N_STATES] = {
    [TOMB] = {RECORD, .is_tombstone = true},
    [TOMB_SYS] = {RECORD, .is_tombstone = true, .xattrs = system_and_user, .n_xattrs = 1},
    [JSON] = {RECORD, .body = TEXT("{}"), .is_json = true, .flags = 7},
    [BINARY] = {RECORD, .body = TEXT("b")},
    [XATTRS] = {RECORD, .body = TEXT("null"), .is_json = true, .xattrs = system_and_user, .n_xattrs = 2},
    [EXPIRED] = {RECORD, .body = TEXT("9"), .is_json = true, .xattrs = system_and_user, .n_xattrs = 2, .flags = 7,
                 .expiry = NOW},
    [EXPIRING] = {RECORD, .body = TEXT("5"), .is_json = true, .expiry = NOW + 1},
};

/* ---- the table ---- */

#define SET(text) .body_op = SEGUE_BODY_SET, .body = TEXT(text)
#define X_SET(list) .set_xattrs = list, .n_set_xattrs = N(list)
#define X_DROP(list) .drop_xattrs = list, .n_drop_xattrs = N(list)
#define ALL(text)                                                                                                      \
    {                                                                                                                  \
        text, text, text, text, text, text, text, text                                                                 \
    }

static const segue_xattr set_u[] = {{TEXT("u"), TEXT("3")}}, set_s[] = {{TEXT("_s"), TEXT("3")}};
static const segue_xattr set_both[] = {{TEXT("z"), TEXT("4")}, {TEXT("_a"), TEXT("[ 3 ]")}};
static const segue_slice drop_u[] = {TEXT("u")}, drop_s[] = {TEXT("_s")};
static const segue_xattr bad_json[] = {{TEXT("u"), TEXT("{")}}, empty_json[] = {{TEXT("u"), TEXT("")}};
static const segue_xattr no_value[] = {{TEXT("u"), {NULL, 0}}};
static const segue_xattr long_name[] = {{TEXT("0123456789abcdef"), TEXT("1")}}, no_name[] = {{TEXT(""), TEXT("1")}};
static const segue_xattr twice[] = {{TEXT("u"), TEXT("1")}, {TEXT("u"), TEXT("2")}};
static const segue_slice bad_drop[] = {TEXT("a\xff")};

#define NF "NOT_FOUND"
#define EX "EXISTS"
#define MIS "CAS_MISMATCH"
#define PNF "PATH_NOT_FOUND"
#define NAN_ "NOT_A_NUMBER"
#define INV "INVALID_ARGUMENT"

/* What comes out of each state: a record that is written, "=" (success, nothing is written), or a status. */
typedef struct row {
    const char *name;
    segue_mutation m;
    const char *out[N_STATES];
} row;

static const row body_rows[] = {
    {"nothing", {0}, {NF, "=", "=", "=", "=", "=", "=", "="}},
    {"set",
     {SET("7")},
     {"L7 json", "L7 json", "L7 json", "L7 json flags=7", "L7 json", "L7 json _s=1,u=2", "L7 json", "L7 json"}},
    {"set no JSON", {SET("x")}, {"Lx", "Lx", "Lx", "Lx flags=7", "Lx", "Lx _s=1,u=2", "Lx", "Lx"}},
    {"set the empty body", {SET("")}, {"L", "L", "L", "L flags=7", "L", "L _s=1,u=2", "L", "L"}},
    {"set, trusted",
     {SET("x"), .json = SEGUE_JSON_YES},
     {"Lx json", "Lx json", "Lx json", "Lx json flags=7", "Lx json", "Lx json _s=1,u=2", "Lx json", "Lx json"}},
    {"set, not JSON by order",
     {SET("7"), .json = SEGUE_JSON_NO},
     {"L7", "L7", "L7", "L7 flags=7", "L7", "L7 _s=1,u=2", "L7", "L7"}},
    {"set with flags",
     {SET("7"), .has_flags = true, .flags = 8},
     {"L7 json flags=8", "L7 json flags=8", "L7 json flags=8", "L7 json flags=8", "L7 json flags=8",
      "L7 json _s=1,u=2 flags=8", "L7 json flags=8", "L7 json flags=8"}},
    {"set with xattrs",
     {SET("7"), X_SET(set_u)},
     {"L7 json u=3", "L7 json u=3", "L7 json u=3", "L7 json u=3 flags=7", "L7 json u=3", "L7 json _s=1,u=3",
      "L7 json u=3", "L7 json u=3"}},
    {"set and drop", {SET("7"), X_DROP(drop_u)}, {PNF, PNF, PNF, PNF, PNF, "L7 json _s=1", PNF, PNF}},
    {"replace all", {SET("7"), .options = SEGUE_M_REPLACE_ALL}, ALL("L7 json")},
    {"replace all with an xattr", {SET("7"), X_SET(set_u), .options = SEGUE_M_REPLACE_ALL}, ALL("L7 json u=3")},
    {"replace all, told to keep the expiry: it starts anew as the rest does",
     {SET("7"), .options = SEGUE_M_REPLACE_ALL, .expiry = {SEGUE_EXPIRY_NONE, 0, true}},
     ALL("L7 json")},
    {"replace all without a body to set", {.options = SEGUE_M_REPLACE_ALL}, ALL(INV)},
    {"set without a body", {.body_op = SEGUE_BODY_SET}, ALL("BODY_REQUIRED")},
    {"append without a body", {.body_op = SEGUE_BODY_APPEND}, ALL("BODY_REQUIRED")},
    {"append",
     {.body_op = SEGUE_BODY_APPEND, .body = TEXT("1")},
     {NF, NF, NF, "L{}1 flags=7", "Lb1", "Lnull1 _s=1,u=2", NF, "L51 json exp=1001"}},
    {"append nothing",
     {.body_op = SEGUE_BODY_APPEND, .body = TEXT("")},
     {NF, NF, NF, "L{} json flags=7", "Lb", "Lnull json _s=1,u=2", NF, "L5 json exp=1001"}},
    {"add", {.body_op = SEGUE_BODY_ADD, .delta = 3}, {NF, NF, NF, NAN_, NAN_, NAN_, NF, "L8 json exp=1001"}},
    {"add, with a first number",
     {.body_op = SEGUE_BODY_ADD, .delta = 3, .has_initial = true, .initial = 10},
     {"L10 json", "L10 json", "L10 json", NAN_, NAN_, NAN_, "L10 json", "L8 json exp=1001"}},
    {"add -1",
     {.body_op = SEGUE_BODY_ADD, .delta = UINT64_MAX},
     {NF, NF, NF, NAN_, NAN_, NAN_, NF, "L4 json exp=1001"}},
    {"add 0 is a write", {.body_op = SEGUE_BODY_ADD}, {NF, NF, NF, NAN_, NAN_, NAN_, NF, "L5 json exp=1001"}},
    {"no such operation", {.body_op = (segue_body_op)9}, ALL(INV)},
};

static const row delete_rows[] = {
    {"delete", {.body_op = SEGUE_BODY_DELETE}, {NF, NF, NF, "T", "T", "T _s=1", NF, "T"}},
    {"delete under live",
     {.expect = SEGUE_EXPECT_LIVE, .body_op = SEGUE_BODY_DELETE},
     {NF, NF, NF, "T", "T", "T _s=1", NF, "T"}},
    {"delete under not live",
     {.expect = SEGUE_EXPECT_NOT_LIVE, .body_op = SEGUE_BODY_DELETE},
     {NF, NF, NF, EX, EX, EX, NF, EX}},
    {"delete by CAS",
     {.expect = SEGUE_EXPECT_CAS, .cas = CAS, .body_op = SEGUE_BODY_DELETE},
     {NF, NF, NF, "T", "T", "T _s=1", NF, "T"}},
    {"delete by another CAS",
     {.expect = SEGUE_EXPECT_CAS, .cas = CAS + 1, .body_op = SEGUE_BODY_DELETE},
     {NF, NF, NF, MIS, MIS, MIS, NF, MIS}},
    {"delete, and it may be gone",
     {.body_op = SEGUE_BODY_DELETE, .options = SEGUE_M_NOTHING_OK},
     {"=", "=", "=", "T", "T", "T _s=1", "=", "T"}},
    {"delete and set, and it may be gone or a tombstone",
     {.body_op = SEGUE_BODY_DELETE, .options = SEGUE_M_NOTHING_OK | SEGUE_M_TOMBSTONE_OK, X_SET(set_s)},
     {"=", "T _s=3", "T _s=3", "T _s=3", "T _s=3", "T _s=3", "T _s=3", "T _s=3"}},
    {"delete, and it may be gone or a tombstone",
     {.body_op = SEGUE_BODY_DELETE, .options = SEGUE_M_NOTHING_OK | SEGUE_M_TOMBSTONE_OK},
     {"=", "=", "=", "T", "T", "T _s=1", "=", "T"}},
    {"delete, a tombstone will do",
     {.body_op = SEGUE_BODY_DELETE, .options = SEGUE_M_TOMBSTONE_OK},
     {NF, NF, NF, "T", "T", "T _s=1", NF, "T"}},
    {"delete and set, a tombstone will do",
     {.body_op = SEGUE_BODY_DELETE, .options = SEGUE_M_TOMBSTONE_OK, X_SET(set_s)},
     {NF, "T _s=3", "T _s=3", "T _s=3", "T _s=3", "T _s=3", "T _s=3", "T _s=3"}},
    {"delete with system xattrs, a tombstone will do",
     {.body_op = SEGUE_BODY_DELETE, .options = SEGUE_M_TOMBSTONE_OK | SEGUE_M_DROP_MISSING_OK, X_DROP(drop_s)},
     {NF, NF, "T", "T", "T", "T", "T", "T"}},
    {"delete keeps what it sets",
     {.body_op = SEGUE_BODY_DELETE, X_SET(set_both)},
     {NF, NF, NF, "T _a=[ 3 ],z=4", "T _a=[ 3 ],z=4", "T _a=[ 3 ],_s=1,z=4", NF, "T _a=[ 3 ],z=4"}},
    {"delete and drop a user xattr",
     {.body_op = SEGUE_BODY_DELETE, X_DROP(drop_u)},
     {NF, NF, NF, PNF, PNF, "T _s=1", NF, PNF}},
    {"delete with flags and expiry: a tombstone has none",
     {.body_op = SEGUE_BODY_DELETE,
      .has_flags = true,
      .flags = 8,
      .expiry = {SEGUE_EXPIRY_IN, 9, false},
      .json = SEGUE_JSON_YES},
     {NF, NF, NF, "T", "T", "T _s=1", NF, "T"}},
};

static const row expect_rows[] = {
    {"insert",
     {.expect = SEGUE_EXPECT_NOT_LIVE, SET("7")},
     {"L7 json", "L7 json", "L7 json", EX, EX, EX, "L7 json", EX}},
    {"insert where no record is", {.expect = SEGUE_EXPECT_ABSENT, SET("7")}, {"L7 json", EX, EX, EX, EX, EX, EX, EX}},
    {"replace",
     {.expect = SEGUE_EXPECT_LIVE, SET("7")},
     {NF, NF, NF, "L7 json flags=7", "L7 json", "L7 json _s=1,u=2", NF, "L7 json"}},
    {"set by CAS",
     {.expect = SEGUE_EXPECT_CAS, .cas = CAS, SET("7")},
     {NF, NF, NF, "L7 json flags=7", "L7 json", "L7 json _s=1,u=2", NF, "L7 json"}},
    {"set by another CAS",
     {.expect = SEGUE_EXPECT_CAS, .cas = CAS + 1, SET("7")},
     {NF, NF, NF, MIS, MIS, MIS, NF, MIS}},
    {"append by CAS",
     {.expect = SEGUE_EXPECT_CAS, .cas = CAS, .body_op = SEGUE_BODY_APPEND, .body = TEXT("1")},
     {NF, NF, NF, "L{}1 flags=7", "Lb1", "Lnull1 _s=1,u=2", NF, "L51 json exp=1001"}},
    {"set by the record's CAS",
     {.expect = SEGUE_EXPECT_RECORD_CAS, .cas = CAS, SET("7")},
     {NF, "L7 json", "L7 json", "L7 json flags=7", "L7 json", "L7 json _s=1,u=2", "L7 json", "L7 json"}},
    {"set by another record's CAS",
     {.expect = SEGUE_EXPECT_RECORD_CAS, .cas = CAS + 1, SET("7")},
     {NF, MIS, MIS, MIS, MIS, MIS, MIS, MIS}},
    {"CAS 0 is no CAS", {.expect = SEGUE_EXPECT_CAS, SET("7")}, ALL(INV)},
    {"CAS 0 is no record's CAS", {.expect = SEGUE_EXPECT_RECORD_CAS, SET("7")}, ALL(INV)},
    {"no such expectation", {.expect = (segue_expect)9, SET("7")}, ALL(INV)},
};

static const row xattr_rows[] = {
    {"set an xattr",
     {X_SET(set_u)},
     {NF, "T u=3", "T _s=1,u=3", "L{} json u=3 flags=7", "Lb u=3", "Lnull json _s=1,u=3", "T _s=1,u=3",
      "L5 json u=3 exp=1001"}},
    {"set xattrs in any order",
     {X_SET(set_both)},
     {NF, "T _a=[ 3 ],z=4", "T _a=[ 3 ],_s=1,z=4", "L{} json _a=[ 3 ],z=4 flags=7", "Lb _a=[ 3 ],z=4",
      "Lnull json _a=[ 3 ],_s=1,u=2,z=4", "T _a=[ 3 ],_s=1,z=4", "L5 json _a=[ 3 ],z=4 exp=1001"}},
    {"set an xattr by CAS",
     {.expect = SEGUE_EXPECT_CAS, .cas = CAS, X_SET(set_u)},
     {NF, "T u=3", "T _s=1,u=3", "L{} json u=3 flags=7", "Lb u=3", "Lnull json _s=1,u=3", "T _s=1,u=3",
      "L5 json u=3 exp=1001"}},
    {"set an xattr by another CAS",
     {.expect = SEGUE_EXPECT_CAS, .cas = CAS + 1, X_SET(set_u)},
     {NF, MIS, MIS, MIS, MIS, MIS, MIS, MIS}},
    {"make a tombstone",
     {.expect = SEGUE_EXPECT_ABSENT, X_SET(set_s), .options = SEGUE_M_AS_TOMBSTONE},
     {"T _s=3", EX, EX, EX, EX, EX, EX, EX}},
    {"make an empty tombstone", {.options = SEGUE_M_AS_TOMBSTONE}, {"T", "=", "=", "=", "=", "=", "=", "="}},
    {"drop a user xattr", {X_DROP(drop_u)}, {NF, PNF, PNF, PNF, PNF, "Lnull json _s=1", PNF, PNF}},
    {"drop a system xattr", {X_DROP(drop_s)}, {NF, PNF, "T", PNF, PNF, "Lnull json u=2", "T", PNF}},
    {"drop one if it is there",
     {X_DROP(drop_u), .options = SEGUE_M_DROP_MISSING_OK},
     {NF, "=", "=", "=", "=", "Lnull json _s=1", "=", "="}},
    {"set one, drop another",
     {X_SET(set_u), X_DROP(drop_s)},
     {NF, PNF, "T u=3", PNF, PNF, "Lnull json u=3", "T u=3", PNF}},
    {"set and drop the same", {X_SET(set_u), X_DROP(drop_u)}, ALL("XATTR_SET_AND_DROPPED")},
    {"set the same twice", {X_SET(twice)}, ALL(INV)},
    {"a value that is no JSON", {X_SET(bad_json)}, ALL("INVALID_JSON")},
    {"an empty value", {X_SET(empty_json)}, ALL("INVALID_JSON")},
    {"no value", {X_SET(no_value)}, ALL("XATTR_VALUE_REQUIRED")},
    {"a long name", {X_SET(long_name)}, ALL("INVALID_XATTR_NAME")},
    {"an empty name", {X_SET(no_name)}, ALL("INVALID_XATTR_NAME")},
    {"a name that is no text", {X_DROP(bad_drop)}, ALL("INVALID_XATTR_NAME")},
};

#define LIVE .expect = SEGUE_EXPECT_LIVE
static const row expiry_rows[] = {
    {"touch",
     {LIVE, .expiry = {SEGUE_EXPIRY_AT, 1001, false}},
     {NF, NF, NF, "L{} json exp=1001 flags=7", "Lb exp=1001", "Lnull json _s=1,u=2 exp=1001", NF, "="}},
    {"touch by seconds from now",
     {LIVE, .expiry = {SEGUE_EXPIRY_IN, 1, false}},
     {NF, NF, NF, "L{} json exp=1001 flags=7", "Lb exp=1001", "Lnull json _s=1,u=2 exp=1001", NF, "="}},
    {"touch with none", {LIVE, .expiry = {SEGUE_EXPIRY_NONE, 0, false}}, {NF, NF, NF, "=", "=", "=", NF, "L5 json"}},
    {"touch, but keep", {LIVE, .expiry = {SEGUE_EXPIRY_AT, 7777, true}}, {NF, NF, NF, "=", "=", "=", NF, "="}},
    {"touch with the past",
     {LIVE, .expiry = {SEGUE_EXPIRY_AT, 1, false}},
     {NF, NF, NF, "L{} json exp=1 flags=7", "Lb exp=1", "Lnull json _s=1,u=2 exp=1", NF, "L5 json exp=1"}},
    {"touch whatever is there",
     {.expiry = {SEGUE_EXPIRY_AT, 1001, false}},
     {NF, "=", "=", "L{} json exp=1001 flags=7", "Lb exp=1001", "Lnull json _s=1,u=2 exp=1001", "=", "="}},
    {"touch with 0 as a time", {LIVE, .expiry = {SEGUE_EXPIRY_AT, 0, false}}, ALL(INV)},
    {"touch past the end of time",
     {LIVE, .expiry = {SEGUE_EXPIRY_IN, UINT32_MAX, false}},
     {NF, NF, NF, INV, INV, INV, NF, INV}},
    {"set, keeping the expiry of a live one",
     {SET("7"), .expiry = {SEGUE_EXPIRY_AT, 4000, true}},
     {"L7 json exp=4000", "L7 json exp=4000", "L7 json exp=4000", "L7 json flags=7", "L7 json", "L7 json _s=1,u=2",
      "L7 json exp=4000", "L7 json exp=1001"}},
    {"append with an expiry",
     {.body_op = SEGUE_BODY_APPEND, .body = TEXT("1"), .expiry = {SEGUE_EXPIRY_AT, 4000, false}},
     {NF, NF, NF, "L{}1 exp=4000 flags=7", "Lb1 exp=4000", "Lnull1 _s=1,u=2 exp=4000", NF, "L51 json exp=4000"}},
    {"flags",
     {LIVE, .has_flags = true, .flags = 7},
     {NF, NF, NF, "=", "Lb flags=7", "Lnull json _s=1,u=2 flags=7", NF, "L5 json exp=1001 flags=7"}},
    {"flags whatever is there",
     {.has_flags = true, .flags = 7},
     {NF, "=", "=", "=", "Lb flags=7", "Lnull json _s=1,u=2 flags=7", "=", "L5 json exp=1001 flags=7"}},
    {"not JSON after all",
     {.json = SEGUE_JSON_NO},
     {NF, "=", "=", "L{} flags=7", "=", "Lnull _s=1,u=2", "=", "L5 exp=1001"}},
};

static void check_cell(const row *r, size_t i, segue_applied *a)
{
    const segue_record *base = i == NONE ? NULL : &states[i];
    const char *expected = r->out[i];
    char got[TEST_LINE], as_read[TEST_LINE];
    memset(&err, 0, sizeof err);
    segue_status st = segue_apply((segue_slice)TEXT("k"), base, &r->m, NOW, a, &call_);
    if (st != SEGUE_OK) {
        (void)snprintf(got, sizeof got, "%s", segue_status_name(st));
        if (err.status != st || !err.message[0])
            fail_msg("%s, %s: %s without a sentence", r->name, state_names[i], got);
    } else if (!a->write) {
        (void)snprintf(got, sizeof got, "=");
        if (base ? a->rec.cas != CAS || a->rec.revision != REVISION : a->rec.cas || a->rec.revision)
            fail_msg("%s, %s: nothing is written, but CAS or revision is another", r->name, state_names[i]);
    } else {
        test_show(&a->rec, got);
        if (a->rec.revision != (base ? REVISION + 1 : 1))
            fail_msg("%s, %s: revision %u", r->name, state_names[i], (unsigned)a->rec.revision);
        if (seg_record_check(&a->rec, &call_) != SEGUE_OK) fail_msg("%s, %s: %s", r->name, state_names[i], err.message);
    }
    if (strcmp(got, expected) != 0)
        fail_msg("%s, %s: \"%s\" %s, expected \"%s\"", r->name, state_names[i], got, err.message, expected);
    if (st == SEGUE_OK && !a->write && base) { /* the record stays, and is shown as a reader sees it */
        static const char *const seen[N_STATES] = {[TOMB] = "T", [TOMB_SYS] = "T _s=1", [EXPIRED] = "T _s=1"};
        test_show(seen[i] ? &a->rec : &states[i], as_read);
        test_show(&a->rec, got);
        if (strcmp(got, seen[i] ? seen[i] : as_read) != 0)
            fail_msg("%s, %s: unchanged, it shows \"%s\"", r->name, state_names[i], got);
    }
}

static void check_rows(const row *rows, size_t n)
{
    segue_applied a = {0};
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < N_STATES; j++) check_cell(&rows[i], j, &a);
    segue_applied_free(&a);
}

#define TABLE(test, rows)                                                                                              \
    static void test(void **state)                                                                                     \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        check_rows(rows, N(rows));                                                                                     \
    }
TABLE(what_happens_to_the_body, body_rows)
TABLE(what_a_deletion_leaves, delete_rows)
TABLE(what_an_expectation_asks, expect_rows)
TABLE(what_happens_to_xattrs, xattr_rows)
TABLE(what_happens_to_expiry_flags_and_json, expiry_rows)

/* ---- limits ---- */

static void assert_apply(segue_status expected, const segue_record *base, const segue_mutation *m)
{
    segue_applied a = {0};
    segue_status st = segue_apply((segue_slice)TEXT("k"), base, m, NOW, &a, &call_);
    if (st != expected)
        fail_msg("%s (%s), expected %s", segue_status_name(st), err.message, segue_status_name(expected));
    if (st == SEGUE_OK && seg_record_check(&a.rec, &call_) != SEGUE_OK) fail_msg("%s", err.message);
    segue_applied_free(&a);
}

/* A JSON string of `size` bytes. */
static char *big_string(size_t size)
{
    char *text = malloc(size);
    assert_non_null(text);
    memset(text, 'x', size);
    text[0] = text[size - 1] = '"';
    return text;
}

static void what_is_too_big_is_refused_whole(void **state)
{
    (void)state;
    char *big = big_string(SEGUE_BODY_MAX + 1);
    segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = {big, SEGUE_BODY_MAX}};
    assert_apply(SEGUE_OK, NULL, &m);
    m.body.size++;
    assert_apply(SEGUE_TOO_BIG, NULL, &m);
    segue_record full = {RECORD, .body = {big, SEGUE_BODY_MAX}};
    m = (segue_mutation){.body_op = SEGUE_BODY_APPEND, .body = TEXT("")};
    assert_apply(SEGUE_OK, &full, &m);
    m.body = (segue_slice)TEXT("xy"); /* the limit is on the whole */
    assert_apply(SEGUE_TOO_BIG, &full, &m);
    assert_string_equal(err.message, "the appended body would have 20971522 bytes, the limit is 20971520");
    full.body.size--;
    assert_apply(SEGUE_TOO_BIG, &full, &m);
    segue_xattr user = {TEXT("u"), {big, SEGUE_BODY_MAX + 1}};
    m = (segue_mutation){.set_xattrs = &user, .n_set_xattrs = 1};
    assert_apply(SEGUE_TOO_BIG, &states[JSON], &m);
    assert_apply(SEGUE_TOO_BIG, NULL, &m);
    user.value.size--;
    big[SEGUE_BODY_MAX - 1] = '"';
    assert_apply(SEGUE_OK, &states[JSON], &m);
    free(big);
}

static void system_xattrs_have_a_limit_together(void **state)
{
    (void)state;
    enum { HALF = SEGUE_SYSTEM_XATTRS_MAX / 2 };
    char *big = big_string(HALF);
    segue_xattr there = {TEXT("_a"), {big, HALF - 2}};
    segue_record base = {RECORD, .body = TEXT("1"), .xattrs = &there, .n_xattrs = 1};
    big[HALF - 3] = '"';
    segue_xattr more = {TEXT("_b"), {big, HALF - 2}};
    segue_mutation m = {.set_xattrs = &more, .n_set_xattrs = 1};
    assert_apply(SEGUE_OK, &base, &m);
    big[HALF - 3] = 'x';
    more.name = (segue_slice)TEXT("_bc");
    big[HALF - 3] = '"';
    assert_apply(SEGUE_TOO_BIG, &base, &m);
    more.name = (segue_slice)TEXT("user");
    assert_apply(SEGUE_OK, &base, &m);
    free(big);
}

static void there_are_at_most_64_xattrs(void **state)
{
    (void)state;
    segue_xattr set[SEGUE_XATTRS_MAX + 1];
    char names[SEGUE_XATTRS_MAX + 1][8];
    for (size_t i = 0; i < N(set); i++) {
        (void)snprintf(names[i], sizeof names[i], "x%zu", i);
        set[i] = (segue_xattr){segue_str(names[i]), TEXT("1")};
    }
    segue_mutation m = {.set_xattrs = set, .n_set_xattrs = SEGUE_XATTRS_MAX};
    assert_apply(SEGUE_OK, &states[JSON], &m);
    assert_apply(SEGUE_TOO_BIG, &states[XATTRS], &m); /* with the two that are there */
    m.n_set_xattrs++;
    assert_apply(SEGUE_TOO_BIG, &states[JSON], &m);
    assert_apply(SEGUE_TOO_BIG, NULL, &m); /* whatever is there */
    segue_slice drop[SEGUE_XATTRS_MAX + 1];
    for (size_t i = 0; i < N(drop); i++) drop[i] = segue_str(names[i]);
    m = (segue_mutation){.drop_xattrs = drop, .n_drop_xattrs = SEGUE_XATTRS_MAX, .options = SEGUE_M_DROP_MISSING_OK};
    assert_apply(SEGUE_OK, &states[JSON], &m);
    m.n_drop_xattrs++;
    assert_apply(SEGUE_TOO_BIG, &states[JSON], &m);
    assert_apply(SEGUE_TOO_BIG, NULL, &m);
}

static void a_counter_goes_round_at_64_bits(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        uint64_t delta;
        const char *out;
    } rows[] = {
        {"18446744073709551615", 1, "0"},
        {"18446744073709551615", 0, "18446744073709551615"},
        {"0", UINT64_MAX, "18446744073709551615"},
        {"10", UINT64_MAX, "9"},
        {"007", 1, NULL},
        {"18446744073709551616", 1, NULL},
        {"-1", 1, NULL},
        {"1.0", 1, NULL},
        {"", 1, NULL},
        {" 1", 1, NULL},
        {"1 ", 1, NULL},
        {"null", 1, NULL},
        {"\"1\"", 1, NULL},
    };
    segue_applied a = {0};
    for (size_t i = 0; i < N(rows); i++) {
        segue_record base = {RECORD, .body = segue_str(rows[i].body)};
        segue_mutation m = {.body_op = SEGUE_BODY_ADD, .delta = rows[i].delta, .has_initial = true};
        segue_status st = segue_apply(base.key, &base, &m, NOW, &a, &call_);
        if (strcmp(rows[i].body, "007") == 0) { /* either is fair as long as the number is right */
            if (st == SEGUE_OK ? a.counter != 8 : st != SEGUE_NOT_A_NUMBER)
                fail_msg("007 became %u", (unsigned)a.counter);
        } else if (st != (rows[i].out ? SEGUE_OK : SEGUE_NOT_A_NUMBER)) {
            fail_msg("\"%s\" + %llu: %s", rows[i].body, (unsigned long long)rows[i].delta, segue_status_name(st));
        } else if (rows[i].out && !segue_slice_equal(a.rec.body, segue_str(rows[i].out))) {
            fail_msg("\"%s\" is %.*s, expected %s", rows[i].body, (int)a.rec.body.size, a.rec.body.data, rows[i].out);
        }
    }
    segue_applied_free(&a);
}

/* ---- random records under random mutations ---- */

static uint64_t seed;
static uint32_t next_random(uint32_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % below;
}

static const segue_slice names[] = {TEXT("_a"), TEXT("_b"), TEXT("a"), TEXT("b"), TEXT("c")};
static const segue_slice values[] = {TEXT("1"), TEXT("{}"), TEXT("null"), TEXT("[ 1 ]")};
static const segue_slice bodies[] = {TEXT("{}"), TEXT("5"), TEXT("raw"), TEXT(""), TEXT("18446744073709551615")};

typedef struct random_case {
    segue_xattr old[N(names)], set[N(names)];
    segue_slice drop[N(names)];
    segue_record base;
    const segue_record *base_or_none;
    segue_mutation m;
} random_case;

static void make_record(random_case *c)
{
    bool live = next_random(3) != 0;
    c->base = (segue_record){
        .key = TEXT("k"), .cas = 1 + next_random(2), .revision = 1 + next_random(9), .write_id = 3};
    for (size_t i = 0; i < N(names); i++)
        if (next_random(2) && (live || i < 2 || next_random(8) == 0))
            c->old[c->base.n_xattrs++] = (segue_xattr){names[i], values[next_random(N(values))]};
    c->base.xattrs = c->old;
    c->base.is_tombstone = !live;
    if (live) {
        c->base.body = bodies[next_random(N(bodies))];
        c->base.is_json = seg_json_valid(c->base.body, NULL);
        c->base.flags = next_random(3);
        c->base.expiry = next_random(2) ? 0 : NOW - 1 + next_random(3);
    }
    c->base_or_none = next_random(6) ? &c->base : NULL;
}

static void make_case(random_case *c)
{
    memset(c, 0, sizeof *c);
    make_record(c);
    segue_mutation *m = &c->m;
    m->expect = next_random(2) ? SEGUE_EXPECT_ANY : (segue_expect)next_random(6);
    m->cas = 1 + next_random(2);
    m->body_op = (segue_body_op)next_random(5);
    if (m->body_op == SEGUE_BODY_SET || m->body_op == SEGUE_BODY_APPEND) m->body = bodies[next_random(N(bodies))];
    m->delta = next_random(3) - UINT64_C(1);
    m->initial = next_random(3);
    m->has_initial = next_random(2);
    m->has_flags = next_random(4) == 0;
    m->flags = next_random(3);
    for (size_t i = 0; i < N(names); i++) {
        uint32_t what = next_random(6);
        if (what == 0) c->set[m->n_set_xattrs++] = (segue_xattr){names[i], values[next_random(N(values))]};
        if (what == 1) c->drop[m->n_drop_xattrs++] = names[i];
    }
    m->set_xattrs = c->set;
    m->drop_xattrs = c->drop;
    m->expiry = (segue_expiry){(segue_expiry_op)next_random(4), NOW - 1 + next_random(3), next_random(4) == 0};
    m->json = (segue_json)next_random(3);
    m->options = next_random(2) ? 0 : next_random(32);
    if (m->body_op != SEGUE_BODY_SET) m->options &= ~(unsigned)SEGUE_M_REPLACE_ALL;
}

static bool is_named(const random_case *c, segue_slice name)
{
    for (size_t i = 0; i < c->m.n_set_xattrs; i++)
        if (segue_slice_equal(c->set[i].name, name)) return true;
    for (size_t i = 0; i < c->m.n_drop_xattrs; i++)
        if (segue_slice_equal(c->drop[i], name)) return true;
    return false;
}

/* Why a case is wrong, or NULL. */
static const char *wrong_xattrs(const random_case *c, const segue_applied *a)
{
    const segue_record *base = c->base_or_none;
    bool was_live = base && seg_record_is_live(base, NOW), is_live = !a->rec.is_tombstone;
    bool anew = (is_live && !was_live) || (c->m.options & SEGUE_M_REPLACE_ALL);
    bool expired = base && !base->is_tombstone && !was_live;
    size_t kept = 0, set = 0;
    for (size_t i = 0; base && i < base->n_xattrs; i++) {
        const segue_xattr *old = &base->xattrs[i], *now = segue_record_xattr(&a->rec, old->name);
        if (is_named(c, old->name)) continue;
        bool must_go = anew || ((expired || (was_live && !is_live)) && !seg_xattr_is_system(old->name));
        if (must_go && now) return "an xattr stays that a rule removes";
        if (must_go) continue;
        if (!now || !segue_slice_equal(now->value, old->value)) return "an xattr that was not named has changed";
        kept++;
    }
    for (size_t i = 0; i < c->m.n_set_xattrs; i++, set++) {
        const segue_xattr *now = segue_record_xattr(&a->rec, c->set[i].name);
        if (!now || !segue_slice_equal(now->value, c->set[i].value)) return "an xattr was not set";
    }
    return a->rec.n_xattrs == kept + set ? NULL : "there are other xattrs than kept and set ones";
}

static const char *wrong_write(const random_case *c, const segue_applied *a)
{
    const segue_record *base = c->base_or_none;
    bool was_live = base && seg_record_is_live(base, NOW);
    if (a->rec.revision != (base ? base->revision : 0) + 1) return "the revision does not grow by 1";
    if (seg_record_check(&a->rec, &call_) != SEGUE_OK) return err.message;
    if (a->rec.is_tombstone && (a->rec.is_json || a->rec.expiry || a->rec.flags))
        return "a tombstone has more than xattrs";
    bool live = c->m.body_op == SEGUE_BODY_KEEP ? was_live : c->m.body_op != SEGUE_BODY_DELETE;
    if (a->rec.is_tombstone == live) return "live is dead, or dead is live";
    if (c->m.body_op == SEGUE_BODY_SET && !segue_slice_equal(a->rec.body, c->m.body)) return "another body than given";
    if (c->m.body_op == SEGUE_BODY_KEEP && live && !segue_slice_equal(a->rec.body, base->body))
        return "the body changed";
    if (c->m.body_op == SEGUE_BODY_ADD && was_live && !a->rec.is_json && c->m.json == SEGUE_JSON_AUTO)
        return "a counter that is no JSON";
    if (!a->rec.is_tombstone && a->rec.flags != (c->m.has_flags                                      ? c->m.flags
                                                 : was_live && !(c->m.options & SEGUE_M_REPLACE_ALL) ? base->flags
                                                                                                     : 0))
        return "other flags";
    if (c->m.expect == SEGUE_EXPECT_ABSENT && base) return "there was a record";
    if (c->m.expect == SEGUE_EXPECT_NOT_LIVE && was_live) return "there was a live document";
    if (c->m.expect == SEGUE_EXPECT_LIVE && !was_live) return "there was no live document";
    if ((c->m.expect == SEGUE_EXPECT_CAS || c->m.expect == SEGUE_EXPECT_RECORD_CAS) && (!base || base->cas != c->m.cas))
        return "the CAS was another";
    return wrong_xattrs(c, a);
}

static const char *wrong_nothing(const random_case *c, const segue_applied *a)
{
    const segue_record *base = c->base_or_none;
    if (!base) return a->rec.cas || a->rec.revision ? "nothing was there, but it has a CAS" : NULL;
    if (a->rec.cas != base->cas || a->rec.revision != base->revision) return "not written, but CAS or revision changed";
    if (c->m.n_set_xattrs && !(c->m.body_op == SEGUE_BODY_DELETE && (c->m.options & SEGUE_M_NOTHING_OK)))
        return "xattrs to set, and nothing is written";
    return NULL;
}

/* Twice the same; and the same from what an expired base reads as. */
static const char *unsteady(const random_case *c, segue_status st, const segue_applied *a)
{
    segue_applied b = {0};
    segue_doc read = {0};
    const segue_record *base = c->base_or_none;
    const char *why = NULL;
    if (base) {
        assert_int_equal(segue_doc_assign(&read, base), SEGUE_OK);
        seg_doc_expire(&read, NOW);
        base = &read.rec;
    }
    segue_status again = segue_apply((segue_slice)TEXT("k"), base, &c->m, NOW, &b, &call_);
    if (again != st) {
        why = "from what it reads as there is another status";
    } else if (st == SEGUE_OK) {
        if (a->write != b.write || a->counter != b.counter) why = "from what it reads as there is another outcome";
        else if (!seg_record_same(&a->rec, &b.rec)) why = "from what it reads as there is another record";
    }
    segue_applied_free(&b);
    segue_doc_free(&read);
    return why;
}

static void random_mutations_keep_what_no_rule_takes(void **state)
{
    (void)state;
    enum { ROUNDS = 40000 };
    segue_applied a = {0};
    size_t written = 0, nothing = 0, failed = 0;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        random_case c;
        char base[TEST_LINE], got[TEST_LINE];
        seed = round;
        (void)next_random(2);
        make_case(&c);
        segue_status st = segue_apply((segue_slice)TEXT("k"), c.base_or_none, &c.m, NOW, &a, &call_);
        const char *why = st != SEGUE_OK ? NULL : a.write ? wrong_write(&c, &a) : wrong_nothing(&c, &a);
        if (!why) why = unsteady(&c, st, &a);
        if (why) {
            test_show(c.base_or_none, base);
            test_show(&a.rec, got);
            fail_msg("round %u: %s: %s: body operation %d, expectation %d, options %u: \"%s\" -> \"%s\"",
                     (unsigned)round, why, segue_status_name(st), (int)c.m.body_op, (int)c.m.expect, c.m.options, base,
                     got);
        }
        if (st != SEGUE_OK) failed++;
        else if (a.write) written++;
        else nothing++;
    }
    segue_applied_free(&a);
    /* Each kind often enough to mean something. */
    if (written < 5000 || nothing < 100 || failed < 5000)
        fail_msg("%zu written, %zu not, %zu failed: the cases are too much alike", written, nothing, failed);
}

/* ---- out of memory ---- */

#define TWENTY "01234567890123456789"

typedef struct memory_case {
    int base; /* of states */
    segue_mutation m;
    const char *out, *sentence;
} memory_case;

static segue_status apply_once(void *ctx)
{
    const memory_case *c = ctx;
    segue_applied a = {0};
    char got[TEST_LINE];
    segue_status st = segue_apply((segue_slice)TEXT("k"), &states[c->base], &c->m, NOW, &a, &call_);
    test_show(&a.rec, got);
    if (st == SEGUE_OK && strcmp(got, c->out) != 0) st = SEGUE_CORRUPT;
    if (st == SEGUE_NO_MEMORY && !strstr(err.message, c->sentence)) st = SEGUE_CORRUPT;
    segue_applied_free(&a);
    return st;
}

static void running_out_of_memory_is_said_and_leaks_nothing(void **state)
{
    (void)state;
    memory_case cases[] = {
        {EXPIRING, {.body_op = SEGUE_BODY_APPEND, .body = TEXT("1")}, "L51 json exp=1001", "for a body of 2 bytes"},
        {EXPIRING,
         {.body_op = SEGUE_BODY_APPEND, .body = TEXT(TWENTY TWENTY TWENTY TWENTY)},
         "L5" TWENTY TWENTY TWENTY TWENTY " json exp=1001",
         "for a body of 81 bytes"},
        {EXPIRING, {.body_op = SEGUE_BODY_ADD, .delta = 1}, "L6 json exp=1001", "for a counter"},
        {EXPIRING,
         {.body_op = SEGUE_BODY_ADD, .delta = 1, X_SET(set_both)},
         "L6 json _a=[ 3 ],z=4 exp=1001",
         "out of memory for"},
        {XATTRS, {X_SET(set_u)}, "Lnull json _s=1,u=3", "for 3 xattrs"},
        {TOMB_SYS, {.body_op = SEGUE_BODY_DELETE, .options = SEGUE_M_NOTHING_OK}, "T _s=1", "for 1 xattr"},
    };
    for (size_t i = 0; i < N(cases); i++) test_fail_every_allocation(apply_once, &cases[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_happens_to_the_body),
        cmocka_unit_test(what_a_deletion_leaves),
        cmocka_unit_test(what_an_expectation_asks),
        cmocka_unit_test(what_happens_to_xattrs),
        cmocka_unit_test(what_happens_to_expiry_flags_and_json),
        cmocka_unit_test(what_is_too_big_is_refused_whole),
        cmocka_unit_test(system_xattrs_have_a_limit_together),
        cmocka_unit_test(there_are_at_most_64_xattrs),
        cmocka_unit_test(a_counter_goes_round_at_64_bits),
        cmocka_unit_test(random_mutations_keep_what_no_rule_takes),
        cmocka_unit_test(running_out_of_memory_is_said_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
