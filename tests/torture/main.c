/* segue-torture: real threads and real processes on real stores; every history must be explained by one order.
 *
 *   threads    clients on mem, sqlite, rosmar, and on dual stores from legacy to clean while a migration runs
 *   processes  several on one SQLite file; and a dual store over two files, whose process migrates, while others work on
 *              keys of the same files that the policy leaves. All are killed and started again at random
 *   teeth      threads with a rule switched off: it must fail; more-teeth: also with rules that are missed only by luck
 *
 * segue-torture [threads|processes|teeth|more-teeth|all] [--seconds N] [--seed N] [--without RULE] [--keep]. Rounds until
 * the time is over; each is checked and its files are removed, so memory and disk are bounded by a round. */
#include "torture/clients.h"

#include "base/base.h"
#include "base/env.h"
#include "base/rules.h"
#include "support/bucket.h"
#include <segue/dual.h>
#include <segue/migrate.h>

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CLIENTS = 6, FILLERS = 300, PROCESSES = 4, PROCESS_CLIENTS = 2, LIVES_MAX = 12 };
static const int64_t ms = 1000000, second = 1000000000;
static const char policy_text[] = "{\"unmatched\":\"leave\",\"rules\":[{\"prefix\":\"k\",\"action\":\"move\"},"
                                  "{\"prefix\":\"f\",\"action\":\"move\"}]}";

