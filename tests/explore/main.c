/* The explorer: every schedule of every scene, each history explained. `segue-explore --help` says how it is used. */
#include "scene.h"

#include "base/rules.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- the parties ---- */

/* Of clients. A token is read and then used. */
static const char *const clients[] = {
    "get",          "gat",       "add",           "set",       "replace", "delete", "get remove", "get cas", "get put",
    "get previous", "update",    "update-del",    "touch",     "incr",    "append", "xattr",      "macro",   "path",
    "inside",       "tombstone", "get tombstone", "resurrect", "scan",    "feed",   "reap",       "purge",   "time",
};
enum { N_CLIENTS = sizeof clients / sizeof clients[0] };

/* Of the migration. */
static const char *const forward_steps[] = {"sweep", "sweep verify", "sweep repair", "seal", "seal clean purge"};
static const char *const legacy_steps[] = {"forward", "hold legacy", "hold forward", "forward seal"};
enum {
    N_FORWARD = sizeof forward_steps / sizeof forward_steps[0],
    N_LEGACY = sizeof legacy_steps / sizeof legacy_steps[0]
};

/* What the short form keeps of the triples: clients that read, write over, write by what they read, and delete. */
static const char *const telling[] = {"get", "set", "get cas", "update", "delete", "incr"};
enum { N_TELLING = sizeof telling / sizeof telling[0] };

/* ---- options and totals ---- */

static struct {
    bool in_short, in_detail, in_full, teeth, list, reduction;
    const char *only, *without;
    unsigned part, n_parts, strikes;
    uint64_t most;
} opt = {.n_parts = 1};

enum { MOST_SHORT = 20000, MOST = 4000000 }; /* runs of a scene */

static struct {
    uint64_t scenes, schedules, pruned, histories, cut, failures, left_out;
    double began_s, told_s;
} total;

static double now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- one scene ---- */

static scene_result last_result;

static search_options options_of_search(void)
{
    return (search_options){
        .most_runs = opt.most, .most_strikes = opt.strikes, .in_detail = opt.in_detail, .in_full = opt.in_full};
}

/* With every option that a step of the schedule depends on. */
static void print_again(const char *name, const char *schedule)
{
    printf("  again: segue-explore");
    if (opt.in_detail) printf(" --detail");
    if (opt.in_full) printf(" --full");
    if (opt.strikes) printf(" --strikes %u", opt.strikes);
    if (opt.without) printf(" --without %s", opt.without);
    printf(" --replay '%s' %s\n", name, schedule);
}

/* False: it failed. */
static bool explore_one(const scene *s, const char *name)
{
    search_options options = options_of_search();
    scene_explore(s, &options, &last_result);
    total.scenes++;
    total.schedules += last_result.search.schedules;
    total.pruned += last_result.search.pruned;
    total.histories += last_result.histories;
    total.cut += last_result.search.is_cut;
    if (last_result.search.is_cut && !opt.in_short)
        printf("# cut after %llu runs: %s\n", (unsigned long long)opt.most, name);
    if (!last_result.search.failure) return true;
    total.failures++;
    if (opt.teeth) return false;
    printf("not ok - %s: %s\n", name, last_result.search.failure);
    (void)scene_replay(s, last_result.search.schedule, &options);
    print_again(name, last_result.search.schedule);
    return false;
}

static void show_progress(const char *name)
{
    double now = now_s();
    if (now - total.told_s < 5 || opt.teeth) return;
    total.told_s = now;
    printf("# %.0f s: %llu scenes, %llu schedules; at %s\n", now - total.began_s, (unsigned long long)total.scenes,
           (unsigned long long)total.schedules, name);
    fflush(stdout);
}

/* True: go on. */
typedef bool (*visit_fn)(const scene *s, const char *name);

static bool visit(const scene *s, const char *name)
{
    show_progress(name);
    return explore_one(s, name) || total.failures < 20;
}

static bool print_name(const scene *s, const char *name)
{
    (void)s;
    puts(name);
    return true;
}

/* ---- all scenes ---- */

typedef struct tour {
    scene s;
    visit_fn visit;
    unsigned number;
    bool goes_on;
} tour;

/* The inside of the gate shows only where somebody changes the phase. */
static bool has_details(const scene *s)
{
    static const char *const changes[] = {"seal", "hold", "forward"};
    for (unsigned i = 0; i < s->n_parties; i++)
        for (size_t k = 0; k < sizeof changes / sizeof changes[0]; k++)
            if (strstr(s->parties[i], changes[k])) return true;
    return false;
}

