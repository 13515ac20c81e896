/* What the calls of <segue/ops.h> mean, said once more and as plainly as it can be: fixed arrays, whole copies, JSON taken
 * apart and put together again by jansson. It shares no code with the library, only the names of its public headers. One
 * thread. Texts are compact JSON of small numbers, or no JSON at all, so that they come out of jansson as they went in. */
#ifndef TEST_MODEL_H
#define TEST_MODEL_H

#include <segue/ops.h>

enum { MODEL_KEYS = 5, MODEL_XATTRS = 4, MODEL_TEXT = 4000, MODEL_STEPS = 4, MODEL_ITEMS = 3 };

/* The only xattrs there are, in byte order; the first two are system xattrs. */
extern const char *const model_names[MODEL_XATTRS];

typedef struct model_doc {
    bool exists, live, is_json;
    bool overdue; /* stored as live, expired since: a reaper has something to do */
    char body[MODEL_TEXT];
    char xattrs[MODEL_XATTRS][MODEL_TEXT]; /* empty: it is not there */
    uint64_t cas, revision;
    uint32_t expiry, flags;
} model_doc;

typedef struct model {
    model_doc docs[MODEL_KEYS];
    uint32_t now;     /* Unix seconds */
    bool wrote;       /* by the last call: the document still has its old CAS; model_wrote is due */
    unsigned key;     /* of the last call */
    uint64_t counter; /* of the last increment */
} model;

/* A path as it is written, and what it leads through: names, or indexes where the name is empty. In an xattr the first step is
 * its name. */
typedef struct model_path {
    char text[64];
    bool is_valid;
    unsigned n;
    struct {
        char name[8];
        int index; /* -1: the last one */
    } steps[MODEL_STEPS];
} model_path;

/* What happens to xattrs, each given by its name or by a path into it. */
typedef struct model_edit {
    struct {
        model_path path;
        const char *value; /* NULL: none was given */
    } set[MODEL_ITEMS];
    model_path drop[MODEL_ITEMS];
    unsigned n_set, n_drop;
    const model_path *cas_macro, *crc_macro; /* or NULL */
} model_edit;

/* The document as a reader sees it at m->now. */
const model_doc *model_get(model *m, unsigned key);
/* The last call has written, and this is the CAS that the store gave. */
void model_wrote(model *m, uint64_t cas);

typedef enum model_json { MODEL_IS_JSON, MODEL_LOOK } model_json;

segue_status model_add(model *m, unsigned key, const char *body, segue_expiry expiry, model_json json);
segue_status model_set(model *m, unsigned key, const char *body, segue_expiry expiry, model_json json);
segue_status model_write_cas(model *m, unsigned key, uint64_t cas, const char *body, segue_expiry expiry,
                             unsigned write_options);
segue_status model_append(model *m, unsigned key, const char *fragment);
segue_status model_touch(model *m, unsigned key, segue_expiry expiry);
segue_status model_delete(model *m, unsigned key);
segue_status model_remove(model *m, unsigned key, uint64_t cas);
segue_status model_incr(model *m, unsigned key, uint64_t delta, const uint64_t *initial, segue_expiry expiry);

segue_status model_subdoc(model *m, unsigned key, segue_path_action action, segue_expect expect, uint64_t cas,
                          const model_path *path, const char *json);
/* The text at a path, into out. */
segue_status model_subdoc_get(model *m, unsigned key, segue_path_in in, const model_path *path, char out[MODEL_TEXT]);

segue_status model_xattrs_set(model *m, unsigned key, const model_edit *edit);
segue_status model_xattrs_update(model *m, unsigned key, uint64_t cas, const model_edit *edit, segue_expiry expiry);
segue_status model_xattrs_remove(model *m, unsigned key, uint64_t cas, const model_edit *edit);
segue_status model_xattrs_drop(model *m, unsigned key, const model_edit *edit);
segue_status model_delete_with_xattrs(model *m, unsigned key, const model_edit *edit);
segue_status model_touch_xattr(model *m, unsigned key, uint64_t cas, const model_edit *edit);
segue_status model_write_with_xattrs(model *m, unsigned key, uint64_t cas, const char *body, const model_edit *edit,
                                     segue_expiry expiry);
segue_status model_write_tombstone(model *m, unsigned key, uint64_t cas, bool delete_body, const model_edit *edit,
                                   segue_expiry expiry);
segue_status model_write_resurrection(model *m, unsigned key, const char *body, const model_edit *edit,
                                      segue_expiry expiry);
segue_status model_write_update(model *m, unsigned key, const char *body, bool is_tombstone, const model_edit *edit,
                                segue_expiry expiry);
/* A read-modify-write whose callback sets the body, or deletes (body NULL). */
segue_status model_update(model *m, unsigned key, const char *body, segue_expiry expiry);

/* A whole record; with its CAS if it has one. */
segue_status model_put(model *m, unsigned key, const model_doc *doc, bool replace);
segue_status model_put_with_meta(model *m, unsigned key, const model_doc *doc, uint64_t old_cas);

unsigned model_purge(model *m);

#endif
