/* L6: get, put, set, touch, incr, rm, ls: single documents, for people and scripts. */
#include "base/base.h"
#include "cli/cli.h"
#include "cli/jsonl.h"
#include <segue/ops.h>

#include <stdlib.h>
#include <unistd.h>

/* ---- stores ---- */

int seg_cli_open(const seg_cli *cli, const char *url, unsigned flags, segue_store **ret_store)
{
    segue_error err = {0};
    segue_open_options options = {.flags = flags | SEGUE_OPEN_NO_REAPER}; /* what is asked for, and nothing beside it */
    segue_status st = segue_open(url, &options, ret_store, &err);
    return st == SEGUE_OK ? SEG_EXIT_DONE : seg_cli_fail(cli, st, &err);
}

int seg_cli_open_or_make(const seg_cli *cli, const char *url, segue_store **ret_store)
{
    segue_error err = {0};
    segue_open_options options = {.flags = SEGUE_OPEN_EXISTING | SEGUE_OPEN_NO_REAPER};
    segue_status st = segue_open(url, &options, ret_store, &err);
    if (st != SEGUE_NO_STORE) return st == SEGUE_OK ? SEG_EXIT_DONE : seg_cli_fail(cli, st, &err);
    int code = seg_cli_open(cli, url, 0, ret_store);
    if (code == SEG_EXIT_DONE) seg_cli_note(cli, "made %s", url);
    return code;
}

/* ---- get ---- */

static int print_body(const seg_cli *cli, const segue_record *rec)
{
    bool raw = seg_cli_has(cli, "raw");
    if (!raw && isatty(STDOUT_FILENO) && !seg_utf8_valid(rec->body)) {
        seg_cli_note(cli, "%zu %s no text; --raw prints the body as it is", rec->body.size,
                     seg_word(rec->body.size, "byte that is", "bytes that are"));
        return SEG_EXIT_DONE;
    }
    (void)fwrite(rec->body.data, 1, rec->body.size, stdout); /* seg_cli_finish looks at it */
    if (!raw) (void)fputc('\n', stdout);                     /* the same */
    return SEG_EXIT_DONE;
}

static void print_xattrs(const segue_record *rec)
{
    for (size_t i = 0; i < rec->n_xattrs; i++) {
        const segue_xattr *x = &rec->xattrs[i];
        printf("%.*s=%.*s\n", (int)x->name.size, x->name.data, (int)x->value.size, x->value.data);
    }
}

/* --path or --xattr: one of them, or neither. *ret_path has no data if none was given. */
static int read_place(const seg_cli *cli, segue_path_in *ret_in, segue_slice *ret_path)
{
    const char *path = seg_cli_value(cli, "path"), *xattr = seg_cli_value(cli, "xattr");
    if (path && xattr) return seg_cli_usage(cli, "--path and --xattr exclude each other");
    *ret_in = xattr ? SEGUE_IN_XATTR : SEGUE_IN_BODY;
    *ret_path = segue_str(xattr ? xattr : path);
    return SEG_EXIT_DONE;
}

static int get_place(const seg_cli *cli, segue_store *store, segue_path_in in, segue_slice path)
{
    segue_error err = {0};
    segue_slice json, key = segue_str(cli->arguments[1]);
    SEG_AUTO(segue_doc) doc = {0};
    segue_status st = segue_subdoc_get(store, key, in, path, NULL, &doc, &json, &err);
    if (st != SEGUE_OK) return seg_cli_fail(cli, st, &err);
    if (!cli->json) {
        (void)fwrite(json.data, 1, json.size, stdout);           /* seg_cli_finish looks at it */
        if (!seg_cli_has(cli, "raw")) (void)fputc('\n', stdout); /* the same */
        return SEG_EXIT_DONE;
    }
    seg_json_out out = {.file = stdout};
    seg_json_begin(&out, NULL, '{');
    seg_json_key(&out, "key", key);
    seg_json_text(&out, in == SEGUE_IN_BODY ? "path" : "xattr", path);
    seg_json_raw(&out, "value", json);
    seg_json_u64_text(&out, "cas", doc.rec.cas);
    seg_json_u64_text(&out, "rev", doc.rec.revision);
    seg_json_bool(&out, "deleted", doc.rec.is_tombstone);
    seg_json_end(&out, '}');
    seg_json_line(&out);
    return SEG_EXIT_DONE;
}

