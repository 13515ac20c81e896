/* segue-simulate: whole migrations in virtual time, each from one seed; `segue-simulate --help` says how it is used. */
#include "simulate/scene.h"

#include "base/base.h"
#include "base/rules.h"
#include "support/fibre.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static struct {
    uint64_t seed, runs;
    double hours;
    uint64_t part, n_parts;
    const char *without;
    bool shows_digests, teeth;
} opt = {.seed = 1, .n_parts = 1};

static struct {
    uint64_t runs, operations, unknown, failures;
    sim_counts counts;
    double simulated_s;
} total;

static double now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* False: it failed; sim.failure says how. */
static bool run_seed(uint64_t seed, const char *story_key)
{
    sim_begin(seed, story_key);
    int64_t began = sim.now_ns;
    sim_make_plan();
    sim_play();
    total.runs++;
    total.operations += sim_the_score.operations;
    total.unknown += sim_the_score.unknown;
    total.counts.steps += sim.counts.steps;
    total.counts.calls += sim.counts.calls;
    total.counts.failed += sim.counts.failed;
    total.counts.lost += sim.counts.lost;
    total.counts.delayed += sim.counts.delayed;
    total.counts.kills += sim.counts.kills;
    total.simulated_s += (double)(sim.now_ns - began) / 1e9;
    bool ok = !sim.failure[0];
    sim_end(story_key != NULL);
    return ok;
}

static const char *mode_name(void)
{
    static const char *const names[] = {"one node", "a group", "runners outside"};
    return names[sim_the_plan.mode];
}

static void show_failure(uint64_t seed)
{
    char key[sizeof sim.failed_key], failure[sizeof sim.failure];
    total.failures++;
    (void)snprintf(failure, sizeof failure, "%s", sim.failure);
    (void)snprintf(key, sizeof key, "%s", sim.failed_key);
    (void)run_seed(seed, key); /* the same again, and told */
    printf("not ok - seed %" PRIu64 " (%s, %s, %s, %u clients): %s\n", seed, mode_name(), sim_the_plan.primary,
           sim_the_plan.fallback, sim_the_plan.n_clients, failure);
    printf("  again: segue-simulate --seed %" PRIu64 " --runs 1%s%s\n", seed, opt.without ? " --without " : "",
           opt.without ? opt.without : "");
}

static void show_progress(double began_s, bool is_end)
{
    double took = now_s() - began_s;
    printf("%s%" PRIu64 " runs, %" PRIu64 " operations (%.0f a second), %" PRIu64
           " of unknown outcome, %.1f hours simulated, %" PRIu64 " store calls: %" PRIu64 " failed, %" PRIu64
           " answers lost, %" PRIu64 " delayed; %" PRIu64 " restarts; %.0f s\n",
           !is_end          ? "# "
           : total.failures ? "not ok - "
                            : "ok - ",
           total.runs, total.operations, (double)total.operations / (took > 0 ? took : 1), total.unknown,
           total.simulated_s / 3600, total.counts.calls, total.counts.failed, total.counts.lost, total.counts.delayed,
           total.counts.kills, took);
    (void)fflush(stdout);
}

static int run_all(void)
{
    double began_s = now_s(), told_s = began_s;
    for (uint64_t i = opt.part; total.failures < 5; i += opt.n_parts) {
        double now = now_s();
        if (opt.runs ? i >= opt.runs : now - began_s > opt.hours * 3600) break;
        if (now - told_s > 10) {
            told_s = now;
            show_progress(began_s, false);
        }
        bool ok = run_seed(opt.seed + i, NULL);
        if (opt.shows_digests) printf("seed %" PRIu64 ": digest %016" PRIx64 "\n", opt.seed + i, sim.digest);
        if (!ok) show_failure(opt.seed + i);
    }
    show_progress(began_s, true);
    return total.failures ? 1 : 0;
}

/* ---- teeth ---- */

