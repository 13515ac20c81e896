/* L6: reap, purge: what expiry and deletion leave behind. */
#include "cli/cli.h"

static void print_count(const seg_cli *cli, const char *name, uint64_t n)
{
    if (!cli->json) {
        printf("%llu\n", (unsigned long long)n);
        return;
    }
    seg_json_out out = {.file = stdout};
    seg_json_begin(&out, NULL, '{');
    seg_json_number(&out, name, n);
    seg_json_end(&out, '}');
    seg_json_line(&out);
}

/* What was done before a failure stays done, so it is said, too. */
static int finish(const seg_cli *cli, const char *name, uint64_t n, segue_status st, const segue_error *err)
{
    if (st == SEGUE_OK || n > 0) print_count(cli, name, n);
    return st == SEGUE_OK ? SEG_EXIT_DONE : seg_cli_fail(cli, st, err);
}

int seg_verb_reap(seg_cli *cli)
{
    segue_error err = {0};
    SEG_AUTO_STORE store = NULL;
    uint64_t most, n = 0;
    if (!seg_cli_number(cli, "limit", 0, &most)) return SEG_EXIT_USAGE;
    if (seg_cli_has(cli, "limit") && most == 0) return seg_cli_usage(cli, "--limit is at least 1");
    int code = seg_cli_open(cli, cli->arguments[0], SEGUE_OPEN_EXISTING, &store);
    if (code != SEG_EXIT_DONE) return code;
    segue_status st = segue_reap(store, most, &n, &err);
    return finish(cli, "reaped", n, st, &err);
}

int seg_verb_purge(seg_cli *cli)
{
    segue_error err = {0};
    SEG_AUTO_STORE store = NULL;
    uint64_t n = 0;
    int code = seg_cli_open(cli, cli->arguments[0], SEGUE_OPEN_EXISTING, &store);
    if (code != SEG_EXIT_DONE) return code;
    segue_status st = segue_purge_tombstones(store, &n, &err);
    return finish(cli, "purged", n, st, &err);
}
