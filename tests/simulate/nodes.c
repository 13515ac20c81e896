/* The scene: processes with clients and runners, who kills and restarts them, the weather, and the operator who leads
 * the migration from one phase to the next; see scene.h. */
#include "simulate/scene.h"

#include "base/base.h"
#include "dual/dual.h"
#include "store/filters.h"

#include <stdio.h>
#include <string.h>

enum { PROCESSES_MOST = SIM_NODES_MOST + 2, RUNNERS_MOST = 2 };

/* What runners are to reach. */
typedef enum goal { GOAL_NOTHING, GOAL_ALL, GOAL_PROOF, GOAL_SEAL, GOAL_CLEAN } goal;

typedef struct process {
    sim_place place;
    bool has_clients, is_up;
    segue_store *raw[SIM_STORES], *sides[SIM_STORES], *dual;
    segue_migration *migrations[RUNNERS_MOST];
    segue_phase acked; /* its operations under earlier phases have ended */
    bool is_led;       /* its own runner has come to the end in this life */
    int64_t restart_ns;
    sim_listener listener;
} process;

typedef struct runner {
    process *p;
    unsigned number;
} runner;

static struct {
    sim_place operator;
    segue_store *raw[SIM_STORES];
    process processes[PROCESSES_MOST];
    runner runners[PROCESSES_MOST][RUNNERS_MOST];
    unsigned n_processes, next_client;
    segue_policy *policy;
    segue_phase group;
    goal goal;
    bool is_done, is_stopping;
    char last_words[400]; /* of a runner that did not come to its end */
} scene;

/* ---- a process ---- */

static const char *const names[PROCESSES_MOST] = {"node 1", "node 2", "node 3", "runner 1", "runner 2"};

static const char *url_of(unsigned side) { return side ? sim_the_plan.fallback : sim_the_plan.primary; }

static segue_store *open_raw(unsigned side, sim_place *place)
{
    segue_store *store = NULL;
    segue_error err = {0};
    segue_env env = sim_env(place);
    segue_open_options options = {&env, SEGUE_OPEN_NO_REAPER}; /* who reaps is a task of ours */
    if (segue_open(url_of(side), &options, &store, &err) != SEGUE_OK)
        sim_fail(NULL, "%s: %s", url_of(side), err.message);
    return store;
}

static bool open_sides(process *p)
{
    segue_error err = {0};
    for (unsigned i = 0; i < SIM_STORES; i++) {
        p->raw[i] = open_raw(i, &p->place);
        if (!p->raw[i] || seg_sched_open(p->raw[i], sim_store_name(i), &p->sides[i], &err) != SEGUE_OK) return false;
    }
    return true;
}

static void close_process(process *p)
{
    segue_close(p->dual);
    for (unsigned i = 0; i < SIM_STORES; i++) {
        segue_close(p->sides[i]);
        segue_close(p->raw[i]);
        p->sides[i] = p->raw[i] = NULL;
    }
    p->dual = NULL;
    p->is_up = p->is_led = false;
}

/* As whoever embeds the library is told to: legacy only while no migration is known to have begun. */
static bool find_phase(process *p, segue_phase *ret)
{
    segue_migration_status status = {0};
    *ret = SEGUE_PHASE_FORWARD;
    if (sim_the_plan.mode != SIM_ALONE || sim_the_plan.begins_forward) return true;
    for (;;) {
        segue_status st = segue_migration_status_read(p->sides[0], NULL, &status, NULL);
        segue_migration_status_free(&status);
        if (sim_is_dead()) return false;
        if (st == SEGUE_NOT_FOUND) *ret = SEGUE_PHASE_LEGACY;
        if (st == SEGUE_OK || st == SEGUE_NOT_FOUND) return true;
        sim_sleep(50 * sim_ms);
    }
}

static void follow(void *arg);
static void tidy(void *arg);
static void run(void *arg);

