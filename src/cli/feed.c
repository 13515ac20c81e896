/* L6: feed: what changes in stores, a line for each. */
#include "base/base.h"
#include "cli/cli.h"
#include "cli/jsonl.h"
#include <segue/feed.h>

enum { STORES_MAX = 16 };

/* How long to wait at once while following: Ctrl-C is looked at in between. */
static const int64_t NAP_NS = 200000000;

typedef struct feed_run {
    seg_cli *cli;
    segue_store *stores[STORES_MAX];
    segue_feed *feed;
    segue_buf cursor; /* after the last event */
    uint64_t n_events;
    bool keys_only;
} feed_run;

/* For writing where that is allowed: the first feed of a SQLite file makes an index there. */
static int open_store(feed_run *run, const char *url, segue_store **ret_store)
{
    segue_error err = {0};
    segue_open_options options = {.flags = SEGUE_OPEN_EXISTING | SEGUE_OPEN_NO_REAPER};
    segue_status st = segue_open(url, &options, ret_store, &err);
    if (st == SEGUE_ACCESS_DENIED || st == SEGUE_READ_ONLY)
        return seg_cli_open(run->cli, url, SEGUE_OPEN_READ_ONLY, ret_store);
    return st == SEGUE_OK ? SEG_EXIT_DONE : seg_cli_fail(run->cli, st, &err);
}

/* --since: a cursor, "now", or a CAS for all stores. */
static int open_feed(feed_run *run)
{
    const char *text = seg_cli_value(run->cli, "since");
    uint64_t since[STORES_MAX], cas = 0;
    segue_error err = {0};
    segue_feed_options o = {.since = since};
    bool is_cas = text && seg_parse_u64(segue_str(text), &cas);
    if (text && strcmp(text, "now") == 0) cas = SEGUE_FEED_NOW;
    else if (text && !is_cas) o.cursor = segue_str(text);
    for (size_t i = 0; i < run->cli->n_arguments; i++) since[i] = cas;
    if (run->keys_only || !run->cli->json) o.flags |= SEGUE_FEED_NO_XATTRS;
    if (run->keys_only) o.flags |= SEGUE_FEED_KEYS_ONLY;
    if (!seg_cli_has(run->cli, "follow")) o.flags |= SEGUE_FEED_STOP_AT_END;
    segue_status st = segue_feed_open(run->stores, run->cli->n_arguments, &o, &run->feed, &err);
    if (st == SEGUE_INVALID_CURSOR) return seg_cli_usage(run->cli, "--since %.40s: %s", text, err.message);
    return st == SEGUE_OK ? SEG_EXIT_DONE : seg_cli_fail(run->cli, st, &err);
}

static void print_event(const feed_run *run, const segue_feed_event *e)
{
    const segue_record *rec = &e->rec;
    if (run->cli->json) {
        bool several = run->cli->n_arguments > 1;
        seg_write_event(stdout, rec, run->keys_only, several ? (int)e->store : -1, segue_buf_slice(&run->cursor));
        return;
    }
    printf("%-7s  rev %-4llu  cas %-20llu  ", rec->is_tombstone ? "deleted" : "stored",
           (unsigned long long)rec->revision, (unsigned long long)rec->cas);
    if (!run->keys_only) printf("%9zu bytes  ", rec->body.size);
    if (run->cli->n_arguments > 1) printf("%s  ", run->cli->arguments[e->store]);
    seg_cli_print_key(stdout, rec->key);
    (void)fputc('\n', stdout); /* seg_cli_finish looks at it */
}

static int stopped(const feed_run *run)
{
    if (seg_cli_has(run->cli, "follow")) return SEG_EXIT_DONE;
    return seg_cli_failf(run->cli, SEGUE_NOT_FINISHED, "stopped after %llu %s; --since goes on from there",
                         (unsigned long long)run->n_events, seg_word(run->n_events, "event", "events"));
}

static int follow(feed_run *run)
{
    for (bool idle = false;;) {
        segue_error err = {0};
        segue_feed_event e;
        if (seg_cli_asked_to_stop()) return stopped(run);
        segue_status st = segue_feed_next(run->feed, idle ? NAP_NS : 0, &e, &err);
        if (st == SEGUE_OK) st = segue_feed_cursor(run->feed, &run->cursor);
        if (st == SEGUE_END) return SEG_EXIT_DONE;
        if (st != SEGUE_OK && st != SEGUE_TIMEOUT) return seg_cli_fail(run->cli, st, &err);
        idle = st == SEGUE_TIMEOUT;
        if (!idle) {
            run->n_events++;
            print_event(run, &e);
        }
        if (idle) (void)fflush(stdout); /* looked at here, and by seg_cli_finish */
        if (ferror(stdout)) return SEG_EXIT_DONE;
    }
}

int seg_verb_feed(seg_cli *cli)
{
    feed_run run = {.cli = cli, .keys_only = seg_cli_has(cli, "keys-only")};
    int code = SEG_EXIT_DONE;
    for (size_t i = 0; i < cli->n_arguments && code == SEG_EXIT_DONE; i++)
        code = open_store(&run, cli->arguments[i], &run.stores[i]);
    if (code == SEG_EXIT_DONE) code = open_feed(&run);
    if (code == SEG_EXIT_DONE) {
        seg_cli_catch_signals();
        code = follow(&run);
        if (run.n_events && !cli->json && !ferror(stdout))
            seg_cli_note(cli, "go on with --since %.*s", (int)run.cursor.size, run.cursor.data);
    }
    segue_feed_close(run.feed);
    for (size_t i = 0; i < cli->n_arguments; i++) segue_close(run.stores[i]);
    segue_buf_free(&run.cursor);
    return code;
}
