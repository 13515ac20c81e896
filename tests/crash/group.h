/* Several threads whose writes go into one transaction, and what became of them after a death. Which come first is left to
 * chance, and nothing that is checked depends on it. */
#ifndef SEG_CRASH_GROUP_H
#define SEG_CRASH_GROUP_H

#include "crash/client.h"

/* One store, with clocks and threads as they are. `path`: the file that holds it. False: shared->why. */
bool crash_group_live(segue_store *store, const char *path, crash_shared *shared);

#endif
