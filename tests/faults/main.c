/* segue-faults: every script of calls, on every kind of store, with each fault at every place that it passes.
 *
 *   segue-faults                          all of it: the nth of each kind fails, for n = 1, 2, 3 ... until none is met
 *   segue-faults --short                  some of the places, for `make test`
 *   segue-faults --part K/N               a share of it
 *   segue-faults --fault F --script S --on W   only those (parts of names)
 *   ... --nth N [--persistent]            one place: to look at a failure
 *   segue-faults --list                   what there is
 *   segue-faults --teeth                  without each rule that faults must show: what fails first
 *   ... --without RULE                    switched off, to watch it fail
 */
#include "faults/kinds.h"

#include "base/rules.h"
#include "support/disk.h"
#include "support/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define MEMORY(name, needs_disk, which)                                                                                \
    {                                                                                                                  \
        name, needs_disk, false, false, false, arm_memory, heal_memory, memory_fired, memory_may_answer, which         \
    }
#define DISK(name, which)                                                                                              \
    {                                                                                                                  \
        name, true, false, false, true, arm_disk, heal_disk, disk_fired, disk_may_answer, which                        \
    }
#define SYSTEM(name, which)                                                                                            \
    {                                                                                                                  \
        name, true, false, false, false, arm_system, heal_system, system_fired, system_may_answer, which               \
    }
#define CALL(name, of_fallback, which)                                                                                 \
    {                                                                                                                  \
        name, false, of_fallback, true, false, arm_call, heal_call, call_fired, call_may_answer, which                 \
    }
static const fault faults[] = {
    MEMORY("our allocation", false, 0),
    MEMORY("SQLite's allocation", true, 1),
    DISK("open (EMFILE)", 0),
    DISK("open (ENOSPC)", 1),
    DISK("read (EIO)", 2),
    DISK("write (ENOSPC, half written)", 3),
    DISK("write (EIO)", 4),
    DISK("sync (EIO)", 5),
    DISK("sync (EINTR)", 6),
    DISK("truncate (EIO)", 7),
    DISK("file size (EIO)", 8),
    DISK("delete or access (EIO)", 9),
    DISK("lock (EINTR)", 10),
    DISK("shared memory (ENOSPC)", 11),
    DISK("lock in shared memory (EINTR)", 12),
    DISK("any lock (EIO)", 13),
    DISK("write or sync (EIO)", 14),
    DISK("sync (ENOSPC)", 15),
    DISK("shared memory (EIO)", 16),
    {"SQLite's call of the system (EINTR)", true, false, false, true, arm_signals, heal_signals, signals_fired,
     signals_may_answer, 17},
    SYSTEM("our call of the system (ENOSPC)", 0),
    SYSTEM("our call of the system (EIO)", 1),
    SYSTEM("our call of the system (EACCES)", 2),
    SYSTEM("our call of the system (EINTR)", 3),
    SYSTEM("our call of the system (EMFILE)", 4),
    CALL("store call fails before it is applied", false, 0),
    CALL("answer to a read is lost", false, 1),
    CALL("write is not applied and may have been", false, 2),
    CALL("write is applied and its answer lost", false, 3),
    CALL("store call comes after the deadline", false, 4),
    CALL("fallback's call fails before it is applied", true, 0),
    CALL("fallback's answer to a read is lost", true, 1),
    CALL("fallback's write is not applied and may have been", true, 2),
    CALL("fallback's write is applied and its answer lost", true, 3),
    CALL("fallback's call comes after the deadline", true, 4),
};
enum { N_FAULTS = sizeof faults / sizeof faults[0] };

typedef struct shelf {
    const script *scripts;
    const size_t *n;
} shelf;
static const shelf shelves[] = {{doc_scripts, &n_doc_scripts},
                                {read_scripts, &n_read_scripts},
                                {move_scripts, &n_move_scripts},
                                {text_scripts, &n_text_scripts}};
enum { N_SHELVES = sizeof shelves / sizeof shelves[0] };

/* NULL: there are no more. */
static const script *script_at(size_t i)
{
    size_t at = 0;
    while (at < N_SHELVES && i >= *shelves[at].n) i -= *shelves[at++].n;
    return at < N_SHELVES ? &shelves[at].scripts[i] : NULL;
}

typedef struct tour {
    const char *fault, *script, *on;
    long nth;                         /* 0: all */
    bool persistent, is_short, stops; /* at the first that fails */
    char first[256];                  /* that failed */
    unsigned part, n_parts;
    int64_t began_ns, told_ns;
    unsigned number; /* of the combination */
    unsigned long n_plays, n_injected, n_failed;
} tour;

static bool is_meant(const char *pattern, const char *name) { return !pattern || strstr(name, pattern); }

