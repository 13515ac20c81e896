/* The conformance suite: one table of cases, run against every store that claims to keep the contract.
 *
 * A case is a function over an open store. What it prepares with the fx_ functions is put where the target says: into the
 * store itself or, for dual stores, into the fallback only, or into the primary over a stale copy in the fallback. So the
 * same case proves the fall-through. And what is deleted there is so because somebody deleted it, or because it has expired.
 * What it does with the do_ functions goes through the store under test. */
#ifndef CONFORM_H
#define CONFORM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <segue/dual.h>
#include <segue/ops.h>

#include "store/call.h"

/* ---- targets ---- */

typedef enum cf_place {
    IN_STORE,    /* fixtures go through the store under test */
    IN_FALLBACK, /* into the fallback only */
    SHADOWED     /* into the primary, and another document of the same key into the fallback */
} cf_place;

typedef enum cf_death {
    DELETED,
    EXPIRED /* what a fixture deletes, and nobody has reaped it; and what is stale under a live document has expired, too */
} cf_death;

typedef enum cf_kind { KIND_MEM, KIND_SQLITE, KIND_ROSMAR } cf_kind;

/* One side: a kind of store and what its URL has besides path and collection. */
typedef struct cf_side {
    cf_kind kind;
    const char *caps; /* for mem: "&caps=..." or "" */
} cf_side;

typedef struct cf_target {
    const char *name;
    const char *group;   /* one test of the build runs the targets of one group */
    const char *filter;  /* "stats+", "trace+", "fault" or "" */
    const cf_side *main; /* the store, or the primary */
    bool is_dual;
    const cf_side *fallback;
    bool one_file; /* both sides in one engine */
    segue_phase phase;
    cf_place place;
    cf_death death;
} cf_target;

extern const cf_target cf_targets[];
extern const size_t cf_n_targets;

/* ---- a case under way ---- */

typedef struct cf {
    const cf_target *target;
    segue_store *store;              /* under test */
    segue_store *primary, *fallback; /* of a dual store, else NULL */
    segue_store *other;              /* a second store that a case opened; closed after it */
    segue_error err;
    segue_doc doc;
    uint64_t cas;          /* of the last write; 0 after a failed one */
    uint64_t value;        /* of the last incr */
    segue_outcome outcome; /* of the last mutation or update */
    unsigned n;            /* the case's number in this run: names its collection */
} cf;

typedef enum cf_need {
    NEEDS_FLAGS = 1 << 0,
    NEEDS_KEEP_CAS = 1 << 1,
    NEEDS_REOPEN = 1 << 2, /* data outlives its last handle */
    NEEDS_SINGLE = 1 << 3, /* speaks of an engine, not of a dual store */
    NEEDS_MOVE = 1 << 4,   /* moves records between collections of one engine */
    RUNS_ONCE = 1 << 5,    /* prepares nothing by fixtures and costs much: one start is enough */
    NEEDS_CHANGES = 1 << 6,/* reads a feed */
    NEEDS_EXPIRED = 1 << 7 /* reaps */
} cf_need;

typedef struct cf_case {
    const char *id;   /* "B1", "S17" */
    const char *name; /* the behaviour, in words */
    unsigned needs;
    void (*run)(cf *t); /* NULL: `elsewhere` says why */
    const char *elsewhere;
} cf_case;

extern const cf_case *const cf_tables[]; /* NULL at the end; each table ends with an id NULL */
extern const cf_case cf_backend_cases[], cf_body_cases[], cf_update_cases[], cf_expiry_cases[], cf_xattr_cases[],
    cf_tombstone_cases[], cf_write_update_cases[], cf_scan_cases[], cf_feed_cases[], cf_path_cases[], cf_start_cases[],
    cf_elsewhere_cases[];

/* Why the target cannot run the case, or NULL. */
const char *cf_why_not(const cf_target *target, unsigned caps, const cf_case *c);

/* Open the target afresh, and close it. */
void cf_open(cf *t);
void cf_close(cf *t);
/* Close and open again; the data stays. */
void cf_reopen(cf *t);
/* A second store of the same kind in another collection, into t->other. */
void cf_open_other(cf *t, const char *collection);

/* The folder for files of this run. */
const char *cf_folder(void);
void cf_remove_folder(void);

/* The world of the stores under test: the real one, but that its wall clock can be moved. */
extern const segue_env cf_env;
void cf_advance(int64_t seconds);
uint64_t cf_now(void);
/* Run something at the how manieth look at the wall clock from now, once; whether that has happened (if not, it will not). */
void cf_meanwhile(cf *t, unsigned at, void (*run)(cf *t));
bool cf_happened(void);

/* ---- checks; each prints what it saw ---- */

void cf_check_status(cf *t, segue_status want, segue_status got, const char *what, const char *file, int line);
void cf_check_u64(uint64_t want, uint64_t got, bool equal, const char *what, const char *file, int line);
void cf_check(bool holds, const char *what, const char *file, int line);
#define IS(status, call) cf_check_status(t, SEGUE_##status, (call), #call, __FILE__, __LINE__)
#define EQ(want, got) cf_check_u64((want), (got), true, #got, __FILE__, __LINE__)
#define NE(other, got) cf_check_u64((other), (got), false, #got, __FILE__, __LINE__)
#define CHECK(condition) cf_check((condition), #condition, __FILE__, __LINE__)

