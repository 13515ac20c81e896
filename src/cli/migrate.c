/* L6: migrate, verify, seal, clean. The work is the library's; here are options, progress, Ctrl-C and the report. */
#include "base/base.h"
#include "cli/migrate.h"
#include "cli/policy.h"
#include "cli/progress.h"

typedef struct run {
    const seg_cli *cli;
    seg_progress progress;
    segue_migration *migration;
} run;

static void on_progress(void *ctx, const segue_progress *p)
{
    run *r = ctx;
    if (seg_cli_asked_to_stop() && r->migration) segue_migration_cancel(r->migration);
    seg_progress_say(&r->progress, segue_stage_name(p->stage), p->done, p->total, NULL);
}

static int read_foreign(const seg_cli *cli, segue_on_foreign *ret)
{
    const char *text = seg_cli_value(cli, "on-foreign-write");
    if (!text || strcmp(text, "stop") == 0) *ret = SEGUE_FOREIGN_STOP;
    else if (strcmp(text, "newer") == 0) *ret = SEGUE_FOREIGN_NEWER;
    else if (strcmp(text, "primary") == 0) *ret = SEGUE_FOREIGN_PRIMARY;
    else return seg_cli_usage(cli, "--on-foreign-write needs stop, newer or primary, not \"%s\"", text);
    return SEG_EXIT_DONE;
}

int seg_migration_options(const seg_cli *cli, segue_migration_options *options)
{
    uint64_t workers;
    const char *fence = seg_cli_value(cli, "fence");
    *options = (segue_migration_options){.name = seg_cli_value(cli, "name"),
                                         .keep = seg_cli_has(cli, "keep"),
                                         .hold_seal = seg_cli_has(cli, "hold-seal"),
                                         .hold_clean = seg_cli_has(cli, "hold-clean"),
                                         .new_policy = seg_cli_has(cli, "new-policy"),
                                         .count_first = true};
    if (!seg_cli_number(cli, "workers", 0, &workers)) return SEG_EXIT_USAGE;
    if (workers > 64) return seg_cli_usage(cli, "--workers must be 1 to 64");
    options->workers = (unsigned)workers;
    if (fence && (!seg_parse_duration(fence, &options->fence_ns) || options->fence_ns < 0))
        return seg_cli_usage(cli, "--fence needs a time such as 30s, not \"%s\"", fence);
    return read_foreign(cli, &options->on_foreign_write);
}

/* Open, do, close; the status and its sentence. */
typedef segue_status (*step_fn)(segue_migration *migration, void *ctx, segue_error *err);

static segue_status with_migration(const seg_cli *cli, const seg_sides *sides, segue_migration_options *options,
                                   step_fn step, void *ctx, segue_error *err)
{
    run r = {.cli = cli};
    options->policy = sides->policy;
    options->progress = on_progress;
    options->progress_ctx = &r;
    segue_status st = segue_migration_open(sides->from, sides->to, options, &r.migration, err);
    if (st != SEGUE_OK) return st;
    seg_cli_catch_signals();
    seg_progress_begin(&r.progress, cli);
    st = step(r.migration, ctx, err);
    seg_progress_end(&r.progress);
    segue_migration_close(r.migration);
    return st;
}

/* ---- migrate ---- */

static segue_status step_run(segue_migration *migration, void *ctx, segue_error *err)
{
    (void)ctx;
    return segue_migration_run(migration, err);
}

/* What came of it, from the status record; also after a failure, if there is one. */
static void report(const seg_cli *cli, segue_store *to, segue_status outcome)
{
    segue_migration_status status = {0};
    if (segue_migration_status_read(to, seg_cli_value(cli, "name"), &status, NULL) != SEGUE_OK) return;
    if (cli->json) seg_status_json(&status);
    else if (outcome == SEGUE_OK || !cli->quiet) seg_status_text(&status);
    segue_migration_status_free(&status);
}

int seg_verb_migrate(seg_cli *cli)
{
    segue_error err = {0};
    segue_migration_options options;
    SEG_AUTO_SIDES sides = {0};
    seg_cli_catch_signals();
    int code = seg_migration_options(cli, &options);
    if (code == SEG_EXIT_DONE) code = seg_sides_open(cli, 0, SEG_SIDES_MAKE_TO, &sides);
    if (code != SEG_EXIT_DONE) return code;
    segue_status st = with_migration(cli, &sides, &options, step_run, NULL, &err);
    if (st == SEGUE_OK || st == SEGUE_NOT_FINISHED || st == SEGUE_DIFFERENT) report(cli, sides.to, st);
    return st == SEGUE_OK ? SEG_EXIT_DONE : seg_cli_fail(cli, st, &err);
}

/* ---- verify ---- */

typedef struct verifying {
    const seg_cli *cli;
    unsigned options;
    segue_verified verified;
} verifying;

static void on_difference(void *ctx, const segue_difference *d)
{
    const verifying *v = ctx;
    if (!v->cli->json) {
        printf("%s%-8s%s ", seg_cli_style(d->repaired ? SEG_WARN : SEG_BAD), segue_difference_name(d->kind),
               seg_cli_style(SEG_PLAIN));
        seg_cli_print_key(stdout, d->key);
        printf(": %s%s\n", d->text, d->repaired ? " (repaired)" : "");
        return;
    }
    seg_json_out out = {.file = stdout};
    seg_json_begin(&out, NULL, '{');
    seg_json_text(&out, "difference", segue_str(segue_difference_name(d->kind)));
    seg_json_key(&out, "key", d->key);
    seg_json_text(&out, "text", segue_str(d->text));
    seg_json_bool(&out, "repaired", d->repaired);
    seg_json_end(&out, '}');
    seg_json_line(&out);
}