static void begin_process(void *arg)
{
    process *p = arg;
    segue_error err = {0};
    segue_dual_options options = {0};
    if (!open_sides(p)) return;
    if (p->has_clients) {
        if (!find_phase(p, &options.phase)) return;
        if (sim_the_plan.mode == SIM_GROUP) options.phase = scene.group;
        if (segue_dual_open(p->sides[0], p->sides[1], &options, &p->dual, &err) != SEGUE_OK)
            sim_fail(NULL, "a dual store: %s", err.message);
        p->acked = options.phase;
        sim_tell(NULL, "begins in %s", segue_phase_name(options.phase));
        for (unsigned i = 0; p->dual && i < sim_the_plan.n_clients / sim_the_plan.n_nodes; i++) {
            sim_client *c = seg_alloc_zero(sizeof *c);
            seg_assert(c);
            *c = (sim_client){.place = &p->place, .store = p->dual, .number = ++scene.next_client};
            sim_start(&p->place, "client", sim_client_live, c);
        }
        if (sim_the_plan.mode == SIM_GROUP) sim_start(&p->place, "follower", follow, p);
        sim_start(&p->place, "janitor", tidy, p);
        p->listener = (sim_listener){&p->place, &p->dual};
        if (sim_the_plan.has_feeds) sim_start(&p->place, "consumer", sim_consume, &p->listener);
    }
    bool has_runners = !p->has_clients || sim_the_plan.mode != SIM_OUTSIDE;
    for (unsigned i = 0; has_runners && i < sim_the_plan.n_runners; i++)
        sim_start(&p->place, "runner", run, &scene.runners[p->place.number][i]);
}

/* A dead process's writers need not wait for the end of a hold that will never come. */
static void release(process *p)
{
    segue_store *dual = p->dual ? seg_store_find(p->dual, "dual") : NULL;
    seg_gate *gate = dual ? &((seg_dual *)dual->self)->gate : NULL;
    if (gate && atomic_load(&gate->word) / 2 == SEGUE_PHASE_HOLD)
        atomic_store(&gate->word, SEGUE_PHASE_LEGACY * 2 + (atomic_load(&gate->word) & 1));
}

static void kill_process(process *p)
{
    if (!p->is_up || p->place.is_dead) return;
    sim_kill(&p->place);
    for (unsigned i = 0; i < RUNNERS_MOST; i++)
        if (p->migrations[i]) segue_migration_cancel(p->migrations[i]);
}

/* ---- what a process does besides its clients' work ---- */

static bool goes_on(void) { return !scene.is_stopping && !sim_is_dead() && !sim.failure[0]; }

/* Of a group: one step after the other, until the phase is the group's. */
static void follow(void *arg)
{
    process *p = arg;
    while (goes_on()) {
        segue_phase now = SEGUE_PHASE_LEGACY, next;
        segue_error err = {0};
        if (segue_dual_phase(p->dual, &now) != SEGUE_OK) return;
        next = now < scene.group ? now + 1 : now;
        segue_status st = now <= scene.group ? segue_dual_set_phase(p->dual, next, 20 * sim_ms, &err) : SEGUE_OK;
        if (st == SEGUE_OK && now <= scene.group && !sim_is_dead() && p->acked != next) {
            p->acked = next;
            sim_tell(NULL, "is in %s", segue_phase_name(next));
        }
        sim_sleep(sim_between(1, 30) * sim_ms);
    }
}

/* Reaps what has expired, and tries to purge, which is refused until it is legal. */
static void tidy(void *arg)
{
    process *p = arg;
    while (goes_on()) {
        uint64_t n = 0;
        segue_error err = {0};
        sim_sleep(sim_between(0, 2 * sim_the_plan.reap_ns));
        if (!goes_on()) return;
        bool reaps = sim_chance(700000);
        segue_status st = reaps ? segue_reap(p->dual, sim_pick(3), &n, &err)
                                : segue_purge_tombstones(p->dual, &n, &err);
        if (sim_is_dead()) return;
        sim_note('J', n, (uint64_t)st);
        sim_tell(NULL, "janitor: %s, %llu", segue_status_name(st), (unsigned long long)n);
        bool expected = st == SEGUE_OK || st == (reaps ? SEGUE_UNSUPPORTED : SEGUE_REFUSED) ||
                        segue_status_is_retryable(st) || segue_status_is_maybe_applied(st);
        if (!expected) sim_fail(NULL, "reaping or purging: %s (%s)", segue_status_name(st), err.message);
    }
}

