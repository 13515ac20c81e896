/* Operations, and the search for an order that explains their answers (Wing and Gong, "Testing and verifying concurrent
 * objects", 1993). */
#include "history.h"

#include <segue/feed.h>
#include <segue/ops.h>

#include "base/base.h"
#include "store/call.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- time ---- */

int64_t history_now_ns;
bool history_has_revisions = true;
bool history_has_cas = true;

static int64_t now(void *ctx)
{
    (void)ctx;
    return history_now_ns;
}

/* Deadlines do not pass: nobody's operation takes any time. */
static int64_t mono(void *ctx)
{
    (void)ctx;
    return 1;
}

const segue_env *history_env(void)
{
    static const segue_env env = {NULL, now, mono, history_sleep, history_random};
    return &env;
}

/* ---- operations ---- */

static segue_slice key(void) { return segue_str(THE_KEY); }

static void say(answer *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(answer *a, const char *format, ...)
{
    size_t used = strlen(a->text);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(a->text + used, sizeof a->text - used, format, args); /* cut is fine, for both alike */
    va_end(args);
}

/* An xattr, where a macro may have put a CAS: that of the record as it is, or an older one. */
static void say_xattr(answer *a, const segue_xattr *x, uint64_t cas)
{
    static const char before[] = "{\"c\":\"0x";
    char own[17];
    cas &= ~(UINT64_C(1) << 63);
    for (int i = 0; i < 8; i++) (void)snprintf(own + 2 * i, 3, "%02x", (unsigned)(cas >> (8 * i)) & 0xFFu); /* fits */
    bool is_macro = x->value.size > sizeof before - 1 + 16 && memcmp(x->value.data, before, sizeof before - 1) == 0;
    say(a, " %.*s=", (int)x->name.size, x->name.data);
    if (!is_macro) say(a, "%.*s", (int)x->value.size, x->value.data);
    else if (!history_has_cas) say(a, "a CAS");
    else say(a, memcmp(x->value.data + sizeof before - 1, own, 16) == 0 ? "its CAS" : "an older CAS");
}

static void say_record(answer *a, const segue_record *rec)
{
    if (rec->is_tombstone) say(a, "tombstone");
    else say(a, "%.*s", (int)rec->body.size, rec->body.data);
    if (history_has_revisions) say(a, " rev %llu", (unsigned long long)rec->revision);
    if (rec->expiry) say(a, " exp %u", rec->expiry);
    if (rec->flags) say(a, " flags %u", rec->flags);
    if (rec->is_json) say(a, " json");
    for (size_t i = 0; i < rec->n_xattrs; i++) say_xattr(a, &rec->xattrs[i], rec->cas);
}

static void say_doc(answer *a, segue_doc *doc)
{
    if (a->status == SEGUE_OK) {
        say_record(a, &doc->rec);
        a->cas[0] = doc->rec.cas;
    }
    segue_doc_free(doc);
}

static void op_get(client *c, answer *a)
{
    segue_doc doc = {0};
    a->status = segue_get(c->store, key(), NULL, &doc, NULL);
    c->token = a->status == SEGUE_OK ? doc.rec.cas : 0;
    (void)snprintf(c->body, sizeof c->body, "%.*s", c->token ? (int)doc.rec.body.size : 0,
                   c->token ? doc.rec.body.data : ""); /* fits */
    say_doc(a, &doc);
}

/* Tombstones too. */
static void op_record(client *c, answer *a)
{
    segue_doc doc = {0};
    a->status = segue_get_record(c->store, key(), NULL, &doc, NULL);
    say_doc(a, &doc);
}

/* Until half an hour after the beginning: the passing of time ends it. */
static void op_gat(client *c, answer *a)
{
    segue_doc doc = {0};
    a->status = segue_get_and_touch(c->store, key(), segue_expiry_at(1800001700), NULL, &doc, NULL);
    say_doc(a, &doc);
}

static void op_add(client *c, answer *a)
{
    a->status = segue_add(c->store, key(), segue_str("11"), segue_expiry_none(), NULL, &a->cas[0], NULL);
}

static void op_set(client *c, answer *a)
{
    a->status = segue_set(c->store, key(), segue_str("12"), segue_expiry_none(), NULL, &a->cas[0], NULL);
}

static void op_replace(client *c, answer *a)
{
    segue_mutation m = {
        .body_op = SEGUE_BODY_SET, .body = segue_str("13"), .options = SEGUE_M_REPLACE_ALL, .json = SEGUE_JSON_YES};
    segue_outcome out = {0};
    a->status = segue_mutate(c->store, key(), &m, NULL, &out, NULL, NULL);
    a->cas[0] = out.cas;
}

static void op_delete(client *c, answer *a) { a->status = segue_delete(c->store, key(), NULL, NULL); }

static void op_remove(client *c, answer *a)
{
    a->status = c->token ? segue_remove(c->store, key(), c->token, NULL, &a->cas[0], NULL) : SEGUE_OK;
}

static void op_cas(client *c, answer *a)
{
    a->status = segue_write_cas(c->store, key(), c->token, segue_str("14"), segue_expiry_none(), 0, NULL, &a->cas[0],
                                NULL);
}

/* A whole record by a token, by the store's own slot: as a filter or a batch may use it. */
static void op_put(client *c, answer *a)
{
    segue_put put = {.rec = {.key = key(), .body = segue_str("16"), .is_json = true, .revision = 20}};
    segue_call call = seg_call_new(c->store, 0, NULL);
    put.condition = c->token ? SEGUE_IF_CAS : SEGUE_IF_ABSENT;
    put.if_cas = c->token;
    a->status = seg_call_begin(c->store, true, &call);
    if (a->status != SEGUE_OK) return;
    a->status = seg_call_put(c->store, &put, &a->cas[0], &call);
    seg_call_end(c->store, &call);
}

/* "7" behind what is there; nothing live: "7". */
static segue_status append_seven(void *ctx, const segue_record *current, segue_mutation *m)
{
    answer *a = ctx;
    a->text[0] = '\0';
    if (current) say_record(a, current);
    int n = snprintf(a->body, sizeof a->body, "%.*s7", current ? (int)current->body.size : 0,
                     current && current->body.data ? current->body.data : "");
    m->body_op = SEGUE_BODY_SET;
    m->body = segue_bytes(a->body, (size_t)n);
    return SEGUE_OK;
}

static segue_status delete_it(void *ctx, const segue_record *current, segue_mutation *m)
{
    answer *a = ctx;
    a->text[0] = '\0';
    if (current) say_record(a, current);
    m->body_op = SEGUE_BODY_DELETE;
    if (!current || current->is_tombstone) *m = (segue_mutation){0};
    return SEGUE_OK;
}

static void update(client *c, answer *a, segue_update_fn fn)
{
    segue_outcome out = {0};
    a->status = segue_update(c->store, key(), fn, a, NULL, &out, NULL);
    a->cas[0] = out.cas;
    if (history_has_revisions) say(a, " -> rev %llu", (unsigned long long)out.revision);
}

static void op_update(client *c, answer *a) { update(c, a, append_seven); }
static void op_update_deletes(client *c, answer *a) { update(c, a, delete_it); }

/* The same, but it expects what it saw to be live, and says the body only: a previous document has no more. */
static segue_status append_seven_to_live(void *ctx, const segue_record *current, segue_mutation *m)
{
    answer *a = ctx;
    segue_status st = append_seven(ctx, current, m);
    bool live = current && !current->is_tombstone;
    a->text[0] = '\0';
    if (live) {
        say(a, "%.*s", (int)current->body.size, current->body.data);
        m->expect = SEGUE_EXPECT_LIVE;
    }
    return st;
}

static void op_previous(client *c, answer *a)
{
    segue_record previous = {.key = key(), .body = segue_str(c->body), .cas = c->token, .is_json = true};
    segue_update_options options = {.previous = &previous};
    segue_outcome out = {0};
    a->status = segue_update(c->store, key(), append_seven_to_live, a, &options, &out, NULL);
    a->cas[0] = out.cas;
}

static void op_touch(client *c, answer *a)
{
    a->status = segue_touch(c->store, key(), segue_expiry_at(1900000000), NULL, &a->cas[0], NULL);
}

static void op_incr(client *c, answer *a)
{
    uint64_t initial = 100, value = 0;
    a->status = segue_incr(c->store, key(), 1, &initial, segue_expiry_none(), NULL, &value, NULL);
    say(a, "%llu", (unsigned long long)value);
}

static void op_append(client *c, answer *a)
{
    a->status = segue_append(c->store, key(), segue_str("9"), NULL, &a->cas[0], NULL);
}

static void op_xattr(client *c, answer *a)
{
    segue_xattr x = {segue_str("_x"), segue_str("1")};
    a->status = segue_xattrs_set(c->store, key(), &x, 1, NULL, &a->cas[0], NULL);
}

/* The CAS of this write into it. */
static void op_macro(client *c, answer *a)
{
    segue_xattr x = {segue_str("_m"), segue_str("{\"c\":0}")};
    segue_macro macro = {segue_str("_m.c"), SEGUE_MACRO_CAS};
    segue_mutation m = {
        .expect = SEGUE_EXPECT_LIVE, .set_xattrs = &x, .n_set_xattrs = 1, .macros = &macro, .n_macros = 1};
    segue_outcome out = {0};
    a->status = segue_mutate(c->store, key(), &m, NULL, &out, NULL, NULL);
    a->cas[0] = out.cas;
}

/* Inside an xattr that is there in the beginning. */
static void op_path(client *c, answer *a)
{
    segue_path_op at = {
        .action = SEGUE_PATH_SET, .in = SEGUE_IN_XATTR, .path = segue_str("_sync.b"), .value = segue_str("4")};
    segue_mutation m = {.expect = SEGUE_EXPECT_LIVE, .paths = &at, .n_paths = 1};
    segue_outcome out = {0};
    a->status = segue_mutate(c->store, key(), &m, NULL, &out, NULL, NULL);
    a->cas[0] = out.cas;
}

/* Inside the body, where it is an object. */
static void op_inside(client *c, answer *a)
{
    segue_path_op at = {.action = SEGUE_PATH_SET, .in = SEGUE_IN_BODY, .path = segue_str("b"), .value = segue_str("4")};
    segue_mutation m = {.expect = SEGUE_EXPECT_LIVE, .paths = &at, .n_paths = 1};
    segue_outcome out = {0};
    a->status = segue_mutate(c->store, key(), &m, NULL, &out, NULL, NULL);
    a->cas[0] = out.cas;
}

static void op_tombstone(client *c, answer *a)
{
    segue_xattr x = {segue_str("_t"), segue_str("2")};
    segue_xattr_write w = {.set = &x, .n_set = 1};
    a->status = segue_write_tombstone(c->store, key(), c->token, c->token != 0, &w, NULL, &a->cas[0], NULL);
}

static void op_resurrect(client *c, answer *a)
{
    segue_xattr x = {segue_str("_r"), segue_str("3")};
    segue_xattr_write w = {.body = segue_str("15"), .set = &x, .n_set = 1};
    a->status = segue_write_resurrection(c->store, key(), &w, NULL, &a->cas[0], NULL);
}

static void op_scan(client *c, answer *a)
{
    segue_scan *scan = NULL;
    const segue_record *rec = NULL;
    a->status = segue_scan_open(c->store, NULL, &scan, NULL);
    while (a->status == SEGUE_OK && (a->status = segue_scan_next(scan, &rec, NULL)) == SEGUE_OK) {
        say(a, "[");
        say_record(a, rec);
        say(a, "]");
        a->cas[0] = rec->cas;
    }
    segue_scan_close(scan);
}

/* All that there is to tell: of one document the last is its state. */
static void op_feed(client *c, answer *a)
{
    segue_feed *feed = NULL;
    segue_feed_event told;
    segue_feed_options all = {.flags = SEGUE_FEED_STOP_AT_END};
    a->status = segue_feed_open(&c->store, 1, &all, &feed, NULL);
    while (a->status == SEGUE_OK && (a->status = segue_feed_next(feed, 0, &told, NULL)) == SEGUE_OK) {
        a->text[0] = '\0';
        say_record(a, &told.rec);
    }
    segue_feed_close(feed);
}

/* Of what has expired in the store that is written to now, unless somebody changes it meanwhile. So it is replayed where
 * something was reaped. */
static void op_reap(client *c, answer *a)
{
    uint64_t n = 0;
    const answer *real = c->replayed;
    if (real && real->status == SEGUE_OK && strcmp(real->text, "reaped 0") == 0) {
        *a = *real;
        return;
    }
    a->status = segue_reap(c->store, 0, &n, NULL);
    say(a, "reaped %llu", (unsigned long long)n);
}

/* A plain store may always purge, a dual one may not; and a purge leaves what somebody changes meanwhile. So it is replayed
 * where something was purged. */
static void op_purge(client *c, answer *a)
{
    uint64_t n = 0;
    const answer *real = c->replayed;
    bool did_nothing = real && (real->status == SEGUE_REFUSED ||
                                (real->status == SEGUE_OK && strcmp(real->text, "purged 0") == 0));
    if (did_nothing) {
        *a = *c->replayed;
        return;
    }
    a->status = segue_purge_tombstones(c->store, &n, NULL);
    say(a, "purged %llu", (unsigned long long)n);
}

enum { AN_HOUR_S = 3600 };
static void op_time(client *c, answer *a)
{
    (void)c;
    history_now_ns += (int64_t)AN_HOUR_S * 1000000000;
    a->status = SEGUE_OK;
}

static const operation operations[] = {
    {"get", op_get},
    {"record", op_record},
    {"gat", op_gat},
    {"add", op_add},
    {"set", op_set},
    {"replace", op_replace},
    {"delete", op_delete},
    {"remove", op_remove},
    {"cas", op_cas},
    {"put", op_put},
    {"update", op_update},
    {"update-del", op_update_deletes},
    {"previous", op_previous},
    {"touch", op_touch},
    {"incr", op_incr},
    {"append", op_append},
    {"xattr", op_xattr},
    {"macro", op_macro},
    {"path", op_path},
    {"inside", op_inside},
    {"tombstone", op_tombstone},
    {"resurrect", op_resurrect},
    {"scan", op_scan},
    {"feed", op_feed},
    {"reap", op_reap},
    {"purge", op_purge},
    {"clean", op_purge},
    {"time", op_time},
};

const operation *history_operation(const char *name)
{
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++)
        if (strcmp(operations[i].name, name) == 0) return &operations[i];
    return NULL;
}

