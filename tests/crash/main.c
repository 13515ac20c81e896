/* segue-crash: a process dies at each named crash point (src/base/crash.def), at each of its hits, in a small migration with a
 * client; then it is done again to its end, and every acknowledged write must be there. Once for each point it dies a second
 * time, while it recovers.
 *
 *   (nothing)  some hits of each point: the first, the last, and some in between; --all: every hit
 *   --power    instead, the power goes at some moments of such migrations; --all: at every moment, see power_loss.h
 *   --teeth    without each rule of base/rules.def that this must miss, something of it fails
 *   --part K/N a share of the deaths, or of the moments
 *
 * A failure prints the options that do it again. */
#include "crash/life.h"
#include "crash/power_loss.h"

#include "base/base.h"
#include "base/env.h"
#include "base/rules.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Besides the first and the last, of a scene and where a rule is off; kills at a point that only recoveries come by. */
enum { SOME_HITS = 2, MORE_HITS = 8, RECOVERIES = 4 };

typedef struct crasher {
    char folder[100];
    crash_shared *shared, *start; /* start: as it is when the stores were made */
    bool all, keep, quiet, is_teeth;
    const char *only, *point, *then, *without;
    uint64_t hit;                             /* 0: those that are due */
    uint64_t undisturbed[SEG_N_CRASH_POINTS]; /* hits of a life of this scene without deaths */
    uint64_t visits[SEG_N_CRASH_POINTS], kills[SEG_N_CRASH_POINTS];
    uint64_t random, lives;
    unsigned some_hits, part, n_parts;
    uint64_t unit; /* deaths that were due so far, in all parts */
    int64_t began_ns, told_ns;
    bool is_power;
    crash_power power;
    char again[200], said[1200];
} crasher;

/* ---- files ---- */

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info, (void)type, (void)where; /* the order of the walk is all that is needed */
    return remove(path);
}

