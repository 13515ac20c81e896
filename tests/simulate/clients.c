/* Clients: operations of every kind on a few keys, and the histories of them; see scene.h.
 *
 * Keys are of three kinds: numbers, which are added to; texts, which are appended to and stand in a history as their hash; JSON
 * objects, into which values are put. */
#include "simulate/scene.h"

#include "base/base.h"
#include "store/call.h"
#include <segue/ops.h>

#include <stdio.h>
#include <string.h>

enum { KINDS = 3, NUMBERS, INITIAL = 1000000, BODY_SIZE = 40 };
static const uint64_t mark = UINT64_C(1) << 63; /* of a fallback's token */

sim_score sim_the_score;
seg_history sim_histories[SIM_KEYS_MOST];
bool sim_is_over;

typedef enum verb {
    V_GET,
    V_GET_AND_TOUCH,
    V_TOUCH,
    V_SET,
    V_ADD,
    V_WRITE,
    V_UPDATE,
    V_UPDATE_DELETES,
    V_DELETE,
    V_REMOVE,
    V_TOMBSTONE,
    V_PART, /* incr, append, a value into an object */
    V_XATTR,
    V_REPLACE,
    V_RESURRECT,
    V_SCAN,
    V_RECORD,
    V_PUT,    /* a whole record, under a token */
    V_FILLER, /* a read of what nobody touches */
    V_SCAN_FILLERS
} verb;

/* ---- keys and bodies ---- */

const char *sim_key(unsigned i, char out[8])
{
    (void)snprintf(out, 8, "k%02u", i % 100); /* fits */
    return out;
}

unsigned sim_key_number(segue_slice key)
{
    uint64_t n = SIM_KEYS_MOST;
    bool is_one = key.size == 3 && key.data[0] == 'k' && seg_parse_u64(segue_bytes(key.data + 2, 1), &n) &&
                  key.data[1] >= '0' && key.data[1] <= '9';
    n += is_one ? (uint64_t)(key.data[1] - '0') * 10 : 0;
    return is_one && n < SIM_KEYS_MOST ? (unsigned)n : SIM_KEYS_MOST;
}

static uint64_t hash_of(segue_slice text)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a, as the model of an append */
    for (size_t i = 0; i < text.size; i++) h = (h ^ (unsigned char)text.data[i]) * UINT64_C(0x100000001b3);
    return h;
}

/* The body that stands for a number. */
static segue_slice body_of(unsigned key, uint64_t number, char out[BODY_SIZE])
{
    static const char *const formats[KINDS] = {"%llu", "t%llu", "{\"v\":%llu}"};
    int n = snprintf(out, BODY_SIZE, formats[key % KINDS], (unsigned long long)number); /* fits */
    return segue_bytes(out, (size_t)n);
}

/* What a history says of a body that stands for a number. */
static uint64_t value_of(unsigned key, uint64_t number)
{
    char text[BODY_SIZE];
    return key % KINDS == 1 ? hash_of(body_of(key, number, text)) : number;
}

static bool read_body(unsigned key, segue_slice body, uint64_t *ret)
{
    if (key % KINDS == 0) return seg_parse_u64(body, ret);
    if (key % KINDS == 1) {
        *ret = hash_of(body);
        return body.size > 1 && body.data[0] == 't';
    }
    return body.size > 6 && memcmp(body.data, "{\"v\":", 5) == 0 && body.data[body.size - 1] == '}' &&
           seg_parse_u64(segue_bytes(body.data + 5, body.size - 6), ret);
}

bool sim_see(unsigned key, const segue_record *rec, seg_model *ret)
{
    char name[8];
    *ret = (seg_model){.live = !rec->is_tombstone, .cas = rec->cas & ~mark};
    if (rec->is_tombstone) return true;
    const segue_xattr *x = segue_record_xattr(rec, segue_str("x"));
    ret->expiry = rec->expiry;
    if (read_body(key, rec->body, &ret->body) && rec->n_xattrs == (x ? 1u : 0u) &&
        (!x || seg_parse_u64(x->value, &ret->xattr)))
        return true;
    sim_fail(sim_key(key, name), "%s is nothing that a client wrote: %.*s with %zu xattrs", name, (int)rec->body.size,
             rec->body.data ? rec->body.data : "", rec->n_xattrs);
    return false;
}

/* ---- histories ---- */

