/* L3: erasing tombstones, and who still needs them: a migration into the store, by its status record in the store itself, and a
 * dual store that is open over it in this process. Thread-safe.
 *
 * Both may begin while a purge is under way. So each page is read first, then it is asked, then what was read is erased by its
 * CAS: whatever is deleted after that has another one. */
#include "base/base.h"
#include "base/retry.h"
#include "base/rules.h"
#include "base/sched.h"
#include "doc/stage.h"
#include "store/loop.h"

#include <errno.h>
#include <pthread.h>

enum { PAGE_DOCS = 512, PAGE_BYTES = 1 << 20 };

/* ---- dual stores in this process ---- */

/* A page that is being erased. */
typedef struct purging {
    const segue_store *store;
    struct purging *next;
} purging;

static struct {
    pthread_mutex_t lock; /* never held during I/O */
    seg_purge_guard *guards;
    purging *pages;
} purges = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* With the lock held nobody may be told of anything. */
static void lock(void)
{
    SEG_SCHED(READ, NULL); /* the phases of whatever dual stores there are */
    pthread_mutex_lock(&purges.lock);
}

static void unlock(void)
{
    seg_dassert_locked(&purges.lock);
    pthread_mutex_unlock(&purges.lock);
}

/* Where the tombstones of a purge lie: for a dual store, which is clean then, in its primary. With the lock. */
static const segue_store *target_of(const segue_store *store)
{
    for (const segue_store *below; (below = seg_store_below(store)) != NULL;) store = below;
    for (const seg_purge_guard *g = purges.guards; g; g = g->next)
        if (g->dual == store->self) return g->store;
    return store;
}

static bool is_allowed(const segue_store *target)
{
    for (const seg_purge_guard *g = purges.guards; g; g = g->next)
        if (seg_store_same(g->store, target) && !g->may_purge(g->dual)) return false;
    return true;
}

static segue_status needed_by_dual(const segue_store *store, segue_call *call)
{
    return segue_fail(call, SEGUE_REFUSED,
                      "%s: a dual store that this process has open over it is not clean: tombstones hide its fallback; "
                      "finish the migration first",
                      store->url);
}

static segue_status ask_duals(const segue_store *store, segue_call *call)
{
    lock();
    bool allowed = is_allowed(target_of(store)) || !SEG_RULE(PURGE_NEEDS_CLEAN);
    unlock();
    return allowed ? SEGUE_OK : needed_by_dual(store, call);
}

static segue_status begin_page(purging *page, const segue_store *store, segue_call *call)
{
    lock();
    page->store = target_of(store);
    bool allowed = is_allowed(page->store) || !SEG_RULE(PURGE_NEEDS_CLEAN);
    if (allowed) {
        page->next = purges.pages;
        purges.pages = page;
    }
    unlock();
    return allowed ? SEGUE_OK : needed_by_dual(store, call);
}

static void end_page(purging *page)
{
    pthread_mutex_lock(&purges.lock);
    purging **link = &purges.pages;
    while (*link != page) link = &(*link)->next;
    *link = page->next;
    unlock();
}

static bool is_being_purged(const segue_store *store)
{
    bool yes = false;
    pthread_mutex_lock(&purges.lock);
    for (const purging *p = purges.pages; p && !yes; p = p->next) yes = seg_store_same(p->store, store);
    unlock();
    return yes;
}

void seg_purge_guard_add(segue_store *store, seg_purge_guard *guard)
{
    seg_backoff backoff;
    seg_backoff_init(&backoff, 100000, 10000000);
    pthread_mutex_lock(&purges.lock);
    guard->store = store;
    guard->next = purges.guards;
    purges.guards = guard;
    unlock();
    while (is_being_purged(store)) (void)seg_backoff_wait(&backoff, &store->env, 0); /* there is no deadline to pass */
}

void seg_purge_guard_remove(seg_purge_guard *guard)
{
    pthread_mutex_lock(&purges.lock);
    seg_purge_guard **link = &purges.guards;
    while (*link && *link != guard) link = &(*link)->next;
    if (*link) *link = guard->next;
    unlock();
}

/* ---- migrations into the store ---- */

static segue_status ask_record(const segue_store *store, const segue_record *status, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX];
    segue_stage stage;
    segue_slice name = segue_bytes(status->key.data + sizeof SEG_STATUS_PREFIX - 1,
                                   status->key.size - (sizeof SEG_STATUS_PREFIX - 1));
    if (!seg_stage_read(status, &stage))
        return segue_fail(
            call, SEGUE_REFUSED,
            "%s: a migration into it may not be clean, and need the tombstones: its status record %s cannot "
            "be understood; it is of another version or damaged",
            store->url, seg_quote(status->key, quoted));
    if (stage == SEGUE_STAGE_CLEAN) return SEGUE_OK;
    return segue_fail(call, SEGUE_REFUSED,
                      "%s: the migration %s into it is not clean, it is %s: its tombstones are needed", store->url,
                      seg_quote(name, quoted), segue_stage_name(stage));
}

