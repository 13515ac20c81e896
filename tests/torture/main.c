/* segue-torture: real threads and real processes on real stores; every history must be explained by one order.
 *
 *   threads    clients on mem, sqlite, rosmar, and on dual stores from legacy to clean while a migration runs
 *   processes  2 to 8: on one SQLite file; on a dual store over two files, whose process migrates, while others work on
 *              keys of the same files that the policy leaves; and each with a dual store of its own over two files, one
 *              file or a bucket, while one or two others migrate and wait for the fence. All are killed and started again,
 *              and stopped for a while, at random
 *   teeth      threads with a rule switched off: it must fail; more-teeth: also with rules that are missed only by luck
 *
 *   dual       only the last two of the processes
 *
 * segue-torture [threads|processes|dual|teeth|more-teeth|all] [--seconds N] [--seed N] [--part K/N] [--without RULE] [--keep].
 * Rounds until the time is over; each is checked and its files are removed, so memory and disk are bounded by a round. */
#include "torture/clients.h"

#include "base/base.h"
#include "base/env.h"
#include "base/rules.h"
#include "store/filters.h"
#include "support/bucket.h"
#include <segue/dual.h>
#include <segue/migrate.h>

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CLIENTS = 6, FILLERS_MAX = 300, PROCESSES_MAX = 8, PROCESS_CLIENTS = 2 };
static const int64_t ms = 1000000, second = 1000000000;
/* Of an operation of a process with a dual store of its own; and how long such a one is stopped at most. What began before the
 * seal is over after both. */
static const int64_t SHORT_NS = 300000000, PAUSE_NS = 60000000;
static const char policy_text[] = "{\"unmatched\":\"leave\",\"rules\":[{\"prefix\":\"k\",\"action\":\"move\"},"
                                  "{\"prefix\":\"f\",\"action\":\"move\"}]}";

typedef struct torture {
    char folder[200];
    uint64_t random, seed, rounds, operations, unknown, checked_keys, kills, pauses, longest;
    unsigned fillers;        /* keys of this round that nobody touches */
    unsigned absent;         /* one of so many keys of clients is nowhere at first */
    const struct cast *cast; /* of this round's processes */
    unsigned part, n_parts;
    bool keep, quiet, failed;
    char why[700];
} torture;

/* ---- small things ---- */

static uint64_t pick(torture *t, uint64_t n)
{
    t->random = t->random * 6364136223846793005u + 1442695040888963407u;
    return (t->random >> 33) % n;
}

static int64_t now(void) { return seg_mono_ns(segue_env_default()); }
static void rest(int64_t ns) { seg_sleep_ns(segue_env_default(), ns); }

static bool fail(torture *t, const char *what, const char *more)
{
    if (!t->failed) (void)snprintf(t->why, sizeof t->why, "%.100s: %.500s", what, more); /* the first */
    if (!t->quiet)
        printf("FAILED: %s: %s (round %llu, seed %llu)\n", what, more, (unsigned long long)t->rounds,
               (unsigned long long)t->seed);
    t->failed = true;
    return false;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    return remove(path);
}

static void remove_folder(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS); /* what stays, stays in /tmp */
}

static bool new_folder(torture *t)
{
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(t->folder, sizeof t->folder, "%s/segue-torture-XXXXXX", tmp && *tmp ? tmp : "/tmp"); /* cut: fails */
    return mkdtemp(t->folder) ? true : fail(t, t->folder, strerror(errno));
}

static segue_store *open_store(torture *t, const char *kind, const char *name, const char *more)
{
    char url[400];
    segue_error err = {0};
    segue_store *store = NULL;
    if (strcmp(kind, "mem") == 0) (void)snprintf(url, sizeof url, "mem:%s", more); /* fits, as all of these */
    else if (strcmp(kind, "rosmar") == 0) {
        char bucket[300];
        (void)snprintf(bucket, sizeof bucket, "%s/bucket", t->folder);
        if (access(bucket, F_OK) != 0) test_copy_bucket("sg-bucket", bucket);
        (void)snprintf(url, sizeof url, "rosmar:%s?collection=torture.%s%s", bucket, name, more);
    } else (void)snprintf(url, sizeof url, "sqlite:%s/%s.db%s", t->folder, name, more);
    if (segue_open(url, NULL, &store, &err) != SEGUE_OK) (void)fail(t, url, err.message);
    return store;
}

