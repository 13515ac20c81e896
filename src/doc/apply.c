/* L2: what a mutation means. The one place that decides; every store, filter and dual store comes here.
 *
 * Pure: record (or none), mutation and the second it is now go in; record, "nothing to write" or a status comes out. The
 * rules are documented with segue_mutation in <segue/doc.h>. No threads, no state; memory only in the caller's
 * segue_applied. */
#include "base/base.h"
#include "doc/doc.h"
#include "doc/edit.h"
#include "doc/json.h"
#include "doc/path.h"

#include <inttypes.h>

/* What stands there, as a reader sees it now: an expired document is the tombstone that it reads as. */
typedef struct view {
    const segue_record *rec; /* NULL: no record at all */
    bool live;
    bool expired; /* stored as live, read as a tombstone: its user xattrs are gone */
} view;

static view view_of(const segue_record *base, uint64_t now)
{
    view v = {base, base && seg_record_is_live(base, now), false};
    v.expired = base && !v.live && !base->is_tombstone;
    return v;
}

/* There is a record. */
static bool view_has_xattr(const view *v, segue_slice name)
{
    return segue_record_xattr(v->rec, name) && (!v->expired || seg_xattr_is_system(name));
}

/* ---- the mutation by itself ---- */

static bool names_contain(const segue_slice *names, size_t n, segue_slice name)
{
    for (size_t i = 0; i < n; i++)
        if (segue_slice_equal(names[i], name)) return true;
    return false;
}

static segue_status check_set_xattr(const segue_mutation *m, size_t i, segue_call *call)
{
    const segue_xattr *x = &m->set_xattrs[i];
    char quoted[SEG_QUOTED_MAX], said[SEG_JSON_SAID_MAX];
    seg_json_fault fault;
    segue_status st = seg_xattr_path_check(x->name, call);
    if (st != SEGUE_OK) return st;
    if (!x->value.data)
        return segue_fail(call, SEGUE_XATTR_VALUE_REQUIRED, "xattr %s was given without a value",
                          seg_quote(x->name, quoted));
    if (x->value.size > SEGUE_BODY_MAX)
        return segue_fail(call, SEGUE_TOO_BIG, "the value of xattr %s has %zu bytes, the limit is %d",
                          seg_quote(x->name, quoted), x->value.size, SEGUE_BODY_MAX);
    if (!seg_json_check(x->value, seg_edit_depth_max(x->name), &fault))
        return segue_fail(call, SEGUE_INVALID_JSON, "the value of xattr %s %s", seg_quote(x->name, quoted),
                          seg_json_say(&fault, said));
    if (names_contain(m->drop_xattrs, m->n_drop_xattrs, x->name))
        return segue_fail(call, SEGUE_XATTR_SET_AND_DROPPED, "xattr %s is both set and dropped",
                          seg_quote(x->name, quoted));
    for (size_t j = 0; j < i; j++)
        if (segue_slice_equal(m->set_xattrs[j].name, x->name))
            return segue_fail(call, SEGUE_INVALID_ARGUMENT, "xattr %s is set twice", seg_quote(x->name, quoted));
    return SEGUE_OK;
}

