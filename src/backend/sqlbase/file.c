/* L4: a store's file as the operating system sees it. No state. */
#include "backend/sqlbase/file.h"

#include "base/base.h"
#include "base/crash.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

static segue_status make_file(const char *who, const char *path, bool *ret_made, segue_call *call)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, S_IRUSR | S_IWUSR);
    if (fd >= 0) {
        (void)close(fd); /* nothing was written */
        *ret_made = true;
        SEG_CRASH_POINT(FILE_MADE);
        return SEGUE_OK;
    }
    if (errno == EEXIST) return SEGUE_OK; /* somebody was faster; or a link to nowhere, as stat will say */
    if (errno == ENOENT || errno == ENOTDIR)
        return segue_fail(call, SEGUE_NO_STORE, "%s: %s cannot be made: there is no such folder", who, path);
    return segue_fail(call, seg_status_of_errno(errno), "%s: %s cannot be made: %s", who, path, strerror(errno));
}

/* What is there; if nothing is and it may be made, it is made first. */
static segue_status look(const char *who, const char *path, bool make, struct stat *ret_stat, bool *ret_made,
                         segue_call *call)
{
    bool there = stat(path, ret_stat) == 0;
    if (!there && make && errno == ENOENT) {
        segue_status st = make_file(who, path, ret_made, call);
        if (st != SEGUE_OK) return st;
        there = stat(path, ret_stat) == 0;
    }
    if (!there) {
        if (errno == ENOENT || errno == ENOTDIR)
            return segue_fail(call, SEGUE_NO_STORE, "%s: there is no file %s", who, path);
        return segue_fail(call, seg_status_of_errno(errno), "%s: %s: %s", who, path, strerror(errno));
    }
    if (S_ISDIR(ret_stat->st_mode))
        return segue_fail(call, SEGUE_WRONG_FORMAT, "%s: %s is a folder, not a file", who, path);
    if (!S_ISREG(ret_stat->st_mode))
        return segue_fail(call, SEGUE_WRONG_FORMAT, "%s: %s is not an ordinary file", who, path);
    return SEGUE_OK;
}

/* SQLite keeps the write-ahead log beside the file, so writing needs the folder too. */
static segue_status check_access(const char *who, const char *path, bool read_only, segue_call *call)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t size = (size_t)(slash - path) + (slash == path);
    memcpy(folder, path, size);
    folder[size] = 0;
    if (faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) != 0)
        return segue_fail(call, seg_status_of_errno(errno), "%s: %s cannot be read: %s", who, path, strerror(errno));
    if (read_only) return SEGUE_OK;
    if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) != 0)
        return segue_fail(call, seg_status_of_errno(errno), "%s: %s cannot be written: %s", who, path, strerror(errno));
    if (faccessat(AT_FDCWD, folder, W_OK, AT_EACCESS) != 0)
        return segue_fail(call, seg_status_of_errno(errno),
                          "%s: %s cannot be written: its folder must be writable too: %s", who, path, strerror(errno));
    return SEGUE_OK;
}

segue_status seg_sql_file_find(const char *who, const char *path, unsigned open_flags, seg_sql_file *ret_file,
                               segue_call *call)
{
    char real[PATH_MAX];
    struct stat st;
    bool made = false;
    segue_status status = look(who, path, !(open_flags & SEGUE_OPEN_EXISTING), &st, &made, call);
    if (status == SEGUE_OK && !realpath(path, real))
        status = segue_fail(call, seg_status_of_errno(errno), "%s: %s: %s", who, path, strerror(errno));
    if (status == SEGUE_OK) status = check_access(who, real, open_flags & SEGUE_OPEN_READ_ONLY, call);
    if (status != SEGUE_OK) return status;
    char *copy = seg_strdup(real);
    if (!copy) return segue_fail(call, SEGUE_NO_MEMORY, "%s: out of memory for a path", who);
    *ret_file = (seg_sql_file){copy, st, made};
    return SEGUE_OK;
}

void seg_sql_file_unmake(const seg_sql_file *file)
{
    struct stat now;
    if (file->made && stat(file->path, &now) == 0 && now.st_ino == file->stat.st_ino && now.st_size == 0)
        (void)unlink(file->path); /* an empty file that stays does no harm */
}
