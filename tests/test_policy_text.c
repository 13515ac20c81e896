/* Policies from the text of a file: comments, the place and words of what is wrong, limits; and what a policy knows of itself:
 * its rules, its digest, the range of keys that it is about. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <segue/migrate.h>

#include "base/base.h"
#include "json_memory.h"
#include "migrate/policy.h"
#include "support/bucket.h"
#include "support/file.h"
#include "support/memory.h"

#define K(text) segue_str(text)
#define COUNT(array) (sizeof(array) / sizeof *(array))
#define RULE(text) "{\"rules\":[" text "]}"

static segue_policy *parsed(const char *text)
{
    segue_policy *policy = NULL;
    segue_status st = segue_policy_parse(K(text), &policy, &test_err);
    if (st != SEGUE_OK) fail_msg("%s: %s", text, test_err.message);
    return policy;
}

/* From memory that ends where the text does, so that a look behind it is seen. */
static segue_status parse_exactly(const char *text, segue_policy **policy)
{
    size_t size = strlen(text);
    char *copy = seg_alloc(size);
    assert_non_null(copy);
    memcpy(copy, text, size);
    segue_status st = segue_policy_parse(segue_bytes(copy, size), policy, &test_err);
    seg_free(copy);
    return st;
}

/* ---- comments ---- */

static void comments_may_stand_between_anything(void **state)
{
    (void)state;
    static const char *const texts[] = {
        RULE("") "//",
        RULE("") "// ends with the text",
        RULE("") "/**/",
        RULE("") "/* a * b / c **/",
        "/*/ not yet */" RULE(""),
        "//\n" RULE(""),
        "/* two\nlines */" RULE(""),
        "{/* \" */\"rules\"/**/:/* // */[//\"\n]}",
        "{\"rules\":[], \"unmatched\"://*\n\"leave\"}",
        "// no \xff UTF-8\n" RULE(""),
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        segue_policy *policy = NULL;
        segue_status st = parse_exactly(texts[i], &policy);
        if (st != SEGUE_OK) fail_msg("%s: %s", texts[i], test_err.message);
        assert_int_equal(segue_policy_n_rules(policy), 1);
        segue_policy_free(policy);
    }
}

/* In texts they are none, whatever is escaped in them. */
static void in_texts_there_are_no_comments(void **state)
{
    (void)state;
    static const struct {
        const char *text, *key;
    } rows[] = {
        {"a//b", "a//b"}, {"/*", "/*"}, {"*/", "*/"}, {"\\\"//b", "\"//b"}, {"\\\\", "\\"}, {"a\\\\\\\"/*", "a\\\"/*"},
    };
    char text[256];
    for (size_t i = 0; i < COUNT(rows); i++) {
        (void)snprintf(text, sizeof text, RULE("{\"key\":\"%s\",\"action\":\"move\"}") "//", rows[i].text); /* fits */
        segue_policy *policy = parsed(text);
        segue_rule rule = segue_policy_rule(policy, 0);
        if (!segue_slice_equal(rule.pattern, K(rows[i].key)))
            fail_msg("%s: %.*s", text, (int)rule.pattern.size, rule.pattern.data);
        assert_string_equal(rule.name, rows[i].key);
        segue_policy_free(policy);
    }
}

/* ---- what is wrong is said in these words ---- */

#define MOVE_A "{\"key\":\"a\",\"action\":\"move\"}"

