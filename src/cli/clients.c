/* L6: the clients of a rehearsal; see clients.h. One thread each; what they share is the store, the ledger (which says how)
 * and two atomics. */
#include "cli/clients.h"
#include "base/base.h"
#include "base/env.h"
#include <segue/ops.h>

#include <stdio.h>

enum { RECORDED_MAX = 1000000 }; /* operations in histories: bounds the memory, to about 100 MB */
static const int64_t timeout_ns = 30 * (int64_t)1000000000;

typedef struct client {
    seg_clients *all;
    unsigned number;
    uint64_t random; /* state of its choices */
    uint64_t writes; /* makes each body unlike any other */
    seg_entry **owned;
    size_t n_owned;
    uint64_t *seen;         /* for each entry that is not owned: the greatest number seen */
    seg_history *histories; /* for each of them */
    char body[256];
    atomic_uint_fast64_t operations;
    seg_client_counts counts;
    pthread_t thread;
    bool started;
} client;

struct seg_clients {
    segue_store *store;
    seg_ledger *ledger;
    const segue_env *env;
    atomic_bool stop;
    atomic_uint period;
    atomic_uint_fast64_t recorded, cut; /* operations in histories; the moment after which they are not complete */
    seg_entry **counters, **shared;
    size_t n_counters, n_shared;
    client *clients;
    unsigned n;
};

const char *seg_do_name(seg_do op)
{
    static const char *const names[SEG_N_DOS] = {"get",  "update", "set",   "add",   "delete", "touch",
                                                 "incr", "cas",    "xattr", "count", "shared"};
    return (unsigned)op < SEG_N_DOS ? names[op] : "?";
}

/* ---- latency ---- */

void seg_latency_note(seg_latency *latency, int64_t ns)
{
    uint64_t v = ns > 16 ? (uint64_t)ns : 16;
    unsigned e = 63;
    while (!(v >> e)) e--; /* at least 4 */
    size_t bucket = (size_t)e * 16 + (size_t)(v >> (e - 4) & 15);
    latency->buckets[bucket]++;
    latency->n++;
    if (v > latency->max_ns) latency->max_ns = v;
}

void seg_latency_add(seg_latency *sum, const seg_latency *more)
{
    for (size_t i = 0; i < SEG_LATENCY_BUCKETS; i++) sum->buckets[i] += more->buckets[i];
    sum->n += more->n;
    if (more->max_ns > sum->max_ns) sum->max_ns = more->max_ns;
}

int64_t seg_latency_at(const seg_latency *latency, double fraction)
{
    uint64_t rank = (uint64_t)((double)latency->n * fraction), seen = 0;
    for (size_t i = 0; i < SEG_LATENCY_BUCKETS; i++) {
        seen += latency->buckets[i];
        if (seen > rank) {
            uint64_t ns = ((uint64_t)16 + i % 16) << (i / 16 - 4);
            return (int64_t)(ns < latency->max_ns ? ns : latency->max_ns);
        }
    }
    return (int64_t)latency->max_ns;
}

/* ---- choices ---- */

