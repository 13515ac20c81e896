/* L2: path operations and macros on the record that apply.c is making. A text that changes is copied once, with the change,
 * into a buffer of the segue_applied; further changes happen there. What is in such a buffer is known to be JSON. */
#include "doc/edit.h"

#include "base/base.h"
#include "base/rules.h"
#include "doc/doc.h"
#include "doc/json.h"
#include "doc/path.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- the mutation by itself ---- */

segue_status seg_xattr_path_check(segue_slice name, segue_call *call)
{
    seg_path path;
    if (seg_name_is_path(name)) return seg_xattr_path_parse(name, &path, call);
    return seg_xattr_name_check(name, call);
}

/* Below a path there is one for each component, and one for an array that an append makes. */
size_t seg_edit_depth_max(segue_slice name)
{
    return seg_name_is_path(name) ? SEGUE_JSON_DEPTH_AT_PATH_MAX : SEGUE_JSON_DEPTH_MAX;
}

static segue_status parse(const segue_path_op *op, seg_path *ret, segue_call *call)
{
    return op->in == SEGUE_IN_XATTR ? seg_xattr_path_parse(op->path, ret, call) : seg_path_parse(op->path, ret, call);
}

static segue_status check_path_op(const segue_path_op *op, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX], said[SEG_JSON_SAID_MAX];
    seg_path path;
    seg_json_fault fault;
    if ((unsigned)op->action > SEGUE_PATH_APPEND || (unsigned)op->in > SEGUE_IN_XATTR)
        return segue_fail(call, SEGUE_INVALID_ARGUMENT, "a path operation holds a number that is no operation");
    segue_status st = seg_options_check(op->options, SEGUE_PATH_PARENTS | SEGUE_PATH_MISSING_OK, "a path operation",
                                        call);
    if (st == SEGUE_OK) st = parse(op, &path, call);
    if (st != SEGUE_OK || op->action == SEGUE_PATH_DELETE) return st;
    (void)seg_quote(op->path, quoted);
    if (!op->value.data) return segue_fail(call, SEGUE_INVALID_ARGUMENT, "no value was given for path %s", quoted);
    if (op->value.size > SEGUE_BODY_MAX)
        return segue_fail(call, SEGUE_TOO_BIG, "the value for path %s has %zu bytes, the limit is %d", quoted,
                          op->value.size, SEGUE_BODY_MAX);
    if (!seg_json_check(op->value, SEGUE_JSON_DEPTH_AT_PATH_MAX, &fault))
        return segue_fail(call, SEGUE_INVALID_JSON, "the value for path %s %s", quoted, seg_json_say(&fault, said));
    return SEGUE_OK;
}

static segue_status check_macro(const segue_mutation *m, size_t i, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX];
    seg_path path;
    const segue_macro *macro = &m->macros[i];
    if ((unsigned)macro->kind > SEGUE_MACRO_BODY_CRC32C)
        return segue_fail(call, SEGUE_INVALID_ARGUMENT, "a macro holds a number that is no kind of macro");
    segue_status st = seg_xattr_path_parse(macro->path, &path, call);
    if (st != SEGUE_OK) return st;
    (void)seg_quote(macro->path, quoted);
    if (path.n < 2)
        return segue_fail(call, SEGUE_INVALID_PATH, "a macro stands inside an xattr; %s is the xattr itself", quoted);
    for (size_t j = 0; j < i; j++)
        if (segue_slice_equal(m->macros[j].path, macro->path))
            return segue_fail(call, SEGUE_INVALID_ARGUMENT, "there are two macros at %s", quoted);
    return SEGUE_OK;
}

segue_status seg_edit_check(const segue_mutation *m, segue_call *call)
{
    bool writes_body = seg_edit_writes_body(m);
    if (writes_body && m->body_op != SEGUE_BODY_KEEP && m->body_op != SEGUE_BODY_SET)
        return segue_fail(call, SEGUE_INVALID_ARGUMENT, "paths into the body go only with a body that is kept or set");
    if ((m->options & SEGUE_M_FROM_EMPTY) && (!writes_body || m->body_op != SEGUE_BODY_KEEP))
        return segue_fail(call, SEGUE_INVALID_ARGUMENT, "only paths into a body that is kept can start from {}");
    if (m->n_macros > SEGUE_MACROS_MAX)
        return segue_fail(call, SEGUE_TOO_BIG, "more than %d macros in one mutation", SEGUE_MACROS_MAX);
    for (size_t i = 0; i < m->n_paths; i++) {
        segue_status st = check_path_op(&m->paths[i], call);
        if (st != SEGUE_OK) return st;
    }
    for (size_t i = 0; i < m->n_macros; i++) {
        segue_status st = check_macro(m, i, call);
        if (st != SEGUE_OK) return st;
    }
    return SEGUE_OK;
}

