/* L2: the JSON scanner. One pass, a bit per open bracket instead of recursion. RFC 8259. */
#include "doc/json.h"

#include "base/base.h"

typedef struct scanner {
    const char *text;
    size_t at, size;
} scanner;

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static int hex_value(char c)
{
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static bool more(const scanner *s) { return s->at < s->size; }

static bool is_next(const scanner *s, char c) { return more(s) && s->text[s->at] == c; }

static void skip_space(scanner *s)
{
    while (more(s) && is_space(s->text[s->at])) s->at++;
}

static bool take(scanner *s, char c)
{
    if (!is_next(s, c)) return false;
    s->at++;
    return true;
}

static bool take_word(scanner *s, const char *word)
{
    size_t n = strlen(word);
    if (s->size - s->at < n || memcmp(s->text + s->at, word, n) != 0) return false;
    s->at += n;
    return true;
}

static bool take_digits(scanner *s)
{
    size_t from = s->at;
    while (more(s) && is_digit(s->text[s->at])) s->at++;
    return s->at > from;
}

static bool take_number(scanner *s)
{
    (void)take(s, '-'); /* optional */
    if (!take(s, '0') && !take_digits(s)) return false;
    if (take(s, '.') && !take_digits(s)) return false;
    if (take(s, 'e') || take(s, 'E')) {
        if (!take(s, '+')) (void)take(s, '-'); /* optional */
        return take_digits(s);
    }
    return true;
}

/* After the backslash. */
static bool take_escape(scanner *s)
{
    if (!more(s)) return false;
    char c = s->text[s->at++];
    if (c != 'u') return strchr("\"\\/bfnrt", c) != NULL && c != 0;
    for (int i = 0; i < 4; i++) {
        if (!more(s) || hex_value(s->text[s->at]) < 0) return false;
        s->at++;
    }
    return true;
}

static bool take_string(scanner *s)
{
    if (!take(s, '"')) return false;
    size_t from = s->at;
    while (more(s)) {
        char c = s->text[s->at];
        if (c == '"') {
            if (!seg_utf8_valid(segue_bytes(s->text + from, s->at - from))) {
                s->at = from;
                return false;
            }
            s->at++;
            return true;
        }
        if ((unsigned char)c < 0x20) return false;
        s->at++;
        if (c == '\\' && !take_escape(s)) return false;
    }
    return false;
}

static bool take_scalar(scanner *s)
{
    if (!more(s)) return false;
    switch (s->text[s->at]) {
    case '"': return take_string(s);
    case 't': return take_word(s, "true");
    case 'f': return take_word(s, "false");
    case 'n': return take_word(s, "null");
    default: return take_number(s);
    }
}

/* Brackets that are open: a bit each, 1 for an object. */
typedef struct nesting {
    unsigned char bits[SEG_JSON_DEPTH_MAX / 8];
    size_t depth;
} nesting;

static bool enter(nesting *n, bool is_object)
{
    if (n->depth == SEG_JSON_DEPTH_MAX) return false;
    unsigned char mask = (unsigned char)(1u << (n->depth % 8));
    unsigned char *byte = &n->bits[n->depth / 8];
    *byte = (unsigned char)(is_object ? *byte | mask : *byte & ~mask);
    n->depth++;
    return true;
}

static bool in_object(const nesting *n)
{
    return n->depth > 0 && (n->bits[(n->depth - 1) / 8] >> ((n->depth - 1) % 8) & 1) != 0;
}

/* "name" : */
static bool take_name(scanner *s)
{
    skip_space(s);
    if (!take_string(s)) return false;
    skip_space(s);
    return take(s, ':');
}

/* After a value: close what ends here, or go on to the next one. *ret_done: nothing is open any more. */
static bool after_value(scanner *s, nesting *n, bool *ret_done)
{
    while (n->depth > 0) {
        skip_space(s);
        if (take(s, ',')) {
            *ret_done = false;
            return !in_object(n) || take_name(s);
        }
        if (!take(s, in_object(n) ? '}' : ']')) return false;
        n->depth--;
    }
    *ret_done = true;
    return true;
}

/* One value, from its first byte to its last. On failure `at` is where it went wrong. */
static bool take_value(scanner *s)
{
    nesting n = {.depth = 0};
    for (bool done = false; !done;) {
        skip_space(s);
        bool is_object = is_next(s, '{');
        if (is_object || is_next(s, '[')) {
            if (!enter(&n, is_object)) return false;
            s->at++;
            skip_space(s);
            if (!is_next(s, is_object ? '}' : ']')) {
                if (is_object && !take_name(s)) return false;
                continue;
            }
        } else if (!take_scalar(s)) {
            return false;
        }
        if (!after_value(s, &n, &done)) return false;
    }
    return true;
}

bool seg_json_valid(segue_slice text, size_t *ret_offset)
{
    scanner s = {text.data, 0, text.size};
    bool valid = false;
    if (text.data) {
        valid = take_value(&s);
        if (valid) skip_space(&s);
    }
    if (ret_offset) *ret_offset = s.at;
    return valid && s.at == s.size;
}

bool seg_json_next_member(seg_json_members *walk, segue_slice *ret_name, segue_slice *ret_value)
{
    scanner s = {walk->text.data, walk->at, walk->text.size};
    skip_space(&s);
    if (!take(&s, walk->at == 0 ? '{' : ',')) return false;
    skip_space(&s);
    size_t name_at = s.at + 1;
    if (!take_string(&s)) return false; /* the object is empty */
    size_t name_end = s.at - 1;
    skip_space(&s);
    if (!take(&s, ':')) return false;
    skip_space(&s);
    size_t value_at = s.at;
    if (!take_value(&s)) return false;
    *ret_name = segue_bytes(s.text + name_at, name_end - name_at);
    *ret_value = segue_bytes(s.text + value_at, s.at - value_at);
    walk->at = s.at;
    return true;
}

/* ---- strings ---- */

static segue_status append_utf8(uint32_t code, segue_buf *out)
{
    char bytes[4];
    size_t n;
    if (code < 0x80) {
        bytes[0] = (char)code;
        n = 1;
    } else if (code < 0x800) {
        bytes[0] = (char)(0xC0 | code >> 6);
        n = 2;
    } else if (code < 0x10000) {
        bytes[0] = (char)(0xE0 | code >> 12);
        n = 3;
    } else {
        bytes[0] = (char)(0xF0 | code >> 18);
        n = 4;
    }
    for (size_t i = 1; i < n; i++) bytes[i] = (char)(0x80 | (code >> (6 * (n - 1 - i)) & 0x3F));
    return segue_buf_append(out, bytes, n);
}

/* Four hex digits at `at`; false if they are not there. */
static bool hex4(segue_slice text, size_t at, uint32_t *ret)
{
    if (at > text.size || text.size - at < 4) return false;
    uint32_t value = 0;
    for (size_t i = 0; i < 4; i++) {
        int digit = hex_value(text.data[at + i]);
        if (digit < 0) return false;
        value = value << 4 | (uint32_t)digit;
    }
    *ret = value;
    return true;
}

/* \uXXXX, or two of them that make one character. *at is behind the 'u'. */
static segue_status unescape_unicode(segue_slice inner, size_t *at, segue_buf *out)
{
    uint32_t code, low;
    if (!hex4(inner, *at, &code)) return SEGUE_INVALID_JSON;
    *at += 4;
    if (code >= 0xDC00 && code < 0xE000) return SEGUE_INVALID_JSON;
    if (code >= 0xD800 && code < 0xDC00) {
        bool escaped = inner.size - *at >= 6 && inner.data[*at] == '\\' && inner.data[*at + 1] == 'u';
        if (!escaped || !hex4(inner, *at + 2, &low) || low < 0xDC00 || low >= 0xE000) return SEGUE_INVALID_JSON;
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        *at += 6;
    }
    return append_utf8(code, out);
}

segue_status seg_json_unescape(segue_slice inner, segue_buf *out)
{
    static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    for (size_t i = 0; i < inner.size;) {
        segue_status st;
        const char *escape;
        if (inner.data[i] != '\\') {
            size_t from = i;
            while (i < inner.size && inner.data[i] != '\\') i++;
            st = segue_buf_append(out, inner.data + from, i - from);
        } else if (i + 1 < inner.size && inner.data[i + 1] == 'u') {
            i += 2;
            st = unescape_unicode(inner, &i, out);
        } else if (i + 1 < inner.size && inner.data[i + 1] && (escape = strchr(escapes, inner.data[i + 1])) != NULL) {
            st = segue_buf_append(out, &meanings[escape - escapes], 1);
            i += 2;
        } else {
            st = SEGUE_INVALID_JSON;
        }
        if (st != SEGUE_OK) return st;
    }
    return SEGUE_OK;
}

/* What stands for a byte that cannot stand for itself; 0: it can. */
static size_t escape_of(unsigned char c, char out[6])
{
    static const char hex[] = "0123456789abcdef";
    static const char plain[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
    const char *found = c ? strchr(plain, c) : NULL;
    if (found) {
        out[0] = '\\';
        out[1] = letter[found - plain];
        return 2;
    }
    if (c >= 0x20) return 0;
    memcpy(out, "\\u00", 4);
    out[4] = hex[c >> 4];
    out[5] = hex[c & 15];
    return 6;
}

segue_status seg_json_quote(segue_slice bytes, segue_buf *out)
{
    segue_status st = segue_buf_append(out, "\"", 1);
    size_t from = 0;
    for (size_t i = 0; i <= bytes.size && st == SEGUE_OK; i++) {
        char escape[6];
        size_t n = i < bytes.size ? escape_of((unsigned char)bytes.data[i], escape) : 0;
        if (n == 0 && i < bytes.size) continue;
        st = segue_buf_append(out, bytes.data + from, i - from);
        if (st == SEGUE_OK && n) st = segue_buf_append(out, escape, n);
        from = i + 1;
    }
    return st == SEGUE_OK ? segue_buf_append(out, "\"", 1) : st;
}