static void wrong_texts_are_refused_in_words(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } rows[] = {
        {RULE("") "/*", "policy: a comment is not closed"},
        {RULE("") "/*/", "policy: a comment is not closed"},
        {RULE("") "/* *", "policy: a comment is not closed"},
        {RULE("") "/* / *", "policy: a comment is not closed"},
        {RULE("") "/", "policy: line 1, column 13: "},
        {RULE("") "/x", "policy: line 1, column 13: "},
        {"/* \n\n */\n  x", "policy: line 4, column 3: "},
        {"// x\n/* */ {", "policy: line 2, column 7: "},
        {"{\"rules", "policy: line 1, column 7: "},
        {"{\"rules\\", "policy: line 1, column 8: "},
        {"{\"rules\\\"", "policy: line 1, column 9: "},
        {"7", "policy: it is no object"},
        {RULE("[]"), "policy: rule 1: it is no object"},
        {"{}", "policy: it has no list of rules"},
        {"{\"rules\":[],\"rule\":1}", "policy: there is no field rule"},
        {"{\"rules\":[],\"unmatched\":[]}", "policy: unmatched is no text"},
        {"{\"rules\":[],\"unmatched\":\"?\"}", "policy: there is no action ?"},
        {"{\"rules\":[],\"unmatched\":\"drop\"}",
         "policy: unmatched keys can be left, moved, or stop the run; not drop"},
        {"{\"rules\":[],\"unmatched\":\"counter\"}",
         "policy: unmatched keys can be left, moved, or stop the run; not counter"},
        {RULE(MOVE_A ",{\"key\":\"b\"}"), "policy: rule 2: it has no action: move, drop, leave, counter or stop"},
        {RULE("{\"action\":\"move\"}"), "policy: rule 1: it has no pattern: key, prefix or glob"},
        {RULE("{\"key\":\"a\",\"glob\":\"b\",\"action\":\"move\"}"),
         "policy: rule 1: it has two patterns; key, prefix and glob exclude each other"},
        {RULE("{\"key\":\"a\",\"action\":\"keep\"}"), "policy: rule 1: there is no action keep"},
        {RULE("{\"key\":\"a\",\"action\":1}"), "policy: rule 1: action is no text"},
        {RULE("{\"glob\":1,\"action\":\"move\"}"), "policy: rule 1: glob is no text"},
        {RULE("{\"key\":\"a\",\"action\":\"move\",\"name\":{}}"), "policy: rule 1: name is no text"},
        {RULE("{\"key\":\"a\",\"action\":\"move\",\"last\":null}"), "policy: rule 1: last is neither true nor false"},
        {RULE("{\"key\":\"a\",\"action\":\"stop\",\"last\":true}"),
         "policy: rule 1: only what is moved can be moved last"},
        {RULE("{\"key\":\"a\",\"kye\":\"b\",\"action\":\"move\"}"), "policy: rule 1: there is no field kye"},
        {RULE("{\"key\":\"\",\"action\":\"move\"}"), "no key can match a key of 0 bytes"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        segue_policy *policy = NULL;
        segue_status st = parse_exactly(rows[i].text, &policy);
        if (st != SEGUE_INVALID_POLICY || test_err.status != st)
            fail_msg("%s: %s", rows[i].text, segue_status_name(st));
        if (strncmp(test_err.message, rows[i].words, strlen(rows[i].words)) != 0)
            fail_msg("%s: \"%s\", expected \"%s\"", rows[i].text, test_err.message, rows[i].words);
        assert_null(policy);
    }
}

static void an_empty_text_is_no_policy(void **state)
{
    (void)state;
    segue_policy *policy = NULL;
    assert_status(segue_policy_parse(segue_bytes(NULL, 0), &policy, &test_err), SEGUE_INVALID_POLICY);
    assert_says("policy: line 1");
}

/* ---- limits ---- */

static void a_text_has_at_most_16_mib(void **state)
{
    (void)state;
    segue_policy *policy = NULL;
    size_t size = (size_t)16 * 1024 * 1024;
    char *text = seg_alloc(size + 1);
    assert_non_null(text);
    memset(text, ' ', size + 1);
    memcpy(text, RULE(""), strlen(RULE("")));
    assert_ok(segue_policy_parse(segue_bytes(text, size), &policy, &test_err));
    segue_policy_free(policy);
    policy = NULL;
    assert_status(segue_policy_parse(segue_bytes(text, size + 1), &policy, &test_err), SEGUE_INVALID_POLICY);
    assert_says("policy: far too long");
    assert_null(policy);
    seg_free(text);
}