/* Rules that are missed when they are off. The others need somebody who writes the fallback by himself, or a file. */
static const char *const teeth[] = {
    "THIRD_READ",
    "DELETE_LEAVES_TOMBSTONE",
    "DELETE_REACHES_FALLBACK",
    "INSERT_EXPECTS_ABSENT",
    "ADD_ASKS_FALLBACK",
    "TOMBSTONE_WINS",
    "ONLY_NOT_FOUND_FALLS_THROUGH",
    "FALLBACK_ERROR_IS_ERROR",
    "PIN_FIRST",
    "DRAIN",
    "HOLD",
    "COPY_CARRIES_ALL",
    "MUTATE_READS_FALLBACK",
    "SCAN_FALLBACK_FIRST",
    "SCAN_TOMBSTONE_HIDES",
    "SWEEP_INSERT_ABSENT",
    "SEAL_NEEDS_FULL_PASS",
    "PURGE_NEEDS_CLEAN",
    "CAS_FLOOR",
    "PURGE_AFTER_FENCE",
    "TOKEN_OF_FALLBACK",
    "SCAN_PRIMARY_WINS",
    "MUTATE_NEEDS_RECORD",
    "INSERT_SEES_TOMBSTONE",
    "LOOP_PUTS_BY_CAS",
    "WRITE_ID_PROVES",
    "UNKNOWN_IS_SAID",
    "REAP_BY_CAS",
    "REAP_LEAVES_TOMBSTONE",
    "ABSENT_MEANS_ABSENT",
    "PUT_LOOKS_AT_CAS",
    "ERASE_LOOKS_AT_CAS",
    "EXPIRED_IS_TOMBSTONE",
    "CAS_GROWS",
    "SCAN_ERROR_IS_ERROR",
};
enum { N_TEETH = sizeof teeth / sizeof teeth[0], RUNS_MOST = 1000 };

/* The seed that misses the rule; 0: none does. */
static uint64_t bite(const char *rule, uint64_t runs)
{
    uint64_t found = 0;
    if (!seg_rule_switch(rule, false)) return 0;
    for (uint64_t i = 0; i < runs && !found; i++)
        if (!run_seed(opt.seed + i, NULL)) found = opt.seed + i;
    (void)seg_rule_switch(rule, true); /* it was there before */
    return found;
}

static int show_teeth(void)
{
    int missed = 0;
    for (uint64_t i = opt.part; i < N_TEETH; i += opt.n_parts) {
        uint64_t seed = bite(teeth[i], opt.runs ? opt.runs : RUNS_MOST);
        missed += !seed;
        if (seed) printf("ok - without %s, seed %" PRIu64 ": %.110s\n", teeth[i], seed, sim.failure);
        else printf("not ok - nothing notices that %s is off\n", teeth[i]);
        (void)fflush(stdout);
    }
    return missed ? 1 : 0;
}

static const char help[] =
    "usage: segue-simulate [--seed N] [--runs N | --hours H] [--part K/N] [--digest] [--without RULE]\n"
    "       segue-simulate --teeth [--seed N] [--runs N]    switch rules off, one by one: which seed notices?\n"
    "\n"
    "Whole migrations in virtual time: clients, nodes, runners, faults, restarts, all from the seed; one run for each from\n"
    "N on.\n"
    "--digest: of all that happened in a run, which is always the same for a seed. --hours: of real time.\n";

static bool read_options(int argc, char **argv)
{
    bool ok = true;
    for (int i = 1; i < argc && ok; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        unsigned long long k = 0, n = 0;
        if (strcmp(argv[i], "--digest") == 0) opt.shows_digests = true;
        else if (strcmp(argv[i], "--teeth") == 0) opt.teeth = true;
        else if (strcmp(argv[i], "--seed") == 0) ok = seg_parse_u64(segue_str(value), &opt.seed), i++;
        else if (strcmp(argv[i], "--runs") == 0) ok = seg_parse_u64(segue_str(value), &opt.runs), i++;
        else if (strcmp(argv[i], "--hours") == 0) ok = sscanf(value, "%lf", &opt.hours) == 1, i++;
        else if (strcmp(argv[i], "--without") == 0) ok = seg_rule_switch(opt.without = value, false), i++;
        else if (strcmp(argv[i], "--part") == 0) {
            ok = sscanf(value, "%llu/%llu", &k, &n) == 2 && k >= 1 && k <= n;
            opt.part = k - 1;
            opt.n_parts = n;
            i++;
        } else ok = false;
    }
    if (!opt.runs && opt.hours <= 0) opt.hours = 0.02;
    return ok;
}

int main(int argc, char **argv)
{
    if (!read_options(argc, argv)) return fputs(help, argc > 1 && strcmp(argv[1], "--help") == 0 ? stdout : stderr), 2;
    int result = opt.teeth ? show_teeth() : run_all();
    fibre_clean_up();
    return result;
}
