/* L1: numbers as text. */
#include "base/base.h"

bool seg_parse_u64(segue_slice text, uint64_t *ret_value)
{
    if (text.size == 0) return false;
    uint64_t value = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return false;
        uint64_t digit = (uint64_t)(text.data[i] - '0');
        if (value > (UINT64_MAX - digit) / 10) return false;
        value = value * 10 + digit;
    }
    *ret_value = value;
    return true;
}

size_t seg_format_u64(uint64_t value, char out[21])
{
    char reversed[20];
    size_t n = 0;
    do {
        reversed[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    for (size_t i = 0; i < n; i++) out[i] = reversed[n - 1 - i];
    out[n] = 0;
    return n;
}

typedef struct unit {
    const char *name;
    uint64_t factor;
} unit;

/* Digits and one of the units (NULL-terminated; "" is what a bare number means). */
static bool parse_with_unit(const char *text, const unit *units, uint64_t most, uint64_t *ret_value)
{
    size_t n_digits = strspn(text, "0123456789");
    uint64_t number;
    if (!seg_parse_u64(segue_bytes(text, n_digits), &number)) return false;
    for (; units->name; units++) {
        if (strcmp(text + n_digits, units->name) != 0) continue;
        if (number > most / units->factor) return false;
        *ret_value = number * units->factor;
        return true;
    }
    return false;
}

bool seg_parse_size(const char *text, uint64_t *ret_bytes)
{
    static const unit units[] = {{"", 1},           {"k", 1ull << 10}, {"K", 1ull << 10}, {"m", 1ull << 20},
                                 {"M", 1ull << 20}, {"g", 1ull << 30}, {"G", 1ull << 30}, {NULL, 0}};
    return parse_with_unit(text, units, UINT64_MAX, ret_bytes);
}

bool seg_parse_duration(const char *text, int64_t *ret_ns)
{
    enum { second = 1000000000 };
    static const unit units[] = {{"", second},       {"s", second},         {"ms", second / 1000},
                                 {"m", 60ull * second}, {"h", 3600ull * second}, {"d", 86400ull * second},
                                 {NULL, 0}};
    uint64_t ns;
    if (!parse_with_unit(text, units, INT64_MAX, &ns)) return false;
    *ret_ns = (int64_t)ns;
    return true;
}
