/* src/base: URLs, numbers, UTF-8, CRC-32C, sentences, buffers, back-off, statuses, memory that runs out. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/base.h"
#include "base/env.h"
#include "base/retry.h"
#include "base/rules.h"
#include "base/url.h"

static segue_error err;

#define N(array) (sizeof(array) / sizeof *(array))
#define STATUS(expected, call)                                                                                         \
    do {                                                                                                               \
        segue_status got_ = (call);                                                                                    \
        if (got_ != (expected)) fail_msg("%s: %s, expected %s", #call, segue_status_name(got_), #expected);            \
    } while (0)

static void is_text(const char *expected, const char *got)
{
    if (!got || strcmp(expected, got) != 0) fail_msg("\"%s\", expected \"%s\"", got ? got : "(null)", expected);
}

/* ---- URLs ---- */

static segue_url *parsed(const char *text)
{
    segue_url *url = NULL;
    segue_status st = seg_url_parse(text, &url, &err);
    if (st != SEGUE_OK) fail_msg("%s: %s: %s", text, segue_status_name(st), err.message);
    return url;
}

static void a_url_has_scheme_path_and_parameters(void **state)
{
    (void)state;
    segue_url *url = parsed("sqlite:/var/lib/app.db?collection=_system._mobile&sync=full");
    is_text("sqlite", url->scheme);
    is_text("/var/lib/app.db", segue_url_path(url));
    is_text("_system._mobile", segue_url_param(url, "collection"));
    is_text("full", segue_url_param(url, "sync"));
    assert_null(segue_url_param(url, "other"));
    assert_null(url->rest);
    seg_url_free(&url);
    assert_null(url);
    seg_url_free(&url); /* legal */
}

static void a_path_may_be_empty_and_a_value_may_be_empty(void **state)
{
    (void)state;
    segue_url *url = parsed("mem:?caps=");
    is_text("", segue_url_path(url));
    is_text("", segue_url_param(url, "caps"));
    seg_url_free(&url);
    url = parsed("mem:?"); /* no parameter at all */
    assert_int_equal(url->n_params, 0);
    seg_url_free(&url);
}

static void percent_escapes_are_resolved_in_path_and_values(void **state)
{
    (void)state;
    segue_url *url = parsed("sqlite:a%3Fb%25%20c?x=%26%3d%2B%c3%A9&y=a=b+c");
    is_text("a?b% c", segue_url_path(url));
    is_text("&=+\xc3\xa9", segue_url_param(url, "x"));
    is_text("a=b+c", segue_url_param(url, "y")); /* '+' is no space, and only the first '=' divides */
    seg_url_free(&url);
}

static void filters_leave_the_rest_as_a_url_of_its_own(void **state)
{
    (void)state;
    segue_url *url = parsed("stats+trace+mem:x?caps=-move");
    is_text("stats", url->scheme);
    is_text("trace+mem:x?caps=-move", url->rest);
    is_text("", segue_url_path(url));
    segue_url *below = parsed(url->rest);
    is_text("trace", below->scheme);
    is_text("mem:x?caps=-move", below->rest);
    seg_url_free(&below);
    seg_url_free(&url);
}

/* A URL in a URL in a URL comes out as it went in. */
static void nested_urls_survive_encoding(void **state)
{
    (void)state;
    static const char inner[] = "rosmar:/a b/50%+x&y?collection=s.c";
    segue_buf middle = {0}, outer = {0};
    assert_int_equal(segue_buf_append(&middle, "dual:?primary=", 14), SEGUE_OK);
    assert_int_equal(seg_url_encode(segue_str(inner), &middle), SEGUE_OK);
    assert_int_equal(segue_buf_append(&middle, "&fallback=mem:", 15), SEGUE_OK); /* with its final zero */
    assert_int_equal(segue_buf_append(&outer, "dual:?primary=", 14), SEGUE_OK);
    assert_int_equal(seg_url_encode(segue_str(middle.data), &outer), SEGUE_OK);
    assert_int_equal(segue_buf_append(&outer, "", 1), SEGUE_OK);
    segue_url *top = parsed(outer.data);
    is_text(middle.data, segue_url_param(top, "primary"));
    segue_url *second = parsed(segue_url_param(top, "primary"));
    is_text(inner, segue_url_param(second, "primary"));
    is_text("mem:", segue_url_param(second, "fallback"));
    seg_url_free(&second);
    seg_url_free(&top);
    segue_buf_free(&outer);
    segue_buf_free(&middle);
}

