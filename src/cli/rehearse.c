/* L6: rehearse: the whole migration on copies, under clients. The steps, the clean-up and the report; the copies and the
 * choice of keys are rehearse_copy.c, the comparison rehearse_check.c, the clients clients.c. */
#include "cli/rehearse.h"
#include "base/base.h"
#include "base/env.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

static const int64_t second_ns = 1000000000, after_ns = 200000000;
enum { PAGES = 400, PAGE_MAX = 1000 };

/* ---- options and clean-up ---- */

static int read_options(const seg_cli *cli, seg_rehearsal *r)
{
    uint64_t clients, seconds, seed;
    if (!seg_cli_number(cli, "clients", 8, &clients) || !seg_cli_number(cli, "seconds", 4, &seconds) ||
        !seg_cli_number(cli, "seed", seg_random_u64(segue_env_default()) % 1000000, &seed))
        return SEG_EXIT_USAGE;
    if (clients < 1 || clients > SEG_CLIENTS_MAX)
        return seg_cli_usage(cli, "--clients must be 1 to %d", SEG_CLIENTS_MAX);
    if (seconds < 1 || seconds > 86400) return seg_cli_usage(cli, "--seconds must be 1 to 86400");
    r->n_clients = (unsigned)clients;
    r->client_ns = (int64_t)seconds * second_ns;
    r->seed = seed;
    return SEG_EXIT_DONE;
}

static void remove_folder(const char *path)
{
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = folder >= 0 ? fdopendir(folder) : NULL;
    if (!listing) {
        if (folder >= 0) (void)close(folder); /* only read */
        return;
    }
    for (const struct dirent *entry; (entry = readdir(listing)) != NULL;)
        if (entry->d_name[0] != '.') (void)unlinkat(folder, entry->d_name, 0); /* what stays, stays in /tmp */
    (void)closedir(listing);                                                   /* only read */
    (void)rmdir(path);                                                         /* the same */
}

static void close_all(seg_rehearsal *r)
{
    segue_migration_status_free(&r->status);
    segue_close(r->dual);
    segue_close(r->to);
    segue_close(r->from);
    segue_close(r->source_to);
    segue_close(r->source_from);
    segue_policy_free(r->policy);
    seg_ledger_free(&r->ledger);
    seg_sides_close(&r->sides);
    if (r->made_folder) remove_folder(r->folder);
    seg_free(r->folder);
}

/* ---- steps ---- */

/* A migration begins in legacy. But where something in scope has moved already, the old store alone is not the truth any
 * more: then the clients begin with the dual store. */
static int open_dual(seg_rehearsal *r)
{
    segue_error err = {0};
    segue_plan plan = {0};
    segue_dual_options options = {.phase = SEGUE_PHASE_LEGACY};
    segue_status st = segue_plan_make(r->to, NULL, r->policy, &plan, &err);
    if (st == SEGUE_OK) {
        for (int a = 0; a < SEGUE_N_ACTIONS; a++)
            if ((a == SEGUE_ACTION_MOVE || a == SEGUE_ACTION_COUNTER) &&
                plan.by_action[a].live + plan.by_action[a].tombstones > 0)
                options.phase = SEGUE_PHASE_FORWARD;
        segue_plan_free(&plan);
        st = segue_dual_open(r->to, r->from, &options, &r->dual, &err);
    }
    return st == SEGUE_OK ? SEG_EXIT_DONE : seg_cli_fail(r->cli, st, &err);
}

static void on_progress(void *ctx, const segue_progress *p)
{
    seg_rehearsal *r = ctx;
    char count[32], detail[64];
    uint64_t n = seg_clients_operations(r->clients);
    (void)snprintf(detail, sizeof detail, "%s %s", seg_cli_count(n, count),
                   seg_word(n, "operation", "operations")); /* fits */
    if (seg_cli_asked_to_stop()) segue_migration_cancel(r->migration);
    seg_progress_say(&r->progress, segue_stage_name(p->stage), p->done, p->total, detail);
}