bool seg_edit_writes_body(const segue_mutation *m)
{
    for (size_t i = 0; i < m->n_paths; i++)
        if (m->paths[i].in == SEGUE_IN_BODY) return true;
    return false;
}

/* ---- texts ---- */

typedef struct edit {
    segue_applied *a;
    bool deletes;
    bool *changed;
    segue_call *call;
    char crc[16]; /* what SEGUE_MACRO_BODY_CRC32C stands for; empty: not known yet */
} edit;

static segue_status no_memory(segue_call *call)
{
    return segue_fail(call, SEGUE_NO_MEMORY, "out of memory for a change at a path");
}

/* The buffer that holds text, or NULL: it is still somebody else's. */
static segue_buf *buffer_of(const segue_applied *a, segue_slice text)
{
    for (size_t i = 0; i < a->n_texts_used; i++)
        if (a->texts[i].data == text.data) return &a->texts[i];
    return NULL;
}

/* With room for `size` bytes, and not used yet; NULL: no memory. */
static segue_buf *new_buffer(segue_applied *a, size_t size)
{
    if (a->n_texts_used == a->n_texts) {
        segue_buf *texts = seg_realloc(a->texts, (a->n_texts + 1) * sizeof *texts);
        if (!texts) return NULL;
        texts[a->n_texts++] = (segue_buf){0};
        a->texts = texts;
    }
    segue_buf *buf = &a->texts[a->n_texts_used];
    segue_buf_clear(buf);
    if (segue_buf_reserve(buf, size) != SEGUE_OK) return NULL;
    a->n_texts_used++;
    return buf;
}

static void add(segue_buf *buf, const char *data, size_t size)
{
    if (size) memcpy(buf->data + buf->size, data, size);
    buf->size += size;
}

/* `cut` bytes at `at` give way to `piece`, which is not part of text. */
static segue_status splice(edit *e, segue_slice *text, size_t at, size_t cut, segue_slice piece)
{
    size_t rest = text->size - at - cut, size = text->size - cut + piece.size;
    if (size > SEGUE_BODY_MAX)
        return segue_fail(e->call, SEGUE_TOO_BIG, "after the change there would be %zu bytes, the limit is %d", size,
                          SEGUE_BODY_MAX);
    segue_buf *buf = buffer_of(e->a, *text);
    if (!buf) {
        buf = new_buffer(e->a, size);
        if (!buf) return no_memory(e->call);
        add(buf, text->data, at);
        add(buf, piece.data, piece.size);
        add(buf, text->data + at + cut, rest);
    } else {
        if (segue_buf_reserve(buf, piece.size) != SEGUE_OK) return no_memory(e->call); /* at most so much */
        memmove(buf->data + at + piece.size, buf->data + at + cut, rest);
        if (piece.size) memcpy(buf->data + at, piece.data, piece.size);
        buf->size = size;
    }
    *text = segue_buf_slice(buf);
    return SEGUE_OK;
}

/* ---- one operation on one text ---- */

static bool has_names_only(const seg_path *path, size_t from)
{
    for (size_t i = from; i < path->n; i++)
        if (!path->steps[i].name.data) return false;
    return true;
}

/* Whether it is only a member that is missing, or with parents several, one in the other. */
static bool can_be_made(const segue_path_op *op, const seg_path *path, const seg_place *place)
{
    bool parents = op->options & SEGUE_PATH_PARENTS;
    if (place->other_type || place->is_ambiguous || op->action == SEGUE_PATH_DELETE) return false;
    if (!parents && (place->n + 1 < path->n || op->action == SEGUE_PATH_APPEND)) return false;
    return has_names_only(path, place->n);
}

static segue_status append_text(segue_buf *out, const char *text) { return segue_buf_append(out, text, strlen(text)); }

