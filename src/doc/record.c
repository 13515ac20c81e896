/* L2: records and documents: copying, checking, comparing. No rules of mutations here (apply.c). */
#include "doc/doc.h"

#include "base/base.h"
#include "base/rules.h"
#include "doc/json.h"
#include "doc/path.h"

#define XXH_INLINE_ALL /* the streaming state on the stack is no part of the library's ABI */
#include <xxhash.h>

/* ---- documents ---- */

const segue_xattr *segue_record_xattr(const segue_record *rec, segue_slice name)
{
    for (size_t i = 0; i < rec->n_xattrs; i++)
        if (segue_slice_equal(rec->xattrs[i].name, name)) return &rec->xattrs[i];
    return NULL;
}

void segue_doc_clear(segue_doc *doc)
{
    doc->rec = (segue_record){0};
    doc->source = SEGUE_FROM_UNKNOWN;
    segue_buf_clear(&doc->bytes);
}

void segue_doc_free(segue_doc *doc)
{
    segue_buf_free(&doc->bytes);
    seg_free(doc->slots);
    *doc = (segue_doc){0};
}

static bool is_inside(const segue_doc *doc, const void *at)
{
    uintptr_t address = (uintptr_t)at, bytes = (uintptr_t)doc->bytes.data;
    return bytes && address >= bytes && address < bytes + doc->bytes.capacity;
}

/* Whether rec uses any of doc's memory, so that doc cannot be written while rec is read. An xattr in doc's slots has its bytes
 * there, too. */
static bool overlaps(const segue_doc *doc, const segue_record *rec)
{
    if (is_inside(doc, rec->key.data) || is_inside(doc, rec->body.data)) return true;
    for (size_t i = 0; i < rec->n_xattrs; i++)
        if (is_inside(doc, rec->xattrs[i].name.data) || is_inside(doc, rec->xattrs[i].value.data)) return true;
    return false;
}

static size_t bytes_of(const segue_record *rec)
{
    size_t n = rec->key.size + rec->body.size;
    for (size_t i = 0; i < rec->n_xattrs; i++) n += rec->xattrs[i].name.size + rec->xattrs[i].value.size;
    return n;
}

/* Room was made: copy and point to the copy. None stays none. */
static segue_slice keep(segue_doc *doc, segue_slice from)
{
    if (!from.data) return from;
    segue_slice kept = {doc->bytes.data + doc->bytes.size, from.size};
    if (from.size) memcpy(doc->bytes.data + doc->bytes.size, from.data, from.size);
    doc->bytes.size += from.size;
    return kept;
}

static segue_status make_room(segue_doc *doc, const segue_record *rec)
{
    segue_buf_clear(&doc->bytes);
    if (rec->n_xattrs > doc->n_slots) {
        segue_xattr *slots = seg_realloc(doc->slots, rec->n_xattrs * sizeof *slots);
        if (!slots) return SEGUE_NO_MEMORY;
        doc->slots = slots;
        doc->n_slots = rec->n_xattrs;
    }
    return segue_buf_reserve(&doc->bytes, bytes_of(rec) + 1); /* not NULL for an empty body */
}

static segue_status assign(segue_doc *doc, const segue_record *rec)
{
    segue_record copy = *rec; /* rec may be doc->rec, which a failure clears */
    segue_status st = make_room(doc, &copy);
    if (st != SEGUE_OK) {
        segue_doc_clear(doc);
        return st;
    }
    copy.key = keep(doc, rec->key);
    for (size_t i = 0; i < rec->n_xattrs; i++)
        doc->slots[i] = (segue_xattr){keep(doc, rec->xattrs[i].name), keep(doc, rec->xattrs[i].value)};
    copy.xattrs = rec->n_xattrs ? doc->slots : NULL;
    copy.body = keep(doc, rec->body);
    doc->rec = copy;
    return SEGUE_OK;
}

segue_status segue_doc_assign(segue_doc *doc, const segue_record *rec)
{
    unsigned char source = doc->source;
    if (!overlaps(doc, rec)) return assign(doc, rec);
    segue_doc fresh = {0};
    segue_status st = assign(&fresh, rec);
    if (st != SEGUE_OK) {
        segue_doc_free(&fresh);
        segue_doc_clear(doc);
        return st;
    }
    segue_doc_free(doc);
    *doc = fresh;
    doc->source = source;
    return SEGUE_OK;
}

