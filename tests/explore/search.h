/* For the explorer: every schedule of a program of a few parties. One thread.
 *
 * The parties are fibres. Each stops before whatever others can notice (a point) and tells what that will be; who goes on is
 * chosen here, and by and by everything is chosen that makes a difference: two neighbouring steps that touch different things,
 * or that both only look, have one outcome whichever comes first, so one order of them is enough (sleep sets). */
#ifndef SEARCH_H
#define SEARCH_H

#include <stdbool.h>
#include <stdint.h>

enum { PARTIES_MOST = 4, STEPS_MOST = 400 };

typedef struct program {
    unsigned n_parties;
    void *ctx;
    void (*setup)(void *ctx);                  /* before each run */
    void (*party)(void *ctx, unsigned number); /* its fibre */
    const char *(*check)(void *ctx);           /* after each run: NULL, or what is wrong, in static memory */
} program;

typedef struct search_result {
    uint64_t schedules;  /* run to their end and checked */
    uint64_t pruned;     /* given up because their outcome was seen already */
    bool is_cut;         /* the limit was reached: there may be more */
    const char *failure; /* NULL: none */
    char schedule[STEPS_MOST +
                  1]; /* that led to it: for each step its party, a digit; 'a', 'b' ..: and its call fails; 'A',
                                      'B' ..: and the answer of its call is lost */
} search_result;

typedef struct search_options {
    uint64_t most_schedules; /* 0: no limit */
    unsigned most_strikes;   /* calls to stores that fail, or whose answer is lost, in one run */
    bool in_detail;          /* also between the steps of entering and changing a phase */
    bool in_full;            /* every schedule, also those that cannot make a difference */
} search_options;

void search_all(const program *p, const search_options *options, search_result *ret);

/* One schedule again that was found under these options, each step told to `tell` before it is taken. What is wrong, or NULL;
 * search_misfit if it is no schedule of this program. */
typedef void (*search_tell)(void *ctx, unsigned party, const char *what);
const char *search_replay(const program *p, const char *schedule, const search_options *options, search_tell tell,
                          void *tell_ctx);
extern const char search_misfit[];

/* ---- for the parties ---- */

/* A step that only the searcher knows: an operation of the history begins, ends, or time goes on. */
typedef enum search_mark { MARK_BEGIN, MARK_END, MARK_TIME } search_mark;
void search_point(search_mark mark);
/* How many calls were struck in this run so far. */
unsigned search_strikes(void);
/* It has nothing to do before others have acted. */
void search_wait(void);
/* For the stories: what an object is called. */
void search_name(const void *object, const char *name);
void search_forget_names(void);

#endif
