/* L6: records as JSON Lines; see jsonl.h. What is written is written byte by byte here, so that the same record always
 * gives the same line; what is read goes through jansson, which is strict. */
#include "cli/jsonl.h"
#include "base/base.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

/* ---- writing ---- */

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void seg_write_base64(FILE *out, segue_slice bytes)
{
    char chunk[4096];
    size_t n = 0;
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t left = bytes.size - i;
        unsigned v = (unsigned)(unsigned char)bytes.data[i] << 16;
        if (left > 1) v |= (unsigned)(unsigned char)bytes.data[i + 1] << 8;
        if (left > 2) v |= (unsigned)(unsigned char)bytes.data[i + 2];
        chunk[n++] = base64_digits[v >> 18];
        chunk[n++] = base64_digits[v >> 12 & 63];
        chunk[n++] = left > 1 ? base64_digits[v >> 6 & 63] : '=';
        chunk[n++] = left > 2 ? base64_digits[v & 63] : '=';
        if (n < sizeof chunk) continue;
        (void)fwrite(chunk, 1, n, out); /* stdio keeps the error */
        n = 0;
    }
    if (n) (void)fwrite(chunk, 1, n, out); /* stdio keeps the error */
}

static void write_escape(FILE *out, unsigned char c)
{
    switch (c) {
    case '"': fputs("\\\"", out); break;
    case '\\': fputs("\\\\", out); break;
    case '\b': fputs("\\b", out); break;
    case '\f': fputs("\\f", out); break;
    case '\n': fputs("\\n", out); break;
    case '\r': fputs("\\r", out); break;
    case '\t': fputs("\\t", out); break;
    default: fprintf(out, "\\u%04x", c); break;
    }
}

void seg_write_json_string(FILE *out, segue_slice text)
{
    (void)fputc('"', out); /* stdio keeps the error */
    size_t begin = 0;
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        if (i > begin) (void)fwrite(text.data + begin, 1, i - begin, out); /* stdio keeps the error */
        write_escape(out, c);
        begin = i + 1;
    }
    if (text.size > begin) (void)fwrite(text.data + begin, 1, text.size - begin, out); /* stdio keeps the error */
    (void)fputc('"', out);                                                             /* the same */
}

void seg_write_record(FILE *out, const segue_record *rec)
{
    if (seg_utf8_valid(rec->key)) {
        fputs("{\"key\":", out);
        seg_write_json_string(out, rec->key);
    } else {
        fputs("{\"key_base64\":\"", out);
        seg_write_base64(out, rec->key);
        (void)fputc('"', out); /* stdio keeps the error */
    }
    fprintf(out, ",\"cas\":\"%llu\",\"rev\":\"%llu\",\"exp\":%lu", (unsigned long long)rec->cas,
            (unsigned long long)rec->revision, (unsigned long)rec->expiry);
    if (rec->flags) fprintf(out, ",\"flags\":%lu", (unsigned long)rec->flags);
    fprintf(out, ",\"is_json\":%s,\"deleted\":%s,\"body\":", rec->is_json ? "true" : "false",
            rec->is_tombstone ? "true" : "false");
    if (rec->is_tombstone) {
        fputs("null", out);
    } else {
        (void)fputc('"', out); /* stdio keeps the error */
        seg_write_base64(out, rec->body);
        (void)fputc('"', out); /* the same */
    }
    fputs(",\"xattrs\":{", out);
    for (size_t i = 0; i < rec->n_xattrs; i++) {
        if (i > 0) (void)fputc(',', out); /* stdio keeps the error */
        seg_write_json_string(out, rec->xattrs[i].name);
        (void)fputc(':', out); /* the same */
        seg_write_json_string(out, rec->xattrs[i].value);
    }
    fputs("}}\n", out);
}

/* ---- lines ---- */

/* More into the chunk. END: there is no more. */
static segue_status refill(seg_lines *lines, segue_error *reterr)
{
    errno = 0;
    lines->at = 0;
    lines->end = fread(lines->chunk, 1, sizeof lines->chunk, lines->file);
    if (lines->end > 0) return SEGUE_OK;
    if (!ferror(lines->file)) return SEGUE_END;
    return seg_error_set(reterr, SEGUE_IO_ERROR, "line %llu cannot be read: %s", (unsigned long long)lines->number,
                         strerror(errno));
}

