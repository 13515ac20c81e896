/* L2: the JSON scanner. One pass, a bit per open bracket instead of recursion. RFC 8259. */
#include "doc/json.h"

#include "base/base.h"

#include <stdio.h>

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
    char c = more(s) ? s->text[s->at++] : 0;
    if (c != 'u') return strchr("\"\\/bfnrt", c) != NULL && c != 0;
    for (int i = 0; i < 4; i++) {
        if (!more(s) || hex_value(s->text[s->at]) < 0) return false;
        s->at++;
    }
    return true;
}

/* Whether one of eight bytes is a control character, a quote, a backslash or no ASCII. It may err to the side of yes. */
static bool has_special(uint64_t bytes)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    uint64_t quote = bytes ^ (ones * '"'), backslash = bytes ^ (ones * '\\');
    return ((bytes | (bytes - ones * 0x20) | ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash)) & tops) !=
           0;
}

/* In a string: up to the first byte that is not plainly itself. */
static void skip_plain(scanner *s)
{
    for (uint64_t bytes = 0; s->size - s->at >= sizeof bytes; s->at += sizeof bytes) {
        memcpy(&bytes, s->text + s->at, sizeof bytes);
        if (has_special(bytes)) break;
    }
    for (; more(s); s->at++) {
        unsigned char c = (unsigned char)s->text[s->at];
        if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\') return;
    }
}

