/* The clients of segue-torture, and their histories; see clients.h. */
#include "torture/clients.h"
#include "base/base.h"
#include "base/env.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { INITIAL = 1000000 };

/* One write(2): asked, answered, or both at once (what an update's callback saw). */
typedef struct entry {
    char prefix, stage; /* 'b'egun, 'e'nded, 's'een */
    unsigned key;
    seg_op op;
} entry;

segue_slice torture_key(char out[8], const char *prefix, unsigned i)
{
    (void)snprintf(out, 8, "%c%u", prefix[0], i % 1000); /* fits */
    return segue_str(out);
}

static uint64_t next(torture_client *c)
{
    uint64_t z = c->random += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

bool torture_see(const segue_record *rec, seg_model *ret)
{
    const segue_xattr *x = segue_record_xattr(rec, segue_str("x"));
    *ret = (seg_model){.live = !rec->is_tombstone, .cas = rec->cas};
    if (rec->is_tombstone) return true;
    return seg_parse_u64(rec->body, &ret->body) && (!x || seg_parse_u64(x->value, &ret->xattr));
}

/* ---- writing down ---- */

static void problem(torture_client *c, const char *what, const char *more)
{
    if (!c->problem[0])
        (void)snprintf(c->problem, sizeof c->problem, "%.150s: %.200s", what, more); /* cut if it must be */
}

static void put_down(torture_client *c, char stage, unsigned key, const seg_op *op)
{
    entry e;
    memset(&e, 0, sizeof e); /* the gaps, too: it goes into a file */
    e.prefix = c->prefix[0];
    e.stage = stage;
    e.key = key;
    e.op = *op;
    if (write(c->file, &e, sizeof e) != (ssize_t)sizeof e) problem(c, "the history cannot be written", strerror(errno));
}

static uint64_t now(void) { return (uint64_t)seg_mono_ns(segue_env_default()); }

static void answer(torture_client *c, unsigned key, seg_op *op, segue_status st, const segue_error *err)
{
    op->end = now();
    if (st == SEGUE_OK) op->answer = SEG_ANSWER_OK;
    else if (st == SEGUE_EXISTS) op->answer = SEG_ANSWER_EXISTS;
    else if (st == SEGUE_CAS_MISMATCH) op->answer = SEG_ANSWER_MISMATCH;
    else if (st == SEGUE_NOT_FOUND) op->answer = SEG_ANSWER_NOT_FOUND;
    else if (segue_status_is_maybe_applied(st)) op->answer = SEG_ANSWER_UNKNOWN;
    else {
        op->answer = SEG_ANSWER_FAILED;
        if (!segue_status_is_retryable(st)) problem(c, segue_status_name(st), err->message);
    }
    if (op->answer == SEG_ANSWER_OK && op->cas) c->token[key] = op->cas;
    put_down(c, 'e', key, op);
}

/* ---- operations ---- */

static bool saw(torture_client *c, const segue_record *rec, seg_op *op)
{
    seg_model seen;
    if (!torture_see(rec, &seen)) {
        problem(c, "a document is none that anybody wrote", rec->body.data ? "its body is no number" : "no body");
        return false;
    }
    op->cas = seen.cas;
    op->saw_body = seen.body;
    op->saw_xattr = seen.xattr;
    return true;
}

static segue_status do_get(torture_client *c, segue_slice key, seg_op *op, segue_error *err)
{
    SEG_AUTO(segue_doc) doc = {0};
    segue_options options = {.timeout_ns = c->timeout_ns};
    segue_status st = segue_get(c->store, key, &options, &doc, err);
    if (st == SEGUE_OK && !saw(c, &doc.rec, op)) st = SEGUE_CORRUPT;
    return st;
}

typedef struct update {
    torture_client *c;
    unsigned key;
    seg_op *op;
    segue_slice body;
} update;

/* What it sees is a read of its own, also when somebody else is faster afterwards. */
static segue_status see_and_set(void *ctx, const segue_record *current, segue_mutation *m)
{
    update *u = ctx;
    bool live = current && !current->is_tombstone;
    seg_op get = {.kind = SEG_ASK_GET, .client = u->c->number, .begin = u->op->begin, .end = now()};
    if (!live) get.answer = SEG_ANSWER_NOT_FOUND;
    else if (!saw(u->c, current, &get)) return SEGUE_CORRUPT;
    put_down(u->c, 's', u->key, &get);
    u->op->given = live ? current->cas : 0;
    m->body_op = SEGUE_BODY_SET;
    m->body = u->body;
    return SEGUE_OK;
}

static segue_mutation mutation_of(const seg_op *op, segue_slice text, segue_xattr *x)
{
    segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = text};
    if (op->kind == SEG_ASK_ADD) m.expect = SEGUE_EXPECT_NOT_LIVE;
    if (op->kind == SEG_ASK_WRITE || op->kind == SEG_ASK_REMOVE) {
        m.expect = SEGUE_EXPECT_CAS;
        m.cas = op->given;
    }
    if (op->kind == SEG_ASK_DELETE || op->kind == SEG_ASK_REMOVE) {
        m.body_op = SEGUE_BODY_DELETE;
        m.body = (segue_slice){NULL, 0};
    } else if (op->kind == SEG_ASK_INCR) {
        m = (segue_mutation){.body_op = SEGUE_BODY_ADD, .delta = op->body, .initial = op->given, .has_initial = true};
    } else if (op->kind == SEG_ASK_XATTR) {
        *x = (segue_xattr){segue_str("x"), text};
        m = (segue_mutation){.expect = SEGUE_EXPECT_LIVE, .set_xattrs = x, .n_set_xattrs = 1};
    }
    return m;
}

