/* L3: handles and the public verbs get, mutate, put_record. A public verb checks the key, refuses Segue's own
 * records, brackets the operation and leaves the rest to call.c and loop.c. Thread-safe. */
#include "base/base.h"
#include "base/env.h"
#include "base/url.h"
#include "doc/clock.h"
#include "doc/doc.h"
#include "store/filter.h"
#include "store/loop.h"
#include "store/reaper.h"
#include "store/registry.h"

#include <inttypes.h>

segue_status seg_store_make(const segue_backend *backend, const segue_env *env, const char *url,
                            segue_store **ret_store, void **ret_self, segue_error *reterr)
{
    segue_store *store = seg_alloc_zero(sizeof *store);
    void *self = seg_alloc_zero(backend->self_size);
    char *text = seg_strdup(url);
    if (!store || !self || !text) {
        seg_free(store);
        seg_free(self);
        seg_free(text);
        return seg_error_set(reterr, SEGUE_NO_MEMORY, "out of memory for a store");
    }
    store->backend = backend;
    store->self = self;
    store->env = *env;
    store->url = text;
    atomic_init(&store->refs, 1);
    store->reaping.is_engine = backend->expired && !backend->begin;
    *ret_store = store;
    *ret_self = self;
    return SEGUE_OK;
}

void seg_store_unmake(segue_store *store)
{
    seg_free(store->self);
    seg_free(store->url);
    seg_free(store);
}

segue_store *seg_store_ref(segue_store *store)
{
    atomic_fetch_add(&store->refs, 1);
    return store;
}

void segue_close(segue_store *store)
{
    if (!store || atomic_fetch_sub(&store->refs, 1) != 1) return;
    seg_reaper_leave(store);
    store->backend->close(store->self);
    seg_store_unmake(store);
}

/* *ret_ns 0: the URL does not say. */
static segue_status parse_feed_poll(const segue_url *url, int64_t *ret_ns, segue_error *reterr)
{
    enum { FEED_POLL_MS_MAX = 3600000 };
    const char *text = segue_url_param(url, SEG_URL_FEED_POLL);
    uint64_t ms = 0;
    if (text && (!seg_parse_u64(segue_str(text), &ms) || ms < 1 || ms > FEED_POLL_MS_MAX))
        return seg_error_set(reterr, SEGUE_INVALID_URL, "\"%s\": " SEG_URL_FEED_POLL " is 1 to %d milliseconds",
                             url->text, FEED_POLL_MS_MAX);
    *ret_ns = (int64_t)ms * 1000000;
    return SEGUE_OK;
}

/* Whether what expires is reaped in the background through this handle. */
static segue_status wants_reaper(const segue_url *url, unsigned flags, bool *ret_yes, segue_call *call)
{
    const char *reap = segue_url_param(url, "reap");
    bool off = reap && strcmp(reap, "off") == 0;
    if (reap && !off && strcmp(reap, "on") != 0)
        return segue_fail(call, SEGUE_INVALID_URL, "%s: reap=%.40s is neither on nor off", url->scheme, reap);
    *ret_yes = !off && !(flags & (SEGUE_OPEN_READ_ONLY | SEGUE_OPEN_NO_REAPER));
    return SEGUE_OK;
}

static segue_status open_parsed(const segue_url *url, const segue_open_options *options, segue_store **ret_store,
                                segue_error *reterr)
{
    const segue_backend *backend = seg_backend_find(url->scheme);
    if (!backend)
        return seg_error_set(reterr, SEGUE_INVALID_URL, "\"%s\": there is no kind of store called \"%s\"", url->text,
                             url->scheme);
    if (url->rest && !seg_is_filter(backend))
        return seg_error_set(reterr, SEGUE_INVALID_URL, "\"%s\": \"%s\" is no filter", url->text, url->scheme);
    const segue_env *env = options && options->env ? options->env : segue_env_default();
    unsigned flags = options ? options->flags : 0;
    if (flags & SEGUE_OPEN_READ_ONLY) flags |= SEGUE_OPEN_EXISTING;
    segue_store *store = NULL;
    void *self = NULL;
    int64_t feed_poll_ns = 0;
    segue_status st = parse_feed_poll(url, &feed_poll_ns, reterr);
    if (st == SEGUE_OK) st = seg_store_make(backend, env, url->text, &store, &self, reterr);
    if (st != SEGUE_OK) return st;
    store->feed_poll_ns = feed_poll_ns;
    segue_open_args args = {url, &store->env, flags};
    segue_error why;
    segue_call call = seg_call_public(store, 0, &why, reterr);
    bool reaps = false;
    st = wants_reaper(url, flags, &reaps, &call);
    if (st == SEGUE_OK) st = backend->open(self, &args, &call);
    if (st != SEGUE_OK) {
        st = seg_call_give(store, st, &why, reterr);
        seg_store_unmake(store);
        return st;
    }
    if (reaps) seg_reaper_join(store);
    *ret_store = store;
    return SEGUE_OK;
}

