/* The simulated world: virtual time, tasks that run by turns in it, processes that can be killed, weather over the
 * stores. All of it follows from one seed. One thread; one world at a time.
 *
 * A task is a fibre. It sleeps before each call to a store (latency), wherever the product marks a moment
 * (base/sched.h), and when it asks to; time goes on only when all sleep. A process that is killed runs on without any
 * effect until its tasks have come to their end: each of its calls fails before it is made, time passes for it as it
 * likes, and nobody looks at its answers. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <segue/store.h>
#include <stdbool.h>
#include <stdint.h>

enum { SIM_STORES = 2 }; /* the primary, the fallback */
static const int64_t sim_ms = 1000000, sim_second = 1000000000;

/* A process. */
typedef struct sim_place {
    const char *name;
    unsigned number;
    int64_t skew_ns; /* of its wall clock */
    bool is_dead;
    unsigned n_tasks;
} sim_place;

typedef struct sim_weather {
    unsigned slow;               /* of a million calls: twenty times as long as usual */
    unsigned fail, lose, delay;  /* of a million calls: not made, made and the answer lost, made late */
    int64_t latency_ns, gate_ns; /* of a call and of a step in between, on average */
    int64_t delay_most_ns;
    int64_t down_until[SIM_STORES]; /* calls fail until then */
} sim_weather;

typedef struct sim_counts {
    uint64_t steps, calls, failed, lost, delayed, kills;
} sim_counts;

/* What is simulated now. */
typedef struct sim_world {
    uint64_t seed, random, digest, moment;
    int64_t now_ns;
    sim_weather weather;
    bool is_calm; /* no faults */
    sim_counts counts;
    char failure[600]; /* the first; "" none */
    char failed_key[16];
    uint64_t failed_moment; /* of what was found out about in the end, long after it; 0: now */
    /* Stories: of one key, or (empty) of none; of what comes until a moment, 0 all. */
    const char *story_key;
    uint64_t story_until;
} sim_world;
extern sim_world sim;

/* Begin a world; the one before has ended. */
void sim_begin(uint64_t seed, const char *story_key, uint64_t story_until);
/* Run until no task is left. */
void sim_run(void);
/* Give everything back, and print the story if there is one. */
void sim_end(bool with_story);

/* ---- chance ---- */

uint64_t sim_pick(uint64_t n);                    /* below n */
int64_t sim_between(int64_t least, int64_t most); /* both included */
bool sim_chance(unsigned of_a_million);

/* ---- tasks ---- */

void sim_start(sim_place *place, const char *name, void (*fn)(void *arg), void *arg);
void sim_sleep(int64_t ns);
/* The operation that the running task begins must not act after that moment on what it has read in the fallback; 0: none. */
void sim_deadline(int64_t ns);
/* The process that the running task is of has been killed. */
bool sim_is_dead(void);
void sim_kill(sim_place *place);
/* The address that a side of the migration goes by at the product's marks: for seg_sched_open. */
const void *sim_store_name(unsigned store);
segue_env sim_env(sim_place *place);
/* The wall clock in seconds: of a place (NULL: true time). */
uint64_t sim_second_of(const sim_place *place);

/* ---- what happens ---- */

/* A number greater than every one before. */
uint64_t sim_moment(void);
/* Into the digest. */
void sim_note(uint64_t what, uint64_t a, uint64_t b);
/* The first failure stays. key may be NULL. */
void sim_fail(const char *key, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A line of the story, if it is about this key (NULL: about all). */
void sim_tell(const char *key, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