/* splitmix64: small, good enough for choices, the same everywhere. */
static uint64_t next(client *c)
{
    uint64_t z = c->random += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static seg_do choose(client *c)
{
    static const unsigned char weights[SEG_N_DOS] = {36, 14, 6, 8, 7, 6, 5, 6, 4, 5, 3}; /* 100 */
    unsigned at = (unsigned)(next(c) % 100);
    for (seg_do op = 0; op < SEG_N_DOS; op++) {
        if (at < weights[op]) return op;
        at -= weights[op];
    }
    return SEG_DO_GET;
}

static segue_slice new_body(client *c)
{
    int n = snprintf(c->body, sizeof c->body, "{\"rehearsed_by\":%u,\"write\":%llu}", c->number,
                     (unsigned long long)++c->writes);
    return segue_bytes(c->body, (size_t)n);
}

/* ---- owned keys ---- */

/* The record of a key, tombstones too, however often it takes. False: it cannot be read. */
static bool read_back(client *c, segue_slice key, segue_doc *doc, bool *ret_exists)
{
    segue_options options = {.timeout_ns = timeout_ns};
    for (int i = 0; i < 100; i++) {
        segue_status st = segue_get_record(c->all->store, key, &options, doc, NULL);
        *ret_exists = st == SEGUE_OK;
        if (st == SEGUE_OK || st == SEGUE_NOT_FOUND) return true;
        seg_sleep_ns(c->all->env, 20000000);
    }
    return false;
}

static void settle(client *c, seg_do op, seg_entry *entry, const segue_mutation *m, segue_status st,
                   const segue_outcome *outcome)
{
    if (segue_status_is_retryable(st)) {
        c->counts.retryable++;
        return;
    }
    if (!segue_status_is_maybe_applied(st)) {
        c->counts.acknowledged[op]++;
        if (seg_ledger_settle(c->all->ledger, entry, m, st, outcome) != SEGUE_OK) entry->is_vague = true;
        return;
    }
    SEG_AUTO(segue_doc) doc = {0};
    bool exists = false;
    c->counts.unknown++;
    if (!read_back(c, entry->now.rec.key, &doc, &exists) ||
        seg_ledger_resolve(c->all->ledger, entry, m, exists ? &doc.rec : NULL) != SEGUE_OK)
        entry->is_vague = true;
}

typedef struct update_ctx {
    client *c;
    seg_entry *entry;
    const segue_mutation *m;
} update_ctx;

static segue_status update_owned(void *ctx, const segue_record *current, segue_mutation *m)
{
    update_ctx *u = ctx;
    (void)seg_ledger_saw(u->c->all->ledger, u->entry, current); /* it notes what is wrong; we go on */
    *m = *u->m;
    return SEGUE_OK;
}

static segue_expiry some_expiry(client *c, uint64_t choice)
{
    uint64_t now = seg_wall_s(c->all->env);
    if (choice % 4 == 0) return segue_expiry_at((uint32_t)(now + 86400 + choice % 100000));
    return choice % 4 == 1 ? segue_expiry_none() : segue_expiry_keep();
}

/* The mutation of an operation on an owned key. x: room for an xattr. */
static segue_mutation make(client *c, seg_do op, const seg_entry *entry, segue_xattr *x)
{
    uint64_t choice = next(c);
    segue_mutation m = {.body_op = SEGUE_BODY_SET, .json = SEGUE_JSON_YES};
    if (op == SEG_DO_TOUCH || op == SEG_DO_XATTR) {
        m.body_op = SEGUE_BODY_KEEP;
        m.expect = SEGUE_EXPECT_LIVE;
        m.json = SEGUE_JSON_AUTO;
    } else if (op == SEG_DO_DELETE) {
        m.body_op = SEGUE_BODY_DELETE;
        m.expect = SEGUE_EXPECT_LIVE;
        m.json = SEGUE_JSON_AUTO;
    } else if (op == SEG_DO_INCR) {
        m.body_op = SEGUE_BODY_ADD;
        m.delta = 1 + choice % 9;
        m.initial = choice % 1000;
        m.has_initial = true;
        m.json = SEGUE_JSON_AUTO;
    } else {
        m.body = new_body(c);
        m.expiry = some_expiry(c, choice);
    }
    if (op == SEG_DO_ADD) m.expect = SEGUE_EXPECT_NOT_LIVE;
    if (op == SEG_DO_CAS && entry->exists && entry->now.rec.cas) {
        m.expect = SEGUE_EXPECT_CAS;
        m.cas = entry->now.rec.cas + (choice % 8 == 0 ? 1 : 0);
    }
    if (op == SEG_DO_TOUCH) m.expiry = segue_expiry_at((uint32_t)(seg_wall_s(c->all->env) + 86400 + choice % 100000));
    if (op == SEG_DO_XATTR || (op == SEG_DO_UPDATE && choice % 3 == 0)) {
        *x = (segue_xattr){segue_str("_rehearsal"), new_body(c)};
        if (op == SEG_DO_UPDATE) m.body = x->value;
        m.set_xattrs = x;
        m.n_set_xattrs = 1;
    }
    return m;
}

/* A token that was read before the move is good after it only where the primary keeps CAS. */
static bool may_use_cas(const client *c, const seg_entry *entry) { return c->all->ledger->keeps_cas || entry->touched; }

static void act_owned(client *c, seg_do op)
{
    if (c->n_owned == 0) {
        seg_sleep_ns(c->all->env, 1000000);
        return;
    }
    seg_entry *entry = c->owned[next(c) % c->n_owned];
    segue_options options = {.timeout_ns = timeout_ns};
    segue_outcome outcome = {0};
    segue_xattr x;
    if (op == SEG_DO_CAS && !may_use_cas(c, entry)) op = SEG_DO_SET;
    if (op == SEG_DO_GET) {
        SEG_AUTO(segue_doc) doc = {0};
        segue_status st = segue_get(c->all->store, entry->now.rec.key, &options, &doc, NULL);
        if (st == SEGUE_OK || st == SEGUE_NOT_FOUND) {
            c->counts.acknowledged[op]++;
            (void)seg_ledger_saw(c->all->ledger, entry, st == SEGUE_OK ? &doc.rec : NULL); /* it notes what is wrong */
        } else {
            c->counts.retryable++;
        }
        return;
    }
    segue_mutation m = make(c, op, entry, &x);
    segue_status st;
    if (op == SEG_DO_UPDATE) {
        update_ctx ctx = {c, entry, &m};
        segue_update_options update = {.timeout_ns = timeout_ns};
        st = segue_update(c->all->store, entry->now.rec.key, update_owned, &ctx, &update, &outcome, NULL);
    } else {
        st = segue_mutate(c->all->store, entry->now.rec.key, &m, &options, &outcome, NULL, NULL);
    }
    settle(c, op, entry, &m, st, &outcome);
}

/* ---- keys that all write ---- */

static seg_op begin_op(const client *c, seg_op_kind kind)
{
    return (seg_op){.kind = kind, .client = c->number, .begin = (uint64_t)seg_mono_ns(c->all->env)};
}

/* Into the client's own list: nothing is shared but a count. */
static void note(client *c, size_t i, seg_op *op)
{
    uint64_t cut = atomic_load(&c->all->cut), none = 0;
    op->end = (uint64_t)seg_mono_ns(c->all->env);
    if (cut && op->begin >= cut) return;
    if (seg_history_add(&c->histories[i], op) != SEGUE_OK) atomic_store(&c->all->cut, 1); /* then nothing is judged */
    else if (atomic_fetch_add(&c->all->recorded, 1) + 1 == RECORDED_MAX)
        (void)atomic_compare_exchange_strong(&c->all->cut, &none, op->end); /* or it is cut already */
}

static void note_write(client *c, size_t i, seg_op *op, segue_status st, const segue_outcome *outcome)
{
    op->answer = st == SEGUE_OK                      ? SEG_ANSWER_OK
                 : segue_status_is_maybe_applied(st) ? SEG_ANSWER_UNKNOWN
                                                     : SEG_ANSWER_FAILED;
    if (st == SEGUE_OK) op->cas = outcome->cas;
    note(c, i, op);
}

static void count_shared(client *c, seg_do op, seg_entry *entry, uint64_t added, segue_status st)
{
    if (st == SEGUE_OK) {
        c->counts.acknowledged[op]++;
        atomic_fetch_add(&entry->acknowledged, added);
    } else if (segue_status_is_maybe_applied(st)) {
        c->counts.unknown++;
        atomic_fetch_add(&entry->unknown, added);
    } else if (segue_status_is_retryable(st)) {
        c->counts.retryable++;
    } else {
        seg_ledger_differs(c->all->ledger, entry->now.rec.key, "a write that must succeed came back with %s",
                           segue_status_name(st));
    }
}

/* Numbers only grow. */
static void check_growth(client *c, seg_entry *entry, uint64_t *seen, uint64_t number)
{
    if (number < *seen)
        seg_ledger_differs(c->all->ledger, entry->now.rec.key, "went back from %llu to %llu", (unsigned long long)*seen,
                           (unsigned long long)number);
    *seen = number;
}

static void act_counter(client *c)
{
    if (c->all->n_counters == 0) return;
    size_t i = next(c) % c->all->n_counters;
    seg_entry *entry = c->all->counters[i];
    uint64_t delta = 1 + next(c) % 9;
    segue_options options = {.timeout_ns = timeout_ns};
    segue_mutation m = {.body_op = SEGUE_BODY_ADD, .delta = delta, .expiry = segue_expiry_keep()};
    segue_outcome outcome = {0};
    seg_op op = begin_op(c, SEG_ASK_INCR);
    segue_status st = segue_mutate(c->all->store, entry->now.rec.key, &m, &options, &outcome, NULL, NULL);
    op.body = delta;
    op.saw_body = outcome.counter;
    note_write(c, i, &op, st, &outcome);
    count_shared(c, SEG_DO_COUNT, entry, delta, st);
    if (st == SEGUE_OK) check_growth(c, entry, &c->seen[i], outcome.counter);
}

typedef struct shared_ctx {
    client *c;
    size_t i;
    seg_op *op; /* body: the number written by the last call */
} shared_ctx;

static segue_status update_shared(void *ctx, const segue_record *current, segue_mutation *m)
{
    shared_ctx *s = ctx;
    seg_op get = {.kind = SEG_ASK_GET, .client = s->c->number, .begin = s->op->begin};
    seg_op_saw(&get, current);
    note(s->c, s->i, &get); /* a read of its own, also if somebody is faster now */
    s->op->given = get.cas;
    s->op->body = get.saw_body + 1;
    int n = snprintf(s->c->body, sizeof s->c->body, "{\"rehearsed\":%llu}", (unsigned long long)s->op->body);
    *m = (segue_mutation){.body_op = SEGUE_BODY_SET,
                          .body = segue_bytes(s->c->body, (size_t)n),
                          .json = SEGUE_JSON_YES,
                          .expiry = segue_expiry_keep()};
    return SEGUE_OK;
}

static void look_at_shared(client *c)
{
    SEG_AUTO(segue_doc) doc = {0};
    segue_options options = {.timeout_ns = timeout_ns};
    size_t i = next(c) % c->all->n_shared;
    seg_op op = begin_op(c, SEG_ASK_GET);
    segue_status st = segue_get(c->all->store, c->all->shared[i]->now.rec.key, &options, &doc, NULL);
    if (st != SEGUE_OK && st != SEGUE_NOT_FOUND) {
        c->counts.retryable++;
        return;
    }
    c->counts.acknowledged[SEG_DO_GET]++;
    seg_op_saw(&op, st == SEGUE_OK ? &doc.rec : NULL);
    note(c, c->all->n_counters + i, &op);
}

static void act_shared(client *c)
{
    if (c->all->n_shared == 0) return;
    size_t i = next(c) % c->all->n_shared;
    seg_entry *entry = c->all->shared[i];
    seg_op op = begin_op(c, SEG_ASK_UPDATE);
    shared_ctx ctx = {c, c->all->n_counters + i, &op};
    segue_update_options options = {.timeout_ns = timeout_ns};
    segue_outcome outcome = {0};
    segue_status st = segue_update(c->all->store, entry->now.rec.key, update_shared, &ctx, &options, &outcome, NULL);
    note_write(c, ctx.i, &op, st, &outcome);
    count_shared(c, SEG_DO_SHARED, entry, 1, st);
    if (st == SEGUE_OK) check_growth(c, entry, &c->seen[ctx.i], op.body);
}

/* ---- threads ---- */

static void *live(void *arg)
{
    client *c = arg;
    while (!atomic_load(&c->all->stop)) {
        seg_do op = choose(c);
        unsigned period = atomic_load(&c->all->period);
        int64_t began = seg_mono_ns(c->all->env);
        bool looks = op == SEG_DO_SHARED && c->all->n_shared > 0 && next(c) % 2;
        if (looks) op = SEG_DO_GET; /* for the latencies, too */
        if (looks) look_at_shared(c);
        else if (op == SEG_DO_COUNT) act_counter(c);
        else if (op == SEG_DO_SHARED) act_shared(c);
        else act_owned(c, op);
        int64_t ns = seg_mono_ns(c->all->env) - began;
        atomic_fetch_add(&c->operations, 1);
        seg_latency_note(op == SEG_DO_GET ? &c->counts.reads[period] : &c->counts.writes[period], ns);
    }
    return NULL;
}

/* Sort the ledger's entries by who touches them. */
static segue_status share_out(seg_clients *all)
{
    seg_ledger *ledger = all->ledger;
    size_t *n = seg_alloc_zero(sizeof *n * all->n);
    all->counters = seg_alloc_zero(sizeof *all->counters * (ledger->n + 1));
    all->shared = seg_alloc_zero(sizeof *all->shared * (ledger->n + 1));
    bool ok = n && all->counters && all->shared;
    for (size_t i = 0; ok && i < ledger->n; i++) {
        seg_entry *entry = ledger->entries[i];
        if (entry->kind == SEG_ENTRY_COUNTER) all->counters[all->n_counters++] = entry;
        else if (entry->kind == SEG_ENTRY_SHARED) all->shared[all->n_shared++] = entry;
        else n[entry->owner % all->n]++;
    }
    for (unsigned c = 0; ok && c < all->n; c++) {
        all->clients[c].owned = seg_alloc_zero(sizeof(seg_entry *) * (n[c] + 1));
        all->clients[c].seen = seg_alloc_zero(sizeof(uint64_t) * (all->n_counters + all->n_shared + 1));
        all->clients[c].histories = seg_alloc_zero(sizeof(seg_history) * (all->n_counters + all->n_shared + 1));
        ok = all->clients[c].owned && all->clients[c].seen && all->clients[c].histories;
    }
    for (size_t i = 0; ok && i < ledger->n; i++) {
        seg_entry *entry = ledger->entries[i];
        client *c = &all->clients[entry->owner % all->n];
        if (entry->kind == SEG_ENTRY_OWNED) c->owned[c->n_owned++] = entry;
    }
    seg_free(n);
    return ok ? SEGUE_OK : SEGUE_NO_MEMORY;
}

segue_status seg_clients_start(segue_store *store, seg_ledger *ledger, unsigned n, uint64_t seed,
                               seg_clients **ret_clients, segue_error *reterr)
{
    if (n < 1 || n > SEG_CLIENTS_MAX)
        return seg_error_set(reterr, SEGUE_INVALID_ARGUMENT, "there must be 1 to %d clients", SEG_CLIENTS_MAX);
    seg_clients *all = seg_alloc_zero(sizeof *all);
    if (all) {
        *all = (seg_clients){.store = store, .ledger = ledger, .env = segue_env_default(), .n = n};
        all->clients = seg_alloc_zero(sizeof *all->clients * n);
    }
    if (!all || !all->clients || share_out(all) != SEGUE_OK) {
        seg_clients_stop(all, NULL);
        return seg_error_set(reterr, SEGUE_NO_MEMORY, "out of memory for the clients");
    }
    for (unsigned i = 0; i < n; i++) {
        client *c = &all->clients[i];
        c->all = all;
        c->number = i;
        c->random = seed * 0x9E3779B97F4A7C15u + i;
        c->started = pthread_create(&c->thread, NULL, live, c) == 0;
        if (c->started) continue;
        seg_clients_stop(all, NULL);
        return seg_error_set(reterr, SEGUE_NO_MEMORY, "client %u cannot be started: too many threads", i);
    }
    *ret_clients = all;
    return SEGUE_OK;
}

void seg_clients_period(seg_clients *all, unsigned period)
{
    seg_assert(period < SEG_PERIODS);
    atomic_store(&all->period, period);
}

uint64_t seg_clients_operations(const seg_clients *all)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < all->n; i++) sum += atomic_load(&all->clients[i].operations);
    return sum;
}

