/* The one file that knows which backends are compiled in. */
#include "backend/mem/mem.h"
#include "backend/rosmar/rosmar.h"
#include "backend/sqlite/sqlite.h"
#include "dual/dual.h"
#include "store/registry.h"

const segue_backend *const seg_builtin_backends[] = {
    &seg_backend_mem,
    &seg_backend_sqlite,
    &seg_backend_rosmar,
    &seg_backend_dual,
    NULL,
};
