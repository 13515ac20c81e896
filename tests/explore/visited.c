/* A table of digests with open addresses. Two states of one digest of 64 bits would be taken for one. */
#include "visited.h"

#include <stdlib.h>
#include <string.h>

typedef struct slot {
    uint64_t state; /* 0: empty */
    uint32_t kept;
} slot;

enum { FIRST_SLOTS = 1 << 12, MOST_SLOTS = 1 << 24 };

static slot *slots;
static uint64_t n_slots, n_used;

static slot *find(slot *in, uint64_t n, uint64_t state)
{
    uint64_t at = state;
    while (in[at & (n - 1)].state && in[at & (n - 1)].state != state) at++;
    return &in[at & (n - 1)];
}

/* Twice as many. False: it stays as it is. */
static bool grow(void)
{
    uint64_t n = n_slots ? 2 * n_slots : FIRST_SLOTS;
    slot *bigger = n <= MOST_SLOTS ? calloc(n, sizeof *bigger) : NULL;
    if (!bigger) return false;
    for (uint64_t i = 0; i < n_slots; i++)
        if (slots[i].state) *find(bigger, n, slots[i].state) = slots[i];
    free(slots);
    slots = bigger;
    n_slots = n;
    return true;
}

bool visited_is_new(uint64_t state, uint32_t keep, uint32_t **ret_place)
{
    if (!state) state = 1;
    if (2 * n_used >= n_slots && !grow() && n_used + 1 >= n_slots) return true;
    slot *s = find(slots, n_slots, state);
    *ret_place = &s->kept;
    if (s->state) return false;
    *s = (slot){state, keep};
    n_used++;
    return true;
}

void visited_forget(void)
{
    if (n_slots > FIRST_SLOTS)
        visited_free(); /* most scenes are small, and to clear a big table takes longer than they do */
    else if (n_used) memset(slots, 0, n_slots * sizeof *slots);
    n_used = 0;
}

void visited_free(void)
{
    free(slots);
    slots = NULL;
    n_slots = n_used = 0;
}
