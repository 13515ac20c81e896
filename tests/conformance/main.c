/* The conformance suite: one cmocka test for each case on each target.
 *
 *   conformance [--group NAME] [--target NAME] [--case ID]      run them (all without arguments)
 *   conformance --teeth [--target NAME]                         switch each engine's rule off: which case misses it?
 *   conformance --list                                          the groups, one a line
 *   conformance --write-table FILE                              generate docs/conformance.md
 *   conformance --check-table FILE                              fail if it is not current
 */
#include "conform.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "base/rules.h"

const cf_case *const cf_tables[] = {cf_backend_cases, cf_body_cases,      cf_update_cases,       cf_expiry_cases,
                                    cf_xattr_cases,   cf_tombstone_cases, cf_write_update_cases, cf_scan_cases,
                                    cf_feed_cases,    cf_path_cases,      cf_start_cases,        NULL};

/* ---- one test ---- */

typedef struct job {
    const cf_target *target;
    const cf_case *c;
    char name[160];
    unsigned n;
    cf state;
    const char *skipped; /* why */
    bool passed;
} job;

/* Without a rule: stop at the first case that fails. */
static bool only_first;
static const cf_case *first_failed;

static void run_job(void **state)
{
    job *j = *state;
    cf *t = &j->state;
    if (only_first && first_failed) skip();
    if (only_first && !j->skipped) first_failed = j->c; /* until it has passed */
    if (j->skipped) {
        print_message("%s: skipped: %s\n", j->name, j->skipped);
        skip();
    }
    t->target = j->target;
    t->n = j->n;
    cf_open(t);
    j->c->run(t);
    j->passed = true;
    if (only_first) first_failed = NULL;
}

static int close_job(void **state)
{
    job *j = *state;
    cf_close(&j->state);
    return 0;
}

static unsigned caps_of(const cf_target *target)
{
    cf t = {.target = target, .n = 0};
    cf_open(&t);
    unsigned caps = segue_store_caps(t.store);
    cf_close(&t);
    return caps;
}

/* ---- a target's tests, as one group ---- */

typedef struct selection {
    const char *group, *target, *id;
} selection;

static void *must(void *memory)
{
    if (memory) return memory;
    (void)fprintf(stderr, "conformance: out of memory\n"); /* nothing else to do about it */
    exit(1);
}

static size_t count_cases(const cf_case *const *tables)
{
    size_t n = 0;
    for (; *tables; tables++)
        for (const cf_case *c = *tables; c->id; c++) n++;
    return n;
}

/* Every case is run or says why not; the reasons of a target are counted. */
static void print_summary(const char *name, const job *jobs, size_t n)
{
    size_t passed = 0, skipped = 0;
    for (size_t i = 0; i < n; i++) {
        passed += jobs[i].passed;
        skipped += jobs[i].skipped != NULL;
    }
    print_message("conformance: %s: %zu passed, %zu skipped, %zu failed\n", name, passed, skipped,
                  n - passed - skipped);
    for (size_t i = 0; i < n; i++) {
        size_t same = 0;
        bool first = jobs[i].skipped != NULL;
        for (size_t k = 0; k < n && first; k++) {
            if (!jobs[k].skipped || strcmp(jobs[k].skipped, jobs[i].skipped) != 0) continue;
            if (k < i) first = false;
            same++;
        }
        if (first) print_message("conformance: %s:   %zu skipped: %s\n", name, same, jobs[i].skipped);
    }
}

static int run_target(const char *name, const cf_target *target, unsigned caps, const cf_case *const *tables,
                      const char *id)
{
    static unsigned n_jobs;
    size_t n = 0, most = count_cases(tables);
    job *jobs = must(seg_alloc_zero(most * sizeof *jobs));
    struct CMUnitTest *tests = must(seg_alloc_zero(most * sizeof *tests));
    for (; *tables; tables++)
        for (const cf_case *c = *tables; c->id; c++) {
            if (id && strcmp(id, c->id) != 0) continue;
            job *j = &jobs[n];
            j->target = target;
            j->c = c;
            j->n = ++n_jobs;
            j->skipped = target ? cf_why_not(target, caps, c) : c->elsewhere;
            (void)snprintf(j->name, sizeof j->name, "%s: %s %s", name, c->id, c->name); /* cut is fine: a label */
            tests[n++] = (struct CMUnitTest){j->name, run_job, NULL, close_job, j};
        }
    int failed = n ? _cmocka_run_group_tests(name, tests, n, NULL, NULL) : 0;
    print_summary(name, jobs, n);
    seg_free(tests);
    seg_free(jobs);
    return failed;
}