/* Every byte that can stand in a value comes back. */
static void every_byte_survives_encoding(void **state)
{
    (void)state;
    char all[256];
    for (int i = 1; i < 256; i++) all[i - 1] = (char)i;
    all[255] = 0;
    segue_buf text = {0};
    assert_int_equal(segue_buf_append(&text, "mem:?v=", 7), SEGUE_OK);
    assert_int_equal(seg_url_encode(segue_str(all), &text), SEGUE_OK);
    for (size_t i = 0; i < text.size; i++)
        if ((unsigned char)text.data[i] <= 0x20 || (unsigned char)text.data[i] >= 0x7f)
            fail_msg("byte %#x is not encoded", (unsigned char)text.data[i]);
    assert_int_equal(segue_buf_append(&text, "", 1), SEGUE_OK);
    segue_url *url = parsed(text.data);
    is_text(all, segue_url_param(url, "v"));
    seg_url_free(&url);
    segue_buf_free(&text);
}

static void bad_urls_are_refused_with_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *url, *says;
    } rows[] = {
        {"", "scheme"},
        {"app.db", "scheme"},
        {":x", "scheme"},
        {"+mem:", "scheme"},
        {"SQLITE:x", "scheme"},
        {"mem", "scheme"},
        {"mem:%", "percent-escape at byte 4"},
        {"mem:ab%4", "percent-escape at byte 6"},
        {"mem:%zz", "percent-escape"},
        {"mem:%00", "percent-escape"},
        {"mem:?a=%0", "percent-escape at byte 7"},
        {"mem:?a", "name=value at byte 5"},
        {"mem:?=b", "name=value"},
        {"mem:?a=1&&b=2", "name=value at byte 9"},
        {"mem:?a=1&b", "name=value at byte 9"},
        {"mem:?a=1&a=2", "parameter a twice"},
        {"mem:?a=1&%61=2", "parameter a twice"},
        {"mem:?a=1&b=1&c=1&d=1&e=1&f=1&g=1&h=1&i=1&j=1&k=1&l=1&m=1&n=1&o=1&p=1&q=1", "more than 16"},
    };
    for (size_t i = 0; i < N(rows); i++) {
        segue_url *url = NULL;
        segue_status st = seg_url_parse(rows[i].url, &url, &err);
        if (st != SEGUE_INVALID_URL) fail_msg("%s: %s", rows[i].url, segue_status_name(st));
        if (!strstr(err.message, rows[i].says))
            fail_msg("%s: \"%s\" lacks \"%s\"", rows[i].url, err.message, rows[i].says);
        assert_null(url);
    }
    segue_url *url = NULL;
    STATUS(SEGUE_INVALID_URL, seg_url_parse(NULL, &url, NULL));
}

static void the_length_of_a_url_is_bounded(void **state)
{
    (void)state;
    static char text[SEG_URL_MAX + 2];
    memset(text, 'x', sizeof text - 1);
    memcpy(text, "mem:", 4);
    segue_url *url = NULL;
    STATUS(SEGUE_INVALID_URL, seg_url_parse(text, &url, &err));
    text[SEG_URL_MAX] = 0;
    STATUS(SEGUE_OK, seg_url_parse(text, &url, &err));
    assert_int_equal(strlen(segue_url_path(url)), SEG_URL_MAX - 4);
    seg_url_free(&url);
}

static void an_unknown_parameter_is_named(void **state)
{
    (void)state;
    segue_url *url = parsed("sqlite:x?collection=a.b&colection=c.d");
    segue_call call = {.err = &err, .env = segue_env_default()};
    static const char *const known[] = {"collection", "sync", NULL}, *const both[] = {"colection", "collection", NULL};
    STATUS(SEGUE_INVALID_URL, segue_url_only(url, known, &call));
    is_text("a sqlite: URL has no parameter \"colection\"", err.message);
    STATUS(SEGUE_OK, segue_url_only(url, both, &call));
    seg_url_free(&url);
}

