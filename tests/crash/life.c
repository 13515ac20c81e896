/* One life, and the scenes. One thread: what a life does is the same each time, so the nth hit of a point is the same place. */
#include "crash/life.h"

#include "base/base.h"
#include "crash/group.h"
#include "doc/doc.h"
#include "doc/pill.h"
#include "store/filters.h"
#include "support/bucket.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool has_threads;

/* The sweep does without threads when none can be made. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = NULL;
    void *found = has_threads ? dlsym(RTLD_NEXT, "pthread_create") : NULL;
    memcpy(&real, &found, sizeof real);
    return real ? real(thread, attr, fn, arg) : EAGAIN;
}

/* ---- the scenes ---- */

/* Those with n:early in front of and behind each hand-over: what an outsider has added there must not be lost. */
static const crash_step moving[] = {
    {OP_SET, "d:00"},
    {OP_DELETE, "d:10"},
    {OP_INCR, "n:early"},
    {OP_XATTR, "d:11"},
    {OP_ADD, "e:1"},
    {OP_INCR, "n:early"},
    {OP_OUTSIDE_INCR, "n:early"},
    {OP_SET, "d:15"},
    {OP_INCR, "n:early"},
    {OP_OUTSIDE_INCR, "n:early"},
    {OP_DELETE, "d:16"},
    {OP_INCR, "n:early"},
    {OP_OUTSIDE_INCR, "n:early"},
    {OP_HIDE, "d:17"},
    {OP_PATH, "d:01"},
    {OP_TOUCH, "d:14"},
    {OP_CAS_SET, "d:15"},
    {OP_INCR, "n:late"},
    {OP_DELETE, "d:12"},
    {OP_ADD, "d:12"},
    {OP_TOMBSTONE, "d:13"},
    {OP_FEED, ""},
    {OP_REAP, ""},
    {OP_APPEND, "d:07"},
    {OP_XATTR, "d:05"},
    {OP_SET, "d:06"},
    {OP_DELETE, "d:00"},
    {OP_ADD, "e:2"},
    {OP_INCR, "n:late"},
    {OP_DELETE, "e:1"},
    {OP_TOUCH, "d:02"},
    {OP_REAP, ""},
    {OP_SET, "d:03"},
    {OP_CAS_SET, "d:15"},
    {OP_DELETE, "d:08"},
    {OP_INCR, "n:early"},
    {OP_FEED, ""},
    {OP_OUTSIDE_INCR, "n:early"},
    {OP_SET, "d:last"},
    {OP_ADD, "d:16"},
    {OP_DELETE, "d:09"},
    {OP_XATTR, "d:10"},
    {OP_REAP, ""},
};

/* Beside a copy: nothing is ever written to the fallback. */
static const crash_step copying[] = {
    {OP_SET, "d:00"},       {OP_DELETE, "d:10"}, {OP_INCR, "n:early"}, {OP_XATTR, "d:11"}, {OP_ADD, "e:1"},
    {OP_INCR, "n:pill"},    {OP_SET, "d:15"},    {OP_DELETE, "d:16"},  {OP_PATH, "d:01"},  {OP_TOUCH, "d:14"},
    {OP_CAS_SET, "d:15"},   {OP_INCR, "n:late"}, {OP_DELETE, "d:12"},  {OP_ADD, "d:12"},   {OP_TOMBSTONE, "d:13"},
    {OP_FEED, ""},          {OP_REAP, ""},       {OP_APPEND, "d:07"},  {OP_XATTR, "d:05"}, {OP_SET, "d:06"},
    {OP_DELETE, "d:00"},    {OP_ADD, "e:2"},     {OP_INCR, "n:pill"},  {OP_DELETE, "e:1"}, {OP_TOUCH, "d:02"},
    {OP_SET, "d:03"},       {OP_DELETE, "d:08"}, {OP_INCR, "n:early"}, {OP_FEED, ""},      {OP_SET, "d:last"},
    {OP_TOMBSTONE, "d:16"}, {OP_DELETE, "d:09"}, {OP_XATTR, "d:10"},   {OP_REAP, ""},
};

