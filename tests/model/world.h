/* Of test_model.c: what a run has at hand, and random things to ask for. */
#ifndef TEST_MODEL_WORLD_H
#define TEST_MODEL_WORLD_H

#include "model/model.h"

typedef struct world {
    segue_store *store;
    segue_env env;
    segue_error err;
    model model;
    uint64_t random, seed, last_cas;
    int64_t skew_ns;
    unsigned step, key;
    const char *call;
    segue_xattr xattrs[MODEL_ITEMS]; /* what was given to the store */
    segue_slice drops[MODEL_ITEMS];
} world;

/* Random, from the seed: below n. */
unsigned model_pick(world *w, unsigned n);
#define ONE_OF(w, array) ((array)[model_pick(w, sizeof(array) / sizeof *(array))])

const char *model_key_text(unsigned key);
static inline segue_slice model_key_of(unsigned key) { return segue_str(model_key_text(key)); }
/* NULL: none. */
segue_slice model_slice_of(const char *text);

/* NULL: none is given. */
const char *ask_body(world *w);
const char *ask_value(world *w);
segue_expiry ask_expiry(world *w);
/* Mostly that of the document w->key. */
uint64_t ask_cas(world *w);
model_path ask_body_path(world *w);
/* Up to `most` steps behind the xattr's name. */
model_path ask_xattr_path(world *w, unsigned most);
model_edit ask_edit(world *w, unsigned most_set, unsigned most_drop);
/* Perhaps macros in e, at a name and one more; `paths` is for e to point to. */
void ask_macros(world *w, model_edit *e, model_path paths[2]);
/* The same for the store; it borrows from e, which stays where it is, and from w. */
segue_xattr_write model_write_of(world *w, const model_edit *e, const char *body, segue_expiry expiry,
                                 segue_macro macros[2]);

#endif