static segue_status run_once(const runner *r, goal to, segue_error *err)
{
    process *p = r->p;
    segue_migration *m = NULL;
    segue_migration_options options = {.policy = scene.policy,
                                       .dual = p->dual,
                                       .page_docs = sim_the_plan.page_docs,
                                       .hold_seal = to == GOAL_PROOF,
                                       .hold_clean = to == GOAL_PROOF || to == GOAL_SEAL,
                                       .timeout_ns = 2 * sim_second,
                                       .stale_ns = sim_the_plan.stale_ns};
    if (sim_the_plan.mode != SIM_ALONE) options.fence_ns = sim_the_plan.timeout_most_ns + sim.weather.delay_most_ns;
    /* With less than some signs of life two runners take it from each other for ever, as <segue/migrate.h> says: they may,
     * but not in the end. */
    if (sim.is_calm && options.stale_ns < 2 * sim_second) options.stale_ns = 2 * sim_second;
    segue_status st = segue_migration_open(p->sides[1], p->sides[0], &options, &m, err);
    if (st != SEGUE_OK) return st;
    p->migrations[r->number] = m;
    if (to == GOAL_SEAL) st = segue_migration_seal(m, err);
    else if (to == GOAL_CLEAN) st = segue_migration_clean(m, err);
    else if (to == GOAL_PROOF && sim_chance(100000))
        st = segue_migration_verify(m, SEGUE_VERIFY_REPAIR, NULL, NULL, NULL, err);
    else st = segue_migration_run(m, err);
    p->migrations[r->number] = NULL;
    segue_migration_close(m);
    return st;
}

static void run(void *arg)
{
    const runner *r = arg;
    while (goes_on()) {
        segue_error err = {0};
        sim_sleep(sim_between(1, 800) * sim_ms);
        bool is_idle = scene.goal == GOAL_NOTHING || r->p->is_led;
        if (!goes_on() || is_idle) continue;
        goal to = scene.goal;
        /* Somebody is impatient. A group's nodes are not all where they must be then, and nobody but its operator knows. */
        if (to == GOAL_ALL && sim_chance(100000)) to = sim_chance(500000) ? GOAL_SEAL : GOAL_CLEAN;
        segue_status st = run_once(r, to, &err);
        /* One that was slow has begun once more after the proof. */
        if (st == SEGUE_REFUSED && scene.goal == GOAL_SEAL) st = run_once(r, GOAL_PROOF, &err);
        if (sim_is_dead()) return;
        sim_note('R', r->number, (uint64_t)st);
        sim_tell(NULL, "runner %u: %s %s", r->number, segue_status_name(st), st == SEGUE_OK ? "" : err.message);
        if (st != SEGUE_OK)
            (void)snprintf(scene.last_words, sizeof scene.last_words, "%s: %s", segue_status_name(st), err.message);
        if (st == SEGUE_OK && to == GOAL_ALL) r->p->is_led = scene.is_done = true;
    }
}

/* ---- the world around ---- */

static void keep(void *arg)
{
    (void)arg;
    for (bool any = true; any;) {
        any = !scene.is_stopping && !sim.failure[0];
        for (unsigned i = 0; i < scene.n_processes; i++) {
            process *p = &scene.processes[i];
            if (sim.failure[0]) kill_process(p); /* it may wait for a phase that does not come any more */
            if (p->place.is_dead) release(p);
            if (p->is_up && p->place.n_tasks == 0) {
                close_process(p);
                p->restart_ns = sim.now_ns + (p->place.is_dead ? sim_between(1, 3000) * sim_ms : 0);
            } else if (!p->is_up && any && sim.now_ns >= p->restart_ns) {
                p->place.is_dead = false;
                p->is_up = true;
                sim_start(&p->place, "begin", begin_process, p);
            }
        }
        for (unsigned i = 0; i < scene.n_processes; i++) any |= scene.processes[i].is_up;
        sim_sleep(5 * sim_ms);
    }
}