/* On one store. */
static const crash_step alone[] = {
    {OP_SET, "d:00"},    {OP_DELETE, "d:01"}, {OP_INCR, "n:early"},   {OP_XATTR, "d:11"},   {OP_ADD, "e:1"},
    {OP_FEED, ""},       {OP_PATH, "d:10"},   {OP_TOUCH, "d:14"},     {OP_CAS_SET, "d:00"}, {OP_REAP, ""},
    {OP_APPEND, "d:07"}, {OP_BIG, "d:12"},    {OP_TOMBSTONE, "d:13"}, {OP_XATTR, "d:05"},   {OP_ADD, "d:01"},
    {OP_SET, "d:03"},    {OP_DELETE, "e:1"},  {OP_INCR, "n:early"},   {OP_DELETE, "d:12"},  {OP_CAS_SET, "d:00"},
};

#define SCRIPT(steps) steps, sizeof(steps) / sizeof *(steps)

/* Three at each moving, copying, erasing of a page: some hit what the sweep has just read. */
static const crash_step foreign[] = {
    {OP_SET, "d:08"},         {OP_OUTSIDE_SET, "d:03"}, {OP_OUTSIDE_ERASE, "d:01"}, {OP_OUTSIDE_SET, "d:17"},
    {OP_OUTSIDE_SET, "d:07"}, {OP_OUTSIDE_SET, "d:02"}, {OP_OUTSIDE_ERASE, "d:09"}, {OP_OUTSIDE_ERASE, "d:10"},
    {OP_OUTSIDE_SET, "d:00"}, {OP_OUTSIDE_SET, "d:12"}, {OP_OUTSIDE_SET, "d:07"},   {OP_OUTSIDE_ERASE, "d:15"},
    {OP_OUTSIDE_SET, "d:16"}, {OP_SET, "d:13"},         {OP_OUTSIDE_SET, "e:1"},    {OP_OUTSIDE_ERASE, "d:11"},
    {OP_OUTSIDE_SET, "d:03"}, {OP_OUTSIDE_SET, "d:10"}, {OP_OUTSIDE_SET, "e:1"},    {OP_OUTSIDE_SET, "d:17"},
    {OP_OUTSIDE_SET, "d:02"}, {OP_OUTSIDE_SET, "d:16"},
};

/* What is written is more than a log holds before it is moved into its file. */
static const crash_step big[] = {
    {OP_BIG, "d:00"}, {OP_BIG, "d:01"}, {OP_SET, "d:10"}, {OP_BIG, "d:02"}, {OP_BIG, "d:15"}, {OP_BIG, "d:16"},
    {OP_BIG, "d:07"}, {OP_BIG, "d:08"}, {OP_SET, "d:15"}, {OP_BIG, "d:01"}, {OP_BIG, "d:02"}, {OP_BIG, "d:00"},
    {OP_BIG, "d:07"}, {OP_BIG, "d:08"}, {OP_SET, "d:01"}, {OP_BIG, "d:10"}, {OP_BIG, "d:11"}, {OP_BIG, "d:12"},
};

const crash_scene crash_scenes[] = {
    {"two files", "sqlite:%s/from.db?sync=off", "sqlite:%s/to.db?sync=off", SCRIPT(moving), .n_legacy = 4,
     .is_old = true},
    {"one file", "sqlite:%s/one.db?sync=off&collection=a.a", "sqlite:%s/one.db?sync=off&collection=b.b", SCRIPT(moving),
     .n_legacy = 4},
    {"sqlite over rosmar", "rosmar:%s/bucket?collection=old.one", "sqlite:%s/to.db?sync=off", SCRIPT(moving),
     .n_legacy = 4},
    {"one bucket", "rosmar:%s/bucket?collection=old.one", "rosmar:%s/bucket?collection=new.two", SCRIPT(moving),
     .n_legacy = 4},
    {"two files, foreign writes", "sqlite:%s/from.db?sync=off", "sqlite:%s/to.db?sync=off", SCRIPT(foreign),
     .n_legacy = 1, .on_foreign = SEGUE_FOREIGN_NEWER},
    {"one file, foreign writes", "sqlite:%s/one.db?sync=off&collection=a.a", "sqlite:%s/one.db?sync=off&collection=b.b",
     SCRIPT(foreign), .n_legacy = 1, .on_foreign = SEGUE_FOREIGN_NEWER},
    {"two files, kept", "sqlite:%s/from.db?sync=off", "sqlite:%s/to.db?sync=off", SCRIPT(copying), .keeps = true},
    {"one file, kept", "sqlite:%s/one.db?sync=off&collection=a.a", "sqlite:%s/one.db?sync=off&collection=b.b",
     SCRIPT(copying), .keeps = true},
    {"two files, long logs", "sqlite:%s/from.db?sync=off", "sqlite:%s/to.db?sync=off", SCRIPT(big), .n_legacy = 3,
     .is_long = true},
    {"one SQLite file", "sqlite:%s/from.db?sync=off", NULL, SCRIPT(alone), .is_old = true},
    {"one SQLite file, sync=normal", "sqlite:%s/from.db?sync=normal", NULL, SCRIPT(alone), .may_lose = true},
    {"one bucket alone", "rosmar:%s/bucket?collection=old.one", NULL, SCRIPT(alone), .n_legacy = 0},
    {"one SQLite file, groups", "sqlite:%s/from.db?sync=off", NULL, NULL, 0, .is_group = true},
    {"one bucket, groups", "rosmar:%s/bucket?collection=old.one", NULL, NULL, 0, .is_group = true},
};
const unsigned crash_n_scenes = sizeof crash_scenes / sizeof crash_scenes[0];

