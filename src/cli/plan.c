/* L6: plan: what a migration would do. */
#include "base/base.h"
#include "base/env.h"
#include "cli/policy.h"

/* Rules of one family and database, added up. */
typedef struct family {
    const char *name, *database;
    segue_action action;
    segue_tally tally;
} family;

static bool same_text(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

static size_t add_up(const segue_plan *plan, const segue_policy *policy, family *families)
{
    size_t n = 0;
    for (size_t i = 0; i + 1 < plan->n_rules; i++) { /* the last one is "unmatched" */
        segue_rule rule = segue_policy_rule(policy, i);
        size_t f = 0;
        while (f < n && !(same_text(families[f].name, rule.name) && same_text(families[f].database, rule.database) &&
                          families[f].action == rule.action))
            f++;
        if (f == n) families[n++] = (family){rule.name, rule.database, rule.action, {0}};
        families[f].tally.live += plan->by_rule[i].live;
        families[f].tally.tombstones += plan->by_rule[i].tombstones;
        families[f].tally.bytes += plan->by_rule[i].bytes;
    }
    return n;
}

static void print_tally(seg_style style, const char *action, const char *what, const char *database,
                        const segue_tally *t)
{
    char live[32], tombstones[32], size[32];
    printf("%s  %-8s %-26s %-12s %10s %10s %10s%s\n", style == SEG_PLAIN ? "" : seg_cli_style(style), action, what,
           database, seg_cli_count(t->live, live), seg_cli_count(t->tombstones, tombstones),
           seg_cli_size(t->bytes, size), style == SEG_PLAIN ? "" : seg_cli_style(SEG_PLAIN));
}

static void print_unmatched(const segue_plan *plan, const segue_policy *policy)
{
    segue_rule rule = segue_policy_rule(policy, plan->n_rules - 1);
    char live[32], tombstones[32];
    if (plan->n_unmatched == 0) return;
    printf("\n%sKeys that no rule takes%s (%s), by prefix\n", seg_cli_style(SEG_BOLD), seg_cli_style(SEG_PLAIN),
           rule.action == SEGUE_ACTION_LEAVE ? "they stay" : segue_action_name(rule.action));
    for (size_t i = 0; i < plan->n_unmatched; i++) {
        const segue_plan_prefix *p = &plan->unmatched[i];
        printf("  %10s %10s  ", seg_cli_count(p->tally.live, live), seg_cli_count(p->tally.tombstones, tombstones));
        seg_cli_print_key(stdout, segue_str(p->prefix[0] ? p->prefix : "(others)"));
        printf("  such as ");
        seg_cli_print_key(stdout, segue_str(p->example));
        printf("\n");
    }
}

static void print_plan(const seg_cli *cli, const segue_plan *plan, const segue_policy *policy, family *families,
                       int64_t took_ns)
{
    const char *bold = seg_cli_style(SEG_BOLD), *plain = seg_cli_style(SEG_PLAIN);
    char a[32], b[32];
    size_t n = add_up(plan, policy, families);
    printf("from  %s\nto    %s\n\n", seg_cli_value(cli, "from"), seg_cli_value(cli, "to"));
    printf("  %s%-8s %-26s %-12s %10s %10s %10s%s\n", bold, "action", "", "database", "live", "tombstones", "size",
           plain);
    for (int action = 0; action < SEGUE_N_ACTIONS; action++)
        for (size_t f = 0; f < n; f++)
            if ((int)families[f].action == action && families[f].tally.live + families[f].tally.tombstones > 0)
                print_tally(SEG_PLAIN, segue_action_name((segue_action)action), families[f].name,
                            families[f].database ? families[f].database : "", &families[f].tally);
    if (plan->n_unmatched)
        print_tally(SEG_PLAIN, segue_action_name(segue_policy_rule(policy, plan->n_rules - 1).action),
                    "no rule takes them", "", &plan->by_rule[plan->n_rules - 1]);
    printf("\n");
    for (int action = 0; action < SEGUE_N_ACTIONS; action++) {
        const segue_tally *t = &plan->by_action[action];
        if (t->live + t->tombstones == 0) continue;
        print_tally(SEG_BOLD, segue_action_name((segue_action)action), "altogether", "", t);
        if (action == SEGUE_ACTION_LEAVE && plan->outside.live + plan->outside.tombstones > 0) {
            segue_tally seen = {t->live - plan->outside.live, t->tombstones - plan->outside.tombstones,
                                t->bytes - plan->outside.bytes};
            print_tally(SEG_PLAIN, "", "of them a migration reads", "", &seen);
        }
    }
    print_tally(SEG_PLAIN, "", "all records", "", &plan->all);
    if (plan->already)
        printf("\n%s of them %s a record in the new store already, which wins.\n", seg_cli_count(plan->already, a),
               seg_word(plan->already, "has", "have"));
    if (plan->reserved)
        printf("\n%s %s Segue's own and not counted.\n", seg_cli_count(plan->reserved, b),
               seg_word(plan->reserved, "record is", "records are"));
    print_unmatched(plan, policy);
    printf("\nReading took %s; how long the move takes, `segue rehearse` shows.\n", seg_cli_time(took_ns, a));
}

static void tally_json(seg_json_out *out, const segue_tally *t)
{
    seg_json_number(out, "live", t->live);
    seg_json_number(out, "tombstones", t->tombstones);
    seg_json_number(out, "bytes", t->bytes);
}

static void json_plan(const segue_plan *plan, const segue_policy *policy, family *families, int64_t took_ns)
{
    seg_json_out out = {.file = stdout};
    size_t n = add_up(plan, policy, families);
    seg_json_begin(&out, NULL, '{');
    seg_json_begin(&out, "all", '{');
    tally_json(&out, &plan->all);
    seg_json_end(&out, '}');
    seg_json_begin(&out, "actions", '{');
    for (int action = 0; action < SEGUE_N_ACTIONS; action++) {
        seg_json_begin(&out, segue_action_name((segue_action)action), '{');
        tally_json(&out, &plan->by_action[action]);
        seg_json_end(&out, '}');
    }
    seg_json_end(&out, '}');
    seg_json_begin(&out, "left_outside", '{');
    tally_json(&out, &plan->outside);
    seg_json_end(&out, '}');
    seg_json_begin(&out, "families", '[');
    for (size_t f = 0; f < n; f++) {
        seg_json_begin(&out, NULL, '{');
        seg_json_text(&out, "name", segue_str(families[f].name));
        if (families[f].database) seg_json_text(&out, "database", segue_str(families[f].database));
        seg_json_text(&out, "action", segue_str(segue_action_name(families[f].action)));
        tally_json(&out, &families[f].tally);
        seg_json_end(&out, '}');
    }
    seg_json_end(&out, ']');
    seg_json_begin(&out, "unmatched", '[');
    for (size_t i = 0; i < plan->n_unmatched; i++) {
        seg_json_begin(&out, NULL, '{');
        seg_json_key(&out, "prefix", segue_str(plan->unmatched[i].prefix));
        seg_json_key(&out, "example", segue_str(plan->unmatched[i].example));
        tally_json(&out, &plan->unmatched[i].tally);
        seg_json_end(&out, '}');
    }
    seg_json_end(&out, ']');
    seg_json_number(&out, "already", plan->already);
    seg_json_number(&out, "reserved", plan->reserved);
    seg_json_real(&out, "read_seconds", (double)took_ns / 1e9);
    if (plan->stop_key[0]) seg_json_key(&out, "stop_key", segue_str(plan->stop_key));
    seg_json_end(&out, '}');
    seg_json_line(&out);
}

int seg_verb_plan(seg_cli *cli)
{
    segue_error err = {0};
    segue_plan plan = {0};
    SEG_AUTO_SIDES sides;
    int code = seg_sides_open(cli, SEGUE_OPEN_READ_ONLY, 0, &sides);
    if (code != SEG_EXIT_DONE) return code;
    int64_t began = seg_mono_ns(segue_env_default());
    segue_status st = segue_plan_make(sides.from, sides.to, sides.policy, &plan, &err);
    if (st != SEGUE_OK) return seg_cli_fail(cli, st, &err);
    int64_t took = seg_mono_ns(segue_env_default()) - began;
    family *families = seg_alloc_zero(sizeof *families * (plan.n_rules + 1));
    if (!families) code = seg_cli_failf(cli, SEGUE_NO_MEMORY, "out of memory for the plan");
    else if (cli->json) json_plan(&plan, sides.policy, families, took);
    else print_plan(cli, &plan, sides.policy, families, took);
    if (families && plan.stop_key[0]) {
        char quoted[SEG_QUOTED_MAX];
        code = seg_cli_failf(cli, SEGUE_REFUSED, "a rule says \"stop\" to the key %s: it must not be there",
                             seg_quote(segue_str(plan.stop_key), quoted));
    }
    seg_free(families);
    segue_plan_free(&plan);
    return code;
}
