/* L6: records as JSON Lines; see jsonl.h. What is written is written byte by byte here, so that the same record always
 * gives the same line; what is read goes through a strict reader. */
#include "cli/jsonl.h"
#include "base/base.h"
#include "cli/json_in.h"

#include <errno.h>
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

static void write_head(FILE *out, const segue_record *rec)
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
    fprintf(out, ",\"is_json\":%s,\"deleted\":%s", rec->is_json ? "true" : "false",
            rec->is_tombstone ? "true" : "false");
}

static void write_content(FILE *out, const segue_record *rec)
{
    fputs(",\"body\":", out);
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
    (void)fputc('}', out); /* the same */
}

void seg_write_record(FILE *out, const segue_record *rec)
{
    write_head(out, rec);
    write_content(out, rec);
    fputs("}\n", out);
}

void seg_write_event(FILE *out, const segue_record *rec, bool keys_only, int store, segue_slice cursor)
{
    write_head(out, rec);
    if (!keys_only) write_content(out, rec);
    if (store >= 0) fprintf(out, ",\"store\":%d", store);
    fprintf(out, ",\"cursor\":\"%.*s\"}\n", (int)cursor.size, cursor.data);
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
static segue_status read_base64(segue_slice text, segue_buf *out)
{
    segue_buf_clear(out);
    if (text.size % 4 != 0) return SEGUE_INVALID_JSON;
    segue_status st = segue_buf_reserve(out, text.size / 4 * 3 + 1);
    if (st != SEGUE_OK) return st;
    for (size_t i = 0; i < text.size; i += 4) {
        const char *q = text.data + i;
        bool is_last = i + 4 == text.size;
        int pad = is_last && q[3] == '=' ? (q[2] == '=' ? 2 : 1) : 0;
        int v[4] = {base64_value(q[0]), base64_value(q[1]), pad == 2 ? 0 : base64_value(q[2]),
                    pad ? 0 : base64_value(q[3])};
        if (v[0] < 0 || v[1] < 0 || v[2] < 0 || v[3] < 0) return SEGUE_INVALID_JSON;
        if ((pad == 2 && (v[1] & 15)) || (pad == 1 && (v[2] & 3))) return SEGUE_INVALID_JSON;
        unsigned bits = (unsigned)v[0] << 18 | (unsigned)v[1] << 12 | (unsigned)v[2] << 6 | (unsigned)v[3];
        char bytes[3] = {(char)(bits >> 16 & 255), (char)(bits >> 8 & 255), (char)(bits & 255)};
        st = segue_buf_append(out, bytes, (size_t)(3 - pad));
        if (st != SEGUE_OK) return st;
    }
    return SEGUE_OK;
}

typedef struct parsed {
    segue_record rec;
    seg_json_in in;
    segue_buf key, body;
    segue_xattr xattrs[SEGUE_XATTRS_MAX];
    unsigned seen; /* one bit for each field */
} parsed;

static segue_status wrong(segue_error *reterr, const char *field, const char *what)
{
    return seg_error_set(reterr, SEGUE_INVALID_JSON, "\"%s\" must be %s", field, what);
}

static segue_status no_memory(segue_error *reterr)
{
    return seg_error_set(reterr, SEGUE_NO_MEMORY, "out of memory for a record");
}

static segue_status read_u64(parsed *p, const char *name, uint64_t *ret, segue_error *reterr)
{
    segue_slice text;
    bool read = seg_json_in_peek(&p->in) == '"' ? seg_json_in_text(&p->in, &text) && seg_parse_u64(text, ret)
                                                : seg_json_in_number(&p->in, ret);
    return read ? SEGUE_OK : wrong(reterr, name, "an unsigned 64-bit number, written as text");
}

static segue_status read_u32(parsed *p, const char *name, uint32_t *ret, segue_error *reterr)
{
    uint64_t number;
    if (!seg_json_in_number(&p->in, &number) || number > UINT32_MAX)
        return wrong(reterr, name, "a number from 0 to 4294967295");
    *ret = (uint32_t)number;
    return SEGUE_OK;
}

static segue_status read_bool(parsed *p, const char *name, bool *ret, segue_error *reterr)
{
    return seg_json_in_bool(&p->in, ret) ? SEGUE_OK : wrong(reterr, name, "true or false");
}

static segue_status read_key(parsed *p, const char *name, segue_error *reterr)
{
    return seg_json_in_text(&p->in, &p->rec.key) ? SEGUE_OK : wrong(reterr, name, "a text");
}

static segue_status read_key_base64(parsed *p, const char *name, segue_error *reterr)
{
    segue_slice text;
    segue_status st = seg_json_in_text(&p->in, &text) ? read_base64(text, &p->key) : SEGUE_INVALID_JSON;
    if (st != SEGUE_OK) return st == SEGUE_NO_MEMORY ? no_memory(reterr) : wrong(reterr, name, "base64");
    p->rec.key = segue_buf_slice(&p->key);
    return SEGUE_OK;
}

static segue_status read_body(parsed *p, const char *name, segue_error *reterr)
{
    segue_slice text;
    if (seg_json_in_peek(&p->in) == 'n')
        return seg_json_in_null(&p->in) ? SEGUE_OK : wrong(reterr, name, "base64, or null");
    segue_status st = seg_json_in_text(&p->in, &text) ? read_base64(text, &p->body) : SEGUE_INVALID_JSON;
    if (st != SEGUE_OK) return st == SEGUE_NO_MEMORY ? no_memory(reterr) : wrong(reterr, name, "base64, or null");
    p->rec.body = segue_buf_slice(&p->body);
    return SEGUE_OK;
}

static int by_name(const void *a, const void *b)
{
    return segue_slice_compare(((const segue_xattr *)a)->name, ((const segue_xattr *)b)->name);
}

static segue_status read_xattrs(parsed *p, const char *field, segue_error *reterr)
{
    size_t n = 0;
    char quoted[SEG_QUOTED_MAX];
    p->rec.xattrs = p->xattrs;
    if (!seg_json_in_must(&p->in, '{')) return wrong(reterr, field, "an object");
    if (seg_json_in_take(&p->in, '}')) return SEGUE_OK;
    do {
        if (n == SEGUE_XATTRS_MAX)
            return seg_error_set(reterr, SEGUE_INVALID_JSON, "it has more than %d xattrs", SEGUE_XATTRS_MAX);
        segue_xattr *x = &p->xattrs[n];
        if (!seg_json_in_text(&p->in, &x->name) || !seg_json_in_must(&p->in, ':') ||
            !seg_json_in_text(&p->in, &x->value))
            return wrong(reterr, field, "an object of texts that hold JSON");
        segue_status st = seg_json_check_value(x->value);
        if (st == SEGUE_NO_MEMORY) return no_memory(reterr);
        if (st != SEGUE_OK)
            return seg_error_set(reterr, SEGUE_INVALID_JSON, "the value of the xattr %s is no JSON",
                                 seg_quote(x->name, quoted));
        n++;
    } while (seg_json_in_take(&p->in, ','));
    if (!seg_json_in_must(&p->in, '}')) return wrong(reterr, field, "an object of texts that hold JSON");
    if (n > 1) qsort(p->xattrs, n, sizeof *p->xattrs, by_name);
    for (size_t i = 1; i < n; i++)
        if (by_name(&p->xattrs[i - 1], &p->xattrs[i]) == 0)
            return seg_error_set(reterr, SEGUE_INVALID_JSON, "it has the xattr %s twice",
                                 seg_quote(p->xattrs[i].name, quoted));
    p->rec.n_xattrs = n;
    return SEGUE_OK;
}

enum { F_KEY, F_KEY_BASE64, F_CAS, F_REV, F_EXP, F_FLAGS, F_IS_JSON, F_DELETED, F_BODY, F_XATTRS, N_FIELDS };
static const char *const fields[N_FIELDS] = {"key",   "key_base64", "cas",     "rev",  "exp",
                                             "flags", "is_json",    "deleted", "body", "xattrs"};

static segue_status read_field(parsed *p, segue_slice name, segue_error *reterr)
{
    char quoted[SEG_QUOTED_MAX];
    unsigned f = 0;
    while (f < N_FIELDS && !segue_slice_equal(name, segue_str(fields[f]))) f++;
    if (f == N_FIELDS)
        return seg_error_set(reterr, SEGUE_INVALID_JSON, "it has an unknown field %s", seg_quote(name, quoted));
    if (p->seen & 1u << f) return seg_error_set(reterr, SEGUE_INVALID_JSON, "it has the field \"%s\" twice", fields[f]);
    p->seen |= 1u << f;
    switch (f) {
    case F_KEY: return read_key(p, fields[f], reterr);
    case F_KEY_BASE64: return read_key_base64(p, fields[f], reterr);
    case F_CAS: return read_u64(p, fields[f], &p->rec.cas, reterr);
    case F_REV: return read_u64(p, fields[f], &p->rec.revision, reterr);
    case F_EXP: return read_u32(p, fields[f], &p->rec.expiry, reterr);
    case F_FLAGS: return read_u32(p, fields[f], &p->rec.flags, reterr);
    case F_IS_JSON: return read_bool(p, fields[f], &p->rec.is_json, reterr);
    case F_DELETED: return read_bool(p, fields[f], &p->rec.is_tombstone, reterr);
    case F_BODY: return read_body(p, fields[f], reterr);
    default: return read_xattrs(p, fields[f], reterr);
    }
}

/* Whether it failed because the line is no JSON at all; the sentence about the field is of no use then. */
static segue_status not_json(const parsed *p, segue_error *reterr)
{
    if (p->in.at >= p->in.text.size) return seg_error_set(reterr, SEGUE_INVALID_JSON, "the line is cut short");
    return seg_error_set(reterr, SEGUE_INVALID_JSON, "it is no valid JSON at byte %zu", p->in.at + 1);
}

static segue_status read_object(parsed *p, segue_error *reterr)
{
    if (!seg_json_in_must(&p->in, '{')) return seg_error_set(reterr, SEGUE_INVALID_JSON, "it is no JSON object");
    if (!seg_json_in_take(&p->in, '}')) {
        do {
            segue_slice name;
            if (!seg_json_in_text(&p->in, &name) || !seg_json_in_must(&p->in, ':')) return not_json(p, reterr);
            segue_status st = read_field(p, name, reterr);
            if (st != SEGUE_OK) return p->in.failed && p->in.at >= p->in.text.size ? not_json(p, reterr) : st;
        } while (seg_json_in_take(&p->in, ','));
        if (!seg_json_in_must(&p->in, '}')) return not_json(p, reterr);
    }
    return seg_json_in_end(&p->in) ? SEGUE_OK : not_json(p, reterr);
}

static segue_status check_object(parsed *p, segue_error *reterr)
{
    bool one = p->seen & 1u << F_KEY, other = p->seen & 1u << F_KEY_BASE64;
    if (one == other) return seg_error_set(reterr, SEGUE_INVALID_JSON, one ? "it has two keys" : "it has no \"key\"");
    if (!(p->seen & 1u << F_BODY)) return seg_error_set(reterr, SEGUE_INVALID_JSON, "it has no \"body\"");
    if (p->rec.is_tombstone != (p->rec.body.data == NULL))
        return seg_error_set(reterr, SEGUE_INVALID_JSON, "\"body\" must be null if and only if \"deleted\" is true");
    if (p->rec.revision == 0) p->rec.revision = 1;
    return SEGUE_OK;
}

segue_status seg_parse_record(segue_slice line, segue_doc *doc, segue_error *reterr)
{
    if (!seg_utf8_valid(line)) return seg_error_set(reterr, SEGUE_INVALID_JSON, "it is no valid UTF-8");
    parsed *p = seg_alloc_zero(sizeof *p);
    segue_status st = p ? seg_json_in_open(&p->in, line) : SEGUE_NO_MEMORY;
    if (st != SEGUE_OK) {
        seg_free(p);
        return no_memory(reterr);
    }
    st = read_object(p, reterr);
    if (st == SEGUE_OK) st = check_object(p, reterr);
    if (st == SEGUE_OK && segue_doc_assign(doc, &p->rec) != SEGUE_OK) st = no_memory(reterr);
    segue_buf_free(&p->key);
    segue_buf_free(&p->body);
    seg_json_in_close(&p->in);
    seg_free(p);
    return st;
}