/* Of a kind of pattern this many bytes, all of one sort. */
static segue_status parse_pattern(const char *kind, size_t size, segue_policy **policy)
{
    char text[4 * SEGUE_KEY_MAX + 100];
    int n = snprintf(text, sizeof text, "{\"rules\":[{\"%s\":\"", kind);
    memset(text + n, 'k', size);
    (void)snprintf(text + n + size, sizeof text - (size_t)n - size, "\",\"action\":\"move\"}]}"); /* fits */
    return segue_policy_parse(K(text), policy, &test_err);
}

static void a_pattern_that_no_key_can_match_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *kind;
        size_t least, most;
    } rows[] = {{"key", 1, SEGUE_KEY_MAX}, {"prefix", 0, SEGUE_KEY_MAX}, {"glob", 0, (size_t)4 * SEGUE_KEY_MAX}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        const size_t sizes[] = {0, 1, SEGUE_KEY_MAX, SEGUE_KEY_MAX + 1, rows[i].most, rows[i].most + 1};
        for (size_t k = 0; k < COUNT(sizes); k++) {
            segue_policy *policy = NULL;
            bool fits = sizes[k] >= rows[i].least && sizes[k] <= rows[i].most;
            segue_status st = parse_pattern(rows[i].kind, sizes[k], &policy);
            if (st != (fits ? SEGUE_OK : SEGUE_INVALID_POLICY))
                fail_msg("%s of %zu bytes: %s", rows[i].kind, sizes[k], segue_status_name(st));
            char words[64];
            (void)snprintf(words, sizeof words, "no key can match a %s of %zu bytes", rows[i].kind,
                           sizes[k]); /* fits */
            if (!fits) assert_string_equal(test_err.message, words);
            segue_policy_free(policy);
        }
    }
}

static segue_status add_key(segue_policy *policy, const char *key, size_t size)
{
    char pattern[64], name[] = "n";
    memcpy(pattern, key, size);
    pattern[size] = '\0';
    seg_policy_rule rule = {.kind = SEG_RULE_KEY, .pattern = pattern, .size = size, .name = name};
    return seg_policy_add(policy, &rule, &test_err);
}

static void patterns_of_no_key_or_of_segues_own_are_refused(void **state)
{
    (void)state;
    segue_policy *policy = NULL;
    assert_ok(seg_policy_new(&policy, &test_err));
    assert_status(add_key(policy, "a\0b", 3), SEGUE_INVALID_POLICY);
    assert_int_equal(test_err.status, SEGUE_INVALID_POLICY);
    assert_says("a key has no NUL, so it cannot match \"a\"");
    assert_status(add_key(policy, "_segue:", 7), SEGUE_INVALID_POLICY);
    assert_says("\"_segue:\": keys that begin with \"_segue:\" are Segue's own");
    assert_ok(add_key(policy, "_segue", 6));
    assert_ok(add_key(policy, "segue:", 6));
    assert_int_equal(policy->n_rules, 2);
    segue_policy_free(policy);
    segue_policy_free(NULL); /* legal */
}

/* As many as there may be, and one more. What they are does not matter: each is compared with the new one. */
static void a_policy_has_at_most_100000_rules(void **state)
{
    (void)state;
    enum { MOST = 100000 };
    segue_policy *policy = NULL;
    assert_ok(seg_policy_new(&policy, &test_err));
    policy->capacity = MOST + 8; /* as it grows, there is room for more */
    policy->rules = seg_alloc_zero(policy->capacity * sizeof *policy->rules);
    assert_non_null(policy->rules);
    policy->n_rules = MOST - 1;
    assert_ok(add_key(policy, "the last", 8));
    assert_int_equal(policy->n_rules, MOST);
    assert_ok(add_key(policy, "the last", 8)); /* it is there already */
    assert_status(add_key(policy, "one more", 8), SEGUE_TOO_BIG);
    assert_int_equal(test_err.status, SEGUE_TOO_BIG);
    assert_says("a policy of more than 100000 rules");
    assert_int_equal(policy->n_rules, MOST);
    segue_policy_free(policy);
}

