/* L6: policies from files or built in, `policy check`, and the two sides that most verbs begin with. */
#include "cli/policy.h"
#include "base/base.h"

#include <errno.h>

enum { POLICY_FILE_MAX = 1024 * 1024, IDS_MAX = 256 };

static bool is_built_in(const char *text) { return strcmp(text, "sync-gateway") == 0; }

static bool names_database(const seg_cli *cli)
{
    return seg_cli_has(cli, "metadata-id") || seg_cli_has(cli, "sibling-id") || seg_cli_has(cli, "group") ||
           seg_cli_has(cli, "collection");
}

bool seg_cli_policy_needs_store(const seg_cli *cli, const char *text)
{
    return is_built_in(text) && !names_database(cli);
}

static int built_in(const seg_cli *cli, segue_store *from, segue_store *to, segue_policy **ret_policy)
{
    segue_error err = {0};
    segue_status st;
    const char *siblings[IDS_MAX], *collections[IDS_MAX];
    if (!names_database(cli)) {
        st = segue_policy_sync_gateway_bucket(from, to, ret_policy, &err);
    } else {
        segue_sg_database database = {.metadata_id = seg_cli_value(cli, "metadata-id"),
                                      .sibling_ids = siblings,
                                      .group = seg_cli_value(cli, "group"),
                                      .collections = collections};
        if (!seg_cli_values(cli, "sibling-id", siblings, IDS_MAX, &database.n_sibling_ids) ||
            !seg_cli_values(cli, "collection", collections, IDS_MAX, &database.n_collections))
            return SEG_EXIT_USAGE;
        st = segue_policy_sync_gateway(&database, ret_policy, &err);
    }
    return st == SEGUE_OK ? SEG_EXIT_DONE : seg_cli_fail(cli, st, &err);
}

static int read_file(const seg_cli *cli, const char *path, segue_buf *text)
{
    char chunk[16384];
    FILE *file = fopen(path, "re");
    if (!file)
        return seg_cli_failf(cli, seg_status_of_errno(errno),
                             "policy %s cannot be read: %s (the one built in is called sync-gateway)", path,
                             strerror(errno));
    int code = SEG_EXIT_DONE;
    errno = 0;
    for (size_t n; code == SEG_EXIT_DONE && (n = fread(chunk, 1, sizeof chunk, file)) > 0;)
        if (segue_buf_append(text, chunk, n) != SEGUE_OK)
            code = seg_cli_failf(cli, SEGUE_TOO_BIG, "policy %s is larger than %d bytes", path, POLICY_FILE_MAX);
    if (ferror(file)) code = seg_cli_failf(cli, SEGUE_IO_ERROR, "policy %s cannot be read: %s", path, strerror(errno));
    (void)fclose(file); /* it was read only */
    return code;
}

int seg_cli_policy(const seg_cli *cli, const char *text, segue_store *from, segue_store *to, segue_policy **ret_policy)
{
    segue_error err = {0};
    SEG_AUTO(segue_buf) content = {.max = POLICY_FILE_MAX};
    if (is_built_in(text)) return built_in(cli, from, to, ret_policy);
    if (names_database(cli))
        return seg_cli_usage(cli,
                             "--metadata-id, --sibling-id, --group and --collection go with --policy sync-gateway");
    int code = read_file(cli, text, &content);
    if (code != SEG_EXIT_DONE) return code;
    segue_status st = segue_policy_parse(segue_buf_slice(&content), ret_policy, &err);
    if (st == SEGUE_OK) return SEG_EXIT_DONE;
    return seg_cli_failf(cli, st, "policy %s: %s", text, err.message);
}

/* ---- both sides ---- */

void seg_sides_close(seg_sides *sides)
{
    segue_policy_free(sides->policy);
    segue_close(sides->to);
    segue_close(sides->from);
    *sides = (seg_sides){0};
}

int seg_sides_open(const seg_cli *cli, unsigned flags, unsigned what, seg_sides *sides)
{
    const char *from = seg_cli_value(cli, "from"), *to = seg_cli_value(cli, "to");
    const char *policy = seg_cli_value(cli, "policy");
    segue_error err = {0};
    segue_open_options options = {.flags = flags | SEGUE_OPEN_EXISTING | SEGUE_OPEN_NO_REAPER};
    *sides = (seg_sides){0};
    if (!from || !to)
        return seg_cli_usage(cli, "%s needs --from and --to: the store to move out of and the one to move into",
                             cli->verb->name);
    if (!policy) return seg_cli_usage(cli, "%s needs --policy: a file, or sync-gateway", cli->verb->name);
    int code = seg_cli_open(cli, from, options.flags, &sides->from);
    if (code != SEG_EXIT_DONE) return code;
    segue_status st = segue_open(to, &options, &sides->to, &err);
    if (st != SEGUE_OK && (st != SEGUE_NO_STORE || (what & SEG_SIDES_NEED_TO))) return seg_cli_fail(cli, st, &err);
    code = seg_cli_policy(cli, policy, sides->from, sides->to, &sides->policy);
    if (code == SEG_EXIT_DONE && !sides->to && (what & SEG_SIDES_MAKE_TO))
        code = seg_cli_open_or_make(cli, to, &sides->to);
    return code;
}

