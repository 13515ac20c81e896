/* L2: the xattr section and the envelope. What comes in is not trusted: every length is checked against what is there. */
#include "doc/codec.h"

#include "base/base.h"
#include "doc/doc.h"

/* ---- numbers ---- */

static uint64_t load_little(const char *at, int n)
{
    uint64_t value = 0;
    for (int i = n - 1; i >= 0; i--) value = value << 8 | (unsigned char)at[i];
    return value;
}

static void store_little(char *at, uint64_t value, int n)
{
    for (int i = 0; i < n; i++) at[i] = (char)(value >> (8 * i) & 0xFF);
}

static uint32_t load_big32(const char *at)
{
    const unsigned char *p = (const unsigned char *)at;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void store_big32(char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++) at[i] = (char)(value >> (24 - 8 * i) & 0xFF);
}

/* ---- xattr section ---- */

enum { PAIR_HEAD = 4 };

static size_t pair_size(const segue_xattr *x) { return x->name.size + 1 + x->value.size + 1; }

static size_t section_size(const segue_xattr *xattrs, size_t n)
{
    size_t size = 0;
    for (size_t i = 0; i < n; i++) size += PAIR_HEAD + pair_size(&xattrs[i]);
    return size;
}

/* There is room, here and in what follows. */
static void add(segue_buf *out, segue_slice bytes)
{
    if (bytes.size) memcpy(out->data + out->size, bytes.data, bytes.size);
    out->size += bytes.size;
}

static void add_text(segue_buf *out, segue_slice text)
{
    add(out, text);
    out->data[out->size++] = 0;
}

static void add_section(segue_buf *out, const segue_xattr *xattrs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        store_big32(out->data + out->size, (uint32_t)pair_size(&xattrs[i]));
        out->size += PAIR_HEAD;
        add_text(out, xattrs[i].name);
        add_text(out, xattrs[i].value);
    }
}

segue_status seg_xattrs_encode(const segue_xattr *xattrs, size_t n, segue_buf *out)
{
    segue_status st = segue_buf_reserve(out, section_size(xattrs, n));
    if (st == SEGUE_OK) add_section(out, xattrs, n);
    return st;
}

/* One pair out of `size` bytes. */
static bool decode_pair(const char *at, size_t size, segue_xattr *ret)
{
    const char *name_end = memchr(at, 0, size);
    if (!name_end) return false;
    size_t name_size = (size_t)(name_end - at);
    if (name_size == 0) return false;
    if (size < name_size + 2 || at[size - 1] != 0) return false;
    ret->name = segue_bytes(at, name_size);
    ret->value = segue_bytes(name_end + 1, size - name_size - 2);
    return true;
}

segue_status seg_xattrs_decode(segue_slice bytes, segue_xattr slots[SEGUE_XATTRS_MAX], size_t *ret_n)
{
    size_t n = 0;
    for (size_t at = 0; at < bytes.size;) {
        if (n == SEGUE_XATTRS_MAX || bytes.size - at < PAIR_HEAD) return SEGUE_CORRUPT;
        size_t size = load_big32(bytes.data + at);
        at += PAIR_HEAD;
        if (size > bytes.size - at || !decode_pair(bytes.data + at, size, &slots[n])) return SEGUE_CORRUPT;
        n++;
        at += size;
    }
    if (!seg_xattrs_sort(slots, n)) return SEGUE_CORRUPT;
    *ret_n = n;
    return SEGUE_OK;
}

/* ---- envelope ---- */

/* Offsets of the header's fields. */
enum {
    AT_VERSION = 0,
    AT_BITS = 1,
    AT_FLAGS = 4,
    AT_EXPIRY = 8,
    AT_CAS = 12,
    AT_REVISION = 20,
    AT_WRITE_ID = 28,
    AT_XATTRS_SIZE = 36
};
enum { VERSION = 1, BIT_TOMBSTONE = 1, BIT_JSON = 2 };

size_t seg_envelope_size(const segue_record *rec)
{
    return SEG_ENVELOPE_HEADER + section_size(rec->xattrs, rec->n_xattrs) + rec->body.size;
}

segue_status seg_envelope_encode(const segue_record *rec, segue_buf *out)
{
    segue_status st = segue_buf_reserve(out, seg_envelope_size(rec));
    if (st != SEGUE_OK) return st;
    char *head = out->data + out->size;
    memset(head, 0, SEG_ENVELOPE_HEADER);
    head[AT_VERSION] = VERSION;
    head[AT_BITS] = (char)((rec->is_tombstone ? BIT_TOMBSTONE : 0) | (rec->is_json ? BIT_JSON : 0));
    store_little(head + AT_FLAGS, rec->flags, 4);
    store_little(head + AT_EXPIRY, rec->expiry, 4);
    store_little(head + AT_CAS, rec->cas, 8);
    store_little(head + AT_REVISION, rec->revision, 8);
    store_little(head + AT_WRITE_ID, rec->write_id, 8);
    store_little(head + AT_XATTRS_SIZE, section_size(rec->xattrs, rec->n_xattrs), 4);
    out->size += SEG_ENVELOPE_HEADER;
    add_section(out, rec->xattrs, rec->n_xattrs);
    add(out, rec->body);
    return SEGUE_OK;
}

segue_status seg_envelope_decode(segue_slice bytes, segue_xattr slots[SEGUE_XATTRS_MAX], segue_record *rec)
{
    const char *head = bytes.data;
    if (bytes.size < SEG_ENVELOPE_HEADER || head[AT_VERSION] != VERSION || head[2] || head[3]) return SEGUE_CORRUPT;
    unsigned bits = (unsigned char)head[AT_BITS];
    size_t left = bytes.size - SEG_ENVELOPE_HEADER;
    size_t xattrs_size = (size_t)load_little(head + AT_XATTRS_SIZE, 4);
    bool is_tombstone = bits & BIT_TOMBSTONE;
    if (bits & ~(unsigned)(BIT_TOMBSTONE | BIT_JSON) || xattrs_size > left) return SEGUE_CORRUPT;
    if (is_tombstone && xattrs_size != left) return SEGUE_CORRUPT;
    size_t n_xattrs = 0;
    segue_status st = seg_xattrs_decode(segue_bytes(head + SEG_ENVELOPE_HEADER, xattrs_size), slots, &n_xattrs);
    if (st != SEGUE_OK) return st;
    rec->is_tombstone = is_tombstone;
    rec->is_json = bits & BIT_JSON;
    rec->flags = (uint32_t)load_little(head + AT_FLAGS, 4);
    rec->expiry = (uint32_t)load_little(head + AT_EXPIRY, 4);
    rec->cas = load_little(head + AT_CAS, 8);
    rec->revision = load_little(head + AT_REVISION, 8);
    rec->write_id = load_little(head + AT_WRITE_ID, 8);
    rec->xattrs = n_xattrs ? slots : NULL;
    rec->n_xattrs = n_xattrs;
    rec->body = is_tombstone ? (segue_slice){0}
                             : segue_bytes(head + SEG_ENVELOPE_HEADER + xattrs_size, left - xattrs_size);
    return SEGUE_OK;
}

void seg_envelope_set_cas(char *envelope, uint64_t cas) { store_little(envelope + AT_CAS, cas, 8); }

uint64_t seg_envelope_cas(const char *envelope) { return load_little(envelope + AT_CAS, 8); }