/* ---- rules ---- */

/* More than there is room for at first, and each is still there. */
static void hundreds_of_rules_are_kept_in_order(void **state)
{
    (void)state;
    enum { N = 300 };
    segue_policy *policy = NULL;
    char key[16];
    assert_ok(seg_policy_new(&policy, &test_err));
    for (int i = 0; i < N; i++) {
        int size = snprintf(key, sizeof key, "k%d", i); /* fits */
        assert_ok(add_key(policy, key, (size_t)size));
        assert_true(policy->n_rules <= policy->capacity && policy->capacity <= 512);
    }
    assert_ok(seg_policy_finish(policy, SEGUE_ACTION_STOP, &test_err));
    assert_int_equal(segue_policy_n_rules(policy), N + 1);
    for (int i = 0; i < N; i++) {
        (void)snprintf(key, sizeof key, "k%d", i); /* fits */
        assert_int_equal(segue_policy_classify(policy, K(key)), i);
    }
    assert_int_equal(segue_policy_classify(policy, K("else")), N);
    assert_true(policy->can_stop);
    segue_policy_free(policy);
}

/* A rule that would never be asked is left out. */
static void the_same_pattern_again_is_not_another_rule(void **state)
{
    (void)state;
    segue_policy *policy = parsed(RULE(MOVE_A
                                       ",{\"key\":\"a\",\"action\":\"stop\"},{\"prefix\":\"a\",\"action\":\"drop\"},"
                                       "{\"glob\":\"a\",\"action\":\"drop\"},{\"key\":\"b\",\"action\":\"drop\"}"));
    assert_int_equal(segue_policy_n_rules(policy), 5);
    assert_int_equal(segue_policy_rule(policy, 0).action, SEGUE_ACTION_MOVE);
    assert_string_equal(segue_policy_rule(policy, 1).kind, "prefix");
    assert_false(policy->can_stop || policy->has_last);
    segue_policy_free(policy);
    policy = parsed(RULE("{\"key\":\"a\",\"action\":\"stop\"},{\"key\":\"b\",\"action\":\"move\",\"last\":false}"));
    assert_true(policy->can_stop && !policy->has_last);
    segue_policy_free(policy);
    policy = parsed(RULE("{\"key\":\"b\",\"action\":\"move\",\"last\":true}," MOVE_A));
    assert_true(!policy->can_stop && policy->has_last);
    assert_true(segue_policy_rule(policy, 0).last && !segue_policy_rule(policy, 1).last);
    assert_null(segue_policy_rule(policy, 0).database);
    segue_policy_free(policy);
}

static void actions_have_names(void **state)
{
    (void)state;
    static const char *const names[] = {"move", "drop", "leave", "counter", "stop", "?", "?"};
    for (unsigned i = 0; i < COUNT(names); i++) assert_string_equal(segue_action_name((segue_action)i), names[i]);
    assert_string_equal(segue_action_name((segue_action)-1), "?");
    for (unsigned i = 0; i < SEGUE_N_ACTIONS; i++) { /* each can be written */
        char text[64];
        (void)snprintf(text, sizeof text, RULE("{\"key\":\"a\",\"action\":\"%s\"}"), names[i]); /* fits */
        segue_policy *policy = parsed(text);
        assert_int_equal(segue_policy_rule(policy, 0).action, i);
        segue_policy_free(policy);
    }
}

/* ---- globs ---- */

/* From memory that ends where they do. */
static bool matches(const char *pattern, const char *key)
{
    size_t p = strlen(pattern), k = strlen(key);
    char *copies[] = {seg_alloc(p), seg_alloc(k)};
    assert_non_null(copies[0]);
    assert_non_null(copies[1]);
    memcpy(copies[0], pattern, p);
    memcpy(copies[1], key, k);
    bool is = seg_glob_matches(segue_bytes(copies[0], p), segue_bytes(copies[1], k));
    seg_free(copies[0]);
    seg_free(copies[1]);
    return is;
}

