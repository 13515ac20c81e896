/* L6: status: what the status record of a migration says. */
#include "base/base.h"
#include "base/env.h"
#include "cli/migrate.h"

#include <unistd.h>

static void counts_json(seg_json_out *out, const segue_counts *c)
{
    seg_json_begin(out, "counts", '{');
    seg_json_number(out, "scanned", c->scanned);
    seg_json_number(out, "moved", c->moved);
    seg_json_number(out, "moved_bytes", c->moved_bytes);
    seg_json_number(out, "already", c->already);
    seg_json_number(out, "hidden", c->hidden);
    seg_json_number(out, "dropped", c->dropped);
    seg_json_number(out, "left", c->left);
    seg_json_number(out, "unmatched", c->unmatched);
    seg_json_number(out, "counters", c->counters);
    seg_json_number(out, "pills_finished", c->pills_finished);
    seg_json_number(out, "foreign_writes", c->foreign_writes);
    seg_json_number(out, "errors", c->errors);
    seg_json_number(out, "retries", c->retries);
    seg_json_number(out, "passes", c->passes);
    seg_json_number(out, "purged", c->purged);
    seg_json_end(out, '}');
}

/* Records a second, on average since the last run began. 0: not known. */
static double rate_of(const segue_migration_status *s)
{
    return s->run_ns > 0 ? (double)s->done * 1e9 / (double)s->run_ns : 0;
}

/* What is left of the sweep at that rate. Negative: not known, or nobody is at it. */
static double seconds_left(const segue_migration_status *s)
{
    bool is_known = s->is_running && s->stage == SEGUE_STAGE_SWEEPING && s->done && s->total > s->done && s->run_ns > 0;
    return is_known ? (double)(s->total - s->done) / rate_of(s) : -1;
}

static void texts_json(seg_json_out *out, const char *name, char *const *texts, size_t n)
{
    seg_json_begin(out, name, '[');
    for (size_t i = 0; i < n; i++) seg_json_text(out, NULL, segue_str(texts[i]));
    seg_json_end(out, ']');
}

static const char *or_empty(const char *text) { return text ? text : ""; }

void seg_status_json(const segue_migration_status *s)
{
    seg_json_out out = {.file = stdout};
    seg_json_begin(&out, NULL, '{');
    seg_json_text(&out, "name", segue_str(s->name));
    seg_json_text(&out, "run_id", segue_str(s->run_id));
    seg_json_number(&out, "epoch", s->epoch);
    seg_json_text(&out, "stage", segue_str(segue_stage_name(s->stage)));
    seg_json_bool(&out, "is_running", s->is_running);
    seg_json_text(&out, "from", segue_str(or_empty(s->from)));
    seg_json_text(&out, "to", segue_str(or_empty(s->to)));
    seg_json_text(&out, "policy_digest", segue_str(s->policy_digest));
    seg_json_bool(&out, "keep", s->keep);
    seg_json_number(&out, "pass", s->pass);
    seg_json_number(&out, "total", s->total);
    seg_json_number(&out, "done", s->done);
    seg_json_real(&out, "rate", rate_of(s));
    if (seconds_left(s) >= 0) seg_json_real(&out, "seconds_left", seconds_left(s));
    counts_json(&out, &s->counts);
    seg_json_text(&out, "cursor", segue_str(or_empty(s->cursor)));
    seg_json_number(&out, "started", (uint64_t)s->started_s);
    seg_json_number(&out, "changed", (uint64_t)s->changed_s);
    seg_json_number(&out, "finished", (uint64_t)s->finished_s);
    seg_json_real(&out, "active_seconds", (double)s->active_ns / 1e9);
    seg_json_real(&out, "hold_seconds", (double)s->hold_ns / 1e9);
    seg_json_text(&out, "last_error", segue_str(or_empty(s->last_error)));
    texts_json(&out, "failed_keys", s->failed_keys, s->n_failed_keys);
    texts_json(&out, "foreign_keys", s->foreign_keys, s->n_foreign_keys);
    seg_json_end(&out, '}');
    seg_json_line(&out);
}

static void line(const char *what, uint64_t n, const char *remark)
{
    char count[32];
    if (n) printf("  %12s %s%s%s%s\n", seg_cli_count(n, count), what, *remark ? "  " : "", remark, "");
}

/* ", 12,345/s, 3.4 s left"; "" if there is nothing to say. */
static const char *pace(const segue_migration_status *s, char out[96])
{
    char a[32], b[32];
    double left = seconds_left(s);
    out[0] = '\0';
    if (left >= 0)
        (void)snprintf(out, 96, ", %s/s, %s left", seg_cli_count((uint64_t)rate_of(s), a),
                       seg_cli_time((int64_t)(left * 1e9), b)); /* fits */
    return out;
}

