/* L3: the public feed: a page of changes from one store, then from the next, and a sleep when none has any. All it knows is one
 * page and, for each store, the place up to which everything was told. One thread at a time. */
#include "store/cursor.h"

#include "base/base.h"
#include "base/retry.h"
#include "store/call.h"

enum { PAGE_DOCS = 256, PAGE_BYTES = 1 << 20 };

/* An idle feed looks again after a millisecond at first, then less and less often. */
static const int64_t POLL_FIRST_NS = 1000000, POLL_DEFAULT_NS = 100000000;

typedef struct source {
    seg_position at; /* first: cursors are made of these */
    segue_store *store;
    bool ended;
} source;

struct segue_feed {
    source *sources;
    size_t n;
    unsigned flags;
    segue_page page; /* of the current source; after the event that was given last comes docs[next] */
    size_t current, next;
    size_t n_idle; /* sources that were asked since the last event, one after the other, and had nothing */
    int64_t poll_ns;
    seg_backoff backoff;
};

/* ---- opening ---- */

/* As the URL says; filters take it from the store below them. */
static int64_t poll_ns_of(const segue_store *store)
{
    while (store && !store->feed_poll_ns) store = seg_store_below(store);
    return store ? store->feed_poll_ns : POLL_DEFAULT_NS;
}

/* Shows that the store has a feed, by asking for what cannot be there; for "now", the place after everything there is. */
static segue_status begin_source(segue_feed *f, source *s, uint64_t since, segue_error *reterr)
{
    const segue_since never = {.cas = INT64_MAX - 1, .keys_only = true};
    segue_error why;
    segue_call call = seg_call_public(s->store, 0, &why, reterr);
    segue_status st = seg_call_begin(s->store, false, &call);
    if (st != SEGUE_OK) return seg_call_give(s->store, st, &why, reterr);
    st = seg_call_changes(s->store, &never, &f->page, &call);
    segue_page_clear(&f->page);
    s->at.cas = seg_feed_cas(since);
    if (st == SEGUE_OK && since == SEGUE_FEED_NOW) st = seg_call_highest(s->store, 0, &s->at.cas, &call);
    seg_call_end(s->store, &call);
    return seg_call_give(s->store, st, &why, reterr);
}

static segue_status begin_sources(segue_feed *f, const segue_feed_options *o, segue_error *reterr)
{
    segue_status st = SEGUE_OK;
    for (size_t i = 0; i < f->n && st == SEGUE_OK; i++)
        st = begin_source(f, &f->sources[i], o->since ? o->since[i] : 0, reterr);
    if (st == SEGUE_OK && o->cursor.data)
        st = seg_cursor_read(o->cursor, &f->sources[0].at, f->n, sizeof(source), reterr);
    return st;
}

static segue_status check_options(segue_store *const *stores, size_t n, const segue_feed_options *o,
                                  segue_error *reterr)
{
    const unsigned known = SEGUE_FEED_KEYS_ONLY | SEGUE_FEED_STOP_AT_END;
    if (!stores || n == 0 || n > SEGUE_FEED_STORES_MAX)
        return seg_error_set(reterr, SEGUE_INVALID_ARGUMENT, "a feed is of 1 to %d stores, not of %zu",
                             SEGUE_FEED_STORES_MAX, n);
    for (size_t i = 0; i < n; i++)
        if (!stores[i]) return seg_error_set(reterr, SEGUE_INVALID_ARGUMENT, "store %zu of the feed is missing", i);
    if (o->poll_ns < 0)
        return seg_error_set(reterr, SEGUE_INVALID_ARGUMENT, "a feed cannot look again after less than 0 ns");
    segue_call call = {.err = reterr};
    return seg_options_check(o->flags, known, "a feed", &call);
}

segue_status segue_feed_open(segue_store *const *stores, size_t n, const segue_feed_options *options,
                             segue_feed **ret_feed, segue_error *reterr)
{
    const segue_feed_options none = {0}, *o = options ? options : &none;
    segue_status st = check_options(stores, n, o, reterr);
    if (st != SEGUE_OK) return st;
    segue_feed *f = seg_alloc_zero(sizeof *f);
    source *sources = seg_alloc_zero(n * sizeof *sources);
    if (!f || !sources) {
        seg_free(f);
        seg_free(sources);
        return seg_error_set(reterr, SEGUE_NO_MEMORY, "out of memory for a feed");
    }
    *f = (segue_feed){.sources = sources, .n = n, .flags = o->flags, .poll_ns = o->poll_ns};
    f->page.max_docs = PAGE_DOCS;
    f->page.max_bytes = PAGE_BYTES;
    for (size_t i = 0; i < n; i++) {
        int64_t poll_ns = poll_ns_of(stores[i]);
        sources[i].store = seg_store_ref(stores[i]);
        if (!o->poll_ns && (!f->poll_ns || poll_ns < f->poll_ns)) f->poll_ns = poll_ns;
    }
    seg_backoff_init(&f->backoff, POLL_FIRST_NS, f->poll_ns);
    st = begin_sources(f, o, reterr);
    if (st != SEGUE_OK) {
        segue_feed_close(f);
        return st;
    }
    *ret_feed = f;
    return SEGUE_OK;
}

