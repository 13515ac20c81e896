/* L1: rules of the protocol that the testing library can switch off by name, to show that the tests would notice.
 * In the product SEG_RULE is the constant true and none of this exists. */
#ifndef SEG_RULES_H
#define SEG_RULES_H

#include <stdbool.h>

#ifdef SEG_TESTING

typedef enum seg_rule {
#define SEG_RULE_DEF(name, missed_by, watch, text) SEG_RULE_##name,
#include "base/rules.def"
#undef SEG_RULE_DEF
    SEG_N_RULES
} seg_rule;

bool seg_rule_holds(seg_rule rule);
/* The rules in order: their names, and who must miss them (as in rules.def). */
const char *seg_rule_name(seg_rule rule);
const char *seg_rule_missed_by(seg_rule rule);
/* Switch a rule off (or on again). By name, as in rules.def; false: there is no such rule. Not thread-safe. */
bool seg_rule_switch(const char *name, bool on);
/* The one that the environment has switched off from the start (SEGUE_WITHOUT=NAME), which then stays off; NULL: none. */
const char *seg_rule_doubted(void);
#define SEG_RULE(name) seg_rule_holds(SEG_RULE_##name)

#else
#define SEG_RULE(name) true
#endif

#endif