segue_status segue_open(const char *url, const segue_open_options *options, segue_store **ret_store,
                        segue_error *reterr)
{
    segue_url *parsed = NULL;
    if (!url || !ret_store)
        return seg_error_set(reterr, SEGUE_INVALID_ARGUMENT, "segue_open needs a URL and somewhere to put the store");
    segue_status st = seg_url_parse(url, &parsed, reterr);
    if (st != SEGUE_OK) return st;
    st = open_parsed(parsed, options, ret_store, reterr);
    seg_url_free(&parsed);
    return st;
}

const char *segue_store_url(const segue_store *store) { return store->url; }

unsigned segue_store_caps(const segue_store *store) { return store->backend->caps(store->self); }

bool seg_store_same(const segue_store *a, const segue_store *b)
{
    for (const segue_store *below; (below = seg_store_below(a)) != NULL;) a = below;
    for (const segue_store *below; (below = seg_store_below(b)) != NULL;) b = below;
    return a == b || (a->backend == b->backend && a->backend->same && a->backend->same(a->self, b->self));
}

segue_status seg_public_key(segue_store *store, segue_slice key, segue_call *call)
{
    segue_status st = seg_key_check(key, call);
    if (st != SEGUE_OK) return st;
    if (seg_key_is_reserved(key))
        return segue_fail(call, SEGUE_REFUSED, "%s: keys that begin with \"%s\" are Segue's own", store->url,
                          SEG_RESERVED_PREFIX);
    return SEGUE_OK;
}

segue_status seg_store_get(segue_store *store, segue_slice key, bool with_body, const segue_options *options,
                           segue_doc *doc, segue_error *reterr)
{
    segue_error why;
    segue_call call = seg_call_public(store, options ? options->timeout_ns : 0, &why, reterr);
    call.no_body = !with_body;
    segue_status st = seg_public_key(store, key, &call);
    if (st == SEGUE_OK) st = seg_call_begin(store, false, &call);
    if (st == SEGUE_OK) {
        st = seg_call_get(store, key, doc, &call);
        seg_call_end(store, &call);
    }
    return seg_call_give(store, st, &why, reterr);
}

segue_status segue_get_record(segue_store *store, segue_slice key, const segue_options *options, segue_doc *doc,
                              segue_error *reterr)
{
    return seg_store_get(store, key, true, options, doc, reterr);
}

segue_status segue_get(segue_store *store, segue_slice key, const segue_options *options, segue_doc *doc,
                       segue_error *reterr)
{
    segue_status st = segue_get_record(store, key, options, doc, reterr);
    if (st == SEGUE_OK && doc->rec.is_tombstone) {
        char quoted[SEG_QUOTED_MAX];
        segue_doc_clear(doc);
        return seg_error_set(reterr, SEGUE_NOT_FOUND, "%s: there is no live document %s", store->url,
                             seg_quote(key, quoted));
    }
    return st;
}

segue_status segue_mutate(segue_store *store, segue_slice key, const segue_mutation *mutation,
                          const segue_options *options, segue_outcome *ret_outcome, segue_doc *doc, segue_error *reterr)
{
    segue_error why;
    segue_call call = seg_call_public(store, options ? options->timeout_ns : 0, &why, reterr);
    segue_status st = seg_public_key(store, key, &call);
    if (st == SEGUE_OK) st = seg_store_mutate(store, key, mutation, ret_outcome, doc, &call);
    return seg_call_give(store, st, &why, reterr);
}

/* As a record is stored: a tombstone has nothing that expires, no flags and no JSON; the first revision is 1. */
static segue_record storable(const segue_record *rec)
{
    segue_record out = *rec;
    if (out.revision == 0) out.revision = 1;
    if (!out.is_tombstone) return out;
    out.expiry = out.flags = 0;
    out.is_json = false;
    return out;
}