seg_op sim_begin_op(const sim_place *place, unsigned client, seg_op_kind kind)
{
    return (seg_op){.kind = kind,
                    .client = client,
                    .answer = SEG_ANSWER_UNKNOWN,
                    .begin = sim_moment(),
                    .end = UINT64_MAX,
                    .clock_from = sim_second_of(place),
                    .clock_to = UINT64_MAX};
}

static void put_down(unsigned key, const seg_op *op)
{
    char name[8], text[SEG_OP_TEXT_SIZE];
    sim_note(op->kind * 10 + op->answer, op->cas ^ key, op->saw_body ^ op->saw_xattr ^ op->saw_expiry);
    sim_tell(sim_key(key, name), "%s", seg_op_text(op, text));
    if (op->answer == SEG_ANSWER_FAILED) return;
    sim_the_score.unknown += op->answer == SEG_ANSWER_UNKNOWN;
    if (seg_history_add(&sim_histories[key], op) != SEGUE_OK) sim_fail(NULL, "out of memory for a history");
}

void sim_end_op(unsigned key, seg_op *op)
{
    op->end = sim_moment();
    if (op->answer == SEG_ANSWER_UNKNOWN) op->until = op->end;
    op->clock_to = (uint64_t)((sim.now_ns + sim_the_plan.skew_most_ns) / sim_second);
    put_down(key, op);
}

void sim_saw(unsigned key, seg_op *op, const segue_record *rec)
{
    seg_model seen = {0};
    op->answer = rec && !rec->is_tombstone ? SEG_ANSWER_OK : SEG_ANSWER_NOT_FOUND;
    if (op->answer == SEG_ANSWER_OK && !sim_see(key, rec, &seen)) return;
    op->cas = seen.cas;
    op->saw_body = seen.body;
    op->saw_xattr = seen.xattr;
    op->saw_expiry = seen.expiry;
    sim_end_op(key, op);
}

void sim_free_histories(void)
{
    for (unsigned i = 0; i < SIM_KEYS_MOST; i++) seg_history_free(&sim_histories[i]);
}

/* The answer of a write; false: of the dead, or nothing that may be answered. */
static bool answer(const sim_client *c, unsigned key, seg_op *op, segue_status st, const segue_error *err)
{
    char name[8];
    if (sim_is_dead() || segue_status_is_maybe_applied(st)) {
        op->answer = SEG_ANSWER_UNKNOWN;
        op->cas = 0;
        sim_end_op(key, op); /* the dead do nothing any more, and what was lost is only the answer */
        return false;
    }
    op->answer = st == SEGUE_OK             ? SEG_ANSWER_OK
                 : st == SEGUE_EXISTS       ? SEG_ANSWER_EXISTS
                 : st == SEGUE_CAS_MISMATCH ? SEG_ANSWER_MISMATCH
                 : st == SEGUE_NOT_FOUND    ? SEG_ANSWER_NOT_FOUND
                                            : SEG_ANSWER_FAILED;
    if (op->answer == SEG_ANSWER_FAILED && !segue_status_is_retryable(st))
        sim_fail(sim_key(key, name), "client %u's %s of %s: %s (%s)", c->number, seg_op_name(op->kind), name,
                 segue_status_name(st), err->message);
    if (op->answer != SEG_ANSWER_OK) op->cas = 0;
    op->cas &= ~mark;
    sim_end_op(key, op);
    return op->answer == SEG_ANSWER_OK;
}

/* ---- operations ---- */

typedef struct asking {
    sim_client *c;
    unsigned key;
    segue_slice k;
    seg_op op;
    segue_options options;
    segue_error err;
    segue_expiry expiry;
    segue_slice body;
    char name[8], body_text[BODY_SIZE];
} asking;

static void keep_token(const asking *a, uint64_t cas)
{
    if (cas) a->c->tokens[a->key] = cas;
}

static void read_one(asking *a, bool is_record)
{
    SEG_AUTO(segue_doc) doc = {0};
    segue_status st = is_record ? segue_get_record(a->c->store, a->k, &a->options, &doc, &a->err)
                                : segue_get(a->c->store, a->k, &a->options, &doc, &a->err);
    if (sim_is_dead()) return;
    if (st == SEGUE_OK && !doc.rec.is_tombstone) keep_token(a, doc.rec.cas);
    if (st == SEGUE_OK || st == SEGUE_NOT_FOUND) sim_saw(a->key, &a->op, st == SEGUE_OK ? &doc.rec : NULL);
    else if (!segue_status_is_retryable(st))
        sim_fail(a->name, "client %u's get of %s: %s (%s)", a->c->number, a->name, segue_status_name(st),
                 a->err.message);
}

