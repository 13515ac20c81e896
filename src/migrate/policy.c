/* L5: rules and which of them takes a key. Immutable once finished, hence any thread. */
#include "migrate/policy.h"

#include "base/base.h"
#include "doc/doc.h"
#include "store/call.h"

#include <stdio.h>

static const char *const action_names[] = {"move", "drop", "leave", "counter", "stop"};
static const char *const kind_names[] = {"key", "prefix", "glob", "outside", "unmatched"};

const char *segue_action_name(segue_action action)
{
    return (unsigned)action < SEGUE_N_ACTIONS ? action_names[action] : "?";
}

/* ---- making ---- */

static segue_status no_memory(segue_error *reterr)
{
    return seg_error_set(reterr, SEGUE_NO_MEMORY, "out of memory for a policy");
}

segue_status seg_policy_new(segue_policy **ret_policy, segue_error *reterr)
{
    *ret_policy = seg_alloc_zero(sizeof **ret_policy);
    return *ret_policy ? SEGUE_OK : no_memory(reterr);
}

static void free_rule(seg_policy_rule *rule)
{
    seg_free(rule->pattern);
    seg_free(rule->name);
    seg_free(rule->database);
}

void segue_policy_free(segue_policy *policy)
{
    if (!policy) return;
    for (size_t i = 0; i < policy->n_rules; i++) free_rule(&policy->rules[i]);
    for (size_t i = 0; i < policy->n_siblings; i++) seg_free(policy->siblings[i]);
    seg_free(policy->rules);
    seg_free(policy->siblings);
    seg_free(policy->scope);
    seg_free(policy->beyond);
    seg_free(policy);
}

static segue_slice pattern_of(const seg_policy_rule *rule) { return segue_bytes(rule->pattern, rule->size); }

static segue_status check_pattern(const seg_policy_rule *rule, segue_error *reterr)
{
    segue_slice pattern = pattern_of(rule), reserved = segue_str(SEG_RESERVED_PREFIX);
    bool is_key = rule->kind == SEG_RULE_KEY;
    size_t most = rule->kind == SEG_RULE_GLOB ? 4 * (size_t)SEGUE_KEY_MAX : SEGUE_KEY_MAX;
    if (pattern.size > most || (is_key && pattern.size == 0))
        return seg_error_set(reterr, SEGUE_INVALID_POLICY, "no key can match a %s of %zu bytes", kind_names[rule->kind],
                             pattern.size);
    if (pattern.size && memchr(pattern.data, '\0', pattern.size))
        return seg_error_set(reterr, SEGUE_INVALID_POLICY, "a key has no NUL, so it cannot match \"%s\"",
                             rule->pattern);
    if (segue_slice_starts_with(pattern, reserved))
        return seg_error_set(reterr, SEGUE_INVALID_POLICY, "\"%s\": keys that begin with \"%s\" are Segue's own",
                             rule->pattern, SEG_RESERVED_PREFIX);
    return SEGUE_OK;
}

static bool is_there(const segue_policy *policy, const seg_policy_rule *rule)
{
    for (size_t i = 0; i < policy->n_rules; i++)
        if (policy->rules[i].kind == rule->kind && segue_slice_equal(pattern_of(&policy->rules[i]), pattern_of(rule)) &&
            !(policy->rules[i].flags & SEG_RULE_EXCEPT_SIBLINGS))
            return true;
    return false;
}

static segue_status grow(segue_policy *policy, segue_error *reterr)
{
    if (policy->n_rules >= SEG_POLICY_RULES_MAX)
        return seg_error_set(reterr, SEGUE_TOO_BIG, "a policy of more than %d rules", SEG_POLICY_RULES_MAX);
    if (policy->n_rules < policy->capacity) return SEGUE_OK;
    size_t capacity = policy->capacity ? policy->capacity * 2 : 64;
    seg_policy_rule *rules = seg_realloc(policy->rules, capacity * sizeof *rules);
    if (!rules) return no_memory(reterr);
    policy->rules = rules;
    policy->capacity = capacity;
    return SEGUE_OK;
}