static segue_status check_mutation(segue_slice key, const segue_mutation *m, segue_call *call)
{
    const unsigned options = SEGUE_M_AS_TOMBSTONE | SEGUE_M_TOMBSTONE_OK | SEGUE_M_NOTHING_OK |
                             SEGUE_M_DROP_MISSING_OK | SEGUE_M_REPLACE_ALL | SEGUE_M_FROM_EMPTY;
    char quoted[SEG_QUOTED_MAX];
    bool by_cas = m->expect == SEGUE_EXPECT_CAS || m->expect == SEGUE_EXPECT_RECORD_CAS;
    if ((unsigned)m->expect > SEGUE_EXPECT_ABSENT || (unsigned)m->body_op > SEGUE_BODY_ADD ||
        (unsigned)m->expiry.op > SEGUE_EXPIRY_AT || (unsigned)m->json > SEGUE_JSON_NO)
        return segue_fail(call, SEGUE_INVALID_ARGUMENT, "the mutation holds a number that is no operation");
    segue_status st = seg_options_check(m->options, options, "a mutation", call);
    if (st != SEGUE_OK) return st;
    if (by_cas && m->cas == 0)
        return segue_fail(call, SEGUE_INVALID_ARGUMENT, "0 is never a CAS; to insert, expect that nothing is live");
    if ((m->body_op == SEGUE_BODY_SET || m->body_op == SEGUE_BODY_APPEND) && !m->body.data)
        return segue_fail(call, SEGUE_BODY_REQUIRED, "no body was given to write to %s", seg_quote(key, quoted));
    if ((m->options & SEGUE_M_REPLACE_ALL) && m->body_op != SEGUE_BODY_SET)
        return segue_fail(call, SEGUE_INVALID_ARGUMENT, "only a mutation that sets the body can replace all");
    if (m->expiry.op == SEGUE_EXPIRY_AT && m->expiry.seconds == 0)
        return segue_fail(call, SEGUE_INVALID_ARGUMENT, "an absolute expiry of 0 is none; say so with no expiry");
    if (m->n_set_xattrs > SEGUE_XATTRS_MAX || m->n_drop_xattrs > SEGUE_XATTRS_MAX)
        return segue_fail(call, SEGUE_TOO_BIG, "more than %d xattrs in one mutation", SEGUE_XATTRS_MAX);
    for (size_t i = 0; i < m->n_drop_xattrs; i++) {
        st = seg_xattr_path_check(m->drop_xattrs[i], call);
        if (st != SEGUE_OK) return st;
    }
    for (size_t i = 0; i < m->n_set_xattrs; i++) {
        st = check_set_xattr(m, i, call);
        if (st != SEGUE_OK) return st;
    }
    return seg_edit_check(m, call);
}

/* ---- the expectation ---- */

static segue_status not_found(segue_slice key, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX];
    return segue_fail(call, SEGUE_NOT_FOUND, "there is no live document %s", seg_quote(key, quoted));
}

static segue_status exists(segue_slice key, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX];
    return segue_fail(call, SEGUE_EXISTS, "the document %s exists already", seg_quote(key, quoted));
}

static segue_status check_expectation(segue_slice key, const view *v, const segue_mutation *m, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX];
    bool deletes = m->body_op == SEGUE_BODY_DELETE;
    bool dead_will_do = deletes && (m->options & (SEGUE_M_TOMBSTONE_OK | SEGUE_M_NOTHING_OK));
    bool needs_live = (m->body_op != SEGUE_BODY_KEEP || seg_edit_writes_body(m)) && !dead_will_do;
    switch (m->expect) {
    case SEGUE_EXPECT_ANY: return SEGUE_OK;
    case SEGUE_EXPECT_NOT_LIVE: return v->live ? exists(key, call) : SEGUE_OK;
    case SEGUE_EXPECT_ABSENT: return v->rec ? exists(key, call) : SEGUE_OK;
    case SEGUE_EXPECT_LIVE: return v->live ? SEGUE_OK : not_found(key, call);
    case SEGUE_EXPECT_CAS:
        if (!v->live && needs_live) return not_found(key, call);
        break;
    case SEGUE_EXPECT_RECORD_CAS:
    default: break;
    }
    if (!v->rec) return not_found(key, call);
    if (v->rec->cas != m->cas)
        return segue_fail(call, SEGUE_CAS_MISMATCH, "the document %s has the CAS %" PRIu64 ", not %" PRIu64,
                          seg_quote(key, quoted), v->rec->cas, m->cas);
    return SEGUE_OK;
}

/* ---- the body ---- */

/* seg_parse_u64 has refused it. */
static segue_status not_a_number(segue_slice key, segue_slice body, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX];
    size_t n = 0;
    (void)seg_quote(key, quoted);
    while (n < body.size && body.data[n] >= '0' && body.data[n] <= '9') n++;
    if (body.size == 0) return segue_fail(call, SEGUE_NOT_A_NUMBER, "the body of %s is no number: it is empty", quoted);
    if (n == body.size)
        return segue_fail(call, SEGUE_NOT_A_NUMBER, "the body of %s is no number: it is past 2^64-1", quoted);
    return segue_fail(call, SEGUE_NOT_A_NUMBER, "the body of %s is no number: there is no digit at byte %zu", quoted,
                      n);
}