static int run_selected(const selection *s)
{
    int failed = 0;
    size_t chosen = 0;
    for (size_t i = 0; i < cf_n_targets; i++) {
        const cf_target *t = &cf_targets[i];
        if ((s->group && strcmp(s->group, t->group) != 0) || (s->target && strcmp(s->target, t->name) != 0)) continue;
        failed += run_target(t->name, t, caps_of(t), cf_tables, s->id);
        chosen++;
    }
    if (!s->target && (!s->group || strcmp(s->group, "elsewhere") == 0)) {
        static const cf_case *const elsewhere[] = {cf_elsewhere_cases, NULL};
        failed += run_target("elsewhere", NULL, 0, elsewhere, s->id);
        chosen++;
    }
    if (chosen) return failed;
    (void)fprintf(stderr, "conformance: there is no such group or target\n");
    return 2;
}

/* ---- teeth ---- */

/* In a child, for a rule that is off may abort the process. The case goes into the pipe. */
static int miss_in_child(const cf_target *target, const char *rule, int out)
{
    int silence = open("/dev/null", O_WRONLY);
    if (silence < 0 || dup2(silence, STDOUT_FILENO) < 0 || dup2(silence, STDERR_FILENO) < 0) return 2;
    unsigned caps = caps_of(target);
    only_first = true;
    (void)seg_rule_switch(rule, false); /* it is there */
    (void)run_target(target->name, target, caps, cf_tables, NULL);
    cf_remove_folder();
    if (!first_failed) return 1;
    size_t size = strlen(first_failed->id);
    return write(out, first_failed->id, size) == (ssize_t)size ? 0 : 2;
}

/* Whether a case misses it. */
static bool show_miss(const cf_target *target, const char *rule)
{
    char id[32] = "";
    int ends[2], how = 0;
    (void)fflush(stdout); /* what fails is said at the next */
    if (pipe(ends) != 0) return false;
    pid_t child = fork();
    if (child == 0) _exit(miss_in_child(target, rule, ends[1]));
    (void)close(ends[1]);
    ssize_t n = read(ends[0], id, sizeof id - 1);
    (void)close(ends[0]);
    bool ended = child > 0 && waitpid(child, &how, 0) == child;
    bool crashed = ended && WIFSIGNALED(how), found = ended && WIFEXITED(how) && WEXITSTATUS(how) == 0 && n > 0;
    if (crashed) printf("ok - without %s on %s: the engine aborts\n", rule, target->name);
    else if (found) printf("ok - without %s on %s: case %s\n", rule, target->name, id);
    else printf("not ok - no case misses %s on %s\n", rule, target->name);
    return crashed || found;
}

static int show_teeth(const selection *s)
{
    static const char *const engines[] = {"mem", "sqlite", "rosmar"};
    int failed = 0;
    for (size_t i = 0; i < cf_n_targets; i++) {
        const cf_target *t = &cf_targets[i];
        bool is_engine = false, is_file = strcmp(t->name, "mem") != 0;
        for (size_t k = 0; k < sizeof engines / sizeof engines[0]; k++) is_engine |= strcmp(engines[k], t->name) == 0;
        if (!is_engine || (s->target && strcmp(s->target, t->name) != 0)) continue;
        for (unsigned r = 0; r < SEG_N_RULES; r++) {
            const char *by = seg_rule_missed_by((seg_rule)r);
            if (strcmp(by, "ENGINE") != 0 && (strcmp(by, "FILE") != 0 || !is_file)) continue;
            failed += !show_miss(t, seg_rule_name((seg_rule)r));
        }
    }
    return failed;
}

/* ---- the table in docs ---- */

static void add(segue_buf *out, const char *text)
{
    if (segue_buf_append(out, text, strlen(text)) != SEGUE_OK) (void)must(NULL);
}

static void add_counts(segue_buf *out, const cf_target *target)
{
    char line[512];
    unsigned caps = caps_of(target), run = 0, skipped = 0;
    const char *why[8];
    size_t n_why = 0;
    for (const cf_case *const *table = cf_tables; *table; table++)
        for (const cf_case *c = *table; c->id; c++) {
            const char *not = cf_why_not(target, caps, c);
            run += !not ;
            skipped += not != NULL;
            size_t i = 0;
            while (not &&i < n_why && strcmp(why[i], not ) != 0) i++;
            if (not &&i == n_why && n_why < 8) why[n_why++] = not ;
        }
    (void)snprintf(line, sizeof line, "| %s | %u | %u |", target->name, run, skipped); /* fits */
    add(out, line);
    for (size_t i = 0; i < n_why; i++) {
        add(out, i ? "; " : " ");
        add(out, why[i]);
    }
    add(out, n_why ? " |\n" : " none |\n");
}