void segue_applied_free(segue_applied *applied)
{
    for (size_t i = 0; i < applied->n_texts; i++) segue_buf_free(&applied->texts[i]);
    seg_free(applied->texts);
    segue_buf_free(&applied->scratch);
    seg_free(applied->slots);
    *applied = (segue_applied){0};
}

/* ---- pages ---- */

static segue_status one_more(segue_page *page)
{
    if (page->n < page->capacity) return SEGUE_OK;
    size_t capacity = page->capacity ? page->capacity * 2 : 16;
    if (capacity > page->max_docs) capacity = page->max_docs;
    segue_doc *docs = seg_realloc(page->docs, capacity * sizeof *docs);
    if (!docs) return SEGUE_NO_MEMORY;
    memset(docs + page->capacity, 0, (capacity - page->capacity) * sizeof *docs);
    page->docs = docs;
    page->capacity = capacity;
    return SEGUE_OK;
}

segue_status segue_page_add(segue_page *page, const segue_record *rec, bool *ret_full)
{
    seg_assert(page->max_docs > page->n);
    segue_status st = one_more(page);
    if (st == SEGUE_OK) st = segue_doc_assign(&page->docs[page->n], rec);
    if (st != SEGUE_OK) return st;
    page->n++;
    page->n_bytes += bytes_of(rec);
    *ret_full = page->n == page->max_docs || page->n_bytes >= page->max_bytes;
    return SEGUE_OK;
}

/* A record that is not looked at any more. A page is used again and again, and the large records among many
 * come to lie at another place each time: if each place kept the memory of the largest one that it ever had, a page would hold
 * many times what it may. So only small ones keep theirs. */
static void give_back(const segue_page *page, segue_doc *doc)
{
    enum { SMALL = 4096 };
    size_t share = page->max_docs ? page->max_bytes / page->max_docs : 0;
    if (doc->bytes.capacity > (share > SMALL ? share : SMALL)) segue_doc_free(doc);
}

void segue_page_clear(segue_page *page)
{
    for (size_t i = 0; i < page->n; i++) give_back(page, &page->docs[i]);
    page->n = 0;
    page->n_bytes = 0;
    page->more = false;
    page->through = 0;
}

void segue_page_free(segue_page *page)
{
    for (size_t i = 0; i < page->capacity; i++) segue_doc_free(&page->docs[i]);
    seg_free(page->docs);
    *page = (segue_page){.max_docs = page->max_docs, .max_bytes = page->max_bytes};
}

/* ---- conditions (B1, B3) ---- */

segue_status seg_put_judge(const segue_put *put, uint64_t cas)
{
    switch (put->condition) {
    case SEGUE_IF_ANY: return SEGUE_OK;
    case SEGUE_IF_ABSENT: return cas && SEG_RULE(ABSENT_MEANS_ABSENT) ? SEGUE_EXISTS : SEGUE_OK;
    case SEGUE_IF_CAS:
    default: break;
    }
    if (!cas) return SEG_RULE(ABSENT_IS_TOLD) ? SEGUE_NOT_FOUND : SEGUE_CAS_MISMATCH;
    return cas == put->if_cas || !SEG_RULE(PUT_LOOKS_AT_CAS) ? SEGUE_OK : SEGUE_CAS_MISMATCH;
}

segue_status seg_erase_judge(uint64_t if_cas, uint64_t cas)
{
    if (!cas) return SEGUE_NOT_FOUND;
    return cas == if_cas || !SEG_RULE(ERASE_LOOKS_AT_CAS) ? SEGUE_OK : SEGUE_CAS_MISMATCH;
}

/* ---- expiry (B4) ---- */

static bool has_expired(const segue_record *rec, uint64_t now)
{
    return rec->expiry != 0 && rec->expiry <= now && SEG_RULE(EXPIRED_IS_TOMBSTONE);
}

bool seg_record_is_live(const segue_record *rec, uint64_t now) { return !rec->is_tombstone && !has_expired(rec, now); }