/* ---- numbers ---- */

static void unsigned_numbers_are_digits_and_nothing_else(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t value;
    } good[] = {{"0", 0}, {"7", 7}, {"007", 7}, {"18446744073709551615", UINT64_MAX}};
    static const char *const bad[] = {
        "", " 1", "1 ", "+1", "-1", "0x1", "1.", "1e3", "1,0", "18446744073709551616", "99999999999999999999999"};
    uint64_t value = 42;
    for (size_t i = 0; i < N(good); i++)
        if (!seg_parse_u64(segue_str(good[i].text), &value) || value != good[i].value) fail_msg("%s", good[i].text);
    value = 42;
    for (size_t i = 0; i < N(bad); i++)
        if (seg_parse_u64(segue_str(bad[i]), &value) || value != 42) fail_msg("read as a number: \"%s\"", bad[i]);
}

static void numbers_are_written_as_they_are_read(void **state)
{
    (void)state;
    static const uint64_t values[] = {0, 1, 9, 10, 99, 4294967296u, UINT64_MAX - 1, UINT64_MAX};
    for (size_t i = 0; i < N(values); i++) {
        char text[21];
        uint64_t back = ~values[i];
        size_t n = seg_format_u64(values[i], text);
        assert_int_equal(n, strlen(text));
        assert_true(seg_parse_u64(segue_bytes(text, n), &back));
        assert_true(back == values[i]);
    }
}

static void sizes_and_durations_have_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t value;
    } sizes[] = {{"0", 0},
                 {"100", 100},
                 {"64k", 65536},
                 {"1K", 1024},
                 {"20M", 20971520},
                 {"2G", 1ull << 31},
                 {"17179869183G", 17179869183ull << 30}};
    static const char *const no_sizes[] = {"", "k", "1kb", "1 k", "-1", "1.5M", "1T", "17179869184G", "0x10"};
    static const struct {
        const char *text;
        int64_t value;
    } durations[] = {{"0", 0},
                     {"3", 3000000000},
                     {"250ms", 250000000},
                     {"30s", 30000000000},
                     {"5m", 300000000000},
                     {"2h", 7200000000000},
                     {"1d", 86400000000000},
                     {"106751d", 106751ll * 86400 * 1000000000}};
    static const char *const no_durations[] = {"", "s", "1 s", "-1s", "1w", "1.5h", "1M", "106752d", "9223372037"};
    uint64_t bytes = 0;
    int64_t ns = 0;
    for (size_t i = 0; i < N(sizes); i++)
        if (!seg_parse_size(sizes[i].text, &bytes) || bytes != sizes[i].value) fail_msg("%s", sizes[i].text);
    for (size_t i = 0; i < N(no_sizes); i++)
        if (seg_parse_size(no_sizes[i], &bytes)) fail_msg("read as a size: \"%s\"", no_sizes[i]);
    for (size_t i = 0; i < N(durations); i++)
        if (!seg_parse_duration(durations[i].text, &ns) || ns != durations[i].value) fail_msg("%s", durations[i].text);
    for (size_t i = 0; i < N(no_durations); i++)
        if (seg_parse_duration(no_durations[i], &ns)) fail_msg("read as a duration: \"%s\"", no_durations[i]);
}

/* ---- bytes ---- */

static void utf8_is_told_from_what_is_not(void **state)
{
    (void)state;
    static const char *const good[] = {"",
                                       "abc",
                                       "\x7f",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf",
                                       "\xe4\xb8\xad\xe6\x96\x87\xf0\x9f\x98\x80\xc3\xa9"};
    static const char *const bad[] = {"\x80",
                                      "\xbf",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc2",
                                      "\xc2\x41",
                                      "\xe0\x9f\xbf",
                                      "\xe1\x80",
                                      "\xed\xa0\x80",
                                      "\xed\xbf\xbf",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf0\x90\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xff",
                                      "\xfe",
                                      "a\xc3"};
    for (size_t i = 0; i < N(good); i++)
        if (!seg_utf8_valid(segue_str(good[i]))) fail_msg("good row %zu", i);
    for (size_t i = 0; i < N(bad); i++)
        if (seg_utf8_valid(segue_str(bad[i]))) fail_msg("bad row %zu", i);
    assert_true(seg_utf8_valid(segue_bytes("a\0b", 3)));
}

