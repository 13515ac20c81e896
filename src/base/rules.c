/* L1: rules that the testing library can switch off. Nothing of it is in the product. */
#include "base/rules.h"

#ifdef SEG_TESTING

#include <stdatomic.h>
#include <string.h>

static const char *const names[] = {
#define SEG_RULE_DEF(name, missed_by, text) #name,
#include "base/rules.def"
#undef SEG_RULE_DEF
};

static const char *const missed_by[] = {
#define SEG_RULE_DEF(name, missed_by, text) #missed_by,
#include "base/rules.def"
#undef SEG_RULE_DEF
};

static _Atomic bool is_off[SEG_N_RULES];

bool seg_rule_holds(seg_rule rule) { return !atomic_load_explicit(&is_off[rule], memory_order_relaxed); }

const char *seg_rule_name(seg_rule rule) { return names[rule]; }
const char *seg_rule_missed_by(seg_rule rule) { return missed_by[rule]; }

bool seg_rule_switch(const char *name, bool on)
{
    for (size_t i = 0; i < SEG_N_RULES; i++) {
        if (strcmp(names[i], name) != 0) continue;
        atomic_store(&is_off[i], !on);
        return true;
    }
    return false;
}

#else
typedef int seg_rules_are_fixed; /* a translation unit must not be empty */
#endif
