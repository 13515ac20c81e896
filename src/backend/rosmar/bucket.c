/* L4: the buckets that are open in this process, and their collections. Handles of one file share an engine, so that its
 * clock and its turn to write are one. Any thread; opening and closing take turns. */
#include "backend/rosmar/bucket.h"

#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME "rosmar.sqlite3"
enum { IDLE_READERS_MAX = 16, NAME_MAX_BYTES = 251 };

static pthread_mutex_t buckets_lock = PTHREAD_MUTEX_INITIALIZER;
static seg_rosmar_bucket *buckets;

/* ---- open and close ---- */

static segue_status no_bucket(const char *directory, int error_number, segue_call *call)
{
    segue_status st = seg_status_of_errno(error_number);
    if (st == SEGUE_NO_STORE)
        return segue_fail(call, st, "rosmar: there is no bucket at \"%s\": a directory with a file " FILE_NAME,
                          directory);
    return segue_fail(call, st, "rosmar: \"%s\": %s", directory, strerror(error_number));
}

/* The absolute path of the bucket's file: other handles may come by other ways, and the working directory may change. */
static segue_status find_file(const char *directory, bool read_only, char **ret_path, struct stat *ret_stat,
                              segue_call *call)
{
    char real[PATH_MAX];
    if (!realpath(directory, real)) return no_bucket(directory, errno, call);
    size_t size = strlen(real) + sizeof "/" FILE_NAME;
    SEG_AUTO_STRING path = seg_alloc(size);
    if (!path) return segue_fail(call, SEGUE_NO_MEMORY, "rosmar: out of memory for a path");
    memcpy(path, real, strlen(real));
    memcpy(path + strlen(real), "/" FILE_NAME, sizeof "/" FILE_NAME);
    if (stat(path, ret_stat) != 0) return no_bucket(directory, errno, call);
    if (!S_ISREG(ret_stat->st_mode)) return segue_fail(call, SEGUE_WRONG_FORMAT, "rosmar: %s is not a file", path);
    if (faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) != 0) return no_bucket(directory, errno, call);
    /* SQLite makes the write-ahead log beside the file, so writing needs the directory too. */
    if (!read_only &&
        (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) != 0 || faccessat(AT_FDCWD, real, W_OK, AT_EACCESS) != 0))
        return segue_fail(call, seg_status_of_errno(errno), "rosmar: %s cannot be written: %s", path, strerror(errno));
    *ret_path = path;
    path = NULL;
    return SEGUE_OK;
}

static void free_bucket(seg_rosmar_bucket *b)
{
    seg_rosmar_conn_close(b->writer);
    for (seg_rosmar_conn *c = b->readers, *next; c; c = next) {
        next = c->next;
        seg_rosmar_conn_close(c);
    }
    (void)pthread_cond_destroy(&b->turn); /* nobody waits: this was the last handle */
    (void)pthread_mutex_destroy(&b->lock);
    seg_free(b->path);
    seg_free(b);
}

/* Takes path. */
static seg_rosmar_bucket *make_bucket(char *path, const struct stat *file, bool read_only)
{
    seg_rosmar_bucket *b = seg_alloc_zero(sizeof *b);
    if (!b || pthread_mutex_init(&b->lock, NULL) != 0 || pthread_cond_init(&b->turn, NULL) != 0) {
        seg_free(b);
        seg_free(path);
        return NULL;
    }
    b->refs = 1;
    b->device = file->st_dev;
    b->inode = file->st_ino;
    b->read_only = read_only;
    b->path = path;
    b->last = &b->first;
    return b;
}

/* New CASes must be above all that the bucket gave, also where its own bookkeeping missed one. */
static segue_status raise_clock(seg_rosmar_bucket *b, seg_rosmar_conn *conn, segue_call *call)
{
    static const char sql[] =
        "SELECT max(ifnull(lastCas, 0)) FROM bucket UNION ALL SELECT max(ifnull(c.lastCas, 0), "
        "ifnull((SELECT max(cas) FROM documents d WHERE d.collection=c.id), 0)) FROM collections c";
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(conn->db, sql, -1, &stmt, NULL);
    while (code == SQLITE_OK || code == SQLITE_ROW)
        if ((code = sqlite3_step(stmt)) == SQLITE_ROW && sqlite3_column_int64(stmt, 0) > 0)
            seg_clock_raise(&b->clock, (uint64_t)sqlite3_column_int64(stmt, 0));
    segue_status st = code == SQLITE_DONE ? SEGUE_OK : seg_rosmar_failed(conn, call);
    (void)sqlite3_finalize(stmt); /* reports once more what step said */
    return st;
}

