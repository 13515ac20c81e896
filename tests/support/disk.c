/* For tests: a VFS over the default one. */
#include "support/disk.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

test_disk_log test_disk = {.room = -1};

/* The file below lies behind it in the same memory. */
typedef struct disk_file {
    sqlite3_file base;
    sqlite3_file *below;
    bool is_log;
    struct shadow *shadow; /* NULL: nobody watches it */
} disk_file;

static sqlite3_vfs *below_vfs;
static atomic_bool is_dead;

test_disk_trouble test_disk_next;
test_fault test_disk_calls;
atomic_long test_disk_open_files;
test_fault test_disk_signals;

/* Whether this call is to fail, with errno set. */
static bool strikes(unsigned call)
{
    if (!(test_disk_next.calls & call) || !test_fault_strikes(&test_disk_calls)) return false;
    errno = test_disk_next.error_number;
    return true;
}

/* ---- what a loss of power leaves ---- */

typedef struct range {
    sqlite3_int64 at;
    int size;
} range;

typedef struct shadow {
    struct shadow *next;
    char name[256]; /* behind the folder's */
    bool is_deleted;
    char *durable;
    size_t size, capacity;
    range *dirty; /* written since the last sync */
    size_t n_dirty, dirty_capacity;
} shadow;

static pthread_mutex_t shadows_lock = PTHREAD_MUTEX_INITIALIZER; /* of all shadows */
static shadow *shadows;
static char watched[256];

static void *grown(void *memory, size_t size)
{
    memory = realloc(memory, size);
    if (!memory) abort();
    return memory;
}

void test_disk_watch(const char *folder)
{
    for (shadow *s = shadows, *next; s; s = next) {
        next = s->next;
        free(s->durable);
        free(s->dirty);
        free(s);
    }
    shadows = NULL;
    (void)snprintf(watched, sizeof watched, "%s", folder ? folder : ""); /* tests' folders are short */
}

/* With the lock. */
static void set_durable_size(shadow *s, size_t size)
{
    if (size > s->capacity) s->durable = grown(s->durable, s->capacity = size * 2);
    if (size > s->size) memset(s->durable + s->size, 0, size - s->size);
    s->size = size;
}

/* What a file has when it is first seen is on the disk. */
static void read_all(shadow *s, const char *path)
{
    FILE *in = fopen(path, "rb");
    for (size_t n = 1; in && n > 0;) {
        set_durable_size(s, s->size + 65536);
        n = fread(s->durable + s->size - 65536, 1, 65536, in);
        s->size -= 65536 - n;
    }
    if (in) (void)fclose(in); /* it was only read */
}

static shadow *find_shadow(const char *path)
{
    size_t n = strlen(watched);
    if (!n || !path || strncmp(path, watched, n) != 0) return NULL;
    pthread_mutex_lock(&shadows_lock);
    shadow *s = shadows;
    while (s && strcmp(s->name, path + n) != 0) s = s->next;
    if (!s) {
        s = calloc(1, sizeof *s);
        if (!s) abort();
        (void)snprintf(s->name, sizeof s->name, "%s", path + n); /* as above */
        read_all(s, path);
        s->next = shadows;
        shadows = s;
    }
    pthread_mutex_unlock(&shadows_lock);
    return s;
}

static void note_write(shadow *s, sqlite3_int64 at, int size)
{
    if (!s) return;
    pthread_mutex_lock(&shadows_lock);
    if (s->n_dirty == s->dirty_capacity)
        s->dirty = grown(s->dirty, (s->dirty_capacity = s->dirty_capacity * 2 + 16) * sizeof *s->dirty);
    s->dirty[s->n_dirty++] = (range){at, size};
    pthread_mutex_unlock(&shadows_lock);
}

/* What was written is on the disk now; or lost, if the sync has failed. */
static void note_sync(shadow *s, sqlite3_file *file, bool done)
{
    sqlite3_int64 size = 0;
    if (!s) return;
    pthread_mutex_lock(&shadows_lock);
    if (done && file->pMethods->xFileSize(file, &size) != SQLITE_OK) abort();
    for (size_t i = 0; done && i < s->n_dirty; i++) {
        range r = s->dirty[i];
        if (r.at + r.size > size) continue; /* cut off since */
        if (s->size < (size_t)r.at + (size_t)r.size) set_durable_size(s, (size_t)r.at + (size_t)r.size);
        if (file->pMethods->xRead(file, s->durable + r.at, r.size, r.at) != SQLITE_OK) abort();
    }
    if (done && s->size > (size_t)size) set_durable_size(s, (size_t)size);
    s->n_dirty = 0;
    pthread_mutex_unlock(&shadows_lock);
}

