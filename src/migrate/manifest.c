/* L5: the bytes of manifests. Pure. */
#include "migrate/manifest.h"

#include "base/base.h"
#include "migrate/record.h"

#include <stdio.h>

enum { VERSION = 1, FIXED_SIZE = 4 + 8 * 4 };

segue_slice seg_manifest_key(const char *name, uint64_t number, char out[SEG_MANIFEST_KEY_SIZE])
{
    int n = snprintf(out, SEG_MANIFEST_KEY_SIZE, "%s%s:%016llx", SEG_MANIFEST_PREFIX, name, (unsigned long long)number);
    seg_assert(n > 0 && n < SEG_MANIFEST_KEY_SIZE);
    return segue_bytes(out, (size_t)n);
}

/* From "...NAME:" to "...NAME;": ';' comes after ':'. */
segue_bounds seg_manifest_bounds(const char *name, char text[2 * SEG_MANIFEST_KEY_SIZE])
{
    char *to = text + SEG_MANIFEST_KEY_SIZE;
    int n = snprintf(text, SEG_MANIFEST_KEY_SIZE, "%s%s:", SEG_MANIFEST_PREFIX, name);
    seg_assert(n > 0 && n < SEG_MANIFEST_KEY_SIZE);
    memcpy(to, text, (size_t)n);
    to[n - 1] = ';';
    segue_bounds b = {.from = segue_bytes(text, (size_t)n), .to = segue_bytes(to, (size_t)n), .to_open = true};
    b.tombstones = true;
    return b;
}

/* ---- entries ---- */

static void put_number(char *out, uint64_t value, int size)
{
    for (int i = 0; i < size; i++) out[i] = (char)(unsigned char)(value >> (8 * i) & 0xff);
}

static uint64_t get_number(const char *in, int size)
{
    uint64_t value = 0;
    for (int i = size; i-- > 0;) value = value << 8 | (unsigned char)in[i];
    return value;
}

segue_status seg_manifest_add(segue_buf *body, const seg_entry *entry)
{
    char head[3] = {VERSION, (char)entry->bits, (char)(unsigned char)entry->key.size}, fixed[FIXED_SIZE];
    seg_assert(entry->key.size > 0 && entry->key.size <= SEGUE_KEY_MAX);
    put_number(fixed, entry->expiry, 4);
    put_number(fixed + 4, entry->cas, 8);
    put_number(fixed + 12, entry->revision, 8);
    put_number(fixed + 20, entry->digest.low, 8);
    put_number(fixed + 28, entry->digest.high, 8);
    segue_status st = body->size ? segue_buf_append(body, head + 1, 2) : segue_buf_append(body, head, 3);
    if (st == SEGUE_OK) st = segue_buf_append(body, entry->key.data, entry->key.size);
    return st == SEGUE_OK ? segue_buf_append(body, fixed, sizeof fixed) : st;
}

seg_entry seg_manifest_entry(const segue_record *rec, bool keeps_cas)
{
    segue_record as_stored = *rec;
    if (!keeps_cas) as_stored.cas = 0;
    seg_entry e = {0, rec->key, rec->expiry, rec->cas, rec->revision, seg_record_digest(&as_stored)};
    return e;
}

segue_put seg_manifest_put(segue_slice key, const segue_buf *body)
{
    segue_put put = {.condition = SEGUE_IF_ANY};
    put.rec = (segue_record){.key = key, .body = segue_buf_slice(body), .revision = 1};
    return put;
}

bool seg_manifest_next(segue_slice body, size_t *at, seg_entry *ret_entry, bool *ret_ok)
{
    *ret_ok = true;
    if (body.size == 0) return false; /* no entries, no header */
    if (*at == 0) {
        *ret_ok = body.data[0] == VERSION;
        *at = 1;
    }
    if (!*ret_ok || *at == body.size) return false;
    const char *head = body.data + *at;
    size_t left = body.size - *at, key_size = left >= 2 ? (unsigned char)head[1] : 0;
    if (key_size == 0 || key_size > SEGUE_KEY_MAX || left < 2 + key_size + FIXED_SIZE) {
        *ret_ok = false;
        return false;
    }
    const char *fixed = head + 2 + key_size;
    ret_entry->bits = (unsigned char)head[0];
    ret_entry->key = segue_bytes(head + 2, key_size);
    ret_entry->expiry = (uint32_t)get_number(fixed, 4);
    ret_entry->cas = get_number(fixed + 4, 8);
    ret_entry->revision = get_number(fixed + 12, 8);
    ret_entry->digest = (seg_digest){get_number(fixed + 20, 8), get_number(fixed + 28, 8)};
    *at += 2 + key_size + FIXED_SIZE;
    return true;
}
