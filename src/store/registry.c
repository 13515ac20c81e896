/* L3: the registry of backends. Registration happens before the first open, so look-ups need no lock. */
#include "store/registry.h"

#include "base/base.h"
#include "store/filter.h"

enum { REGISTERED_MAX = 32 };
static const segue_backend *registered[REGISTERED_MAX];
static size_t n_registered;

const segue_backend *seg_backend_find(const char *scheme)
{
    for (const segue_backend *const *b = seg_filters; *b; b++)
        if (strcmp((*b)->scheme, scheme) == 0) return *b;
    for (const segue_backend *const *b = seg_builtin_backends; *b; b++)
        if (strcmp((*b)->scheme, scheme) == 0) return *b;
    for (size_t i = 0; i < n_registered; i++)
        if (strcmp(registered[i]->scheme, scheme) == 0) return registered[i];
    return NULL;
}

segue_status segue_register_backend(const segue_backend *b)
{
    if (!b || b->abi != SEGUE_BACKEND_ABI || b->table_size != sizeof *b || !b->scheme || !b->open || !b->close ||
        !b->caps || !b->get || !b->put || !b->erase || !b->scan || (b->begin == NULL) != (b->end == NULL) ||
        (b->changes && !b->highest))
        return SEGUE_INVALID_ARGUMENT;
    if (seg_backend_find(b->scheme) || n_registered == REGISTERED_MAX) return SEGUE_INVALID_ARGUMENT;
    registered[n_registered++] = b;
    return SEGUE_OK;
}
