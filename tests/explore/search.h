/* For the explorer: every schedule of a program of a few parties. One thread.
 *
 * The parties are fibres. Each stops before whatever others can notice (a point) and tells what that will be; who goes on is
 * chosen here, and by and by everything is chosen that makes a difference. What makes none is left out:
 *
 *  - Two neighbouring steps that touch different things, or that both only look, have one outcome whichever comes first, so one
 *    order of them is enough (sleep sets).
 *  - A state that was there before is gone on from only by what was not tried from it then. A state is what the parties share
 *    and, for each, what it has seen: it does the same whenever it sees the same.
 *  - What nobody can notice any more (a look at what no other party will change) is no point.
 *  - An operation ends as soon as it can and begins no sooner than it must. A history of longer operations that answered the
 *    same is explained by whatever explains this one. */
#ifndef SEARCH_H
#define SEARCH_H

#include <stdbool.h>
#include <stdint.h>

enum { PARTIES_MOST = 4, STEPS_MOST = 1000 };

typedef struct program {
    unsigned n_parties;
    void *ctx;
    void (*setup)(void *ctx);                  /* before each run */
    void (*party)(void *ctx, unsigned number); /* its fibre */
    const char *(*check)(void *ctx);           /* after each run: NULL, or what is wrong, in static memory */
    /* Whether what the party still has to do may change this part of the object (0: all), or, if `or_reads`, look at it. */
    bool (*may_touch)(void *ctx, unsigned party, const void *object, uint64_t part, bool or_reads);
    /* A digest of all that a step there can see; `closely`: one that writes, or looks whether all have left. */
    uint64_t (*seen_at)(void *ctx, const void *object, uint64_t part, bool closely);
    uint64_t (*shared)(void *ctx); /* of all that the parties share */
} program;

typedef struct search_result {
    uint64_t schedules;  /* run to their end and checked */
    uint64_t pruned;     /* given up because their outcome was seen already */
    bool is_cut;         /* the limit was reached: there may be more */
    const char *failure; /* NULL: none */
    /* That led to it: for each step its party, a digit; 'a', 'b' ..: and its call fails; 'A', 'B' ..: and the answer of its
     * call is lost. */
    char schedule[STEPS_MOST + 1];
} search_result;

typedef struct search_options {
    uint64_t most_runs;    /* 0: no limit */
    unsigned most_strikes; /* calls to stores that fail, or whose answer is lost, in one run */
    bool in_detail;        /* also between the steps of entering and changing a phase */
    bool in_full;          /* every schedule, also those that cannot make a difference */
} search_options;

void search_all(const program *p, const search_options *options, search_result *ret);

/* One schedule again that was found under these options, each step told to `tell` before it is taken. What is wrong, or NULL;
 * search_misfit if it is no schedule of this program. */
typedef void (*search_tell)(void *ctx, unsigned party, const char *what);
const char *search_replay(const program *p, const char *schedule, const search_options *options, search_tell tell,
                          void *tell_ctx);
extern const char search_misfit[];

/* ---- for the parties ---- */

/* An operation begins with the next point, and ends. The moments, from 1, are written where they are asked for. `seen`: a
 * digest of all that the party still knows of it. */
void search_begin(unsigned *ret_moment);
void search_end(unsigned *ret_moment, uint64_t seen);
/* Of all that the party has seen since it last ended something it knows this digest, no more. */
void search_forget(uint64_t seen);
/* The clock, an object as others are. Of what stores do only writing depends on it; who else looks says so. */
extern const char search_clock[];
void search_look_at_clock(void);
void search_move_clock(void);
/* Who is running, and a number that is the same whenever it has come this far. */
unsigned search_party(void);
unsigned search_moment(void);
/* How many calls were struck in this run so far. */
unsigned search_strikes(void);
/* For digests. */
uint64_t search_mix(uint64_t digest, uint64_t more);
/* For the stories: what an object is called. */
void search_name(const void *object, const char *name);
void search_forget_names(void);

#endif
