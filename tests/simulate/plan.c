/* What a seed decides beforehand; see scene.h. Runs differ as much as they can: what is left out, and what comes often,
 * is drawn for each anew. */
#include "simulate/scene.h"

#include <stdio.h>
#include <string.h>

sim_plan sim_the_plan;

/* In the order of the verbs of clients.c. */
static const unsigned usual_weights[SIM_VERBS] = {20, 3, 5, 8, 8, 8, 12, 3, 6, 4, 2, 10, 6, 3, 3, 1, 3, 3, 12, 1};

static bool drops(char *caps, size_t size, const char *cap, unsigned percent)
{
    if (!sim_chance(percent * 10000)) return false;
    size_t n = strlen(caps);
    (void)snprintf(caps + n, size - n, "%s-%s", n ? "," : "&caps=", cap); /* fits */
    return true;
}

/* Returns whether it can keep a CAS. */
static bool make_url(char url[120], const char *name, const char *collection, sim_plan *plan)
{
    char caps[96] = "";
    (void)drops(caps, sizeof caps, "mutate", 30);
    (void)drops(caps, sizeof caps, "move", 20);
    (void)drops(caps, sizeof caps, "write_many", 30);
    (void)drops(caps, sizeof caps, "write_id", 10);
    (void)drops(caps, sizeof caps, "cas_macros", 10);
    if (drops(caps, sizeof caps, "changes", 10)) plan->has_feeds = false;
    (void)drops(caps, sizeof caps, "expired", 10);
    bool loses = drops(caps, sizeof caps, "keep_cas", 20);
    (void)snprintf(url, 120, "mem:%s?collection=%s%s", name, collection, caps); /* fits */
    return !loses;
}

static unsigned one_of(const unsigned *all, unsigned n) { return all[sim_pick(n)]; }
#define ONE_OF(...) one_of((const unsigned[]){__VA_ARGS__}, sizeof((const unsigned[]){__VA_ARGS__}) / sizeof(unsigned))

static void make_weather(void)
{
    sim.weather = (sim_weather){.fail = ONE_OF(0, 0, 300, 3000, 20000),
                                .slow = ONE_OF(1000, 5000, 50000, 200000),
                                .lose = ONE_OF(0, 0, 300, 3000, 10000),
                                .delay = ONE_OF(0, 0, 100, 1000),
                                .latency_ns = (int64_t)ONE_OF(20, 100, 500, 2000) * 1000,
                                .gate_ns = (int64_t)ONE_OF(0, 1, 20, 200) * 1000,
                                .delay_most_ns = (int64_t)ONE_OF(100, 1000, 8000) * sim_ms};
}

void sim_make_plan(void)
{
    sim_plan *plan = &sim_the_plan;
    *plan = (sim_plan){.mode = (sim_mode)sim_pick(3), .has_feeds = true};
    plan->n_nodes = plan->mode == SIM_ALONE   ? 1
                    : plan->mode == SIM_GROUP ? 2 + (unsigned)sim_pick(2)
                                              : 1 + (unsigned)sim_pick(3);
    bool one_engine = sim_chance(300000);
    plan->moves_cas = !make_url(plan->primary, "simulated", "new.new", plan);
    (void)make_url(plan->fallback, one_engine ? "simulated" : "simulated-old", "old.old", plan);
    plan->n_clients = plan->n_nodes * ONE_OF(3, 4, 8, 16);
    if (plan->n_clients < 8) plan->n_clients = 8;
    plan->n_keys = ONE_OF(3, 6, 12, 24);
    plan->n_fillers = ONE_OF(0, 20, 100, 600);
    plan->n_runners = ONE_OF(1, 1, 2);
    plan->page_docs = ONE_OF(2, 7, 50);
    for (unsigned i = 0; i < SIM_VERBS; i++)
        plan->all_weights += plan->weights[i] = usual_weights[i] * ONE_OF(0, 1, 1, 2, 4);
    if (!plan->all_weights) plan->all_weights = plan->weights[0] = 1;
    plan->expiring = ONE_OF(0, 50000, 200000, 500000);
    plan->expiry_most_s = ONE_OF(1, 3, 20);
    plan->operations_most = ONE_OF(300, 1000, 2500);
    plan->operations_least = plan->operations_most / 2;
    plan->think_ns = (int64_t)ONE_OF(0, 5, 20, 100) * sim_ms;
    plan->timeout_most_ns = (int64_t)ONE_OF(200, 2000, 10000) * sim_ms;
    plan->skew_most_ns = (int64_t)ONE_OF(0, 0, 50, 2000) * sim_ms;
    plan->stale_ns = (int64_t)ONE_OF(500, 2000, 5000) * sim_ms;
    plan->kill_ns = (int64_t)ONE_OF(0, 300, 2000, 8000) * sim_ms;
    plan->down_ns = (int64_t)ONE_OF(0, 0, 3000, 10000) * sim_ms;
    plan->reap_ns = (int64_t)ONE_OF(20, 200, 1000, 5000) * sim_ms;
    plan->dwell_ns = (int64_t)ONE_OF(10, 300, 3000, 8000) * sim_ms;
    plan->begins_forward = plan->mode == SIM_OUTSIDE || sim_chance(300000);
    make_weather();
}
