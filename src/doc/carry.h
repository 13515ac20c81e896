/* L2: what a copy of a record carries besides its body. In the product that is everything: only a rule that is switched off
 * leaves something behind. */
#ifndef SEG_CARRY_H
#define SEG_CARRY_H

#include "base/rules.h"

#include <segue/backend.h>

static inline void seg_carry(segue_record *rec)
{
    if (!SEG_RULE(COPY_CARRIES_XATTRS)) rec->n_xattrs = 0;
    if (!SEG_RULE(COPY_CARRIES_EXPIRY)) rec->expiry = 0;
    if (!SEG_RULE(COPY_CARRIES_FLAGS)) rec->flags = 0;
    if (!SEG_RULE(COPY_CARRIES_REVISION)) rec->revision = 1;
}

/* Where copies are not made here, but inside an engine, there is nothing to switch off. */
static inline bool seg_carries_all(void)
{
    return SEG_RULE(COPY_CARRIES_XATTRS) && SEG_RULE(COPY_CARRIES_EXPIRY) && SEG_RULE(COPY_CARRIES_FLAGS) &&
           SEG_RULE(COPY_CARRIES_REVISION);
}

#endif