static bool fits(const script *sc, const setting *where, const fault *f)
{
    if (f && f->needs_disk && !where->on_disk) return false;
    if (f && f->needs_dual && !where->fallback) return false;
    if (f && f->needs_store && (sc->flags & (SCRIPT_OPENS | SCRIPT_NO_STORE))) return false;
    if (sc->flags & SCRIPT_NO_STORE) return where == settings;
    return !(sc->flags & SCRIPT_DUAL) || where->fallback;
}

static bool one_place(tour *t, const script *sc, const setting *where, const model *m, const fault *f, long nth,
                      bool persistent)
{
    static char why[1024];
    verdict v = play_with_fault(sc, where, m, f, nth, persistent, why);
    t->n_plays++;
    t->n_injected += v == HELD || v == FAILED;
    if (v == FAILED) {
        if (!t->n_failed++)
            (void)snprintf(t->first, sizeof t->first, "%s on %s, %s %ld%s", sc->name, where->name, f->name, nth,
                           persistent ? " and on" : ""); /* names are short */
        printf(
            "not ok - %s on %s: %s %ld%s fails: %s\n  again: --fault \"%s\" --script \"%s\" --on \"%s\" --nth %ld%s\n",
            sc->name, where->name, f->name, nth, persistent ? " and all later ones of the call" : "", why, f->name,
            sc->name, where->name, nth, persistent ? " --persistent" : "");
    }
    return v != NOT_REACHED;
}

/* In the short form each combination is played in one of the two ways, at places that lie further and further apart, and not
 * at the same ones as its neighbours. */
/* In memory every place takes a moment. */
static long next_place(const tour *t, const setting *where, long nth)
{
    return t->is_short && where->on_disk ? 2 * nth + t->number % 3 : nth + 1;
}

static int64_t now(void) { return seg_mono_ns(segue_env_default()); }

static void tell_progress(tour *t, const script *sc, const setting *where, const fault *f, long nth)
{
    static const int64_t second = 1000000000;
    if (now() - t->told_ns < 10 * second) return;
    t->told_ns = now();
    printf("# %s: %s on %s, place %ld; %lu plays in %lld s\n", f->name, sc->name, where->name, nth, t->n_plays,
           (long long)((t->told_ns - t->began_ns) / second));
}

static void all_places(tour *t, const script *sc, const setting *where, const model *m, const fault *f)
{
    unsigned long before = t->n_injected, failed = t->n_failed;
    for (unsigned way = 0; way < 2; way++) {
        if (t->is_short && where->on_disk && way != t->number % 2) continue;
        for (long nth = 1; one_place(t, sc, where, m, f, nth, way) && t->n_failed < failed + (t->stops ? 1 : 5);) {
            tell_progress(t, sc, where, f, nth);
            nth = next_place(t, where, nth);
        }
    }
    if (t->n_failed == failed)
        printf("ok - %s: %s on %s: %lu failed\n", f->name, sc->name, where->name, t->n_injected - before);
}

static void one_script(tour *t, const script *sc, const setting *where, const fault *f, const model *plain)
{
    model m = {0};
    if (!make_model(sc, where, &m)) t->n_failed++;
    else if (plain && where->is_plain && !(sc->flags & SCRIPT_OWN_WAY) && !same_model(sc, where, &m, plain))
        t->n_failed++;
    else if (t->nth) (void)one_place(t, sc, where, &m, f, t->nth, t->persistent);
    else all_places(t, sc, where, &m, f);
    free_model(&m);
}

static void all_of(tour *t, const fault *f)
{
    unsigned long before = t->n_injected;
    const script *sc;
    for (size_t s = 0; (sc = script_at(s)) != NULL && !(t->stops && t->n_failed); s++) {
        model plain = {0};
        if (!is_meant(t->script, sc->name)) continue;
        bool has_plain = fits(sc, &settings[0], NULL) && make_model(sc, &settings[0], &plain);
        for (size_t w = 0; w < n_settings; w++) {
            if (t->stops && t->n_failed) break;
            if (!fits(sc, &settings[w], f) || !is_meant(t->on, settings[w].name)) continue;
            bool is_left_out = t->is_short && settings[w].on_disk && (t->number + f->which) % 4; /* files take long */
            if (t->number++ % t->n_parts == t->part && !is_left_out)
                one_script(t, sc, &settings[w], f, has_plain ? &plain : NULL);
        }
        free_model(&plain);
    }
    if (t->n_injected > before) printf("%s: %lu faults injected\n", f->name, t->n_injected - before);
}

static int list(void)
{
    for (size_t i = 0; i < N_FAULTS; i++) printf("fault: %s\n", faults[i].name);
    const script *sc;
    for (size_t i = 0; (sc = script_at(i)) != NULL; i++) printf("script: %s, %zu steps\n", sc->name, sc->n_steps);
    for (size_t i = 0; i < n_settings; i++) printf("on: %s\n", settings[i].name);
    return 0;
}

/* ---- teeth ---- */

/* What to begin with where the search through all of them is long. */
static const struct hint {
    const char *rule, *fault;
} hints[] = {{"LOST_COMMIT_IS_UNKNOWN", "write or sync (EIO)"},
             {"RUNNER_KNOWS_ITSELF", "write (ENOSPC, half written)"}};

