/* Faults of the disk: each of SQLite's ways to the system fails as the system lets it fail. */
#include "faults/kinds.h"

#include "support/disk.h"

#include <errno.h>
#include <sqlite3.h>

/* SQLite itself calls again what a signal has interrupted, but for locks (which then count as taken by others) and syncs. */
static const test_disk_trouble troubles[N_DISK_TROUBLES] = {
    {TEST_DISK_OPEN, SQLITE_CANTOPEN, EMFILE, false},
    {TEST_DISK_OPEN, SQLITE_CANTOPEN, ENOSPC, false},
    {TEST_DISK_READ, SQLITE_IOERR_READ, EIO, false},
    {TEST_DISK_WRITE, SQLITE_FULL, ENOSPC, true},
    {TEST_DISK_WRITE, SQLITE_IOERR_WRITE, EIO, false},
    {TEST_DISK_SYNC, SQLITE_IOERR_FSYNC, EIO, false},
    {TEST_DISK_SYNC, SQLITE_IOERR_FSYNC, EINTR, false},
    {TEST_DISK_TRUNCATE, SQLITE_IOERR_TRUNCATE, EIO, false},
    {TEST_DISK_SIZE, SQLITE_IOERR_FSTAT, EIO, false},
    {TEST_DISK_DELETE | TEST_DISK_ACCESS, SQLITE_IOERR_ACCESS, EIO, false},
    {TEST_DISK_LOCK, SQLITE_BUSY, EINTR, false},
    {TEST_DISK_SHM_MAP, SQLITE_IOERR_SHMSIZE, ENOSPC, false},
    {TEST_DISK_SHM_LOCK, SQLITE_BUSY, EINTR, false},
    {TEST_DISK_SHM_LOCK | TEST_DISK_LOCK, SQLITE_IOERR_LOCK, EIO, false},
    {TEST_DISK_WRITE | TEST_DISK_SYNC, SQLITE_IOERR_WRITE, EIO, false},
    {TEST_DISK_SYNC, SQLITE_IOERR_FSYNC, ENOSPC, false},
    {TEST_DISK_SHM_MAP, SQLITE_IOERR_SHMMAP, EIO, false},
};

void arm_disk(const fault *f, play *p, long nth, bool persistent)
{
    (void)p; /* there is one disk */
    test_disk_next = troubles[f->which];
    test_fault_arm(&test_disk_calls, nth, persistent);
}

void heal_disk(const fault *f, play *p)
{
    (void)f, (void)p; /* as above */
    test_fault_heal(&test_disk_calls);
}

bool disk_fired(const fault *f, play *p)
{
    (void)f, (void)p; /* as above */
    return atomic_load(&test_disk_calls.fired) > 0;
}

bool disk_may_answer(const fault *f, segue_status st)
{
    const test_disk_trouble *t = &troubles[f->which];
    bool is_of_commit = t->calls &
                        (TEST_DISK_WRITE | TEST_DISK_SYNC | TEST_DISK_READ | TEST_DISK_LOCK | TEST_DISK_SHM_LOCK);
    /* UNAVAILABLE where what is written may as well be written again. */
    if (st == SEGUE_MAYBE_APPLIED || st == SEGUE_UNAVAILABLE) return is_of_commit;
    if (t->code == SQLITE_BUSY) return st == SEGUE_TIMEOUT;
    if (t->code == SQLITE_IOERR_FSYNC && st == SEGUE_IO_ERROR) return true; /* a commit does not keep errno for us */
    return st == (t->error_number == ENOSPC ? SEGUE_NO_SPACE : SEGUE_IO_ERROR);
}