/* In small pages by one worker, so that small stores, too, are swept for a while and clients meet the sweep often. */
static segue_status run_migration(seg_rehearsal *r, segue_error *err)
{
    uint64_t page = r->in_scope / PAGES + 1;
    segue_migration_options options = {.policy = r->policy,
                                       .dual = r->dual,
                                       .workers = 1,
                                       .page_docs = page < PAGE_MAX ? (size_t)page : PAGE_MAX,
                                       .count_first = true,
                                       .progress = on_progress,
                                       .progress_ctx = r};
    segue_status st = segue_migration_open(r->from, r->to, &options, &r->migration, err);
    if (st == SEGUE_OK) st = segue_migration_run(r->migration, err);
    segue_migration_close(r->migration);
    r->migration = NULL;
    return st;
}

/* Let the clients work for a while. False: asked to stop. */
static bool wait_for(seg_rehearsal *r, const char *what, int64_t ns)
{
    const segue_env *env = segue_env_default();
    int64_t end = seg_mono_ns(env) + ns;
    for (int64_t now; (now = seg_mono_ns(env)) < end && !seg_cli_asked_to_stop();) {
        seg_progress_say(&r->progress, what, seg_clients_operations(r->clients), 0, "operations");
        seg_sleep_ns(env, end - now < second_ns / 20 ? end - now : second_ns / 20);
    }
    return !seg_cli_asked_to_stop();
}

static int migrate_under_clients(seg_rehearsal *r)
{
    segue_error err = {0};
    const segue_env *env = segue_env_default();
    int64_t began = seg_mono_ns(env);
    segue_status st = seg_clients_start(r->dual, &r->ledger, r->n_clients, r->seed, &r->clients, &err);
    if (st != SEGUE_OK) return seg_cli_fail(r->cli, st, &err);
    bool go_on = wait_for(r, "clients", r->client_ns / 2);
    seg_clients_period(r->clients, 1);
    if (go_on) st = run_migration(r, &err);
    seg_clients_period(r->clients, 2);
    int64_t left = r->client_ns - (seg_mono_ns(env) - began);
    if (go_on && st == SEGUE_OK) go_on = wait_for(r, "clients", left > after_ns ? left : after_ns);
    seg_clients_stop(r->clients, &r->counts);
    r->clients = NULL;
    if (!go_on || seg_cli_asked_to_stop())
        return seg_cli_failf(r->cli, SEGUE_NOT_FINISHED, "stopped; the originals are as they were");
    return st == SEGUE_OK ? SEG_EXIT_DONE : seg_cli_fail(r->cli, st, &err);
}

static int steps(seg_rehearsal *r)
{
    segue_error err = {0};
    int code = seg_rehearsal_copy(r);
    if (code != SEG_EXIT_DONE) return code;
    seg_ledger_init(&r->ledger, (segue_store_caps(r->to) & SEGUE_CAP_KEEP_CAS) != 0);
    code = open_dual(r);
    if (code == SEG_EXIT_DONE) code = seg_rehearsal_choose(r);
    if (code == SEG_EXIT_DONE) code = migrate_under_clients(r);
    if (code == SEG_EXIT_DONE) code = seg_rehearsal_check(r);
    if (code != SEG_EXIT_DONE) return code;
    segue_status st = segue_migration_status_read(r->to, NULL, &r->status, &err);
    return st == SEGUE_OK ? SEG_EXIT_DONE : seg_cli_fail(r->cli, st, &err);
}

int seg_verb_rehearse(seg_cli *cli)
{
    seg_rehearsal r = {.cli = cli};
    int code = read_options(cli, &r);
    if (code == SEG_EXIT_DONE) code = seg_sides_open(cli, SEGUE_OPEN_READ_ONLY, 0, &r.sides);
    if (code == SEG_EXIT_DONE) {
        r.policy = r.sides.policy; /* made from the originals: the copies are the same */
        r.sides.policy = NULL;
        seg_cli_catch_signals();
        seg_progress_begin(&r.progress, cli);
        code = steps(&r);
        seg_progress_end(&r.progress);
    }
    if (code == SEG_EXIT_DONE) {
        seg_rehearsal_report(&r);
        if (r.ledger.differences) code = SEG_EXIT_DIFFERENT;
    }
    close_all(&r);
    return code;
}