static void crc32c_gives_the_published_values(void **state)
{
    (void)state;
    char bytes[32];
    assert_int_equal(seg_crc32c(segue_str("")), 0);
    assert_int_equal(seg_crc32c(segue_str("123456789")), 0xe3069283);
    memset(bytes, 0, sizeof bytes); /* RFC 3720, B.4 */
    assert_int_equal(seg_crc32c(segue_bytes(bytes, 32)), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(seg_crc32c(segue_bytes(bytes, 32)), 0x62a8ab43);
    for (int i = 0; i < 32; i++) bytes[i] = (char)i;
    assert_int_equal(seg_crc32c(segue_bytes(bytes, 32)), 0x46dd794e);
    for (int i = 0; i < 32; i++) bytes[i] = (char)(31 - i);
    assert_int_equal(seg_crc32c(segue_bytes(bytes, 32)), 0x113fdb5c);
}

static void slices_are_ordered_as_unsigned_bytes(void **state)
{
    (void)state;
    static const char *const rising[] = {"", "a", "a\x01", "aa", "ab", "b", "\x7f", "\x80", "\xff", "\xff\xff"};
    for (size_t i = 0; i < N(rising); i++)
        for (size_t k = 0; k < N(rising); k++) {
            int c = segue_slice_compare(segue_str(rising[i]), segue_str(rising[k]));
            if ((c < 0) != (i < k) || (c == 0) != (i == k)) fail_msg("rows %zu and %zu: %d", i, k, c);
            assert_int_equal(segue_slice_equal(segue_str(rising[i]), segue_str(rising[k])), i == k);
        }
    assert_true(segue_slice_starts_with(segue_str("abc"), segue_str("ab")));
    assert_true(segue_slice_starts_with(segue_str("abc"), segue_str("")));
    assert_false(segue_slice_starts_with(segue_str("ab"), segue_str("abc")));
}

static void a_buffer_grows_to_its_maximum_and_never_holds_half(void **state)
{
    (void)state;
    segue_buf buf = {.max = 100};
    for (int i = 0; i < 10; i++) STATUS(SEGUE_OK, segue_buf_append(&buf, "0123456789", 10));
    assert_int_equal(buf.size, 100);
    STATUS(SEGUE_TOO_BIG, segue_buf_reserve(&buf, 1));
    assert_int_equal(buf.size, 100); /* reserve changes nothing */
    STATUS(SEGUE_TOO_BIG, segue_buf_append(&buf, "x", 1));
    assert_int_equal(buf.size, 0);
    STATUS(SEGUE_TOO_BIG, segue_buf_reserve(&buf, SIZE_MAX));
    STATUS(SEGUE_OK, segue_buf_append(&buf, "again", 5));
    assert_true(segue_slice_equal(segue_buf_slice(&buf), segue_str("again")));
    segue_buf_free(&buf);
    assert_null(buf.data);
    assert_int_equal(buf.max, 100);
    assert_non_null(segue_buf_slice(&buf).data); /* empty, not none */
    segue_buf_free(&buf);
}

/* ---- sentences ---- */

static void keys_are_quoted_printably_and_shortened(void **state)
{
    (void)state;
    char out[SEG_QUOTED_MAX];
    is_text("\"_sync:user:a\"", seg_quote(segue_str("_sync:user:a"), out));
    is_text("\"\"", seg_quote(segue_str(""), out));
    is_text("\"a\\\"b\\\\c\"", seg_quote(segue_str("a\"b\\c"), out));
    is_text("\"\\x00\\x0a\\xc3\\xa9\\x7f\"", seg_quote(segue_bytes("\0\n\xc3\xa9\x7f", 5), out));
    char bytes[300];
    for (int fill = 1; fill < 256; fill++)
        for (size_t size = 0; size < sizeof bytes; size += size < 90 ? 1 : 97) {
            memset(bytes, fill, size);
            memset(out, '#', sizeof out);
            (void)seg_quote(segue_bytes(bytes, size), out); /* under ASan: never past its end */
            size_t n = strnlen(out, sizeof out);
            if (n >= sizeof out || out[0] != '"' || out[n - 1] != '"') fail_msg("%d, %zu bytes: no end", fill, size);
        }
    memset(bytes, 'x', sizeof bytes);
    is_text("...\"", strstr(seg_quote(segue_bytes(bytes, 250), out), "..."));
}

static void an_error_is_filled_and_cut_visibly(void **state)
{
    (void)state;
    segue_error e = {.native = 7};
    segue_call call = {.err = &e};
    STATUS(SEGUE_NOT_FOUND, segue_fail(&call, SEGUE_NOT_FOUND, "%s has no \"%s\"", "mem:", "k"));
    assert_int_equal(e.status, SEGUE_NOT_FOUND);
    assert_int_equal(e.native, 0);
    is_text("mem: has no \"k\"", e.message);
    STATUS(SEGUE_TOO_BIG, seg_error_set(&e, SEGUE_TOO_BIG, "%0400d", 1));
    assert_int_equal(strlen(e.message), sizeof e.message - 1);
    is_text("...", e.message + sizeof e.message - 4);
    STATUS(SEGUE_EXISTS, segue_fail(NULL, SEGUE_EXISTS, "nobody listens"));
    call.err = NULL;
    STATUS(SEGUE_EXISTS, segue_fail(&call, SEGUE_EXISTS, "nobody listens"));
    STATUS(SEGUE_EXISTS, seg_error_set(NULL, SEGUE_EXISTS, "nobody listens"));
}

static void a_failure_without_words_gets_those_of_its_status(void **state)
{
    (void)state;
    segue_error e = {.status = SEGUE_NO_MEMORY};
    STATUS(SEGUE_NO_MEMORY, seg_error_told(&e, SEGUE_NO_MEMORY, "the store"));
    is_text("the store: out of memory", e.message);
    (void)seg_error_set(&e, SEGUE_NO_MEMORY, "own words");
    STATUS(SEGUE_NO_MEMORY, seg_error_told(&e, SEGUE_NO_MEMORY, "the store"));
    is_text("own words", e.message);
    STATUS(SEGUE_OK, seg_error_told(&e, SEGUE_OK, "the store"));
    is_text("own words", e.message);
    STATUS(SEGUE_TIMEOUT, seg_error_told(&e, SEGUE_TIMEOUT, "the store"));
    if (strncmp(e.message, "the store: ", 11) != 0 || e.status != SEGUE_TIMEOUT) fail_msg("%s", e.message);
    STATUS(SEGUE_TIMEOUT, seg_error_told(NULL, SEGUE_TIMEOUT, "the store"));
}

static void errno_becomes_a_status_that_can_be_acted_on(void **state)
{
    (void)state;
    static const struct {
        int number;
        segue_status status;
    } rows[] = {{ENOENT, SEGUE_NO_STORE},
                {EACCES, SEGUE_ACCESS_DENIED},
                {EROFS, SEGUE_READ_ONLY},
                {ENOSPC, SEGUE_NO_SPACE},
                {EDQUOT, SEGUE_NO_SPACE},
                {ENOMEM, SEGUE_NO_MEMORY},
                {EISDIR, SEGUE_WRONG_FORMAT},
                {EINTR, SEGUE_UNAVAILABLE},
                {ETIMEDOUT, SEGUE_TIMEOUT},
                {EIO, SEGUE_IO_ERROR},
                {0, SEGUE_OK}};
    for (size_t i = 0; i < N(rows); i++) STATUS(rows[i].status, seg_status_of_errno(rows[i].number));
}

/* ---- statuses ---- */

static void every_status_has_name_text_and_exit_code(void **state)
{
    (void)state;
    static const struct {
        int number;
        const char *name;
    } rows[] = {
#define SEGUE_STATUS(name, number, class, exit_code, text) {number, #name},
#include <segue/status.def>
#undef SEGUE_STATUS
    };
    for (size_t i = 0; i < N(rows); i++) {
        segue_status st = (segue_status)rows[i].number;
        assert_int_equal(rows[i].number, (int)i); /* no holes, none twice */
        is_text(rows[i].name, segue_status_name(st));
        assert_true(strlen(segue_status_text(st)) > 5);
        assert_in_range(segue_status_exit_code(st), 0, 5);
        assert_true((segue_status_exit_code(st) == 0) == (st == SEGUE_OK || st == SEGUE_END));
        int classes = segue_status_is_conflict(st) + segue_status_is_retryable(st) + segue_status_is_input(st) +
                      segue_status_is_maybe_applied(st);
        assert_in_range(classes, 0, 1); /* worth repeating, and perhaps applied: never both */
    }
    is_text("?", segue_status_name((segue_status)N(rows)));
    is_text("?", segue_status_name((segue_status)-1));
    assert_int_equal(segue_status_exit_code((segue_status)1000), 1);
    is_text("a status that this version does not know", segue_status_text((segue_status)1000));
    assert_false(segue_status_is_retryable((segue_status)1000) || segue_status_is_input((segue_status)1000));
    assert_true(segue_status_is_conflict(SEGUE_EXISTS) && segue_status_is_conflict(SEGUE_CAS_MISMATCH));
    assert_true(segue_status_is_maybe_applied(SEGUE_MAYBE_APPLIED) && segue_status_is_retryable(SEGUE_TIMEOUT));
}

/* ---- the world ---- */

static void the_real_world_has_clocks_and_chance(void **state)
{
    (void)state;
    const segue_env *env = segue_env_default();
    int64_t before = seg_mono_ns(env);
    seg_sleep_ns(env, 2000000);
    int64_t slept = seg_mono_ns(env) - before;
    if (before <= 0 || slept < 1000000) fail_msg("slept %lld ns from %lld", (long long)slept, (long long)before);
    assert_true(seg_wall_s(env) > 1577836800u); /* after 2020 */
    assert_true(seg_random_u64(env) != seg_random_u64(env));
}

typedef struct fake {
    int64_t now, slept, longest;
    uint64_t seed;
    unsigned sleeps;
} fake;

static int64_t fake_now(void *ctx) { return ((fake *)ctx)->now; }
static void fake_sleep(void *ctx, int64_t ns)
{
    fake *f = ctx;
    f->now += ns;
    f->slept += ns;
    f->sleeps++;
    if (ns > f->longest) f->longest = ns;
}
static void fake_random(void *ctx, void *out, size_t size)
{
    fake *f = ctx;
    f->seed = f->seed * 6364136223846793005u + 1442695040888963407u;
    uint64_t value = f->seed >> 7;
    memcpy(out, &value, size < sizeof value ? size : sizeof value);
}

static segue_env fake_env(fake *f) { return (segue_env){f, fake_now, fake_now, fake_sleep, fake_random}; }

static void back_off_doubles_to_its_cap_and_spreads(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 50; seed++) {
        fake f = {.now = 1, .seed = seed};
        segue_env env = fake_env(&f);
        seg_backoff b;
        seg_backoff_init(&b, 1000, 16000);
        int64_t most = 1000;
        for (int i = 0; i < 10; i++) {
            int64_t before = f.slept;
            assert_true(seg_backoff_wait(&b, &env, 0));
            int64_t wait = f.slept - before;
            if (wait < 1 || wait > most) fail_msg("seed %d, wait %d: %d of %d", (int)seed, i, (int)wait, (int)most);
            most = most * 2 > 16000 ? 16000 : most * 2;
        }
        if (f.longest <= 4000) fail_msg("seed %d never waited long: %d", (int)seed, (int)f.longest);
    }
}