/* ---- states ---- */

static void must(segue_status st, const char *what)
{
    if (st == SEGUE_OK) return;
    fprintf(stderr, "explore: %s: %s\n", what, segue_status_name(st));
    exit(1);
}

void history_reset(segue_store *store, const segue_record *rec)
{
    segue_doc doc = {0};
    segue_call call = seg_call_new(store, 0, NULL);
    segue_status st = seg_call_get(store, key(), &doc, &call);
    if (st == SEGUE_OK) st = seg_call_erase(store, key(), doc.rec.cas, &call);
    segue_doc_free(&doc);
    if (st != SEGUE_NOT_FOUND) must(st, "reset");
    if (!rec->key.data) return;
    segue_put put = {.rec = *rec, .condition = SEGUE_IF_ABSENT};
    must(seg_call_put(store, &put, NULL, &call), "reset");
}

/* ---- explaining ---- */

typedef struct search {
    const history *h;
    segue_store *plain;
    unsigned order[HISTORY_MOST];
    bool is_left_out[HISTORY_MOST]; /* by place in the order: it was not applied */
    bool is_late[HISTORY_MOST];     /* and: it was decided before time went on */
    unsigned n;
    int64_t start_ns;
} search;

/* CASes that were paired must stay so, and stand in the same order. */
static bool fits_cas(uint64_t pairs[][2], unsigned *n, uint64_t real, uint64_t plain)
{
    if ((real == 0) != (plain == 0)) return false;
    if (real == 0) return true;
    for (unsigned i = 0; i < *n; i++) {
        if (pairs[i][0] == real && pairs[i][1] == plain) return true;
        if ((pairs[i][0] < real) != (pairs[i][1] < plain) || pairs[i][0] == real || pairs[i][1] == plain) return false;
    }
    pairs[*n][0] = real;
    pairs[(*n)++][1] = plain;
    return true;
}

