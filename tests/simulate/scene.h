/* What is simulated: two stores, nodes with clients, a migration whose runners fight and are killed, and what all of
 * them must have lived to see in the end. One thread. */
#ifndef SIM_SCENE_H
#define SIM_SCENE_H

#include "cli/history.h"
#include "simulate/world.h"

#include <segue/dual.h>
#include <segue/migrate.h>

enum { SIM_KEYS_MOST = 24, SIM_NODES_MOST = 3, SIM_VERBS = 20 };

/* Who drives the phases of the nodes. */
typedef enum sim_mode {
    SIM_ALONE,  /* one node; its own runner leads its clients from legacy to clean */
    SIM_GROUP,  /* several nodes that follow the phase, never more than one step apart; each may run the migration */
    SIM_OUTSIDE /* nodes that are in forward for good, and runners in processes of their own */
} sim_mode;

/* All that the seed decides beforehand. */
typedef struct sim_plan {
    sim_mode mode;
    char primary[120], fallback[120]; /* URLs */
    bool moves_cas;                   /* the primary cannot keep a CAS */
    bool has_feeds;
    unsigned n_nodes, n_clients, n_keys, n_fillers, n_runners, page_docs;
    unsigned weights[SIM_VERBS], all_weights;
    unsigned expiring, expiry_most_s;           /* of a million writes; in so many seconds at most */
    uint64_t operations_least, operations_most; /* of each stage of the migration */
    int64_t think_ns, timeout_most_ns, skew_most_ns, stale_ns;
    int64_t kill_ns, down_ns, reap_ns; /* between two, on average; 0 never */
    int64_t dwell_ns;                  /* before each step of the migration, at most */
    bool begins_forward;
} sim_plan;
extern sim_plan sim_the_plan;

void sim_make_plan(void);

/* ---- clients (clients.c) ---- */

typedef struct sim_client {
    sim_place *place;
    segue_store *store;
    unsigned number; /* nobody else ever has it */
    uint64_t written;
    uint64_t tokens[SIM_KEYS_MOST];
} sim_client;

typedef struct sim_score {
    uint64_t operations, unknown, in_stage, told; /* in_stage: operations since the migration has come to its stage */
} sim_score;
extern sim_score sim_the_score;
extern seg_history sim_histories[SIM_KEYS_MOST];
extern bool sim_is_over; /* clients come to their end */

/* A task's function; arg: a sim_client that it frees. */
void sim_client_live(void *arg);
const char *sim_key(unsigned i, char out[8]);
/* The number in the end of a key's name; SIM_KEYS_MOST: it is none of the clients'. */
unsigned sim_key_number(segue_slice key);
/* A record as the model sees it; false (and the failure is told): nobody wrote such a one. */
bool sim_see(unsigned key, const segue_record *rec, seg_model *ret);
/* A get that was answered with this record (NULL: nothing live), begun at op->begin. */
void sim_saw(unsigned key, seg_op *op, const segue_record *rec);
/* The beginning of an operation at this moment by the clock of this place. */
seg_op sim_begin_op(const sim_place *place, unsigned client, seg_op_kind kind);
void sim_end_op(unsigned key, seg_op *op);
/* Write a first document of this key into a store. */
void sim_fill_key(segue_store *store, unsigned key);
void sim_free_histories(void);

/* ---- feeds (feeds.c) ---- */

typedef struct sim_listener {
    const sim_place *place;
    segue_store *const *store;
} sim_listener;

/* A task's function; arg: a sim_listener that outlives it. */
void sim_consume(void *arg);
/* All is over: let each consumer hear the rest. */
void sim_check_feeds(segue_store *primary, segue_store *dual);
void sim_forget_feeds(void);

/* ---- nodes, runners, the operator (nodes.c) ---- */

/* The whole scene: from the first document to the last check. sim.failure says what is wrong. */
void sim_play(void);

/* ---- the end (check.c) ---- */

/* What nobody of the clients touches. */
void sim_fill(segue_store *primary, segue_store *fallback);
/* A filler as it must be shown, now and always; rec NULL: nothing live is shown. */
void sim_check_filler(unsigned i, const segue_record *rec);
const char *sim_filler_key(unsigned i, char out[8]);
bool sim_filler_is_live(unsigned i);
/* The number of a filler, or n_fillers. */
unsigned sim_filler_number(segue_slice key);
/* All is calm and over: look at everything. primary, fallback: unwatched; dual: one of them all. */
void sim_check(segue_store *primary, segue_store *fallback, segue_store *dual);

#endif
