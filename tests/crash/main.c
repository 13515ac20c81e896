/* segue-crash: a process dies at each named crash point (src/base/crash.def), at each of its hits, in a small migration with a
 * client; then it is done again to its end, and every acknowledged write must be there. Once for each point it dies a second
 * time, while it recovers.
 *
 * segue-crash [--all] [--only SCENE] [--point NAME] [--hit N] [--without RULE] [--keep]
 *   --all  every hit; without it, of each point some (the first, the last, and a few in between) */
#include "crash/life.h"

#include "base/base.h"
#include "base/env.h"
#include "base/rules.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SOME_HITS = 2 }; /* besides the first and the last */

typedef struct crasher {
    char folder[100];
    crash_shared *shared, *start; /* start: as it is when the stores were made */
    bool all, keep;
    const char *only, *point;
    uint64_t hit; /* 0: those that are due */
    uint64_t visits[SEG_N_CRASH_POINTS], kills[SEG_N_CRASH_POINTS];
    uint64_t random, lives;
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

static bool report(const crasher *c, const crash_scene *scene, const char *point, uint64_t nth, const char *what)
{
    printf("not ok - %s, %s, hit %llu: %s: %s\n", scene->name, point, (unsigned long long)nth, what, c->shared->why);
    printf("# again: segue-crash --only '%s' --point %s --hit %llu --keep\n", scene->name, point,
           (unsigned long long)nth);
    if (c->keep) printf("# the files are in %s/case\n", c->folder);
    return false;
}

/* Die there; if `again`, die at the same point once more while recovering; then live to the end. */
static bool run_case(crasher *c, const crash_scene *scene, seg_crash_point point, uint64_t nth, bool again)
{
    const char *name = seg_crash_name(point);
    begin_case(c);
    ending e = live(c, scene, point, nth, false);
    if (e == ENDED_WELL) {
        (void)crash_fail(c->shared, "it was not killed");
        return report(c, scene, name, nth, "the hits are not the same each time");
    }
    if (e == ENDED_BADLY) return report(c, scene, name, nth, "before it was killed");
    c->kills[point]++;
    if (again) {
        e = live(c, scene, point, 1, false);
        if (e == ENDED_BADLY) return report(c, scene, name, nth, "recovering, before the second kill");
        if (e == ENDED_WELL) return true; /* the rest of the way does not come by there */
        c->kills[point]++;
    }
    return live(c, scene, point, 0, false) == ENDED_WELL ||
           report(c, scene, name, nth, again ? "after the second kill" : "after it");
}

static uint64_t pick(crasher *c, uint64_t n)
{
    c->random = c->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (c->random >> 33) % n;
}

static bool run_point(crasher *c, const crash_scene *scene, seg_crash_point point, uint64_t hits)
{
    if (c->hit) return run_case(c, scene, point, c->hit, false);
    bool ok = run_case(c, scene, point, 1, true);
    for (uint64_t n = 1; ok && c->all && n <= hits; n++) ok = run_case(c, scene, point, n, false);
    for (unsigned i = 0; ok && !c->all && i < SOME_HITS && hits > 2; i++)
        ok = run_case(c, scene, point, 1 + pick(c, hits), false);
    return ok && (c->all || hits == 1 || run_case(c, scene, point, hits, false));
}

static bool run_scene(crasher *c, const crash_scene *scene)
{
    char start[200];
    uint64_t hits[SEG_N_CRASH_POINTS], before = c->lives;
    sub_folder(c, "start", start);
    remove_folder(start);
    must(mkdir(start, 0755) == 0, start);
    memset(c->shared, 0, sizeof *c->shared);
    c->shared->random = 1;
    if (live(c, scene, 0, 0, true) != ENDED_WELL) return report(c, scene, "none", 0, "making the stores");
    *c->start = *c->shared;
    begin_case(c);
    if (live(c, scene, 0, 0, false) != ENDED_WELL) return report(c, scene, "none", 0, "undisturbed");
    memcpy(hits, (const void *)c->shared->crash.hits, sizeof hits);
    bool ok = true;
    for (int i = 0; ok && i < SEG_N_CRASH_POINTS; i++) {
        bool is_checkpoint = i == SEG_CRASH_CHECKPOINT_DUE || i == SEG_CRASH_CHECKPOINT_DONE;
        if (!hits[i] || (c->point && strcmp(c->point, seg_crash_name((seg_crash_point)i)) != 0) ||
            (scene->is_long && !is_checkpoint))
            continue;
        c->visits[i] += hits[i];
        ok = run_point(c, scene, (seg_crash_point)i, hits[i]);
    }
    if (ok) printf("ok - %s: %llu lives\n", scene->name, (unsigned long long)(c->lives - before));
    return ok;
}

static bool run_scenes(crasher *c)
{
    for (unsigned i = 0; i < crash_n_scenes; i++)
        if ((!c->only || strcmp(c->only, crash_scenes[i].name) == 0) && !run_scene(c, &crash_scenes[i])) return false;
    return true;
}

/* Every point was visited, and led to a death. */
static bool tell(const crasher *c)
{
    uint64_t visits = 0, kills = 0, never = 0;
    for (int i = 0; i < SEG_N_CRASH_POINTS; i++) {
        visits += c->visits[i];
        kills += c->kills[i];
        never += !c->kills[i];
        printf("%-18s %6llu visits %6llu kills: %s\n", seg_crash_name((seg_crash_point)i),
               (unsigned long long)c->visits[i], (unsigned long long)c->kills[i], seg_crash_text((seg_crash_point)i));
        if (!c->kills[i]) printf("not ok - %s is never visited\n", seg_crash_name((seg_crash_point)i));
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

int main(int argc, char **argv)
{
    crasher c = {.random = 1};
    bool ok = true;
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* a child has nothing of ours to say */
    for (int i = 1; i < argc && ok; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--all") == 0) c.all = true;
        else if (strcmp(argv[i], "--keep") == 0) c.keep = true;
        else if (strcmp(argv[i], "--only") == 0) c.only = value, i++;
        else if (strcmp(argv[i], "--point") == 0) c.point = value, i++;
        else if (strcmp(argv[i], "--hit") == 0) ok = seg_parse_u64(segue_str(value), &c.hit) && ++i;
        else if (strcmp(argv[i], "--without") == 0) ok = seg_rule_switch(value, false) && ++i;
        else ok = false;
    }
    if (!ok) {
        (void)fprintf(stderr,
                      "usage: segue-crash [--all] [--only SCENE] [--point NAME] [--hit N] [--without RULE] [--keep]\n");
        return 2;
    }
    (void)snprintf(c.folder, sizeof c.folder, "%s/segue-crash-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"); /* fits */
    must(mkdtemp(c.folder) != NULL, c.folder);
    c.shared = share(sizeof *c.shared);
    c.start = share(sizeof *c.start);
    ok = run_scenes(&c);
    if (ok && !c.only && !c.point) ok = tell(&c);
    if (!c.keep || ok) remove_folder(c.folder);
    return ok ? 0 : 1;
}