/* In a child, for a rule that is off may abort the process. What fails first goes into the pipe. */
static int miss_in_child(const char *rule, int out)
{
    tour t = {.n_parts = 1, .is_short = true, .stops = true};
    int silence = open("/dev/null", O_WRONLY);
    if (silence < 0 || dup2(silence, STDOUT_FILENO) < 0 || dup2(silence, STDERR_FILENO) < 0) return 2;
    (void)seg_rule_switch(rule, false); /* it is there */
    for (size_t h = 0; h < sizeof hints / sizeof hints[0]; h++)
        for (size_t i = 0; i < N_FAULTS && strcmp(hints[h].rule, rule) == 0; i++)
            if (strcmp(faults[i].name, hints[h].fault) == 0) all_of(&t, &faults[i]);
    for (size_t i = 0; i < N_FAULTS && !t.n_failed; i++) all_of(&t, &faults[i]);
    if (!t.n_failed) return 1;
    size_t size = strlen(t.first);
    return write(out, t.first, size) == (ssize_t)size ? 0 : 2;
}

static bool show_miss(const char *rule)
{
    char first[256] = "";
    int ends[2], how = 0;
    (void)fflush(stdout); /* what fails is said at the next */
    if (pipe(ends) != 0) return false;
    pid_t child = fork();
    if (child == 0) _exit(miss_in_child(rule, ends[1]));
    (void)close(ends[1]);
    ssize_t n = read(ends[0], first, sizeof first - 1);
    (void)close(ends[0]);
    bool ended = child > 0 && waitpid(child, &how, 0) == child;
    bool found = ended && WIFEXITED(how) && WEXITSTATUS(how) == 0 && n > 0;
    if (found) printf("ok - without %s: %s\n", rule, first);
    else if (ended && WIFSIGNALED(how)) printf("ok - without %s: the process aborts\n", rule), found = true;
    else printf("not ok - no fault shows that %s is off\n", rule);
    return found;
}

static int show_teeth(void)
{
    int failed = 0;
    for (unsigned r = 0; r < SEG_N_RULES; r++) {
        const char *by = seg_rule_missed_by((seg_rule)r);
        bool is_of_disk = r == SEG_RULE_LOST_COMMIT_IS_UNKNOWN ||
                          r == SEG_RULE_SYNC_BEFORE_ANSWER; /* others miss them too */
        if (strcmp(by, "FAULT") == 0 || is_of_disk) failed += !show_miss(seg_rule_name((seg_rule)r));
    }
    return failed != 0;
}

static int usage(void)
{
    (void)fprintf(stderr, "usage: segue-faults [--short] [--part K/N] [--fault F] [--script S] [--on W] [--nth N "
                          "[--persistent]] [--without RULE] | --list | --teeth\n");
    return 2;
}

int main(int argc, char **argv)
{
    tour t = {.n_parts = 1, .began_ns = now()};
    t.told_ns = t.began_ns;
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* progress is seen at once */
    bool lists = false, teeth = false;
    test_memory_install();
    test_disk_install();
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--short") == 0) t.is_short = true;
        else if (strcmp(argv[i], "--persistent") == 0) t.persistent = true;
        else if (strcmp(argv[i], "--list") == 0) lists = true;
        else if (strcmp(argv[i], "--teeth") == 0) teeth = true;
        else if (!value) return usage();
        else if (strcmp(argv[i], "--fault") == 0) t.fault = argv[++i];
        else if (strcmp(argv[i], "--script") == 0) t.script = argv[++i];
        else if (strcmp(argv[i], "--on") == 0) t.on = argv[++i];
        else if (strcmp(argv[i], "--without") == 0 && seg_rule_switch(value, false)) i++;
        else if (strcmp(argv[i], "--nth") == 0) t.nth = atol(argv[++i]);
        else if (strcmp(argv[i], "--part") == 0 && sscanf(argv[++i], "%u/%u", &t.part, &t.n_parts) == 2 && t.part--)
            continue;
        else return usage();
    }
    if (t.n_parts == 0 || t.part >= t.n_parts) return usage();
    if (lists) return list();
    if (teeth) return show_teeth();
    if (!t.fault && !t.script && !t.on)
        printf("# %s on one idle core%s\n", t.is_short ? "about a minute" : "some hours",
               t.n_parts > 1 ? ", all parts together" : "");
    for (size_t i = 0; i < N_FAULTS; i++)
        if (is_meant(t.fault, faults[i].name)) all_of(&t, &faults[i]);
    if (!t.n_injected) printf("not ok - nothing was injected\n");
    printf("%s - %lu plays, %lu faults injected, %lu failed\n", t.n_failed ? "not ok" : "ok", t.n_plays, t.n_injected,
           t.n_failed);
    return t.n_failed || !t.n_injected;
}
