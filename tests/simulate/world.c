/* The simulated world; see world.h. */
#include "simulate/world.h"

#include "base/base.h"
#include "base/sched.h"
#include "support/fibre.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TASKS_MOST = 256, STORY_LINES = 300, STORY_WIDTH = 220, DEAD_SLEEPS_MOST = 1000000, HURRIED_SLEEPS = 1000 };
static const int64_t the_beginning_ns = INT64_C(1800000000) * 1000000000, longest_ns = INT64_C(3600) * 1000000000;

typedef struct task {
    fibre *fibre;
    sim_place *place;
    const char *name;
    void (*fn)(void *arg);
    void *arg;
    int64_t wake_ns, dead_ns; /* dead_ns: time that passes for the dead alone */
    unsigned dead_sleeps;
    int64_t deadline_ns; /* of its operation, 0 none */
    bool read_fallback;  /* its last call was a read of the fallback */
} task;

sim_world sim;
static task *tasks[TASKS_MOST];
static unsigned n_tasks;
static task *running;
static char story[STORY_LINES][STORY_WIDTH];
static uint64_t n_story, story_part;
static const char store_names[SIM_STORES] = {'P', 'F'};

/* ---- chance ---- */

static uint64_t next_random(void)
{
    uint64_t z = sim.random += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

uint64_t sim_pick(uint64_t n) { return next_random() % n; }

int64_t sim_between(int64_t least, int64_t most) { return least + (int64_t)sim_pick((uint64_t)(most - least) + 1); }

bool sim_chance(unsigned of_a_million) { return of_a_million && sim_pick(1000000) < of_a_million; }

/* ---- what happens ---- */

uint64_t sim_moment(void) { return ++sim.moment; }

void sim_note(uint64_t what, uint64_t a, uint64_t b)
{
    const uint64_t all[] = {(uint64_t)sim.now_ns, what, a, b};
    for (unsigned i = 0; i < 4; i++) {
        sim.digest = (sim.digest ^ all[i]) * UINT64_C(0x9E3779B97F4A7C15);
        sim.digest ^= sim.digest >> 29;
    }
}

static uint64_t part_of(const char *key) /* as the sched filter */
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *key; key++) h = (h ^ (unsigned char)*key) * UINT64_C(0x100000001b3);
    return h;
}

static void tell_line(const char *format, va_list args)
{
    if (sim.story_until && sim.moment > sim.story_until) return;
    char *line = story[n_story++ % STORY_LINES];
    int n = snprintf(line, STORY_WIDTH, "%11.6f s %-8s ", (double)(sim.now_ns - the_beginning_ns) / 1e9,
                     running ? running->place->name : "");
    if (n > 0 && n < STORY_WIDTH)
        (void)vsnprintf(line + n, (size_t)(STORY_WIDTH - n), format, args); /* cut if it must be */
}