static void mutate(asking *a, const segue_mutation *m, segue_doc *doc)
{
    segue_outcome out = {0};
    segue_status st = segue_mutate(a->c->store, a->k, m, &a->options, &out, doc, &a->err);
    seg_model seen;
    a->op.cas = out.cas;
    if (a->op.kind == SEG_ASK_INCR) a->op.saw_body = out.counter;
    if (st == SEGUE_OK && !out.written && a->op.kind == SEG_ASK_TOUCH) a->op.kind = SEG_ASK_SEE;
    if (st == SEGUE_OK && doc && !sim_is_dead() && sim_see(a->key, &doc->rec, &seen)) {
        a->op.has_seen = a->op.kind == SEG_ASK_TOUCH;
        a->op.saw_body = seen.body;
        a->op.saw_xattr = seen.xattr;
    }
    if (answer(a->c, a->key, &a->op, st, &a->err)) keep_token(a, out.cas);
}

/* What it sees is a read of its own, also when somebody else is faster afterwards. */
typedef struct updating {
    asking *a;
    bool deletes;
} updating;

static segue_status see_and_change(void *ctx, const segue_record *current, segue_mutation *m)
{
    updating *u = ctx;
    asking *a = u->a;
    bool live = current && !current->is_tombstone;
    seg_op get = a->op;
    get.kind = SEG_ASK_GET;
    get.body = get.given = get.expiry = 0;
    if (sim_is_dead()) return SEGUE_CANCELLED;
    sim_saw(a->key, &get, current);
    a->op.given = live ? current->cas & ~mark : 0;
    if (u->deletes && !live) return SEGUE_OK;
    m->body_op = u->deletes ? SEGUE_BODY_DELETE : SEGUE_BODY_SET;
    if (u->deletes) return SEGUE_OK;
    m->body = a->body;
    m->expiry = a->expiry;
    return SEGUE_OK;
}

static void update(asking *a, bool deletes)
{
    updating u = {a, deletes};
    segue_outcome out = {0};
    segue_update_options o = {.timeout_ns = a->options.timeout_ns};
    segue_status st = segue_update(a->c->store, a->k, see_and_change, &u, &o, &out, &a->err);
    a->op.kind = !deletes ? SEG_ASK_UPDATE : st == SEGUE_OK ? SEG_ASK_REMOVE : SEG_ASK_DELETE;
    if (deletes && st == SEGUE_OK && !out.written && !sim_is_dead()) return; /* there was nothing; its read says so */
    a->op.cas = out.cas;
    if (answer(a->c, a->key, &a->op, st, &a->err)) keep_token(a, out.cas);
}

static void by_token(asking *a, verb v)
{
    uint64_t token = a->c->tokens[a->key], cas = 0;
    segue_xattr x = {segue_str("_t"), segue_str("1")};
    segue_xattr_write w = {.set = &x, .n_set = 1};
    segue_status st;
    if (!token) {
        a->op.kind = SEG_ASK_GET;
        read_one(a, false);
        return;
    }
    a->op.given = token & ~mark;
    if (v == V_WRITE) st = segue_write_cas(a->c->store, a->k, token, a->body, a->expiry, 0, &a->options, &cas, &a->err);
    else if (v == V_REMOVE) st = segue_remove(a->c->store, a->k, token, &a->options, &cas, &a->err);
    else st = segue_write_tombstone(a->c->store, a->k, token, true, &w, &a->options, &cas, &a->err);
    a->op.cas = cas;
    if (answer(a->c, a->key, &a->op, st, &a->err)) keep_token(a, cas);
}

