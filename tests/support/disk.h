/* For tests: SQLite's way to the disk, which counts, fails and fills up on request, and knows what a loss of power would
 * leave. Over the one that SQLite has. */
#ifndef SEG_TESTS_DISK_H
#define SEG_TESTS_DISK_H

#include "support/fault.h"

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

/* ---- any call, of any file ---- */

enum {
    TEST_DISK_OPEN = 1 << 0,
    TEST_DISK_READ = 1 << 1,
    TEST_DISK_WRITE = 1 << 2,
    TEST_DISK_SYNC = 1 << 3,
    TEST_DISK_TRUNCATE = 1 << 4,
    TEST_DISK_SIZE = 1 << 5,
    TEST_DISK_DELETE = 1 << 6,
    TEST_DISK_ACCESS = 1 << 7,
    TEST_DISK_LOCK = 1 << 8,
    TEST_DISK_SHM_MAP = 1 << 9,
    TEST_DISK_SHM_LOCK = 1 << 10
};

/* What fails, and how: SQLite's code and errno. Half of a write that fails is written if `half`. */
typedef struct test_disk_trouble {
    unsigned calls;
    int code;
    int error_number;
    bool half;
} test_disk_trouble;
extern test_disk_trouble test_disk_next; /* set while nothing is at work */
extern test_fault test_disk_calls;       /* those calls are counted, and this one fails */

/* So many files are open. */
extern atomic_long test_disk_open_files;
/* SQLite's own calls of the system that read, write, cut and open, interrupted by a signal: at most three times in a row. */
extern test_fault test_disk_signals;

/* ---- loss of power ---- */

/* From now on remember, of all files below this folder (NULL: of none, and forget), what was synchronised. What a failed sync
 * was to write is taken as lost: the system may have dropped it, and a later sync says nothing about it. */
void test_disk_watch(const char *folder);
/* Write those files, as they would be after a loss of power, below another folder. False: it cannot be done. */
bool test_disk_after_power_loss(const char *folder);

#endif