segue_status seg_lines_next(seg_lines *lines, segue_slice *ret_line, segue_error *reterr)
{
    lines->line.max = SEG_LINE_MAX;
    segue_buf_clear(&lines->line);
    lines->number++;
    for (bool whole = false, begun = false; !whole;) {
        if (lines->at == lines->end) {
            segue_status st = refill(lines, reterr);
            if (st == SEGUE_END && begun) break;
            if (st != SEGUE_OK) return st;
        }
        begun = true;
        const char *from = lines->chunk + lines->at;
        const char *newline = memchr(from, '\n', lines->end - lines->at);
        size_t size = newline ? (size_t)(newline - from) : lines->end - lines->at;
        segue_status st = segue_buf_append(&lines->line, from, size);
        if (st == SEGUE_TOO_BIG)
            return seg_error_set(reterr, st, "line %llu is longer than %d MiB", (unsigned long long)lines->number,
                                 SEG_LINE_MAX / 1024 / 1024);
        if (st != SEGUE_OK)
            return seg_error_set(reterr, st, "out of memory for line %llu", (unsigned long long)lines->number);
        whole = newline != NULL;
        lines->at += size + (whole ? 1 : 0);
    }
    *ret_line = segue_buf_slice(&lines->line);
    return SEGUE_OK;
}

void seg_lines_free(seg_lines *lines) { segue_buf_free(&lines->line); }

/* ---- reading ---- */

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Strict: padded, nothing else in between, no stray bits. */
static bool read_base64(segue_slice text, segue_buf *out)
{
    segue_buf_clear(out);
    if (text.size % 4 != 0 || segue_buf_reserve(out, text.size / 4 * 3 + 1) != SEGUE_OK) return false;
    for (size_t i = 0; i < text.size; i += 4) {
        const char *q = text.data + i;
        bool is_last = i + 4 == text.size;
        int pad = is_last && q[3] == '=' ? (q[2] == '=' ? 2 : 1) : 0;
        int v[4] = {base64_value(q[0]), base64_value(q[1]), pad == 2 ? 0 : base64_value(q[2]),
                    pad ? 0 : base64_value(q[3])};
        if (v[0] < 0 || v[1] < 0 || v[2] < 0 || v[3] < 0) return false;
        if ((pad == 2 && (v[1] & 15)) || (pad == 1 && (v[2] & 3))) return false;
        unsigned bits = (unsigned)v[0] << 18 | (unsigned)v[1] << 12 | (unsigned)v[2] << 6 | (unsigned)v[3];
        char bytes[3] = {(char)(bits >> 16 & 255), (char)(bits >> 8 & 255), (char)(bits & 255)};
        if (segue_buf_append(out, bytes, (size_t)(3 - pad)) != SEGUE_OK) return false;
    }
    return true;
}

typedef struct parsed {
    segue_record rec;
    segue_buf key, body;
    segue_xattr xattrs[SEGUE_XATTRS_MAX];
    bool has_key, has_body, has_deleted;
} parsed;

static segue_status wrong(segue_error *reterr, const char *field, const char *what)
{
    return seg_error_set(reterr, SEGUE_INVALID_JSON, "\"%s\" must be %s", field, what);
}

static segue_slice text_of(const json_t *value)
{
    return segue_bytes(json_string_value(value), json_string_length(value));
}

static segue_status read_u64(const char *name, const json_t *value, uint64_t *ret, segue_error *reterr)
{
    if (json_is_string(value) && seg_parse_u64(text_of(value), ret)) return SEGUE_OK;
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *ret = (uint64_t)json_integer_value(value);
        return SEGUE_OK;
    }
    return wrong(reterr, name, "an unsigned 64-bit number, written as text");
}

static segue_status read_u32(const char *name, const json_t *value, uint32_t *ret, segue_error *reterr)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > UINT32_MAX)
        return wrong(reterr, name, "a number from 0 to 4294967295");
    *ret = (uint32_t)json_integer_value(value);
    return SEGUE_OK;
}

static segue_status read_bool(const char *name, const json_t *value, bool *ret, segue_error *reterr)
{
    if (!json_is_boolean(value)) return wrong(reterr, name, "true or false");
    *ret = json_is_true(value);
    return SEGUE_OK;
}

static segue_status read_key(parsed *p, const char *name, const json_t *value, segue_error *reterr)
{
    if (p->has_key) return seg_error_set(reterr, SEGUE_INVALID_JSON, "it has two keys");
    p->has_key = true;
    if (strcmp(name, "key") == 0) {
        if (!json_is_string(value)) return wrong(reterr, name, "a text");
        p->rec.key = text_of(value);
        return SEGUE_OK;
    }
    if (!json_is_string(value) || !read_base64(text_of(value), &p->key)) return wrong(reterr, name, "base64");
    p->rec.key = segue_buf_slice(&p->key);
    return SEGUE_OK;
}