int seg_verb_get(seg_cli *cli)
{
    segue_error err = {0};
    segue_path_in in;
    segue_slice path;
    SEG_AUTO(segue_doc) doc = {0};
    SEG_AUTO_STORE store = NULL;
    segue_slice key = segue_str(cli->arguments[1]);
    int code = read_place(cli, &in, &path);
    if (code == SEG_EXIT_DONE && path.data && seg_cli_has(cli, "xattrs"))
        code = seg_cli_usage(cli, "--xattrs shows all of them; leave out --path or --xattr");
    if (code == SEG_EXIT_DONE) code = seg_cli_open(cli, cli->arguments[0], SEGUE_OPEN_READ_ONLY, &store);
    if (code != SEG_EXIT_DONE) return code;
    if (path.data) return get_place(cli, store, in, path);
    segue_status st = seg_cli_has(cli, "tombstones") ? segue_get_record(store, key, NULL, &doc, &err)
                                                     : segue_get(store, key, NULL, &doc, &err);
    if (st != SEGUE_OK) return seg_cli_fail(cli, st, &err);
    if (cli->json) seg_write_record(stdout, &doc.rec);
    else if (seg_cli_has(cli, "xattrs")) print_xattrs(&doc.rec);
    else if (doc.rec.is_tombstone) seg_cli_note(cli, "deleted");
    else return print_body(cli, &doc.rec);
    return SEG_EXIT_DONE;
}

/* ---- put ---- */

/* "30s", "@1700000000", "none", "keep". False: none of them. */
static bool parse_expiry(const char *text, segue_expiry *ret)
{
    uint64_t at;
    int64_t ns;
    if (strcmp(text, "none") == 0) *ret = segue_expiry_none();
    else if (strcmp(text, "keep") == 0) *ret = segue_expiry_keep();
    else if (text[0] == '@' && seg_parse_u64(segue_str(text + 1), &at) && at > 0 && at <= UINT32_MAX)
        *ret = segue_expiry_at((uint32_t)at);
    else if (seg_parse_duration(text, &ns) && ns >= 1000000000 && ns / 1000000000 <= UINT32_MAX)
        *ret = segue_expiry_in((uint32_t)(ns / 1000000000));
    else return false;
    return true;
}

static int read_expiry(const seg_cli *cli, segue_expiry *ret)
{
    const char *text = seg_cli_value(cli, "expiry");
    if (!text || parse_expiry(text, ret)) return SEG_EXIT_DONE;
    return seg_cli_usage(cli, "--expiry needs 30s, 5m, 2h, 1d, @SECONDS, none or keep, not \"%s\"", text);
}

static int read_stdin(const seg_cli *cli, segue_buf *body)
{
    char chunk[65536];
    body->max = SEGUE_BODY_MAX;
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, stdin)) > 0;) {
        segue_status st = segue_buf_append(body, chunk, n);
        if (st == SEGUE_TOO_BIG)
            return seg_cli_failf(cli, st, "the body is larger than %d MiB", SEGUE_BODY_MAX / 1024 / 1024);
        if (st != SEGUE_OK) return seg_cli_failf(cli, st, "out of memory for the body");
    }
    if (ferror(stdin)) return seg_cli_failf(cli, SEGUE_IO_ERROR, "standard input cannot be read");
    return SEG_EXIT_DONE;
}

enum { PUT_XATTRS_MAX = SEGUE_XATTRS_MAX };

/* What `put` was told, as a mutation with the memory that it points into. */
typedef struct put_request {
    segue_mutation m;
    segue_buf body;
    segue_xattr set[PUT_XATTRS_MAX];
    segue_slice drop[PUT_XATTRS_MAX];
} put_request;

static int read_xattrs(const seg_cli *cli, put_request *p)
{
    const char *texts[PUT_XATTRS_MAX];
    size_t n;
    if (!seg_cli_values(cli, "xattr", texts, PUT_XATTRS_MAX, &n)) return SEG_EXIT_USAGE;
    for (size_t i = 0; i < n; i++) {
        const char *equals = strchr(texts[i], '=');
        if (!equals) return seg_cli_usage(cli, "--xattr needs NAME=JSON, not \"%s\"", texts[i]);
        p->set[i] = (segue_xattr){segue_bytes(texts[i], (size_t)(equals - texts[i])), segue_str(equals + 1)};
    }
    p->m.set_xattrs = p->set;
    p->m.n_set_xattrs = n;
    if (!seg_cli_values(cli, "drop-xattr", texts, PUT_XATTRS_MAX, &n)) return SEG_EXIT_USAGE;
    for (size_t i = 0; i < n; i++) p->drop[i] = segue_str(texts[i]);
    p->m.drop_xattrs = p->drop;
    p->m.n_drop_xattrs = n;
    return SEG_EXIT_DONE;
}