static segue_status ask_migrations(segue_store *store, segue_call *call)
{
    segue_page page = {.max_docs = 16, .max_bytes = PAGE_BYTES};
    SEG_AUTO(segue_buf) after = {0};
    segue_bounds bounds = {.from = segue_str(SEG_STATUS_PREFIX), .tombstones = true};
    bounds.to = segue_str("_segue:migration;"); /* ';' comes after ':' */
    bounds.to_open = true;
    segue_status st = SEGUE_OK;
    for (bool more = SEG_RULE(PURGE_NEEDS_CLEAN); more && st == SEGUE_OK; more = page.more) {
        st = seg_call_scan(store, &bounds, &page, call);
        for (size_t i = 0; i < page.n && st == SEGUE_OK; i++) st = ask_record(store, &page.docs[i].rec, call);
        if (st != SEGUE_OK || !page.more) break;
        segue_buf_clear(&after);
        st = segue_buf_append(&after, page.docs[page.n - 1].rec.key.data, page.docs[page.n - 1].rec.key.size);
        bounds.from = segue_buf_slice(&after);
        bounds.from_open = true;
    }
    segue_page_free(&page);
    return seg_error_told(call->err, st, store->url);
}

/* ---- the purge ---- */

static bool is_purged(const segue_record *rec) { return rec->is_tombstone && !seg_key_is_reserved(rec->key); }

static segue_status erase_page(segue_store *store, const segue_page *page, uint64_t *count, segue_call *call)
{
    for (size_t i = 0; i < page->n; i++) {
        const segue_record *rec = &page->docs[i].rec;
        if (!is_purged(rec)) continue;
        segue_status st = seg_call_erase(store, rec->key, rec->cas, call);
        if (st == SEGUE_OK) ++*count;
        else if (st != SEGUE_CAS_MISMATCH && st != SEGUE_NOT_FOUND) return st; /* those have come to life, or gone */
    }
    return SEGUE_OK;
}

static segue_status purge_page(segue_store *store, const segue_page *page, uint64_t *count, segue_call *call)
{
    bool any = false;
    purging mark;
    for (size_t i = 0; i < page->n && !any; i++) any = is_purged(&page->docs[i].rec);
    if (!any) return SEGUE_OK;
    segue_status st = begin_page(&mark, store, call);
    if (st != SEGUE_OK) return st;
    st = ask_migrations(store, call);
    if (st == SEGUE_OK) st = erase_page(store, page, count, call);
    end_page(&mark);
    return st;
}

static segue_status purge(segue_store *store, uint64_t *count, segue_call *call)
{
    segue_page page = {.max_docs = PAGE_DOCS, .max_bytes = PAGE_BYTES};
    SEG_AUTO(segue_buf) after = {0};
    segue_bounds bounds = {.keys_only = true, .tombstones = true};
    segue_status st = seg_call_may_purge(store, call);
    while (st == SEGUE_OK) {
        st = seg_call_scan(store, &bounds, &page, call);
        if (st == SEGUE_OK) st = purge_page(store, &page, count, call);
        if (st != SEGUE_OK || !page.more) break;
        const segue_slice *last = &page.docs[page.n - 1].rec.key;
        segue_buf_clear(&after);
        st = segue_buf_append(&after, last->data, last->size);
        bounds.from = segue_buf_slice(&after);
        bounds.from_open = true;
    }
    segue_page_free(&page);
    return seg_error_told(call->err, st, store->url);
}

/* Asked before the write begins, which could wait for a hold to end. */
static segue_status may_purge_now(segue_store *store, segue_call *call)
{
    segue_status st = seg_call_begin(store, false, call);
    if (st != SEGUE_OK) return st;
    st = seg_call_may_purge(store, call);
    if (st == SEGUE_OK) st = ask_duals(store, call);
    if (st == SEGUE_OK) st = ask_migrations(store, call);
    seg_call_end(store, call);
    return st;
}

segue_status segue_purge_tombstones(segue_store *store, uint64_t *ret_count, segue_error *reterr)
{
    segue_error why;
    segue_call call = seg_call_public(store, 0, &why, reterr);
    uint64_t count = 0;
    segue_status st = may_purge_now(store, &call);
    if (st == SEGUE_OK) st = seg_call_begin(store, true, &call);
    if (st == SEGUE_OK) {
        st = purge(store, &count, &call);
        seg_call_end(store, &call);
    }
    if (ret_count) *ret_count = count;
    return seg_call_give(store, st, &why, reterr);
}
