/* L3: the one read-modify-write loop, and what the public verbs share. */
#ifndef SEG_LOOP_H
#define SEG_LOOP_H

#include "store/call.h"

/* A key from outside: INVALID_KEY, REFUSED (Segue's own). */
segue_status seg_public_key(segue_store *store, segue_slice key, segue_call *call);

/* segue_get_record, and whether its caller looks at the body. */
segue_status seg_store_get(segue_store *store, segue_slice key, bool with_body, const segue_options *options,
                           segue_doc *doc, segue_error *reterr);

/* The loop with a callback; segue_update after its checks. Brackets itself. */
segue_status seg_store_update(segue_store *store, segue_slice key, segue_update_fn fn, void *ctx,
                              const segue_update_options *options, segue_outcome *ret_outcome, segue_call *call);

#endif
