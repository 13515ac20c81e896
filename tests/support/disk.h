/* For tests: SQLite's way to the disk, which counts, fails and fills up on request. Over the one that SQLite has. */
#ifndef SEG_TESTS_DISK_H
#define SEG_TESTS_DISK_H

#include <stdatomic.h>
#include <stdbool.h>

/* The write-ahead log's part of the disk. */
typedef struct test_disk_log {
    atomic_long n_syncs;    /* so far */
    atomic_long fail_syncs; /* so many of the next ones fail, after they were done */
    atomic_bool dies;       /* the next one fails, after it was done, and so does everything after it */
    atomic_llong room;      /* writes beyond this offset find no space; -1: there is enough */
} test_disk_log;
extern test_disk_log test_disk;

/* Every file that is opened from now on, in this process and those it forks, is on this disk. */
void test_disk_install(void);

#endif
