/* L4: one page of a dual feed: both sides' changes as one order of CAS.
 *
 * While the fallback counts, its page is read first, then the primary's, so that a record which moves in between is seen in one
 * of them; a fallback's record goes out unless the primary has another one of that key. What is there has been told then, and
 * what comes later has a greater CAS than any that was given out: the fallback is written no more, and before the primary is
 * read its clock is raised above all that came from the fallback. The sweep's moves keep their CAS and so stay where they
 * were in the order: told already, or still to come. (Where the primary cannot keep CASes, a move is a change.)
 *
 * While the phase is hold, writes to the fallback that began before it may still be under way, so its clock is raised above all
 * that is told from the primary as well; what the primary gets meanwhile waits for the next round.
 *
 * A counter that is being handed over stands in the fallback as a pill, with a CAS of its own, until it arrives in the primary
 * with the one it had. Its place in the order is that one, so pills are looked for beyond the end of the page, too. */
#include "base/base.h"
#include "base/crash.h"
#include "base/rules.h"
#include "doc/doc.h"
#include "doc/pill.h"
#include "dual/dual.h"

typedef struct reading {
    seg_dual *dual;
    seg_position start, end; /* what a round covers: after start, up to the end (if has_end) */
    bool has_end;
    bool has_limit; /* in hold: the primary is told of up to this CAS */
    uint64_t limit;
    bool behind; /* something came into the primary after its page was read */
    segue_page fallback, primary, late;
    uint64_t last_primary; /* the greatest CAS that was seen there */
    segue_doc other;       /* the primary's record of a key */
} reading;

/* ---- pages as sorted sets ---- */

static int compare(const segue_record *a, const segue_record *b)
{
    uint64_t x = seg_feed_cas(a->cas), y = seg_feed_cas(b->cas);
    int c = (x > y) - (x < y);
    return c ? c : segue_slice_compare(a->key, b->key);
}

static void drop(segue_page *page, size_t at)
{
    segue_doc doc = page->docs[at]; /* its memory is used again */
    page->n--;
    memmove(&page->docs[at], &page->docs[at + 1], (page->n - at) * sizeof doc);
    page->docs[page->n] = doc;
}

/* Put docs[i] in its place among those before it, or away if it is there already. */
static void settle(segue_page *page, size_t i)
{
    segue_doc doc = page->docs[i];
    size_t at = i;
    while (at > 0 && compare(&page->docs[at - 1].rec, &doc.rec) >= 0) at--;
    memmove(&page->docs[at + 1], &page->docs[at], (i - at) * sizeof doc);
    page->docs[at] = doc;
    if (at < i && compare(&doc.rec, &page->docs[at + 1].rec) == 0) drop(page, at);
}

/* ---- the fallback's page ---- */

/* A pill that was made while this store was open, made its counter. One from before keeps its own place. */
static segue_status undo_pill(seg_dual *d, segue_doc *doc, segue_call *call)
{
    segue_status st = seg_pill_to_counter(doc, doc->rec.cas <= atomic_load(&d->floor));
    return st == SEGUE_OK ? st : segue_fail(call, st, "out of memory in a feed");
}

static segue_status undo_pills(reading *r, segue_call *call)
{
    segue_page *page = &r->fallback;
    for (size_t i = 0; i < page->n;) {
        segue_status st = undo_pill(r->dual, &page->docs[i], call);
        if (st != SEGUE_OK) return st;
        if (seg_comes_after(&page->docs[i].rec, &r->start)) settle(page, i++);
        else drop(page, i);
    }
    return SEGUE_OK;
}