/* ---- the end of a round ---- */

static bool judge_key(torture *t, seg_history *h, const char *key)
{
    seg_judgement judgement;
    char text[600];
    seg_history_judge(h, 0, &judgement);
    t->checked_keys++;
    t->operations += h->n;
    if (h->n > t->longest) t->longest = h->n;
    for (size_t i = 0; i < h->n; i++) t->unknown += h->ops[i].answer == SEG_ANSWER_UNKNOWN;
    if (judgement.verdict == SEG_VERDICT_GOOD) return true;
    (void)snprintf(text, sizeof text, "%s", judgement.text); /* fits */
    return fail(t, key, text);
}

/* What is there in the end is one more read. */
static bool read_end(torture *t, segue_store *store, segue_slice key, seg_op *ret)
{
    SEG_AUTO(segue_doc) doc = {0};
    segue_error err = {0};
    seg_model seen = {0};
    *ret = (seg_op){.kind = SEG_ASK_GET, .client = 0, .begin = (uint64_t)now()};
    segue_status st = segue_get(store, key, NULL, &doc, &err);
    if (st != SEGUE_OK && st != SEGUE_NOT_FOUND) return fail(t, "the last read", err.message);
    if (st == SEGUE_OK && !torture_see(&doc.rec, &seen)) return fail(t, key.data, "is nothing that a client wrote");
    ret->answer = st == SEGUE_OK ? SEG_ANSWER_OK : SEG_ANSWER_NOT_FOUND;
    ret->end = (uint64_t)now();
    ret->cas = seen.cas;
    ret->saw_body = seen.body;
    ret->saw_xattr = seen.xattr;
    return true;
}

static bool check_keys(torture *t, segue_store *store, const char *prefix, const seg_model *start)
{
    seg_history histories[TORTURE_KEYS] = {0};
    bool ok = torture_collect(t->folder, prefix, histories) || fail(t, t->folder, "cannot be read");
    for (unsigned i = 0; i < TORTURE_KEYS; i++) {
        char name[8];
        seg_op end;
        segue_slice key = torture_key(name, prefix, i);
        if (start) histories[i].start = start[i];
        ok = ok && read_end(t, store, key, &end);
        if (ok && seg_history_add(&histories[i], &end) != SEGUE_OK) ok = fail(t, name, "out of memory");
        ok = ok && judge_key(t, &histories[i], name);
        seg_history_free(&histories[i]);
    }
    return ok;
}

/* ---- clients in this process ---- */

typedef struct crowd {
    torture_client clients[CLIENTS];
    unsigned n;
    atomic_bool stop;
} crowd;

static bool crowd_start(torture *t, crowd *c, segue_store *store, const char *prefix, unsigned n, unsigned number,
                        unsigned pace_us, int64_t timeout_ns)
{
    *c = (crowd){.n = 0};
    for (unsigned i = 0; i < n; i++) {
        c->clients[i] = (torture_client){.store = store,
                                         .folder = t->folder,
                                         .prefix = prefix,
                                         .number = number + i,
                                         .pace_us = pace_us,
                                         .timeout_ns = timeout_ns,
                                         .stop = &c->stop};
        if (!torture_client_start(&c->clients[i], t->seed + t->rounds)) return fail(t, "a client", strerror(errno));
        c->n++;
    }
    return true;
}

static bool crowd_stop(torture *t, crowd *c)
{
    bool ok = true;
    atomic_store(&c->stop, true);
    for (unsigned i = 0; i < c->n; i++) {
        torture_client_join(&c->clients[i]);
        if (c->clients[i].problem[0] && ok) ok = fail(t, "an operation", c->clients[i].problem);
    }
    return ok;
}

/* ---- threads on one store ---- */

