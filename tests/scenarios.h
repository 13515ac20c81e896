/* For tests of the protocol: scenarios, each a function that says whether something forbidden was kept from happening, and what
 * plays them on pairs of stores, with all rules on and with each rule that guards them off. Header only. */
#ifndef SCENARIOS_H
#define SCENARIOS_H

#include "world.h"

#include "base/rules.h"
#include "migrate/migration.h"

/* ---- the sweep ---- */

static inline segue_migration *open_migration(world *w, segue_store *from, segue_store *to, segue_store *dual,
                                              const char *policy)
{
    segue_policy *p = NULL; /* freed by close_migration */
    segue_migration *m = NULL;
    MUST(segue_policy_parse(K(policy), &p, &w->err));
    segue_migration_options options = {
        .policy = p, .dual = dual, .workers = 1, .page_docs = 2, .max_passes = 3, .drain_ns = 5000000};
    MUST(segue_migration_open(from, to, &options, &m, &w->err));
    return m;
}

static inline void close_migration(segue_migration *m)
{
    union {
        const segue_policy *borrowed;
        segue_policy *mine;
    } policy = {m->policy};
    segue_migration_close(m);
    segue_policy_free(policy.mine);
}

static const char move_all[] = "{\"unmatched\":\"move\",\"rules\":[{\"key\":\"c\",\"action\":\"counter\"}]}";

/* The sweep's own step for one key, between these two stores. Foreign writes that it met are counted. */
static inline segue_status sweep_between(world *w, segue_store *from, segue_store *to, const char *key,
                                         uint64_t *ret_foreign)
{
    segue_migration *m = open_migration(w, from, to, NULL, move_all);
    seg_swept swept = {0};
    segue_call call = seg_call_new(from, 0, &w->err);
    segue_status st = seg_sweep_key(m, K(key), &swept, &call);
    if (ret_foreign) *ret_foreign = swept.counts.foreign_writes;
    seg_swept_clear(&swept);
    close_migration(m);
    return st;
}

/* ---- clients ---- */

/* Changes a live document, leaves everything else alone. */
static inline segue_status change_if_live(void *ctx, const segue_record *current, segue_mutation *m)
{
    (void)ctx;
    if (!current || current->is_tombstone) return SEGUE_OK;
    m->body_op = SEGUE_BODY_SET;
    m->body = K("\"mine\"");
    return SEGUE_OK;
}

static inline segue_status update_k(world *w)
{
    return segue_update(w->dual, K("k"), change_if_live, NULL, NULL, NULL, &w->err);
}

static inline segue_status incr_k(world *w, uint64_t *ret_value)
{
    return segue_incr(w->dual, K("k"), 1, NULL, segue_expiry_none(), NULL, ret_value, &w->err);
}

static inline segue_status incr_k_in_time(world *w)
{
    segue_options soon = {2000000};
    return segue_incr(w->dual, K("k"), 1, NULL, segue_expiry_none(), &soon, NULL, &w->err);
}

static inline bool keeps_cas(const world *w) { return segue_store_caps(w->stats_p) & SEGUE_CAP_KEEP_CAS; }

/* ---- scenarios ---- */

enum { RULES_MOST = 5 };

typedef struct scenario {
    const char *name; /* as in the protocol */
    const char *what;
    bool (*holds)(world *w);
    segue_phase phase; /* to begin in */
    const char *rules[RULES_MOST];
} scenario;

#define FORWARD SEGUE_PHASE_FORWARD
#define LEGACY SEGUE_PHASE_LEGACY

/* Capabilities of primary and fallback. */
static const char *const variants[][2] = {
    {"", ""},          {"-mutate", ""},
    {"-keep_cas", ""}, {"-mutate,-keep_cas,-write_id", ""},
    {"", "-mutate"},   {"-mutate", "-mutate,-keep_cas"},
};
enum { N_VARIANTS = sizeof variants / sizeof variants[0] };

static inline bool play(const scenario *s, size_t variant)
{
    world w;
    world_open(&w, variants[variant][0], variants[variant][1], s->phase);
    bool held = s->holds(&w);
    world_close(&w);
    return held;
}

typedef struct job {
    const scenario *s;
    const char *rule; /* NULL: all on */
    char name[160];
} job;

static inline void run_job(void **state)
{
    const job *j = *state;
    size_t broken = 0;
    if (j->rule && !seg_rule_switch(j->rule, false)) fail_msg("there is no rule %s", j->rule);
    for (size_t i = 0; i < N_VARIANTS; i++) {
        if (play(j->s, i)) continue;
        broken++;
        if (!j->rule) fail_msg("broken: primary (%s), fallback (%s)", variants[i][0], variants[i][1]);
    }
    if (j->rule && broken == 0) fail_msg("the scenario does not notice that %s is off", j->rule);
    if (j->rule) print_message("without %s: broken on %zu of %d pairs\n", j->rule, broken, N_VARIANTS);
}

static inline int switch_on(void **state)
{
    const job *j = *state;
    if (j->rule) (void)seg_rule_switch(j->rule, true); /* it is there: it was switched off */
    return 0;
}

/* Whether one of the scenarios is played without this rule. */
static inline bool is_guarded(const scenario *scenarios, size_t n_scenarios, const char *rule)
{
    for (size_t k = 0; k < n_scenarios; k++)
        for (size_t r = 0; r < RULES_MOST && scenarios[k].rules[r]; r++)
            if (strcmp(scenarios[k].rules[r], rule) == 0) return true;
    return false;
}

/* Every rule that these scenarios are to miss (as rules.def says) is played without. */
static inline void must_guard(const scenario *scenarios, size_t n_scenarios, const char *missed_by)
{
    for (unsigned i = 0; i < SEG_N_RULES; i++) {
        const char *rule = seg_rule_name((seg_rule)i);
        if (strcmp(seg_rule_missed_by((seg_rule)i), missed_by) == 0 && !is_guarded(scenarios, n_scenarios, rule))
            fail_msg("no scenario guards the rule %s", rule);
    }
}

enum { JOBS_MOST = 128 };

/* A test for each scenario, and one for each of its rules; and `last`. Where a rule is off from the start: does what it guards
 * still hold? */
static inline int run_scenarios(const char *group, const scenario *scenarios, size_t n_scenarios,
                                CMUnitTestFunction last)
{
    static job jobs[JOBS_MOST];
    static struct CMUnitTest tests[JOBS_MOST];
    size_t n = 0;
    const char *doubted = seg_rule_doubted();
    for (size_t i = 0; i < n_scenarios; i++)
        for (size_t r = 0; r <= RULES_MOST; r++) {
            const scenario *s = &scenarios[i];
            if (r > 0 && !s->rules[r - 1]) break;
            if (doubted && (r > 0 || !is_guarded(s, 1, doubted))) continue;
            job *j = &jobs[n];
            j->s = s;
            j->rule = r ? s->rules[r - 1] : NULL;
            (void)snprintf(j->name, sizeof j->name, "%s: %s %s%s", s->name, s->what,
                           j->rule ? "breaks without " : "holds", j->rule ? j->rule : ""); /* cut is fine: a label */
            tests[n++] = (struct CMUnitTest){j->name, run_job, NULL, switch_on, j};
            seg_assert(n < JOBS_MOST - 1);
        }
    if (!doubted) tests[n++] = (struct CMUnitTest){"every rule is missed by a scenario", last, NULL, NULL, NULL};
    return _cmocka_run_group_tests(group, tests, n, NULL, NULL);
}

#endif