typedef struct torture {
    char folder[200];
    uint64_t random, seed, rounds, operations, unknown, checked_keys, kills, longest;
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
                        unsigned pace_us)
{
    *c = (crowd){.n = 0};
    for (unsigned i = 0; i < n; i++) {
        c->clients[i] = (torture_client){.store = store,
                                         .folder = t->folder,
                                         .prefix = prefix,
                                         .number = number + i,
                                         .pace_us = pace_us,
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
    bool ok = crowd_start(t, &c, store, "k", CLIENTS, 1, 0);
    if (ok) rest(ns);
    ok = crowd_stop(t, &c) && ok;
    ok = ok && check_keys(t, store, "k", NULL);
    segue_close(store);
    return ok;
}

/* ---- a dual store ---- */

/* Half of the clients' keys are in the fallback at first, and what nobody touches. */
static bool fill(torture *t, segue_store *from, seg_model start[TORTURE_KEYS])
{
    segue_error err = {0};
    for (unsigned i = 0; i < FILLERS + TORTURE_KEYS; i++) {
        char name[8], digits[21];
        bool filler = i < FILLERS;
        segue_slice key = torture_key(name, filler ? "f" : "k", filler ? i : i - FILLERS);
        segue_slice body = segue_bytes(digits, seg_format_u64(i, digits));
        segue_mutation m = {.expect = SEGUE_EXPECT_ABSENT, .body_op = SEGUE_BODY_SET, .body = body};
        segue_outcome outcome;
        if (!filler && i % 2) continue;
        if (segue_mutate(from, key, &m, NULL, &outcome, NULL, &err) != SEGUE_OK) return fail(t, "fill", err.message);
        if (!filler) start[i - FILLERS] = (seg_model){.live = true, .body = i, .cas = outcome.cas};
    }
    return true;
}

static bool check_fillers(torture *t, segue_store *from, segue_store *to)
{
    SEG_AUTO(segue_doc) doc = {0};
    for (unsigned i = 0; i < FILLERS + TORTURE_KEYS; i++) {
        char name[8];
        uint64_t number = 0;
        bool filler = i < FILLERS;
        segue_slice key = torture_key(name, filler ? "f" : "k", filler ? i : i - FILLERS);
        if (segue_get_record(from, key, NULL, &doc, NULL) != SEGUE_NOT_FOUND)
            return fail(t, name, "is still in the fallback, or that cannot be read");
        if (!filler) continue;
        if (segue_get(to, key, NULL, &doc, NULL) != SEGUE_OK || !seg_parse_u64(doc.rec.body, &number) || number != i)
            return fail(t, name, "nobody touched it, and it is not in the primary as it was");
    }
    return true;
}

static bool run_migration(torture *t, segue_store *dual)
{
    segue_error err = {0};
    segue_policy *policy = NULL;
    segue_migration *migration = NULL;
    segue_status st = segue_policy_parse(segue_str(policy_text), &policy, &err);
    segue_migration_options options = {.policy = policy, .dual = dual, .page_docs = 5};
    if (st == SEGUE_OK) st = segue_migration_open(NULL, NULL, &options, &migration, &err);
    if (st == SEGUE_OK) st = segue_migration_run(migration, &err);
    segue_migration_close(migration);
    segue_policy_free(policy);
    return st == SEGUE_OK || fail(t, "the migration", err.message);
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
    bool ok = dual && crowd_start(t, &c, dual, "k", clients, number, 0);
    if (ok) rest(ns);
    ok = ok && run_migration(t, dual);
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

/* The last life comes to its end; before that it works until it is killed. */
static int work(torture *t, segue_store *store, const char *prefix, unsigned who, unsigned life)
{
    crowd c;
    bool ok = store && crowd_start(t, &c, store, prefix, PROCESS_CLIENTS, 1000 * (who + 1) + 10 * life, 300);
    if (ok) rest(life + 1 == LIVES_MAX ? 50 * ms : 60 * second);
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

static bool start_life(torture *t, process *p, unsigned who, life_fn live)
{
    p->pid = fork();
    if (p->pid == 0) _exit(live(t, who, p->lives));
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

/* Kill and start again, until each has come to its last life. No store is open here, and no thread runs. */
static bool run_processes(torture *t, life_fn live)
{
    process all[PROCESSES] = {0};
    bool ok = true;
    unsigned left = PROCESSES;
    for (unsigned i = 0; ok && i < PROCESSES; i++) ok = start_life(t, &all[i], i, live);
    while (ok && left > 0) {
        unsigned who = (unsigned)pick(t, PROCESSES);
        process *p = &all[who];
        rest((int64_t)(1 + pick(t, 30)) * ms);
        if (p->done) continue;
        bool last = p->lives >= LIVES_MAX;
        if (!last && kill(p->pid, SIGKILL) == 0) t->kills++; /* one that has just ended is waited for */
        ok = bury(t, p, !last);
        if (p->done) left--;
        else if (ok) ok = start_life(t, p, who, live);
    }
    for (unsigned i = 0; i < PROCESSES; i++)
        if (all[i].pid > 0 && kill(all[i].pid, SIGKILL) == 0) (void)bury(t, &all[i], true);
    return ok;
}

static bool round_processes_on_one(torture *t)
{
    if (!run_processes(t, live_on_one)) return false;
    segue_store *store = open_store(t, "sqlite", "one", "");
    bool ok = store && check_keys(t, store, "k", NULL);
    segue_close(store);
    return ok;
}

static bool round_processes_on_two(torture *t)
{
    seg_model start[TORTURE_KEYS] = {0};
    segue_store *from = open_store(t, "sqlite", "old", "?sync=off"), *to = open_store(t, "sqlite", "new", "?sync=off");
    bool ok = from && to && fill(t, from, start);
    segue_close(from);
    segue_close(to);
    if (!ok || !run_processes(t, live_on_two)) return false;
    from = open_store(t, "sqlite", "old", "");
    to = open_store(t, "sqlite", "new", "");
    ok = from && to && check_keys(t, to, "k", start) && check_fillers(t, from, to) && check_keys(t, to, "n", NULL) &&
         check_keys(t, from, "o", NULL);
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
    default: return round_processes_on_two(t);
    }
}

enum { THREAD_ROUNDS = 7, ALL_ROUNDS = 9 };

static bool run_round(torture *t, unsigned which, int64_t ns)
{
    bool ok = new_folder(t) && one_round(t, which, ns);
    if (t->keep && !ok) printf("the files are in %s\n", t->folder);
    else remove_folder(t->folder);
    t->rounds++;
    return ok;
}

static bool run_rounds(torture *t, unsigned first, unsigned end, int64_t seconds)
{
    int64_t began = now(), told = began;
    do {
        for (unsigned which = first; which < end; which++)
            if (!run_round(t, which, 300 * ms)) return false;
        if (now() - told < 10 * second) continue;
        told = now();
        printf("%llu rounds, %llu operations, %llu kills in %lld s\n", (unsigned long long)t->rounds,
               (unsigned long long)t->operations, (unsigned long long)t->kills, (long long)((told - began) / second));
    } while (now() - began < seconds * second);
    printf(
        "passed: %llu rounds, %llu operations on %llu keys (at most %llu on one), %llu of unknown outcome, %llu kills; "
        "each key's history has one order, the last read included\n",
        (unsigned long long)t->rounds, (unsigned long long)t->operations, (unsigned long long)t->checked_keys,
        (unsigned long long)t->longest, (unsigned long long)t->unknown, (unsigned long long)t->kills);
    return true;
}

/* Rules, and the round that misses them: at once, or by luck. */
static const struct tooth {
    const char *rule;
    unsigned round;
    bool by_luck;
} teeth[] = {
    {"PUT_LOOKS_AT_CAS", 5, false},
    {"LOOP_PUTS_BY_CAS", 5, false},
    {"ABSENT_MEANS_ABSENT", 5, true},
    {"CAS_GROWS", 0, false},
    {"DELETE_LEAVES_TOMBSTONE", 1, false},
    {"DELETE_REACHES_FALLBACK", 1, false},
    {"TOMBSTONE_WINS", 1, false},
    {"ADD_ASKS_FALLBACK", 1, false},
    {"MUTATE_READS_FALLBACK", 1, false},
    {"INSERT_EXPECTS_ABSENT", 1, true},
    {"COPY_CARRIES_ALL", 1, true},
    {"HOLD", 1, true},
    {"DRAIN", 1, true},
    {"SWEEP_INSERT_ABSENT", 1, true},
    {"PIN_FIRST", 1, true},
};

static bool show_teeth(torture *t, bool by_luck, int64_t seconds)
{
    bool ok = true;
    for (size_t i = 0; i < sizeof teeth / sizeof teeth[0]; i++) {
        if (teeth[i].by_luck && !by_luck) continue;
        torture one = {.random = t->seed, .seed = t->seed, .quiet = true};
        int64_t began = now();
        if (!seg_rule_switch(teeth[i].rule, false)) return fail(t, teeth[i].rule, "there is no such rule");
        while (!one.failed && now() - began < seconds * second) (void)run_round(&one, teeth[i].round, 100 * ms);
        (void)seg_rule_switch(teeth[i].rule, true); /* it was there before */
        printf("without %s: %s after %llu rounds%s%s\n", teeth[i].rule,
               one.failed ? "failed, as it must" : "NOT NOTICED", (unsigned long long)one.rounds,
               one.failed ? ": " : "", one.why);
        if (!one.failed) ok = fail(t, teeth[i].rule, "nothing missed it");
    }
    return ok;
}

int main(int argc, char **argv)
{
    torture t = {.random = 1, .seed = 1};
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
        else if (strcmp(argv[i], "--without") == 0) ok = seg_rule_switch(value, false) && ++i;
        else ok = false;
    }
    t.random = t.seed;
    if (ok && strcmp(what, "threads") == 0) return run_rounds(&t, 0, THREAD_ROUNDS, (int64_t)seconds) ? 0 : 1;
    if (ok && strcmp(what, "processes") == 0)
        return run_rounds(&t, THREAD_ROUNDS, ALL_ROUNDS, (int64_t)seconds) ? 0 : 1;
    if (ok && strcmp(what, "all") == 0) return run_rounds(&t, 0, ALL_ROUNDS, (int64_t)seconds) ? 0 : 1;
    if (ok && strcmp(what, "teeth") == 0) return show_teeth(&t, false, (int64_t)seconds) ? 0 : 1;
    if (ok && strcmp(what, "more-teeth") == 0) return show_teeth(&t, true, (int64_t)seconds) ? 0 : 1;
    (void)fprintf(
        stderr,
        "usage: segue-torture [threads|processes|teeth|more-teeth|all] [--seconds N] [--seed N] [--without RULE] [--keep]\n");
    return 2;
}