static segue_status connect_bucket(seg_rosmar_bucket *b, segue_call *call)
{
    seg_rosmar_conn *conn = NULL;
    segue_status st = seg_rosmar_conn_open(b->path, b->read_only, &conn, call);
    if (st != SEGUE_OK) return st;
    if (b->read_only) seg_rosmar_reader_give(b, conn);
    else b->writer = conn;
    st = raise_clock(b, conn, call);
    /* From here on the writer waits by itself, with an eye on deadlines. */
    if (st == SEGUE_OK && !b->read_only && sqlite3_busy_timeout(conn->db, 0) != SQLITE_OK)
        st = seg_rosmar_failed(conn, call);
    return st;
}

segue_status seg_rosmar_bucket_open(const char *directory, bool read_only, seg_rosmar_bucket **ret_bucket,
                                    segue_call *call)
{
    char *path = NULL;
    struct stat file;
    segue_status st = find_file(directory, read_only, &path, &file, call);
    if (st != SEGUE_OK) return st;
    pthread_mutex_lock(&buckets_lock);
    seg_rosmar_bucket *b = buckets;
    while (b && !(b->device == file.st_dev && b->inode == file.st_ino && b->read_only == read_only)) b = b->next;
    if (b) {
        b->refs++;
        seg_free(path);
    } else if ((b = make_bucket(path, &file, read_only)) == NULL) {
        st = segue_fail(call, SEGUE_NO_MEMORY, "rosmar: out of memory for a bucket");
    } else if ((st = connect_bucket(b, call)) != SEGUE_OK) {
        free_bucket(b);
    } else {
        b->next = buckets;
        buckets = b;
    }
    pthread_mutex_unlock(&buckets_lock);
    if (st == SEGUE_OK) *ret_bucket = b;
    return st;
}

void seg_rosmar_bucket_close(seg_rosmar_bucket *bucket)
{
    pthread_mutex_lock(&buckets_lock);
    if (--bucket->refs == 0) {
        seg_rosmar_bucket **link = &buckets;
        while (*link != bucket) link = &(*link)->next;
        *link = bucket->next;
        free_bucket(bucket);
    }
    pthread_mutex_unlock(&buckets_lock);
}

/* ---- readers ---- */

segue_status seg_rosmar_reader_take(seg_rosmar_bucket *bucket, seg_rosmar_conn **ret_conn, segue_call *call)
{
    pthread_mutex_lock(&bucket->lock);
    seg_rosmar_conn *conn = bucket->readers;
    if (conn) {
        bucket->readers = conn->next;
        bucket->n_readers--;
    }
    pthread_mutex_unlock(&bucket->lock);
    if (!conn) return seg_rosmar_conn_open(bucket->path, true, ret_conn, call);
    *ret_conn = conn;
    return SEGUE_OK;
}

void seg_rosmar_reader_give(seg_rosmar_bucket *bucket, seg_rosmar_conn *conn)
{
    pthread_mutex_lock(&bucket->lock);
    bool keep = bucket->n_readers < IDLE_READERS_MAX;
    if (keep) {
        conn->next = bucket->readers;
        bucket->readers = conn;
        bucket->n_readers++;
    }
    pthread_mutex_unlock(&bucket->lock);
    if (!keep) seg_rosmar_conn_close(conn);
}

/* ---- collections ---- */

static bool is_valid_part(segue_slice name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-%_";
    if (name.size == 0 || name.size > NAME_MAX_BYTES || name.data[0] == '%' || name.data[0] == '_') return false;
    for (size_t i = 0; i < name.size; i++)
        if (!memchr(letters, name.data[i], sizeof letters - 1)) return false;
    return true;
}