void seg_doc_expire(segue_doc *doc, uint64_t now)
{
    segue_record *rec = &doc->rec;
    if (rec->is_tombstone || !has_expired(rec, now)) return;
    size_t n = 0;
    for (size_t i = 0; i < rec->n_xattrs; i++)
        if (seg_xattr_is_system(doc->slots[i].name)) doc->slots[n++] = doc->slots[i];
    rec->n_xattrs = n;
    rec->xattrs = n ? doc->slots : NULL;
    rec->body = (segue_slice){0};
    rec->is_tombstone = true;
    rec->is_json = false;
    rec->expiry = 0;
    rec->flags = 0;
}

bool seg_doc_reap(segue_doc *doc, uint64_t now)
{
    if (doc->rec.is_tombstone || !has_expired(&doc->rec, now)) return false;
    seg_doc_expire(doc, now);
    doc->rec.revision++;
    doc->rec.write_id = SEG_REAPED;
    return true;
}

/* ---- limits (B9) ---- */

segue_status seg_key_check(segue_slice key, segue_call *call)
{
    if (!key.data || key.size == 0) return segue_fail(call, SEGUE_INVALID_KEY, "a key has at least one byte");
    char quoted[SEG_QUOTED_MAX];
    if (key.size > SEGUE_KEY_MAX && SEG_RULE(LIMITS_ARE_ERRORS))
        return segue_fail(call, SEGUE_INVALID_KEY, "the key %s has %zu bytes; %d is the most", seg_quote(key, quoted),
                          key.size, SEGUE_KEY_MAX);
    if (memchr(key.data, 0, key.size))
        return segue_fail(call, SEGUE_INVALID_KEY, "the key %s has a NUL in it", seg_quote(key, quoted));
    return SEGUE_OK;
}

segue_status seg_xattr_name_check(segue_slice name, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX];
    if (!name.data || name.size == 0 || name.size > SEGUE_XATTR_NAME_MAX)
        return segue_fail(call, SEGUE_INVALID_XATTR_NAME, "the xattr name %s has %zu bytes; 1 to %d are allowed",
                          seg_quote(name, quoted), name.size, SEGUE_XATTR_NAME_MAX);
    if (seg_name_is_path(name))
        return segue_fail(call, SEGUE_INVALID_XATTR_NAME, "the xattr name %s has a . [ ] or ` in it, which make paths",
                          seg_quote(name, quoted));
    if (memchr(name.data, '$', name.size))
        return segue_fail(call, SEGUE_INVALID_XATTR_NAME,
                          "%s: names with $ are those of virtual xattrs, which are read only", seg_quote(name, quoted));
    if (memchr(name.data, 0, name.size) || !seg_utf8_valid(name))
        return segue_fail(call, SEGUE_INVALID_XATTR_NAME, "the xattr name %s is not UTF-8 text without NUL",
                          seg_quote(name, quoted));
    return SEGUE_OK;
}

static segue_status check_xattrs(const segue_record *rec, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX], name[SEG_QUOTED_MAX], said[SEG_JSON_SAID_MAX];
    seg_json_fault fault;
    if (rec->n_xattrs > SEGUE_XATTRS_MAX)
        return segue_fail(call, SEGUE_TOO_BIG, "%s has %zu xattrs; %d are the most", seg_quote(rec->key, quoted),
                          rec->n_xattrs, SEGUE_XATTRS_MAX);
    size_t system_bytes = 0;
    for (size_t i = 0; i < rec->n_xattrs; i++) {
        const segue_xattr *x = &rec->xattrs[i];
        segue_status st = seg_xattr_name_check(x->name, call);
        if (st != SEGUE_OK) return st;
        if (i > 0 && segue_slice_compare(rec->xattrs[i - 1].name, x->name) >= 0)
            return segue_fail(call, SEGUE_INVALID_ARGUMENT, "the xattrs of %s are not in order of name",
                              seg_quote(rec->key, quoted));
        if (!x->value.data || x->value.size > SEGUE_BODY_MAX)
            return segue_fail(call, x->value.data ? SEGUE_TOO_BIG : SEGUE_XATTR_VALUE_REQUIRED,
                              "an xattr of %s has no value or one that is too big", seg_quote(rec->key, quoted));
        if (!seg_json_check(x->value, SEGUE_JSON_DEPTH_MAX, &fault))
            return segue_fail(call, SEGUE_INVALID_JSON, "the xattr %s of %s %s", seg_quote(x->name, name),
                              seg_quote(rec->key, quoted), seg_json_say(&fault, said));
        if (seg_xattr_is_system(x->name)) system_bytes += x->name.size + x->value.size;
    }
    if (system_bytes > SEGUE_SYSTEM_XATTRS_MAX)
        return segue_fail(call, SEGUE_TOO_BIG, "the system xattrs of %s have %zu bytes; %d are the most",
                          seg_quote(rec->key, quoted), system_bytes, SEGUE_SYSTEM_XATTRS_MAX);
    return SEGUE_OK;
}

