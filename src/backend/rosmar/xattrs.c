/* L4: the xattrs column: reading and writing one JSON object without touching what the values hold. No state. */
#include "backend/rosmar/xattrs.h"

#include "base/base.h"
#include "doc/doc.h"
#include "doc/json.h"

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

static segue_slice trim(segue_slice text)
{
    while (text.size && is_space(text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size && is_space(text.data[text.size - 1])) text.size--;
    return text;
}

/* `inner` stands between quotes; names has room for all of them, so what points into it stays valid. */
static segue_status resolve_name(segue_slice inner, segue_buf *names, segue_slice *ret_name)
{
    if (!memchr(inner.data, '\\', inner.size)) {
        *ret_name = inner;
        return SEGUE_OK;
    }
    size_t start = names->size;
    segue_status st = seg_json_unescape(inner, names);
    if (st != SEGUE_OK) return st == SEGUE_INVALID_JSON ? SEGUE_CORRUPT : st;
    *ret_name = segue_bytes(names->data + start, names->size - start);
    return SEGUE_OK;
}

static segue_status add(seg_sql_xattrs *xattrs, segue_slice name, segue_slice value)
{
    for (size_t i = 0; i < xattrs->n; i++)
        if (segue_slice_equal(xattrs->slots[i].name, name)) {
            xattrs->slots[i].value = value;
            return SEGUE_OK;
        }
    if (xattrs->n == xattrs->capacity && seg_sql_xattrs_reserve(xattrs, xattrs->n ? 2 * xattrs->n : 8) != SEGUE_OK)
        return SEGUE_NO_MEMORY;
    xattrs->slots[xattrs->n++] = (segue_xattr){name, value};
    return SEGUE_OK;
}

segue_status seg_rosmar_xattrs_decode(segue_slice json, seg_sql_xattrs *xattrs)
{
    segue_slice text = trim(json);
    seg_json_walk walk = {.text = text};
    segue_slice inner, name, value;
    xattrs->n = 0;
    segue_buf_clear(&xattrs->names);
    if (text.size == 0 || segue_slice_equal(text, segue_str("null"))) return SEGUE_OK;
    if (text.data[0] != '{' || !seg_json_valid(text, NULL)) return SEGUE_CORRUPT;
    /* A resolved name is never longer than its escaped form, so this is room for all. */
    if (memchr(text.data, '\\', text.size) && segue_buf_reserve(&xattrs->names, text.size) != SEGUE_OK)
        return SEGUE_NO_MEMORY;
    while (seg_json_next_member(&walk, &inner, &value)) {
        segue_status st = resolve_name(inner, &xattrs->names, &name);
        if (st == SEGUE_OK) st = add(xattrs, name, value);
        if (st != SEGUE_OK) return st;
    }
    seg_assert(seg_xattrs_sort(xattrs->slots, xattrs->n));
    return SEGUE_OK;
}

segue_status seg_rosmar_xattrs_encode(const segue_xattr *xattrs, size_t n, segue_buf *out)
{
    for (size_t i = 0; i < n; i++) {
        if (!seg_json_valid(xattrs[i].value, NULL)) return SEGUE_INVALID_JSON;
        if (segue_buf_append(out, i ? "," : "{", 1) != SEGUE_OK || seg_json_quote(xattrs[i].name, out) != SEGUE_OK ||
            segue_buf_append(out, ":", 1) != SEGUE_OK ||
            segue_buf_append(out, xattrs[i].value.data, xattrs[i].value.size) != SEGUE_OK)
            return SEGUE_NO_MEMORY;
    }
    return n && segue_buf_append(out, "}", 1) != SEGUE_OK ? SEGUE_NO_MEMORY : SEGUE_OK;
}