static void state_text(const segue_migration_status *s)
{
    bool done = s->stage == SEGUE_STAGE_CLEAN;
    const char *remark = done                               ? "done: the new store alone counts"
                         : s->is_running                    ? "running"
                         : s->stage == SEGUE_STAGE_VERIFIED ? "waiting for `segue seal` or for the same command again"
                         : s->stage == SEGUE_STAGE_SEALED
                             ? "the new store alone counts; `segue clean` or the same command is left"
                             : "not running; the same command goes on";
    printf("migration %s: %s%s%s, %s\n", s->name, seg_cli_style(done ? SEG_GOOD : SEG_WARN), segue_stage_name(s->stage),
           seg_cli_style(SEG_PLAIN), remark);
}

void seg_status_text(const segue_migration_status *s)
{
    char a[32], b[64], c[96];
    state_text(s);
    printf("  from  %s\n  to    %s\n", or_empty(s->from), or_empty(s->to));
    if (s->is_running && s->total)
        printf("  now   %s of %s settled%s\n", seg_cli_count(s->done, a), seg_cli_count(s->total, b), pace(s, c));
    (void)snprintf(b, sizeof b, "(%s)", seg_cli_size(s->counts.moved_bytes, a)); /* fits */
    line(s->keep ? "copied" : "moved", s->counts.moved, b);
    line(seg_word(s->counts.already, "was in the new store already", "were in the new store already"),
         s->counts.already, "");
    line("of them deleted there, which stays so", s->counts.hidden, "");
    line(seg_word(s->counts.counters, "counter handed over", "counters handed over"), s->counts.counters, "");
    line("of them begun by somebody else", s->counts.pills_finished, "");
    line("dropped", s->counts.dropped, "");
    line(seg_word(s->counts.left, "other looked at and left there", "others looked at and left there"), s->counts.left,
         "");
    line("of them taken by no rule", s->counts.unmatched, "(segue plan lists them)");
    line(seg_word(s->counts.foreign_writes, "foreign write", "foreign writes"), s->counts.foreign_writes, "");
    line(seg_word(s->counts.errors, "failure, tried again", "failures, tried again"), s->counts.errors, "");
    line(seg_word(s->counts.purged, "tombstone purged that only hid the old store",
                  "tombstones purged that only hid the old store"),
         s->counts.purged, "");
    printf("  %s %s, %s of work", seg_cli_count(s->counts.passes, a), seg_word(s->counts.passes, "pass", "passes"),
           seg_cli_time(s->active_ns, b));
    if (s->hold_ns) printf(", writes held for %s", seg_cli_time(s->hold_ns, a));
    printf("\n");
    if (s->last_error && *s->last_error) printf("  last error: %s\n", s->last_error);
    for (size_t i = 0; i < s->n_failed_keys; i++) printf("  failed: %s\n", s->failed_keys[i]);
    for (size_t i = 0; i < s->n_foreign_keys; i++) printf("  written in the old store: %s\n", s->foreign_keys[i]);
}

/* One line for --watch. */
static void watch_line(const segue_migration_status *s)
{
    char a[32], b[32], c[96];
    printf("%s%s, pass %llu, %s of %s settled%s%s%s\n", segue_stage_name(s->stage),
           s->is_running || s->stage == SEGUE_STAGE_CLEAN ? "" : " (not running)", (unsigned long long)s->pass,
           seg_cli_count(s->done, a), s->total ? seg_cli_count(s->total, b) : "?", pace(s, c),
           s->last_error && *s->last_error ? ", last error: " : "", or_empty(s->last_error));
}

int seg_verb_status(seg_cli *cli)
{
    SEG_AUTO_STORE store = NULL;
    bool watch = seg_cli_has(cli, "watch");
    int code = seg_cli_open(cli, cli->arguments[0], SEGUE_OPEN_READ_ONLY, &store);
    if (code != SEG_EXIT_DONE) return code;
    for (;;) {
        segue_error err = {0};
        segue_migration_status status = {0};
        segue_status st = segue_migration_status_read(store, seg_cli_value(cli, "name"), &status, &err);
        if (st != SEGUE_OK) return seg_cli_fail(cli, st, &err);
        bool done = status.stage == SEGUE_STAGE_CLEAN;
        if (cli->json) seg_status_json(&status);
        else if (watch && !done) watch_line(&status);
        else seg_status_text(&status);
        segue_migration_status_free(&status);
        if (!watch || done || fflush(stdout) != 0) return SEG_EXIT_DONE;
        seg_sleep_ns(segue_env_default(), 1000000000);
    }
}
