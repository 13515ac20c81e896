/* L5: the keys that a verification has told of, so that it tells of each once: the same key may be in several manifests, and
 * in the fallback too. 48 to 96 bytes for each. One thread. */
#ifndef SEG_TOLD_H
#define SEG_TOLD_H

#include "doc/doc.h"

typedef enum seg_told_state {
    SEG_TOLD_NOT,  /* it is new */
    SEG_TOLD_OPEN, /* not repaired */
    SEG_TOLD_REPAIRED,
    SEG_TOLD_FORGOTTEN /* let go: no manifest is to know of it any more */
} seg_told_state;

typedef struct seg_told_key {
    seg_digest key;
    seg_told_state state;
} seg_told_key;

/* Zero-initialise. */
typedef struct seg_told {
    seg_told_key *slots;
    size_t n, capacity; /* a power of 2 */
} seg_told;

/* What is known of the key, for the caller to change, until the next call; a new one is added. NULL: out of memory. */
seg_told_state *seg_told_find(seg_told *told, segue_slice key);
void seg_told_free(seg_told *told);

#endif
