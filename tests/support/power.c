/* For tests: a VFS that writes down, and images of what it wrote down. */
#include "support/power.h"

#include <dirent.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_MAX = 64, NAME_SIZE = 400 };

/* Of a file, which has a number that a later file of the same name does not have; MADE and GONE are of the folder. */
typedef enum event_kind { WROTE, CUT_TO, SYNCED, MADE, GONE, FOLDER_SYNCED } event_kind;

typedef struct event {
    event_kind what;
    unsigned file;
    size_t at, size; /* CUT_TO: size */
    unsigned char *data;
} event;

typedef struct known_file {
    char name[NAME_SIZE]; /* below the folder */
    unsigned char *base;  /* as it was at the beginning */
    size_t base_size;
    bool was_there, is_gone;
    bool names_unsynced; /* it was made, and its first sync is one of the folder too */
} known_file;

static struct {
    bool is_on;
    char folder[NAME_SIZE];
    event *events;
    size_t n, room;
    known_file files[FILES_MAX];
    unsigned n_files;
} record;

static void must(bool ok, const char *doing)
{
    if (ok) return;
    perror(doing);
    abort();
}

static event *note(event_kind what, unsigned file)
{
    if (record.n == record.room) {
        record.room = record.room ? 2 * record.room : 1024;
        record.events = realloc(record.events, record.room * sizeof *record.events);
        must(record.events != NULL, "power: memory");
    }
    event *e = &record.events[record.n++];
    *e = (event){.what = what, .file = file};
    return e;
}

static unsigned char *copy_of(const void *data, size_t size)
{
    unsigned char *copy = malloc(size ? size : 1);
    must(copy != NULL, "power: memory");
    memcpy(copy, data, size);
    return copy;
}

/* ---- the files that are there ---- */

static unsigned char *read_file(const char *path, size_t *ret_size)
{
    struct stat info;
    FILE *in = fopen(path, "rb");
    must(in && fstat(fileno(in), &info) == 0, path);
    unsigned char *data = malloc((size_t)info.st_size + 1);
    must(data && fread(data, 1, (size_t)info.st_size, in) == (size_t)info.st_size && fclose(in) == 0, path);
    *ret_size = (size_t)info.st_size;
    return data;
}

static known_file *add_file(const char *name)
{
    must(record.n_files < FILES_MAX && strlen(name) < NAME_SIZE, "power: files");
    known_file *f = &record.files[record.n_files++];
    *f = (known_file){.was_there = false};
    memcpy(f->name, name, strlen(name) + 1);
    return f;
}

/* -shm files are no part of what is on the disk. */
static bool is_shared_memory(const char *name)
{
    size_t size = strlen(name);
    return size > 4 && strcmp(name + size - 4, "-shm") == 0;
}

static void learn_folder(const char *below)
{
    char path[2 * NAME_SIZE], name[NAME_SIZE];
    struct stat info;
    must(snprintf(path, sizeof path, "%s/%s", record.folder, below) < (int)sizeof path, below);
    DIR *dir = opendir(path);
    must(dir != NULL, path);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.' || is_shared_memory(e->d_name)) continue;
        must(snprintf(name, sizeof name, "%s%s%s", below, *below ? "/" : "", e->d_name) < (int)sizeof name, e->d_name);
        must(snprintf(path, sizeof path, "%s/%s", record.folder, name) < (int)sizeof path, name);
        must(stat(path, &info) == 0, path);
        if (S_ISDIR(info.st_mode)) {
            learn_folder(name);
            continue;
        }
        known_file *f = add_file(name);
        f->base = read_file(path, &f->base_size);
        f->was_there = true;
    }
    (void)closedir(dir); /* it was only read */
}

static void forget_all(void)
{
    for (size_t i = 0; i < record.n; i++) free(record.events[i].data);
    for (unsigned i = 0; i < record.n_files; i++) free(record.files[i].base);
    record.n = record.n_files = 0;
}

void power_begin(const char *folder)
{
    forget_all();
    must(strlen(folder) < NAME_SIZE, folder);
    memcpy(record.folder, folder, strlen(folder) + 1);
    learn_folder("");
    record.is_on = true;
}

void power_end(void) { record.is_on = false; }
size_t power_now(void) { return record.n; }

/* Its number, or -1: it is none of the folder's. It is new to us: it has just been made. */
static int find_file(const char *path, bool opens)
{
    size_t size = strlen(record.folder);
    if (!record.is_on || !path || strncmp(path, record.folder, size) != 0 || path[size] != '/') return -1;
    const char *name = path + size + 1;
    for (unsigned i = 0; i < record.n_files; i++)
        if (!record.files[i].is_gone && strcmp(record.files[i].name, name) == 0) return (int)i;
    if (!opens) return -1;
    known_file *f = add_file(name);
    (void)note(MADE, record.n_files - 1);
    f->names_unsynced = true;
    return (int)record.n_files - 1;
}

