/* L3: which backends there are. */
#ifndef SEG_REGISTRY_H
#define SEG_REGISTRY_H

#include <segue/backend.h>

/* The backend for a scheme: a filter, one that is compiled in, or one that was registered; or NULL. */
const segue_backend *seg_backend_find(const char *scheme);

/* Those that are compiled in, NULL at the end. Defined in src/builtin.c, the one file that knows. */
extern const segue_backend *const seg_builtin_backends[];

#endif
