/* segue-simulate: whole migrations in virtual time, each from one seed; `segue-simulate --help` says how it is used. */
#include "simulate/scene.h"

#include "base/base.h"
#include "base/env.h"
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
    bool shows_digests, teeth, has_seed;
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
static bool run_seed(uint64_t seed, const char *story_key, uint64_t story_until)
{
    sim_begin(seed, story_key, story_until);
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
    enum { AFTERWARDS = 50 }; /* moments that the story still tells */
    char key[sizeof sim.failed_key], failure[sizeof sim.failure];
    uint64_t until = sim.failed_moment ? sim.failed_moment + AFTERWARDS : 0;
    total.failures++;
    (void)snprintf(failure, sizeof failure, "%s", sim.failure);
    (void)snprintf(key, sizeof key, "%s", sim.failed_key);
    (void)run_seed(seed, key, until); /* the same again, and told */
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
    if (opt.runs) printf("# %" PRIu64 " runs from seed %" PRIu64 " on, some a second\n", opt.runs, opt.seed + opt.part);
    else printf("# for %g hours from seed %" PRIu64 " on\n", opt.hours, opt.seed + opt.part);
    (void)fflush(stdout);
    for (uint64_t i = opt.part; total.failures < 5; i += opt.n_parts) {
        double now = now_s();
        if (opt.runs ? i >= opt.runs : now - began_s > opt.hours * 3600) break;
        if (now - told_s > 10) {
            told_s = now;
            show_progress(began_s, false);
            printf("# next: seed %" PRIu64 "\n", opt.seed + i);
        }
        bool ok = run_seed(opt.seed + i, NULL, 0);
        if (opt.shows_digests) printf("seed %" PRIu64 ": digest %016" PRIx64 "\n", opt.seed + i, sim.digest);
        if (!ok) show_failure(opt.seed + i);
    }
    show_progress(began_s, true);
    return total.failures ? 1 : 0;
}

/* ---- teeth ---- */

/* Rules that are missed when they are off, and from which seed on they are looked for. The others need somebody who writes
 * the fallback by himself, or a file, or luck. */
static const struct tooth {
    const char *rule;
    uint64_t seed; /* it was missed there when this was written: it is quicker so */
} teeth[] = {
    {"THIRD_READ", 19},
    {"DELETE_LEAVES_TOMBSTONE", 1},
    {"DELETE_REACHES_FALLBACK", 5},
    {"INSERT_EXPECTS_ABSENT", 5},
    {"ADD_ASKS_FALLBACK", 3},
    {"TOMBSTONE_WINS", 1},
    {"ONLY_NOT_FOUND_FALLS_THROUGH", 6},
    {"FALLBACK_ERROR_IS_ERROR", 2},
    {"PIN_FIRST", 17},
    {"DRAIN", 19},
    {"HOLD", 19},
    {"COPY_CARRIES_XATTRS", 1},
    {"MUTATE_READS_FALLBACK", 3},
    {"SCAN_FALLBACK_FIRST", 24},
    {"SCAN_TOMBSTONE_HIDES", 1},
    {"SWEEP_INSERT_ABSENT", 1},
    {"SEAL_NEEDS_FULL_PASS", 6},
    {"PURGE_NEEDS_CLEAN", 1},
    {"CAS_FLOOR", 6},
    {"PURGE_AFTER_FENCE", 82},
    {"FEED_ASKS_PRIMARY", 1},
    {"TOKEN_OF_FALLBACK", 19},
    {"SCAN_PRIMARY_WINS", 1},
    {"MUTATE_NEEDS_RECORD", 4},
    {"INSERT_SEES_TOMBSTONE", 1},
    {"LOOP_PUTS_BY_CAS", 1},
    {"WRITE_ID_PROVES", 41},
    {"UNKNOWN_IS_SAID", 10},
    {"LOST_ANSWER_AS_STORED", 911},
    {"ACT_IN_TIME", 2992},
    {"REAP_BY_CAS", 22},
    {"REAP_LEAVES_TOMBSTONE", 4},
    {"ABSENT_MEANS_ABSENT", 5},
    {"PUT_LOOKS_AT_CAS", 1},
    {"ERASE_LOOKS_AT_CAS", 5},
    {"EXPIRED_IS_TOMBSTONE", 1},
    {"CAS_GROWS", 1},
    {"SCAN_ERROR_IS_ERROR", 3},
    {"CLIENTS_SPARE_FALLBACK", 5},
    {"MOVE_KEEPS_CAS", 1},
    {"DELETED_IS_RETRY", 5},
    {"EXPIRED_STAYS", 160},
};
enum { N_TEETH = sizeof teeth / sizeof teeth[0], RUNS_MOST = 1000 };

/* The seed that misses the rule; 0: none does. */
static uint64_t bite(const struct tooth *t, uint64_t runs)
{
    uint64_t found = 0, first = opt.has_seed ? opt.seed : t->seed;
    double told_s = now_s();
    if (!seg_rule_switch(t->rule, false)) return 0;
    for (uint64_t i = 0; i < runs && !found; i++) {
        if (!run_seed(first + i, NULL, 0)) found = first + i;
        if (now_s() - told_s < 10) continue;
        told_s = now_s();
        printf("# without %s: %" PRIu64 " seeds\n", t->rule, i + 1);
        (void)fflush(stdout);
    }
    (void)seg_rule_switch(t->rule, true); /* it was there before */
    return found;
}

static int show_teeth(void)
{
    int missed = 0;
    for (uint64_t i = opt.part; i < N_TEETH; i += opt.n_parts) {
        uint64_t seed = bite(&teeth[i], opt.runs ? opt.runs : RUNS_MOST);
        missed += !seed;
        if (seed) printf("ok - without %s, seed %" PRIu64 ": %.110s\n", teeth[i].rule, seed, sim.failure);
        else printf("not ok - nothing notices that %s is off\n", teeth[i].rule);
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
    "--digest: of all that happened in a run, which is always the same for a seed. --hours: of real time.\n"
    "--seed fresh: one that nobody has seen; it is printed.\n";

static void take_fresh_seed(void)
{
    opt.seed = seg_random_u64(segue_env_default()) % 1000000000;
    printf("# from seed %" PRIu64 " on\n", opt.seed);
}

static bool read_options(int argc, char **argv)
{
    bool ok = true;
    for (int i = 1; i < argc && ok; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        unsigned long long k = 0, n = 0;
        if (strcmp(argv[i], "--digest") == 0) opt.shows_digests = true;
        else if (strcmp(argv[i], "--teeth") == 0) opt.teeth = true;
        else if (strcmp(argv[i], "--seed") == 0 && strcmp(value, "fresh") == 0) take_fresh_seed(), i++;
        else if (strcmp(argv[i], "--seed") == 0) ok = opt.has_seed = seg_parse_u64(segue_str(value), &opt.seed), i++;
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
