/* L5: policies from inside: how rules are made (by policy.c from JSON, by sync_gateway.c from a description) and
 * asked. */
#ifndef SEG_POLICY_H
#define SEG_POLICY_H

#include <segue/backend.h>
#include <segue/migrate.h>

typedef enum seg_rule_kind {
    SEG_RULE_KEY,
    SEG_RULE_PREFIX,
    SEG_RULE_GLOB,
    SEG_RULE_OUTSIDE,  /* every key that does not begin with the pattern */
    SEG_RULE_UNMATCHED /* the rest; the last rule, always there */
} seg_rule_kind;

enum {
    SEG_RULE_LAST = 1 << 0,           /* moved after everything else */
    SEG_RULE_EXCEPT_SIBLINGS = 1 << 1 /* a prefix: not if it goes on with "SIBLING:" */
};

typedef struct seg_policy_rule {
    seg_rule_kind kind;
    char *pattern; /* owned, zero-terminated for convenience */
    size_t size;
    char *name;
    char *database; /* or NULL */
    segue_action action;
    unsigned flags;
} seg_policy_rule;

enum { SEG_POLICY_RULES_MAX = 100000, SEG_POLICY_TEXT_MAX = 16 * 1024 * 1024 };

struct segue_policy {
    seg_policy_rule *rules;
    size_t n_rules, capacity;
    char **siblings; /* each with its ':' at the end */
    size_t n_siblings;
    /* Sync Gateway's own migration deletes in the fallback what it has copied, so a tombstone there says nothing
     * against a live record of the primary, however new it is. */
    bool tombstones_yield;
    bool has_last, can_stop;
    char digest[SEGUE_POLICY_DIGEST_SIZE];
    char *scope;  /* every key that something is done about begins with it */
    char *beyond; /* the first text after all that begin with it; NULL: no bound */
};

segue_status seg_policy_new(segue_policy **ret_policy, segue_error *reterr);
/* Append a rule, unless there is one of the same kind and pattern (it would never be asked). Copies. NO_MEMORY,
 * TOO_BIG, INVALID_POLICY (the pattern cannot match a key, or speaks of Segue's own). */
segue_status seg_policy_add(segue_policy *policy, const seg_policy_rule *rule, segue_error *reterr);
segue_status seg_policy_add_sibling(segue_policy *policy, const char *id, segue_error *reterr);
/* After the last rule: what becomes of the rest. */
segue_status seg_policy_finish(segue_policy *policy, segue_action unmatched, segue_error *reterr);

/* The range of keys that a sweep has to read. */
segue_bounds seg_policy_bounds(const segue_policy *policy);

bool seg_glob_matches(segue_slice pattern, segue_slice key);

#endif