/* The missing members, one in the other, around the value. */
static segue_status make(edit *e, const segue_path_op *op, const seg_path *path, const seg_place *place,
                         segue_slice *text)
{
    SEG_AUTO(segue_buf) piece = {0};
    size_t at = 0;
    bool appends = op->action == SEGUE_PATH_APPEND;
    segue_status st = seg_path_new_child(*text, place->value, &path->steps[place->n], &piece, &at);
    for (size_t i = place->n + 1; i < path->n && st == SEGUE_OK; i++) {
        st = append_text(&piece, "{");
        if (st == SEGUE_OK) st = seg_step_quote(&path->steps[i], &piece);
        if (st == SEGUE_OK) st = append_text(&piece, ":");
    }
    if (st == SEGUE_OK && appends) st = append_text(&piece, "[");
    if (st == SEGUE_OK) st = segue_buf_append(&piece, op->value.data, op->value.size);
    if (st == SEGUE_OK && appends) st = append_text(&piece, "]");
    for (size_t i = place->n + 1; i < path->n && st == SEGUE_OK; i++) st = append_text(&piece, "}");
    return st == SEGUE_OK ? splice(e, text, at, 0, segue_buf_slice(&piece)) : no_memory(e->call);
}

static segue_status append_element(edit *e, const segue_path_op *op, const seg_place *place, const char *what,
                                   segue_slice *text)
{
    static const seg_step behind_the_last = {.index = SEG_PATH_LAST};
    char quoted[SEG_QUOTED_MAX];
    SEG_AUTO(segue_buf) piece = {0};
    size_t at = 0;
    if (place->value.data[0] != '[')
        return segue_fail(e->call, SEGUE_PATH_MISMATCH, "%s: path %s leads to what is no array", what,
                          seg_quote(op->path, quoted));
    if (seg_path_new_child(*text, place->value, &behind_the_last, &piece, &at) != SEGUE_OK ||
        segue_buf_append(&piece, op->value.data, op->value.size) != SEGUE_OK)
        return no_memory(e->call);
    return splice(e, text, at, 0, segue_buf_slice(&piece));
}

static segue_status there_already(const segue_path_op *op, const char *what, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX];
    return segue_fail(call, SEGUE_PATH_EXISTS, "%s: there is something at path %s already", what,
                      seg_quote(op->path, quoted));
}

/* `what`: the text, for sentences. path's steps before `from` are no part of it. */
static segue_status edit_text(edit *e, const segue_path_op *op, const seg_path *path, size_t from, const char *what,
                              segue_slice *text)
{
    char said[SEG_JSON_SAID_MAX];
    seg_json_fault fault;
    seg_place place;
    if (!buffer_of(e->a, *text) && !seg_json_check(*text, SEGUE_JSON_DEPTH_MAX, &fault))
        return segue_fail(e->call, SEGUE_NOT_JSON, "%s %s", what, seg_json_say(&fault, said));
    seg_path_find(path, from, *text, &place);
    if (place.n < path->n) {
        bool missing = !place.other_type && !place.is_ambiguous;
        if (op->action == SEGUE_PATH_DELETE && missing && (op->options & SEGUE_PATH_MISSING_OK)) return SEGUE_OK;
        if (!can_be_made(op, path, &place)) return seg_path_not_found(path, &place, what, e->call);
        *e->changed = true;
        return make(e, op, path, &place, text);
    }
    *e->changed = true;
    size_t at = (size_t)(place.value.data - text->data);
    switch (op->action) {
    case SEGUE_PATH_SET: return splice(e, text, at, place.value.size, op->value);
    case SEGUE_PATH_INSERT: return there_already(op, what, e->call);
    case SEGUE_PATH_DELETE: return splice(e, text, place.cut_at, place.cut, segue_bytes("", 0));
    case SEGUE_PATH_APPEND:
    default: break;
    }
    return append_element(e, op, &place, what, text);
}

/* ---- the body and the xattrs ---- */

enum { WHAT_MAX = SEG_QUOTED_MAX + 16 };

static segue_status edit_body(edit *e, const segue_path_op *op, const seg_path *path)
{
    char quoted[SEG_QUOTED_MAX], what[WHAT_MAX];
    (void)snprintf(what, sizeof what, "the body of %s", seg_quote(e->a->rec.key, quoted)); /* it fits */
    return edit_text(e, op, path, 0, what, &e->a->rec.body);
}

static segue_xattr *find_slot(segue_applied *a, segue_slice name)
{
    for (size_t i = 0; i < a->rec.n_xattrs; i++)
        if (segue_slice_equal(a->slots[i].name, name)) return &a->slots[i];
    return NULL;
}

