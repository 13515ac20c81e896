/* L2: what a read asks for. A virtual xattr is written out as the JSON text that it would be, behind the document's bytes;
 * from there on it is read like any other. */
#include "doc/select.h"

#include "base/base.h"
#include "doc/doc.h"
#include "doc/json.h"
#include "doc/path.h"

#include <inttypes.h>
#include <stdio.h>

#define VIRTUAL "$document"
enum { VIRTUAL_MAX = 384 };

static bool is_virtual(segue_slice name)
{
    return segue_slice_starts_with(name, segue_str(VIRTUAL)) &&
           (name.size == strlen(VIRTUAL) || name.data[strlen(VIRTUAL)] == '.');
}

/* What is said about the body itself costs something. Unusual spellings of the rest may cost it, too. */
static bool speaks_of_body(segue_slice name)
{
    static const char *const others[] = {".CAS",   ".datatype",      ".deleted", ".exptime",
                                         ".flags", ".last_modified", ".revid"};
    if (!is_virtual(name)) return false;
    segue_slice field = segue_bytes(name.data + strlen(VIRTUAL), name.size - strlen(VIRTUAL));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (segue_slice_equal(field, segue_str(others[i]))) return false;
    return true;
}

bool seg_select_needs_body(const segue_slice *names, size_t n_names)
{
    for (size_t i = 0; i < n_names; i++)
        if (speaks_of_body(names[i])) return true;
    return false;
}

/* `$document` of rec; what it says about the body only if that was read. Its size. */
static size_t write_virtual(const segue_record *rec, bool with_body, char out[VIRTUAL_MAX])
{
    const char *datatype = rec->is_json    ? rec->n_xattrs ? "\"json\",\"xattr\"" : "\"json\""
                           : rec->n_xattrs ? "\"xattr\""
                                           : "\"raw\"";
    uint64_t written_s = (rec->cas & ~(UINT64_C(1) << 63)) / 1000000000u; /* a CAS is nanoseconds, nearly */
    char body[80] = "";
    if (with_body)
        (void)snprintf(body, sizeof body, ",\"value_bytes\":%zu,\"value_crc32c\":\"0x%08" PRIx32 "\"", rec->body.size,
                       seg_crc32c(rec->body)); /* it fits */
    int n = snprintf(out, VIRTUAL_MAX,
                     "{\"CAS\":\"0x%016" PRIx64 "\",\"datatype\":[%s],\"deleted\":%s,\"exptime\":%" PRIu32
                     ",\"flags\":%" PRIu32 ",\"last_modified\":\"%" PRIu64 "\",\"revid\":\"%" PRIu64 "\"%s}",
                     rec->cas, datatype, rec->is_tombstone ? "true" : "false", rec->expiry, rec->flags, written_s,
                     rec->revision, body);
    seg_assert(n > 0 && n < VIRTUAL_MAX);
    return (size_t)n;
}

/* ---- room behind the document's bytes ---- */

static void rebase(segue_slice *slice, uintptr_t from, uintptr_t to)
{
    if (slice->data) slice->data = (const char *)((uintptr_t)slice->data - from + to);
}

static segue_status make_room(segue_doc *doc, size_t more)
{
    uintptr_t old = (uintptr_t)doc->bytes.data;
    segue_status st = segue_buf_reserve(&doc->bytes, more);
    uintptr_t now = (uintptr_t)doc->bytes.data;
    if (st != SEGUE_OK) return st;
    rebase(&doc->rec.key, old, now);
    rebase(&doc->rec.body, old, now);
    for (size_t i = 0; i < doc->rec.n_xattrs; i++) {
        rebase(&doc->slots[i].name, old, now);
        rebase(&doc->slots[i].value, old, now);
    }
    return SEGUE_OK;
}

/* There is room. */
static segue_slice put(segue_doc *doc, segue_slice bytes)
{
    char *at = doc->bytes.data + doc->bytes.size;
    memcpy(at, bytes.data, bytes.size);
    doc->bytes.size += bytes.size;
    return segue_bytes(at, bytes.size);
}

