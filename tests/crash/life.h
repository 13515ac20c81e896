/* What the processes of `segue-crash` do: a small migration from beginning to end, with the scripted client in between. The
 * same life is led again after each death: what an operator does is start again. */
#ifndef SEG_CRASH_LIFE_H
#define SEG_CRASH_LIFE_H

#include "crash/client.h"
#include <segue/migrate.h>

typedef struct crash_scene {
    const char *name;
    const char *from, *to; /* URLs; %s is the folder. to NULL: one store, nothing is migrated */
    const crash_step *script;
    unsigned n_steps, n_legacy; /* so many of them before the migration begins */
    segue_on_foreign on_foreign;
    bool is_old;   /* the fallback's file has the first version of the format */
    bool is_long;  /* only for the points of checkpoints */
    bool keeps;    /* a copy: the fallback stays as it is */
    bool is_group; /* several threads on one store instead: group.h */
    bool may_lose; /* the power may take what was acknowledged last, in order */
} crash_scene;

extern const crash_scene crash_scenes[];
extern const unsigned crash_n_scenes;

/* The stores as they are at first, into the folder. False: shared->why. */
bool crash_make_stores(const crash_scene *scene, const char *folder, crash_shared *shared);
/* To the end, and judged. False: shared->why. */
bool crash_live(const crash_scene *scene, const char *folder, crash_shared *shared);

#endif