static void back_off_ends_at_the_deadline(void **state)
{
    (void)state;
    fake f = {.now = 1000, .seed = 7};
    segue_env env = fake_env(&f);
    seg_backoff b;
    seg_backoff_init(&b, 1000000, 1000000000);
    const int64_t deadline = 1000 + 5000000;
    unsigned waits = 0;
    while (seg_backoff_wait(&b, &env, deadline)) waits++;
    assert_int_equal(f.now, deadline); /* not past it, not short of it */
    assert_int_equal(f.sleeps, waits);
    assert_in_range(waits, 1, 1000);
    assert_false(seg_backoff_wait(&b, &env, deadline));
    assert_int_equal(f.sleeps, waits); /* at once */
}

static void back_off_of_any_length_does_not_overflow(void **state)
{
    (void)state;
    fake f = {.now = 1, .seed = 3};
    segue_env env = fake_env(&f);
    seg_backoff b;
    seg_backoff_init(&b, 1000000000, INT64_MAX);
    for (int i = 0; i < 200; i++) {
        f.now = 1;
        assert_true(seg_backoff_wait(&b, &env, 1000));
    }
}

static void back_off_without_time_waits_for_nothing(void **state)
{
    (void)state;
    fake f = {.now = 1, .seed = 3};
    segue_env env = fake_env(&f);
    seg_backoff b;
    seg_backoff_init(&b, 0, 0);
    for (int i = 0; i < 3; i++) assert_true(seg_backoff_wait(&b, &env, 0));
    assert_int_equal(f.slept, 0);
}