/* The names that the original would make. */
static bool may_be_made(segue_slice scope, segue_slice name)
{
    bool in_default = segue_slice_equal(scope, segue_str("_default"));
    if (in_default && segue_slice_equal(name, segue_str("_default"))) return true;
    if (segue_slice_equal(scope, segue_str("_system"))) return segue_slice_equal(name, segue_str("_mobile"));
    return (in_default || is_valid_part(scope)) && is_valid_part(name);
}

typedef struct collection_name {
    segue_slice scope, name;
    int64_t id;
} collection_name;

static segue_status bind_names(seg_rosmar_conn *conn, sqlite3_stmt *stmt, const collection_name *n, segue_call *call)
{
    if (sqlite3_bind_text(stmt, 1, n->scope.data, (int)n->scope.size, SQLITE_STATIC) == SQLITE_OK &&
        sqlite3_bind_text(stmt, 2, n->name.data, (int)n->name.size, SQLITE_STATIC) == SQLITE_OK)
        return SEGUE_OK;
    return seg_rosmar_failed(conn, call);
}

/* n->id, or NOT_FOUND without a sentence. */
static segue_status look_up(seg_rosmar_conn *conn, collection_name *n, segue_call *call)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(conn->db, "SELECT id FROM collections WHERE scope=?1 AND name=?2", -1, &stmt, NULL) !=
        SQLITE_OK)
        return seg_rosmar_failed(conn, call);
    segue_status st = bind_names(conn, stmt, n, call);
    if (st == SEGUE_OK) {
        int code = sqlite3_step(stmt);
        if (code == SQLITE_ROW) n->id = sqlite3_column_int64(stmt, 0);
        else st = code == SQLITE_DONE ? SEGUE_NOT_FOUND : seg_rosmar_failed(conn, call);
    }
    (void)sqlite3_finalize(stmt); /* reports once more what step said */
    return st;
}

static segue_status make_collection(seg_rosmar_conn *conn, void *arg, segue_call *call)
{
    collection_name *n = arg;
    sqlite3_stmt *stmt = NULL;
    segue_status st = look_up(conn, n, call); /* somebody else may have made it meanwhile */
    if (st != SEGUE_NOT_FOUND) return st;
    if (sqlite3_prepare_v2(conn->db, "INSERT INTO collections (scope, name) VALUES (?1, ?2)", -1, &stmt, NULL) !=
        SQLITE_OK)
        return seg_rosmar_failed(conn, call);
    st = bind_names(conn, stmt, n, call);
    if (st == SEGUE_OK) {
        conn->changed = true;
        st = seg_rosmar_run(conn, stmt, call);
    }
    (void)sqlite3_finalize(stmt); /* reports once more what step said */
    n->id = sqlite3_last_insert_rowid(conn->db);
    return st;
}

segue_status seg_rosmar_bucket_collection(seg_rosmar_bucket *bucket, const char *name, bool make, int64_t *ret_id,
                                          segue_call *call)
{
    const char *dot = strchr(name, '.');
    if (!dot || strlen(name) > 2 * NAME_MAX_BYTES + 1)
        return segue_fail(call, SEGUE_INVALID_URL, "rosmar: collection=%.80s is not SCOPE.COLLECTION", name);
    collection_name n = {segue_bytes(name, (size_t)(dot - name)), segue_str(dot + 1), 0};
    seg_rosmar_conn *conn = NULL;
    segue_status st = seg_rosmar_reader_take(bucket, &conn, call);
    if (st != SEGUE_OK) return st;
    st = look_up(conn, &n, call);
    seg_rosmar_reader_give(bucket, conn);
    if (st == SEGUE_NOT_FOUND && !make)
        return segue_fail(call, SEGUE_NO_STORE, "rosmar: %s has no collection %s", bucket->path, name);
    if (st == SEGUE_NOT_FOUND && !may_be_made(n.scope, n.name))
        return segue_fail(call, SEGUE_INVALID_URL, "rosmar: collection=%s is not a name that a bucket allows", name);
    if (st == SEGUE_NOT_FOUND) st = seg_rosmar_write(bucket, make_collection, &n, call);
    if (st == SEGUE_OK) *ret_id = n.id;
    return st;
}
