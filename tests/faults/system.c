/* Faults of the system: the calls that the library makes itself (the linker gives those of this program to the functions here:
 * --wrap), and SQLite's own, interrupted by a signal, which it makes again. */
#include "faults/kinds.h"

#include "support/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const int errors[N_SYSTEM_TROUBLES] = {ENOSPC, EIO, EACCES, EINTR, EMFILE};

static test_fault calls;
static int error_number;

static bool strikes(void)
{
    if (!test_fault_strikes(&calls)) return false;
    errno = error_number;
    return true;
}

#define DOOR(type, name, parameters, arguments, failed)                                                                \
    type __real_##name parameters;                                                                                     \
    type __wrap_##name parameters;                                                                                     \
    type __wrap_##name parameters { return strikes() ? (failed) : __real_##name arguments; }

DOOR(int, stat, (const char *path, struct stat *out), (path, out), -1)
DOOR(int, faccessat, (int at, const char *path, int mode, int flags), (at, path, mode, flags), -1)
DOOR(int, statvfs, (const char *path, struct statvfs *out), (path, out), -1)
DOOR(int, unlink, (const char *path), (path), -1)
DOOR(ssize_t, read, (int fd, void *out, size_t size), (fd, out, size), -1)
DOOR(char *, realpath, (const char *path, char *out), (path, out), NULL)
DOOR(char *, __realpath_chk, (const char *path, char *out, size_t size), (path, out, size), NULL)

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    if (flags & O_CREAT) {
        va_list args;
        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
    }
    return strikes() ? -1 : __real_open(path, flags, mode);
}

void arm_system(const fault *f, play *p, long nth, bool persistent)
{
    (void)p; /* there is one system */
    error_number = errors[f->which];
    test_fault_arm(&calls, nth, persistent);
}

void heal_system(const fault *f, play *p)
{
    (void)f, (void)p; /* as above */
    test_fault_heal(&calls);
}

bool system_fired(const fault *f, play *p)
{
    (void)f, (void)p; /* as above */
    return atomic_load(&calls.fired) > 0;
}

bool system_may_answer(const fault *f, segue_status st) { return st == seg_status_of_errno(errors[f->which]); }

/* ---- SQLite's ---- */

void arm_signals(const fault *f, play *p, long nth, bool persistent)
{
    (void)f, (void)p; /* as above */
    test_fault_arm(&test_disk_signals, nth, persistent);
}

void heal_signals(const fault *f, play *p)
{
    (void)f, (void)p; /* as above */
    test_fault_heal(&test_disk_signals);
}

bool signals_fired(const fault *f, play *p)
{
    (void)f, (void)p; /* as above */
    return atomic_load(&test_disk_signals.fired) > 0;
}

/* Nobody may notice. */
bool signals_may_answer(const fault *f, segue_status st)
{
    (void)f, (void)st; /* no answer is good */
    return false;
}

/* ---- leaks ---- */

size_t count_open_files(void)
{
    size_t n = 0;
    DIR *listing = opendir("/proc/self/fd");
    while (listing && readdir(listing)) n++;
    if (listing) (void)closedir(listing); /* it was only read */
    return n;
}
