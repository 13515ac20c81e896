/* L1: rules that the testing library can switch off. Nothing of it is in the product. */
#include "base/rules.h"

#ifdef SEG_TESTING

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
#define SEG_RULE_DEF(name, missed_by, watch, text) #name,
#include "base/rules.def"
#undef SEG_RULE_DEF
};

static const char *const missed_by[] = {
#define SEG_RULE_DEF(name, missed_by, watch, text) #missed_by,
#include "base/rules.def"
#undef SEG_RULE_DEF
};

static _Atomic bool is_off[SEG_N_RULES];
static unsigned doubted = SEG_N_RULES; /* off for good */

bool seg_rule_holds(seg_rule rule) { return !atomic_load_explicit(&is_off[rule], memory_order_relaxed); }

const char *seg_rule_name(seg_rule rule) { return names[rule]; }
const char *seg_rule_missed_by(seg_rule rule) { return missed_by[rule]; }

bool seg_rule_switch(const char *name, bool on)
{
    for (size_t i = 0; i < SEG_N_RULES; i++) {
        if (strcmp(names[i], name) != 0) continue;
        atomic_store(&is_off[i], !on || i == doubted);
        return true;
    }
    return false;
}

const char *seg_rule_doubted(void) { return doubted < SEG_N_RULES ? names[doubted] : NULL; }

/* SEGUE_WITHOUT=RULE: every test program obeys it, without an option of its own. */
__attribute__((constructor)) static void obey_environment(void)
{
    const char *name = getenv("SEGUE_WITHOUT");
    if (!name) return;
    for (doubted = 0; doubted < SEG_N_RULES && strcmp(names[doubted], name) != 0;) doubted++;
    if (seg_rule_switch(name, false)) return;
    (void)fprintf(stderr, "SEGUE_WITHOUT: there is no rule %s\n", name); /* if nobody reads it, the status says it */
    _Exit(2);
}

#else
typedef int seg_rules_are_fixed; /* a translation unit must not be empty */
#endif