static bool same_answer(const history *h, const answer *real, const answer *plain, uint64_t pairs[][2], unsigned *n)
{
    if (real->status != plain->status || strcmp(real->text, plain->text) != 0) return false;
    for (unsigned i = 0; i < KEPT_MOST && h->has_cas && real->status == SEGUE_OK; i++)
        if (!fits_cas(pairs, n, real->cas[i], plain->cas[i])) return false;
    return true;
}

/* Replay the order so far on the plain store. */
static bool replays(search *s)
{
    uint64_t pairs[HISTORY_MOST * KEPT_MOST][2];
    unsigned n_pairs = 0;
    client clients[HISTORY_MOST];
    memset(clients, 0, sizeof clients);
    history_now_ns = s->start_ns;
    history_reset(s->plain, &s->h->start);
    for (unsigned i = 0; i < s->n; i++) {
        const event *e = &s->h->events[s->order[i]];
        client *c = &clients[e->party];
        answer a = {0};
        if (s->is_left_out[i]) continue;
        /* Where a move changes the CAS, it may cost who holds one a retry. */
        if (!s->h->has_cas && e->got.status == SEGUE_CAS_MISMATCH) continue;
        c->store = s->plain;
        c->replayed = &e->got;
        int64_t now_ns = history_now_ns;
        if (s->is_late[i]) history_now_ns = s->start_ns;
        e->op->run(c, &a);
        if (s->is_late[i]) history_now_ns = now_ns;
        if (e->got.status == SEGUE_MAYBE_APPLIED) continue; /* it answered nothing that could be compared */
        if (!same_answer(s->h, &e->got, &a, pairs, &n_pairs)) return false;
    }
    return true;
}

