/* For the explorer: the stores of a run, the steps that a migration takes in them, and digests of what is there. One thread. */
#ifndef WORLD_H
#define WORLD_H

#include "scene.h"

#include <segue/migrate.h>

/* All that there is in a run. */
typedef struct world {
    segue_store *p, *f;                        /* as they are */
    segue_store *watched_p, *watched_f;        /* each call, and each look at the clock, is a point */
    segue_store *dual[2];                      /* of two nodes, or the first alone */
    segue_migration *runner[PARTIES_MOST + 1]; /* each party's own, and the one that ends it all */
    bool has_own_records;                      /* somebody writes records of the migration's own into the primary */
    bool has_seal, can_move, keeps_cas;
    bool has_cleaner;
    uint64_t n_manifests[PARTIES_MOST + 1];
    bool has_rivals; /* more than one party changes the phase */
} world_state;
extern world_state world;

extern const char world_P[], world_F[]; /* their addresses tell the two apart */

/* Make everything anew for the scene, as its beginning says. *ret_start: the document that a client finds. */
void world_open(const scene *s, segue_record *ret_start);
void world_close(void);

/* A step of the migration by this party. NULL: done, or what is wrong. *ret_is_step false: it is none, but an operation. */
const char *world_step(unsigned party, const char *name, bool *ret_is_step);
/* What is wrong is only that another party has come first. */
extern const char world_too_late[];
/* A digest of what this party keeps from one step to the next. */
uint64_t world_known_to(unsigned party);
/* What this party's clean-up has purged. */
uint64_t world_purged(unsigned party);
/* "get cas": one word after the other. False: there is none left. */
enum { WORD_SIZE = 32 };
bool world_next_word(const char **text, char out[WORD_SIZE]);
/* Until a look finds nothing more in the fallback. */
bool world_sweep_all(unsigned party, segue_error *err);

/* What a word of a party may touch. */
enum {
    LOOKS_AT_P = 1 << 0,
    WRITES_P = 1 << 1,
    LOOKS_AT_F = 1 << 2,
    WRITES_F = 1 << 3,
    CHANGES_PHASE = 1 << 4,
    MOVES_CLOCK = 1 << 5,
    USES_OWN_RECORDS = 1 << 6, /* of the migration */
    LOOKS_AT_ALL = 1 << 7      /* of the primary, those too */
};
unsigned world_touched_by(const scene *s, const char *word);
bool world_may_touch(unsigned touched, const void *object, uint64_t part, bool or_reads);
uint64_t world_seen_at(const void *object, uint64_t part, bool closely);
uint64_t world_shared(void);
uint64_t world_hash(const void *data, size_t size);

void world_must(segue_status st, const char *what, const segue_error *err);

#endif
