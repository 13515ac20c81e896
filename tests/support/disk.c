/* For tests: a VFS over the default one. Only the write-ahead log is interfered with. */
#include "support/disk.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

test_disk_log test_disk = {.room = -1};

/* The file below lies behind it in the same memory. */
typedef struct disk_file {
    sqlite3_file base;
    sqlite3_file *below;
    bool is_log;
} disk_file;

static sqlite3_vfs *below_vfs;
static atomic_bool is_dead;

static sqlite3_file *below(sqlite3_file *file) { return ((disk_file *)file)->below; }

static int close_file(sqlite3_file *file) { return below(file)->pMethods->xClose(below(file)); }
static int size_of(sqlite3_file *file, sqlite3_int64 *size)
{
    return below(file)->pMethods->xFileSize(below(file), size);
}
static int lock(sqlite3_file *file, int lock) { return below(file)->pMethods->xLock(below(file), lock); }
static int unlock(sqlite3_file *file, int lock) { return below(file)->pMethods->xUnlock(below(file), lock); }
static int sector_size(sqlite3_file *file) { return below(file)->pMethods->xSectorSize(below(file)); }
static int device(sqlite3_file *file) { return below(file)->pMethods->xDeviceCharacteristics(below(file)); }
static void barrier(sqlite3_file *file) { below(file)->pMethods->xShmBarrier(below(file)); }
static int shm_unmap(sqlite3_file *file, int remove) { return below(file)->pMethods->xShmUnmap(below(file), remove); }

static int truncate_file(sqlite3_file *file, sqlite3_int64 size)
{
    return below(file)->pMethods->xTruncate(below(file), size);
}

static int is_reserved(sqlite3_file *file, int *is)
{
    return below(file)->pMethods->xCheckReservedLock(below(file), is);
}

static int control(sqlite3_file *file, int op, void *arg)
{
    return below(file)->pMethods->xFileControl(below(file), op, arg);
}

static int shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **ret)
{
    return below(file)->pMethods->xShmMap(below(file), page, size, extend, ret);
}

static int shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    return below(file)->pMethods->xShmLock(below(file), offset, n, flags);
}

static int read_at(sqlite3_file *file, void *out, int size, sqlite3_int64 at)
{
    return below(file)->pMethods->xRead(below(file), out, size, at);
}

static int write_at(sqlite3_file *file, const void *data, int size, sqlite3_int64 at)
{
    long long room = atomic_load(&test_disk.room);
    bool is_log = ((disk_file *)file)->is_log;
    if (is_log && atomic_load(&is_dead) && atomic_load(&test_disk.dies)) return SQLITE_IOERR_WRITE;
    if (is_log && room >= 0 && at + size > room) return SQLITE_FULL;
    return below(file)->pMethods->xWrite(below(file), data, size, at);
}

static int sync_file(sqlite3_file *file, int flags)
{
    int code = below(file)->pMethods->xSync(below(file), flags);
    if (!((disk_file *)file)->is_log) return code;
    atomic_fetch_add(&test_disk.n_syncs, 1);
    bool dies = atomic_load(&test_disk.dies), fails = atomic_load(&test_disk.fail_syncs) > 0;
    atomic_store(&is_dead, dies);
    if (fails) atomic_fetch_sub(&test_disk.fail_syncs, 1);
    return dies || fails ? SQLITE_IOERR_FSYNC : code;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2, /* without memory-mapped reading */
    .xClose = close_file,
    .xRead = read_at,
    .xWrite = write_at,
    .xTruncate = truncate_file,
    .xSync = sync_file,
    .xFileSize = size_of,
    .xLock = lock,
    .xUnlock = unlock,
    .xCheckReservedLock = is_reserved,
    .xFileControl = control,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = device,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = barrier,
    .xShmUnmap = shm_unmap,
};

static int open_file(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *ret_flags)
{
    disk_file *f = (disk_file *)file;
    (void)vfs; /* there is one */
    f->below = (sqlite3_file *)(f + 1);
    f->is_log = (flags & SQLITE_OPEN_WAL) != 0;
    int code = below_vfs->xOpen(below_vfs, name, f->below, flags, ret_flags);
    f->base.pMethods = f->below->pMethods ? &methods : NULL;
    return code;
}

void test_disk_install(void)
{
    static sqlite3_vfs vfs;
    if (below_vfs) return;
    below_vfs = sqlite3_vfs_find(NULL);
    vfs = *below_vfs;
    vfs.zName = "test-disk";
    vfs.pNext = NULL;
    vfs.szOsFile = (int)sizeof(disk_file) + below_vfs->szOsFile;
    vfs.xOpen = open_file;
    if (sqlite3_vfs_register(&vfs, 1) != SQLITE_OK) abort();
}