static bool round_one_store(torture *t, const char *kind, const char *more, int64_t ns)
{
    crowd c;
    segue_store *store = open_store(t, kind, "one", more);
    if (!store) return false;
    bool ok = crowd_start(t, &c, store, "k", CLIENTS, 1, 0, 30 * second);
    if (ok) rest(ns);
    ok = crowd_stop(t, &c) && ok;
    ok = ok && check_keys(t, store, "k", NULL);
    segue_close(store);
    return ok;
}

/* ---- a dual store ---- */

/* Clients' keys, all of them or some, and what nobody touches. */
static bool fill(torture *t, segue_store *from, seg_model start[TORTURE_KEYS])
{
    segue_error err = {0};
    for (unsigned i = 0; i < t->fillers + TORTURE_KEYS; i++) {
        char name[8], digits[21];
        bool filler = i < t->fillers;
        segue_slice key = torture_key(name, filler ? "f" : "k", filler ? i : i - t->fillers);
        segue_slice body = segue_bytes(digits, seg_format_u64(i, digits));
        segue_mutation m = {.expect = SEGUE_EXPECT_ABSENT, .body_op = SEGUE_BODY_SET, .body = body};
        segue_outcome outcome;
        if (!filler && i % t->absent == 1) continue;
        if (segue_mutate(from, key, &m, NULL, &outcome, NULL, &err) != SEGUE_OK) return fail(t, "fill", err.message);
        if (!filler) start[i - t->fillers] = (seg_model){.live = true, .body = i, .cas = outcome.cas};
    }
    return true;
}

static bool check_fillers(torture *t, segue_store *from, segue_store *to)
{
    SEG_AUTO(segue_doc) doc = {0};
    for (unsigned i = 0; i < t->fillers + TORTURE_KEYS; i++) {
        char name[8];
        uint64_t number = 0;
        bool filler = i < t->fillers;
        segue_slice key = torture_key(name, filler ? "f" : "k", filler ? i : i - t->fillers);
        if (segue_get_record(from, key, NULL, &doc, NULL) != SEGUE_NOT_FOUND)
            return fail(t, name, "is still in the fallback, or that cannot be read");
        if (!filler) continue;
        if (segue_get(to, key, NULL, &doc, NULL) != SEGUE_OK || !seg_parse_u64(doc.rec.body, &number) || number != i)
            return fail(t, name, "nobody touched it, and it is not in the primary as it was");
    }
    return true;
}

/* BUSY_ELSEWHERE is no failure: the caller may wait, and come again. */
static segue_status run_migration(torture *t, segue_store *from, segue_store *to, segue_migration_options options)
{
    segue_error err = {0};
    segue_policy *policy = NULL;
    segue_migration *migration = NULL;
    segue_status st = segue_policy_parse(segue_str(policy_text), &policy, &err);
    options.policy = policy;
    if (st == SEGUE_OK) st = segue_migration_open(from, to, &options, &migration, &err);
    if (st == SEGUE_OK) st = segue_migration_run(migration, &err);
    segue_migration_close(migration);
    segue_policy_free(policy);
    if (st != SEGUE_OK && st != SEGUE_BUSY_ELSEWHERE) (void)fail(t, "the migration", err.message);
    return st;
}

static segue_store *open_dual(torture *t, segue_store *from, segue_store *to)
{
    segue_error err = {0};
    segue_store *dual = NULL;
    segue_migration_status status = {0};
    segue_dual_options options = {.phase = SEGUE_PHASE_LEGACY};
    segue_status st = segue_migration_status_read(to, NULL, &status, &err);
    if (st == SEGUE_OK)
        options.phase = SEGUE_PHASE_FORWARD; /* a migration has begun: see segue_migration_options.dual */
    segue_migration_status_free(&status);
    if (st == SEGUE_OK || st == SEGUE_NOT_FOUND) st = segue_dual_open(to, from, &options, &dual, &err);
    if (st != SEGUE_OK) (void)fail(t, "the dual store", err.message);
    return dual;
}