static void tell_always(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void tell_always(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tell_line(format, args);
    va_end(args);
}

void sim_tell(const char *key, const char *format, ...)
{
    va_list args;
    if (!sim.story_key || (key && strcmp(key, sim.story_key) != 0)) return;
    va_start(args, format);
    tell_line(format, args);
    va_end(args);
}

void sim_fail(const char *key, const char *format, ...)
{
    va_list args;
    if (sim.failure[0]) return;
    va_start(args, format);
    (void)vsnprintf(sim.failure, sizeof sim.failure, format, args); /* cut if it must be */
    va_end(args);
    (void)snprintf(sim.failed_key, sizeof sim.failed_key, "%s", key ? key : ""); /* keys are short */
}

/* ---- tasks ---- */

static void run_task(void *arg)
{
    task *t = arg;
    t->fn(t->arg);
}

void sim_start(sim_place *place, const char *name, void (*fn)(void *arg), void *arg)
{
    task *t = seg_alloc_zero(sizeof *t);
    seg_assert(t && n_tasks < TASKS_MOST);
    *t = (task){.place = place, .name = name, .fn = fn, .arg = arg, .wake_ns = sim.now_ns + sim_between(1, sim_ms)};
    t->fibre = fibre_new(run_task, t);
    place->n_tasks++;
    tasks[n_tasks++] = t;
}

bool sim_is_dead(void) { return running && running->place->is_dead; }

/* Until the time has come. The dead do not wait: they only let others come first, but for one that waits for somebody who is
 * alive and slow. */
static void pause_task(int64_t ns)
{
    task *t = running;
    bool hurries = t->place->is_dead && t->dead_sleeps < HURRIED_SLEEPS;
    t->wake_ns = sim.now_ns + (hurries ? 1000 : ns);
    fibre_yield();
}

void sim_sleep(int64_t ns)
{
    if (!running) { /* before the world begins to turn, and after */
        sim.now_ns += ns;
        return;
    }
    pause_task(ns);
    if (!running->place->is_dead) return;
    running->dead_ns += ns > sim_ms ? ns : sim_ms;
    if (++running->dead_sleeps == DEAD_SLEEPS_MOST) {
        (void)fprintf(stderr, "simulate: a killed task never ends: %s of %s\n", running->name, running->place->name);
        abort();
    }
}

void sim_kill(sim_place *place)
{
    if (place->is_dead) return;
    place->is_dead = true;
    sim.counts.kills++;
    sim_note('K', place->number, 0);
    sim_tell(NULL, "%s is killed", place->name);
    for (unsigned i = 0; i < n_tasks; i++)
        if (tasks[i]->place == place) tasks[i]->wake_ns = sim.now_ns;
}

static void end_task(unsigned at)
{
    task *t = tasks[at];
    t->place->n_tasks--;
    fibre_free(t->fibre);
    seg_free(t);
    memmove(&tasks[at], &tasks[at + 1], (--n_tasks - at) * sizeof *tasks);
}

void sim_run(void)
{
    while (n_tasks) {
        unsigned first = 0;
        for (unsigned i = 1; i < n_tasks; i++)
            if (tasks[i]->wake_ns < tasks[first]->wake_ns) first = i;
        task *t = running = tasks[first];
        if (running->wake_ns > sim.now_ns) sim.now_ns = running->wake_ns;
        if (sim.now_ns > the_beginning_ns + longest_ns) {
            (void)fprintf(stderr, "simulate: seed %llu never ends: %s of %s goes on and on\n",
                          (unsigned long long)sim.seed, running->name, running->place->name);
            abort();
        }
        sim.counts.steps++;
        bool goes_on = fibre_resume(running->fibre);
        running = NULL;
        if (goes_on) continue;
        for (first = 0; tasks[first] != t;) first++; /* others may have begun meanwhile */
        end_task(first);
    }
}

/* ---- the product's marks ---- */

const void *sim_store_name(unsigned store) { return &store_names[store]; }

static unsigned number_of(const void *object)
{
    for (unsigned i = 0; i < SIM_STORES; i++)
        if (object == &store_names[i]) return i;
    return SIM_STORES;
}

/* Mostly near the mean, now and then much more. */
static int64_t latency(int64_t mean_ns)
{
    int64_t ns = sim_between(0, 2 * mean_ns);
    return sim_chance(sim.weather.slow) ? 20 * ns : ns;
}

static seg_sched_strike strike_now(seg_sched_kind kind, unsigned store)
{
    const sim_weather *w = &sim.weather;
    if (sim.is_calm) return SEG_SCHED_GO;
    for (unsigned i = 0; i < SIM_STORES; i++)
        if ((store == i || store == SIM_STORES) && w->down_until[i] > sim.now_ns) return SEG_SCHED_FAIL;
    if (sim_chance(w->fail)) return SEG_SCHED_FAIL;
    return kind == SEG_SCHED_WRITE && sim_chance(w->lose) ? SEG_SCHED_LOSE : SEG_SCHED_GO;
}

void sim_deadline(int64_t ns)
{
    running->deadline_ns = ns ? sim.now_ns + ns : 0;
    running->read_fallback = false;
}

/* The fence of the protocol counts on it: what was read in the fallback is acted on in time, or read again. */
static void watch_deadline(bool writes, unsigned store)
{
    task *t = running;
    if (writes && store == 0 && t->read_fallback && t->deadline_ns && sim.now_ns > t->deadline_ns)
        sim_fail(NULL, "%s of %s writes what it has read in the fallback, %lld ms after its deadline", t->name,
                 t->place->name, (long long)((sim.now_ns - t->deadline_ns) / sim_ms));
    t->read_fallback = !writes && store == 1;
}

static seg_sched_strike on_call(seg_sched_kind kind, const void *object, uint64_t part)
{
    static const char *const fates[] = {"", ": fails", ": its answer is lost", ""};
    unsigned store = number_of(object);
    if (!running->place->is_dead && part) watch_deadline(kind == SEG_SCHED_WRITE, store);
    int64_t ns = latency(sim.weather.latency_ns);
    if (!sim.is_calm && sim_chance(sim.weather.delay)) {
        ns += sim_between(0, sim.weather.delay_most_ns);
        sim.counts.delayed++;
    }
    pause_task(ns);
    if (running->place->is_dead) return SEG_SCHED_DIE;
    seg_sched_strike strike = strike_now(kind, store);
    sim.counts.calls++;
    sim.counts.failed += strike == SEG_SCHED_FAIL;
    sim.counts.lost += strike == SEG_SCHED_LOSE;
    sim_note(1000 + kind * 10 + strike, store, part ^ running->place->number);
    if (sim.story_key && (part == 0 || part == story_part))
        tell_always("%s %s %s%s%s", running->name, kind == SEG_SCHED_WRITE ? "writes" : "reads",
                    store == 0   ? "P"
                    : store == 1 ? "F"
                                 : "both",
                    part ? "" : " (many)", fates[strike]);
    return strike;
}

static seg_sched_strike on_sched(seg_sched_kind kind, const void *object, uint64_t part, bool may_fail)
{
    if (!fibre_is_inside()) return SEG_SCHED_GO;
    if (may_fail) return on_call(kind, object, part);
    if (kind > SEG_SCHED_DETAIL_WRITE)
        return SEG_SCHED_GO; /* who sleeps does so by himself, and a lock is free or waited for */
    if (kind == SEG_SCHED_WAIT) sim_sleep(sim_between(1, 50000));
    else pause_task(sim.weather.gate_ns ? latency(sim.weather.gate_ns) : 0);
    return SEG_SCHED_GO;
}

/* ---- the environment ---- */

static int64_t mono_ns(void *ctx)
{
    (void)ctx;
    return sim.now_ns + (running ? running->dead_ns : 0);
}

static int64_t wall_ns(void *ctx) { return mono_ns(NULL) + ((const sim_place *)ctx)->skew_ns; }

static void sleep_ns(void *ctx, int64_t ns)
{
    (void)ctx;
    sim_sleep(ns);
}

static void fill_random(void *ctx, void *out, size_t size)
{
    (void)ctx;
    for (unsigned char *at = out; size; at++, size--) *at = (unsigned char)next_random();
}

segue_env sim_env(sim_place *place) { return (segue_env){place, wall_ns, mono_ns, sleep_ns, fill_random}; }

uint64_t sim_second_of(const sim_place *place)
{
    return (uint64_t)((sim.now_ns + (place ? place->skew_ns : 0)) / sim_second);
}

/* ---- a world ---- */

void sim_begin(uint64_t seed, const char *story_key, uint64_t story_until)
{
    sim = (sim_world){.seed = seed,
                      .random = seed * 0xD1342543DE82EF95u,
                      .now_ns = the_beginning_ns,
                      .story_key = story_key,
                      .story_until = story_until};
    n_story = 0;
    story_part = story_key ? part_of(story_key) : 0;
    seg_sched_set(on_sched);
}

void sim_end(bool with_story)
{
    seg_sched_set(NULL);
    uint64_t first = n_story > STORY_LINES ? n_story - STORY_LINES : 0;
    for (uint64_t i = first; with_story && i < n_story; i++) puts(story[i % STORY_LINES]);
    n_story = 0;
}