segue_status segue_put_record(segue_store *store, const segue_record *rec, unsigned put_options,
                              const segue_options *options, uint64_t *ret_cas, segue_error *reterr)
{
    segue_error why;
    segue_call call = seg_call_public(store, options ? options->timeout_ns : 0, &why, reterr);
    segue_status st = seg_public_key(store, rec->key, &call);
    if (st == SEGUE_OK) st = seg_options_check(put_options, SEGUE_PUT_REPLACE, "a put of a record", &call);
    if (st == SEGUE_OK) st = seg_record_check(rec, &call);
    segue_put put = {.rec = storable(rec),
                     .condition = put_options & SEGUE_PUT_REPLACE ? SEGUE_IF_ANY : SEGUE_IF_ABSENT,
                     .keep_cas = rec->cas != 0 && (segue_store_caps(store) & SEGUE_CAP_KEEP_CAS)};
    if (st == SEGUE_OK) st = seg_call_begin(store, true, &call);
    if (st == SEGUE_OK) {
        st = seg_call_put(store, &put, ret_cas, &call);
        seg_call_end(store, &call);
    }
    return seg_call_give(store, st, &why, reterr);
}

static segue_status put_with_meta(segue_store *store, const segue_record *rec, uint64_t old_cas, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX];
    SEG_AUTO(segue_doc) base = {0};
    segue_put put = {.rec = storable(rec), .condition = old_cas ? SEGUE_IF_CAS : SEGUE_IF_ABSENT, .keep_cas = true};
    if (seg_call_may_purge(store, call) != SEGUE_OK)
        return segue_fail(call, SEGUE_REFUSED, "%s: before it is clean, a dual store gives CASes of its own",
                          store->url);
    segue_status st = seg_call_get(store, rec->key, &base, call);
    if (st != SEGUE_OK && st != SEGUE_NOT_FOUND) return st;
    bool as_expected = st == SEGUE_OK ? base.rec.cas == old_cas : old_cas == 0;
    put.if_cas = old_cas;
    put.rec.revision = st == SEGUE_OK ? base.rec.revision + 1 : 1;
    if (as_expected) st = seg_call_put(store, &put, NULL, call);
    if (!as_expected && st == SEGUE_NOT_FOUND)
        return segue_fail(call, SEGUE_CAS_MISMATCH, "%s: there is no record %s, nor the CAS %" PRIu64, store->url,
                          seg_quote(rec->key, quoted), old_cas);
    if (!as_expected)
        return segue_fail(call, SEGUE_CAS_MISMATCH, "%s: the record %s has the CAS %" PRIu64 ", not %" PRIu64,
                          store->url, seg_quote(rec->key, quoted), base.rec.cas, old_cas);
    if (st == SEGUE_EXISTS || st == SEGUE_NOT_FOUND || st == SEGUE_CAS_MISMATCH)
        return segue_fail(call, SEGUE_CAS_MISMATCH, "%s: the record %s has just lost the CAS %" PRIu64, store->url,
                          seg_quote(rec->key, quoted), old_cas);
    return st;
}

segue_status segue_put_with_meta(segue_store *store, const segue_record *rec, uint64_t old_cas,
                                 const segue_options *options, segue_error *reterr)
{
    segue_error why;
    segue_call call = seg_call_public(store, options ? options->timeout_ns : 0, &why, reterr);
    segue_status st = seg_public_key(store, rec->key, &call);
    if (st == SEGUE_OK) st = seg_record_check(rec, &call);
    if (st == SEGUE_OK && !seg_cas_can_be_kept(rec->cas))
        st = segue_fail(&call, SEGUE_INVALID_ARGUMENT, "%llu is not a CAS that can be kept",
                        (unsigned long long)rec->cas);
    if (st == SEGUE_OK && !(segue_store_caps(store) & SEGUE_CAP_KEEP_CAS))
        st = segue_fail(&call, SEGUE_UNSUPPORTED, "%s cannot keep a given CAS", store->url);
    if (st == SEGUE_OK) st = seg_call_begin(store, true, &call);
    if (st == SEGUE_OK) {
        st = put_with_meta(store, rec, old_cas, &call);
        seg_call_end(store, &call);
    }
    return seg_call_give(store, st, &why, reterr);
}
