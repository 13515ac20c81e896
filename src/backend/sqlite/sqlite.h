/* L4: the backend `sqlite:`, one file of Segue's own for many collections and processes. */
#ifndef SEG_SQLITE_H
#define SEG_SQLITE_H

#include <segue/backend.h>

extern const segue_backend seg_backend_sqlite;

#endif
