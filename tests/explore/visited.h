/* For the explorer: which states were there before, and who was asleep in them. One thread. */
#ifndef VISITED_H
#define VISITED_H

#include <stdbool.h>
#include <stdint.h>

void visited_forget(void);
/* True: it is new, or cannot be remembered. Else *ret_place: what was kept for it, to be changed in place. */
bool visited_is_new(uint64_t state, uint32_t keep, uint32_t **ret_place);
/* Give the memory back. */
void visited_free(void);

#endif