/* Counters that belong into the page, of pills that lie behind it. */
static segue_status add_late_pills(reading *r, segue_call *call)
{
    seg_dual *d = r->dual;
    seg_position at = r->end;
    if (atomic_load(&d->floor) > at.cas) seg_position_set(&at, atomic_load(&d->floor), (segue_slice){NULL, 0});
    do {
        segue_since since = {.cas = at.cas, .key = seg_position_key(&at)};
        segue_status st = seg_call_changes(d->fallback, &since, &r->late, call);
        if (st != SEGUE_OK) return st;
        if (r->late.n) seg_position_set(&at, r->late.docs[r->late.n - 1].rec.cas, r->late.docs[r->late.n - 1].rec.key);
        for (size_t i = 0; i < r->late.n; i++) {
            const segue_record *rec = &r->late.docs[i].rec;
            bool full;
            st = undo_pill(d, &r->late.docs[i], call);
            if (st != SEGUE_OK) return st;
            if (!seg_comes_after(rec, &r->start) || seg_comes_after(rec, &r->end)) continue;
            if (r->fallback.n == r->fallback.max_docs) r->fallback.max_docs++; /* they are few */
            if (segue_page_add(&r->fallback, rec, &full) != SEGUE_OK)
                return segue_fail(call, SEGUE_NO_MEMORY, "out of memory in a feed");
            settle(&r->fallback, r->fallback.n - 1);
        }
    } while (r->late.more);
    return SEGUE_OK;
}

/* Whole, also for a feed of keys: a pill is known by its body. *ret_last: the greatest CAS in it. */
static segue_status read_fallback(reading *r, uint64_t *ret_last, segue_call *call)
{
    segue_page *page = &r->fallback;
    segue_since since = {.cas = r->start.cas, .key = seg_position_key(&r->start)};
    segue_status st = seg_call_changes(r->dual->fallback, &since, page, call);
    if (st != SEGUE_OK) return st;
    const segue_record *last = page->n ? &page->docs[page->n - 1].rec : NULL;
    *ret_last = last ? last->cas : 0;
    r->has_end = page->more;
    if (page->more) seg_position_set(&r->end, last->cas, last->key);
    st = undo_pills(r, call);
    if (st == SEGUE_OK && page->more && SEG_RULE(FEED_SEES_PILLS)) st = add_late_pills(r, call);
    return st;
}

/* Nothing that this side gets from now on may come before `cas`. Who may not write it gives no CAS there either, and those who
 * may have begun above the fallback's highest. */
static segue_status raise_side(segue_store *side, uint64_t cas, segue_call *call)
{
    segue_error why = {0};
    segue_call own = *call;
    uint64_t now = 0;
    own.err = &why;
    segue_status st = seg_call_highest(side, cas, &now, &own);
    SEG_CRASH_POINT(CLOCK_RAISED);
    if (st == SEGUE_OK || st == SEGUE_READ_ONLY) return SEGUE_OK;
    if (call->err) *call->err = why;
    return st;
}

static segue_status raise_primary(seg_dual *d, uint64_t cas, segue_call *call)
{
    uint64_t before = atomic_load(&d->raised);
    if (cas <= before || !SEG_RULE(FEED_RAISES_CLOCK)) return SEGUE_OK;
    segue_status st = raise_side(d->primary, cas, call);
    while (st == SEGUE_OK && before < cas && !atomic_compare_exchange_weak(&d->raised, &before, cas)) {
    }
    return st;
}

/* In hold. *limit: where the primary is (raised to at_least), or what was seen of it; what the fallback gets from now on comes
 * later. */
static segue_status raise_fallback(seg_dual *d, uint64_t at_least, uint64_t *limit, segue_call *call)
{
    uint64_t highest = 0;
    segue_status st = seg_call_highest(d->primary, at_least, &highest, call);
    if (highest > *limit) *limit = highest;
    return st == SEGUE_OK && SEG_RULE(FEED_RAISES_FALLBACK) ? raise_side(d->fallback, *limit, call) : st;
}

/* ---- both as one ---- */

