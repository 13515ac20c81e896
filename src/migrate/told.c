/* L5: a set of keys by their digests. Two keys with the same one would be told of as one: 128 bits make that as unlikely as the
 * comparison of contents is to be wrong. */
#include "migrate/told.h"

#include "base/base.h"

enum { FIRST = 64 };

static bool is_free(const seg_told_key *slot) { return slot->key.low == 0 && slot->key.high == 0; }

/* The key's slot, or the free one where it belongs: there always is one. */
static seg_told_key *slot_of(seg_told_key *slots, size_t capacity, const seg_digest *key)
{
    size_t at = (size_t)key->low & (capacity - 1);
    while (!is_free(&slots[at]) && (slots[at].key.low != key->low || slots[at].key.high != key->high))
        at = (at + 1) & (capacity - 1);
    return &slots[at];
}

static bool grow(seg_told *told)
{
    size_t capacity = told->capacity ? told->capacity * 2 : FIRST;
    seg_told_key *slots = seg_alloc_zero(capacity * sizeof *slots);
    if (!slots) return false;
    for (size_t i = 0; i < told->capacity; i++)
        if (!is_free(&told->slots[i])) *slot_of(slots, capacity, &told->slots[i].key) = told->slots[i];
    seg_free(told->slots);
    told->slots = slots;
    told->capacity = capacity;
    return true;
}

seg_told_state *seg_told_find(seg_told *told, segue_slice key)
{
    segue_record only_key = {.key = key, .is_tombstone = true};
    seg_digest digest = seg_record_digest(&only_key);
    if (told->n >= told->capacity / 2 && !grow(told)) return NULL;
    seg_told_key *slot = slot_of(told->slots, told->capacity, &digest);
    if (is_free(slot)) {
        slot->key = digest;
        told->n++;
    }
    return &slot->state;
}

void seg_told_free(seg_told *told)
{
    seg_free(told->slots);
    *told = (seg_told){0};
}
