/* For tests of reaping: stores under a clock that can be moved, documents that expire, and what is stored, as it is stored.
 * Header only. */
#ifndef REAPING_H
#define REAPING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <stdatomic.h>

#include <segue/dual.h>
#include <segue/ops.h>

#include "base/env.h"
#include "store/call.h"
#include "store/filters.h"
#include "support/file.h"

#define K(text) segue_str(text)

/* The real world, but that the wall clocks of `now` and of `ahead` can be moved, and time can be let pass. */
static _Atomic int64_t clock_skew_ns, passed_ns;
static const int64_t AHEAD_NS = INT64_C(5000) * 1000000000;

static int64_t skewed_wall_ns(void *ctx)
{
    return segue_env_default()->wall_ns(NULL) + atomic_load(&clock_skew_ns) + (ctx ? AHEAD_NS : 0);
}
static int64_t skewed_mono_ns(void *ctx)
{
    (void)ctx;
    return segue_env_default()->mono_ns(NULL) + atomic_load(&passed_ns);
}
static void real_sleep_ns(void *ctx, int64_t ns)
{
    (void)ctx;
    segue_env_default()->sleep_ns(NULL, ns);
}
static void real_random(void *ctx, void *out, size_t size)
{
    (void)ctx;
    segue_env_default()->random(NULL, out, size);
}
static char is_ahead;
static const segue_env now = {NULL, skewed_wall_ns, skewed_mono_ns, real_sleep_ns, real_random};
static const segue_env ahead
    __attribute__((unused)) = {&is_ahead, skewed_wall_ns, skewed_mono_ns, real_sleep_ns, real_random};

/* Set the wall clock. */
static inline void advance(int64_t seconds) { atomic_fetch_add(&clock_skew_ns, seconds * 1000000000); }
/* All clocks: deadlines too, so while nothing is under way. */
static inline void let_pass(int64_t seconds)
{
    advance(seconds);
    atomic_fetch_add(&passed_ns, seconds * 1000000000);
}

static inline segue_store *open_with(const char *url, const segue_env *env, unsigned flags)
{
    segue_open_options options = {env, flags};
    segue_store *store = NULL;
    assert_ok(segue_open(url, &options, &store, &test_err));
    return store;
}

/* Reaped in the background, and only when a test says so. */
static inline segue_store *open_reaped(const char *url) { return open_with(url, &now, 0); }
static inline segue_store *open_quiet(const char *url) { return open_with(url, &now, SEGUE_OPEN_NO_REAPER); }

/* The kinds of stores that can be reaped, in the test's folder. */
enum { N_KINDS = 3 };
static inline const char *url_of(int kind)
{
    static char url[400];
    static unsigned n;
    if (kind == 0) (void)snprintf(url, sizeof url, "mem:reaping%u", n++); /* all fit */
    if (kind == 1) (void)snprintf(url, sizeof url, "sqlite:%s", test_path("app.db"));
    if (kind == 2) (void)snprintf(url, sizeof url, "rosmar:%s?collection=s.c", test_path("sg-bucket"));
    if (kind == 2) test_copy_here("sg-bucket");
    return url;
}

/* A document with a system and a user xattr. */
static inline uint64_t put_expiring(segue_store *store, const char *key, uint32_t seconds)
{
    const segue_xattr xattrs[] = {{K("_s"), K("1")}, {K("u"), K("2")}};
    segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = K("{}"), .set_xattrs = xattrs, .n_set_xattrs = 2};
    segue_outcome out = {0};
    if (seconds) m.expiry = segue_expiry_in(seconds);
    assert_ok(segue_mutate(store, K(key), &m, NULL, &out, NULL, &test_err));
    return out.cas;
}

/* What is stored as live although it has expired. */
static inline size_t n_overdue(segue_store *store)
{
    segue_page page = {.max_docs = 100000, .max_bytes = SIZE_MAX};
    segue_call call = seg_call_new(store, 0, &test_err);
    uint32_t next = 0;
    assert_ok(seg_call_expired(store, seg_wall_s(&store->env), &page, &next, &call));
    size_t n = page.n;
    assert_false(page.more);
    segue_page_free(&page);
    return n;
}

/* The record now, as it reads; CAS 0 if there is none. */
static inline segue_record look_at(segue_store *store, const char *key)
{
    static segue_doc doc;
    segue_status st = segue_get_record(store, K(key), NULL, &doc, &test_err);
    segue_record rec = doc.rec;
    if (st == SEGUE_NOT_FOUND) rec.cas = 0;
    else if (st != SEGUE_OK) fail_msg("%s: %s: %s", key, segue_status_name(st), test_err.message);
    rec.key = rec.body = (segue_slice){0}; /* the next look is in the same memory */
    rec.xattrs = NULL;
    return rec;
}

static inline void must_be_tombstone(segue_store *store, const char *key, uint64_t revision)
{
    segue_record rec = look_at(store, key);
    if (!rec.is_tombstone || rec.revision != revision || rec.n_xattrs != 1 || rec.expiry)
        fail_msg("%s: %s revision %llu, %zu xattrs, expiry %u; a tombstone of revision %llu was expected", key,
                 rec.is_tombstone ? "tombstone" : "live", (unsigned long long)rec.revision, rec.n_xattrs,
                 (unsigned)rec.expiry, (unsigned long long)revision);
}

#endif