static bool is_in(const search *s, unsigned number)
{
    for (unsigned i = 0; i < s->n; i++)
        if (s->order[i] == number) return true;
    return false;
}

/* Everything that had ended before it began is in the order already. */
static bool may_be_next(const search *s, unsigned number)
{
    for (unsigned i = 0; i < s->h->n; i++)
        if (s->h->events[i].ended < s->h->events[number].began && !is_in(s, i)) return false;
    return true;
}

/* A document that expires keeps its CAS, so what was decided on it while it was alive may be written when it is not any more,
 * and others have seen that. Who only reads does not get off so cheaply. */
static bool may_be_late(const search *s, unsigned number)
{
    static const char *const readers[] = {"get", "record", "scan", "feed", "time"};
    const event *e = &s->h->events[number];
    for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++)
        if (strcmp(e->op->name, readers[i]) == 0) return false;
    for (unsigned i = 0; i < s->n; i++) {
        const event *before = &s->h->events[s->order[i]];
        if (strcmp(before->op->name, "time") == 0 && e->began < before->ended) return true;
    }
    return false;
}

static bool extend(search *s);

/* What failed was not applied; of what may have been either is possible. */
static bool extend_by(search *s, unsigned number)
{
    segue_status st = s->h->events[number].got.status;
    bool failed = s->h->was_struck && st == SEGUE_UNAVAILABLE;
    bool unknown = s->h->was_struck && st == SEGUE_MAYBE_APPLIED;
    bool may_come_late = may_be_late(s, number);
    s->order[s->n] = number;
    s->is_late[s->n] = false;
    s->is_left_out[s->n++] = failed;
    bool found = replays(s) && extend(s);
    if (!found && may_come_late) {
        s->is_late[s->n - 1] = true;
        found = replays(s) && extend(s);
        s->is_late[s->n - 1] = found;
    }
    if (!found && unknown) {
        s->is_left_out[s->n - 1] = true;
        found = replays(s) && extend(s);
    }
    if (!found) s->n--;
    return found;
}

