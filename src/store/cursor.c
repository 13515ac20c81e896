/* L3: a feed's place as a text and back. What is read comes from outside: every byte is looked at. No state. */
#include "store/cursor.h"

#include "base/base.h"

#include <stdio.h>

#define VERSION "f1"
enum { CRC_DIGITS = 8, CAS_DIGITS_MAX = 16 };
static const char digits[] = "0123456789abcdef";

static segue_status append_position(const seg_position *at, segue_buf *out)
{
    char text[2 + CAS_DIGITS_MAX + 1 + 2 * SEGUE_KEY_MAX];
    size_t n = (size_t)snprintf(text, sizeof text, ".%llx", (unsigned long long)at->cas); /* fits */
    if (at->key_size) text[n++] = '-';
    for (size_t i = 0; i < at->key_size; i++) {
        text[n++] = digits[(unsigned char)at->key[i] >> 4];
        text[n++] = digits[(unsigned char)at->key[i] & 15];
    }
    return segue_buf_append(out, text, n);
}

segue_status seg_cursor_write(const seg_position *at, size_t n, size_t stride, segue_buf *out)
{
    char crc[CRC_DIGITS + 2];
    size_t start = out->size;
    segue_status st = segue_buf_append(out, VERSION, sizeof VERSION - 1);
    for (size_t i = 0; i < n && st == SEGUE_OK; i++)
        st = append_position((const void *)((const char *)at + i * stride), out);
    if (st != SEGUE_OK) return st;
    (void)snprintf(crc, sizeof crc, ".%08x", seg_crc32c(segue_bytes(out->data + start, out->size - start))); /* fits */
    return segue_buf_append(out, crc, CRC_DIGITS + 1);
}

/* ---- reading ---- */

static int digit(char c)
{
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Take digits from the front: 1 to `most`, no zero before others. False: there are none, or too many. */
static bool take_number(segue_slice *text, size_t most, uint64_t *ret_value)
{
    size_t n = 0;
    uint64_t value = 0;
    while (n < text->size && n < most && digit(text->data[n]) >= 0)
        value = value << 4 | (uint64_t)digit(text->data[n++]);
    if (n == 0 || (n > 1 && text->data[0] == '0')) return false;
    *text = segue_bytes(text->data + n, text->size - n);
    *ret_value = value;
    return true;
}

/* Take pairs of digits: the bytes of a key. */
static bool take_key(segue_slice *text, seg_position *at)
{
    size_t n = 0;
    while (n + 1 < text->size && digit(text->data[n]) >= 0 && digit(text->data[n + 1]) >= 0) {
        if (at->key_size == sizeof at->key) return false;
        at->key[at->key_size++] = (char)(digit(text->data[n]) * 16 + digit(text->data[n + 1]));
        n += 2;
    }
    *text = segue_bytes(text->data + n, text->size - n);
    return n > 0;
}

/* The text begins with a dot. */
static bool take_position(segue_slice *text, seg_position *at)
{
    *text = segue_bytes(text->data + 1, text->size - 1);
    at->key_size = 0;
    if (!take_number(text, CAS_DIGITS_MAX, &at->cas) || at->cas > INT64_MAX) return false;
    if (text->size == 0 || text->data[0] != '-') return true;
    *text = segue_bytes(text->data + 1, text->size - 1);
    return take_key(text, at);
}

typedef enum reading { FITS, OTHER_NUMBER, NO_PLACE } reading;

/* The places before the check, and nothing else. *ret_offset: where there is none though there should be. */
static reading read_places(segue_slice text, seg_position *at, size_t n, size_t stride, size_t *ret_offset)
{
    const char *start = text.data;
    size_t i = 0;
    bool fits = true;
    text = segue_bytes(text.data + sizeof VERSION - 1, text.size - (sizeof VERSION - 1));
    for (; i < n && fits && text.size && text.data[0] == '.'; i++)
        fits = take_position(&text, (void *)((char *)at + i * stride));
    *ret_offset = (size_t)(text.data - start);
    if (!fits || (text.size && text.data[0] != '.')) return NO_PLACE;
    return text.size == 0 && i == n ? FITS : OTHER_NUMBER;
}

segue_status seg_cursor_read(segue_slice text, seg_position *at, size_t n, size_t stride, segue_error *reterr)
{
    char crc[CRC_DIGITS + 2];
    size_t offset = 0;
    if (!segue_slice_starts_with(text, segue_str(VERSION ".")))
        return seg_error_set(
            reterr, SEGUE_INVALID_CURSOR,
            "this is not a cursor of a feed, or one of a newer Segue: it does not begin with \"" VERSION ".\"");
    if (text.size < sizeof VERSION - 1 + CRC_DIGITS + 1)
        return seg_error_set(reterr, SEGUE_INVALID_CURSOR, "the cursor is damaged or cut: it ends at byte %zu",
                             text.size);
    segue_slice places = segue_bytes(text.data, text.size - CRC_DIGITS - 1);
    reading said = read_places(places, at, n, stride, &offset);
    if (said == NO_PLACE)
        return seg_error_set(reterr, SEGUE_INVALID_CURSOR,
                             "the cursor is damaged or cut: what stands at byte %zu is no place in a store", offset);
    (void)snprintf(crc, sizeof crc, ".%08x", seg_crc32c(places)); /* fits */
    if (memcmp(places.data + places.size, crc, CRC_DIGITS + 1) != 0)
        return seg_error_set(reterr, SEGUE_INVALID_CURSOR,
                             "the cursor is damaged or cut: the check at byte %zu is not that of what is before it",
                             places.size);
    if (said == FITS) return SEGUE_OK;
    return seg_error_set(reterr, SEGUE_INVALID_CURSOR, "the cursor is not one of a feed of %zu %s", n,
                         seg_word(n, "store", "stores"));
}
