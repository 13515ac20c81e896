/* L4: a bucket that is open in this process: one engine a file, however many handles. Any thread. */
#ifndef SEG_ROSMAR_BUCKET_H
#define SEG_ROSMAR_BUCKET_H

#include "backend/rosmar/conn.h"
#include "doc/clock.h"

#include <pthread.h>
#include <sys/types.h>

struct seg_rosmar_job;

typedef struct seg_rosmar_bucket {
    struct seg_rosmar_bucket *next; /* in the list of open ones */
    unsigned refs;
    dev_t device; /* with inode and read_only: which file this is */
    ino_t inode;
    bool read_only;
    char *path;
    seg_clock clock;
    pthread_mutex_t lock;     /* of all below; never held during I/O but to open */
    seg_rosmar_conn *readers; /* idle ones */
    unsigned n_readers;
    pthread_cond_t turn; /* a batch of writes has ended */
    bool leading;        /* somebody is writing one, and alone uses writer */
    seg_rosmar_conn *writer;
    struct seg_rosmar_job *first, **last; /* waiting writes */
} seg_rosmar_bucket;

/* The bucket in this directory; opened, or the one that is open. close gives it back. NO_STORE: no directory or no bucket
 * in it; others as seg_rosmar_conn_open. */
segue_status seg_rosmar_bucket_open(const char *directory, bool read_only, seg_rosmar_bucket **ret_bucket,
                                    segue_call *call);
void seg_rosmar_bucket_close(seg_rosmar_bucket *bucket);

/* The row of "SCOPE.COLLECTION"; made if `make` and not there. NO_STORE; INVALID_URL: no name that a bucket allows. */
segue_status seg_rosmar_bucket_collection(seg_rosmar_bucket *bucket, const char *name, bool make, int64_t *ret_id,
                                          segue_call *call);

/* A connection for reading, for one call. */
segue_status seg_rosmar_reader_take(seg_rosmar_bucket *bucket, seg_rosmar_conn **ret_conn, segue_call *call);
void seg_rosmar_reader_give(seg_rosmar_bucket *bucket, seg_rosmar_conn *conn);

/* Writes inside a transaction, by any thread that leads, maybe more than once: it begins anew each time. */
typedef segue_status (*seg_rosmar_job_fn)(seg_rosmar_conn *conn, void *arg, segue_call *call);

/* Run fn in a durable transaction of its own, or of several waiting callers' together: each has its own outcome. When fn
 * fails nothing of it stays. Besides its statuses: TIMEOUT, UNAVAILABLE (others write too long), MAYBE_APPLIED (the
 * commit failed, and it cannot be told how far it came). */
segue_status seg_rosmar_write(seg_rosmar_bucket *bucket, seg_rosmar_job_fn fn, void *arg, segue_call *call);

#endif