/* ---- report ---- */

static const char *const period_names[SEG_PERIODS] = {"before", "during", "after"};

static void report_latency(const char *what, const seg_latency latencies[SEG_PERIODS])
{
    char a[32], b[32], c[32], d[32];
    for (int p = 0; p < SEG_PERIODS; p++) {
        const seg_latency *l = &latencies[p];
        if (l->n == 0) continue;
        printf("  %-7s %-7s the sweep %10s  p50 %8s  p99 %8s  max %8s\n", what, period_names[p], seg_cli_count(l->n, d),
               seg_cli_time(seg_latency_at(l, 0.5), a), seg_cli_time(seg_latency_at(l, 0.99), b),
               seg_cli_time((int64_t)l->max_ns, c));
    }
}

/* What was proved about the keys that all clients wrote. Refusals are among the differences. */
static void report_histories(const seg_rehearsal *r)
{
    char a[32], b[32], c[32];
    if (r->ledger.judged_keys == 0) return;
    printf("histories  %s %s by %u %s on %s %s that all of them wrote, %s of unknown outcome%s;\n",
           seg_cli_count(r->ledger.judged, a), seg_word(r->ledger.judged, "operation", "operations"), r->n_clients,
           seg_word(r->n_clients, "client", "clients"), seg_cli_count(r->ledger.judged_keys, b),
           seg_word(r->ledger.judged_keys, "key", "keys"), seg_cli_count(r->ledger.judged_unknown, c),
           r->ledger.cut ? " (the first ones; then memory was full)" : "");
    if (r->ledger.differences == 0)
        printf("           for each key one order, true to the clock, explains every answer\n");
}

/* What a rehearsal does not do, so that nobody takes it for more than it is. */
static const char not_proved[] =
    "kills, loss of power, a full disk, documents that expire while they move, clients in other "
    "processes, programs that write the old store directly";

static void report_text(const seg_rehearsal *r, uint64_t acknowledged)
{
    char a[32], b[32], c[32];
    printf("copied     %s %s of the old store, %s of the new one%s%s\n", seg_cli_count(r->copied_from, a),
           seg_word(r->copied_from, "record", "records"), seg_cli_count(r->copied_to, b),
           r->made_folder ? "" : "; the copies are in ", r->made_folder ? "" : r->folder);
    printf("migrated   %s moved, %s in the new store already, %s dropped, ", seg_cli_count(r->status.counts.moved, a),
           seg_cli_count(r->status.counts.already, b), seg_cli_count(r->status.counts.dropped, c));
    printf("%s %s handed over\n           in %s; writes held for", seg_cli_count(r->status.counts.counters, a),
           seg_word(r->status.counts.counters, "counter", "counters"), seg_cli_time(r->status.active_ns, b));
    printf(" %s\n", seg_cli_time(r->status.hold_ns, a));
    printf("clients    %u, seed %llu: %s %s acknowledged, %s failed and applied nothing, %s of unknown outcome\n ",
           r->n_clients, (unsigned long long)r->seed, seg_cli_count(acknowledged, a),
           seg_word(acknowledged, "operation", "operations"), seg_cli_count(r->counts.retryable, b),
           seg_cli_count(r->counts.unknown, c));
    for (seg_do op = 0; op < SEG_N_DOS; op++)
        printf(" %s %s%s", seg_do_name(op), seg_cli_count(r->counts.acknowledged[op], a),
               op + 1 < SEG_N_DOS ? "," : "\n");
    report_latency("reads", r->counts.reads);
    report_latency("writes", r->counts.writes);
    printf("ledger     %s %s that clients wrote and %s that they did not, compared one by one\n",
           seg_cli_count(r->touched, a), seg_word(r->touched, "key", "keys"), seg_cli_count(r->compared, b));
    report_histories(r);
    for (uint64_t i = 0; i < r->ledger.differences && i < SEG_LEDGER_TEXTS_MAX; i++)
        printf("  %s%s%s\n", seg_cli_style(SEG_BAD), r->ledger.texts[i], seg_cli_style(SEG_PLAIN));
    if (r->ledger.differences)
        printf("%sverdict    %s %s%s\n", seg_cli_style(SEG_BAD), seg_cli_count(r->ledger.differences, a),
               seg_word(r->ledger.differences, "difference", "differences"), seg_cli_style(SEG_PLAIN));
    else
        printf(
            "%sverdict    passed%s: every acknowledged write is there, nothing came back from the dead, nothing else "
            "differs\n",
            seg_cli_style(SEG_GOOD), seg_cli_style(SEG_PLAIN));
    printf("not proved %s\n", not_proved);
}