/* incr, append, or a value into an object. */
static void change_part(asking *a)
{
    char digits[21];
    uint64_t cas = 0, number = a->op.body;
    segue_status st;
    if (a->key % KINDS == 0) {
        segue_mutation m = {
            .body_op = SEGUE_BODY_ADD, .delta = 1, .initial = INITIAL, .has_initial = true, .expiry = a->expiry};
        m.expiry.keep_if_live = true;
        a->op.kind = SEG_ASK_INCR;
        a->op.body = 1;
        a->op.given = INITIAL;
        a->op.has_initial = true;
        mutate(a, &m, NULL);
        return;
    }
    a->op.expiry = 0;
    if (a->key % KINDS == 1) {
        a->op.kind = SEG_ASK_APPEND;
        a->op.body = 'a' + number % 26;
        digits[0] = (char)a->op.body;
        st = segue_append(a->c->store, a->k, segue_bytes(digits, 1), &a->options, &cas, &a->err);
    } else {
        a->op.kind = SEG_ASK_PUT_IN;
        st = segue_subdoc_set(a->c->store, a->k, SEGUE_EXPECT_ANY, 0, segue_str("v"),
                              segue_bytes(digits, seg_format_u64(number, digits)), &a->options, &cas, &a->err);
    }
    a->op.cas = cas;
    if (answer(a->c, a->key, &a->op, st, &a->err)) keep_token(a, cas);
}

static void insert(asking *a, bool resurrects)
{
    char digits[21];
    uint64_t cas = 0, number = a->c->written;
    segue_xattr x = {segue_str("x"), segue_bytes(digits, seg_format_u64(number, digits))};
    segue_xattr_write w = {.body = a->body, .set = &x, .n_set = 1, .expiry = a->expiry};
    segue_status st;
    sim_deadline(0); /* that the fallback has nothing stays true for ever */
    if (resurrects) {
        a->op.xattr = number;
        st = segue_write_resurrection(a->c->store, a->k, &w, &a->options, &cas, &a->err);
    } else {
        st = segue_add(a->c->store, a->k, a->body, a->expiry, &a->options, &cas, &a->err);
    }
    a->op.cas = cas;
    if (answer(a->c, a->key, &a->op, st, &a->err)) keep_token(a, cas);
}

static void set_xattr(asking *a)
{
    char digits[21];
    segue_xattr x = {segue_str("x"), segue_bytes(digits, seg_format_u64(a->c->written, digits))};
    segue_mutation m = {.expect = SEGUE_EXPECT_LIVE, .set_xattrs = &x, .n_set_xattrs = 1};
    a->op.body = a->c->written;
    a->op.expiry = 0;
    mutate(a, &m, NULL);
}

static void touch(asking *a, bool gets)
{
    SEG_AUTO(segue_doc) doc = {0};
    a->op.body = 0;
    a->op.expiry = sim_second_of(NULL) + 1 + sim_pick(3 * sim_the_plan.expiry_most_s);
    if (sim_chance(300000)) a->op.expiry = 0;
    segue_mutation m = {.expect = SEGUE_EXPECT_LIVE, .expiry = segue_expiry_at((uint32_t)a->op.expiry)};
    if (!a->op.expiry) m.expiry = segue_expiry_none();
    mutate(a, &m, gets ? &doc : NULL);
}

/* What is shown and what is not are reads of all keys. */
static void scan(sim_client *c)
{
    segue_scan *scan = NULL;
    const segue_record *rec = NULL;
    segue_error err = {0};
    bool seen[SIM_KEYS_MOST] = {false};
    seg_op begun = sim_begin_op(c->place, c->number, SEG_ASK_GET);
    segue_range range = {.prefix = segue_str("k")};
    segue_status st = segue_scan_open(c->store, &range, &scan, &err);
    while (st == SEGUE_OK && (st = segue_scan_next(scan, &rec, &err)) == SEGUE_OK && !sim_is_dead()) {
        unsigned key = sim_key_number(rec->key);
        seg_op op = begun;
        if (key >= sim_the_plan.n_keys || seen[key])
            sim_fail(NULL, "a scan shows %.*s, which nobody wrote or it has shown before", (int)rec->key.size,
                     rec->key.data);
        if (key < SIM_KEYS_MOST) sim_saw(key, &op, rec);
        if (key < SIM_KEYS_MOST) seen[key] = true;
    }
    segue_scan_close(scan);
    if (sim_is_dead()) return;
    if (st != SEGUE_END && !segue_status_is_retryable(st))
        sim_fail(NULL, "a scan: %s (%s)", segue_status_name(st), err.message);
    for (unsigned key = 0; st == SEGUE_END && key < sim_the_plan.n_keys; key++) {
        seg_op op = begun;
        if (!seen[key]) sim_saw(key, &op, NULL);
    }
}

static void expect_status(segue_status st, const char *what, const segue_error *err)
{
    if (!segue_status_is_retryable(st)) sim_fail(NULL, "%s: %s (%s)", what, segue_status_name(st), err->message);
}

