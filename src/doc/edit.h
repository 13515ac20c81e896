/* L2: what a mutation asks for at paths, and its macros. For apply.c only, which decides about everything else. */
#ifndef SEG_EDIT_H
#define SEG_EDIT_H

#include <segue/backend.h>

/* A name or a path of an xattr: INVALID_XATTR_NAME, INVALID_PATH. */
segue_status seg_xattr_path_check(segue_slice name, segue_call *call);
/* How many brackets deep a value may be that is set there, so that what comes out can still be read. */
size_t seg_edit_depth_max(segue_slice name);

/* The path operations and macros of m by themselves. INVALID_ARGUMENT, INVALID_PATH, INVALID_XATTR_NAME, INVALID_JSON,
 * TOO_BIG. */
segue_status seg_edit_check(const segue_mutation *m, segue_call *call);

/* Whether there is anything to do here to the body. */
bool seg_edit_writes_body(const segue_mutation *m);

/* Do it to a->rec, whose body and xattrs (in a->slots) are what the rest of m made of them. `deletes`: m deletes a live
 * document; its user xattrs go here. *ret_changed is set if anything changes. The statuses of paths;
 * PATH_EXISTS, TOO_BIG, NO_MEMORY; INVALID_ARGUMENT: two macros at one place. */
segue_status seg_edit(const segue_mutation *m, bool deletes, segue_applied *a, bool *ret_changed, segue_call *call);

#endif
