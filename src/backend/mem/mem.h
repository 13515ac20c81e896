/* L4: the backend `mem:`, the reference implementation. */
#ifndef SEG_MEM_H
#define SEG_MEM_H

#include <segue/backend.h>

extern const segue_backend seg_backend_mem;

#endif