/* ---- policy check ---- */

static void check_json(const segue_policy *policy, const segue_plan *plan)
{
    seg_json_out out = {.file = stdout};
    for (size_t i = 0; i < segue_policy_n_rules(policy); i++) {
        segue_rule rule = segue_policy_rule(policy, i);
        seg_json_begin(&out, NULL, '{');
        seg_json_number(&out, "rule", i);
        seg_json_text(&out, "name", segue_str(rule.name));
        if (rule.database) seg_json_text(&out, "database", segue_str(rule.database));
        seg_json_text(&out, "kind", segue_str(rule.kind));
        if (rule.pattern.data) seg_json_key(&out, "pattern", rule.pattern);
        seg_json_text(&out, "action", segue_str(segue_action_name(rule.action)));
        if (plan) seg_json_number(&out, "live", plan->by_rule[i].live);
        if (plan) seg_json_number(&out, "tombstones", plan->by_rule[i].tombstones);
        seg_json_end(&out, '}');
        seg_json_line(&out);
    }
}

static void check_text(const segue_policy *policy, const segue_plan *plan)
{
    char digest[SEGUE_POLICY_DIGEST_SIZE], live[32], tombstones[32];
    segue_policy_digest(policy, digest);
    size_t n = segue_policy_n_rules(policy);
    printf("%zu %s, digest %s; the first that matches wins\n\n", n, seg_word(n, "rule", "rules"), digest);
    if (plan) printf("%10s %10s  ", "live", "tombstones");
    printf("%-8s %-24s %-10s %-9s pattern\n", "action", "name", "database", "kind");
    for (size_t i = 0; i < n; i++) {
        segue_rule rule = segue_policy_rule(policy, i);
        const segue_tally *t = plan ? &plan->by_rule[i] : NULL;
        bool none = t && t->live + t->tombstones == 0;
        if (none) printf("%s", seg_cli_style(SEG_DIM));
        if (t)
            printf("%10s %10s  ", none ? "none" : seg_cli_count(t->live, live),
                   none ? "" : seg_cli_count(t->tombstones, tombstones));
        printf("%-8s %-24.24s %-10.10s %-9s ", segue_action_name(rule.action), rule.name,
               rule.database ? rule.database : "", rule.kind);
        seg_cli_print_key(stdout, rule.pattern);
        printf("%s%s\n", rule.last ? "  (last)" : "", none ? seg_cli_style(SEG_PLAIN) : "");
    }
}

int seg_verb_policy_check(seg_cli *cli)
{
    segue_error err = {0};
    segue_plan plan = {0};
    SEG_AUTO_STORE store = NULL;
    SEG_AUTO_POLICY policy = NULL;
    const char *keys_from = seg_cli_value(cli, "keys-from");
    const char *text = cli->n_arguments ? cli->arguments[0] : seg_cli_value(cli, "policy");
    if (!text) return seg_cli_usage(cli, "policy check needs a FILE, or sync-gateway");
    if (!keys_from && seg_cli_policy_needs_store(cli, text))
        return seg_cli_usage(cli,
                             "sync-gateway without --metadata-id reads the bucket's registry: add --keys-from URL");
    int code = keys_from ? seg_cli_open(cli, keys_from, SEGUE_OPEN_READ_ONLY, &store) : SEG_EXIT_DONE;
    if (code == SEG_EXIT_DONE) code = seg_cli_policy(cli, text, store, NULL, &policy);
    if (code != SEG_EXIT_DONE) return code;
    segue_status st = store ? segue_plan_make(store, NULL, policy, &plan, &err) : SEGUE_OK;
    if (st != SEGUE_OK) return seg_cli_fail(cli, st, &err);
    if (cli->json) check_json(policy, store ? &plan : NULL);
    else check_text(policy, store ? &plan : NULL);
    segue_plan_free(&plan);
    return SEG_EXIT_DONE;
}
