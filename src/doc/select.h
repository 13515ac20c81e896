/* L2: what a read asks for of a record: xattrs by name, places in them, virtual xattrs, a place in the body. */
#ifndef SEG_SELECT_H
#define SEG_SELECT_H

#include <segue/backend.h>

/* TOO_BIG: more than SEGUE_XATTRS_MAX names in one read. To be asked before it. */
segue_status seg_select_check(size_t n_names, segue_call *call);

/* Make doc's xattrs those that are asked for, in byte order of name: xattrs, paths into xattrs and virtual xattrs; what is not
 * there is left out. Plain names allocate nothing, others nothing where doc is large enough. On a failure doc is empty.
 * PATH_MISMATCH, PATH_AMBIGUOUS, NOT_JSON, NO_MEMORY. */
segue_status seg_doc_select(segue_doc *doc, const segue_slice *names, size_t n_names, segue_call *call);

/* Whether the body has to be read for that. */
bool seg_select_needs_body(const segue_slice *names, size_t n_names);

/* A path to read by itself. INVALID_PATH, INVALID_XATTR_NAME, INVALID_ARGUMENT. */
segue_status seg_selection_check(segue_path_in in, segue_slice path, segue_call *call);
/* What the path leads to; *ret_json points into doc, of whose xattrs only this one is left if it is one. The statuses of
 * paths; doc is empty then. */
segue_status seg_doc_select_one(segue_doc *doc, segue_path_in in, segue_slice path, segue_slice *ret_json,
                                segue_call *call);

#endif