static segue_status read_primary(reading *r, bool keys_only, segue_call *call)
{
    segue_since since = {.cas = r->start.cas, .key = seg_position_key(&r->start), .keys_only = keys_only};
    segue_status st = seg_call_changes(r->dual->primary, &since, &r->primary, call);
    if (st != SEGUE_OK) return st;
    const segue_record *last = r->primary.n ? &r->primary.docs[r->primary.n - 1].rec : NULL;
    r->last_primary = last ? last->cas : r->start.cas;
    if (r->has_limit && last && r->last_primary > r->limit) {
        if (r->limit < r->start.cas) r->end = r->start;
        else if (!r->has_end || r->end.cas > r->limit) seg_position_set(&r->end, r->limit, (segue_slice){NULL, 0});
        r->has_end = true;
        return SEGUE_OK;
    }
    if (!r->primary.more) return SEGUE_OK;
    if (!r->has_end || !seg_comes_after(last, &r->end)) seg_position_set(&r->end, last->cas, last->key);
    r->has_end = true;
    return SEGUE_OK;
}

/* Whether a fallback's record is what the dual store shows, or was until it moved just now. Otherwise the primary's record of
 * the key has been told or will be. */
static segue_status is_shown(reading *r, const segue_record *rec, bool *ret_yes, segue_call *call)
{
    segue_error why = {0};
    segue_call own = *call;
    own.err = &why;
    segue_status st = seg_call_get_stored(r->dual->primary, rec->key, &r->other, &own);
    *ret_yes = st == SEGUE_NOT_FOUND || (r->dual->keeps_cas && st == SEGUE_OK && r->other.rec.cas == rec->cas) ||
               !SEG_RULE(FEED_ASKS_PRIMARY);
    if (!*ret_yes && st == SEGUE_OK && !r->has_end) r->behind |= r->other.rec.cas > r->last_primary;
    if (st == SEGUE_OK || st == SEGUE_NOT_FOUND) return SEGUE_OK;
    if (call->err) *call->err = why;
    return st;
}

static segue_status emit(reading *r, segue_page *page, bool *ret_full, segue_call *call)
{
    size_t f = 0, p = 0;
    while ((f < r->fallback.n || p < r->primary.n) && !*ret_full) {
        const segue_record *fr = f < r->fallback.n ? &r->fallback.docs[f].rec : NULL;
        const segue_record *pr = p < r->primary.n ? &r->primary.docs[p].rec : NULL;
        int c = !fr ? 1 : !pr ? -1 : compare(fr, pr);
        segue_record rec = c < 0 ? *fr : *pr;
        bool shown = true;
        segue_status st = SEGUE_OK;
        if (r->has_end && seg_comes_after(&rec, &r->end) && SEG_RULE(FEED_CUT)) return SEGUE_OK;
        if (c < 0) {
            st = is_shown(r, &rec, &shown, call);
            seg_dual_mark(r->dual, &rec);
        }
        if (st == SEGUE_OK && shown && segue_page_add(page, &rec, ret_full) != SEGUE_OK)
            st = segue_fail(call, SEGUE_NO_MEMORY, "out of memory in a feed");
        if (st != SEGUE_OK) return st;
        f += c <= 0;
        p += c >= 0;
    }
    if (*ret_full) page->more = f < r->fallback.n || p < r->primary.n;
    return SEGUE_OK;
}

static segue_status merge(reading *r, bool keys_only, segue_page *page, segue_call *call)
{
    for (;;) {
        bool full = false;
        uint64_t last = 0;
        page->more = false;
        segue_status st = SEGUE_OK;
        if (r->has_limit) st = raise_fallback(r->dual, 0, &r->limit, call);
        if (st == SEGUE_OK && !SEG_RULE(FEED_FALLBACK_FIRST)) st = read_primary(r, keys_only, call);
        if (st == SEGUE_OK) st = read_fallback(r, &last, call);
        if (st == SEGUE_OK) st = raise_primary(r->dual, last, call);
        if (st == SEGUE_OK && SEG_RULE(FEED_FALLBACK_FIRST)) st = read_primary(r, keys_only, call);
        if (st == SEGUE_OK) st = emit(r, page, &full, call);
        if (st != SEGUE_OK) return st;
        page->more = page->more || r->has_end || r->behind;
        if (!page->more) page->through = last; /* hidden ones are not asked for again */
        if (page->n > 0 || !page->more) return SEGUE_OK;
        if (r->has_end) r->start = r->end; /* everything in this round was hidden */
        r->behind = false;
        r->limit = r->last_primary;
    }
}