static void call_at(tour *t, const char *a, const char *b, const char *c)
{
    char name[160];
    if (!t->goes_on) return;
    t->s.parties[0] = a;
    t->s.parties[1] = b;
    t->s.parties[2] = c;
    t->s.n_parties = c ? 3 : 2;
    if (opt.in_detail && !has_details(&t->s)) return;
    if (t->number++ % opt.n_parts != opt.part) return;
    scene_name(&t->s, name, sizeof name);
    if (opt.only && !strstr(name, opt.only)) return;
    t->goes_on = t->visit(&t->s, name);
}

static bool is_telling(const char *party)
{
    for (int i = 0; i < N_TELLING; i++)
        if (strcmp(telling[i], party) == 0) return true;
    return false;
}

static bool is_word(const char *party, const char *word) { return strcmp(party, word) == 0; }

/* Whether the short form has it. It goes through all pairs on the first five settings, and through telling triples: with a
 * sweep, and with time, on the first setting, with the step out of legacy also where a mutation takes two calls, with the way
 * out of legacy, and to the end from a live document, on two nodes, there beside a feed, too. */
static bool has_triple(const tour *t, const char *a, const char *b, const char *step)
{
    bool is_first = t->s.setting == &settings[0], is_third = t->s.setting == &settings[2];
    bool passes = is_first && (is_word(step, "sweep") || is_word(step, "time"));
    bool opens = (is_first || is_third) && is_word(step, "forward");
    bool is_full = t->s.beginning->fallback == LIVE;
    bool is_over = is_word(step, "forward") ||
                   (is_full && (is_word(step, "forward seal") || is_word(step, "seal clean purge")));
    bool is_apart = t->s.setting == &settings[4] && is_over;
    bool is_told = is_apart && (is_word(a, "feed") || is_word(b, "feed")) && (is_word(a, "set") || is_word(b, "set"));
    return (is_telling(a) && is_telling(b) && (passes || opens || is_apart)) || is_told;
}

/* Two nodes on other kinds of stores: of each two clients one is telling. */
static bool is_far(const tour *t, const char *a, const char *b)
{
    return t->s.setting > &settings[4] && !is_telling(a) && !is_telling(b);
}

static void call_triple(tour *t, const char *a, const char *b, const char *step)
{
    if (is_far(t, a, b)) return;
    bool is_in = !opt.in_short || has_triple(t, a, b, step);
    total.left_out += !is_in;
    if (is_in) call_at(t, a, b, step);
}

/* Which of the migration's steps somebody has come back for who was taken for dead. */
static bool are_rivals(const char *a, const char *b)
{
    static const char *const side_by_side[][2] = {
        {"sweep", "sweep"}, {"sweep", "sweep repair"}, {"sweep", "seal"},          {"sweep repair", "seal"},
        {"seal", "seal"},   {"forward", "forward"},    {"forward", "hold legacy"}, {"hold forward", "forward seal"}};
    for (size_t i = 0; i < sizeof side_by_side / sizeof side_by_side[0]; i++)
        if (is_word(a, side_by_side[i][0]) && is_word(b, side_by_side[i][1])) return true;
    return false;
}

static void call_steps(tour *t, const char *who, const char *a, const char *b)
{
    /* Nodes have one driver. */
    if (t->s.setting->two_nodes && strncmp(a, "sweep", 5) != 0) return;
    if (!who) {
        call_at(t, a, b, NULL);
        return;
    }
    bool is_tried = t->s.setting == &settings[0] && t->s.beginning->fallback == LIVE &&
                    t->s.beginning->primary == NOTHING && is_word(who, "update") && are_rivals(a, b);
    bool is_in = !opt.in_short || is_tried || (is_word(a, "sweep") && is_word(b, "sweep"));
    total.left_out += !is_in;
    if (is_in) call_at(t, who, a, b);
}

/* Every two of the migration's steps side by side; with each client those that rivals take, with a telling one the others. None
 * beside a clean-up: that who was taken for dead does not come back so late is a matter of time, which the simulation has. */
static void tour_steps(tour *t, const char *who, const char *const *steps, int n_steps)
{
    for (int i = 0; i < n_steps; i++)
        for (int k = i; k < n_steps; k++) {
            bool is_wanted = !who || is_telling(who) || are_rivals(steps[i], steps[k]);
            if (is_wanted && !strstr(steps[k], "clean")) call_steps(t, who, steps[i], steps[k]);
        }
}