segue_status seg_policy_add(segue_policy *policy, const seg_policy_rule *rule, segue_error *reterr)
{
    segue_status st = check_pattern(rule, reterr);
    if (st == SEGUE_OK && is_there(policy, rule)) return SEGUE_OK;
    if (st == SEGUE_OK) st = grow(policy, reterr);
    if (st != SEGUE_OK) return st;
    seg_policy_rule *own = &policy->rules[policy->n_rules];
    *own = *rule;
    own->pattern = seg_strndup(rule->pattern, rule->size);
    own->name = seg_strdup(rule->name);
    own->database = rule->database ? seg_strdup(rule->database) : NULL;
    if (!own->pattern || !own->name || (rule->database && !own->database)) {
        free_rule(own);
        return no_memory(reterr);
    }
    policy->n_rules++;
    policy->has_last |= (rule->flags & SEG_RULE_LAST) != 0;
    policy->can_stop |= rule->action == SEGUE_ACTION_STOP;
    return SEGUE_OK;
}

segue_status seg_policy_add_sibling(segue_policy *policy, const char *id, segue_error *reterr)
{
    size_t size = strlen(id);
    char **siblings = seg_realloc(policy->siblings, (policy->n_siblings + 1) * sizeof *siblings);
    if (!siblings) return no_memory(reterr);
    policy->siblings = siblings;
    char *text = seg_alloc(size + 2);
    if (!text) return no_memory(reterr);
    memcpy(text, id, size);
    memcpy(text + size, ":", 2);
    siblings[policy->n_siblings++] = text;
    return SEGUE_OK;
}

/* ---- what a finished policy knows of itself ---- */

static segue_status digest(segue_policy *policy)
{
    SEG_AUTO(segue_buf) text = {0};
    segue_status st = SEGUE_OK;
    for (size_t i = 0; i < policy->n_rules && st == SEGUE_OK; i++) {
        const seg_policy_rule *r = &policy->rules[i];
        char head[80];
        int n = snprintf(head, sizeof head, "%s %s %u %zu ", kind_names[r->kind], action_names[r->action], r->flags,
                         r->size);
        st = segue_buf_append(&text, head, (size_t)n);
        if (st == SEGUE_OK && r->size) st = segue_buf_append(&text, r->pattern, r->size);
    }
    for (size_t i = 0; i < policy->n_siblings && st == SEGUE_OK; i++)
        st = segue_buf_append(&text, policy->siblings[i], strlen(policy->siblings[i]) + 1);
    if (st != SEGUE_OK) return st;
    segue_record all = {.key = segue_str("policy"), .body = segue_buf_slice(&text)};
    (void)snprintf(policy->digest, sizeof policy->digest, "%016llx", (unsigned long long)seg_record_digest(&all).low);
    return SEGUE_OK;
}

/* What every key that the rule takes begins with. */
static size_t literal_size(const seg_policy_rule *r)
{
    if (r->kind == SEG_RULE_GLOB) return strcspn(r->pattern, "*?\\");
    return r->kind == SEG_RULE_KEY || r->kind == SEG_RULE_PREFIX ? r->size : 0;
}

/* The common beginning of all keys that something is done about. Leaving needs no look. */
static segue_status find_scope(segue_policy *policy)
{
    const char *common = NULL;
    size_t size = 0;
    for (size_t i = 0; i < policy->n_rules; i++) {
        const seg_policy_rule *r = &policy->rules[i];
        size_t n = literal_size(r), same = 0;
        if (r->action == SEGUE_ACTION_LEAVE) continue;
        while (common && same < n && same < size && common[same] == r->pattern[same]) same++;
        size = common ? same : n;
        common = r->pattern;
    }
    policy->scope = seg_strndup(common ? common : "", size);
    policy->beyond = seg_strndup(common ? common : "", size);
    if (!policy->scope || !policy->beyond) return SEGUE_NO_MEMORY;
    while (size > 0 && (unsigned char)policy->beyond[size - 1] == 0xff) policy->beyond[--size] = '\0';
    if (size > 0) {
        policy->beyond[size - 1]++;
    } else {
        seg_free(policy->beyond);
        policy->beyond = NULL;
    }
    return SEGUE_OK;
}

