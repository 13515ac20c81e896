/* For tests: an engine that answers what the test has written down, by a clock that shows what the test says, and tells what it
 * was asked: `say:`, and `bare:`, which has only the slots that are required. Header only; one thread. */
#ifndef SAY_H
#define SAY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "backend/mem/mem.h"
#include "base/base.h"
#include "base/env.h"
#include "store/filters.h"

#define N(array) (sizeof(array) / sizeof *(array))

enum { LOG_SIZE = 256, MOST_CALLS = 8, N_TIMES = 6 };

/* Records are texts: "a10 b20e300 -c30": a key, a CAS, an expiry; a tombstone has a minus. */
static struct {
    const char *page;             /* what scan, changes and expired put into theirs */
    const char *gets[MOST_CALLS]; /* what one get after the other finds; NULL: nothing there */
    bool more, mute;              /* mute: it fails without saying why */
    uint64_t through;
    uint32_t next;
    segue_status status;     /* of scan, changes, expired, put, mutate and the others */
    segue_status get_status; /* of a get that would find nothing */
    unsigned caps;
    int64_t times[N_TIMES]; /* of the clock, in seconds, one look after the other; 0: as before */
    unsigned n_looks, n_gets;
    seg_position since; /* the last changes were asked for after this */
    bool keys_only;
    char log[LOG_SIZE];
} engine;

static segue_store *store;
static segue_error err;
static segue_page page;

static inline void note(const char *what)
{
    size_t n = strlen(engine.log);
    (void)snprintf(engine.log + n, LOG_SIZE - n, "%s%s", n ? " " : "", what); /* what is too long equals nothing */
}

static inline segue_status answer(segue_call *call, segue_status st)
{
    if (st == SEGUE_OK || engine.mute) return st;
    return segue_fail(call, st, "the engine says %s", segue_status_name(st));
}

/* The record at the begin of a text; its length. */
static inline size_t read_record(const char *text, segue_record *ret)
{
    char *at = NULL;
    bool dead = *text == '-';
    *ret = (segue_record){.key = segue_bytes(text + dead, 1), .is_tombstone = dead, .revision = 1};
    if (!dead) ret->body = segue_str("1");
    ret->cas = strtoull(text + dead + 1, &at, 10);
    if (*at == 'e') ret->expiry = (uint32_t)strtoul(at + 1, &at, 10);
    return (size_t)(at - text);
}

static inline segue_status fill(segue_page *out, segue_call *call)
{
    bool full = false;
    segue_record rec;
    for (const char *at = engine.page; at && *at; at += *at == ' ') {
        at += read_record(at, &rec);
        if (segue_page_add(out, &rec, &full) != SEGUE_OK) return segue_fail(call, SEGUE_NO_MEMORY, "out of memory");
    }
    out->more = engine.more;
    out->through = engine.through;
    return answer(call, engine.status);
}

static inline segue_status say_get(void *self, segue_slice key, segue_doc *doc, segue_call *call)
{
    char what[32];
    segue_record rec;
    (void)self;
    (void)snprintf(what, sizeof what, "get(%.*s%s)", (int)key.size, key.data, call->no_body ? " short" : ""); /* fits */
    note(what);
    if (engine.n_gets == MOST_CALLS) fail_msg("there is no end: %s", engine.log);
    const char *text = engine.gets[engine.n_gets++];
    if (!text) return answer(call, engine.get_status ? engine.get_status : SEGUE_NOT_FOUND);
    (void)read_record(text, &rec);
    return segue_doc_assign(doc, &rec);
}

static inline segue_status say_scan(void *self, const segue_bounds *bounds, segue_page *out, segue_call *call)
{
    (void)self, (void)bounds;
    note("scan");
    return fill(out, call);
}

static inline segue_status say_changes(void *self, const segue_since *since, segue_page *out, segue_call *call)
{
    (void)self;
    seg_position_set(&engine.since, since->cas, since->key);
    engine.keys_only = since->keys_only;
    note("changes");
    return fill(out, call);
}

static inline segue_status say_expired(void *self, uint64_t until, segue_page *out, uint32_t *ret_next,
                                       segue_call *call)
{
    (void)self, (void)until;
    note("expired");
    if (engine.next) *ret_next = engine.next;
    return fill(out, call);
}

static inline segue_status say_put(void *self, const segue_put *put, uint64_t *ret_cas, segue_call *call)
{
    char what[32];
    (void)self;
    (void)snprintf(what, sizeof what, "put(%.*s)", (int)put->rec.key.size, put->rec.key.data); /* fits */
    note(what);
    *ret_cas = 7;
    return answer(call, segue_slice_equal(put->rec.key, segue_str("x")) ? SEGUE_EXISTS : engine.status);
}

static inline segue_status say_erase(void *self, segue_slice key, uint64_t cas, segue_call *call)
{
    char what[64];
    (void)self;
    (void)snprintf(what, sizeof what, "erase(%.*s %d)", (int)key.size, key.data, (int)cas); /* fits */
    note(what);
    return answer(call, engine.status);
}

