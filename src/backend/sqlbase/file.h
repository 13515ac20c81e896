/* L4: what must be so of a path before SQLite may see it. */
#ifndef SEG_SQLBASE_FILE_H
#define SEG_SQLBASE_FILE_H

#include <segue/backend.h>
#include <sys/stat.h>

typedef struct seg_sql_file {
    char *path; /* absolute, without symbolic links; the caller's to free */
    struct stat stat;
    bool made; /* it was not there */
} seg_sql_file;

/* Find the file, or make an empty one that only its owner may read. Never opens a file that is there: closing it again
 * would drop the locks that SQLite holds on it in this process. `who`: what sentences begin with. */
segue_status seg_sql_file_find(const char *who, const char *path, unsigned open_flags, seg_sql_file *ret_file,
                               segue_call *call);

/* Remove the file that was just made, if it is still empty: opening it failed. */
void seg_sql_file_unmake(const seg_sql_file *file);

#endif