static const char policy_text[] = "{\"rules\":[{\"prefix\":\"n:\",\"action\":\"counter\"},"
                                  "{\"key\":\"n:early\",\"action\":\"counter\"},"
                                  "{\"prefix\":\"hb:\",\"action\":\"drop\"},"
                                  "{\"key\":\"d:last\",\"action\":\"move\",\"last\":true},"
                                  "{\"glob\":\"?:*\",\"action\":\"move\"}]}";
enum { MOVED = 22, PAGE = 5, RUNS = 8 };

/* ---- stores ---- */

static segue_store *open_store(const char *pattern, const char *folder, const segue_env *env, crash_shared *shared)
{
    char url[400];
    segue_error err = {0};
    segue_store *store = NULL;
    segue_open_options options = {env, SEGUE_OPEN_NO_REAPER}; /* reaping is a step of the script */
    const char *at = strstr(pattern, "%s");
    (void)snprintf(url, sizeof url, "%.*s%s%s", (int)(at - pattern), pattern, folder, at + 2); /* fits */
    char *sync = strstr(url, "sync=off");
    if (sync && shared->durable) memmove(sync, "reap=off", 8); /* which it is anyway; sync is full then */
    if (segue_open(url, &options, &store, &err) != SEGUE_OK) (void)crash_fail(shared, "%s: %s", url, err.message);
    return store;
}

