/* L6: export and import: records as JSON Lines (jsonl.h). */
#include "base/base.h"
#include "cli/bulk.h"
#include "cli/cli.h"
#include "cli/jsonl.h"
#include "cli/progress.h"

#include <errno.h>

enum { IMPORT_THREADS = 8 };

/* ---- export ---- */

static segue_status export_scan(segue_scan *scan, seg_progress *progress, segue_error *err)
{
    for (uint64_t n = 0; !ferror(stdout); n++) {
        const segue_record *rec;
        segue_status st = segue_scan_next(scan, &rec, err);
        if (st != SEGUE_OK) return st == SEGUE_END ? SEGUE_OK : st;
        seg_write_record(stdout, rec);
        if (n % 64 == 0) seg_progress_say(progress, "export", n, 0, NULL);
    }
    return SEGUE_OK; /* seg_cli_finish speaks of stdout */
}

int seg_verb_export(seg_cli *cli)
{
    segue_error err = {0};
    seg_progress progress;
    segue_scan *scan = NULL;
    SEG_AUTO_STORE store = NULL;
    segue_range range = {.prefix = segue_str(seg_cli_value(cli, "prefix"))};
    if (seg_cli_has(cli, "tombstones")) range.options |= SEGUE_SCAN_TOMBSTONES;
    int code = seg_cli_open(cli, cli->arguments[0], SEGUE_OPEN_READ_ONLY, &store);
    if (code != SEG_EXIT_DONE) return code;
    seg_progress_begin(&progress, cli);
    segue_status st = segue_scan_open(store, &range, &scan, &err);
    if (st == SEGUE_OK) st = export_scan(scan, &progress, &err);
    segue_scan_close(scan);
    seg_progress_end(&progress);
    return st == SEGUE_OK ? SEG_EXIT_DONE : seg_cli_fail(cli, st, &err);
}

/* ---- import ---- */

typedef struct import_run {
    seg_cli *cli;
    seg_bulk bulk;
    segue_store *judge; /* in memory, with the records of the batch: the limits of records are the library's to know */
    seg_lines lines;
    seg_progress progress;
} import_run;

/* Say where it went wrong and how much is in. */
static int import_failed(import_run *run, uint64_t line, segue_status st, const segue_error *err)
{
    char count[32];
    int code = seg_cli_failf(run->cli, st, "line %llu: %.170s; imported until then: %s", (unsigned long long)line,
                             err->message, seg_cli_count(run->bulk.written, count));
    return code == SEG_EXIT_USAGE ? SEG_EXIT_FAILED : code; /* the command was right, the data was not */
}

/* Whether a store would take this record at all. Asked before the record becomes part of a batch, because the threads that
 * write a batch do not wait for each other, and nothing after a bad line may get in. */
static segue_status judge(import_run *run, const segue_record *rec, segue_error *err)
{
    segue_status st = run->judge ? SEGUE_OK : segue_open("mem:", NULL, &run->judge, err);
    if (st == SEGUE_OK) st = segue_put_record(run->judge, rec, SEGUE_PUT_REPLACE, NULL, NULL, err);
    if (st == SEGUE_OK && rec->flags && !(segue_store_caps(run->bulk.to) & SEGUE_CAP_FLAGS))
        st = seg_error_set(err, SEGUE_UNSUPPORTED, "this store keeps no user flags, and the record has some");
    return st;
}

/* Write what has been read. */
static int flush(import_run *run)
{
    segue_error err = {0};
    seg_cli_close(&run->judge);
    segue_status st = seg_bulk_flush(&run->bulk, &err);
    if (st != SEGUE_OK) return import_failed(run, run->bulk.failed, st, &err);
    seg_progress_say(&run->progress, "import", run->bulk.written, 0, NULL);
    if (!seg_cli_asked_to_stop()) return SEG_EXIT_DONE;
    return seg_cli_failf(run->cli, SEGUE_NOT_FINISHED, "stopped after line %llu; import again with --replace to go on",
                         (unsigned long long)run->lines.number);
}

static int import_lines(import_run *run)
{
    for (;;) {
        segue_error err = {0};
        segue_slice line;
        segue_status st = seg_lines_next(&run->lines, &line, &err);
        if (st == SEGUE_END) return flush(run);
        if (st == SEGUE_OK && line.size == 0) continue;
        segue_doc *doc = seg_bulk_next(&run->bulk);
        if (st == SEGUE_OK) st = seg_parse_record(line, doc, &err);
        if (st == SEGUE_OK) st = judge(run, &doc->rec, &err);
        if (st != SEGUE_OK) {
            int code = flush(run); /* what came before it counts */
            return code == SEG_EXIT_DONE ? import_failed(run, run->lines.number, st, &err) : code;
        }
        seg_bulk_added(&run->bulk, run->lines.number);
        int code = seg_bulk_full(&run->bulk) ? flush(run) : SEG_EXIT_DONE;
        if (code != SEG_EXIT_DONE) return code;
    }
}

static void report_import(const import_run *run)
{
    char count[32];
    if (run->cli->json) {
        seg_json_out out = {.file = stdout};
        seg_json_begin(&out, NULL, '{');
        seg_json_number(&out, "imported", run->bulk.written);
        seg_json_end(&out, '}');
        seg_json_line(&out);
    } else if (!run->cli->quiet) {
        printf("imported %s %s\n", seg_cli_count(run->bulk.written, count),
               seg_word(run->bulk.written, "record", "records"));
    }
}

static int import(import_run *run)
{
    const char *path = run->cli->n_arguments > 1 ? run->cli->arguments[1] : "-";
    SEG_AUTO_STORE store = NULL;
    run->lines.file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (!run->lines.file)
        return seg_cli_failf(run->cli, seg_status_of_errno(errno), "%s cannot be read: %s", path, strerror(errno));
    int code = seg_cli_open_or_make(run->cli, run->cli->arguments[0], &store);
    if (code == SEG_EXIT_DONE) {
        if (!(segue_store_caps(store) & SEGUE_CAP_KEEP_CAS))
            seg_cli_note(run->cli, "this store gives each record a CAS of its own");
        run->bulk.to = store;
        seg_cli_catch_signals();
        seg_progress_begin(&run->progress, run->cli);
        code = import_lines(run);
        seg_progress_end(&run->progress);
        if (code == SEG_EXIT_DONE) report_import(run);
    }
    if (run->lines.file != stdin) (void)fclose(run->lines.file); /* it was read only */
    return code;
}

int seg_verb_import(seg_cli *cli)
{
    import_run *run = seg_alloc_zero(sizeof *run);
    if (!run) return seg_cli_failf(cli, SEGUE_NO_MEMORY, "out of memory");
    run->cli = cli;
    run->bulk.threads = IMPORT_THREADS;
    run->bulk.put_options = seg_cli_has(cli, "replace") ? SEGUE_PUT_REPLACE : 0;
    int code = import(run);
    seg_cli_close(&run->judge);
    seg_bulk_free(&run->bulk);
    seg_lines_free(&run->lines);
    seg_free(run);
    return code;
}