/* What a glob means, said by recursion. */
static bool should_match(const char *p, const char *k)
{
    if (*p == '*') return should_match(p + 1, k) || (*k && should_match(p, k + 1));
    if (!*p || !*k) return !*p && !*k;
    if (*p == '?') return should_match(p + 1, k + 1);
    if (*p == '\\' && p[1]) p++;
    return *p == *k && should_match(p + 1, k + 1);
}

static void number_to_text(unsigned number, const char *alphabet, char *out)
{
    size_t n = strlen(alphabet) + 1;
    for (; number; number /= (unsigned)n)
        if (number % n) *out++ = alphabet[number % n - 1];
    *out = '\0';
}

/* Each short pattern with each short key. */
static void globs_are_what_they_mean(void **state)
{
    (void)state;
    char pattern[8], key[8];
    for (unsigned p = 0; p < 6 * 6 * 6 * 6 * 6; p++) {
        number_to_text(p, "ab*?\\", pattern);
        for (unsigned k = 0; k < 4 * 4 * 4 * 4; k++) {
            number_to_text(k, "ab\\", key);
            bool is = seg_glob_matches(K(pattern), K(key));
            if (is != should_match(pattern, key)) fail_msg("%s and %s: %d", pattern, key, is);
        }
    }
}

static void a_glob_ends_where_it_ends(void **state)
{
    (void)state;
    assert_true(matches("a*", "abc"));
    assert_true(matches("*b*", "abcb"));
    assert_true(matches("a?", "ab"));
    assert_false(matches("a", "ab"));
    assert_false(matches("a?", "abc"));
    assert_true(matches("a\\", "a\\"));
    assert_false(matches("a\\", "a"));
    assert_false(matches("", "a"));
    assert_false(matches("a", "abc"));
    assert_false(seg_glob_matches(K("a"), segue_bytes("a\0", 2))); /* a key that only another program writes */
    assert_true(seg_glob_matches(K("a?"), segue_bytes("a\0", 2)));
}

/* ---- what a policy knows of itself ---- */

static void digest_of(const segue_policy *policy, char out[SEGUE_POLICY_DIGEST_SIZE])
{
    memset(out, '?', SEGUE_POLICY_DIGEST_SIZE);
    segue_policy_digest(policy, out);
    assert_int_equal(strspn(out, "0123456789abcdef"), 16);
    assert_int_equal(out[16], '\0');
}

/* A run may be resumed under the same policy only, by whatever version of the program. */
static void the_digest_of_a_policy_stays(void **state)
{
    (void)state;
    char a[SEGUE_POLICY_DIGEST_SIZE], b[SEGUE_POLICY_DIGEST_SIZE];
    segue_policy *policy = parsed(RULE(MOVE_A));
    digest_of(policy, a);
    segue_policy_free(policy);
    policy = parsed(RULE("{\"key\":\"a\",\"action\":\"move\",\"name\":\"another\"}")); /* a name moves nothing */
    digest_of(policy, b);
    segue_policy_free(policy);
    assert_string_equal(a, b);
    policy = parsed(RULE("{\"prefix\":\"a\",\"action\":\"move\"},{\"prefix\":\"\",\"action\":\"drop\"}"));
    digest_of(policy, b);
    segue_policy_free(policy);
    assert_string_not_equal(a, b);
}

static void digest_with_siblings(const char *const *siblings, size_t n, char out[SEGUE_POLICY_DIGEST_SIZE])
{
    segue_policy *policy = NULL;
    segue_sg_database db = {.sibling_ids = siblings, .n_sibling_ids = n};
    assert_ok(segue_policy_sync_gateway(&db, &policy, &test_err));
    digest_of(policy, out);
    segue_policy_free(policy);
}

