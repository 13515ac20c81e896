/* The clients of `segue-torture`: threads that do anything to a few keys and write down what they ask before they ask, and
 * what was answered. A file for each, one entry a write(2): it outlives its process, and an entry of asking without an
 * answer is an outcome that nobody knows. */
#ifndef SEG_TORTURE_CLIENTS_H
#define SEG_TORTURE_CLIENTS_H

#include "cli/history.h"
#include <pthread.h>
#include <segue/store.h>
#include <stdatomic.h>

enum { TORTURE_KEYS = 10 };

typedef struct torture_client {
    segue_store *store;
    const char *folder; /* of the histories */
    const char *prefix; /* of its keys; one character */
    unsigned number;    /* nobody else ever has it, no earlier life of its process either */
    unsigned pace_us;   /* a rest after each operation */
    int64_t timeout_ns; /* of each operation */
    atomic_bool *stop;
    /* its own */
    uint64_t random, written;
    uint64_t token[TORTURE_KEYS]; /* the last CAS that it saw */
    int file;
    pthread_t thread;
    uint64_t operations;
    char problem[400]; /* an answer that is none */
} torture_client;

/* Begins; torture_client_join waits for its end (after *stop was set, or a problem). False: it cannot be started. */
bool torture_client_start(torture_client *c, uint64_t seed);
void torture_client_join(torture_client *c);

segue_slice torture_key(char out[8], const char *prefix, unsigned i);
/* The document as the model sees it. False: it is none that a client wrote. */
bool torture_see(const segue_record *rec, seg_model *ret);

/* Everything that was written down in the folder, key by key of the prefix. False: it cannot be read (said on stderr). */
bool torture_collect(const char *folder, const char *prefix, seg_history histories[TORTURE_KEYS]);

#endif
