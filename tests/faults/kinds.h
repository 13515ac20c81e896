/* The kinds of faults: the functions of their rows in the table (main.c). */
#ifndef SEG_TESTS_KINDS_H
#define SEG_TESTS_KINDS_H

#include "faults/play.h"

/* memory.c. which: 0 the library's, 1 SQLite's. */
void arm_memory(const fault *f, play *p, long nth, bool persistent);
void heal_memory(const fault *f, play *p);
bool memory_fired(const fault *f, play *p);
bool memory_may_answer(const fault *f, segue_status st);

/* disk.c. which: of its table. */
enum { N_DISK_TROUBLES = 17 };
void arm_disk(const fault *f, play *p, long nth, bool persistent);
void heal_disk(const fault *f, play *p);
bool disk_fired(const fault *f, play *p);
bool disk_may_answer(const fault *f, segue_status st);

/* system.c: calls of ours. which: of its table. */
enum { N_SYSTEM_TROUBLES = 5 };
void arm_system(const fault *f, play *p, long nth, bool persistent);
void heal_system(const fault *f, play *p);
bool system_fired(const fault *f, play *p);
bool system_may_answer(const fault *f, segue_status st);

/* The same: SQLite's calls, interrupted. */
void arm_signals(const fault *f, play *p, long nth, bool persistent);
void heal_signals(const fault *f, play *p);
bool signals_fired(const fault *f, play *p);
bool signals_may_answer(const fault *f, segue_status st);

/* calls.c. which: of its table; needs_dual: of the fallback, else of the primary. */
enum { N_CALL_TROUBLES = 5 };
void arm_call(const fault *f, play *p, long nth, bool persistent);
void heal_call(const fault *f, play *p);
bool call_fired(const fault *f, play *p);
bool call_may_answer(const fault *f, segue_status st);

#endif
