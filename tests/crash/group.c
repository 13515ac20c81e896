/* Threads are let go together: somebody else has the file locked until all of them wait to write. */
#include "crash/group.h"

#include "base/base.h"
#include "base/env.h"
#include <segue/ops.h>

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>

typedef struct writer {
    segue_store *store;
    crash_shared *shared;
    unsigned who;
    segue_error err;
    pthread_t thread;
    bool is_running;
} writer;

static segue_slice key_of(unsigned who, char out[8])
{
    (void)snprintf(out, 8, "g:%u", who % 10); /* fits */
    return segue_str(out);
}

/* Body and xattr hold the same number: how often this key was written. */
static segue_status write_next(writer *w)
{
    char key[8], digits[21];
    unsigned number = w->shared->group_acked[w->who] + 1;
    segue_slice text = segue_bytes(digits, seg_format_u64(number, digits));
    segue_xattr x = {segue_str("_n"), text};
    segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = text, .set_xattrs = &x, .n_set_xattrs = 1};
    w->shared->group_asked[w->who] = number;
    segue_status st = segue_mutate(w->store, key_of(w->who, key), &m, NULL, NULL, NULL, &w->err);
    if (st == SEGUE_OK) w->shared->group_acked[w->who] = number;
    return st;
}

static void *write_one(void *arg) { return write_next(arg) == SEGUE_OK ? NULL : arg; }

/* What is there is what was acknowledged last, or what was asked since, wholly. */
static bool judge(segue_store *store, crash_shared *shared)
{
    char key[8];
    for (unsigned who = 0; who < CRASH_GROUP; who++) {
        SEG_AUTO(segue_doc) doc = {0};
        segue_error err = {0};
        uint64_t body = 0, number = 0;
        segue_status st = segue_get(store, key_of(who, key), NULL, &doc, &err);
        const segue_xattr *x = st == SEGUE_OK ? segue_record_xattr(&doc.rec, segue_str("_n")) : NULL;
        if (st != SEGUE_OK && st != SEGUE_NOT_FOUND) return crash_fail(shared, "%s: %s", key, err.message);
        bool is_whole = !x || (seg_parse_u64(doc.rec.body, &body) && seg_parse_u64(x->value, &number));
        if (!is_whole || body != number || (st == SEGUE_OK) != (x != NULL))
            return crash_fail(shared, "%s holds half a write: %llu, %llu", key, (unsigned long long)body,
                              (unsigned long long)number);
        if (number != shared->group_acked[who] && number != shared->group_asked[who])
            return crash_fail(shared, "%s is %llu; %u was acknowledged, %u was asked", key, (unsigned long long)number,
                              shared->group_acked[who], shared->group_asked[who]);
        shared->group_acked[who] = shared->group_asked[who] = (unsigned)number;
    }
    return true;
}

static bool write_together(segue_store *store, sqlite3 *other, crash_shared *shared)
{
    writer all[CRASH_GROUP] = {0};
    bool ok = sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK;
    for (unsigned who = 0; ok && who < CRASH_GROUP; who++) {
        all[who] = (writer){.store = store, .shared = shared, .who = who};
        if (shared->group_acked[who] == CRASH_GROUP_WRITES) continue;
        ok = all[who].is_running = pthread_create(&all[who].thread, NULL, write_one, &all[who]) == 0;
    }
    seg_sleep_ns(segue_env_default(), 5000000); /* a thread that is later than that goes into the next group */
    ok = sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL) == SQLITE_OK && ok;
    for (unsigned who = 0; who < CRASH_GROUP; who++) {
        void *failed = NULL;
        if (!all[who].is_running) continue;
        (void)pthread_join(all[who].thread, &failed); /* it runs, and is joined once */
        if (failed) ok = crash_fail(shared, "g:%u: %s", who, all[who].err.message);
    }
    return ok || crash_fail(shared, "the threads, or the lock, cannot be had");
}

bool crash_group_live(segue_store *store, const char *path, crash_shared *shared)
{
    sqlite3 *other = NULL;
    bool ok = judge(store, shared);
    if (ok && sqlite3_open(path, &other) != SQLITE_OK) ok = crash_fail(shared, "%s cannot be opened", path);
    for (unsigned left = 1; ok && left;) {
        left = 0;
        for (unsigned who = 0; who < CRASH_GROUP; who++) left += CRASH_GROUP_WRITES - shared->group_acked[who];
        ok = !left || write_together(store, other, shared);
    }
    (void)sqlite3_close(other); /* no statement is left */
    return ok && judge(store, shared);
}
