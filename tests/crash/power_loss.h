/* Loss of power: a whole life of a scene on durable stores is written down as it reaches the disk; then, for every moment of it
 * and for what may become of the writes that were not synced, the files are made as the disk would have them, and the life goes
 * on from there: what was acknowledged by then must be there. */
#ifndef SEG_CRASH_POWER_LOSS_H
#define SEG_CRASH_POWER_LOSS_H

#include "crash/life.h"

typedef struct crash_power {
    const char *folder; /* holds the scene's stores as they are at first; then each image in turn */
    crash_shared *shared;
    void (*empty)(void *ctx);                          /* the folder */
    bool (*live)(void *ctx, const crash_scene *scene); /* in a process of its own */
    void *ctx;
    bool all;                         /* every moment and every loss; else some */
    uint64_t moment, loss;            /* only these; moment 0: as above */
    unsigned part, n_parts;           /* a share of the moments */
    uint64_t random, images, moments; /* so far */
    uint64_t failed_moment, failed_loss;
} crash_power;

/* False: shared->why, at failed_moment and failed_loss (0: undisturbed). */
bool crash_power_run(crash_power *p, const crash_scene *scene);

#endif