/* ---- log ---- */

static char lines[4][64];
static int n_lines;

static void keep(void *ctx, segue_log_level level, const char *line)
{
    assert_ptr_equal(ctx, lines);
    if (n_lines < 4) (void)snprintf(lines[n_lines++], sizeof lines[0], "%d %s", (int)level, line);
}

static void log_lines_go_to_the_sink_up_to_its_level(void **state)
{
    (void)state;
    seg_log(SEGUE_LOG_ERROR, "nobody=listens");
    segue_set_log(keep, lines, SEGUE_LOG_INFO);
    seg_log(SEGUE_LOG_DEBUG, "too=much");
    seg_log(SEGUE_LOG_INFO, "event=%s n=%d", "open", 3);
    seg_log(SEGUE_LOG_ERROR, "event=bad");
    segue_set_log(NULL, NULL, SEGUE_LOG_DEBUG);
    seg_log(SEGUE_LOG_ERROR, "nobody=listens");
    assert_int_equal(n_lines, 2);
    is_text("2 event=open n=3", lines[0]);
    is_text("0 event=bad", lines[1]);
}

/* ---- rules ---- */

static void a_rule_is_switched_by_its_name(void **state)
{
    (void)state;
    assert_false(seg_rule_switch("NO_SUCH_RULE", false));
    assert_true(SEG_RULE(THIRD_READ) && SEG_RULE(CAS_FLOOR));
    assert_true(seg_rule_switch("THIRD_READ", false));
    assert_false(SEG_RULE(THIRD_READ));
    assert_true(SEG_RULE(CAS_FLOOR)); /* the others hold */
    assert_true(seg_rule_switch("THIRD_READ", true));
    assert_true(SEG_RULE(THIRD_READ));
}

