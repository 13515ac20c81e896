/* For the explorer: operations on one document, and whether what they answered can be explained. One thread.
 *
 * A history is linearizable if its operations, put in some order in which nothing comes before what had ended before it began,
 * give the same answers on a plain store, one after the other. The plain store is `mem:` itself: what an operation means alone
 * is tested elsewhere. */
#ifndef HISTORY_H
#define HISTORY_H

#include <segue/store.h>

enum { HISTORY_MOST = 10, ANSWER_MOST = 240, KEPT_MOST = 2 };

#define THE_KEY "k"

/* The time of both, nanoseconds; moved by the parties. */
extern int64_t history_now_ns;
/* Whether answers speak of revisions. */
extern bool history_has_revisions;
/* Whether a record keeps its CAS for good: else a macro's text may name another one. */
extern bool history_has_cas;
const segue_env *history_env(void);
/* What sleeping is, and chance. The explorer's. */
void history_sleep(void *ctx, int64_t ns);
void history_random(void *ctx, void *out, size_t size);

/* What an operation answered. CASes are compared by their relations to each other. */
typedef struct answer {
    segue_status status;
    char text[ANSWER_MOST];
    uint64_t cas[KEPT_MOST]; /* 0: none */
    char body[64];           /* what an update is writing: it must stay while others have their turn */
} answer;

/* Who calls operations: a store and what the caller remembers. */
typedef struct client {
    segue_store *store;
    uint64_t token;         /* CAS of the last read */
    char body[64];          /* and its body */
    const answer *replayed; /* in a replay: what the real operation answered */
} client;

typedef struct operation {
    const char *name;
    void (*run)(client *c, answer *a);
} operation;

/* NULL: there is none of this name. */
const operation *history_operation(const char *name);

/* What happened. */
typedef struct event {
    const operation *op;
    unsigned party;
    unsigned began, ended; /* moments, from 1 */
    answer got;
} event;

typedef struct history {
    event events[HISTORY_MOST];
    unsigned n;
    segue_record start; /* the document in the beginning; key NULL: none */
    bool was_struck;    /* a call failed or its answer was lost: an operation may say so, too */
    bool has_cas;       /* CASes mean something: the stores keep them when a record moves */
} history;

/* Explain it on `plain`, a mem store that nobody else uses. NULL, or why it cannot be explained, in static memory. */
const char *history_explain(const history *h, segue_store *plain);

/* Make `store` hold exactly this record under the key (key NULL: none), with a new CAS. */
void history_reset(segue_store *store, const segue_record *rec);

/* What had ended before it began, as bits. */
uint16_t history_before(const history *h, unsigned number);
/* What was answered, and in which order if asked for, as text: equal histories have equal texts. */
void history_text(const history *h, bool with_order, char *out, size_t size);

#endif