static segue_status add_to_counter(const view *v, const segue_mutation *m, segue_applied *a, segue_call *call)
{
    char digits[21];
    if (!v->live) {
        if (!m->has_initial) return not_found(a->rec.key, call);
        a->counter = m->initial;
    } else {
        uint64_t number = 0;
        if (!seg_parse_u64(v->rec->body, &number)) return not_a_number(a->rec.key, v->rec->body, call);
        a->counter = number + m->delta; /* modulo 2^64 is what the operation means */
    }
    size_t n = seg_format_u64(a->counter, digits);
    if (segue_buf_append(&a->scratch, digits, n) != SEGUE_OK)
        return segue_fail(call, SEGUE_NO_MEMORY, "out of memory for a counter");
    a->rec.body = segue_buf_slice(&a->scratch);
    return SEGUE_OK;
}

static segue_status append_to_body(const view *v, const segue_mutation *m, segue_applied *a, segue_call *call)
{
    if (!v->live) return not_found(a->rec.key, call);
    if (v->rec->body.size + m->body.size > SEGUE_BODY_MAX)
        return segue_fail(call, SEGUE_TOO_BIG, "the appended body would have %zu bytes, the limit is %d",
                          v->rec->body.size + m->body.size, SEGUE_BODY_MAX);
    if (segue_buf_append(&a->scratch, v->rec->body.data, v->rec->body.size) != SEGUE_OK ||
        segue_buf_append(&a->scratch, m->body.data, m->body.size) != SEGUE_OK)
        return segue_fail(call, SEGUE_NO_MEMORY, "out of memory for a body of %zu bytes",
                          v->rec->body.size + m->body.size);
    a->rec.body = segue_buf_slice(&a->scratch);
    return SEGUE_OK;
}

/* Sets body and is_tombstone of the result, or *nothing. */
static segue_status apply_body(const view *v, const segue_mutation *m, segue_applied *a, bool *nothing,
                               segue_call *call)
{
    switch (m->body_op) {
    case SEGUE_BODY_KEEP:
        if (!v->live && seg_edit_writes_body(m)) {
            a->rec.body = segue_str("{}");
            return m->options & SEGUE_M_FROM_EMPTY ? SEGUE_OK : not_found(a->rec.key, call);
        }
        if (!v->rec && !(m->options & SEGUE_M_AS_TOMBSTONE)) return not_found(a->rec.key, call);
        a->rec.is_tombstone = !v->live;
        if (v->live) a->rec.body = v->rec->body;
        return SEGUE_OK;
    case SEGUE_BODY_SET:
        if (m->body.size > SEGUE_BODY_MAX)
            return segue_fail(call, SEGUE_TOO_BIG, "the body has %zu bytes, the limit is %d", m->body.size,
                              SEGUE_BODY_MAX);
        a->rec.body = m->body;
        return SEGUE_OK;
    case SEGUE_BODY_DELETE:
        if (!v->live && !(v->rec && (m->options & SEGUE_M_TOMBSTONE_OK))) {
            if (!(m->options & SEGUE_M_NOTHING_OK)) return not_found(a->rec.key, call);
            *nothing = true;
        }
        a->rec.is_tombstone = v->rec != NULL;
        return SEGUE_OK;
    case SEGUE_BODY_APPEND: return append_to_body(v, m, a, call);
    case SEGUE_BODY_ADD:
    default: break;
    }
    return add_to_counter(v, m, a, call);
}

/* ---- xattrs ---- */