static bool extend(search *s)
{
    if (s->n == s->h->n) return true;
    for (unsigned i = 0; i < s->h->n; i++) {
        if (is_in(s, i) || !may_be_next(s, i)) continue;
        if (extend_by(s, i)) return true;
    }
    return false;
}

const char *history_explain(const history *h, segue_store *plain)
{
    int64_t after = history_now_ns;
    search s = {.h = h, .plain = plain};
    s.start_ns = history_now_ns;
    for (unsigned i = 0; i < h->n; i++)
        if (strcmp(h->events[i].op->name, "time") == 0) s.start_ns -= (int64_t)AN_HOUR_S * 1000000000;
    bool found = extend(&s);
    history_now_ns = after;
    return found ? NULL : "no order of the operations explains what they answered";
}

/* ---- as text ---- */

static unsigned rank_of(const history *h, uint64_t cas)
{
    unsigned rank = 1;
    uint64_t seen[HISTORY_MOST * KEPT_MOST];
    unsigned n = 0;
    for (unsigned i = 0; i < h->n; i++)
        for (unsigned k = 0; k < KEPT_MOST; k++) {
            uint64_t other = h->events[i].got.cas[k];
            bool is_new = other != 0 && other < cas;
            for (unsigned j = 0; j < n && is_new; j++) is_new = seen[j] != other;
            if (!is_new) continue;
            seen[n++] = other;
            rank++;
        }
    return rank;
}

uint16_t history_before(const history *h, unsigned number)
{
    unsigned before = 0;
    for (unsigned i = 0; i < h->n; i++)
        if (h->events[i].ended < h->events[number].began) before |= 1u << i;
    return (uint16_t)before;
}

void history_text(const history *h, bool with_order, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < h->n && used < size; i++) {
        const event *e = &h->events[i];
        int n = snprintf(out + used, size - used, "%u %s (after %x): %s %s", e->party, e->op->name,
                         with_order ? history_before(h, i) : 0u, segue_status_name(e->got.status), e->got.text);
        used += (size_t)n;
        for (unsigned k = 0; k < KEPT_MOST && used < size && h->has_cas; k++)
            if (e->got.cas[k]) used += (size_t)snprintf(out + used, size - used, " cas %u", rank_of(h, e->got.cas[k]));
        if (used < size) used += (size_t)snprintf(out + used, size - used, "\n");
    }
}