/* --cas N, for put, set, touch, incr and rm. CAS 0 means "nothing live there". */
static int read_cas(const seg_cli *cli, segue_mutation *m)
{
    uint64_t number;
    if (!seg_cli_has(cli, "cas")) return SEG_EXIT_DONE;
    if (!seg_cli_number(cli, "cas", 0, &number)) return SEG_EXIT_USAGE;
    m->expect = number ? SEGUE_EXPECT_CAS : SEGUE_EXPECT_NOT_LIVE;
    m->cas = number;
    return SEG_EXIT_DONE;
}

static int read_put(const seg_cli *cli, put_request *p)
{
    uint64_t flags;
    int code = read_cas(cli, &p->m);
    if (code == SEG_EXIT_DONE) code = read_expiry(cli, &p->m.expiry);
    if (code == SEG_EXIT_DONE) code = read_xattrs(cli, p);
    if (code != SEG_EXIT_DONE) return code;
    if (seg_cli_has(cli, "add")) {
        if (seg_cli_has(cli, "cas")) return seg_cli_usage(cli, "--add and --cas exclude each other");
        p->m.expect = SEGUE_EXPECT_NOT_LIVE;
    }
    if (!seg_cli_number(cli, "flags", 0, &flags)) return SEG_EXIT_USAGE;
    if (flags > UINT32_MAX) return seg_cli_usage(cli, "--flags must be below 2^32");
    p->m.has_flags = seg_cli_has(cli, "flags");
    p->m.flags = (uint32_t)flags;
    const char *value = cli->n_arguments > 2 ? cli->arguments[2] : NULL;
    if (!value) {
        if (p->m.n_set_xattrs || p->m.n_drop_xattrs || p->m.has_flags || seg_cli_has(cli, "expiry"))
            return SEG_EXIT_DONE;
        return seg_cli_usage(cli, "put needs a value (- reads it from standard input), or something else to change");
    }
    p->m.body_op = SEGUE_BODY_SET;
    p->m.body = segue_str(value);
    if (strcmp(value, "-") == 0) {
        code = read_stdin(cli, &p->body);
        p->m.body = segue_buf_slice(&p->body);
    }
    return code;
}

/* counter: the number that was asked for, or NULL. */
static void print_outcome(const seg_cli *cli, segue_slice key, const segue_outcome *outcome, const uint64_t *counter)
{
    if (!cli->json) {
        printf("%llu\n", (unsigned long long)(counter ? *counter : outcome->cas));
        return;
    }
    seg_json_out out = {.file = stdout};
    seg_json_begin(&out, NULL, '{');
    seg_json_key(&out, "key", key);
    if (counter) seg_json_u64_text(&out, "value", *counter);
    seg_json_u64_text(&out, "cas", outcome->cas);
    seg_json_u64_text(&out, "rev", outcome->revision);
    seg_json_bool(&out, "written", outcome->written);
    seg_json_end(&out, '}');
    seg_json_line(&out);
}

static int put(seg_cli *cli, put_request *p)
{
    segue_error err = {0};
    segue_outcome outcome;
    SEG_AUTO_STORE store = NULL;
    segue_slice key = segue_str(cli->arguments[1]);
    int code = read_put(cli, p);
    if (code == SEG_EXIT_DONE)
        code = p->m.body_op == SEGUE_BODY_SET ? seg_cli_open_or_make(cli, cli->arguments[0], &store)
                                              : seg_cli_open(cli, cli->arguments[0], SEGUE_OPEN_EXISTING, &store);
    if (code != SEG_EXIT_DONE) return code;
    segue_status st = segue_mutate(store, key, &p->m, NULL, &outcome, NULL, &err);
    if (st != SEGUE_OK) return seg_cli_fail(cli, st, &err);
    print_outcome(cli, key, &outcome, NULL);
    return SEG_EXIT_DONE;
}