static bool migrate_under(torture *t, segue_store *from, segue_store *to, unsigned clients, unsigned number, int64_t ns)
{
    crowd c;
    segue_store *dual = open_dual(t, from, to);
    segue_migration_options options = {.dual = dual, .page_docs = 5};
    bool ok = dual && crowd_start(t, &c, dual, "k", clients, number, 0, 30 * second);
    if (ok) rest(ns);
    if (ok && run_migration(t, NULL, NULL, options) != SEGUE_OK) ok = fail(t, "the migration", "somebody else runs it");
    if (ok) rest(ns);
    if (dual) ok = crowd_stop(t, &c) && ok;
    segue_close(dual);
    return ok;
}

static bool round_dual(torture *t, const char *kind, const char *more, int64_t ns)
{
    seg_model start[TORTURE_KEYS] = {0};
    segue_store *from = open_store(t, kind, "old", more), *to = open_store(t, kind, "new", more);
    bool ok = from && to && fill(t, from, start) && migrate_under(t, from, to, CLIENTS, 1, ns) &&
              check_keys(t, to, "k", start) && check_fillers(t, from, to);
    segue_close(from);
    segue_close(to);
    return ok;
}

/* ---- processes ---- */

typedef struct process {
    pid_t pid; /* 0: none is running */
    unsigned lives;
    bool done; /* it ended by itself */
} process;

/* A life of a process; it ends with what this returns. */
typedef int (*life_fn)(torture *t, unsigned who, unsigned life);

/* Who plays in a round, and how; drawn anew for each. */
typedef struct cast {
    life_fn live;
    unsigned n, lives; /* processes, and how often each is started */
    /* Where each client has a dual store of its own. */
    const struct sides *sides;
    unsigned n_runners, page_docs, pace_us;
    unsigned late_writes; /* one of so many comes late to the primary; 0: none */
    int64_t late_ns;      /* the runners begin so much later */
    atomic_bool *over;    /* shared: the migration has come to its end */
} cast;

static cast draw_cast(torture *t, life_fn live)
{
    unsigned n = 2 + (unsigned)pick(t, PROCESSES_MAX - 1);
    return (cast){.live = live, .n = n, .lives = 4 + 24 / n};
}

static bool is_last(const torture *t, unsigned life) { return life + 1 == t->cast->lives; }

/* The last life comes to its end; before that it works until it is killed. */
static int work(torture *t, segue_store *store, const char *prefix, unsigned who, unsigned life)
{
    crowd c;
    bool ok = store &&
              crowd_start(t, &c, store, prefix, PROCESS_CLIENTS, 1000 * (who + 1) + 10 * life, 300, 30 * second);
    if (ok) rest(is_last(t, life) ? 50 * ms : 60 * second);
    ok = store && crowd_stop(t, &c) && ok;
    segue_close(store);
    return ok ? 0 : 3;
}

static int live_on_one(torture *t, unsigned who, unsigned life)
{
    return work(t, open_store(t, "sqlite", "one", "?sync=off"), "k", who, life);
}

/* 0 has the dual store and migrates; 1 works in the new file, the others in the old one, on keys that stay. */
static int live_on_two(torture *t, unsigned who, unsigned life)
{
    if (who > 0)
        return work(t, open_store(t, "sqlite", who == 1 ? "new" : "old", "?sync=off"), who == 1 ? "n" : "o", who, life);
    segue_store *from = open_store(t, "sqlite", "old", "?sync=off"), *to = open_store(t, "sqlite", "new", "?sync=off");
    bool ok = from && to && migrate_under(t, from, to, PROCESS_CLIENTS, 1 + 10 * life, 20 * ms);
    segue_close(from);
    segue_close(to);
    return ok ? 0 : 3;
}

/* ---- a dual store in each process ---- */

typedef struct sides {
    const char *from[3], *to[3]; /* kind, name, the rest of the URL */
} sides;
static const sides all_sides[] = {
    {{"sqlite", "old", "?sync=off"}, {"sqlite", "new", "?sync=off"}},
    {{"sqlite", "both", "?sync=off&collection=old.old"}, {"sqlite", "both", "?sync=off&collection=new.new"}},
    {{"rosmar", "old", ""}, {"sqlite", "new", "?sync=off"}},
    {{"rosmar", "old", ""}, {"rosmar", "new", ""}},
};
enum { N_SIDES = sizeof all_sides / sizeof all_sides[0] };