static void json_latency(seg_json_out *out, const char *what, const seg_latency latencies[SEG_PERIODS])
{
    seg_json_begin(out, what, '{');
    for (int p = 0; p < SEG_PERIODS; p++) {
        const seg_latency *l = &latencies[p];
        seg_json_begin(out, period_names[p], '{');
        seg_json_number(out, "n", l->n);
        seg_json_number(out, "p50_ns", (uint64_t)seg_latency_at(l, 0.5));
        seg_json_number(out, "p99_ns", (uint64_t)seg_latency_at(l, 0.99));
        seg_json_number(out, "max_ns", l->max_ns);
        seg_json_end(out, '}');
    }
    seg_json_end(out, '}');
}

static void report_json(const seg_rehearsal *r, uint64_t acknowledged)
{
    seg_json_out out = {.file = stdout};
    seg_json_begin(&out, NULL, '{');
    seg_json_text(&out, "verdict", segue_str(r->ledger.differences ? "differences" : "passed"));
    seg_json_text(&out, "not_proved", segue_str(not_proved));
    seg_json_number(&out, "seed", r->seed);
    seg_json_number(&out, "clients", r->n_clients);
    seg_json_number(&out, "copied_from", r->copied_from);
    seg_json_number(&out, "copied_to", r->copied_to);
    seg_json_number(&out, "moved", r->status.counts.moved);
    seg_json_number(&out, "acknowledged", acknowledged);
    seg_json_begin(&out, "operations", '{');
    for (seg_do op = 0; op < SEG_N_DOS; op++) seg_json_number(&out, seg_do_name(op), r->counts.acknowledged[op]);
    seg_json_end(&out, '}');
    seg_json_number(&out, "failed", r->counts.retryable);
    seg_json_number(&out, "unknown", r->counts.unknown);
    json_latency(&out, "reads", r->counts.reads);
    json_latency(&out, "writes", r->counts.writes);
    seg_json_number(&out, "touched", r->touched);
    seg_json_number(&out, "compared", r->compared);
    seg_json_begin(&out, "histories", '{');
    seg_json_number(&out, "keys", r->ledger.judged_keys);
    seg_json_number(&out, "operations", r->ledger.judged);
    seg_json_number(&out, "unknown", r->ledger.judged_unknown);
    seg_json_end(&out, '}');
    seg_json_number(&out, "differences", r->ledger.differences);
    seg_json_begin(&out, "examples", '[');
    for (uint64_t i = 0; i < r->ledger.differences && i < SEG_LEDGER_TEXTS_MAX; i++)
        seg_json_text(&out, NULL, segue_str(r->ledger.texts[i]));
    seg_json_end(&out, ']');
    seg_json_end(&out, '}');
    seg_json_line(&out);
}

void seg_rehearsal_report(const seg_rehearsal *r)
{
    uint64_t acknowledged = 0;
    for (int op = 0; op < SEG_N_DOS; op++) acknowledged += r->counts.acknowledged[op];
    if (r->cli->json) report_json(r, acknowledged);
    else report_text(r, acknowledged);
}