static inline segue_status say_mutate(void *self, segue_slice key, const segue_mutation *mutation, uint64_t write_id,
                                      uint64_t cas_floor, bool require_record, segue_doc *base,
                                      segue_outcome *ret_outcome, segue_doc *ret_doc, segue_call *call)
{
    (void)self, (void)key, (void)mutation, (void)write_id, (void)cas_floor, (void)require_record, (void)base,
        (void)ret_doc;
    note("mutate");
    *ret_outcome = (segue_outcome){.cas = 8, .written = true};
    return answer(call, engine.status);
}

static inline segue_status say_move(void *self, void *to, segue_move *moves, size_t n, segue_call *call)
{
    (void)self, (void)to, (void)moves, (void)n;
    note("move");
    return answer(call, engine.status);
}

static inline segue_status say_write_many(void *self, segue_write *writes, size_t n, segue_call *call)
{
    (void)self, (void)writes, (void)n;
    note("write_many");
    return answer(call, engine.status);
}

static inline segue_status say_highest(void *self, uint64_t at_least, uint64_t *ret_cas, segue_call *call)
{
    (void)self;
    note("highest");
    *ret_cas = at_least;
    return answer(call, engine.status);
}

static inline segue_status say_may_purge(void *self, segue_call *call)
{
    (void)self;
    note("may_purge");
    return answer(call, engine.status);
}

static inline unsigned say_caps(const void *self) { return (void)self, engine.caps; }

static segue_backend say;

static inline int64_t clock_ns(void *ctx)
{
    (void)ctx;
    unsigned at = engine.n_looks++;
    while (at > 0 && (at >= N_TIMES || engine.times[at] == 0)) at--;
    return engine.times[at] * 1000000000;
}

static inline int64_t real_mono_ns(void *ctx) { return segue_env_default()->mono_ns(ctx); }
static inline void real_sleep_ns(void *ctx, int64_t ns) { segue_env_default()->sleep_ns(ctx, ns); }
static inline void real_random(void *ctx, void *out, size_t size) { segue_env_default()->random(ctx, out, size); }

static const segue_env env = {NULL, clock_ns, real_mono_ns, real_sleep_ns, real_random};

static inline segue_store *open_store(const char *url)
{
    segue_store *opened = NULL;
    segue_open_options options = {&env, SEGUE_OPEN_NO_REAPER};
    if (segue_open(url, &options, &opened, &err) != SEGUE_OK) fail_msg("%s: %s", url, err.message);
    return opened;
}

/* The engine forgets what it was told, and what it was asked. */
static inline void forget(void)
{
    memset(&engine, 0, sizeof engine);
    engine.caps = ~0u;
    engine.times[0] = 100;
    err = (segue_error){0};
}

static inline int set_up(void **state)
{
    (void)state;
    forget();
    store = open_store("say:");
    page = (segue_page){.max_docs = 8, .max_bytes = SIZE_MAX};
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    segue_page_free(&page);
    segue_close(store);
    return 0;
}

static inline void text_is(const char *of, const char *what, const char *got, const char *want)
{
    if (strcmp(got, want) != 0) fail_msg("%s: %s is \"%s\", not \"%s\"", of, what, got, want);
}

static inline void status_is(const char *of, segue_status got, segue_status want)
{
    if (got != want) fail_msg("%s: %s (%s), not %s", of, segue_status_name(got), err.message, segue_status_name(want));
}

/* "a10 -b20 c30e300". */
static inline const char *show(void)
{
    static char text[256];
    size_t n = 0;
    text[0] = 0;
    for (size_t i = 0; i < page.n; i++) {
        const segue_record *rec = &page.docs[i].rec;
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s%.*s%llu", i ? " " : "", rec->is_tombstone ? "-" : "",
                              (int)rec->key.size, rec->key.data, (unsigned long long)rec->cas); /* fits, and below */
        if (rec->expiry) n += (size_t)snprintf(text + n, sizeof text - n, "e%u", (unsigned)rec->expiry);
    }
    return text;
}

static inline int install(void **state)
{
    (void)state;
    static segue_backend bare;
    say = seg_backend_mem;
    say.scheme = "say";
    say.caps = say_caps;
    say.get = say_get;
    say.put = say_put;
    say.erase = say_erase;
    say.scan = say_scan;
    say.mutate = say_mutate;
    say.move = say_move;
    say.write_many = say_write_many;
    say.may_purge = say_may_purge;
    say.highest = say_highest;
    say.changes = say_changes;
    say.expired = say_expired;
    bare = say;
    bare.scheme = "bare";
    bare.mutate = NULL;
    bare.move = NULL;
    bare.write_many = NULL;
    bare.may_purge = NULL;
    bare.highest = NULL;
    bare.changes = NULL;
    bare.expired = NULL;
    return segue_register_backend(&say) == SEGUE_OK && segue_register_backend(&bare) == SEGUE_OK ? 0 : 1;
}

#endif