static bool open_sides(torture *t, const sides *s, segue_store **ret_from, segue_store **ret_to)
{
    *ret_from = open_store(t, s->from[0], s->from[1], s->from[2]);
    *ret_to = open_store(t, s->to[0], s->to[1], s->to[2]);
    return *ret_from && *ret_to;
}

/* It has no clients, and knows of the others only how long they may take. */
static bool lead(torture *t, segue_store *from, segue_store *to)
{
    const cast *c = t->cast;
    segue_migration_options options = {
        .page_docs = c->page_docs, .fence_ns = SHORT_NS + 4 * PAUSE_NS, .stale_ns = second};
    segue_status st;
    rest(c->late_ns);
    while ((st = run_migration(t, from, to, options)) == SEGUE_BUSY_ELSEWHERE) rest(10 * ms);
    if (st == SEGUE_OK) atomic_store(c->over, true);
    return st == SEGUE_OK;
}

static void come_late(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    const torture *t = ctx;
    (void)key, (void)count;
    if (after || !(op & (SEG_OP_PUT | SEG_OP_MUTATE))) return;
    uint64_t chance = seg_random_u64(segue_env_default());
    if (chance % t->cast->late_writes == 0) rest((int64_t)(chance >> 8) % (2 * PAUSE_NS));
}

/* Clients with a dual store, in forward from the beginning to the end, also when all is sealed and clean. */
static bool follow(torture *t, segue_store *from, segue_store *to, unsigned who, unsigned life)
{
    crowd c;
    segue_error err = {0};
    segue_store *slow = NULL, *dual = NULL;
    seg_fault_plan plan = {.hook = t->cast->late_writes ? come_late : NULL, .hook_ctx = t};
    segue_status st = seg_fault_open(to, &slow, &err);
    if (st == SEGUE_OK) st = segue_dual_open(slow, from, NULL, &dual, &err);
    if (st != SEGUE_OK) (void)fail(t, "the dual store", err.message);
    if (slow) seg_fault_set(slow, &plan);
    bool ok = dual &&
              crowd_start(t, &c, dual, "k", PROCESS_CLIENTS, 1000 * (who + 1) + 10 * life, t->cast->pace_us, SHORT_NS);
    while (ok && (!is_last(t, life) || !atomic_load(t->cast->over))) rest(5 * ms);
    if (ok) rest(30 * ms);
    if (dual) ok = crowd_stop(t, &c) && ok;
    segue_close(dual);
    segue_close(slow);
    return ok;
}

static int live_on_dual(torture *t, unsigned who, unsigned life)
{
    segue_store *from = NULL, *to = NULL;
    bool ok = open_sides(t, t->cast->sides, &from, &to) &&
              (who < t->cast->n_runners ? lead(t, from, to) : follow(t, from, to, who, life));
    segue_close(from);
    segue_close(to);
    return ok ? 0 : 3;
}

/* ---- starting and killing ---- */

static bool start_life(torture *t, process *p, unsigned who)
{
    p->pid = fork();
    if (p->pid == 0) _exit(t->cast->live(t, who, p->lives));
    p->lives++;
    return p->pid > 0 || fail(t, "fork", strerror(errno));
}

static bool bury(torture *t, process *p, bool was_killed)
{
    int how = 0;
    (void)waitpid(p->pid, &how, 0); /* our own child, waited for once */
    p->pid = 0;
    if (WIFEXITED(how)) p->done = true;
    if (WIFEXITED(how) && WEXITSTATUS(how) == 0) return true;
    return (was_killed && WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL) || fail(t, "a process", "ended badly");
}

static bool has_ended(const process *p)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == p->pid;
}

/* Stopped for a while, and its locks and what it has read with it. */
static void stop_for_a_while(torture *t, const process *p)
{
    if (kill(p->pid, SIGSTOP) != 0) return; /* our own child, not waited for yet */
    rest((int64_t)(1 + pick(t, (uint64_t)(PAUSE_NS / ms))) * ms);
    (void)kill(p->pid, SIGCONT); /* as above */
    t->pauses++;
}