bool test_disk_after_power_loss(const char *folder)
{
    char path[600];
    bool good = true;
    pthread_mutex_lock(&shadows_lock);
    for (shadow *s = shadows; s && good; s = s->next) {
        if (s->is_deleted) continue;
        (void)snprintf(path, sizeof path, "%s%s", folder, s->name); /* fits */
        FILE *out = fopen(path, "wb");
        good = out && fwrite(s->size ? s->durable : "", 1, s->size, out) == s->size;
        if (out) good = fclose(out) == 0 && good;
    }
    pthread_mutex_unlock(&shadows_lock);
    return good;
}

/* ---- the calls ---- */

static sqlite3_file *below(sqlite3_file *file) { return ((disk_file *)file)->below; }

static int close_file(sqlite3_file *file)
{
    atomic_fetch_sub(&test_disk_open_files, 1);
    return below(file)->pMethods->xClose(below(file));
}
static int size_of(sqlite3_file *file, sqlite3_int64 *size)
{
    if (strikes(TEST_DISK_SIZE)) return test_disk_next.code;
    return below(file)->pMethods->xFileSize(below(file), size);
}
static int lock(sqlite3_file *file, int lock)
{
    if (strikes(TEST_DISK_LOCK)) return test_disk_next.code;
    return below(file)->pMethods->xLock(below(file), lock);
}
static int unlock(sqlite3_file *file, int lock) { return below(file)->pMethods->xUnlock(below(file), lock); }
static int sector_size(sqlite3_file *file) { return below(file)->pMethods->xSectorSize(below(file)); }
static int device(sqlite3_file *file) { return below(file)->pMethods->xDeviceCharacteristics(below(file)); }
static void barrier(sqlite3_file *file) { below(file)->pMethods->xShmBarrier(below(file)); }
static int shm_unmap(sqlite3_file *file, int remove) { return below(file)->pMethods->xShmUnmap(below(file), remove); }

static int truncate_file(sqlite3_file *file, sqlite3_int64 size)
{
    if (strikes(TEST_DISK_TRUNCATE)) return test_disk_next.code;
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
    if (strikes(TEST_DISK_SHM_MAP)) return test_disk_next.code;
    return below(file)->pMethods->xShmMap(below(file), page, size, extend, ret);
}

static int shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    if (!(flags & SQLITE_SHM_UNLOCK) && strikes(TEST_DISK_SHM_LOCK)) return test_disk_next.code;
    return below(file)->pMethods->xShmLock(below(file), offset, n, flags);
}

static int read_at(sqlite3_file *file, void *out, int size, sqlite3_int64 at)
{
    if (strikes(TEST_DISK_READ)) return test_disk_next.code;
    return below(file)->pMethods->xRead(below(file), out, size, at);
}

static int write_at(sqlite3_file *file, const void *data, int size, sqlite3_int64 at)
{
    long long room = atomic_load(&test_disk.room);
    bool is_log = ((disk_file *)file)->is_log;
    if (is_log && atomic_load(&is_dead) && atomic_load(&test_disk.dies)) return SQLITE_IOERR_WRITE;
    if (is_log && room >= 0 && at + size > room) return SQLITE_FULL;
    bool fails = strikes(TEST_DISK_WRITE);
    int code = test_disk_next.code;
    if (fails && !test_disk_next.half) return code;
    note_write(((disk_file *)file)->shadow, at, fails ? size / 2 : size);
    if (!fails) return below(file)->pMethods->xWrite(below(file), data, size, at);
    (void)below(file)->pMethods->xWrite(below(file), data, size / 2, at); /* that it fails is said anyway */
    errno = test_disk_next.error_number;
    return code;
}

static int sync_file(sqlite3_file *file, int flags)
{
    bool struck = strikes(TEST_DISK_SYNC);
    int code = struck ? test_disk_next.code : below(file)->pMethods->xSync(below(file), flags);
    note_sync(((disk_file *)file)->shadow, below(file), code == SQLITE_OK);
    if (struck) errno = test_disk_next.error_number;
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
    f->shadow = NULL;
    f->base.pMethods = NULL;
    if (strikes(TEST_DISK_OPEN)) return test_disk_next.code;
    int code = below_vfs->xOpen(below_vfs, name, f->below, flags, ret_flags);
    f->base.pMethods = f->below->pMethods ? &methods : NULL;
    if (f->base.pMethods) atomic_fetch_add(&test_disk_open_files, 1);
    if (code == SQLITE_OK) f->shadow = find_shadow(name);
    if (f->shadow) f->shadow->is_deleted = false;
    return code;
}