int seg_verb_put(seg_cli *cli)
{
    put_request *p = seg_alloc_zero(sizeof *p);
    if (!p) return seg_cli_failf(cli, SEGUE_NO_MEMORY, "out of memory");
    int code = put(cli, p);
    segue_buf_free(&p->body);
    seg_free(p);
    return code;
}

/* ---- set, touch, incr, rm ---- */

/* The mutation on the document that the arguments name; under --cas, if it was given. */
static int change(const seg_cli *cli, segue_mutation *m, segue_outcome *ret_outcome)
{
    segue_error err = {0};
    SEG_AUTO_STORE store = NULL;
    int code = read_cas(cli, m);
    if (code == SEG_EXIT_DONE) code = seg_cli_open(cli, cli->arguments[0], SEGUE_OPEN_EXISTING, &store);
    if (code != SEG_EXIT_DONE) return code;
    segue_status st = segue_mutate(store, segue_str(cli->arguments[1]), m, NULL, ret_outcome, NULL, &err);
    return st == SEGUE_OK ? SEG_EXIT_DONE : seg_cli_fail(cli, st, &err);
}

/* --insert, --append, --delete, or none of them, and --parents. */
static int read_action(const seg_cli *cli, segue_path_op *op)
{
    static const struct {
        const char *name;
        segue_path_action action;
    } actions[] = {{"insert", SEGUE_PATH_INSERT}, {"append", SEGUE_PATH_APPEND}, {"delete", SEGUE_PATH_DELETE}};
    size_t n = 0;
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (!seg_cli_has(cli, actions[i].name)) continue;
        op->action = actions[i].action;
        n++;
    }
    if (n > 1) return seg_cli_usage(cli, "--insert, --append and --delete exclude each other");
    if (seg_cli_has(cli, "parents")) op->options |= SEGUE_PATH_PARENTS;
    if (op->action == SEGUE_PATH_DELETE && op->options) return seg_cli_usage(cli, "--delete makes no parents");
    return SEG_EXIT_DONE;
}

int seg_verb_set(seg_cli *cli)
{
    segue_outcome outcome;
    SEG_AUTO(segue_buf) input = {0};
    segue_path_op op = {.action = SEGUE_PATH_SET};
    segue_mutation m = {.paths = &op, .n_paths = 1};
    const char *value = cli->n_arguments > 2 ? cli->arguments[2] : NULL;
    int code = read_place(cli, &op.in, &op.path);
    if (code == SEG_EXIT_DONE) code = read_action(cli, &op);
    if (code != SEG_EXIT_DONE) return code;
    if (!op.path.data) return seg_cli_usage(cli, "set needs --path or --xattr; put writes whole documents");
    if (!value != (op.action == SEGUE_PATH_DELETE))
        return seg_cli_usage(cli,
                             value ? "--delete takes no value" : "set needs a value: JSON, or - for standard input");
    if (value && strcmp(value, "-") == 0) code = read_stdin(cli, &input);
    if (code != SEG_EXIT_DONE) return code;
    bool from_input = value && strcmp(value, "-") == 0;
    op.value = from_input ? segue_buf_slice(&input) : segue_str(value);
    while (from_input && op.value.size && strchr("\r\n", op.value.data[op.value.size - 1])) op.value.size--;
    if (op.action == SEGUE_PATH_SET && op.in == SEGUE_IN_BODY) m.options = SEGUE_M_FROM_EMPTY;
    code = change(cli, &m, &outcome);
    if (code == SEG_EXIT_DONE) print_outcome(cli, segue_str(cli->arguments[1]), &outcome, NULL);
    return code;
}

int seg_verb_touch(seg_cli *cli)
{
    segue_outcome outcome;
    segue_mutation m = {.expect = SEGUE_EXPECT_LIVE};
    const char *text = cli->arguments[2];
    if (!parse_expiry(text, &m.expiry) || m.expiry.keep_if_live)
        return seg_cli_usage(cli, "touch needs 30s, 5m, 2h, 1d, @SECONDS or none, not \"%s\"", text);
    int code = change(cli, &m, &outcome);
    if (code == SEG_EXIT_DONE) print_outcome(cli, segue_str(cli->arguments[1]), &outcome, NULL);
    return code;
}