static void get_filler(sim_client *c)
{
    SEG_AUTO(segue_doc) doc = {0};
    segue_error err = {0};
    char key[8];
    unsigned i = (unsigned)sim_pick(sim_the_plan.n_fillers);
    segue_options options = {.timeout_ns = sim_the_plan.timeout_most_ns};
    segue_status st = segue_get(c->store, segue_str(sim_filler_key(i, key)), &options, &doc, &err);
    if (sim_is_dead()) return;
    sim_tell(key, "client %u's get of %s: %s", c->number, key, segue_status_name(st));
    if (st == SEGUE_OK || st == SEGUE_NOT_FOUND) sim_check_filler(i, st == SEGUE_OK ? &doc.rec : NULL);
    else expect_status(st, "a get", &err);
}

/* Each is shown once. */
static void scan_fillers(sim_client *c)
{
    segue_scan *scan = NULL;
    const segue_record *rec = NULL;
    segue_error err = {0};
    unsigned next = 0;
    segue_range range = {.prefix = segue_str("f")};
    segue_status st = segue_scan_open(c->store, &range, &scan, &err);
    while (st == SEGUE_OK && (st = segue_scan_next(scan, &rec, &err)) == SEGUE_OK && !sim_is_dead()) {
        unsigned i = sim_filler_number(rec->key);
        for (; next < i; next++) sim_check_filler(next, NULL);
        if (i == sim_the_plan.n_fillers || next > i)
            sim_fail(NULL, "a scan shows %.*s, which nobody wrote or it has shown before", (int)rec->key.size,
                     rec->key.data);
        else sim_check_filler(i, rec);
        next = i + 1;
    }
    segue_scan_close(scan);
    if (sim_is_dead()) return;
    for (; st == SEGUE_END && next < sim_the_plan.n_fillers; next++) sim_check_filler(next, NULL);
    if (st != SEGUE_END) expect_status(st, "a scan", &err);
}

/* By the store's own slot, as a filter or a batch may use it. */
static void put_record(asking *a)
{
    segue_put put = {.rec = {.key = a->k, .body = a->body, .revision = 20}, .condition = SEGUE_IF_CAS};
    segue_call call = seg_call_new(a->c->store, a->options.timeout_ns, &a->err);
    uint64_t cas = 0;
    put.if_cas = a->c->tokens[a->key];
    put.rec.is_json = a->key % KINDS != 1;
    put.rec.expiry = (uint32_t)a->op.expiry;
    if (!put.if_cas) {
        a->op.kind = SEG_ASK_GET;
        read_one(a, false);
        return;
    }
    a->op.given = put.if_cas & ~mark;
    segue_status st = seg_call_begin(a->c->store, true, &call);
    if (st == SEGUE_OK) {
        st = seg_call_put(a->c->store, &put, &cas, &call);
        seg_call_end(a->c->store, &call);
    }
    a->op.cas = cas;
    if (answer(a->c, a->key, &a->op, st, &a->err)) keep_token(a, cas);
}

static verb choose(void)
{
    uint64_t at = sim_pick(sim_the_plan.all_weights);
    unsigned v = 0;
    while (at >= sim_the_plan.weights[v]) at -= sim_the_plan.weights[v++];
    return (verb)v;
}

static void begin_asking(asking *a, sim_client *c, seg_op_kind kind)
{
    int64_t most = sim_the_plan.timeout_most_ns;
    *a = (asking){.c = c, .key = (unsigned)sim_pick(sim_the_plan.n_keys)};
    a->k = segue_str(sim_key(a->key, a->name));
    a->options.timeout_ns = sim_between(most / 50, most);
    sim_deadline(a->options.timeout_ns);
    a->op = sim_begin_op(c->place, c->number, kind);
    uint64_t number = ((uint64_t)c->number << 40) + ++c->written * 100000; /* additions do not reach the next one */
    a->body = body_of(a->key, number, a->body_text);
    a->op.body = kind == SEG_ASK_SET || kind == SEG_ASK_ADD || kind == SEG_ASK_WRITE || kind == SEG_ASK_UPDATE ||
                         kind == SEG_ASK_REPLACE || kind == SEG_ASK_PUT
                     ? value_of(a->key, number)
                     : number;
    if (!sim_chance(sim_the_plan.expiring)) return;
    a->op.expiry = sim_second_of(NULL) + 1 + sim_pick(sim_the_plan.expiry_most_s);
    a->expiry = segue_expiry_at((uint32_t)a->op.expiry);
}