static segue_status read_body(parsed *p, const char *name, const json_t *value, segue_error *reterr)
{
    p->has_body = true;
    if (json_is_null(value)) return SEGUE_OK;
    if (!json_is_string(value) || !read_base64(text_of(value), &p->body)) return wrong(reterr, name, "base64, or null");
    p->rec.body = segue_buf_slice(&p->body);
    return SEGUE_OK;
}

static int by_name(const void *a, const void *b)
{
    return segue_slice_compare(((const segue_xattr *)a)->name, ((const segue_xattr *)b)->name);
}

static segue_status read_xattrs(parsed *p, const char *field, json_t *value, segue_error *reterr)
{
    const char *name;
    size_t size;
    json_t *text;
    if (!json_is_object(value)) return wrong(reterr, field, "an object");
    if (json_object_size(value) > SEGUE_XATTRS_MAX)
        return seg_error_set(reterr, SEGUE_INVALID_JSON, "it has more than %d xattrs", SEGUE_XATTRS_MAX);
    for (void *at = json_object_iter(value); at; at = json_object_iter_next(value, at)) {
        name = json_object_iter_key(at);
        size = strlen(name);
        text = json_object_iter_value(at);
        if (!json_is_string(text)) return wrong(reterr, field, "an object of texts that hold JSON");
        p->xattrs[p->rec.n_xattrs++] = (segue_xattr){segue_bytes(name, size), text_of(text)};
    }
    p->rec.xattrs = p->xattrs;
    if (p->rec.n_xattrs > 1) qsort(p->xattrs, p->rec.n_xattrs, sizeof *p->xattrs, by_name);
    return SEGUE_OK;
}

static segue_status read_field(parsed *p, const char *name, json_t *value, segue_error *reterr)
{
    if (strcmp(name, "key") == 0 || strcmp(name, "key_base64") == 0) return read_key(p, name, value, reterr);
    if (strcmp(name, "cas") == 0) return read_u64(name, value, &p->rec.cas, reterr);
    if (strcmp(name, "rev") == 0) return read_u64(name, value, &p->rec.revision, reterr);
    if (strcmp(name, "exp") == 0) return read_u32(name, value, &p->rec.expiry, reterr);
    if (strcmp(name, "flags") == 0) return read_u32(name, value, &p->rec.flags, reterr);
    if (strcmp(name, "is_json") == 0) return read_bool(name, value, &p->rec.is_json, reterr);
    if (strcmp(name, "body") == 0) return read_body(p, name, value, reterr);
    if (strcmp(name, "xattrs") == 0) return read_xattrs(p, name, value, reterr);
    if (strcmp(name, "deleted") == 0) {
        p->has_deleted = true;
        return read_bool(name, value, &p->rec.is_tombstone, reterr);
    }
    return seg_error_set(reterr, SEGUE_INVALID_JSON, "it has an unknown field \"%.40s\"", name);
}

static segue_status read_object(json_t *object, parsed *p, segue_error *reterr)
{
    for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
        segue_status st = read_field(p, json_object_iter_key(at), json_object_iter_value(at), reterr);
        if (st != SEGUE_OK) return st;
    }
    if (!p->has_key) return seg_error_set(reterr, SEGUE_INVALID_JSON, "it has no \"key\"");
    if (!p->has_body) return seg_error_set(reterr, SEGUE_INVALID_JSON, "it has no \"body\"");
    if (p->rec.is_tombstone != (p->rec.body.data == NULL))
        return seg_error_set(reterr, SEGUE_INVALID_JSON, "\"body\" must be null if and only if \"deleted\" is true");
    if (p->rec.revision == 0) p->rec.revision = 1;
    return SEGUE_OK;
}

segue_status seg_parse_record(segue_slice line, segue_doc *doc, segue_error *reterr)
{
    json_error_t why;
    json_t *object = json_loadb(line.data, line.size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    if (!object)
        return seg_error_set(reterr, SEGUE_INVALID_JSON, "it is no valid JSON (%s at byte %d)", why.text, why.position);
    parsed *p = seg_alloc_zero(sizeof *p);
    segue_status st = p ? SEGUE_OK : seg_error_set(reterr, SEGUE_NO_MEMORY, "out of memory for a record");
    if (st == SEGUE_OK && !json_is_object(object))
        st = seg_error_set(reterr, SEGUE_INVALID_JSON, "it is no JSON object");
    if (st == SEGUE_OK) st = read_object(object, p, reterr);
    if (st == SEGUE_OK && (st = segue_doc_assign(doc, &p->rec)) != SEGUE_OK)
        st = seg_error_set(reterr, st, "out of memory for a record");
    if (p) {
        segue_buf_free(&p->key);
        segue_buf_free(&p->body);
        seg_free(p);
    }
    json_decref(object);
    return st;
}
