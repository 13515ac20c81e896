/* Policy files: a policy that is accepted takes every key by one of its rules, whatever the key. */
#include "fuzz.h"

#include <segue/migrate.h>

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = seg_alloc(size); /* exactly as long as it is, so that a step too far is seen */
    MUST(copy);
    if (size) memcpy(copy, data, size);
    segue_error err = {0};
    segue_policy *policy = NULL;
    segue_status st = segue_policy_parse(segue_bytes(copy, size), &policy, &err);
    if (st == SEGUE_OK) {
        size_t n = segue_policy_n_rules(policy);
        MUST(n > 0);
        for (size_t i = 0; i < n; i++) {
            segue_rule rule = segue_policy_rule(policy, i);
            MUST(rule.name && rule.kind);
            MUST(segue_policy_classify(policy, rule.pattern) < n);
        }
        MUST(segue_policy_classify(policy, segue_bytes(copy, size < SEGUE_KEY_MAX ? size : SEGUE_KEY_MAX)) < n);
        MUST(segue_policy_classify(policy, segue_str("a")) < n);
    } else {
        MUST(!policy && err.status == st && err.message[0]);
    }
    segue_policy_free(policy);
    seg_free(copy);
    return 0;
}
