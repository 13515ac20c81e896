/* L1: memory, assertions, error sentences, UTF-8, CRC-32C. */
#include "base/base.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- memory ---- */

static void *libc_realloc(void *ctx, void *memory, size_t size)
{
    (void)ctx;
    return realloc(memory, size);
}

static void libc_free(void *ctx, void *memory)
{
    (void)ctx;
    free(memory);
}

static const segue_allocator libc_allocator = {NULL, libc_realloc, libc_free};
static segue_allocator allocator = {NULL, libc_realloc, libc_free};

void segue_set_allocator(const segue_allocator *replacement) { allocator = replacement ? *replacement : libc_allocator; }

void *seg_alloc(size_t size) { return allocator.realloc(allocator.ctx, NULL, size ? size : 1); }

void *seg_alloc_zero(size_t size)
{
    void *memory = seg_alloc(size);
    if (memory) memset(memory, 0, size);
    return memory;
}

void *seg_realloc(void *memory, size_t size) { return allocator.realloc(allocator.ctx, memory, size ? size : 1); }

void seg_free(void *memory)
{
    if (memory) allocator.free(allocator.ctx, memory);
}

char *seg_strndup(const char *text, size_t size)
{
    char *copy = seg_alloc(size + 1);
    if (!copy) return NULL;
    memcpy(copy, text, size);
    copy[size] = 0;
    return copy;
}

char *seg_strdup(const char *text) { return seg_strndup(text, strlen(text)); }

void seg_free_string(char **text)
{
    seg_free(*text);
    *text = NULL;
}

void seg_assert_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "segue: internal error at %s:%d: %s. Please report it.\n", file, line, what);
    abort();
}

/* ---- errors ---- */

static void fill(segue_error *err, segue_status status, const char *format, va_list args)
{
    err->status = status;
    err->native = 0;
    int n = vsnprintf(err->message, sizeof err->message, format, args);
    if (n < 0) err->message[0] = 0;
    else if ((size_t)n >= sizeof err->message) memcpy(err->message + sizeof err->message - 4, "...", 4);
}

segue_status(segue_fail)(segue_call *call, segue_status status, const char *format, ...)
{
    if (!call || !call->err) return status;
    va_list args;
    va_start(args, format);
    fill(call->err, status, format, args);
    va_end(args);
    return status;
}

segue_status(seg_error_set)(segue_error *err, segue_status status, const char *format, ...)
{
    if (!err) return status;
    va_list args;
    va_start(args, format);
    fill(err, status, format, args);
    va_end(args);
    return status;
}

segue_status seg_error_told(segue_error *err, segue_status st, const char *who)
{
    if (st == SEGUE_OK || !err || (err->status == st && err->message[0])) return st;
    return seg_error_set(err, st, "%.160s: %s", who, segue_status_text(st));
}

segue_status seg_options_check(unsigned options, unsigned known, const char *what, segue_call *call)
{
    unsigned unknown = options & ~known;
    return unknown ? segue_fail(call, SEGUE_INVALID_ARGUMENT, "%s has no options 0x%x", what, unknown) : SEGUE_OK;
}

const char *seg_quote(segue_slice bytes, char out[SEG_QUOTED_MAX])
{
    static const char hex[] = "0123456789abcdef";
    size_t at = 0;
    out[at++] = '"';
    for (size_t i = 0; i < bytes.size; i++) {
        unsigned char c = (unsigned char)bytes.data[i];
        if (at + 4 + 5 > SEG_QUOTED_MAX) { /* an escape, then ..." and the end */
            memcpy(out + at, "...", 3);
            at += 3;
            break;
        }
        if (c == '"' || c == '\\') {
            out[at++] = '\\';
            out[at++] = (char)c;
        } else if (c < 0x20 || c >= 0x7f) {
            out[at++] = '\\';
            out[at++] = 'x';
            out[at++] = hex[c >> 4];
            out[at++] = hex[c & 15];
        } else {
            out[at++] = (char)c;
        }
    }
    out[at++] = '"';
    out[at] = 0;
    return out;
}

segue_status seg_status_of_errno(int error_number)
{
    switch (error_number) {
    case 0: return SEGUE_OK;
    case ENOENT:
    case ENOTDIR: return SEGUE_NO_STORE;
    case EACCES:
    case EPERM: return SEGUE_ACCESS_DENIED;
    case EROFS: return SEGUE_READ_ONLY;
    case ENOSPC:
    case EDQUOT: return SEGUE_NO_SPACE;
    case ENOMEM: return SEGUE_NO_MEMORY;
    case EISDIR: return SEGUE_WRONG_FORMAT;
    case EAGAIN:
    case EBUSY:
    case EINTR: return SEGUE_UNAVAILABLE;
    case ETIMEDOUT: return SEGUE_TIMEOUT;
    default: return SEGUE_IO_ERROR;
    }
}

/* ---- UTF-8 (RFC 3629) ---- */

/* The length of the sequence that begins at p, 0 if it is not one. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
    size_t n;
    uint32_t code, least;
    if (p[0] < 0x80) return 1;
    if (p[0] >= 0xc2 && p[0] < 0xe0) n = 2, code = p[0] & 0x1fu, least = 0x80;
    else if (p[0] >= 0xe0 && p[0] < 0xf0) n = 3, code = p[0] & 0x0fu, least = 0x800;
    else if (p[0] >= 0xf0 && p[0] < 0xf5) n = 4, code = p[0] & 0x07u, least = 0x10000;
    else return 0;
    if (n > left) return 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (p[i] & 0x3fu);
    }
    bool surrogate = code >= 0xd800 && code < 0xe000;
    return code >= least && code <= 0x10ffff && !surrogate ? n : 0;
}

bool seg_utf8_valid(segue_slice bytes)
{
    const unsigned char *p = (const unsigned char *)bytes.data;
    for (size_t i = 0; i < bytes.size;) {
        size_t n = utf8_sequence(p + i, bytes.size - i);
        if (n == 0) return false;
        i += n;
    }
    return true;
}

/* ---- CRC-32C (RFC 3720, appendix B.4), half a byte at a time: for macros and virtual xattrs ---- */

uint32_t seg_crc32c(segue_slice bytes)
{
    static const uint32_t table[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
        0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < bytes.size; i++) {
        crc ^= (unsigned char)bytes.data[i];
        crc = (crc >> 4) ^ table[crc & 15];
        crc = (crc >> 4) ^ table[crc & 15];
    }
    return ~crc;
}
