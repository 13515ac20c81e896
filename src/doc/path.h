/* L2: paths into JSON texts: parsing them, finding what they lead to, and splicing there. Nothing is allocated but by the
 * buffer that is spliced; the grammar is documented in <segue/doc.h>. */
#ifndef SEG_PATH_H
#define SEG_PATH_H

#include <segue/backend.h>

enum { SEG_PATH_LAST = -1 };

/* A component. */
typedef struct seg_step {
    segue_slice name; /* what stands between backticks, or the bare name; none: an index */
    bool doubled;     /* backticks in name are doubled */
    int32_t index;    /* SEG_PATH_LAST: the last element */
} seg_step;

typedef struct seg_path {
    segue_slice text; /* as given, which the steps point into */
    size_t n;
    seg_step steps[SEGUE_PATH_COMPONENTS_MAX];
} seg_path;

/* INVALID_PATH, with the byte where it goes wrong. ret points into text. */
segue_status seg_path_parse(segue_slice text, seg_path *ret, segue_call *call);
/* The first step is the name of an xattr: INVALID_XATTR_NAME. */
segue_status seg_xattr_path_parse(segue_slice text, seg_path *ret, segue_call *call);
/* Whether what was given as the name of an xattr is a path. */
bool seg_name_is_path(segue_slice name);

/* Where a path leads. */
typedef struct seg_place {
    size_t n;           /* steps that are there */
    segue_slice value;  /* what these lead to */
    bool other_type;    /* the next step leads into a value of another type */
    bool is_ambiguous;  /* the next step's name stands there twice; value is its parent */
    size_t twice[2];    /* where, in the text */
    size_t cut_at, cut; /* n > 0: taking out these bytes of the text takes out the last step found, and its comma */
} seg_place;

/* Follow path from its step number `from`. text must be valid JSON. */
void seg_path_find(const seg_path *path, size_t from, segue_slice text, seg_place *ret);

/* Why the whole of path is not there, as a status with a sentence; `what` the text is ("the body of "k""): PATH_NOT_FOUND,
 * PATH_MISMATCH, PATH_AMBIGUOUS. */
segue_status seg_path_not_found(const seg_path *path, const seg_place *place, const char *what, segue_call *call);

/* Append what has to be put in behind the last child of the container `value` (a part of text) so that it ends in a member
 * with this step's name (in an array: an element): all but its value. *ret_at: where in text. NO_MEMORY. */
segue_status seg_path_new_child(segue_slice text, segue_slice value, const seg_step *step, segue_buf *out,
                                size_t *ret_at);
/* Append the step's name as a JSON string. NO_MEMORY. */
segue_status seg_step_quote(const seg_step *step, segue_buf *out);

#endif
