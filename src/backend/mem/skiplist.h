/* L4: an ordered map from keys to blobs. No locking of its own. */
#ifndef SEG_SKIPLIST_H
#define SEG_SKIPLIST_H

#include <segue/bytes.h>
#include <stdint.h>

enum { SEG_SKIPLIST_LEVELS = 20 };

typedef struct seg_node {
    char *value; /* owned */
    size_t value_size;
    size_t key_size;
    int levels;
    struct seg_node *next[]; /* `levels` of them, then the key's bytes */
} seg_node;

typedef struct seg_skiplist {
    seg_node *heads[SEG_SKIPLIST_LEVELS];
    uint64_t seed;
    size_t n;
} seg_skiplist;

segue_slice seg_node_key(const seg_node *node);
/* The node with this key, or NULL. */
seg_node *seg_skiplist_find(seg_skiplist *list, segue_slice key);
/* The first node whose key is >= key (> key if `after`); the first of all for a key without data. */
seg_node *seg_skiplist_seek(seg_skiplist *list, segue_slice key, bool after);
/* Memory for the node of a key of this size, for a put to come; give it back with seg_free. NULL: out of memory. */
seg_node *seg_skiplist_spare(seg_skiplist *list, size_t key_size);
/* Put value (ownership passes on success) under key, replacing. A key that is new takes *spare, which is NULL then; where that
 * is NULL it allocates. False: out of memory, nothing changed. */
bool seg_skiplist_put(seg_skiplist *list, segue_slice key, char *value, size_t value_size, seg_node **spare);
/* Remove and free the node. It must be there. */
void seg_skiplist_remove(seg_skiplist *list, segue_slice key);
void seg_skiplist_free(seg_skiplist *list);

#endif