/* A place among the others for this xattr, which is not there yet. */
static segue_xattr *new_slot(segue_applied *a, segue_slice name, segue_slice value)
{
    size_t n = a->rec.n_xattrs + 1;
    if (n > a->n_slots) {
        segue_xattr *slots = seg_realloc(a->slots, n * sizeof *slots);
        if (!slots) return NULL;
        a->slots = slots;
        a->n_slots = n;
    }
    a->slots[n - 1] = (segue_xattr){name, value};
    seg_assert(seg_xattrs_sort(a->slots, n));
    a->rec.xattrs = a->slots;
    a->rec.n_xattrs = n;
    return find_slot(a, name);
}

static void remove_slot(segue_applied *a, segue_xattr *slot)
{
    size_t behind = (size_t)(a->slots + a->rec.n_xattrs - (slot + 1));
    memmove(slot, slot + 1, behind * sizeof *slot);
    a->rec.n_xattrs--;
}

/* The xattr is not there. *ret_slot: it is now, and the operation goes on in it; still NULL: it is done. */
static segue_status make_xattr(edit *e, const segue_path_op *op, const seg_path *path, segue_xattr **ret_slot)
{
    char quoted[SEG_QUOTED_MAX];
    segue_slice name = path->steps[0].name, value = op->value;
    bool whole = path->n == 1, appends = op->action == SEGUE_PATH_APPEND;
    bool parents = (op->options & SEGUE_PATH_PARENTS) && has_names_only(path, 1);
    if (op->action == SEGUE_PATH_DELETE && (op->options & SEGUE_PATH_MISSING_OK)) return SEGUE_OK;
    if (op->action == SEGUE_PATH_DELETE || ((!whole || appends) && !parents))
        return segue_fail(e->call, SEGUE_PATH_NOT_FOUND, "there is no xattr %s", seg_quote(name, quoted));
    if (!whole) value = segue_str("{}");
    else if (appends) value = segue_str("[]");
    segue_xattr *slot = new_slot(e->a, name, value);
    if (!slot) return no_memory(e->call);
    *e->changed = true;
    if (!whole || appends) *ret_slot = slot;
    return SEGUE_OK;
}

/* All of an xattr that is there. */
static segue_status edit_whole_xattr(edit *e, const segue_path_op *op, segue_xattr *slot)
{
    if (op->action == SEGUE_PATH_INSERT) return there_already(op, "the xattrs", e->call);
    *e->changed = true;
    if (op->action == SEGUE_PATH_DELETE) remove_slot(e->a, slot);
    else slot->value = op->value;
    return SEGUE_OK;
}

static segue_status edit_xattr(edit *e, const segue_path_op *op, const seg_path *path)
{
    char quoted[SEG_QUOTED_MAX], what[WHAT_MAX];
    segue_xattr *slot = find_slot(e->a, path->steps[0].name);
    if (!slot) {
        segue_status st = make_xattr(e, op, path, &slot);
        if (st != SEGUE_OK || !slot) return st;
    } else if (path->n == 1 && op->action != SEGUE_PATH_APPEND) {
        return edit_whole_xattr(e, op, slot);
    }
    (void)snprintf(what, sizeof what, "xattr %s", seg_quote(slot->name, quoted)); /* it fits */
    return edit_text(e, op, path, 1, what, &slot->value);
}

static segue_status edit_one(edit *e, const segue_path_op *op)
{
    seg_path path;
    seg_assert(parse(op, &path, NULL) == SEGUE_OK); /* the mutation was checked */
    return op->in == SEGUE_IN_BODY ? edit_body(e, op, &path) : edit_xattr(e, op, &path);
}

/* ---- xattrs by names that are paths ---- */

/* What is named twice is dropped once. */
static bool is_repeated(const segue_mutation *m, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (segue_slice_equal(m->drop_xattrs[j], m->drop_xattrs[i])) return true;
    return false;
}

/* A deletion takes the user xattrs with it: after what is dropped, which must have been there, before what is set. */
static void remove_user_xattrs(edit *e, const segue_mutation *m)
{
    for (size_t i = e->a->rec.n_xattrs; i-- > 0;) {
        segue_slice name = e->a->slots[i].name;
        bool stays = seg_xattr_is_system(name);
        for (size_t j = 0; j < m->n_set_xattrs && !stays; j++) stays = segue_slice_equal(m->set_xattrs[j].name, name);
        if (!stays) remove_slot(e->a, &e->a->slots[i]);
    }
}