static void rage(void *arg)
{
    (void)arg;
    while (!sim.is_calm && !scene.is_stopping && !sim.failure[0]) {
        sim_sleep(sim_between(0, 2 * sim_the_plan.kill_ns));
        if (!sim.is_calm) kill_process(&scene.processes[sim_pick(scene.n_processes)]);
    }
}

static void storm(void *arg)
{
    (void)arg;
    while (!sim.is_calm && !scene.is_stopping && !sim.failure[0]) {
        sim_sleep(sim_between(0, 2 * sim_the_plan.down_ns));
        unsigned store = (unsigned)sim_pick(SIM_STORES);
        int64_t until = sim.now_ns + sim_between(20, 5000) * sim_ms;
        sim.weather.down_until[store] = until;
        sim_tell(NULL, "%s is down for %lld ms", store ? "F" : "P", (long long)((until - sim.now_ns) / sim_ms));
    }
}

/* ---- the operator ---- */

static segue_stage stage(void)
{
    segue_migration_status status = {0};
    segue_stage now = SEGUE_STAGE_NONE;
    if (segue_migration_status_read(scene.raw[0], NULL, &status, NULL) == SEGUE_OK) now = status.stage;
    segue_migration_status_free(&status);
    return now;
}

/* Every node that lives is there, and none has an operation under way that began before. */
static bool all_have_come_to(segue_phase phase)
{
    for (unsigned i = 0; i < scene.n_processes; i++) {
        const process *p = &scene.processes[i];
        if (p->has_clients && p->is_up && (!p->dual || p->acked < phase)) return false;
    }
    return true;
}

/* Faults end when the first is over, and all when both are. */
enum { PATIENCE_S = 400, END_S = 300 };
static int64_t patience_ends_ns;
static segue_stage last_stage;

static void wait_a_little(void)
{
    sim_sleep(20 * sim_ms);
    segue_stage now = stage();
    if (now != last_stage) sim_the_score.in_stage = 0;
    last_stage = now;
    if (sim.now_ns > patience_ends_ns && !sim.is_calm) {
        sim.is_calm = true;
        sim_tell(NULL, "all is calm");
    }
    if (sim.now_ns > patience_ends_ns + END_S * sim_second)
        sim_fail(NULL, "the migration does not come to its end; it is %s; the last runner said: %s",
                 segue_stage_name(now), scene.last_words);
}

/* Clients go on under what is, for a while. */
static void dwell(void)
{
    int64_t until = sim.now_ns + sim_between(0, sim_the_plan.dwell_ns);
    sim_the_score.in_stage = 0;
    while (sim.now_ns < until && !sim.failure[0]) wait_a_little();
}

static void wait_for_phase(segue_phase phase)
{
    scene.group = phase;
    while (!all_have_come_to(phase) && !sim.failure[0]) wait_a_little();
    sim_tell(NULL, "all are in %s", segue_phase_name(phase));
    dwell();
}

static void wait_for_stage(goal to, segue_stage wanted)
{
    scene.goal = to;
    while (stage() < wanted && !sim.failure[0]) wait_a_little();
    sim_tell(NULL, "the migration is %s", segue_stage_name(wanted));
    dwell();
}

static void lead_group(void)
{
    if (scene.group < SEGUE_PHASE_HOLD) wait_for_phase(SEGUE_PHASE_HOLD);
    scene.group = SEGUE_PHASE_FORWARD;
    wait_for_stage(GOAL_PROOF, SEGUE_STAGE_VERIFIED);
    wait_for_phase(SEGUE_PHASE_FORWARD);
    wait_for_stage(GOAL_SEAL, SEGUE_STAGE_SEALED);
    wait_for_phase(SEGUE_PHASE_SEALED);
    wait_for_stage(GOAL_CLEAN, SEGUE_STAGE_CLEAN);
    wait_for_phase(SEGUE_PHASE_CLEAN);
    scene.goal = GOAL_NOTHING;
    scene.is_done = true;
}