void cf_write_table(segue_buf *out)
{
    char line[512];
    add(out,
        "# Conformance\n\nGenerated by `conformance --write-table`; `make test` checks that it is current.\n\n"
        "Every case below is run against every target, each as a test of its own. A dual store is run from six starts: with "
        "the documents\nof the case put through the dual store; into the fallback only; into the primary over a stale "
        "document in the fallback; and each of\nthese once more, *expired*: what the case begins with as a tombstone is an "
        "expired document, and so is what is stale under a live one.\n"
        "B1 to B10 are the obligations of `backends.md`, S1 to S120 the scenarios of the "
        "DataStore interface.\n\n## Targets\n\n| target | cases run | skipped | because |\n|---|---|---|---|\n");
    for (size_t i = 0; i < cf_n_targets; i++) add_counts(out, &cf_targets[i]);
    add(out, "\n## Cases\n\n| case | what must hold |\n|---|---|\n");
    for (const cf_case *const *table = cf_tables; *table; table++)
        for (const cf_case *c = *table; c->id; c++) {
            (void)snprintf(line, sizeof line, "| %s | %s |\n", c->id, c->name); /* fits */
            add(out, line);
        }
    add(out, "\n## Scenarios without a case of their own\n\n| scenario | about | why |\n|---|---|---|\n");
    for (const cf_case *c = cf_elsewhere_cases; c->id; c++) {
        (void)snprintf(line, sizeof line, "| %s | %s | %s |\n", c->id, c->name, c->elsewhere); /* fits */
        add(out, line);
    }
}

static const char *table_file;

static void table_is_current(void **state)
{
    (void)state;
    SEG_AUTO(segue_buf) want = {0}, have = {0};
    char chunk[4096];
    size_t n;
    cf_write_table(&want);
    FILE *file = fopen(table_file, "rb");
    if (!file) fail_msg("%s cannot be read", table_file);
    while ((n = fread(chunk, 1, sizeof chunk, file)) > 0) assert_int_equal(segue_buf_append(&have, chunk, n), SEGUE_OK);
    (void)fclose(file); /* it was only read */
    if (!segue_slice_equal(segue_buf_slice(&want), segue_buf_slice(&have)))
        fail_msg("%s is not current: run conformance --write-table %s", table_file, table_file);
}

/* S1 to S120: each has a case by its number, or a reason why not. */
static void every_scenario_is_there(void **state)
{
    (void)state;
    bool seen[121] = {false};
    for (const cf_case *const *table = cf_tables;; table++) {
        for (const cf_case *c = *table ? *table : cf_elsewhere_cases; c->id; c++) {
            uint64_t n;
            if (c->id[0] == 'S' && seg_parse_u64(K(c->id + 1), &n) && n >= 1 && n <= 120) seen[n] = true;
            if (!c->run != (c->elsewhere != NULL)) fail_msg("%s: neither or both of a case and a reason", c->id);
        }
        if (!*table) break;
    }
    for (unsigned n = 1; n <= 120; n++)
        if (!seen[n]) fail_msg("scenario S%u has neither a case nor a reason", n);
}

static int write_table(void)
{
    SEG_AUTO(segue_buf) text = {0};
    cf_write_table(&text);
    FILE *file = fopen(table_file, "wb");
    if (!file || fwrite(text.data, 1, text.size, file) != text.size || fclose(file) != 0) {
        perror(table_file);
        return 1;
    }
    return 0;
}

/* ---- */

static void no_log(void *ctx, segue_log_level level, const char *line) { (void)ctx, (void)level, (void)line; }

static int usage(void)
{
    (void)fprintf(stderr, "usage: conformance [--group NAME] [--target NAME] [--case ID] | --list |\n"
                          "       --teeth [--target NAME] | --write-table FILE | --check-table FILE\n");
    return 2;
}

int main(int argc, char **argv)
{
    selection s = {0};
    bool check = false, list = false, teeth = false;
    for (int i = 1; i < argc; i++) {
        const char **value = strcmp(argv[i], "--group") == 0    ? &s.group
                             : strcmp(argv[i], "--target") == 0 ? &s.target
                             : strcmp(argv[i], "--case") == 0   ? &s.id
                             : strstr(argv[i], "-table")        ? &table_file
                                                                : NULL;
        if (strcmp(argv[i], "--list") == 0) list = true;
        else if (strcmp(argv[i], "--teeth") == 0) teeth = true;
        else if (!value || i + 1 == argc) return usage();
        if (strcmp(argv[i], "--check-table") == 0) check = true;
        if (value) *value = argv[++i];
    }
    for (size_t i = 0; list && i < cf_n_targets; i++)
        if (i == 0 || strcmp(cf_targets[i].group, cf_targets[i - 1].group) != 0) (void)puts(cf_targets[i].group);
    if (list) return 0;
    if (teeth) return show_teeth(&s);
    segue_set_log(no_log, NULL, SEGUE_LOG_DEBUG); /* so that trace has somebody to speak to */
    const struct CMUnitTest current[] = {cmocka_unit_test(table_is_current), cmocka_unit_test(every_scenario_is_there)};
    int failed = !table_file ? run_selected(&s) : check ? cmocka_run_group_tests(current, NULL, NULL) : write_table();
    cf_remove_folder();
    return failed > 125 ? 125 : failed;
}
