/* L6: reading JSON; see json_in.h. */
#include "cli/json_in.h"
#include "base/base.h"

segue_status seg_json_in_open(seg_json_in *in, segue_slice text)
{
    *in = (seg_json_in){.text = text, .memory = seg_alloc(text.size + 1)};
    return in->memory ? SEGUE_OK : SEGUE_NO_MEMORY;
}

void seg_json_in_close(seg_json_in *in)
{
    seg_free(in->memory);
    in->memory = NULL;
}

static bool fail(seg_json_in *in)
{
    in->failed = true;
    return false;
}

char seg_json_in_peek(seg_json_in *in)
{
    while (in->at < in->text.size && strchr(" \t\r\n", in->text.data[in->at]) && in->text.data[in->at]) in->at++;
    return in->failed || in->at == in->text.size ? '\0' : in->text.data[in->at];
}

bool seg_json_in_take(seg_json_in *in, char c)
{
    if (seg_json_in_peek(in) != c) return false;
    in->at++;
    return true;
}

bool seg_json_in_must(seg_json_in *in, char c) { return seg_json_in_take(in, c) || fail(in); }

bool seg_json_in_end(seg_json_in *in)
{
    (void)seg_json_in_peek(in); /* passes over white space */
    return (!in->failed && in->at == in->text.size) || fail(in);
}

/* ---- texts ---- */

static void put(seg_json_in *in, uint32_t byte) { in->memory[in->used++] = (char)(unsigned char)byte; }

static void put_utf8(seg_json_in *in, uint32_t c)
{
    if (c < 0x80) {
        put(in, c);
    } else if (c < 0x800) {
        put(in, 0xC0 | c >> 6);
        put(in, 0x80 | (c & 63));
    } else if (c < 0x10000) {
        put(in, 0xE0 | c >> 12);
        put(in, 0x80 | (c >> 6 & 63));
        put(in, 0x80 | (c & 63));
    } else {
        put(in, 0xF0 | c >> 18);
        put(in, 0x80 | (c >> 12 & 63));
        put(in, 0x80 | (c >> 6 & 63));
        put(in, 0x80 | (c & 63));
    }
}

/* The four hex digits of \uXXXX. */
static bool hex4(seg_json_in *in, uint32_t *ret)
{
    uint32_t value = 0;
    if (in->text.size - in->at < 4) return fail(in);
    for (int i = 0; i < 4; i++) {
        char c = in->text.data[in->at];
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 16;
        if (digit == 16) return fail(in);
        value = value << 4 | digit;
        in->at++;
    }
    *ret = value;
    return true;
}

static bool unicode_escape(seg_json_in *in)
{
    uint32_t c, low;
    if (!hex4(in, &c)) return false;
    if (c >= 0xDC00 && c <= 0xDFFF) return fail(in); /* the second half without the first */
    if (c >= 0xD800 && c <= 0xDBFF) {
        if (in->text.size - in->at < 6 || in->text.data[in->at] != '\\' || in->text.data[in->at + 1] != 'u')
            return fail(in);
        in->at += 2;
        if (!hex4(in, &low)) return false;
        if (low < 0xDC00 || low > 0xDFFF) return fail(in);
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
    }
    put_utf8(in, c);
    return true;
}

/* What follows a backslash. */
static bool escape(seg_json_in *in)
{
    static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    if (in->at == in->text.size) return fail(in);
    char c = in->text.data[in->at++];
    if (c == 'u') return unicode_escape(in);
    const char *found = c ? strchr(names, c) : NULL;
    if (!found) return fail(in);
    put(in, (unsigned char)meanings[found - names]);
    return true;
}

bool seg_json_in_text(seg_json_in *in, segue_slice *ret_text)
{
    if (!seg_json_in_must(in, '"')) return false;
    size_t begin = in->used;
    while (in->at < in->text.size) {
        unsigned char c = (unsigned char)in->text.data[in->at];
        if (c < 0x20) return fail(in);
        in->at++;
        if (c == '"') {
            *ret_text = segue_bytes(in->memory + begin, in->used - begin);
            return true;
        }
        if (c == '\\') {
            if (!escape(in)) return false;
        } else {
            put(in, c);
        }
    }
    return fail(in); /* cut */
}

/* ---- numbers and words ---- */

bool seg_json_in_number(seg_json_in *in, uint64_t *ret_number)
{
    (void)seg_json_in_peek(in); /* passes over white space */
    size_t begin = in->at, n = 0;
    while (in->at + n < in->text.size && in->text.data[in->at + n] >= '0' && in->text.data[in->at + n] <= '9') n++;
    const char *digits = in->text.data + begin;
    if (in->failed || n == 0 || (n > 1 && digits[0] == '0') || !seg_parse_u64(segue_bytes(digits, n), ret_number))
        return fail(in);
    in->at += n;
    return true;
}

static bool word(seg_json_in *in, const char *text)
{
    size_t n = strlen(text);
    (void)seg_json_in_peek(in); /* passes over white space */
    if (in->failed || in->text.size - in->at < n || memcmp(in->text.data + in->at, text, n) != 0) return fail(in);
    in->at += n;
    return true;
}

bool seg_json_in_bool(seg_json_in *in, bool *ret_value)
{
    bool is_true = seg_json_in_peek(in) == 't';
    if (!word(in, is_true ? "true" : "false")) return false;
    *ret_value = is_true;
    return true;
}

bool seg_json_in_null(seg_json_in *in) { return word(in, "null"); }

/* ---- flat objects ---- */

/* The value of a member; *ret_is_number: it is one, or true. */
static bool flat_value(seg_json_in *in, uint64_t *ret_number, bool *ret_is_number)
{
    segue_slice text;
    bool value = false;
    char c = seg_json_in_peek(in);
    *ret_is_number = c >= '0' && c <= '9';
    if (*ret_is_number) return seg_json_in_number(in, ret_number);
    if (c == '"') return seg_json_in_text(in, &text);
    if (c == 'n') return seg_json_in_null(in);
    if (!seg_json_in_bool(in, &value)) return false;
    *ret_is_number = value;
    *ret_number = 1;
    return true;
}

bool seg_json_flat_number(segue_slice object, const char *name, uint64_t *ret_number)
{
    seg_json_in in;
    bool found = false;
    if (!object.data || seg_json_in_open(&in, object) != SEGUE_OK) return false;
    if (seg_json_in_must(&in, '{') && !seg_json_in_take(&in, '}')) do {
            segue_slice member;
            uint64_t number = 0;
            bool is_number = false;
            if (!seg_json_in_text(&in, &member) || !seg_json_in_must(&in, ':') || !flat_value(&in, &number, &is_number))
                break;
            if (!is_number || !segue_slice_equal(member, segue_str(name))) continue;
            *ret_number = number;
            found = true;
        } while (seg_json_in_take(&in, ','));
    found = seg_json_in_must(&in, '}') && seg_json_in_end(&in) && found;
    seg_json_in_close(&in);
    return found;
}
