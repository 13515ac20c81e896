/* L5: policies from the text of a file: JSON with comments. Pure. */
#include "base/base.h"
#include "migrate/policy.h"

#include <jansson.h>

/* ---- comments become spaces, so that lines and columns stay ---- */

/* From the opening quote to after the closing one. */
static size_t skip_string(const char *text, size_t size, size_t at)
{
    for (at++; at < size && text[at] != '"'; at++)
        if (text[at] == '\\') at++;
    return at < size ? at + 1 : size;
}

/* After the comment that begins at `at`; 0: it is not closed. */
static size_t end_of_comment(const char *text, size_t size, size_t at)
{
    if (text[at + 1] == '/') {
        while (at < size && text[at] != '\n') at++;
        return at;
    }
    for (at += 2; at + 1 < size; at++)
        if (text[at] == '*' && text[at + 1] == '/') return at + 2;
    return 0;
}

/* False: a comment is not closed. */
static bool blank_comments(char *text, size_t size)
{
    for (size_t at = 0; at < size;) {
        if (text[at] == '"') {
            at = skip_string(text, size, at);
        } else if (text[at] == '/' && at + 1 < size && (text[at + 1] == '/' || text[at + 1] == '*')) {
            size_t end = end_of_comment(text, size, at);
            if (end == 0) return false;
            for (; at < end; at++)
                if (text[at] != '\n') text[at] = ' ';
        } else {
            at++;
        }
    }
    return true;
}

/* ---- fields ---- */

typedef struct reading {
    segue_policy *policy;
    segue_error *err;
    size_t number; /* of the rule, from 1; 0 the file itself */
} reading;

static segue_status wrong(const reading *r, const char *what, const char *detail)
{
    if (r->number)
        return seg_error_set(r->err, SEGUE_INVALID_POLICY, "policy: rule %zu: %s%s", r->number, what, detail);
    return seg_error_set(r->err, SEGUE_INVALID_POLICY, "policy: %s%s", what, detail);
}

static segue_status only_fields(const reading *r, json_t *object, const char *const *names)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        size_t i = 0;
        while (names[i] && strcmp(names[i], key) != 0) i++;
        if (!names[i]) return wrong(r, "there is no field ", key);
    }
    return SEGUE_OK;
}

/* A text field, NULL if it is not there. */
static segue_status text_field(const reading *r, const json_t *object, const char *name, json_t **ret_text)
{
    *ret_text = json_object_get(object, name);
    if (*ret_text && !json_is_string(*ret_text)) return wrong(r, name, " is no text");
    return SEGUE_OK;
}

static segue_status action_field(const reading *r, const json_t *object, const char *name, segue_action *ret_action,
                                 bool *ret_found)
{
    json_t *text = NULL;
    segue_status st = text_field(r, object, name, &text);
    if (st != SEGUE_OK || !text) return st;
    for (unsigned i = 0; i < SEGUE_N_ACTIONS; i++)
        if (strcmp(json_string_value(text), segue_action_name((segue_action)i)) == 0) {
            *ret_action = (segue_action)i;
            *ret_found = true;
            return SEGUE_OK;
        }
    return wrong(r, "there is no action ", json_string_value(text));
}

static segue_status pattern_field(const reading *r, const json_t *object, seg_policy_rule *rule, json_t **ret_pattern)
{
    static const struct {
        const char *name;
        seg_rule_kind kind;
    } kinds[] = {{"key", SEG_RULE_KEY}, {"prefix", SEG_RULE_PREFIX}, {"glob", SEG_RULE_GLOB}};
    json_t *pattern = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        json_t *text = NULL;
        segue_status st = text_field(r, object, kinds[i].name, &text);
        if (st != SEGUE_OK) return st;
        if (text && pattern) return wrong(r, "it has two patterns; key, prefix and glob exclude each other", "");
        if (!text) continue;
        pattern = text;
        rule->kind = kinds[i].kind;
    }
    if (!pattern) return wrong(r, "it has no pattern: key, prefix or glob", "");
    *ret_pattern = pattern;
    return SEGUE_OK;
}