segue_status seg_policy_finish(segue_policy *policy, segue_action unmatched, segue_error *reterr)
{
    char empty[] = "", name[] = "unmatched";
    seg_policy_rule rest = {.kind = SEG_RULE_UNMATCHED, .pattern = empty, .name = name, .action = unmatched};
    segue_status st = seg_policy_add(policy, &rest, reterr);
    if (st != SEGUE_OK) return st;
    st = digest(policy);
    if (st == SEGUE_OK) st = find_scope(policy);
    return st == SEGUE_OK ? st : no_memory(reterr);
}

segue_bounds seg_policy_bounds(const segue_policy *policy)
{
    segue_bounds b = {.tombstones = true, .to_open = true};
    if (policy->scope[0]) b.from = segue_str(policy->scope);
    if (policy->beyond) b.to = segue_str(policy->beyond);
    return b;
}

/* ---- asking ---- */

bool seg_glob_matches(segue_slice pattern, segue_slice key)
{
    size_t p = 0, k = 0, star = SIZE_MAX, resume = 0;
    while (k < key.size) {
        char c = p < pattern.size ? pattern.data[p] : '\0';
        bool escaped = c == '\\' && p + 1 < pattern.size;
        if (c == '*') {
            star = p++;
            resume = k;
        } else if (p < pattern.size && (escaped ? pattern.data[p + 1] == key.data[k] : c == '?' || c == key.data[k])) {
            p += escaped ? 2 : 1;
            k++;
        } else if (star != SIZE_MAX) {
            p = star + 1; /* let the last star take one byte more */
            k = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.size && pattern.data[p] == '*') p++;
    return p == pattern.size;
}

static bool goes_on_with_sibling(const segue_policy *policy, segue_slice key, size_t at)
{
    segue_slice rest = segue_bytes(key.data + at, key.size - at);
    for (size_t i = 0; i < policy->n_siblings; i++)
        if (segue_slice_starts_with(rest, segue_str(policy->siblings[i]))) return true;
    return false;
}

static bool takes(const segue_policy *policy, const seg_policy_rule *rule, segue_slice key)
{
    switch (rule->kind) {
    case SEG_RULE_KEY: return segue_slice_equal(key, pattern_of(rule));
    case SEG_RULE_PREFIX:
        return segue_slice_starts_with(key, pattern_of(rule)) &&
               !((rule->flags & SEG_RULE_EXCEPT_SIBLINGS) && goes_on_with_sibling(policy, key, rule->size));
    case SEG_RULE_GLOB: return seg_glob_matches(pattern_of(rule), key);
    case SEG_RULE_OUTSIDE: return !segue_slice_starts_with(key, pattern_of(rule));
    case SEG_RULE_UNMATCHED: break;
    }
    return true;
}

size_t segue_policy_n_rules(const segue_policy *policy) { return policy->n_rules; }

segue_rule segue_policy_rule(const segue_policy *policy, size_t number)
{
    seg_assert(number < policy->n_rules);
    const seg_policy_rule *r = &policy->rules[number];
    segue_rule rule = {r->name,       r->database, kind_names[r->kind],
                       pattern_of(r), r->action,   (r->flags & SEG_RULE_LAST) != 0};
    return rule;
}

size_t segue_policy_classify(const segue_policy *policy, segue_slice key)
{
    size_t i = 0;
    while (!takes(policy, &policy->rules[i], key)) i++; /* the last one takes all */
    return i;
}

void segue_policy_digest(const segue_policy *policy, char out[SEGUE_POLICY_DIGEST_SIZE])
{
    memcpy(out, policy->digest, SEGUE_POLICY_DIGEST_SIZE);
}