/* Every two clients, alone, with time passing and with each of the migration's steps; every client with each two steps. */
static void tour_beginning(tour *t)
{
    bool is_legacy = t->s.beginning->phase == SEGUE_PHASE_LEGACY;
    bool is_apart = t->s.setting->two_nodes;
    const char *const *steps = is_legacy ? legacy_steps : forward_steps;
    int n_steps = is_legacy ? N_LEGACY : N_FORWARD;
    tour_steps(t, NULL, steps, n_steps);
    for (int i = 0; i < N_CLIENTS; i++) {
        if (opt.in_short && t->s.setting > &settings[4] && !is_telling(clients[i])) continue;
        for (int k = 0; k < n_steps; k++) call_at(t, clients[i], steps[k], NULL);
        tour_steps(t, clients[i], steps, n_steps);
        /* Of two nodes the second is another one, so the order of the clients matters; without a step there is nothing new. */
        for (int j = is_apart ? 0 : i; j < N_CLIENTS; j++) {
            bool has_time = is_word(clients[i], "time") || is_word(clients[j], "time");
            if (!is_apart) call_at(t, clients[i], clients[j], NULL);
            if (!is_apart && !has_time) call_triple(t, clients[i], clients[j], "time");
            for (int k = 0; k < n_steps; k++) call_triple(t, clients[i], clients[j], steps[k]);
        }
    }
}

/* Simple ones first. */
static bool tour_all(visit_fn fn)
{
    tour t = {.visit = fn, .goes_on = true};
    for (unsigned i = 0; i < n_settings && t.goes_on; i++) {
        t.s.setting = &settings[i];
        for (unsigned k = 0; k < n_beginnings && t.goes_on; k++) {
            t.s.beginning = &beginnings[k];
            tour_beginning(&t);
        }
    }
    scenes_close();
    return t.goes_on;
}

/* ---- teeth ---- */

/* How the scenes must be to miss a rule that is off. The other rules of the protocol are of a whole run of a migration, need
 * somebody who writes the fallback by himself or a deadline, or (TOKEN_MARK) hold where CAS_FLOOR does not. */
typedef struct tooth {
    const char *rule;
    unsigned strikes; /* so many calls fail, or their answer is lost */
    const char *only; /* scenes that have this in their name; NULL: all */
} tooth;

static const tooth teeth[] = {
    {"THIRD_READ", 0, NULL},
    {"DELETE_LEAVES_TOMBSTONE", 0, NULL},
    {"DELETE_REACHES_FALLBACK", 0, NULL},
    {"INSERT_EXPECTS_ABSENT", 0, NULL},
    {"ADD_ASKS_FALLBACK", 0, NULL},
    {"TOMBSTONE_WINS", 0, NULL},
    {"PIN_FIRST", 0, NULL},
    {"DRAIN", 0, NULL},
    {"HOLD", 0, NULL},
    {"COPY_CARRIES_XATTRS", 0, NULL},
    {"COPY_CARRIES_EXPIRY", 0, "live in F"},
    {"COPY_CARRIES_REVISION", 0, "live in F"},
    {"MOVE_KEEPS_CAS", 0, "live in F"},
    {"DELETED_IS_RETRY", 0, "get previous"},
    {"MUTATE_READS_FALLBACK", 0, NULL},
    {"SCAN_FALLBACK_FIRST", 0, NULL},
    {"SCAN_TOMBSTONE_HIDES", 0, NULL},
    {"SWEEP_INSERT_ABSENT", 0, NULL},
    {"PURGE_NEEDS_CLEAN", 0, NULL},
    {"CAS_FLOOR", 0, NULL},
    {"FEED_FALLBACK_FIRST", 0, "feed"},
    {"ONLY_NOT_FOUND_FALLS_THROUGH", 1, NULL},
    {"FALLBACK_ERROR_IS_ERROR", 1, NULL},
    {"TOKEN_OF_FALLBACK", 0, "get put"},
    {"TOKEN_AFTER_MOVE", 0, "get put"},
    {"SCAN_PRIMARY_WINS", 0, "scan"},
    {"MUTATE_NEEDS_RECORD", 0, NULL},
    {"INSERT_SEES_TOMBSTONE", 0, NULL},
    {"LOOP_PUTS_BY_CAS", 0, NULL},
    {"WRITE_ID_PROVES", 1, NULL},
    {"UNKNOWN_IS_SAID", 1, NULL},
    {"LOST_INSERT_IS_UNKNOWN", 1, "purge"},
    {"LOST_ANSWER_AS_STORED", 1, "gat"},
    {"REAP_BY_CAS", 0, "reap"},
    {"REAP_LEAVES_TOMBSTONE", 0, "reap"},
};
enum { N_TEETH = sizeof teeth / sizeof teeth[0] };