/* ---- the VFS ---- */

/* The file below lies behind it in the same memory. */
typedef struct power_file {
    sqlite3_file base;
    sqlite3_file *below;
    int file; /* -1: not written down */
    bool syncs_folder;
} power_file;

static sqlite3_vfs *below_vfs;

static sqlite3_file *below(sqlite3_file *file) { return ((power_file *)file)->below; }
static int number_of(sqlite3_file *file) { return record.is_on ? ((power_file *)file)->file : -1; }

static int close_file(sqlite3_file *file) { return below(file)->pMethods->xClose(below(file)); }
static int size_of(sqlite3_file *file, sqlite3_int64 *size)
{
    return below(file)->pMethods->xFileSize(below(file), size);
}
static int lock(sqlite3_file *file, int how) { return below(file)->pMethods->xLock(below(file), how); }
static int unlock(sqlite3_file *file, int how) { return below(file)->pMethods->xUnlock(below(file), how); }
static int sector_size(sqlite3_file *file) { return below(file)->pMethods->xSectorSize(below(file)); }
static int device(sqlite3_file *file) { return below(file)->pMethods->xDeviceCharacteristics(below(file)); }
static void barrier(sqlite3_file *file) { below(file)->pMethods->xShmBarrier(below(file)); }
static int shm_unmap(sqlite3_file *file, int del) { return below(file)->pMethods->xShmUnmap(below(file), del); }
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
    int number = number_of(file);
    if (number >= 0) {
        event *e = note(WROTE, (unsigned)number);
        e->at = (size_t)at;
        e->size = (size_t)size;
        e->data = copy_of(data, (size_t)size);
    }
    return below(file)->pMethods->xWrite(below(file), data, size, at);
}

static int truncate_file(sqlite3_file *file, sqlite3_int64 size)
{
    int number = number_of(file);
    if (number >= 0) note(CUT_TO, (unsigned)number)->size = (size_t)size;
    return below(file)->pMethods->xTruncate(below(file), size);
}

/* As the one for Unix does: the first sync of a new log or journal is one of its folder, too. */
static int sync_file(sqlite3_file *file, int flags)
{
    power_file *f = (power_file *)file;
    int code = below(file)->pMethods->xSync(below(file), flags), number = number_of(file);
    if (number < 0) return code;
    (void)note(SYNCED, (unsigned)number);
    if (f->syncs_folder) (void)note(FOLDER_SYNCED, (unsigned)number);
    f->syncs_folder = false;
    return code;
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
    power_file *f = (power_file *)file;
    (void)vfs; /* there is one */
    f->below = (sqlite3_file *)(f + 1);
    int code = below_vfs->xOpen(below_vfs, name, f->below, flags, ret_flags);
    bool is_kept = code == SQLITE_OK && (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL));
    f->file = is_kept ? find_file(name, true) : -1;
    known_file *known = f->file >= 0 ? &record.files[f->file] : NULL;
    f->syncs_folder = known && known->names_unsynced && !(flags & SQLITE_OPEN_MAIN_DB);
    if (known) known->names_unsynced = false;
    f->base.pMethods = f->below->pMethods ? &methods : NULL;
    return code;
}

static int delete_file(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    (void)vfs; /* there is one */
    int code = below_vfs->xDelete(below_vfs, name, sync_folder), number = find_file(name, false);
    if (code != SQLITE_OK || number < 0) return code;
    (void)note(GONE, (unsigned)number);
    record.files[number].is_gone = true;
    if (sync_folder) (void)note(FOLDER_SYNCED, (unsigned)number);
    return code;
}

void power_install(void)
{
    static sqlite3_vfs vfs;
    if (below_vfs) return;
    below_vfs = sqlite3_vfs_find(NULL);
    vfs = *below_vfs;
    vfs.zName = "test-power";
    vfs.pNext = NULL;
    vfs.szOsFile = (int)sizeof(power_file) + below_vfs->szOsFile;
    vfs.xOpen = open_file;
    vfs.xDelete = delete_file;
    must(sqlite3_vfs_register(&vfs, 1) == SQLITE_OK, "power: VFS");
}

/* ---- images ---- */

static bool is_of_folder(const event *e) { return e->what == MADE || e->what == GONE; }