static segue_status check_drops(const view *v, const segue_mutation *m, bool starts_anew, bool *ret_some,
                                segue_call *call)
{
    char quoted[SEG_QUOTED_MAX];
    for (size_t i = 0; i < m->n_drop_xattrs; i++) {
        if (seg_name_is_path(m->drop_xattrs[i])) continue;
        bool there = !starts_anew && view_has_xattr(v, m->drop_xattrs[i]);
        if (there) *ret_some = true;
        if (!there && !(m->options & SEGUE_M_DROP_MISSING_OK))
            return segue_fail(call, SEGUE_PATH_NOT_FOUND, "there is no xattr %s to drop",
                              seg_quote(m->drop_xattrs[i], quoted));
    }
    return SEGUE_OK;
}

static bool set_contains(const segue_mutation *m, segue_slice name)
{
    for (size_t i = 0; i < m->n_set_xattrs; i++)
        if (segue_slice_equal(m->set_xattrs[i].name, name)) return true;
    return false;
}

static segue_status apply_xattrs(const view *v, const segue_mutation *m, segue_applied *a, bool *ret_changed,
                                 segue_call *call)
{
    bool was_live = v->live, is_live = !a->rec.is_tombstone;
    bool starts_anew = !v->rec || (is_live && !was_live) || (m->options & SEGUE_M_REPLACE_ALL);
    bool deletes = was_live && !is_live;
    segue_status st = check_drops(v, m, starts_anew, ret_changed, call);
    if (st != SEGUE_OK) return st;

    size_t n = 0, old = starts_anew ? 0 : v->rec->n_xattrs, need = old + m->n_set_xattrs;
    if (need > a->n_slots) {
        segue_xattr *slots = seg_realloc(a->slots, need * sizeof *slots);
        if (!slots)
            return segue_fail(call, SEGUE_NO_MEMORY, "out of memory for %zu %s", need,
                              seg_word(need, "xattr", "xattrs"));
        a->slots = slots;
        a->n_slots = need;
    }
    for (size_t i = 0; i < old; i++) {
        const segue_xattr *x = &v->rec->xattrs[i];
        if (v->expired && !seg_xattr_is_system(x->name)) continue;
        if (set_contains(m, x->name) || names_contain(m->drop_xattrs, m->n_drop_xattrs, x->name)) continue;
        a->slots[n++] = *x;
    }
    for (size_t i = 0; i < m->n_set_xattrs; i++)
        if (!seg_name_is_path(m->set_xattrs[i].name)) a->slots[n++] = m->set_xattrs[i];
    if (m->n_set_xattrs) *ret_changed = true;
    seg_assert(seg_xattrs_sort(a->slots, n));
    a->rec.xattrs = a->slots;
    a->rec.n_xattrs = n;
    return seg_edit(m, deletes, a, ret_changed, call);
}

static segue_status check_limits(const segue_mutation *m, const segue_applied *a, segue_call *call)
{
    size_t n = a->rec.n_xattrs, system_bytes = 0;
    if (n > SEGUE_XATTRS_MAX)
        return segue_fail(call, SEGUE_TOO_BIG, "the document would have %zu xattrs, the limit is %d", n,
                          SEGUE_XATTRS_MAX);
    if (!m->n_set_xattrs && !m->n_paths && !m->n_macros) return SEGUE_OK;
    for (size_t i = 0; i < n; i++)
        if (seg_xattr_is_system(a->slots[i].name)) system_bytes += a->slots[i].name.size + a->slots[i].value.size;
    if (system_bytes > SEGUE_SYSTEM_XATTRS_MAX)
        return segue_fail(call, SEGUE_TOO_BIG, "the system xattrs would have %zu bytes, the limit is %d", system_bytes,
                          SEGUE_SYSTEM_XATTRS_MAX);
    return SEGUE_OK;
}

/* ---- expiry, flags, JSON ---- */

/* The second that is asked for, 0 none. */
static uint64_t asked_expiry(const segue_mutation *m, uint32_t old, uint64_t now)
{
    switch (m->expiry.op) {
    case SEGUE_EXPIRY_DEFAULT: return m->body_op == SEGUE_BODY_SET ? 0 : old;
    case SEGUE_EXPIRY_IN: return now + m->expiry.seconds;
    case SEGUE_EXPIRY_AT: return m->expiry.seconds;
    case SEGUE_EXPIRY_NONE:
    default: break;
    }
    return 0;
}

