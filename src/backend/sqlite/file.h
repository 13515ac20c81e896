/* L4: what must be so of a path before SQLite may see it. */
#ifndef SEG_SQLITE_FILE_H
#define SEG_SQLITE_FILE_H

#include <segue/backend.h>
#include <sys/stat.h>

typedef struct seg_sqlite_file {
    char *path; /* absolute, without symbolic links; the caller's to free */
    struct stat stat;
    bool made; /* it was not there */
} seg_sqlite_file;

/* Find the file, or make an empty one that only its owner may read. Never opens a file that is there: closing it again
 * would drop the locks that SQLite holds on it in this process. */
segue_status seg_sqlite_file_find(const char *path, unsigned open_flags, seg_sqlite_file *ret_file, segue_call *call);

/* Remove the file that was just made, if it is still empty: opening it failed. */
void seg_sqlite_file_unmake(const seg_sqlite_file *file);

#endif
