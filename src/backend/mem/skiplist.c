/* L4: a skip list: ordered, small, and fast enough for a reference. Not thread-safe. */
#include "backend/mem/skiplist.h"

#include "base/base.h"

/* A node without its key. */
static size_t head_size(int levels) { return sizeof(seg_node) + (size_t)levels * sizeof(seg_node *); }

segue_slice seg_node_key(const seg_node *node)
{
    return segue_bytes((const char *)node + head_size(node->levels), node->key_size);
}

/* The links on each level that lead to the first node >= key (> key if after). */
static void seek(seg_skiplist *list, segue_slice key, bool after, seg_node **links[SEG_SKIPLIST_LEVELS])
{
    seg_node **row = list->heads;
    for (int level = SEG_SKIPLIST_LEVELS - 1; level >= 0; level--) {
        for (seg_node *node; (node = row[level]) != NULL; row = node->next) {
            int c = segue_slice_compare(seg_node_key(node), key);
            if (after ? c > 0 : c >= 0) break;
        }
        links[level] = &row[level];
    }
}

seg_node *seg_skiplist_seek(seg_skiplist *list, segue_slice key, bool after)
{
    seg_node **links[SEG_SKIPLIST_LEVELS];
    if (!key.data) return list->heads[0];
    seek(list, key, after, links);
    return *links[0];
}

seg_node *seg_skiplist_find(seg_skiplist *list, segue_slice key)
{
    seg_node *node = seg_skiplist_seek(list, key, false);
    return node && segue_slice_equal(seg_node_key(node), key) ? node : NULL;
}

/* A quarter of the nodes of a level reach the next. */
static int random_levels(seg_skiplist *list)
{
    list->seed = list->seed ? list->seed : 0x9E3779B97F4A7C15u;
    list->seed ^= list->seed << 13;
    list->seed ^= list->seed >> 7;
    list->seed ^= list->seed << 17;
    int levels = 1;
    for (uint64_t bits = list->seed >> 8; levels < SEG_SKIPLIST_LEVELS && (bits & 3) == 0; bits >>= 2) levels++;
    return levels;
}

seg_node *seg_skiplist_spare(seg_skiplist *list, size_t key_size)
{
    int levels = random_levels(list);
    seg_node *node = seg_alloc(head_size(levels) + key_size);
    if (!node) return NULL;
    node->key_size = key_size;
    node->levels = levels;
    return node;
}

bool seg_skiplist_put(seg_skiplist *list, segue_slice key, char *value, size_t value_size, seg_node **spare)
{
    seg_node **links[SEG_SKIPLIST_LEVELS];
    seek(list, key, false, links);
    seg_node *node = *links[0];
    if (node && segue_slice_equal(seg_node_key(node), key)) {
        seg_free(node->value);
        node->value = value;
        node->value_size = value_size;
        return true;
    }
    node = *spare ? *spare : seg_skiplist_spare(list, key.size);
    if (!node) return false;
    *spare = NULL;
    seg_assert(node->key_size == key.size);
    node->value = value;
    node->value_size = value_size;
    memcpy((char *)node + head_size(node->levels), key.data, key.size);
    for (int level = 0; level < node->levels; level++) {
        node->next[level] = *links[level];
        *links[level] = node;
    }
    list->n++;
    return true;
}

void seg_skiplist_remove(seg_skiplist *list, segue_slice key)
{
    seg_node **links[SEG_SKIPLIST_LEVELS];
    seek(list, key, false, links);
    seg_node *node = *links[0];
    seg_assert(node && segue_slice_equal(seg_node_key(node), key));
    for (int level = 0; level < node->levels; level++) *links[level] = node->next[level];
    seg_free(node->value);
    seg_free(node);
    list->n--;
}

void seg_skiplist_free(seg_skiplist *list)
{
    for (seg_node *node = list->heads[0], *next; node; node = next) {
        next = node->next[0];
        seg_free(node->value);
        seg_free(node);
    }
    memset(list, 0, sizeof *list);
}