/* Whether a sync before this moment has made the ith event one that stays. */
static bool is_safe(size_t i, size_t moment)
{
    const event *e = &record.events[i];
    for (size_t k = i + 1; k < moment; k++) {
        const event *later = &record.events[k];
        if (is_of_folder(e) ? later->what == FOLDER_SYNCED : later->what == SYNCED && later->file == e->file)
            return true;
    }
    return false;
}

static bool is_change(const event *e) { return e->what != SYNCED && e->what != FOLDER_SYNCED; }

size_t power_open_writes(size_t moment)
{
    size_t n = 0;
    for (size_t i = 0; i < moment; i++) n += is_change(&record.events[i]) && !is_safe(i, moment);
    return n;
}

typedef struct image {
    unsigned char *data[FILES_MAX];
    size_t size[FILES_MAX];
    bool there[FILES_MAX];
} image;

static uint64_t pick(uint64_t *random, uint64_t n)
{
    *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (*random >> 33) % n;
}

static void grow(image *m, unsigned file, size_t size)
{
    if (size <= m->size[file]) return;
    m->data[file] = realloc(m->data[file], size);
    must(m->data[file] != NULL, "power: memory");
    memset(m->data[file] + m->size[file], 0, size - m->size[file]);
    m->size[file] = size;
}

static void apply_write(image *m, const event *e, power_loss loss, uint64_t *random)
{
    size_t size = e->size;
    if (loss == POWER_CUTS_LAST) size = (size_t)pick(random, size + 1);
    if (size == 0) return;
    grow(m, e->file, e->at + size);
    unsigned char *to = m->data[e->file] + e->at;
    memcpy(to, e->data, size);
    if (loss != POWER_GARBLES_LAST) return;
    for (size_t i = (size_t)pick(random, size); i < size; i++) to[i] = (unsigned char)pick(random, 256);
}

/* KEEPS_ALL, KEEPS_NONE, or what part of a write is left. */
static void apply(image *m, const event *e, power_loss loss, uint64_t *random)
{
    if (loss == POWER_KEEPS_NONE) return;
    if (e->what == WROTE) {
        apply_write(m, e, loss, random);
    } else if (e->what == CUT_TO) {
        grow(m, e->file, e->size);
        m->size[e->file] = e->size;
    } else {
        m->there[e->file] = e->what == MADE;
    }
}

/* What becomes of an event that no sync has made safe. */
static power_loss fate(power_loss loss, bool is_last, uint64_t *random)
{
    switch (loss) {
    case POWER_KEEPS_ALL:
    case POWER_KEEPS_NONE: return loss;
    case POWER_CUTS_LAST:
    case POWER_GARBLES_LAST: return is_last ? loss : POWER_KEEPS_ALL;
    case POWER_KEEPS_SOME: break;
    }
    return (power_loss)pick(random, POWER_KEEPS_SOME);
}

static void write_image(const image *m, const char *to)
{
    char path[2 * NAME_SIZE];
    for (unsigned i = 0; i < record.n_files; i++) {
        if (!m->there[i]) continue;
        must(snprintf(path, sizeof path, "%s/%s", to, record.files[i].name) < (int)sizeof path, to);
        char *slash = strrchr(path, '/');
        *slash = '\0';
        (void)mkdir(path, 0755); /* it may be there */
        *slash = '/';
        FILE *out = fopen(path, "wb");
        must(out != NULL, path);
        must(m->size[i] == 0 || fwrite(m->data[i], 1, m->size[i], out) == m->size[i], path);
        must(fclose(out) == 0, path);
    }
}

void power_make_image(size_t moment, power_loss loss, uint64_t *random, const char *to)
{
    image m = {.size = {0}};
    size_t last = 0;
    bool names_stay = true; /* what happened to names reaches the disk in its order */
    for (unsigned i = 0; i < record.n_files; i++) {
        const known_file *f = &record.files[i];
        m.there[i] = f->was_there;
        if (!f->was_there) continue;
        m.data[i] = copy_of(f->base, f->base_size);
        m.size[i] = f->base_size;
    }
    for (size_t i = 0; i < moment; i++)
        if (record.events[i].what == WROTE && !is_safe(i, moment)) last = i;
    for (size_t i = 0; i < moment; i++) {
        const event *e = &record.events[i];
        if (!is_change(e)) continue;
        power_loss how = is_safe(i, moment) ? POWER_KEEPS_ALL : fate(loss, i == last, random);
        if (is_of_folder(e)) {
            names_stay = names_stay && how != POWER_KEEPS_NONE;
            how = names_stay ? POWER_KEEPS_ALL : POWER_KEEPS_NONE;
        }
        apply(&m, e, how, random);
    }
    write_image(&m, to);
    for (unsigned i = 0; i < record.n_files; i++) free(m.data[i]);
}