/* Kill and start again, until each has come to its last life. No store is open here, and no thread runs. */
static bool run_processes(torture *t, const cast *c)
{
    process all[PROCESSES_MAX] = {0};
    bool ok = true;
    unsigned left = c->n;
    t->cast = c;
    for (unsigned i = 0; ok && i < c->n; i++) ok = start_life(t, &all[i], i);
    while (ok && left > 0) {
        unsigned who = (unsigned)pick(t, c->n);
        process *p = &all[who];
        rest((int64_t)(1 + pick(t, 30)) * ms);
        if (p->done) continue;
        if (pick(t, 3) == 0) stop_for_a_while(t, p);
        bool last = p->lives >= c->lives;
        if (last && !has_ended(p)) continue;
        if (!last && kill(p->pid, SIGKILL) == 0) t->kills++; /* one that has just ended is waited for */
        ok = bury(t, p, !last);
        if (p->done) left--;
        else if (ok) ok = start_life(t, p, who);
    }
    for (unsigned i = 0; i < c->n; i++)
        if (all[i].pid > 0 && kill(all[i].pid, SIGKILL) == 0) (void)bury(t, &all[i], true);
    return ok;
}

static bool round_processes_on_one(torture *t)
{
    cast c = draw_cast(t, live_on_one);
    if (!run_processes(t, &c)) return false;
    segue_store *store = open_store(t, "sqlite", "one", "");
    bool ok = store && check_keys(t, store, "k", NULL);
    segue_close(store);
    return ok;
}

static bool round_processes_on_two(torture *t)
{
    cast c = draw_cast(t, live_on_two);
    seg_model start[TORTURE_KEYS] = {0};
    segue_store *from = NULL, *to = NULL;
    bool ok = open_sides(t, all_sides, &from, &to) && fill(t, from, start);
    segue_close(from);
    segue_close(to);
    if (!ok || !run_processes(t, &c)) return false;
    ok = open_sides(t, all_sides, &from, &to) && check_keys(t, to, "k", start) && check_fillers(t, from, to) &&
         check_keys(t, to, "n", NULL) && check_keys(t, from, "o", NULL);
    segue_close(from);
    segue_close(to);
    return ok;
}

static cast draw_dual_cast(torture *t, const sides *s, bool for_fence)
{
    cast c = draw_cast(t, live_on_dual);
    c.sides = s;
    c.n_runners = c.n > 3 && pick(t, 2) ? 2 : 1;
    c.page_docs = pick(t, 2) ? 5 : 100;
    c.pace_us = pick(t, 2) ? 300 : 3000;
    c.late_ns = (int64_t)pick(t, 2) * 20 * ms;
    c.late_writes = pick(t, 2) ? 16 : 0;
    if (pick(t, 2)) c.lives = 1;
    t->fillers = pick(t, 2) ? FILLERS_MAX : 10;
    t->absent = pick(t, 2) ? 2 : 10;
    if (!for_fence) return c;
    c.n = 6;
    c.n_runners = c.lives = 1;
    c.page_docs = 100;
    c.late_ns = 0;
    c.pace_us = 300;
    c.late_writes = 3;
    t->fillers = 10;
    t->absent = 10;
    return c;
}

/* That nobody waits for the fence shows where the whole way from a read to the clean-up is short: few records, large pages, a
 * runner that is not killed, clients that leave it something to move. Other things show where it is long. */