/* ---- one name ---- */

/* What name leads to; NOT_FOUND, without a sentence: it is not there. */
static segue_status look_up(const segue_doc *doc, segue_slice name, segue_slice virtual_text, segue_slice *ret_value,
                            segue_call *call)
{
    char quoted[SEG_QUOTED_MAX], said[SEG_JSON_SAID_MAX];
    seg_path path;
    seg_place place;
    seg_json_fault fault;
    if (seg_path_parse(name, &path, NULL) != SEGUE_OK || !path.steps[0].name.data) return SEGUE_NOT_FOUND;
    segue_xattr virtual_xattr = {segue_str(VIRTUAL), virtual_text};
    const segue_xattr *x = is_virtual(name) ? &virtual_xattr : segue_record_xattr(&doc->rec, path.steps[0].name);
    if (!x) return SEGUE_NOT_FOUND;
    *ret_value = x->value;
    if (path.n == 1) return SEGUE_OK;
    (void)seg_quote(x->name, quoted);
    if (!seg_json_check(x->value, SEGUE_JSON_DEPTH_MAX, &fault))
        return segue_fail(call, SEGUE_NOT_JSON, "xattr %s %s", quoted, seg_json_say(&fault, said));
    seg_path_find(&path, 1, x->value, &place);
    *ret_value = place.value;
    if (place.n == path.n) return SEGUE_OK;
    if (place.other_type || place.is_ambiguous) return seg_path_not_found(&path, &place, quoted, call);
    return SEGUE_NOT_FOUND;
}

/* ---- all names ---- */

static bool is_plain(segue_slice name) { return !seg_name_is_path(name) && !is_virtual(name); }

/* In place. */
static void keep_plain(segue_doc *doc, const segue_slice *names, size_t n_names)
{
    size_t n = 0;
    for (size_t i = 0; i < doc->rec.n_xattrs; i++)
        for (size_t j = 0; j < n_names; j++)
            if (segue_slice_equal(doc->slots[i].name, names[j])) {
                doc->slots[n++] = doc->slots[i];
                break;
            }
    doc->rec.n_xattrs = n;
    if (n == 0) doc->rec.xattrs = NULL;
}

static segue_status show(segue_doc *doc, segue_xattr *chosen, size_t n)
{
    if (n > doc->n_slots) {
        segue_xattr *slots = seg_realloc(doc->slots, n * sizeof *slots);
        if (!slots) return SEGUE_NO_MEMORY;
        doc->slots = slots;
        doc->n_slots = n;
    }
    seg_assert(seg_xattrs_sort(chosen, n));
    if (n) memcpy(doc->slots, chosen, n * sizeof *chosen);
    doc->rec.xattrs = n ? doc->slots : NULL;
    doc->rec.n_xattrs = n;
    return SEGUE_OK;
}

/* Room for all the names and for `$document` has been made. */
static segue_status choose(segue_doc *doc, const segue_slice *names, size_t n_names, segue_call *call)
{
    segue_xattr chosen[SEGUE_XATTRS_MAX];
    char text[VIRTUAL_MAX];
    segue_slice virtual_text = {0};
    size_t n = 0;
    bool with_body = seg_select_needs_body(names, n_names), with_virtual = false;
    for (size_t i = 0; i < n_names; i++) with_virtual = with_virtual || is_virtual(names[i]);
    if (with_virtual) virtual_text = put(doc, segue_bytes(text, write_virtual(&doc->rec, with_body, text)));
    for (size_t i = 0; i < n_names; i++) {
        segue_slice value;
        size_t first = 0;
        while (!segue_slice_equal(names[first], names[i])) first++;
        if (first < i) continue; /* named twice */
        segue_status st = look_up(doc, names[i], virtual_text, &value, call);
        if (st == SEGUE_OK) chosen[n++] = (segue_xattr){put(doc, names[i]), value};
        else if (st != SEGUE_NOT_FOUND) return st;
    }
    return show(doc, chosen, n);
}