static seg_op choose(torture_client *c, unsigned key)
{
    static const unsigned char weights[SEG_N_ASKS] = {30, 6, 12, 10, 14, 9, 4, 10, 5}; /* 100 */
    seg_op op = {.client = c->number};
    unsigned at = (unsigned)(next(c) % 100);
    while (at >= weights[op.kind]) at -= weights[op.kind++];
    if (op.kind == SEG_ASK_INCR) {
        op.body = 1;
        op.given = INITIAL;
        op.has_initial = true;
    } else if (op.kind != SEG_ASK_GET && op.kind != SEG_ASK_DELETE && op.kind != SEG_ASK_REMOVE) {
        op.body = ((uint64_t)c->number << 40) + ++c->written * 100000; /* additions do not reach the next one */
    }
    if (op.kind == SEG_ASK_WRITE || op.kind == SEG_ASK_REMOVE) op.given = c->token[key];
    return op;
}

static void act(torture_client *c)
{
    char name[8], digits[21];
    segue_error err = {0};
    segue_outcome outcome = {0};
    segue_options options = {.timeout_ns = c->timeout_ns};
    unsigned key = (unsigned)(next(c) % TORTURE_KEYS);
    segue_slice k = torture_key(name, c->prefix, key);
    seg_op op = choose(c, key);
    segue_slice text = segue_bytes(digits, seg_format_u64(op.body, digits));
    segue_xattr x;
    segue_status st;
    if ((op.kind == SEG_ASK_WRITE || op.kind == SEG_ASK_REMOVE) && op.given == 0) op.kind = SEG_ASK_GET;
    op.begin = now();
    op.end = UINT64_MAX;
    op.answer = SEG_ANSWER_UNKNOWN;
    put_down(c, 'b', key, &op);
    if (op.kind == SEG_ASK_GET) {
        st = do_get(c, k, &op, &err);
    } else if (op.kind == SEG_ASK_UPDATE) {
        update u = {c, key, &op, text};
        segue_update_options o = {.timeout_ns = c->timeout_ns};
        st = segue_update(c->store, k, see_and_set, &u, &o, &outcome, &err);
    } else {
        segue_mutation m = mutation_of(&op, text, &x);
        st = segue_mutate(c->store, k, &m, &options, &outcome, NULL, &err);
    }
    if (st == SEGUE_OK && op.kind != SEG_ASK_GET) op.cas = outcome.cas;
    if (op.kind == SEG_ASK_INCR) op.saw_body = outcome.counter;
    answer(c, key, &op, st, &err);
    c->operations++;
}

static void *live(void *arg)
{
    torture_client *c = arg;
    while (!atomic_load(c->stop) && !c->problem[0]) {
        act(c);
        if (c->pace_us) seg_sleep_ns(segue_env_default(), (int64_t)(next(c) % (2 * c->pace_us)) * 1000);
    }
    return NULL;
}

bool torture_client_start(torture_client *c, uint64_t seed)
{
    char path[300];
    c->random = seed * 0x9E3779B97F4A7C15u + c->number;
    (void)snprintf(path, sizeof path, "%s/history.%u", c->folder, c->number); /* cut: then it cannot be opened */
    c->file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_APPEND, 0600);
    if (c->file < 0) return false;
    if (pthread_create(&c->thread, NULL, live, c) == 0) return true;
    (void)close(c->file); /* nothing is in it */
    return false;
}

void torture_client_join(torture_client *c)
{
    (void)pthread_join(c->thread, NULL); /* started, and joined once */
    (void)close(c->file);                /* what write said counts */
}

/* ---- reading what was written down ---- */

static bool add(seg_history *histories, const entry *e)
{
    return e->key < TORTURE_KEYS && seg_history_add(&histories[e->key], &e->op) == SEGUE_OK;
}

static bool collect_file(FILE *file, char prefix, seg_history *histories)
{
    entry e, asked = {0};
    bool ok = true;
    while (ok && fread(&e, sizeof e, 1, file) == 1) { /* the half of an entry at the end was never written */
        if (e.prefix != prefix) continue;
        if (e.stage == 'b') asked = e;
        else ok = add(histories, &e);
        if (e.stage == 'e') asked.stage = 0;
    }
    if (asked.stage == 'b' && asked.op.kind != SEG_ASK_GET) ok = ok && add(histories, &asked);
    return ok && !ferror(file);
}

bool torture_collect(const char *folder, const char *prefix, seg_history histories[TORTURE_KEYS])
{
    DIR *listing = opendir(folder);
    bool ok = listing != NULL;
    for (const struct dirent *d; ok && (d = readdir(listing)) != NULL;) {
        char path[600];
        if (strncmp(d->d_name, "history.", 8) != 0) continue;
        (void)snprintf(path, sizeof path, "%s/%s", folder, d->d_name); /* cut: then it cannot be opened */
        FILE *file = fopen(path, "rb");
        ok = file && collect_file(file, prefix[0], histories);
        if (file) (void)fclose(file); /* only read */
    }
    if (listing) (void)closedir(listing); /* only read */
    if (!ok) (void)fprintf(stderr, "the histories in %s cannot be read\n", folder);
    return ok;
}