static segue_status apply_expiry(const view *v, const segue_mutation *m, uint64_t now, segue_applied *a,
                                 segue_call *call)
{
    uint32_t old = v->live ? v->rec->expiry : 0;
    uint64_t at = asked_expiry(m, old, now);
    if (m->expiry.keep_if_live && v->live && !(m->options & SEGUE_M_REPLACE_ALL)) at = old;
    if (at > UINT32_MAX)
        return segue_fail(call, SEGUE_INVALID_ARGUMENT, "an expiry in %u seconds lies after the year 2106",
                          m->expiry.seconds);
    a->rec.expiry = a->rec.is_tombstone ? 0 : (uint32_t)at;
    return SEGUE_OK;
}

static bool is_json_after(const view *v, const segue_mutation *m, const segue_applied *a)
{
    if (a->rec.is_tombstone) return false;
    if (m->json != SEGUE_JSON_AUTO) return m->json == SEGUE_JSON_YES;
    if (seg_edit_writes_body(m)) return true;
    if (m->body_op == SEGUE_BODY_KEEP) return v->rec->is_json;
    return m->body_op == SEGUE_BODY_ADD || seg_json_valid(a->rec.body, NULL);
}

static uint32_t flags_after(const view *v, const segue_mutation *m, const segue_applied *a)
{
    if (a->rec.is_tombstone) return 0;
    if (m->has_flags) return m->flags;
    return v->live && !(m->options & SEGUE_M_REPLACE_ALL) ? v->rec->flags : 0;
}

/* The record stays as it is; the result shows it as a reader sees it. */
static void nothing_to_write(const view *v, segue_applied *a)
{
    const segue_record *rec = v->rec;
    a->write = false;
    if (rec) {
        a->rec.revision = rec->revision;
        a->rec.cas = rec->cas;
        a->rec.write_id = rec->write_id;
    }
}

segue_status segue_apply(segue_slice key, const segue_record *base, const segue_mutation *m, uint64_t now,
                         segue_applied *a, segue_call *call)
{
    view v = view_of(base, now);
    static const segue_mutation no_change = {0};
    bool nothing = false, xattrs_changed = false;
    bool changed = m->body_op != SEGUE_BODY_KEEP || (!v.live && seg_edit_writes_body(m));
    segue_record blank = {0};

    a->rec = blank;
    a->rec.key = key;
    a->write = true;
    a->counter = 0;
    a->n_texts_used = a->n_cas_places = 0;
    segue_buf_clear(&a->scratch);

    segue_status st = seg_key_check(key, call);
    if (st == SEGUE_OK) st = check_mutation(key, m, call);
    if (st == SEGUE_OK) st = check_expectation(key, &v, m, call);
    if (st == SEGUE_OK) st = apply_body(&v, m, a, &nothing, call);
    if (st != SEGUE_OK) return st;
    if (nothing) {
        if (v.rec) st = apply_xattrs(&v, &no_change, a, &xattrs_changed, call);
        nothing_to_write(&v, a);
        return st;
    }

    st = apply_xattrs(&v, m, a, &xattrs_changed, call);
    if (st == SEGUE_OK) st = check_limits(m, a, call);
    if (st == SEGUE_OK) st = apply_expiry(&v, m, now, a, call);
    if (st != SEGUE_OK) return st;
    /* A delete of a tombstone is a write only through its xattrs, and without any there was nothing to delete. */
    if (m->body_op == SEGUE_BODY_DELETE && !v.live && !xattrs_changed) {
        nothing_to_write(&v, a);
        return m->options & SEGUE_M_NOTHING_OK ? SEGUE_OK : not_found(key, call);
    }
    a->rec.is_json = is_json_after(&v, m, a);
    a->rec.flags = flags_after(&v, m, a);
    a->rec.revision = (base ? base->revision : 0) + 1;

    changed = changed || xattrs_changed || !v.rec;
    if (v.live)
        changed = changed || a->rec.expiry != base->expiry || a->rec.flags != base->flags ||
                  a->rec.is_json != base->is_json;
    if (!changed) nothing_to_write(&v, a);
    return SEGUE_OK;
}