static segue_status step_verify(segue_migration *migration, void *ctx, segue_error *err)
{
    verifying *v = ctx;
    return segue_migration_verify(migration, v->options, on_difference, v, &v->verified, err);
}

/* Why there was nothing to compare by content; NULL: there was, or nothing has been moved yet. */
static const char *why_nothing(const seg_cli *cli, segue_store *to)
{
    segue_migration_status status = {0};
    segue_status st = segue_migration_status_read(to, seg_cli_value(cli, "name"), &status, NULL);
    segue_stage stage = status.stage;
    segue_migration_status_free(&status);
    if (st == SEGUE_NOT_FOUND)
        return "no migration has begun here, so nothing was moved that could be compared: only the old store was looked at";
    if (st == SEGUE_OK && stage == SEGUE_STAGE_CLEAN)
        return "the migration is clean, and with it went the digests of what was moved: only the old store was looked at "
               "(`migrate --hold-clean`, verify, clean compares everything once more)";
    return NULL;
}

static void report_verified(const seg_cli *cli, const segue_verified *v, const char *nothing)
{
    char a[32], b[32], c[32], d[32], e[32], f[32], g[32];
    if (cli->json) {
        if (nothing) seg_cli_note(cli, "%s", nothing);
        seg_json_out out = {.file = stdout};
        seg_json_begin(&out, NULL, '{');
        seg_json_number(&out, "checked", v->checked);
        seg_json_number(&out, "same", v->same);
        seg_json_number(&out, "changed", v->changed);
        seg_json_number(&out, "deleted", v->deleted);
        seg_json_number(&out, "in_scope", v->in_scope);
        seg_json_number(&out, "differences", v->differences);
        seg_json_number(&out, "repaired", v->repaired);
        seg_json_end(&out, '}');
        seg_json_line(&out);
        return;
    }
    if (nothing) printf("%s\n", nothing);
    else
        printf("%s %s moved looked up: %s equal, %s changed by clients since, %s deleted or expired since\n",
               seg_cli_count(v->checked, a), seg_word(v->checked, "record that was", "records that were"),
               seg_cli_count(v->same, b), seg_cli_count(v->changed, c), seg_cli_count(v->deleted, d));
    printf("%s %s in scope left in the old store looked at\n%s%s %s%s, %s repaired\n", seg_cli_count(v->in_scope, e),
           seg_word(v->in_scope, "record", "records"), seg_cli_style(v->differences > v->repaired ? SEG_BAD : SEG_GOOD),
           seg_cli_count(v->differences, f), seg_word(v->differences, "difference", "differences"),
           seg_cli_style(SEG_PLAIN), seg_cli_count(v->repaired, g));
}

int seg_verb_verify(seg_cli *cli)
{
    segue_error err = {0};
    bool repair = seg_cli_has(cli, "repair");
    segue_migration_options options = {.name = seg_cli_value(cli, "name")};
    verifying v = {.cli = cli, .options = repair ? SEGUE_VERIFY_REPAIR : 0};
    SEG_AUTO_SIDES sides;
    int code = read_foreign(cli, &options.on_foreign_write);
    if (code == SEG_EXIT_DONE)
        code = seg_sides_open(cli, repair ? SEGUE_OPEN_EXISTING : SEGUE_OPEN_READ_ONLY, SEG_SIDES_NEED_TO, &sides);
    if (code != SEG_EXIT_DONE) return code;
    segue_status st = with_migration(cli, &sides, &options, step_verify, &v, &err);
    if (st == SEGUE_OK || st == SEGUE_DIFFERENT) {
        report_verified(cli, &v.verified, v.verified.checked ? NULL : why_nothing(cli, sides.to));
    }
    return st == SEGUE_OK ? SEG_EXIT_DONE : seg_cli_fail(cli, st, &err);
}

/* ---- seal, clean ---- */

static segue_status step_seal(segue_migration *migration, void *ctx, segue_error *err)
{
    (void)ctx;
    return segue_migration_seal(migration, err);
}

static segue_status step_clean(segue_migration *migration, void *ctx, segue_error *err)
{
    (void)ctx;
    return segue_migration_clean(migration, err);
}

static int last_step(seg_cli *cli, step_fn step)
{
    segue_error err = {0};
    segue_migration_options options;
    SEG_AUTO_SIDES sides = {0};
    int code = seg_migration_options(cli, &options);
    if (code == SEG_EXIT_DONE) code = seg_cli_open(cli, cli->arguments[0], SEGUE_OPEN_EXISTING, &sides.to);
    if (code != SEG_EXIT_DONE) return code;
    segue_status st = with_migration(cli, &sides, &options, step, NULL, &err);
    if (st != SEGUE_OK) return seg_cli_fail(cli, st, &err);
    report(cli, sides.to, st);
    return SEG_EXIT_DONE;
}

int seg_verb_seal(seg_cli *cli) { return last_step(cli, step_seal); }
int seg_verb_clean(seg_cli *cli) { return last_step(cli, step_clean); }