static void add_up(seg_client_counts *sum, const seg_client_counts *more)
{
    for (int op = 0; op < SEG_N_DOS; op++) sum->acknowledged[op] += more->acknowledged[op];
    sum->retryable += more->retryable;
    sum->unknown += more->unknown;
    for (int p = 0; p < SEG_PERIODS; p++) {
        seg_latency_add(&sum->reads[p], &more->reads[p]);
        seg_latency_add(&sum->writes[p], &more->writes[p]);
    }
}

/* What one client wrote down becomes part of the ledger's histories. */
static void hand_over_histories(client *c)
{
    for (size_t i = 0; c->histories && i < c->all->n_counters + c->all->n_shared; i++) {
        seg_entry *entry = i < c->all->n_counters ? c->all->counters[i] : c->all->shared[i - c->all->n_counters];
        for (size_t k = 0; k < c->histories[i].n; k++)
            if (seg_history_add(&entry->history, &c->histories[i].ops[k]) != SEGUE_OK) atomic_store(&c->all->cut, 1);
        seg_history_free(&c->histories[i]);
    }
    seg_free(c->histories);
}

void seg_clients_stop(seg_clients *all, seg_client_counts *ret_counts)
{
    if (!all) return;
    atomic_store(&all->stop, true);
    if (ret_counts) memset(ret_counts, 0, sizeof *ret_counts);
    for (unsigned i = 0; all->clients && i < all->n; i++) {
        client *c = &all->clients[i];
        if (c->started) (void)pthread_join(c->thread, NULL); /* started, and joined once */
        if (ret_counts) add_up(ret_counts, &c->counts);
        if (c->all) hand_over_histories(c);
        else seg_free(c->histories);
        seg_free(c->owned);
        seg_free(c->seen);
    }
    all->ledger->cut = atomic_load(&all->cut);
    seg_free(all->clients);
    seg_free(all->counters);
    seg_free(all->shared);
    seg_free(all);
}