int seg_verb_incr(seg_cli *cli)
{
    segue_outcome outcome;
    segue_mutation m = {.body_op = SEGUE_BODY_ADD, .delta = 1, .has_initial = seg_cli_has(cli, "initial")};
    const char *delta = cli->n_arguments > 2 ? cli->arguments[2] : "1";
    if (!seg_parse_u64(segue_str(delta), &m.delta))
        return seg_cli_usage(cli, "incr adds a whole number from 0 to 2^64-1, not \"%s\"", delta);
    if (!seg_cli_number(cli, "initial", 0, &m.initial)) return SEG_EXIT_USAGE;
    int code = read_expiry(cli, &m.expiry);
    m.expiry.keep_if_live = true;
    if (code == SEG_EXIT_DONE) code = change(cli, &m, &outcome);
    if (code == SEG_EXIT_DONE) print_outcome(cli, segue_str(cli->arguments[1]), &outcome, &outcome.counter);
    return code;
}

int seg_verb_rm(seg_cli *cli)
{
    segue_outcome outcome;
    segue_mutation m = {.expect = SEGUE_EXPECT_LIVE, .body_op = SEGUE_BODY_DELETE};
    int code = change(cli, &m, &outcome);
    if (code == SEG_EXIT_DONE && cli->json) print_outcome(cli, segue_str(cli->arguments[1]), &outcome, NULL);
    return code;
}

/* ---- ls ---- */

static void list_json(const segue_record *rec, bool with_size)
{
    seg_json_out out = {.file = stdout};
    seg_json_begin(&out, NULL, '{');
    seg_json_key(&out, "key", rec->key);
    seg_json_u64_text(&out, "cas", rec->cas);
    seg_json_u64_text(&out, "rev", rec->revision);
    seg_json_number(&out, "exp", rec->expiry);
    seg_json_bool(&out, "deleted", rec->is_tombstone);
    if (with_size) seg_json_number(&out, "bytes", rec->body.size);
    if (with_size) seg_json_number(&out, "xattrs", rec->n_xattrs);
    seg_json_end(&out, '}');
    seg_json_line(&out);
}

static void list_long(const segue_record *rec)
{
    const char *state = rec->is_tombstone ? "deleted" : rec->is_json ? "json" : "binary";
    printf("%-7s %10zu B %2zu xattrs  rev %-5llu cas %-20llu exp %-10lu  ", state, rec->body.size, rec->n_xattrs,
           (unsigned long long)rec->revision, (unsigned long long)rec->cas, (unsigned long)rec->expiry);
    seg_cli_print_key(stdout, rec->key);
    printf("\n");
}

static segue_status list(const seg_cli *cli, segue_scan *scan, uint64_t limit, segue_error *err)
{
    bool is_long = seg_cli_has(cli, "long");
    for (uint64_t n = 0; n < limit && !ferror(stdout); n++) {
        const segue_record *rec;
        segue_status st = segue_scan_next(scan, &rec, err);
        if (st != SEGUE_OK) return st == SEGUE_END ? SEGUE_OK : st;
        if (cli->json) {
            list_json(rec, is_long);
        } else if (is_long) {
            list_long(rec);
        } else {
            seg_cli_print_key(stdout, rec->key);
            printf("\n");
        }
    }
    return SEGUE_OK;
}

int seg_verb_ls(seg_cli *cli)
{
    uint64_t limit;
    segue_error err = {0};
    segue_scan *scan = NULL;
    SEG_AUTO_STORE store = NULL;
    segue_range range = {.prefix = segue_str(seg_cli_value(cli, "prefix"))};
    if (!seg_cli_number(cli, "limit", UINT64_MAX, &limit)) return SEG_EXIT_USAGE;
    if (!seg_cli_has(cli, "long")) range.options |= SEGUE_SCAN_KEYS_ONLY;
    if (seg_cli_has(cli, "tombstones")) range.options |= SEGUE_SCAN_TOMBSTONES;
    int code = seg_cli_open(cli, cli->arguments[0], SEGUE_OPEN_READ_ONLY, &store);
    if (code != SEG_EXIT_DONE) return code;
    segue_status st = segue_scan_open(store, &range, &scan, &err);
    if (st == SEGUE_OK) st = list(cli, scan, limit, &err);
    segue_scan_close(scan);
    return st == SEGUE_OK ? SEG_EXIT_DONE : seg_cli_fail(cli, st, &err);
}