static const seg_op_kind kinds[SIM_VERBS] = {
    [V_GET] = SEG_ASK_GET,          [V_GET_AND_TOUCH] = SEG_ASK_TOUCH,
    [V_TOUCH] = SEG_ASK_TOUCH,      [V_SET] = SEG_ASK_SET,
    [V_ADD] = SEG_ASK_ADD,          [V_WRITE] = SEG_ASK_WRITE,
    [V_UPDATE] = SEG_ASK_UPDATE,    [V_UPDATE_DELETES] = SEG_ASK_DELETE,
    [V_DELETE] = SEG_ASK_DELETE,    [V_REMOVE] = SEG_ASK_REMOVE,
    [V_TOMBSTONE] = SEG_ASK_REMOVE, [V_PART] = SEG_ASK_PUT_IN,
    [V_XATTR] = SEG_ASK_XATTR,      [V_REPLACE] = SEG_ASK_REPLACE,
    [V_RESURRECT] = SEG_ASK_ADD,    [V_SCAN] = SEG_ASK_GET,
    [V_RECORD] = SEG_ASK_GET,       [V_PUT] = SEG_ASK_PUT,
};

static void act(sim_client *c)
{
    asking a;
    verb v = choose();
    if (v >= V_FILLER && !sim_the_plan.n_fillers) v = V_GET;
    if (v == V_SCAN || v >= V_FILLER) {
        if (v == V_SCAN) scan(c);
        else if (v == V_FILLER) get_filler(c);
        else scan_fillers(c);
        return;
    }
    begin_asking(&a, c, kinds[v]);
    segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = a.body, .expiry = a.expiry};
    switch (v) {
    case V_GET: read_one(&a, false); break;
    case V_RECORD: read_one(&a, true); break;
    case V_GET_AND_TOUCH: touch(&a, true); break;
    case V_TOUCH: touch(&a, false); break;
    case V_REPLACE:
        m.options = SEGUE_M_REPLACE_ALL;
        mutate(&a, &m, NULL);
        break;
    case V_SET: mutate(&a, &m, NULL); break;
    case V_ADD: insert(&a, false); break;
    case V_RESURRECT: insert(&a, true); break;
    case V_WRITE:
    case V_REMOVE:
    case V_TOMBSTONE: by_token(&a, v); break;
    case V_UPDATE: update(&a, false); break;
    case V_UPDATE_DELETES: update(&a, true); break;
    case V_DELETE:
        m = (segue_mutation){.body_op = SEGUE_BODY_DELETE};
        mutate(&a, &m, NULL);
        break;
    case V_PART: change_part(&a); break;
    case V_XATTR: set_xattr(&a); break;
    case V_PUT: put_record(&a); break;
    case V_SCAN:
    case V_FILLER:
    case V_SCAN_FILLERS: break;
    }
    sim_deadline(0);
}

void sim_client_live(void *arg)
{
    sim_client *c = arg;
    while (!sim_is_over && !sim_is_dead() && !sim.failure[0]) {
        act(c);
        sim_the_score.operations++;
        bool is_plenty = ++sim_the_score.in_stage > sim_the_plan.operations_most;
        sim_sleep(sim_between(0, 2 * sim_the_plan.think_ns + (is_plenty ? 500 * sim_ms : 0)));
    }
    seg_free(c);
}

void sim_fill_key(segue_store *store, unsigned key)
{
    char name[8], text[BODY_SIZE];
    segue_error err = {0};
    segue_xattr x = {segue_str("x"), segue_str("7")};
    segue_xattr_write w = {.body = body_of(key, key, text), .set = &x, .n_set = 1};
    uint64_t cas = 0;
    if (key % 4 == 3) w.expiry = segue_expiry_at((uint32_t)(sim_second_of(NULL) + 5 + sim_pick(60)));
    segue_status st = segue_write_resurrection(store, segue_str(sim_key(key, name)), &w, NULL, &cas, &err);
    if (st != SEGUE_OK) sim_fail(name, "fill: %s", err.message);
    sim_histories[key].start = (seg_model){
        .live = true, .body = value_of(key, key), .xattr = 7, .cas = cas, .expiry = w.expiry.seconds};
}