/* ---- memory ---- */

static int allocations_left = -1; /* -1: no end */
static int allocations_live;

static void *counted_realloc(void *ctx, void *memory, size_t size)
{
    (void)ctx;
    if (allocations_left == 0) return NULL;
    if (allocations_left > 0) allocations_left--;
    if (!memory) allocations_live++;
    return realloc(memory, size);
}

static void counted_free(void *ctx, void *memory)
{
    (void)ctx;
    allocations_live -= memory != NULL;
    free(memory);
}

/* Runs `work` with 0, 1, 2, ... allocations until it succeeds; each failure is NO_MEMORY and leaks nothing. */
static void fail_every_allocation(segue_status (*work)(void))
{
    static const segue_allocator counted = {NULL, counted_realloc, counted_free};
    segue_set_allocator(&counted);
    segue_status st = SEGUE_NO_MEMORY;
    int n = -1;
    while (st == SEGUE_NO_MEMORY && n < 1000) {
        allocations_left = ++n;
        st = work();
        allocations_left = -1;
        if (allocations_live != 0) break;
    }
    segue_set_allocator(NULL);
    if (allocations_live != 0) fail_msg("%d allocations leak after the one numbered %d failed", allocations_live, n);
    STATUS(SEGUE_OK, st);
    if (n == 0) fail_msg("nothing was allocated: this shows nothing");
}