static char caught_by[160];
static const char *bitten;

/* Whether the scene fails because of the rule alone. */
static bool is_caught(const scene *s, const char *name)
{
    if (explore_one(s, name)) return false;
    (void)seg_rule_switch(bitten, true); /* it is there */
    bool is_well = explore_one(s, name);
    (void)seg_rule_switch(bitten, false); /* as above */
    return is_well;
}

static bool until_caught(const scene *s, const char *name)
{
    if (!is_caught(s, name)) return true;
    (void)snprintf(caught_by, sizeof caught_by, "%s", name);
    return false;
}

/* Whether it is missed. */
static bool bites(const tooth *t)
{
    memset(&total, 0, sizeof total);
    opt.strikes = t->strikes;
    opt.only = t->only;
    bitten = t->rule;
    (void)seg_rule_switch(bitten, false); /* it is there */
    bool is_missed = !tour_all(until_caught);
    (void)seg_rule_switch(bitten, true); /* as above */
    if (is_missed)
        printf("ok - without %s: %s; scene %llu, schedule %llu\n", t->rule, caught_by, (unsigned long long)total.scenes,
               (unsigned long long)total.schedules);
    else printf("not ok - nothing notices that %s is off\n", t->rule);
    fflush(stdout);
    return is_missed;
}

static int show_teeth(void)
{
    int missed = 0;
    opt.teeth = true;
    for (unsigned r = 0; r < SEG_N_RULES; r++) {
        const char *name = seg_rule_name((seg_rule)r);
        const tooth *t = NULL;
        for (size_t i = 0; i < N_TEETH; i++)
            if (strcmp(teeth[i].rule, name) == 0) t = &teeth[i];
        if (t) missed += !bites(t);
        else if (strcmp(seg_rule_missed_by((seg_rule)r), "LOOP") == 0) missed += !bites(&(tooth){name, 0, NULL});
    }
    return missed ? 1 : 0;
}

/* ---- what the reduction leaves out ---- */

/* Nothing was found wrong because nothing was looked at: that is no success. */
static int nothing_ran(void)
{
    puts("not ok - no scene was run: nothing has such a name, or the part is empty");
    return 2;
}

static uint64_t n_compared;

/* Every schedule against those that are enough: what the first ones show the others show, too. Where it takes too long nothing
 * is said. */
static bool compare_in_full(const scene *s, const char *name)
{
    scene_compared c;
    search_options options = options_of_search();
    if (!scene_compare(s, &options, &c)) return true;
    n_compared++;
    total.schedules += c.schedules;
    total.histories += c.histories;
    if (!c.lost && !c.invented) return true;
    printf("not ok - %s: of %llu histories %llu are lost, and there are %llu others\n", name,
           (unsigned long long)c.histories, (unsigned long long)c.lost, (unsigned long long)c.invented);
    return false;
}

static int check_reduction(void)
{
    bool same = tour_all(compare_in_full);
    if (same && !n_compared) return nothing_ran();
    printf("%s - the reduction loses no history of %llu scenes (%llu schedules in full)\n", same ? "ok" : "not ok",
           (unsigned long long)n_compared, (unsigned long long)total.schedules);
    return same ? 0 : 1;
}

/* ---- one scene by name ---- */

static const char *wanted;
static const char *wanted_schedule;
static int replay_ended;

static bool replay_wanted(const scene *s, const char *name)
{
    if (strcmp(name, wanted) != 0) return true;
    search_options options = options_of_search();
    const char *failure = scene_replay(s, wanted_schedule, &options);
    replay_ended = !failure ? 0 : failure == search_misfit ? 2 : 1;
    return false;
}

/* 0: it is explained; 1: it fails, as it did when it was found; 2: there is no such schedule. */
static int replay(void)
{
    if (!tour_all(replay_wanted)) return replay_ended;
    return fprintf(stderr, "segue-explore: there is no scene \"%s\"\n", wanted), 2;
}