static segue_status edit_named(edit *e, const segue_mutation *m)
{
    segue_status st = SEGUE_OK;
    segue_path_op drop = {.action = SEGUE_PATH_DELETE, .in = SEGUE_IN_XATTR};
    segue_path_op set = {.action = SEGUE_PATH_SET, .in = SEGUE_IN_XATTR, .options = SEGUE_PATH_PARENTS};
    if (m->options & SEGUE_M_DROP_MISSING_OK) drop.options = SEGUE_PATH_MISSING_OK;
    for (size_t i = 0; i < m->n_drop_xattrs && st == SEGUE_OK; i++) {
        drop.path = m->drop_xattrs[i];
        if (seg_name_is_path(drop.path) && !is_repeated(m, i)) st = edit_one(e, &drop);
    }
    if (e->deletes) remove_user_xattrs(e, m);
    for (size_t i = 0; i < m->n_set_xattrs && st == SEGUE_OK; i++) {
        set.path = m->set_xattrs[i].name;
        set.value = m->set_xattrs[i].value;
        if (seg_name_is_path(set.path)) st = edit_one(e, &set);
    }
    return st;
}

/* ---- macros ---- */

static const char hex_digits[] = "0123456789abcdef";
#define CAS_TO_COME "\"0x0000000000000000\""

static segue_slice text_of(edit *e, segue_macro_kind kind)
{
    if (kind == SEGUE_MACRO_CAS) return segue_str(CAS_TO_COME);
    if (!e->crc[0])
        (void)snprintf(e->crc, sizeof e->crc, "\"0x%08" PRIx32 "\"", seg_crc32c(e->a->rec.body)); /* it fits */
    return segue_str(e->crc);
}

static segue_status expand(edit *e, const segue_macro *macro)
{
    const segue_path_op set = {SEGUE_PATH_SET, SEGUE_IN_XATTR, macro->path, text_of(e, macro->kind), 0};
    return edit_one(e, &set);
}

/* When nothing moves any more: what was written must still be there. */
static segue_status note_place(edit *e, const segue_macro *macro)
{
    char quoted[SEG_QUOTED_MAX];
    segue_applied *a = e->a;
    seg_path path;
    seg_place place;
    seg_assert(seg_xattr_path_parse(macro->path, &path, NULL) == SEGUE_OK);
    const segue_xattr *slot = find_slot(a, path.steps[0].name);
    seg_assert(slot);
    seg_path_find(&path, 1, slot->value, &place);
    if (place.n != path.n || !segue_slice_equal(place.value, text_of(e, macro->kind)))
        return segue_fail(e->call, SEGUE_INVALID_ARGUMENT, "another macro stands where the one at %s should",
                          seg_quote(macro->path, quoted));
    if (macro->kind != SEGUE_MACRO_CAS) return SEGUE_OK;
    segue_cas_place *to = &a->cas_places[a->n_cas_places++];
    to->xattr = (uint32_t)(slot - a->slots);
    to->offset = (uint32_t)(place.value.data - slot->value.data) + 3; /* behind "0x */
    return SEGUE_OK;
}

/* Bit 63 marks a token that a dual store gives out; no stored CAS has it. */
void segue_expand_cas(const segue_record *rec, const segue_cas_place *places, size_t n, uint64_t cas)
{
    cas &= ~(UINT64_C(1) << 63);
    if (!SEG_RULE(MACRO_OWN_CAS)) cas--;
    for (size_t i = 0; i < n; i++) {
        segue_slice value = rec->xattrs[places[i].xattr].value;
        seg_assert(places[i].xattr < rec->n_xattrs && places[i].offset + 16u <= value.size);
        char *to = (char *)(uintptr_t)value.data + places[i].offset; /* the caller's, to be written */
        for (int byte = 0; byte < 8; byte++) {
            unsigned bits = (unsigned)(cas >> (8 * byte)) & 0xFFu;
            *to++ = hex_digits[bits >> 4];
            *to++ = hex_digits[bits & 15];
        }
    }
}

segue_status seg_edit(const segue_mutation *m, bool deletes, segue_applied *a, bool *ret_changed, segue_call *call)
{
    edit e = {.a = a, .deletes = deletes, .changed = ret_changed, .call = call};
    segue_status st = edit_named(&e, m);
    for (size_t i = 0; i < m->n_paths && st == SEGUE_OK; i++) st = edit_one(&e, &m->paths[i]);
    for (size_t i = 0; i < m->n_macros && st == SEGUE_OK; i++) st = expand(&e, &m->macros[i]);
    for (size_t i = 0; i < m->n_macros && st == SEGUE_OK; i++) st = note_place(&e, &m->macros[i]);
    return st;
}