static void the_digest_changes_with_the_siblings(void **state)
{
    (void)state;
    static const char *const sets[][2] = {{"a", "bc"}, {"ab", "c"}, {"a", "bd"}, {"a", "b"}, {"bc", "a"}, {"a", "bcd"}};
    char digests[COUNT(sets) + 2][SEGUE_POLICY_DIGEST_SIZE];
    digest_with_siblings(NULL, 0, digests[0]);
    digest_with_siblings(sets[0], 1, digests[1]);
    for (size_t i = 0; i < COUNT(sets); i++) digest_with_siblings(sets[i], 2, digests[i + 2]);
    for (size_t i = 0; i < COUNT(digests); i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(digests[i], digests[k]) == 0) fail_msg("sets %zu and %zu: %s", i, k, digests[i]);
}

static void the_range_begins_and_ends_with_what_all_have_in_common(void **state)
{
    (void)state;
    static const struct {
        const char *rules, *from, *to;
    } rows[] = {
        {"", "", ""},
        {MOVE_A, "a", "b"},
        {"{\"key\":\"abc\",\"action\":\"move\"},{\"key\":\"abd\",\"action\":\"move\"}", "ab", "ac"},
        {"{\"key\":\"abc\",\"action\":\"move\"},{\"prefix\":\"abcd\",\"action\":\"drop\"}", "abc", "abd"},
        {"{\"prefix\":\"abcd\",\"action\":\"drop\"},{\"key\":\"abc\",\"action\":\"move\"}", "abc", "abd"},
        {"{\"prefix\":\"abcd\",\"action\":\"drop\"},{\"key\":\"ab\",\"action\":\"move\"},"
         "{\"key\":\"abcd\",\"action\":\"move\"}",
         "ab", "ac"},
        {"{\"glob\":\"ab*c\",\"action\":\"drop\"}", "ab", "ac"},
        {"{\"glob\":\"ab?c\",\"action\":\"drop\"}", "ab", "ac"},
        {"{\"glob\":\"ab\\\\*\",\"action\":\"drop\"}", "ab", "ac"},
        {"{\"glob\":\"ab*\",\"action\":\"drop\"},{\"key\":\"ab*x\",\"action\":\"move\"}", "ab", "ac"},
        {"{\"key\":\"ab*x\",\"action\":\"move\"},{\"glob\":\"ab*\",\"action\":\"drop\"}", "ab", "ac"},
        {"{\"key\":\"ab*x\",\"action\":\"move\"},{\"glob\":\"ab*x\",\"action\":\"drop\"}", "ab", "ac"},
        {"{\"glob\":\"*\",\"action\":\"drop\"}", "", ""},
        {"{\"prefix\":\"\",\"action\":\"counter\"}", "", ""},
        {"{\"prefix\":\"b\",\"action\":\"leave\"}," MOVE_A, "a", "b"},
        {MOVE_A ",{\"key\":\"b\",\"action\":\"counter\"}", "", ""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[300];
        (void)snprintf(text, sizeof text, RULE("%s"), rows[i].rules); /* fits */
        segue_policy *policy = parsed(text);
        segue_bounds b = seg_policy_bounds(policy);
        assert_true(b.tombstones && b.to_open && !b.from_open);
        if (!segue_slice_equal(b.from, K(rows[i].from)) || !segue_slice_equal(b.to, K(rows[i].to)))
            fail_msg("%s: from %.*s to %.*s", text, (int)b.from.size, b.from.data, (int)b.to.size, b.to.data);
        segue_policy_free(policy);
    }
}

/* JSON cannot say it, a rule of our own can: no byte comes after 255. */
static void after_the_greatest_byte_comes_the_next_of_the_one_before(void **state)
{
    (void)state;
    static const struct {
        const char *key, *to;
    } rows[] = {{"a\xff", "b"}, {"a\xff\xff", "b"}, {"\xff", ""}, {"\xff\xff", ""}, {"\x7f", "\x80"}, {"\xfe", "\xff"}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        segue_policy *policy = NULL;
        assert_ok(seg_policy_new(&policy, &test_err));
        assert_ok(add_key(policy, rows[i].key, strlen(rows[i].key)));
        assert_ok(seg_policy_finish(policy, SEGUE_ACTION_LEAVE, &test_err));
        segue_bounds b = seg_policy_bounds(policy);
        assert_true(segue_slice_equal(b.from, K(rows[i].key)));
        if (!segue_slice_equal(b.to, K(rows[i].to))) fail_msg("row %zu: to %.*s", i, (int)b.to.size, b.to.data);
        segue_policy_free(policy);
    }
}

/* ---- without memory ---- */

static const char long_text[] = RULE(
    "{\"key\":\"abcdefghijklmnop\",\"action\":\"counter\",\"name\":\"a name\"},"
    "{\"prefix\":\"abc\",\"action\":\"move\"},{\"glob\":\"abd*\",\"action\":\"stop\"}");

/* The digest tells whether a rule was lost on the way. */
static segue_status parse_once(void *ctx)
{
    segue_policy *policy = NULL;
    test_err = (segue_error){0};
    segue_status st = segue_policy_parse(K(long_text), &policy, &test_err);
    if (st != SEGUE_OK) return policy || test_err.status != st || !test_err.message[0] ? SEGUE_CORRUPT : st;
    if (strcmp(policy->digest, ctx) != 0 || strcmp(policy->scope, "ab") != 0 || strcmp(policy->beyond, "ac") != 0)
        st = SEGUE_CORRUPT;
    segue_policy_free(policy);
    return st;
}

static void without_memory_it_says_so(void **state)
{
    (void)state;
    segue_policy *policy = parsed(long_text);
    char digest[SEGUE_POLICY_DIGEST_SIZE];
    digest_of(policy, digest);
    segue_policy_free(policy);
    test_fail_every_allocation(parse_once, digest);
}

static void a_policy_gives_all_back(void **state)
{
    (void)state;
    static const char *const texts[] = {long_text, RULE(""), "{\"rules\":[],\"unmatched\":\"move\"}"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        test_memory_begin();
        segue_policy_free(parsed(texts[i]));
        test_memory_end();
    }
}

static void all_of_json_is_given_back(void **state)
{
    (void)state;
    json_memory_begin();
    segue_policy *policy = parsed(long_text);
    assert_int_equal(json_memory_end(), 0);
    segue_policy_free(policy);
    json_memory_begin();
    assert_status(segue_policy_parse(K(RULE("7")), &policy, &test_err), SEGUE_INVALID_POLICY);
    assert_int_equal(json_memory_end(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comments_may_stand_between_anything),
        cmocka_unit_test(in_texts_there_are_no_comments),
        cmocka_unit_test(wrong_texts_are_refused_in_words),
        cmocka_unit_test(an_empty_text_is_no_policy),
        cmocka_unit_test(a_text_has_at_most_16_mib),
        cmocka_unit_test(a_pattern_that_no_key_can_match_is_refused),
        cmocka_unit_test(patterns_of_no_key_or_of_segues_own_are_refused),
        cmocka_unit_test(a_policy_has_at_most_100000_rules),
        cmocka_unit_test(hundreds_of_rules_are_kept_in_order),
        cmocka_unit_test(the_same_pattern_again_is_not_another_rule),
        cmocka_unit_test(actions_have_names),
        cmocka_unit_test(globs_are_what_they_mean),
        cmocka_unit_test(a_glob_ends_where_it_ends),
        cmocka_unit_test(the_digest_of_a_policy_stays),
        cmocka_unit_test(the_digest_changes_with_the_siblings),
        cmocka_unit_test(the_range_begins_and_ends_with_what_all_have_in_common),
        cmocka_unit_test(after_the_greatest_byte_comes_the_next_of_the_one_before),
        cmocka_unit_test(without_memory_it_says_so),
        cmocka_unit_test(a_policy_gives_all_back),
        cmocka_unit_test(all_of_json_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