static bool take_string(scanner *s)
{
    if (!take(s, '"')) return false;
    size_t from = s->at;
    bool is_ascii = true;
    for (skip_plain(s); more(s); skip_plain(s)) {
        unsigned char c = (unsigned char)s->text[s->at];
        if (c == '"') {
            if (!is_ascii && !seg_utf8_valid(segue_bytes(s->text + from, s->at - from))) {
                s->at = from;
                return false;
            }
            s->at++;
            return true;
        }
        if (c < 0x20) return false;
        s->at++;
        if (c >= 0x80) is_ascii = false;
        else if (!take_escape(s)) return false;
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
    size_t depth, max;
} nesting;

static bool enter(nesting *n, bool is_object)
{
    if (n->depth == n->max) return false;
    unsigned char mask = (unsigned char)(1u << (n->depth % 8));
    unsigned char *byte = &n->bits[n->depth / 8];
    *byte = (unsigned char)(is_object ? *byte | mask : *byte & ~mask);
    n->depth++;
    return true;
}

/* Whether the last of them, which there is, is an object. */
static bool in_object(const nesting *n) { return n->bits[(n->depth - 1) / 8] >> ((n->depth - 1) % 8) & 1; }

/* "name" : */
static bool take_name(scanner *s)
{
    skip_space(s);
    if (!take_string(s)) return false;
    skip_space(s);
    return take(s, ':');
}

/* After a value: close what ends here, or go on to the next one. *ret_done is set when nothing is open any more. */
static bool after_value(scanner *s, nesting *n, bool *ret_done)
{
    while (n->depth > 0) {
        skip_space(s);
        if (take(s, ',')) return !in_object(n) || take_name(s);
        if (!take(s, in_object(n) ? '}' : ']')) return false;
        n->depth--;
    }
    *ret_done = true;
    return true;
}

/* One value, from its first byte to its last. On failure `at` is where it went wrong. */
static bool take_value(scanner *s, size_t depth_max, bool *ret_too_deep)
{
    nesting n = {.depth = 0, .max = depth_max};
    for (bool done = false; !done;) {
        skip_space(s);
        bool is_object = is_next(s, '{');
        if (is_object || is_next(s, '[')) {
            *ret_too_deep = !enter(&n, is_object);
            if (*ret_too_deep) return false;
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

bool seg_json_check(segue_slice text, size_t depth_max, seg_json_fault *ret_fault)
{
    scanner s = {text.data, 0, text.size};
    bool valid = false, too_deep = false;
    seg_assert(depth_max <= SEG_JSON_DEPTH_MAX);
    if (text.data) {
        valid = take_value(&s, depth_max, &too_deep);
        if (valid) skip_space(&s);
    }
    ret_fault->offset = s.at;
    ret_fault->depth_max = too_deep ? depth_max : 0;
    return valid && s.at == s.size;
}

bool seg_json_valid(segue_slice text, size_t *ret_offset)
{
    seg_json_fault fault;
    bool valid = seg_json_check(text, SEG_JSON_DEPTH_MAX, &fault);
    if (ret_offset) *ret_offset = fault.offset;
    return valid;
}

const char *seg_json_say(const seg_json_fault *fault, char out[SEG_JSON_SAID_MAX])
{
    if (fault->depth_max)
        (void)snprintf(out, SEG_JSON_SAID_MAX, "is nested deeper than %zu at byte %zu", fault->depth_max,
                       fault->offset); /* it fits */
    else (void)snprintf(out, SEG_JSON_SAID_MAX, "is not valid JSON: error at byte %zu", fault->offset);
    return out;
}

segue_slice seg_json_trim(segue_slice text)
{
    while (text.size && is_space(text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size && is_space(text.data[text.size - 1])) text.size--;
    return text;
}

/* ---- walking through what is valid ---- */

/* Behind the quote that opened it; to behind the one that ends it. */
static void skip_string(scanner *s)
{
    for (skip_plain(s); more(s); skip_plain(s)) {
        char c = s->text[s->at++];
        if (c == '"') return;
        if (c == '\\' && more(s)) s->at++;
    }
}

static bool ends_scalar(char c) { return c == ',' || c == ']' || c == '}' || is_space(c); }

static void skip_value(scanner *s)
{
    size_t depth = 0;
    if (!is_next(s, '{') && !is_next(s, '[') && !is_next(s, '"')) {
        while (more(s) && !ends_scalar(s->text[s->at])) s->at++;
        return;
    }
    while (more(s)) {
        char c = s->text[s->at++];
        if (c == '"') skip_string(s);
        else if (c == '{' || c == '[') depth++;
        else if (c == '}' || c == ']') depth--;
        if (depth == 0) return;
    }
}

bool seg_json_next(seg_json_walk *walk, segue_slice *ret_name, segue_slice *ret_value)
{
    scanner s = {walk->text.data, walk->at, walk->text.size};
    segue_slice name = {0};
    skip_space(&s);
    if (walk->at == 0) {
        walk->is_object = take(&s, '{');
        if (!walk->is_object && !take(&s, '[')) return false;
        skip_space(&s);
        if (!more(&s) || is_next(&s, walk->is_object ? '}' : ']')) return false;
    } else if (!take(&s, ',')) {
        return false;
    }
    skip_space(&s);
    if (walk->is_object) {
        size_t from = s.at + 1;
        if (!take(&s, '"')) return false;
        skip_string(&s);
        size_t end = s.at;
        skip_space(&s);
        if (!take(&s, ':')) return false;
        name = segue_bytes(s.text + from, end - from - 1);
        skip_space(&s);
    }
    size_t from = s.at;
    skip_value(&s);
    *ret_name = name;
    *ret_value = segue_bytes(s.text + from, s.at - from);
    walk->at = s.at;
    return true;
}

bool seg_json_next_member(seg_json_walk *walk, segue_slice *ret_name, segue_slice *ret_value)
{
    segue_slice name, value;
    if (!seg_json_next(walk, &name, &value) || !walk->is_object) return false;
    *ret_name = name;
    *ret_value = value;
    return true;
}

/* ---- strings ---- */

static size_t to_utf8(uint32_t code, char bytes[4])
{
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
    return n;
}

/* What four hex digits say at `at`, which is not past the end; -1 if they are not there. */
static int32_t hex4(segue_slice text, size_t at)
{
    int32_t value = 0;
    if (text.size - at < 4) return -1;
    for (size_t i = 0; i < 4; i++) {
        int digit = hex_value(text.data[at + i]);
        if (digit < 0) return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* The two halves of a character that is written as two: ten bits each. */
static bool is_high(int32_t code) { return (code & 0xFC00) == 0xD800; }
static bool is_low(int32_t code) { return (code & 0xFC00) == 0xDC00; }

/* \uXXXX, or two of them that make one character. *at is behind the 'u'. 0: it is none. */
static size_t unescape_unicode(segue_slice inner, size_t *at, char out[4])
{
    int32_t code = hex4(inner, *at);
    if (code < 0 || is_low(code)) return 0;
    *at += 4;
    if (is_high(code)) {
        segue_slice rest = segue_bytes(inner.data + *at, inner.size - *at);
        int32_t low = segue_slice_starts_with(rest, segue_str("\\u")) ? hex4(rest, 2) : -1;
        if (!is_low(low)) return 0;
        code = 0x10000 + ((code & 0x3FF) << 10 | (low & 0x3FF));
        *at += 6;
    }
    return to_utf8((uint32_t)code, out);
}

size_t seg_json_next_char(segue_slice inner, size_t *at, char out[4])
{
    static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    char c = inner.data[(*at)++];
    if (c == '\\') {
        if (*at == inner.size) return 0;
        c = inner.data[(*at)++];
        if (c == 'u') return unescape_unicode(inner, at, out);
        const char *escape = c ? strchr(escapes, c) : NULL;
        if (!escape) return 0;
        c = meanings[escape - escapes];
    }
    out[0] = c;
    return 1;
}

segue_status seg_json_unescape(segue_slice inner, segue_buf *out)
{
    for (size_t i = 0; i < inner.size;) {
        char bytes[4];
        size_t from = i, n;
        while (i < inner.size && inner.data[i] != '\\') i++;
        segue_status st = segue_buf_append(out, inner.data + from, i - from);
        if (st == SEGUE_OK && i < inner.size) {
            n = seg_json_next_char(inner, &i, bytes);
            st = n ? segue_buf_append(out, bytes, n) : SEGUE_INVALID_JSON;
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