void segue_feed_close(segue_feed *f)
{
    if (!f) return;
    for (size_t i = 0; i < f->n; i++) segue_close(f->sources[i].store);
    segue_page_free(&f->page);
    seg_free(f->sources);
    seg_free(f);
}

segue_status segue_feed_cursor(const segue_feed *f, segue_buf *cursor)
{
    segue_buf_clear(cursor);
    return seg_cursor_write(&f->sources[0].at, f->n, sizeof(source), cursor);
}

/* ---- reading ---- */

/* The place after docs[i]. The key is named only while there may be more with the same CAS. */
static void move_on(segue_feed *f, size_t i)
{
    const segue_page *page = &f->page;
    source *s = &f->sources[f->current];
    const segue_record *rec = &page->docs[i].rec;
    uint64_t cas = seg_feed_cas(rec->cas);
    bool last = i + 1 == page->n;
    bool more_of_it = last ? page->more : seg_feed_cas(page->docs[i + 1].rec.cas) == cas;
    if (last && !page->more && page->through > cas) cas = page->through;
    seg_position_set(&s->at, cas, more_of_it ? rec->key : (segue_slice){NULL, 0});
}

/* The next record of the page into *ret; false: there is none. */
static bool take(segue_feed *f, segue_feed_event *ret)
{
    while (f->next < f->page.n) {
        const segue_record *rec = &f->page.docs[f->next].rec;
        move_on(f, f->next++);
        if (seg_key_is_reserved(rec->key)) continue;
        *ret = (segue_feed_event){f->current, *rec};
        if ((f->flags & SEGUE_FEED_NO_BODIES) && rec->body.data) ret->rec.body.size = 0;
        if (f->flags & SEGUE_FEED_NO_XATTRS) ret->rec.n_xattrs = 0;
        f->n_idle = 0;
        seg_backoff_init(&f->backoff, f->backoff.base_ns, f->backoff.cap_ns);
        return true;
    }
    return false;
}

/* The next page of the current source. It stays where it is on a failure. */
static segue_status fetch(segue_feed *f, segue_error *reterr)
{
    source *s = &f->sources[f->current];
    segue_error why;
    segue_call call = seg_call_public(s->store, 0, &why, reterr);
    segue_since since = {.cas = s->at.cas,
                         .key = seg_position_key(&s->at),
                         .keys_only = (f->flags & SEGUE_FEED_KEYS_ONLY) == SEGUE_FEED_KEYS_ONLY};
    f->next = 0;
    segue_status st = seg_call_begin(s->store, false, &call);
    if (st != SEGUE_OK) {
        segue_page_clear(&f->page);
        return seg_call_give(s->store, st, &why, reterr);
    }
    st = seg_call_changes(s->store, &since, &f->page, &call);
    seg_call_end(s->store, &call);
    if (st != SEGUE_OK) return seg_call_give(s->store, st, &why, reterr);
    if (f->page.n == 0 && f->page.through > s->at.cas)
        seg_position_set(&s->at, f->page.through, (segue_slice){NULL, 0});
    s->ended = !f->page.more && (f->flags & SEGUE_FEED_STOP_AT_END);
    if (f->page.n == 0) f->n_idle++;
    return SEGUE_OK;
}

/* The page is used up: to the next source that has not ended. False: all have. */
static bool turn(segue_feed *f)
{
    for (size_t i = 1; i <= f->n; i++) {
        size_t at = (f->current + i) % f->n;
        if (f->sources[at].ended) continue;
        f->current = at;
        return true;
    }
    return false;
}

segue_status segue_feed_next(segue_feed *f, int64_t timeout_ns, segue_feed_event *ret_event, segue_error *reterr)
{
    const segue_call whole = seg_call_new(f->sources[0].store, timeout_ns, NULL);
    for (;;) {
        if (take(f, ret_event)) return SEGUE_OK;
        if (!turn(f)) return SEGUE_END;
        if (f->n_idle >= f->n) { /* no source has anything */
            f->n_idle = 0;
            if (timeout_ns == 0 || !seg_backoff_wait(&f->backoff, whole.env, whole.deadline_ns))
                return seg_error_set(reterr, SEGUE_TIMEOUT, "nothing has changed; call again to wait on");
        }
        segue_status st = fetch(f, reterr);
        if (st != SEGUE_OK) return st;
    }
}