static void make_old(const char *folder)
{
    static const char sql[] =
        "CREATE TABLE old (collection INTEGER NOT NULL, key BLOB NOT NULL, cas INTEGER NOT NULL, revision INTEGER NOT NULL,"
        "  write_id INTEGER NOT NULL, state INTEGER NOT NULL, flags INTEGER NOT NULL, expiry INTEGER NOT NULL,"
        "  xattrs BLOB, body BLOB, PRIMARY KEY (collection, key)) WITHOUT ROWID;"
        "INSERT INTO old SELECT collection, key, cas, revision, write_id, state, flags, expiry, xattrs, body FROM records;"
        "DROP TABLE records; ALTER TABLE old RENAME TO records; PRAGMA user_version=1;";
    char path[300];
    sqlite3 *db = NULL;
    (void)snprintf(path, sizeof path, "%s/from.db", folder); /* fits */
    seg_assert(sqlite3_open(path, &db) == SQLITE_OK && sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
    (void)sqlite3_close(db); /* no statement is left */
}

bool crash_make_stores(const crash_scene *scene, const char *folder, crash_shared *shared)
{
    char path[300];
    crash_record records[CRASH_RECORDS_MAX];
    segue_error err = {0};
    segue_env env = crash_env(shared);
    (void)snprintf(path, sizeof path, "%s/bucket", folder); /* fits */
    if (strstr(scene->from, "rosmar:")) test_copy_bucket("sg-bucket", path);
    segue_store *from = open_store(scene->from, folder, &env, shared);
    if (!from) return false;
    unsigned n = crash_records(records, segue_store_caps(from) & SEGUE_CAP_FLAGS, scene->to != NULL);
    segue_status st = SEGUE_OK;
    for (unsigned i = 0; i < n && st == SEGUE_OK; i++) {
        SEG_AUTO(segue_buf) pill = {0};
        segue_record rec = records[i].rec;
        if (strcmp(records[i].key, CRASH_PILL) == 0) {
            st = seg_pill_write(33, env.wall_ns(env.ctx), &pill);
            rec.body = segue_buf_slice(&pill);
        }
        if (st == SEGUE_OK) st = segue_put_record(from, &rec, 0, NULL, NULL, &err);
    }
    segue_close(from);
    if (st == SEGUE_OK && scene->is_old) make_old(folder);
    return st == SEGUE_OK || crash_fail(shared, "filling: %s", err.message);
}

/* ---- a life ---- */

struct life;
typedef struct hooked {
    struct life *life;
} hooked;

typedef struct life {
    const crash_scene *scene;
    crash_shared *shared;
    crash_client client;
    segue_store *fault_from, *fault_to; /* what the migration sees: between its calls the client acts */
    segue_policy *policy;
    segue_error err;
    unsigned n_calls;
    hooked on_from, on_to; /* which of them a call is made on */
} life;

static void between_calls(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    life *l = ((hooked *)ctx)->life;
    (void)key, (void)count;
    unsigned n = l->scene->on_foreign == SEGUE_FOREIGN_STOP     ? (after ? 0 : l->n_calls++ % 2)
                 : op == SEG_OP_MOVE || op == SEG_OP_WRITE_MANY ? 3
                                                                : 0;
    if (after) return;
    l->client.in_run = true;
    l->client.sweep_rests = op == SEG_OP_SCAN && ctx == &l->on_from;
    while (n-- > 0 && crash_take_step(&l->client)) {
    } /* if one fails it has said why, and the life ends in that */
    l->client.in_run = l->client.sweep_rests = false;
}

static bool open_all(life *l, const char *folder, const segue_env *env)
{
    segue_migration_status status = {0};
    segue_dual_options options = {SEGUE_PHASE_FORWARD};
    crash_client *c = &l->client;
    c->from = open_store(l->scene->from, folder, env, l->shared);
    if (c->from && !l->scene->to) {
        c->dual = seg_store_ref(c->from);
        c->has_flags = segue_store_caps(c->from) & SEGUE_CAP_FLAGS;
        return true;
    }
    c->to = c->from ? open_store(l->scene->to, folder, env, l->shared) : NULL;
    if (!c->to) return false;
    segue_status st = segue_migration_status_read(c->to, NULL, &status, &l->err);
    if (st == SEGUE_NOT_FOUND) options.phase = SEGUE_PHASE_LEGACY;
    else if (status.stage == SEGUE_STAGE_STARTING) options.phase = SEGUE_PHASE_HOLD; /* as <segue/migrate.h> says */
    segue_migration_status_free(&status);
    if (st == SEGUE_OK || st == SEGUE_NOT_FOUND) st = segue_dual_open(c->to, c->from, &options, &c->dual, &l->err);
    if (st == SEGUE_OK) st = seg_fault_open(c->from, &l->fault_from, &l->err);
    if (st == SEGUE_OK) st = seg_fault_open(c->to, &l->fault_to, &l->err);
    if (st == SEGUE_OK) st = segue_policy_parse(segue_str(policy_text), &l->policy, &l->err);
    c->has_flags = segue_store_caps(c->from) & SEGUE_CAP_FLAGS;
    c->has_pill = true;
    c->keeps = l->scene->keeps;
    return st == SEGUE_OK || crash_fail(l->shared, "opening: %s", l->err.message);
}

static void close_all(life *l)
{
    segue_store *const stores[] = {l->client.dual, l->fault_from, l->fault_to, l->client.from, l->client.to};
    for (size_t i = 0; i < sizeof stores / sizeof stores[0]; i++) segue_close(stores[i]);
    segue_policy_free(l->policy);
}

static segue_migration *open_migration(life *l, bool hold_seal)
{
    segue_migration *m = NULL;
    segue_migration_options options = {.policy = l->policy,
                                       .dual = l->client.dual,
                                       .page_docs = PAGE,
                                       .hold_seal = hold_seal,
                                       .keep = l->scene->keeps,
                                       .stale_ns = l->shared->durable, /* it was this process that wrote it down */
                                       .on_foreign_write = l->scene->on_foreign};
    if (segue_migration_open(l->fault_from, l->fault_to, &options, &m, &l->err) != SEGUE_OK)
        (void)crash_fail(l->shared, "a migration: %s", l->err.message);
    return m;
}

/* What an operator does about differences, who has said what foreign writes are worth. */
static segue_status repair(life *l, segue_migration *m)
{
    segue_status st = segue_migration_verify(m, SEGUE_VERIFY_REPAIR, NULL, NULL, NULL, &l->err);
    return st == SEGUE_OK ? SEGUE_NOT_FINISHED : st;
}

static bool run(life *l, bool hold_seal)
{
    segue_status st = SEGUE_NOT_FINISHED;
    for (int i = 0; i < RUNS && (st == SEGUE_NOT_FINISHED || st == SEGUE_DIFFERENT); i++) {
        segue_migration *m = open_migration(l, hold_seal);
        if (!m) return false;
        st = st == SEGUE_DIFFERENT && l->scene->on_foreign != SEGUE_FOREIGN_STOP ? repair(l, m)
                                                                                 : segue_migration_run(m, &l->err);
        segue_migration_close(m);
    }
    return st == SEGUE_OK ? !l->shared->failed
                          : crash_fail(l->shared, "the run: %s: %s", segue_status_name(st), l->err.message);
}

static segue_stage stage_of(life *l)
{
    segue_migration_status status = {0};
    segue_status st = segue_migration_status_read(l->client.to, NULL, &status, &l->err);
    segue_stage stage = st == SEGUE_OK ? status.stage : SEGUE_STAGE_NONE;
    segue_migration_status_free(&status);
    return stage;
}

static bool was_erased(const life *l, segue_slice key)
{
    const crash_shared *shared = l->shared;
    for (unsigned i = 0; i < shared->n_entries; i++)
        if (shared->entries[i].op == OP_OUTSIDE_ERASE && segue_slice_equal(segue_str(shared->entries[i].key), key))
            return true;
    return false;
}

/* What is in a manifest may not have been moved yet, while the migration is under way. */
static void note_difference(void *ctx, const segue_difference *d)
{
    life *l = ctx;
    SEG_AUTO(segue_doc) doc = {0};
    segue_stage stage = stage_of(l);
    bool is_open = stage < SEGUE_STAGE_VERIFIED && d->kind == SEGUE_DIFF_MISSING &&
                   (segue_get_record(l->client.from, d->key, NULL, &doc, NULL) == SEGUE_OK || was_erased(l, d->key));
    if ((d->kind == SEGUE_DIFF_MISSING || d->kind == SEGUE_DIFF_CONTENT) && !is_open)
        (void)crash_fail(l->shared, "a verification in stage %s says: %s", segue_stage_name(stage), d->text);
}

/* What was moved is there, at any moment; while it is all remembered, it is all looked at. */
static bool verify(life *l)
{
    segue_verified v = {0};
    segue_stage stage = stage_of(l);
    segue_migration *m = open_migration(l, false);
    if (!m) return false;
    segue_status st = segue_migration_verify(m, 0, note_difference, l, &v, &l->err);
    segue_migration_close(m);
    if (st != SEGUE_OK && st != SEGUE_DIFFERENT) return crash_fail(l->shared, "a verification: %s", l->err.message);
    if (stage >= SEGUE_STAGE_VERIFIED && st != SEGUE_OK)
        return crash_fail(l->shared, "a verification in stage %s: %s", segue_stage_name(stage), l->err.message);
    uint64_t least = MOVED;
    for (unsigned i = 0; i < l->shared->n_entries; i++) least -= l->shared->entries[i].op == OP_OUTSIDE_ERASE;
    /* What a client has written already is nothing to copy, and nothing to remember. */
    if (stage == SEGUE_STAGE_VERIFIED && v.checked < least && !l->scene->keeps)
        return crash_fail(l->shared, "the manifests know of %llu records, %llu were moved",
                          (unsigned long long)v.checked, (unsigned long long)least);
    return !l->shared->failed;
}

/* Nothing in the fallback but what is left there, and nothing of ours in the primary but the status record. */
static bool check_end(life *l, segue_store *store, const char *only)
{
    segue_page page = {.max_docs = 1000, .max_bytes = SIZE_MAX};
    segue_bounds all = {.tombstones = true};
    char quoted[SEG_QUOTED_MAX];
    bool found = false;
    segue_call call = seg_call_new(store, 0, &l->err);
    segue_status st = seg_call_scan(store, &all, &page, &call);
    for (size_t i = 0; i < page.n && st == SEGUE_OK; i++) {
        segue_slice key = page.docs[i].rec.key;
        bool is_it = segue_slice_equal(key, segue_str(only));
        found |= is_it;
        if (is_it || (store == l->client.to && !seg_key_is_reserved(key) && key.data[0] != 'h')) continue;
        (void)crash_fail(l->shared, "in the end %s is in the %s", seg_quote(key, quoted),
                         store == l->client.to ? "primary" : "fallback");
    }
    segue_page_free(&page);
    if (st != SEGUE_OK) return crash_fail(l->shared, "the last scan: %s", l->err.message);
    return found ? !l->shared->failed : crash_fail(l->shared, "in the end %s is gone", only);
}

static bool migrate(life *l)
{
    crash_client *c = &l->client;
    seg_fault_plan on_from = {.hook = between_calls, .hook_ctx = &l->on_from}, none = {0};
    seg_fault_plan on_to = {.hook = between_calls, .hook_ctx = &l->on_to};
    l->on_from.life = l->on_to.life = l;
    while (l->shared->next_step < l->scene->n_legacy)
        if (!crash_take_step(c)) return false;
    seg_fault_set(l->fault_from, &on_from);
    seg_fault_set(l->fault_to, &on_to);
    bool ok = run(l, true) && (stage_of(l) != SEGUE_STAGE_VERIFIED || verify(l)) && run(l, false);
    seg_fault_set(l->fault_from, &none);
    seg_fault_set(l->fault_to, &none);
    while (ok && l->shared->next_step < l->scene->n_steps) ok = crash_take_step(c);
    return ok;
}

/* What was acknowledged last may be gone: as if it had never been asked. */
static bool judge_what_is_left(life *l)
{
    crash_shared *shared = l->shared;
    while (!crash_judge(&l->client, l->client.dual, CRASH_DURING, "at the start")) {
        if (!l->scene->may_lose || !shared->durable || shared->n_entries == 0) return false;
        shared->n_entries--;
        shared->failed = false;
        shared->told_cas = 0;
    }
    return true;
}

/* The store is closed halfway, so that its log is moved into it and begins anew. */
static bool live_on_one(life *l, const char *folder, const segue_env *env)
{
    bool ok = judge_what_is_left(l);
    while (ok && l->shared->next_step < l->scene->n_steps) {
        if (l->shared->next_step == l->scene->n_steps / 2) {
            segue_close(l->client.dual);
            segue_close(l->client.from);
            l->client.dual = l->client.from = NULL;
            ok = open_all(l, folder, env);
        }
        ok = ok && crash_take_step(&l->client);
    }
    ok = ok && crash_judge(&l->client, l->client.dual, CRASH_AT_END, "in the end");
    close_all(l);
    return ok && !l->shared->failed;
}

static bool live_in_group(const crash_scene *scene, const char *folder, crash_shared *shared)
{
    char path[300];
    bool is_bucket = strstr(scene->from, "rosmar:");
    (void)snprintf(path, sizeof path, "%s/%s", folder, is_bucket ? "bucket/rosmar.sqlite3" : "from.db"); /* fits */
    segue_store *store = open_store(scene->from, folder, NULL, shared);
    has_threads = true;
    bool ok = store && crash_group_live(store, path, shared);
    segue_close(store);
    return ok && !shared->failed;
}

bool crash_live(const crash_scene *scene, const char *folder, crash_shared *shared)
{
    if (scene->is_group) return live_in_group(scene, folder, shared);
    segue_env env = crash_env(shared);
    life l = {.scene = scene, .shared = shared};
    l.client = (crash_client){.shared = shared, .script = scene->script, .n_steps = scene->n_steps};
    crash_client *c = &l.client;
    bool ok = open_all(&l, folder, &env);
    if (ok && !scene->to) return live_on_one(&l, folder, &env);
    crash_moment moment = ok && stage_of(&l) >= SEGUE_STAGE_CLEANING ? CRASH_CLEANING : CRASH_DURING;
    ok = ok && crash_judge(c, c->dual, moment, "at the start");
    ok = ok && (stage_of(&l) == SEGUE_STAGE_NONE || verify(&l)) && migrate(&l);
    ok = ok && crash_judge(c, c->dual, CRASH_AT_END, "in the end") &&
         crash_judge(c, c->to, CRASH_AT_END, "in the primary in the end") &&
         (scene->keeps ? crash_judge_kept(c) : check_end(&l, c->from, "other")) &&
         check_end(&l, c->to, "_segue:migration:default");
    close_all(&l);
    return ok && !shared->failed;
}