static int delete_file(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    (void)vfs; /* as above */
    if (strikes(TEST_DISK_DELETE)) return test_disk_next.code;
    int code = below_vfs->xDelete(below_vfs, name, sync_folder);
    shadow *s = code == SQLITE_OK ? find_shadow(name) : NULL;
    if (s) s->is_deleted = true, s->size = s->n_dirty = 0;
    return code;
}

static int access_file(sqlite3_vfs *vfs, const char *name, int what, int *ret)
{
    (void)vfs; /* as above */
    if (strikes(TEST_DISK_ACCESS)) return test_disk_next.code;
    return below_vfs->xAccess(below_vfs, name, what, ret);
}

/* SQLite waits by itself where a lock cannot be had; not for a lock that fails because we say so. */
static int sleep_for(sqlite3_vfs *vfs, int microseconds)
{
    (void)vfs; /* as above */
    return atomic_load(&test_disk_calls.nth) ? microseconds : below_vfs->xSleep(below_vfs, microseconds);
}

/* ---- SQLite's own calls ---- */

static bool interrupts(void)
{
    static _Thread_local unsigned in_a_row;
    bool strikes = in_a_row < 3 && test_fault_strikes(&test_disk_signals);
    in_a_row = strikes ? in_a_row + 1 : 0;
    if (strikes) errno = EINTR;
    return strikes;
}

#define CALL(type, name, parameters, arguments)                                                                        \
    static type(*real_##name) parameters;                                                                              \
    static type our_##name parameters { return interrupts() ? -1 : real_##name arguments; }

CALL(int, open, (const char *path, int flags, int mode), (path, flags, mode))
CALL(ssize_t, read, (int fd, void *out, size_t size), (fd, out, size))
CALL(ssize_t, pread, (int fd, void *out, size_t size, off_t at), (fd, out, size, at))
CALL(ssize_t, pread64, (int fd, void *out, size_t size, off_t at), (fd, out, size, at))
CALL(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size))
CALL(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at))
CALL(ssize_t, pwrite64, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at))
CALL(int, ftruncate, (int fd, off_t size), (fd, size))

static void take_system_calls(sqlite3_vfs *vfs)
{
    const struct {
        const char *name;
        sqlite3_syscall_ptr ours;
        void *real; /* where the real one is kept */
    } all[] = {
        {"open", (sqlite3_syscall_ptr)our_open, &real_open},
        {"read", (sqlite3_syscall_ptr)our_read, &real_read},
        {"pread", (sqlite3_syscall_ptr)our_pread, &real_pread},
        {"pread64", (sqlite3_syscall_ptr)our_pread64, &real_pread64},
        {"write", (sqlite3_syscall_ptr)our_write, &real_write},
        {"pwrite", (sqlite3_syscall_ptr)our_pwrite, &real_pwrite},
        {"pwrite64", (sqlite3_syscall_ptr)our_pwrite64, &real_pwrite64},
        {"ftruncate", (sqlite3_syscall_ptr)our_ftruncate, &real_ftruncate},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        sqlite3_syscall_ptr real = vfs->xGetSystemCall(vfs, all[i].name);
        if (!real) continue; /* this build of SQLite does not use it */
        memcpy(all[i].real, &real, sizeof real);
        if (vfs->xSetSystemCall(vfs, all[i].name, all[i].ours) != SQLITE_OK) abort();
    }
}

void test_disk_install(void)
{
    static sqlite3_vfs vfs;
    if (below_vfs) return;
    below_vfs = sqlite3_vfs_find(NULL);
    take_system_calls(below_vfs);
    vfs = *below_vfs;
    vfs.zName = "test-disk";
    vfs.pNext = NULL;
    vfs.szOsFile = (int)sizeof(disk_file) + below_vfs->szOsFile;
    vfs.xOpen = open_file;
    vfs.xDelete = delete_file;
    vfs.xAccess = access_file;
    vfs.xSleep = sleep_for;
    if (sqlite3_vfs_register(&vfs, 1) != SQLITE_OK) abort();
}
