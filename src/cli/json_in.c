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
    if (in->passes) return true;
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

static size_t digits(const seg_json_in *in)
{
    size_t n = 0;
    while (in->at + n < in->text.size && in->text.data[in->at + n] >= '0' && in->text.data[in->at + n] <= '9') n++;
    return n;
}

bool seg_json_in_number(seg_json_in *in, uint64_t *ret_number)
{
    (void)seg_json_in_peek(in); /* passes over white space */
    size_t n = digits(in);
    const char *begin = in->text.data + in->at;
    if (in->failed || n == 0 || (n > 1 && *begin == '0') || !seg_parse_u64(segue_bytes(begin, n), ret_number))
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

/* ---- any value ---- */

static bool is_next(const seg_json_in *in, const char *one_of)
{
    return in->at < in->text.size && in->text.data[in->at] && strchr(one_of, in->text.data[in->at]);
}

/* A number of any size and form. */
static bool number(seg_json_in *in)
{
    if (is_next(in, "-")) in->at++;
    size_t n = digits(in);
    if (n == 0 || (n > 1 && in->text.data[in->at] == '0')) return fail(in);
    in->at += n;
    if (is_next(in, ".")) {
        in->at++;
        if ((n = digits(in)) == 0) return fail(in);
        in->at += n;
    }
    if (is_next(in, "eE")) {
        in->at++;
        if (is_next(in, "+-")) in->at++;
        if ((n = digits(in)) == 0) return fail(in);
        in->at += n;
    }
    return true;
}

static bool scalar(seg_json_in *in)
{
    segue_slice text;
    bool value;
    switch (seg_json_in_peek(in)) {
    case '"': return seg_json_in_text(in, &text);
    case 'n': return seg_json_in_null(in);
    case 't':
    case 'f': return seg_json_in_bool(in, &value);
    default: return number(in);
    }
}

/* Without recursion: the brackets that are open are remembered as one bit each. */
static bool pass_value(seg_json_in *in)
{
    enum { DEPTH_MAX = 512 };
    unsigned char is_object[DEPTH_MAX];
    size_t depth = 0;
    segue_slice name;
    for (;;) {
        bool opened = false;
        if (seg_json_in_peek(in) == '{' || seg_json_in_peek(in) == '[') {
            if (depth == DEPTH_MAX) return fail(in);
            is_object[depth++] = seg_json_in_peek(in) == '{';
            in->at++;
            opened = true;
        } else if (!scalar(in)) {
            return false;
        }
        for (; depth > 0; depth--) { /* close what ends here */
            if (seg_json_in_take(in, is_object[depth - 1] ? '}' : ']')) opened = false;
            else break;
        }
        if (depth == 0) return !in->failed;
        if (!opened && !seg_json_in_must(in, ',')) return false;
        if (is_object[depth - 1] && (!seg_json_in_text(in, &name) || !seg_json_in_must(in, ':'))) return false;
    }
}

bool seg_json_in_value(seg_json_in *in)
{
    in->passes = true;
    bool is_one = pass_value(in);
    in->passes = false;
    return is_one;
}

segue_status seg_json_check_value(segue_slice text)
{
    seg_json_in in;
    segue_status st = seg_json_in_open(&in, text);
    if (st != SEGUE_OK) return st;
    bool is_value = seg_utf8_valid(text) && seg_json_in_value(&in) && seg_json_in_end(&in);
    seg_json_in_close(&in);
    return is_value ? SEGUE_OK : SEGUE_INVALID_JSON;
}

/* ---- members ---- */

/* The value of a member; *ret_is_number: it is one, or true. */
static bool member_value(seg_json_in *in, uint64_t *ret_number, bool *ret_is_number)
{
    char c = seg_json_in_peek(in);
    segue_slice rest = {in->text.data + in->at, 0};
    if (!seg_json_in_value(in)) return false;
    rest.size = (size_t)(in->text.data + in->at - rest.data);
    *ret_number = 1;
    *ret_is_number = c == 't' || seg_parse_u64(rest, ret_number);
    return true;
}

bool seg_json_member_number(segue_slice object, const char *name, uint64_t *ret_number)
{
    seg_json_in in;
    bool found = false;
    if (!object.data || seg_json_in_open(&in, object) != SEGUE_OK) return false;
    if (seg_json_in_must(&in, '{') && !seg_json_in_take(&in, '}')) do {
            segue_slice member;
            uint64_t value = 0;
            bool is_number = false;
            if (!seg_json_in_text(&in, &member) || !seg_json_in_must(&in, ':') ||
                !member_value(&in, &value, &is_number))
                break;
            if (!is_number || !segue_slice_equal(member, segue_str(name))) continue;
            *ret_number = value;
            found = true;
        } while (seg_json_in_take(&in, ','));
    found = seg_json_in_must(&in, '}') && seg_json_in_end(&in) && found;
    seg_json_in_close(&in);
    return found;
}