/* ---- the program ---- */

static const char help[] =
    "usage: segue-explore [--short] [--part K/N] [--only TEXT] [--most N] [--without RULE]\n"
    "       segue-explore --teeth [--short]        switch each rule off: which scene notices?\n"
    "       segue-explore --list                   the scenes\n"
    "       segue-explore --replay SCENE SCHEDULE  one schedule, as a story; also with --without\n"
    "\n"
    "Runs the real dual store, sweep and changes of phase through every schedule of small scenes, and looks for an order\n"
    "of the operations that explains what they answered. --only: scenes whose name has TEXT in it; --most: runs a\n"
    "scene, 4000000 if not given (20000 with --short). --detail: also between the steps\n"
    "of entering and changing a phase. --strikes N: up to N calls to a store fail, or their answer is lost, in each run.\n";

static bool read_number(const char *text, uint64_t most, uint64_t *ret)
{
    char *end;
    if (!isdigit((unsigned char)text[0])) return false;
    *ret = strtoull(text, &end, 10);
    return !*end && *ret <= most;
}

/* "3/8" */
static bool read_part(const char *text)
{
    char rest;
    return sscanf(text, "%u/%u%c", &opt.part, &opt.n_parts, &rest) == 2 && opt.part >= 1 && opt.part <= opt.n_parts &&
           opt.part-- > 0;
}

/* What has no value. */
static bool read_flag(const char *arg)
{
    const struct {
        const char *name;
        bool *is_on;
    } flags[] = {{"--short", &opt.in_short}, {"--detail", &opt.in_detail},
                 {"--full", &opt.in_full},   {"--check-reduction", &opt.reduction},
                 {"--teeth", &opt.teeth},    {"--list", &opt.list}};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (strcmp(arg, flags[i].name) == 0) return *flags[i].is_on = true;
    return false;
}

/* 0: it can be done. */
static int read_options(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        uint64_t number = 0;
        if (strcmp(argv[i], "--help") == 0) return fputs(help, stdout), 2;
        if (read_flag(argv[i])) continue;
        if (strcmp(argv[i], "--only") == 0 && *value) opt.only = value, i++;
        else if (strcmp(argv[i], "--without") == 0 && *value) opt.without = value, i++;
        else if (strcmp(argv[i], "--strikes") == 0 && read_number(value, STEPS_MOST, &number))
            opt.strikes = (unsigned)number, i++;
        else if (strcmp(argv[i], "--most") == 0 && read_number(value, UINT64_MAX, &opt.most)) i++;
        else if (strcmp(argv[i], "--part") == 0 && read_part(value)) i++;
        else if (strcmp(argv[i], "--replay") == 0 && i + 2 < argc)
            wanted = argv[i + 1], wanted_schedule = argv[i + 2], i += 2;
        else return fprintf(stderr, "segue-explore: \"%s %s\" is not understood\n%s", argv[i], value, help), 2;
    }
    if (!opt.most) opt.most = opt.in_short ? MOST_SHORT : MOST;
    if (opt.without && !seg_rule_switch(opt.without, false))
        return fprintf(stderr, "segue-explore: there is no rule %s\n", opt.without), 2;
    return 0;
}

static int explore(void)
{
    total.began_s = total.told_s = now_s();
    if (!opt.in_short && !opt.only && !opt.in_detail)
        printf("# all scenes take 3 to 3.5 hours on one core; this is part %u of %u\n", opt.part + 1, opt.n_parts);
    (void)tour_all(visit);
    if (!total.scenes) return nothing_ran();
    printf("%s - %llu scenes, %llu schedules (%llu more need not be run), %llu distinct histories; %llu scenes cut, "
           "%llu left out; %.0f s\n",
           total.failures ? "not ok" : "ok", (unsigned long long)total.scenes, (unsigned long long)total.schedules,
           (unsigned long long)total.pruned, (unsigned long long)total.histories, (unsigned long long)total.cut,
           (unsigned long long)total.left_out, now_s() - total.began_s);
    return total.failures ? 1 : 0;
}

int main(int argc, char **argv)
{
    int usage = read_options(argc, argv);
    if (usage) return usage;
    if (wanted) return replay();
    if (opt.list) return tour_all(print_name), 0;
    if (opt.teeth) return show_teeth();
    return opt.reduction ? check_reduction() : explore();
}