segue_status seg_select_check(size_t n_names, segue_call *call)
{
    if (n_names <= SEGUE_XATTRS_MAX) return SEGUE_OK;
    return segue_fail(call, SEGUE_TOO_BIG, "%zu names of xattrs in one read, the limit is %d", n_names,
                      SEGUE_XATTRS_MAX);
}

segue_status seg_doc_select(segue_doc *doc, const segue_slice *names, size_t n_names, segue_call *call)
{
    size_t room = VIRTUAL_MAX;
    bool all_plain = true;
    seg_assert(n_names <= SEGUE_XATTRS_MAX);
    for (size_t i = 0; i < n_names; i++) {
        room += names[i].size;
        all_plain = all_plain && is_plain(names[i]);
    }
    if (all_plain) {
        keep_plain(doc, names, n_names);
        return SEGUE_OK;
    }
    segue_status st = make_room(doc, room);
    if (st == SEGUE_OK) st = choose(doc, names, n_names, call);
    if (st == SEGUE_NO_MEMORY) (void)segue_fail(call, st, "out of memory for the xattrs of a document");
    if (st != SEGUE_OK) segue_doc_clear(doc);
    return st;
}

/* ---- one place ---- */

segue_status seg_selection_check(segue_path_in in, segue_slice path, segue_call *call)
{
    seg_path parsed;
    if ((unsigned)in > SEGUE_IN_XATTR)
        return segue_fail(call, SEGUE_INVALID_ARGUMENT, "a path leads into the body or into an xattr");
    bool into_stored = in == SEGUE_IN_XATTR && !is_virtual(path);
    return into_stored ? seg_xattr_path_parse(path, &parsed, call) : seg_path_parse(path, &parsed, call);
}

static segue_status select_in_body(const segue_doc *doc, segue_slice text, segue_slice *ret_json, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX], what[SEG_QUOTED_MAX + 16], said[SEG_JSON_SAID_MAX];
    seg_path path;
    seg_place place;
    seg_json_fault fault;
    segue_status st = seg_path_parse(text, &path, call);
    if (st != SEGUE_OK) return st;
    if (!seg_json_check(doc->rec.body, SEGUE_JSON_DEPTH_MAX, &fault))
        return segue_fail(call, SEGUE_NOT_JSON, "the body of %s %s", seg_quote(doc->rec.key, quoted),
                          seg_json_say(&fault, said));
    seg_path_find(&path, 0, doc->rec.body, &place);
    *ret_json = place.value;
    if (place.n == path.n) return SEGUE_OK;
    (void)snprintf(what, sizeof what, "the body of %s", seg_quote(doc->rec.key, quoted)); /* it fits */
    return seg_path_not_found(&path, &place, what, call);
}

static segue_status select_in_xattr(segue_doc *doc, segue_slice text, segue_slice *ret_json, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX], key[SEG_QUOTED_MAX];
    (void)seg_quote(doc->rec.key, key);
    segue_status st = seg_doc_select(doc, &text, 1, call);
    if (st != SEGUE_OK) return st;
    if (doc->rec.n_xattrs == 0)
        return segue_fail(call, SEGUE_PATH_NOT_FOUND, "%s has no xattr with path %s", key, seg_quote(text, quoted));
    *ret_json = doc->rec.xattrs[0].value;
    return SEGUE_OK;
}

segue_status seg_doc_select_one(segue_doc *doc, segue_path_in in, segue_slice path, segue_slice *ret_json,
                                segue_call *call)
{
    segue_slice json = {0};
    segue_status st = in == SEGUE_IN_BODY ? select_in_body(doc, path, &json, call)
                                          : select_in_xattr(doc, path, &json, call);
    if (st != SEGUE_OK) segue_doc_clear(doc);
    else if (ret_json) *ret_json = json;
    return st;
}