static segue_status parse_a_url(void)
{
    segue_url *url = NULL;
    segue_status st = seg_url_parse("stats:some%20path?a=1&b=%32&c=3", &url, NULL);
    if (st != SEGUE_OK && url) return SEGUE_CORRUPT;
    seg_url_free(&url);
    if (st == SEGUE_OK) st = seg_url_parse("stats+trace+mem:", &url, NULL);
    seg_url_free(&url);
    return st;
}

static segue_status fill_a_buffer(void)
{
    segue_buf buf = {0};
    segue_status st = SEGUE_OK;
    for (int i = 0; i < 100 && st == SEGUE_OK; i++) st = segue_buf_append(&buf, "0123456789", 10);
    if (st != SEGUE_OK && buf.size != 0) st = SEGUE_CORRUPT; /* half a text */
    if (st == SEGUE_OK && buf.size != 1000) st = SEGUE_CORRUPT;
    segue_buf_free(&buf);
    return st;
}

static void running_out_of_memory_is_a_status_and_leaks_nothing(void **state)
{
    (void)state;
    fail_every_allocation(parse_a_url);
    fail_every_allocation(fill_a_buffer);
}

static void sizes_of_zero_are_legal(void **state)
{
    (void)state;
    void *memory = seg_alloc(0);
    assert_non_null(memory);
    memory = seg_realloc(memory, 0);
    assert_non_null(memory);
    seg_free(memory);
    seg_free(NULL);
    char *zeroes = seg_alloc_zero(16);
    for (int i = 0; i < 16; i++) assert_int_equal(zeroes[i], 0);
    seg_free(zeroes);
    SEG_AUTO_STRING copy = seg_strndup("abcdef", 3);
    is_text("abc", copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_has_scheme_path_and_parameters),
        cmocka_unit_test(a_path_may_be_empty_and_a_value_may_be_empty),
        cmocka_unit_test(percent_escapes_are_resolved_in_path_and_values),
        cmocka_unit_test(filters_leave_the_rest_as_a_url_of_its_own),
        cmocka_unit_test(nested_urls_survive_encoding),
        cmocka_unit_test(every_byte_survives_encoding),
        cmocka_unit_test(bad_urls_are_refused_with_what_is_wrong),
        cmocka_unit_test(the_length_of_a_url_is_bounded),
        cmocka_unit_test(an_unknown_parameter_is_named),
        cmocka_unit_test(unsigned_numbers_are_digits_and_nothing_else),
        cmocka_unit_test(numbers_are_written_as_they_are_read),
        cmocka_unit_test(sizes_and_durations_have_units),
        cmocka_unit_test(utf8_is_told_from_what_is_not),
        cmocka_unit_test(crc32c_gives_the_published_values),
        cmocka_unit_test(slices_are_ordered_as_unsigned_bytes),
        cmocka_unit_test(a_buffer_grows_to_its_maximum_and_never_holds_half),
        cmocka_unit_test(keys_are_quoted_printably_and_shortened),
        cmocka_unit_test(an_error_is_filled_and_cut_visibly),
        cmocka_unit_test(a_failure_without_words_gets_those_of_its_status),
        cmocka_unit_test(errno_becomes_a_status_that_can_be_acted_on),
        cmocka_unit_test(every_status_has_name_text_and_exit_code),
        cmocka_unit_test(the_real_world_has_clocks_and_chance),
        cmocka_unit_test(back_off_doubles_to_its_cap_and_spreads),
        cmocka_unit_test(back_off_ends_at_the_deadline),
        cmocka_unit_test(back_off_of_any_length_does_not_overflow),
        cmocka_unit_test(back_off_without_time_waits_for_nothing),
        cmocka_unit_test(log_lines_go_to_the_sink_up_to_its_level),
        cmocka_unit_test(a_rule_is_switched_by_its_name),
        cmocka_unit_test(running_out_of_memory_is_a_status_and_leaks_nothing),
        cmocka_unit_test(sizes_of_zero_are_legal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