static bool round_processes_on_dual(torture *t, const sides *s, bool for_fence)
{
    static atomic_bool *over;
    if (!over) over = mmap(NULL, sizeof *over, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (over == MAP_FAILED) return fail(t, "shared memory", strerror(errno));
    atomic_store(over, false);
    cast c = draw_dual_cast(t, s, for_fence);
    seg_model start[TORTURE_KEYS] = {0};
    segue_store *from = NULL, *to = NULL;
    c.over = over;
    bool ok = open_sides(t, s, &from, &to) && fill(t, from, start);
    segue_close(from);
    segue_close(to);
    if (!ok || !run_processes(t, &c)) return false;
    ok = open_sides(t, s, &from, &to) && check_keys(t, to, "k", start) && check_fillers(t, from, to);
    segue_close(from);
    segue_close(to);
    return ok;
}

/* ---- rounds ---- */

static bool one_round(torture *t, unsigned which, int64_t ns)
{
    switch (which) {
    case 0: return round_one_store(t, "mem", "", ns);
    case 1: return round_dual(t, "mem", "", ns / 4);
    case 2: return round_one_store(t, "sqlite", "?sync=off", ns);
    case 3: return round_dual(t, "sqlite", "?sync=off", ns / 4);
    case 4: return round_one_store(t, "rosmar", "", ns);
    case 5: return round_dual(t, "mem", "?caps=-mutate", ns / 4);
    case 6: return round_dual(t, "rosmar", "", ns / 4);
    case 7: return round_processes_on_one(t);
    case 8: return round_processes_on_two(t);
    case 9: return round_processes_on_dual(t, &all_sides[0], false);
    case 10: return round_processes_on_dual(t, &all_sides[1 + pick(t, N_SIDES - 1)], false);
    default: return round_processes_on_dual(t, &all_sides[0], true);
    }
}

enum { THREAD_ROUNDS = 7, DUAL_ROUND = 9, ALL_ROUNDS = 11, FENCE_ROUND = ALL_ROUNDS };

static bool run_round(torture *t, unsigned which, int64_t ns)
{
    t->fillers = FILLERS_MAX;
    t->absent = 2;
    bool ok = new_folder(t) && one_round(t, which, ns);
    if (t->keep && !ok) printf("the files are in %s\n", t->folder);
    else remove_folder(t->folder);
    t->rounds++;
    return ok;
}

static void tell(const torture *t, int64_t began, int64_t *told)
{
    if (now() - *told < 10 * second) return;
    *told = now();
    printf("# %llu rounds, %llu operations, %llu kills in %lld s\n", (unsigned long long)t->rounds,
           (unsigned long long)t->operations, (unsigned long long)t->kills, (long long)((*told - began) / second));
}

static bool run_rounds(torture *t, unsigned first, unsigned end, int64_t seconds)
{
    int64_t began = now(), told = began;
    printf("# rounds for %lld s, and as long as the last ones take\n", (long long)seconds);
    do {
        for (unsigned which = first; which < end; which++) {
            if (!run_round(t, which, 300 * ms)) return false;
            tell(t, began, &told);
        }
    } while (now() - began < seconds * second);
    printf(
        "passed: %llu rounds, %llu operations on %llu keys (at most %llu on one), %llu of unknown outcome, %llu kills, "
        "%llu times stopped; each key's history has one order, the last read included\n",
        (unsigned long long)t->rounds, (unsigned long long)t->operations, (unsigned long long)t->checked_keys,
        (unsigned long long)t->longest, (unsigned long long)t->unknown, (unsigned long long)t->kills,
        (unsigned long long)t->pauses);
    return true;
}

/* Rules, and the round that misses them: at once, or by luck. */
static const struct tooth {
    const char *rule;
    unsigned round;
    bool by_luck;
} teeth[] = {
    {"PUT_LOOKS_AT_CAS", 5, false},
    {"LOOK_IN_TRANSACTION", 2, true},
    {"LOOK_IN_TRANSACTION", 5, true},
    {"LOOP_PUTS_BY_CAS", 5, false},
    {"ABSENT_MEANS_ABSENT", 5, true},
    {"CAS_GROWS", 0, false},
    {"DELETE_LEAVES_TOMBSTONE", 1, false},
    {"DELETE_REACHES_FALLBACK", 1, false},
    {"TOMBSTONE_WINS", 1, false},
    {"ADD_ASKS_FALLBACK", 1, false},
    {"MUTATE_READS_FALLBACK", 1, false},
    {"INSERT_EXPECTS_ABSENT", 1, true},
    {"COPY_CARRIES_XATTRS", 1, true},
    {"HOLD", 1, true},
    {"DRAIN", 1, true},
    {"SWEEP_INSERT_ABSENT", 1, true},
    {"PIN_FIRST", 1, true},
    {"FENCE_IS_WAITED", FENCE_ROUND, true},
};

enum { N_TEETH = sizeof teeth / sizeof teeth[0] };

/* False: nothing missed the rule. */
static bool bites(torture *t, const struct tooth *tooth, int64_t seconds)
{
    torture one = {.random = t->seed, .seed = t->seed, .quiet = true};
    int64_t began = now(), told = began;
    if (!seg_rule_switch(tooth->rule, false)) return fail(t, tooth->rule, "there is no such rule");
    while (!one.failed && now() - began < seconds * second) {
        (void)run_round(&one, tooth->round, 100 * ms); /* it is to fail */
        tell(&one, began, &told);
    }
    (void)seg_rule_switch(tooth->rule, true); /* it was there before */
    printf("without %s: %s after %llu rounds%s%s\n", tooth->rule, one.failed ? "failed, as it must" : "NOT NOTICED",
           (unsigned long long)one.rounds, one.failed ? ": " : "", one.why);
    return one.failed || fail(t, tooth->rule, "nothing missed it");
}

static bool show_teeth(torture *t, bool by_luck, int64_t seconds)
{
    bool ok = true;
    unsigned n = 0;
    for (unsigned i = t->part; i < N_TEETH; i += t->n_parts) n += !teeth[i].by_luck || by_luck;
    printf("# %u rules, up to %lld s for each; most take one or two\n", n, (long long)seconds);
    for (unsigned i = t->part; i < N_TEETH; i += t->n_parts)
        if (!teeth[i].by_luck || by_luck) ok &= bites(t, &teeth[i], seconds);
    return ok;
}

static const struct mode {
    const char *name;
    unsigned first, end;    /* rounds */
    bool is_teeth, by_luck; /* or rules */
} modes[] = {{"threads", 0, THREAD_ROUNDS, false, false},
             {"processes", THREAD_ROUNDS, ALL_ROUNDS, false, false},
             {"dual", DUAL_ROUND, FENCE_ROUND + 1, false, false},
             {"all", 0, ALL_ROUNDS, false, false},
             {"teeth", 0, 0, true, false},
             {"more-teeth", 0, 0, true, true}};

static const struct mode *find_mode(const char *name)
{
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        if (strcmp(modes[i].name, name) == 0) return &modes[i];
    return NULL;
}

static bool parse_part(const char *text, torture *t)
{
    bool ok = sscanf(text, "%u/%u", &t->part, &t->n_parts) == 2 && t->part >= 1 && t->part <= t->n_parts;
    t->part--;
    return ok;
}

int main(int argc, char **argv)
{
    torture t = {.seed = 1, .n_parts = 1};
    const char *what = "all";
    uint64_t seconds = 5;
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* progress is seen at once, and a child has nothing of ours to say */
    bool ok = true;
    for (int i = 1; i < argc && ok; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (argv[i][0] != '-') what = argv[i];
        else if (strcmp(argv[i], "--keep") == 0) t.keep = true;
        else if (strcmp(argv[i], "--seconds") == 0) ok = seg_parse_u64(segue_str(value), &seconds) && ++i;
        else if (strcmp(argv[i], "--seed") == 0) ok = seg_parse_u64(segue_str(value), &t.seed) && ++i;
        else if (strcmp(argv[i], "--part") == 0) ok = parse_part(value, &t) && ++i;
        else if (strcmp(argv[i], "--without") == 0) ok = seg_rule_switch(value, false) && ++i;
        else ok = false;
    }
    const struct mode *mode = ok ? find_mode(what) : NULL;
    if (!mode) {
        (void)fprintf(stderr,
                      "usage: segue-torture [threads|processes|dual|teeth|more-teeth|all] [--seconds N] [--seed N]\n"
                      "                     [--part K/N] [--without RULE] [--keep]\n");
        return 2;
    }
    t.seed += (uint64_t)t.part * 1000003; /* a share of the rules, and rounds of its own */
    t.random = t.seed;
    ok = mode->is_teeth ? show_teeth(&t, mode->by_luck, (int64_t)seconds)
                        : run_rounds(&t, mode->first, mode->end, (int64_t)seconds);
    return ok ? 0 : 1;
}