/* ---- the slots ---- */

/* A feed that began on one side must be able to go on on both. */
static segue_status check_sides(seg_dual *d, segue_phase phase, segue_call *call)
{
    segue_store *const sides[] = {d->primary, d->fallback};
    for (int i = 0; i < (phase >= SEGUE_PHASE_SEALED ? 1 : 2); i++)
        if (!(segue_store_caps(sides[i]) & SEGUE_CAP_CHANGES))
            return segue_fail(call, SEGUE_UNSUPPORTED, "%s cannot tell its changes, so a dual store of it has no feed",
                              sides[i]->url);
    return SEGUE_OK;
}

static segue_status legacy_page(seg_dual *d, const segue_since *since, segue_page *page, segue_call *call)
{
    segue_since whole = {.cas = since->cas, .key = since->key};
    segue_status st = seg_call_changes(d->fallback, &whole, page, call);
    if (st != SEGUE_OK) return st;
    for (size_t i = 0; i < page->n; i++) {
        if (seg_pill_to_counter(&page->docs[i], true) != SEGUE_OK)
            return segue_fail(call, SEGUE_NO_MEMORY, "out of memory in a feed");
        seg_dual_mark(d, &page->docs[i].rec);
    }
    return SEGUE_OK;
}

segue_status seg_dual_changes(seg_dual *d, const segue_since *since, segue_page *page, segue_call *call)
{
    segue_phase phase = seg_dual_phase_of(d, call);
    segue_status st = check_sides(d, phase, call);
    if (st != SEGUE_OK) return st;
    if (phase >= SEGUE_PHASE_SEALED) return seg_call_changes(d->primary, since, page, call);
    if (phase == SEGUE_PHASE_LEGACY) return legacy_page(d, since, page, call);
    reading r = {.dual = d, .has_limit = phase == SEGUE_PHASE_HOLD};
    seg_position_set(&r.start, since->cas, since->key);
    r.fallback.max_docs = r.primary.max_docs = r.late.max_docs = page->max_docs;
    r.fallback.max_bytes = r.primary.max_bytes = r.late.max_bytes = page->max_bytes;
    st = merge(&r, since->keys_only, page, call);
    segue_page_free(&r.fallback);
    segue_page_free(&r.primary);
    segue_page_free(&r.late);
    segue_doc_free(&r.other);
    return st;
}

segue_status seg_dual_highest(seg_dual *d, uint64_t at_least, uint64_t *ret_cas, segue_call *call)
{
    segue_phase phase = seg_dual_phase_of(d, call);
    uint64_t primary = 0, fallback = 0;
    segue_status st = check_sides(d, phase, call);
    if (st != SEGUE_OK) return st;
    if (phase == SEGUE_PHASE_LEGACY) return seg_call_highest(d->fallback, at_least, ret_cas, call);
    if (phase == SEGUE_PHASE_HOLD) st = raise_fallback(d, at_least, &primary, call);
    if (st == SEGUE_OK && phase < SEGUE_PHASE_SEALED) {
        st = seg_call_highest(d->fallback, 0, &fallback, call);
        if (st == SEGUE_OK) st = raise_primary(d, fallback, call);
    }
    if (st == SEGUE_OK && phase != SEGUE_PHASE_HOLD) st = seg_call_highest(d->primary, at_least, &primary, call);
    if (st == SEGUE_OK) *ret_cas = primary > fallback ? primary : fallback;
    return st;
}