segue_status seg_record_check(const segue_record *rec, segue_call *call)
{
    segue_status st = seg_key_check(rec->key, call);
    if (st != SEGUE_OK) return st;
    char quoted[SEG_QUOTED_MAX];
    if (rec->is_tombstone != (rec->body.data == NULL))
        return segue_fail(call, SEGUE_INVALID_ARGUMENT, "%s: a live record has a body and a tombstone has none",
                          seg_quote(rec->key, quoted));
    if (rec->body.size > SEGUE_BODY_MAX)
        return segue_fail(call, SEGUE_TOO_BIG, "the body of %s has %zu bytes; %d is the most",
                          seg_quote(rec->key, quoted), rec->body.size, SEGUE_BODY_MAX);
    return check_xattrs(rec, call);
}

/* ---- order, sameness, digest ---- */

bool seg_xattrs_sort(segue_xattr *xattrs, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        segue_xattr x = xattrs[i];
        size_t at = i;
        for (; at > 0 && segue_slice_compare(xattrs[at - 1].name, x.name) > 0; at--) xattrs[at] = xattrs[at - 1];
        xattrs[at] = x;
    }
    for (size_t i = 1; i < n; i++)
        if (segue_slice_equal(xattrs[i - 1].name, xattrs[i].name)) return false;
    return true;
}

bool seg_record_same_content(const segue_record *a, const segue_record *b)
{
    if (a->is_tombstone != b->is_tombstone || a->is_json != b->is_json || a->flags != b->flags ||
        a->expiry != b->expiry || a->n_xattrs != b->n_xattrs || !segue_slice_equal(a->body, b->body))
        return false;
    for (size_t i = 0; i < a->n_xattrs; i++)
        if (!segue_slice_equal(a->xattrs[i].name, b->xattrs[i].name) ||
            !segue_slice_equal(a->xattrs[i].value, b->xattrs[i].value))
            return false;
    return true;
}

bool seg_record_same(const segue_record *a, const segue_record *b)
{
    return a->cas == b->cas && a->revision == b->revision && seg_record_same_content(a, b);
}

static void put_u64(unsigned char *at, uint64_t value)
{
    for (int i = 0; i < 8; i++) at[i] = (unsigned char)(value >> (8 * i));
}

/* Sizes go in too: "a"+"bc" must differ from "ab"+"c". */
static void digest_slice(XXH3_state_t *state, segue_slice bytes)
{
    unsigned char size[8];
    put_u64(size, bytes.size);
    seg_assert(XXH3_128bits_update(state, size, sizeof size) == XXH_OK);
    if (bytes.size) seg_assert(XXH3_128bits_update(state, bytes.data, bytes.size) == XXH_OK);
}

seg_digest seg_record_digest(const segue_record *rec)
{
    /* Header-sized fields in a fixed little-endian form: digests are stored and read by other machines. */
    unsigned char fixed[8 * 4];
    put_u64(fixed, rec->cas);
    put_u64(fixed + 8, rec->revision);
    put_u64(fixed + 16, (uint64_t)rec->flags << 32 | rec->expiry);
    put_u64(fixed + 24, (uint64_t)rec->n_xattrs << 2 | (rec->is_json ? 2u : 0u) | (rec->is_tombstone ? 1u : 0u));
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    seg_assert(XXH3_128bits_reset(&state) == XXH_OK);
    seg_assert(XXH3_128bits_update(&state, fixed, sizeof fixed) == XXH_OK);
    digest_slice(&state, rec->key);
    digest_slice(&state, rec->body);
    for (size_t i = 0; i < rec->n_xattrs; i++) {
        digest_slice(&state, rec->xattrs[i].name);
        digest_slice(&state, rec->xattrs[i].value);
    }
    XXH128_hash_t hash = XXH3_128bits_digest(&state);
    return (seg_digest){hash.low64, hash.high64};
}