static void remove_folder(const char *path) { (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

static void must(bool ok, const char *what)
{
    if (ok) return;
    (void)fprintf(stderr, "segue-crash: %s: %s\n", what, strerror(errno));
    exit(2);
}

static void copy_file(const char *from, const char *to)
{
    static char block[1 << 16];
    FILE *in = fopen(from, "rb"), *out = in ? fopen(to, "wb") : NULL;
    must(in && out, to);
    for (size_t n; (n = fread(block, 1, sizeof block, in)) > 0;) must(fwrite(block, 1, n, out) == n, to);
    must(!ferror(in) && fclose(in) == 0 && fclose(out) == 0, to);
}

static void copy_folder(const char *from, const char *to)
{
    char a[400], b[400];
    struct stat info;
    must(mkdir(to, 0755) == 0, to);
    DIR *dir = opendir(from);
    must(dir != NULL, from);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.') continue;
        must(snprintf(a, sizeof a, "%s/%s", from, e->d_name) < (int)sizeof a, from);
        must(snprintf(b, sizeof b, "%s/%s", to, e->d_name) < (int)sizeof b, to);
        must(stat(a, &info) == 0, a);
        if (S_ISDIR(info.st_mode)) copy_folder(a, b);
        else copy_file(a, b);
    }
    (void)closedir(dir); /* it was only read */
}

static void sub_folder(const crasher *c, const char *name, char out[200])
{
    (void)snprintf(out, 200, "%s/%s", c->folder, name); /* fits */
}

/* ---- progress ---- */

static int64_t now(void) { return seg_mono_ns(segue_env_default()); }

static void tell_progress(crasher *c, const crash_scene *scene)
{
    static const int64_t second = 1000000000;
    if (now() - c->told_ns < 10 * second) return;
    c->told_ns = now();
    printf("# %s: %llu lives, %lld s\n", scene->name, (unsigned long long)c->lives,
           (long long)((c->told_ns - c->began_ns) / second));
}

static bool is_mine(crasher *c) { return c->unit++ % c->n_parts == c->part; }

/* ---- lives ---- */

/* How a life ended. */
typedef enum ending { ENDED_WELL, ENDED_BADLY, WAS_KILLED } ending;

static ending live(crasher *c, const crash_scene *scene, seg_crash_point point, uint64_t nth, bool makes)
{
    char folder[200];
    int how = 0;
    seg_crash *crash = &c->shared->crash;
    sub_folder(c, makes ? "start" : "case", folder);
    memset(crash, 0, sizeof *crash);
    crash->point = point;
    crash->nth = nth;
    c->lives++;
    tell_progress(c, scene);
    pid_t child = fork();
    must(child >= 0, "fork");
    if (child == 0) {
        if (!makes) seg_crash_use(crash);
        bool ok = makes ? crash_make_stores(scene, folder, c->shared) : crash_live(scene, folder, c->shared);
        _exit(ok ? 0 : 1);
    }
    must(waitpid(child, &how, 0) == child, "waitpid");
    if (WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL && nth) return WAS_KILLED;
    if (WIFEXITED(how) && WEXITSTATUS(how) == 0) return ENDED_WELL;
    if (!c->shared->failed) (void)crash_fail(c->shared, "the process ended with %d", how);
    return ENDED_BADLY;
}

static void begin_case(crasher *c)
{
    char start[200], folder[200];
    sub_folder(c, "start", start);
    sub_folder(c, "case", folder);
    remove_folder(folder);
    copy_folder(start, folder);
    *c->shared = *c->start;
}

/* What went wrong, and how to see it again. */
static bool report(crasher *c, const char *what, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(c->again, sizeof c->again, format, args); /* fits */
    va_end(args);
    (void)snprintf(c->said, sizeof c->said, "%s: %s: %s", c->again, what, c->shared->why); /* cut: fine */
    if (c->quiet) return false;
    printf("not ok - %s: %s\n# again: segue-crash --only %s --keep\n", what, c->shared->why, c->again);
    if (c->keep) printf("# the files are in %s/case\n", c->folder);
    return false;
}

/* A first death, and maybe a second one while it recovers: at its point's first hit. */
typedef struct deaths {
    seg_crash_point point;
    uint64_t nth;
    bool has_second;
    seg_crash_point second;
} deaths;

static bool report_kill(crasher *c, const crash_scene *scene, const deaths *d, const char *what)
{
    return report(c, what, "'%s' --point %s --hit %llu%s%s", scene->name, seg_crash_name(d->point),
                  (unsigned long long)d->nth, d->has_second ? " --then " : "",
                  d->has_second ? seg_crash_name(d->second) : "");
}

/* Die there; then live to the end. */
static bool die(crasher *c, const crash_scene *scene, const deaths *d)
{
    begin_case(c);
    ending e = live(c, scene, d->point, d->nth, false);
    if (e == ENDED_WELL && scene->is_group) return true; /* more of its writes went together */
    if (e == ENDED_WELL) (void)crash_fail(c->shared, "it was not killed: the hits are not the same each time");
    if (e != WAS_KILLED) return report_kill(c, scene, d, "before it was killed");
    c->kills[d->point]++;
    if (d->has_second) {
        e = live(c, scene, d->second, 1, false);
        if (e == ENDED_BADLY) return report_kill(c, scene, d, "recovering, before the second kill");
        if (e == ENDED_WELL) return true; /* the rest of the way does not come by there */
        c->kills[d->second]++;
    }
    return live(c, scene, d->point, 0, false) == ENDED_WELL ||
           report_kill(c, scene, d, d->has_second ? "after the second kill" : "after the kill");
}

/* Also at the points that only who recovers comes by. */
static bool die_and_recover(crasher *c, const crash_scene *scene, seg_crash_point point, uint64_t nth)
{
    uint64_t hits[SEG_N_CRASH_POINTS];
    deaths d = {.point = point, .nth = nth};
    bool ok = die(c, scene, &d);
    memcpy(hits, (const void *)c->shared->crash.hits, sizeof hits);
    for (int i = 0; ok && i < SEG_N_CRASH_POINTS; i++) {
        if (!hits[i] || c->undisturbed[i] || (!c->all && c->kills[i] >= RECOVERIES)) continue;
        c->visits[i] += hits[i];
        d = (deaths){point, nth, true, (seg_crash_point)i};
        ok = die(c, scene, &d);
    }
    return ok;
}

static uint64_t pick(crasher *c, uint64_t n)
{
    c->random = c->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (c->random >> 33) % n;
}

static bool find_point(const char *name, seg_crash_point *ret_point)
{
    for (int i = 0; i < SEG_N_CRASH_POINTS; i++)
        if (strcmp(name, seg_crash_name((seg_crash_point)i)) == 0) {
            *ret_point = (seg_crash_point)i;
            return true;
        }
    return false;
}

static bool run_point(crasher *c, const crash_scene *scene, seg_crash_point point, uint64_t hits)
{
    deaths d = {.point = point, .nth = c->hit ? c->hit : 1, .has_second = !c->hit || c->then, .second = point};
    if (c->then) (void)find_point(c->then, &d.second); /* it was found before */
    bool ok = !is_mine(c) || die(c, scene, &d);
    if (c->hit) return ok;
    for (uint64_t n = 1; ok && c->all && n <= hits; n++) ok = !is_mine(c) || die_and_recover(c, scene, point, n);
    for (unsigned i = 0; ok && !c->all && i < c->some_hits && hits > 2; i++) {
        uint64_t n = 1 + pick(c, hits);
        ok = !is_mine(c) || die_and_recover(c, scene, point, n);
    }
    return ok && (c->all || hits == 1 || !is_mine(c) || die_and_recover(c, scene, point, hits));
}

static bool make_start(crasher *c, const crash_scene *scene)
{
    char start[200];
    sub_folder(c, "start", start);
    remove_folder(start);
    must(mkdir(start, 0755) == 0, start);
    memset(c->shared, 0, sizeof *c->shared);
    c->shared->random = 1;
    if (live(c, scene, 0, 0, true) != ENDED_WELL) return report(c, "making the stores", "'%s'", scene->name);
    *c->start = *c->shared;
    return true;
}

static bool run_scene(crasher *c, const crash_scene *scene)
{
    uint64_t *hits = c->undisturbed, before = c->lives;
    if (!make_start(c, scene)) return false;
    begin_case(c);
    if (live(c, scene, 0, 0, false) != ENDED_WELL) return report(c, "undisturbed", "'%s'", scene->name);
    memcpy(hits, (const void *)c->shared->crash.hits, sizeof c->undisturbed);
    if (scene->is_group && hits[SEG_CRASH_COMMIT_DONE] >= CRASH_GROUP * CRASH_GROUP_WRITES) {
        (void)crash_fail(c->shared, "no two writes went into one transaction");
        return report(c, "undisturbed", "'%s'", scene->name);
    }
    bool ok = true;
    for (int i = 0; ok && i < SEG_N_CRASH_POINTS; i++) {
        bool is_checkpoint = i == SEG_CRASH_CHECKPOINT_DUE || i == SEG_CRASH_CHECKPOINT_DONE;
        if (!hits[i] || (c->point && strcmp(c->point, seg_crash_name((seg_crash_point)i)) != 0) ||
            (scene->is_long && !is_checkpoint))
            continue;
        c->visits[i] += hits[i];
        ok = run_point(c, scene, (seg_crash_point)i, hits[i]);
    }
    if (ok && !c->quiet) printf("ok - %s: %llu lives\n", scene->name, (unsigned long long)(c->lives - before));
    return ok;
}

/* ---- loss of power ---- */

static void empty_case(void *ctx)
{
    char folder[200];
    sub_folder(ctx, "case", folder);
    remove_folder(folder);
    must(mkdir(folder, 0755) == 0, folder);
}

static bool live_on(void *ctx, const crash_scene *scene) { return live(ctx, scene, 0, 0, false) == ENDED_WELL; }

static bool lose_power(crasher *c, const crash_scene *scene)
{
    char folder[200];
    crash_power *p = &c->power;
    uint64_t images = p->images;
    if (scene->is_group) return true;           /* one thread is written down */
    if (scene->is_long && !c->all) return true; /* its images are large */
    if (!make_start(c, scene)) return false;
    begin_case(c);
    sub_folder(c, "case", folder);
    *p = (crash_power){.folder = folder,
                       .shared = c->shared,
                       .empty = empty_case,
                       .live = live_on,
                       .ctx = c,
                       .all = c->all && !scene->is_long,
                       .moment = p->moment,
                       .loss = p->loss,
                       .random = 1,
                       .images = p->images,
                       .moments = p->moments,
                       .part = c->part,
                       .n_parts = c->n_parts};
    if (!crash_power_run(p, scene))
        return report(c, "loss of power", "'%s' --power --moment %llu --loss %llu", scene->name,
                      (unsigned long long)p->failed_moment, (unsigned long long)p->failed_loss);
    if (!c->quiet)
        printf("ok - loss of power, %s: %llu images\n", scene->name, (unsigned long long)(p->images - images));
    return true;
}

/* Nothing that was asked for is nothing that holds. */
static bool has_run(crasher *c)
{
    uint64_t kills = 0;
    for (int i = 0; i < SEG_N_CRASH_POINTS; i++) kills += c->kills[i];
    if (c->is_power ? c->power.images > 0 : kills > 0) return true;
    if (!c->quiet) printf("not ok - nothing was played: no scene that is meant comes by there\n");
    return false;
}

static bool run_scenes(crasher *c)
{
    for (unsigned i = 0; i < crash_n_scenes; i++)
        if (!c->only || strcmp(c->only, crash_scenes[i].name) == 0)
            if (c->is_power ? !lose_power(c, &crash_scenes[i]) : !run_scene(c, &crash_scenes[i])) return false;
    return has_run(c);
}

/* ---- teeth: without a rule it must fail ---- */

/* Rules that others must miss, and these scenes do too. */
static const struct tooth {
    const char *rule, *scene;
} more_teeth[] = {{"MANIFEST_FIRST", "two files"},
                  {"PILL_FIRST", "two files"},
                  {"SWEEP_ERASE_BY_CAS", "two files, foreign writes"},
                  {"SWEEP_INSERT_ABSENT", "two files"},
                  {"COPY_CARRIES_XATTRS", "two files"}};

/* In all scenes, or in one. */
static bool bites(crasher *c, const char *rule, bool is_power, const char *scene)
{
    crasher one = *c;
    one.quiet = true;
    one.is_power = is_power;
    one.part = 0, one.unit = 0; /* a share of the rules, not of what looks for them */
    one.n_parts = 1;
    one.some_hits = MORE_HITS;
    if (scene) one.only = scene;
    must(seg_rule_switch(rule, false), rule);
    bool failed = !run_scenes(&one);
    (void)seg_rule_switch(rule, true); /* it was there before */
    c->told_ns = one.told_ns;
    if (failed) printf("ok - without %s: %s\n", rule, one.said);
    else printf("not ok - without %s: nothing missed it\n", rule);
    return failed;
}

static bool show_teeth(crasher *c)
{
    bool ok = true;
    for (unsigned r = 0; r < SEG_N_RULES; r++) {
        const char *by = seg_rule_missed_by((seg_rule)r), *rule = seg_rule_name((seg_rule)r);
        bool is_power = strcmp(by, "POWER") == 0;
        if ((is_power || strcmp(by, "CRASH") == 0) && is_mine(c)) ok &= bites(c, rule, is_power, NULL);
    }
    for (size_t i = 0; i < sizeof more_teeth / sizeof more_teeth[0]; i++)
        if (is_mine(c)) ok &= bites(c, more_teeth[i].rule, false, more_teeth[i].scene);
    return ok;
}

/* ---- the whole ---- */

/* Every point was visited, and led to a death. */
static bool tell(const crasher *c)
{
    if (c->is_power) {
        printf("ok - loss of power at %llu moments, %llu images of disks; every acknowledged write was there, and the "
               "migrations came to their end\n",
               (unsigned long long)c->power.moments, (unsigned long long)c->power.images);
        return true;
    }
    uint64_t visits = 0, kills = 0, never = 0;
    for (int i = 0; i < SEG_N_CRASH_POINTS; i++) {
        visits += c->visits[i];
        kills += c->kills[i];
        never += !c->kills[i] && c->n_parts == 1;
        printf("%-18s %6llu visits %6llu kills: %s\n", seg_crash_name((seg_crash_point)i),
               (unsigned long long)c->visits[i], (unsigned long long)c->kills[i], seg_crash_text((seg_crash_point)i));
        if (!c->kills[i] && c->n_parts == 1)
            printf("not ok - %s is never visited\n", seg_crash_name((seg_crash_point)i));
    }
    printf(
        "%s - %d crash points, %llu visits, %llu kills, %llu lives; every acknowledged write was there, and the migrations "
        "came to their end\n",
        never ? "not ok" : "ok", SEG_N_CRASH_POINTS, (unsigned long long)visits, (unsigned long long)kills,
        (unsigned long long)c->lives);
    return never == 0;
}

static void *share(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(memory != MAP_FAILED, "mmap");
    return memory;
}

static bool is_scene(const char *name)
{
    unsigned i = 0;
    while (i < crash_n_scenes && strcmp(name, crash_scenes[i].name) != 0) i++;
    if (i == crash_n_scenes) {
        (void)fprintf(stderr, "segue-crash: there is no scene '%s', but:\n", name);
        for (i = 0; i < crash_n_scenes; i++) (void)fprintf(stderr, "  '%s'\n", crash_scenes[i].name);
        return false;
    }
    return true;
}

static bool is_point(const char *name)
{
    seg_crash_point point;
    bool is = find_point(name, &point);
    if (!is) (void)fprintf(stderr, "segue-crash: %s is no point of src/base/crash.def\n", name);
    return is;
}

static bool parse_part(crasher *c, const char *text)
{
    bool ok = sscanf(text, "%u/%u", &c->part, &c->n_parts) == 2 && c->part >= 1 && c->part <= c->n_parts;
    c->part--;
    return ok;
}

/* Names that exist, and options that go together. */
static bool make_sense(const crasher *c)
{
    bool one_kill = c->point || c->hit || c->then, one_moment = c->power.moment || c->power.loss;
    if ((c->only && !is_scene(c->only)) || (c->point && !is_point(c->point)) || (c->then && !is_point(c->then)))
        return false;
    if ((c->hit && !c->point) || (c->then && !c->hit) || (c->power.loss && !c->power.moment)) return false;
    return !(one_kill && (c->is_power || c->is_teeth)) && !(one_moment && !c->is_power);
}

static bool parse(crasher *c, int argc, char **argv)
{
    const char *part = NULL;
    const struct {
        const char *name;
        bool *flag;
        uint64_t *number;
        const char **text;
    } options[] = {
        {"--all", &c->all, NULL, NULL},
        {"--keep", &c->keep, NULL, NULL},
        {"--then", NULL, NULL, &c->then},
        {"--power", &c->is_power, NULL, NULL},
        {"--teeth", &c->is_teeth, NULL, NULL},
        {"--hit", NULL, &c->hit, NULL},
        {"--moment", NULL, &c->power.moment, NULL},
        {"--loss", NULL, &c->power.loss, NULL},
        {"--only", NULL, NULL, &c->only},
        {"--part", NULL, NULL, &part},
        {"--point", NULL, NULL, &c->point},
        {"--without", NULL, NULL, &c->without},
    };
    for (int i = 1; i < argc; i++) {
        size_t n = 0, n_options = sizeof options / sizeof options[0];
        while (n < n_options && strcmp(options[n].name, argv[i]) != 0) n++;
        if (n == n_options || (!options[n].flag && i + 1 == argc)) return false;
        if (options[n].flag) *options[n].flag = true;
        else if (options[n].text) *options[n].text = argv[++i];
        else if (!seg_parse_u64(segue_str(argv[++i]), options[n].number)) return false;
    }
    return (!part || parse_part(c, part)) && make_sense(c) && (!c->without || seg_rule_switch(c->without, false));
}

static void say_how_long(const crasher *c)
{
    const char *whole = c->is_power && c->all ? "about 15 minutes" : c->all ? "about 2 minutes" : "half a minute";
    if (c->only || c->point) return;
    printf("# %s on one idle core%s\n", whole, c->n_parts > 1 ? ", all parts together" : "");
}

int main(int argc, char **argv)
{
    crasher c = {.random = 1, .some_hits = SOME_HITS, .n_parts = 1, .began_ns = now()};
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* a child has nothing of ours to say */
    if (!parse(&c, argc, argv)) {
        (void)fprintf(
            stderr,
            "usage: segue-crash [--power | --teeth] [--all] [--only SCENE] [--part K/N] [--without RULE] [--keep]\n"
            "                   [--point NAME [--hit N [--then NAME]]] [--moment N --loss N]\n");
        return 2;
    }
    say_how_long(&c);
    c.told_ns = c.began_ns;
    (void)snprintf(c.folder, sizeof c.folder, "%s/segue-crash-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"); /* fits */
    must(mkdtemp(c.folder) != NULL, c.folder);
    c.shared = share(sizeof *c.shared);
    c.start = share(sizeof *c.start);
    bool ok = c.is_teeth ? show_teeth(&c) : run_scenes(&c);
    if (ok && !c.only && !c.point && !c.is_teeth) ok = tell(&c);
    if (!c.keep || ok) remove_folder(c.folder);
    return ok ? 0 : 1;
}
