/* For the explorer: what it explores. A scene is a pair of stores, a beginning and a few parties over one document; a party
 * is a list of operations of clients (history.h) and of the migration's own steps. One thread. */
#ifndef SCENE_H
#define SCENE_H

#include "history.h"
#include "search.h"

#include <segue/dual.h>

/* Where the two records come from, and what they are. */
typedef struct setting {
    const char *name;
    const char *primary, *fallback; /* URLs */
    bool keeps_cas;
    bool is_ahead;  /* the fallback's clock is, by hours */
    bool two_nodes; /* the second party has the dual store open by itself, and its phase follows the first's */
} setting;

typedef enum content { NOTHING, LIVE, TOMBSTONE, EXPIRED } content;

typedef struct beginning {
    const char *name;
    content primary, fallback;
    segue_phase phase;
} beginning;

extern const setting settings[];
extern const unsigned n_settings;
extern const beginning beginnings[];
extern const unsigned n_beginnings;

typedef struct scene {
    const setting *setting;
    const beginning *beginning;
    const char *parties[PARTIES_MOST]; /* "get cas": steps, one after the other */
    unsigned n_parties;
} scene;

/* "two engines / live in F / get cas | sweep" */
void scene_name(const scene *s, char *out, size_t size);

/* Close what the last run has left open. */
void scenes_close(void);

typedef struct scene_result {
    search_result search;
    uint64_t histories; /* distinct ones */
} scene_result;

void scene_explore(const scene *s, const search_options *options, scene_result *ret);
/* Every schedule against those that are enough. */
typedef struct scene_compared {
    uint64_t schedules, reduced; /* in full, and those */
    uint64_t histories;
    uint64_t lost;     /* for which there is none among those with the same answers and no more freedom */
    uint64_t invented; /* the other way round */
} scene_compared;
/* False: they are too many to say. */
bool scene_compare(const scene *s, const search_options *options, scene_compared *ret);

/* One schedule that was found under these options, as a story of two columns and more. What is wrong, or NULL. */
const char *scene_replay(const scene *s, const char *schedule, const search_options *options);

#endif