static void operate(void *arg)
{
    (void)arg;
    last_stage = SEGUE_STAGE_NONE;
    patience_ends_ns = sim.now_ns + PATIENCE_S * sim_second;
    dwell();
    if (sim_the_plan.mode == SIM_GROUP) lead_group();
    else scene.goal = GOAL_ALL;
    while (!sim.failure[0] && !scene.is_done) wait_a_little();
    dwell();
    while (!sim.failure[0] && !sim.is_calm && sim_the_score.in_stage < sim_the_plan.operations_least) wait_a_little();
    sim.is_calm = true; /* whoever was killed comes back, and every runner comes to its end once more */
    sim_sleep(5 * sim_second);
    sim_is_over = true;
    scene.is_stopping = true;
}

/* ---- the whole ---- */

static const char policy_text[] =
    "{\"unmatched\":\"leave\",\"rules\":[{\"key\":\"f0000\",\"action\":\"move\",\"last\":true},"
    "{\"prefix\":\"k\",\"action\":\"move\"},{\"prefix\":\"f\",\"action\":\"move\"},"
    "{\"prefix\":\"d\",\"action\":\"drop\"}]}";

static void fill(void)
{
    sim_place other = {.name = "filler", .skew_ns = sim_chance(300000) ? 3600 * sim_second : 0};
    segue_store *ahead = open_raw(1, &other);
    for (unsigned key = 0; ahead && key < sim_the_plan.n_keys; key++) {
        if (key % 5 == 4 && sim_the_plan.begins_forward) sim_fill_key(scene.raw[0], key);
        else if (key % 3 != 2) sim_fill_key(ahead, key);
    }
    if (ahead) sim_fill(scene.raw[0], ahead);
    segue_close(ahead);
}

static void make_processes(void)
{
    const sim_plan *plan = &sim_the_plan;
    scene.n_processes = plan->n_nodes + (plan->mode == SIM_OUTSIDE ? 2 : 0);
    for (unsigned i = 0; i < scene.n_processes; i++) {
        process *p = &scene.processes[i];
        bool has_clients = i < plan->n_nodes;
        *p = (process){.place = {.number = i, .name = names[has_clients ? i : SIM_NODES_MOST + i - plan->n_nodes]},
                       .has_clients = has_clients};
        p->place.skew_ns = plan->skew_most_ns ? sim_between(-plan->skew_most_ns, plan->skew_most_ns) : 0;
        for (unsigned k = 0; k < RUNNERS_MOST; k++) scene.runners[i][k] = (runner){p, k};
    }
}

static void look_at_the_end(void)
{
    segue_error err = {0};
    segue_dual_options options = {SEGUE_PHASE_FORWARD};
    segue_store *dual = NULL;
    if (segue_dual_open(scene.raw[0], scene.raw[1], &options, &dual, &err) != SEGUE_OK)
        sim_fail(NULL, "%s", err.message);
    else sim_check(scene.raw[0], scene.raw[1], dual);
    segue_close(dual);
}

void sim_play(void)
{
    memset(&scene, 0, sizeof scene);
    scene.operator.name = "operator";
    scene.group = sim_the_plan.begins_forward ? SEGUE_PHASE_FORWARD : SEGUE_PHASE_LEGACY;
    sim_is_over = false;
    sim_the_score = (sim_score){0};
    segue_error err = {0};
    if (segue_policy_parse(segue_str(policy_text), &scene.policy, &err) != SEGUE_OK) sim_fail(NULL, "%s", err.message);
    for (unsigned i = 0; i < SIM_STORES; i++) scene.raw[i] = open_raw(i, &scene.operator);
    fill();
    make_processes();
    sim_start(&scene.operator, "keeper", keep, NULL);
    sim_start(&scene.operator, "operator", operate, NULL);
    if (sim_the_plan.kill_ns) sim_start(&scene.operator, "killer", rage, NULL);
    if (sim_the_plan.down_ns) sim_start(&scene.operator, "storm", storm, NULL);
    sim_run();
    if (!sim.failure[0]) look_at_the_end();
    for (unsigned i = 0; i < SIM_STORES; i++) segue_close(scene.raw[i]);
    segue_policy_free(scene.policy);
    sim_free_histories();
    sim_forget_feeds();
}