/* The store under test has this live body. */
#define BODY_IS(key, text) cf_body_is(t, key, text, __FILE__, __LINE__)
void cf_body_is(cf *t, const char *key, const char *text, const char *file, int line);
/* It has this xattr text (NULL: no such xattr), on a live document or a tombstone. */
#define XATTR_IS(key, name, text) cf_xattr_is(t, key, name, text, __FILE__, __LINE__)
void cf_xattr_is(cf *t, const char *key, const char *name, const char *text, const char *file, int line);
/* There is a tombstone; there is no record at all; there is nothing live. */
#define TOMBSTONE(key) cf_is_tombstone(t, key, __FILE__, __LINE__)
void cf_is_tombstone(cf *t, const char *key, const char *file, int line);
#define NOTHING(key) IS(NOT_FOUND, do_get_record(t, key))
#define GONE(key) IS(NOT_FOUND, do_get(t, key))

/* The record as it is now, for comparing with later. */
typedef struct cf_state {
    uint64_t cas, revision;
    uint32_t expiry;
    char body[64];
    bool is_tombstone, is_json;
    size_t n_xattrs;
} cf_state;
cf_state cf_state_of(cf *t, const char *key);
#define UNCHANGED(key, before) cf_unchanged(t, key, before, __FILE__, __LINE__)
void cf_unchanged(cf *t, const char *key, cf_state before, const char *file, int line);

uint64_t cf_cas(cf *t, const char *key); /* of the record; fails the case if there is none */
uint64_t cf_revision(cf *t, const char *key);
uint32_t cf_expiry(cf *t, const char *key);

/* ---- fixtures ---- */

#define X(...) ((const char *const[]){__VA_ARGS__, NULL}) /* "name=json", or names */

/* Each gives the CAS that the store under test shows. xattrs may be NULL. */
uint64_t fx_set(cf *t, const char *key, const char *body);
uint64_t fx_doc(cf *t, const char *key, const char *body, const char *const *xattrs);
uint64_t fx_doc_expiring(cf *t, const char *key, const char *body, segue_expiry expiry, const char *const *xattrs);
/* A live document that was deleted, or has expired, as its second change; xattrs are system ones. */
uint64_t fx_tombstone(cf *t, const char *key, const char *const *xattrs);

/* ---- the verbs, short ---- */

#define K(text) segue_str(text)
segue_status do_get(cf *t, const char *key); /* into t->doc */
segue_status do_get_record(cf *t, const char *key);
segue_status do_add(cf *t, const char *key, const char *body);
segue_status do_set(cf *t, const char *key, const char *body);
segue_status do_set_expiring(cf *t, const char *key, const char *body, segue_expiry expiry);
segue_status do_write_cas(cf *t, const char *key, uint64_t cas, const char *body, unsigned options);
segue_status do_append(cf *t, const char *key, const char *fragment);
segue_status do_touch(cf *t, const char *key, segue_expiry expiry);
segue_status do_delete(cf *t, const char *key);
segue_status do_remove(cf *t, const char *key, uint64_t cas);
segue_status do_incr(cf *t, const char *key, uint64_t delta); /* no initial value */
segue_status do_incr_from(cf *t, const char *key, uint64_t delta, uint64_t initial);
bool do_exists(cf *t, const char *key);
segue_status do_xattrs_get(cf *t, const char *key, const char *const *names);
segue_status do_get_with_xattrs(cf *t, const char *key, const char *const *names);
segue_status do_xattrs_set(cf *t, const char *key, const char *const *xattrs);
segue_status do_xattrs_update(cf *t, const char *key, uint64_t cas, const char *const *xattrs, segue_expiry expiry);
segue_status do_xattrs_remove(cf *t, const char *key, uint64_t cas, const char *const *names);
segue_status do_xattrs_drop(cf *t, const char *key, const char *const *names);
segue_status do_delete_with_xattrs(cf *t, const char *key, const char *const *names);
segue_status do_write(cf *t, const char *key, uint64_t cas, const char *body, const char *const *set,
                      const char *const *drop);
segue_status do_write_tombstone(cf *t, const char *key, uint64_t cas, bool delete_body, const char *const *set,
                                const char *const *drop);
segue_status do_resurrect(cf *t, const char *key, const char *body, const char *const *set);
segue_status do_mutate(cf *t, const char *key, const segue_mutation *mutation);
segue_status do_update(cf *t, const char *key, segue_update_fn fn, void *ctx, const segue_update_options *options);

/* Purge, which a dual store first has to be swept, sealed and cleaned for. */
segue_status do_purge(cf *t, uint64_t *ret_count);

/* The keys of a scan as "a b c", its END checked. */
const char *do_scan(cf *t, const segue_range *range, segue_buf *out);

/* "name=json" strings into xattrs, names into slices; the count. */
enum { CF_LIST_MAX = 16 };
size_t cf_xattrs(const char *const *specs, segue_xattr out[CF_LIST_MAX]);
size_t cf_names(const char *const *names, segue_slice out[CF_LIST_MAX]);

/* docs/conformance.md: into out. */
void cf_write_table(segue_buf *out);

#endif