static segue_status read_rule(const reading *r, json_t *object)
{
    static const char *const known[] = {"key", "prefix", "glob", "action", "name", "last", NULL};
    json_t *pattern = NULL, *name = NULL;
    seg_policy_rule rule = {0};
    bool has_action = false;
    if (!json_is_object(object)) return wrong(r, "it is no object", "");
    segue_status st = only_fields(r, object, known);
    if (st == SEGUE_OK) st = pattern_field(r, object, &rule, &pattern);
    if (st == SEGUE_OK) st = text_field(r, object, "name", &name);
    if (st == SEGUE_OK) st = action_field(r, object, "action", &rule.action, &has_action);
    if (st != SEGUE_OK) return st;
    if (!has_action) return wrong(r, "it has no action: move, drop, leave, counter or stop", "");
    const json_t *last = json_object_get(object, "last");
    if (last && !json_is_boolean(last)) return wrong(r, "last is neither true nor false", "");
    if (json_is_true(last)) rule.flags |= SEG_RULE_LAST;
    if ((rule.flags & SEG_RULE_LAST) && rule.action != SEGUE_ACTION_MOVE)
        return wrong(r, "only what is moved can be moved last", "");
    /* The copies are made by seg_policy_add. */
    SEG_AUTO_STRING own_pattern = seg_strndup(json_string_value(pattern), json_string_length(pattern));
    SEG_AUTO_STRING own_name = seg_strdup(json_string_value(name ? name : pattern));
    if (!own_pattern || !own_name) return seg_error_set(r->err, SEGUE_NO_MEMORY, "out of memory for a policy");
    rule.pattern = own_pattern;
    rule.size = json_string_length(pattern);
    rule.name = own_name;
    return seg_policy_add(r->policy, &rule, r->err);
}

static segue_status read_file(reading *r, json_t *root)
{
    static const char *const known[] = {"rules", "unmatched", NULL};
    segue_action unmatched = SEGUE_ACTION_LEAVE;
    bool given = false;
    if (!json_is_object(root)) return wrong(r, "it is no object", "");
    segue_status st = only_fields(r, root, known);
    if (st == SEGUE_OK) st = action_field(r, root, "unmatched", &unmatched, &given);
    if (st != SEGUE_OK) return st;
    if (unmatched == SEGUE_ACTION_DROP || unmatched == SEGUE_ACTION_COUNTER)
        return wrong(r, "unmatched keys can be left, moved, or stop the run; not ", segue_action_name(unmatched));
    const json_t *rules = json_object_get(root, "rules");
    if (!json_is_array(rules)) return wrong(r, "it has no list of rules", "");
    for (size_t i = 0; i < json_array_size(rules) && st == SEGUE_OK; i++) {
        r->number = i + 1;
        st = read_rule(r, json_array_get(rules, i));
    }
    return st == SEGUE_OK ? seg_policy_finish(r->policy, unmatched, r->err) : st;
}

segue_status segue_policy_parse(segue_slice text, segue_policy **ret_policy, segue_error *reterr)
{
    json_error_t where;
    if (text.size > SEG_POLICY_TEXT_MAX) return seg_error_set(reterr, SEGUE_INVALID_POLICY, "policy: far too long");
    SEG_AUTO_STRING copy = seg_strndup(text.size ? text.data : "", text.size);
    if (!copy) return seg_error_set(reterr, SEGUE_NO_MEMORY, "out of memory for a policy");
    if (!blank_comments(copy, text.size))
        return seg_error_set(reterr, SEGUE_INVALID_POLICY, "policy: a comment is not closed");
    json_t *root = json_loadb(copy, text.size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &where);
    if (!root)
        return seg_error_set(reterr, SEGUE_INVALID_POLICY, "policy: line %d, column %d: %s", where.line, where.column,
                             where.text);
    reading r = {.err = reterr};
    segue_status st = seg_policy_new(&r.policy, reterr);
    if (st == SEGUE_OK) st = read_file(&r, root);
    json_decref(root);
    if (st == SEGUE_OK) *ret_policy = r.policy;
    else segue_policy_free(r.policy);
    return st;
}
