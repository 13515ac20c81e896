/* The xattr section and the envelope: their bytes are fixed, what was encoded comes back, and whatever else comes in is
 * found out as damaged. */
#include "records.h"

#include "doc/codec.h"

static void assert_bytes(const void *want, size_t size, segue_slice got, int line)
{
    if (got.size != size) fail_msg("line %d: %zu bytes, expected %zu", line, got.size, size);
    for (size_t i = 0; i < size; i++)
        if (((const unsigned char *)want)[i] != (unsigned char)got.data[i])
            fail_msg("line %d: byte %zu is 0x%02x, expected 0x%02x", line, i, (unsigned char)got.data[i],
                     ((const unsigned char *)want)[i]);
}
#define ASSERT_BYTES(want, got) assert_bytes((want), sizeof(want) - 1, (got), __LINE__)

/* ---- xattr section ---- */

/* Into memory of just that size, so that a read past the end is seen by the sanitizer. */
static segue_status decode_xattrs(const void *bytes, size_t size, size_t *ret_n)
{
    static segue_xattr slots[SEGUE_XATTRS_MAX];
    char *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    segue_status st = seg_xattrs_decode(segue_bytes(copy, size), slots, ret_n);
    free(copy);
    return st;
}

static void the_section_has_the_bytes_of_a_feed(void **state)
{
    (void)state;
    static const char want[] = "\0\0\0\x0c"
                               "_sync\0{\"a\"}\0"
                               "\0\0\0\x04"
                               "u\0"
                               "1\0";
    segue_xattr xattrs[] = {{K("_sync"), K("{\"a\"}")}, {K("u"), K("1")}};
    SEG_AUTO(segue_buf) out = {0};
    ASSERT_OK(segue_buf_append(&out, "before", 6)); /* it appends */
    ASSERT_OK(seg_xattrs_encode(xattrs, 2, &out));
    ASSERT_BYTES(want, segue_bytes(out.data + 6, out.size - 6));
}

static void the_section_comes_back_in_order_of_name(void **state)
{
    (void)state;
    segue_xattr given[SEGUE_XATTRS_MAX], slots[SEGUE_XATTRS_MAX];
    size_t n = xattrs_of("u=1,_b={},a=[1],_a=\"x y\"", given), n_back = 0;
    SEG_AUTO(segue_buf) out = {0};
    ASSERT_OK(seg_xattrs_encode(given, n, &out));
    ASSERT_OK(seg_xattrs_decode(segue_buf_slice(&out), slots, &n_back));
    char shown[SHOWN_MAX];
    segue_record rec = {.xattrs = slots, .n_xattrs = n_back, .is_tombstone = true};
    assert_string_equal("T{_a=\"x y\",_b={},a=[1],u=1}", show_record(&rec, shown));
    for (size_t i = 0; i < n_back; i++)
        assert_true(slots[i].name.data >= out.data && slots[i].value.data < out.data + out.size);
}

/* None is JSON, but that is for others to say. */
static void a_value_without_a_byte_comes_back(void **state)
{
    (void)state;
    segue_xattr given = {K("u"), K("")}, slots[SEGUE_XATTRS_MAX];
    size_t n = 0;
    SEG_AUTO(segue_buf) out = {0};
    ASSERT_OK(seg_xattrs_encode(&given, 1, &out));
    ASSERT_BYTES("\0\0\0\x03u\0\0", segue_buf_slice(&out));
    ASSERT_OK(seg_xattrs_decode(segue_buf_slice(&out), slots, &n));
    assert_int_equal(n, 1);
    ASSERT_SLICE("u", slots[0].name);
    ASSERT_SLICE("", slots[0].value);
}

static void no_xattrs_are_no_bytes(void **state)
{
    (void)state;
    segue_xattr slots[SEGUE_XATTRS_MAX];
    size_t n = 42;
    SEG_AUTO(segue_buf) out = {0};
    ASSERT_OK(seg_xattrs_encode(NULL, 0, &out));
    assert_int_equal(out.size, 0);
    ASSERT_OK(seg_xattrs_decode(segue_buf_slice(&out), slots, &n));
    assert_int_equal(n, 0);
}

static void a_section_that_is_none_is_damaged(void **state)
{
    (void)state;
#define BYTES(text) text, sizeof(text) - 1
    static const struct {
        const char *why, *bytes;
        size_t size;
    } rows[] = {
        {"a length that is cut", BYTES("\0\0\0")},
        {"no pair after the length", BYTES("\0\0\0\x04")},
        {"a pair that is cut", BYTES("\0\0\0\x04u\0"
                                     "1")},
        {"a length past the end", BYTES("\0\0\0\x05u\0"
                                        "1\0")},
        {"the greatest length", BYTES("\xff\xff\xff\xffu\0"
                                      "1\0")},
        {"a length of 0", BYTES("\0\0\0\0")},
        {"no NUL after the name", BYTES("\0\0\0\x03u11")},
        {"no NUL after the value", BYTES("\0\0\0\x03u\0"
                                         "1")},
        {"nothing but a name", BYTES("\0\0\0\x02u\0")},
        {"bytes after the last pair", BYTES("\0\0\0\x04u\0"
                                            "1\0\0")},
        {"an empty name", BYTES("\0\0\0\x03\0"
                                "1\0")},
        {"a little-endian length", BYTES("\x04\0\0\0u\0"
                                         "1\0")},
        {"a name twice", BYTES("\0\0\0\x04u\0"
                               "1\0\0\0\0\x04u\0"
                               "2\0")},
    };
#undef BYTES
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t n = 42;
        segue_status st = decode_xattrs(rows[i].bytes, rows[i].size, &n);
        if (st != SEGUE_CORRUPT) fail_msg("%s: %s", rows[i].why, segue_status_name(st));
        assert_int_equal(n, 42);
    }
}

static void more_xattrs_than_the_limit_are_damage(void **state)
{
    (void)state;
    char names[SEGUE_XATTRS_MAX + 1][4];
    segue_xattr xattrs[SEGUE_XATTRS_MAX + 1], slots[SEGUE_XATTRS_MAX];
    for (size_t i = 0; i <= SEGUE_XATTRS_MAX; i++) {
        (void)snprintf(names[i], sizeof names[i], "x%02zu", i); /* fits */
        xattrs[i] = (segue_xattr){segue_str(names[i]), K("1")};
    }
    size_t n = 42;
    SEG_AUTO(segue_buf) all = {0}, too_many = {0};
    ASSERT_OK(seg_xattrs_encode(xattrs, SEGUE_XATTRS_MAX, &all));
    ASSERT_OK(seg_xattrs_decode(segue_buf_slice(&all), slots, &n));
    assert_int_equal(n, SEGUE_XATTRS_MAX);
    ASSERT_OK(seg_xattrs_encode(xattrs, SEGUE_XATTRS_MAX + 1, &too_many));
    ASSERT_STATUS(SEGUE_CORRUPT, seg_xattrs_decode(segue_buf_slice(&too_many), slots, &n));
}

/* ---- envelope ---- */

static segue_xattr two_xattrs[2];

static segue_record a_live_record(void)
{
    two_xattrs[0] = (segue_xattr){K("_s"), K("1")};
    two_xattrs[1] = (segue_xattr){K("u"), K("{}")};
    return (segue_record){.key = K("k"),
                          .body = K("{\"b\":2}"),
                          .xattrs = two_xattrs,
                          .n_xattrs = 2,
                          .cas = UINT64_C(0x1122334455667788),
                          .revision = UINT64_C(0x0102030405060708),
                          .write_id = UINT64_C(0xA1A2A3A4A5A6A7A8),
                          .expiry = 0xE1E2E3E4,
                          .flags = 0xF1F2F3F4,
                          .is_json = true};
}

static void the_envelope_has_its_fixed_bytes(void **state)
{
    (void)state;
    static const char want[] = "\x01\x02\0\0"                     /* version, bits */
                               "\xf4\xf3\xf2\xf1"                 /* flags */
                               "\xe4\xe3\xe2\xe1"                 /* expiry */
                               "\x88\x77\x66\x55\x44\x33\x22\x11" /* CAS */
                               "\x08\x07\x06\x05\x04\x03\x02\x01" /* revision */
                               "\xa8\xa7\xa6\xa5\xa4\xa3\xa2\xa1" /* write id */
                               "\x12\0\0\0"                       /* xattrs: 9 and 9 bytes */
                               "\0\0\0\x05_s\0"
                               "1\0"
                               "\0\0\0\x05u\0{}\0"
                               "{\"b\":2}";
    segue_record rec = a_live_record();
    SEG_AUTO(segue_buf) out = {0};
    ASSERT_OK(segue_buf_append(&out, "before", 6)); /* it appends */
    ASSERT_OK(seg_envelope_encode(&rec, &out));
    ASSERT_BYTES(want, segue_bytes(out.data + 6, out.size - 6));
}

static void assert_comes_back(const segue_record *rec, const char *what)
{
    segue_xattr slots[SEGUE_XATTRS_MAX];
    segue_record back = {.key = K("its own")};
    SEG_AUTO(segue_buf) out = {0};
    ASSERT_OK(seg_envelope_encode(rec, &out));
    ASSERT_OK(seg_envelope_decode(segue_buf_slice(&out), slots, &back));
    if (!seg_record_same(rec, &back) || rec->write_id != back.write_id) {
        char want[SHOWN_MAX], got[SHOWN_MAX];
        fail_msg("%s: %s, expected %s", what, show_record(&back, got), show_record(rec, want));
    }
    if ((rec->body.data == NULL) != (back.body.data == NULL)) fail_msg("%s: none and empty are confused", what);
    ASSERT_SLICE("its own", back.key);
    ASSERT_U64(rec->cas, seg_envelope_cas(out.data));
}

static void every_kind_of_record_comes_back(void **state)
{
    (void)state;
    segue_record rec = a_live_record();
    assert_comes_back(&rec, "live");
    rec.is_json = false;
    rec.body = segue_bytes("\0\xff\0", 3);
    assert_comes_back(&rec, "binary");
    rec.body = segue_bytes("", 0);
    assert_comes_back(&rec, "an empty body");
    rec.n_xattrs = 0;
    rec.xattrs = NULL;
    assert_comes_back(&rec, "an empty body without xattrs");
    segue_record tombstone = {.is_tombstone = true, .cas = 7, .revision = 3};
    assert_comes_back(&tombstone, "a bare tombstone");
    tombstone.xattrs = a_live_record().xattrs;
    tombstone.n_xattrs = 1;
    assert_comes_back(&tombstone, "a tombstone with an xattr");
    segue_record most = {.body = K("1"),
                         .cas = UINT64_MAX,
                         .revision = UINT64_MAX,
                         .write_id = UINT64_MAX,
                         .expiry = UINT32_MAX,
                         .flags = UINT32_MAX};
    assert_comes_back(&most, "the greatest numbers");
}

static void the_cas_can_be_set_later(void **state)
{
    (void)state;
    segue_record rec = a_live_record(), back = {0};
    segue_xattr slots[SEGUE_XATTRS_MAX];
    SEG_AUTO(segue_buf) out = {0};
    ASSERT_OK(seg_envelope_encode(&rec, &out));
    seg_envelope_set_cas(out.data, UINT64_C(0x8070605040302010));
    ASSERT_U64(UINT64_C(0x8070605040302010), seg_envelope_cas(out.data));
    ASSERT_OK(seg_envelope_decode(segue_buf_slice(&out), slots, &back));
    rec.cas = UINT64_C(0x8070605040302010);
    assert_true(seg_record_same(&rec, &back));
}

static segue_status decode_envelope(const char *bytes, size_t size)
{
    segue_xattr slots[SEGUE_XATTRS_MAX];
    segue_record rec = {0};
    char *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    segue_status st = seg_envelope_decode(segue_bytes(copy, size), slots, &rec);
    free(copy);
    return st;
}

/* A byte of the header that nobody writes, set. */
static void a_header_that_is_not_ours_is_damaged(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        size_t at;
        unsigned char value;
    } rows[] = {
        {"version 0", 0, 0},
        {"version 2", 0, 2},
        {"a bit that means nothing", 1, 4},
        {"the highest bit", 1, 0x80},
        {"reserved", 2, 1},
        {"reserved", 3, 1},
        {"xattrs past the end", 36, 0xff},
        {"xattrs far past the end", 39, 0xff},
        {"xattrs that are cut", 36, 17},
        {"xattrs that reach into the body", 36, 19},
        {"a tombstone with a body", 1, 1},
    };
    segue_record rec = a_live_record();
    SEG_AUTO(segue_buf) out = {0};
    ASSERT_OK(seg_envelope_encode(&rec, &out));
    ASSERT_OK(decode_envelope(out.data, out.size));
    for (size_t i = 0; i < COUNT(rows); i++) {
        char before = out.data[rows[i].at];
        out.data[rows[i].at] = (char)rows[i].value;
        segue_status st = decode_envelope(out.data, out.size);
        if (st != SEGUE_CORRUPT) fail_msg("%s: %s", rows[i].why, segue_status_name(st));
        out.data[rows[i].at] = before;
    }
}

/* What is cut within header or xattrs is found out; cut within the body, it is a shorter body: the engine knows the size. */
static void an_envelope_that_is_cut_is_damaged(void **state)
{
    (void)state;
    segue_record rec = a_live_record();
    SEG_AUTO(segue_buf) out = {0};
    ASSERT_OK(seg_envelope_encode(&rec, &out));
    size_t to_body = out.size - rec.body.size;
    for (size_t size = 0; size < to_body; size++) {
        segue_status st = decode_envelope(out.data, size);
        if (st != SEGUE_CORRUPT) fail_msg("cut to %zu of %zu bytes: %s", size, out.size, segue_status_name(st));
    }
    ASSERT_OK(decode_envelope(out.data, to_body));
    segue_record tombstone = {.is_tombstone = true, .cas = 7, .revision = 3, .xattrs = rec.xattrs, .n_xattrs = 2};
    segue_buf_clear(&out);
    ASSERT_OK(seg_envelope_encode(&tombstone, &out));
    for (size_t size = 0; size < out.size; size++) ASSERT_STATUS(SEGUE_CORRUPT, decode_envelope(out.data, size));
    ASSERT_OK(segue_buf_append(&out, "", 1));
    ASSERT_STATUS(SEGUE_CORRUPT, decode_envelope(out.data, out.size));
}

/* ---- memory ---- */

static void running_out_of_memory_is_said_and_leaks_nothing(void **state)
{
    (void)state;
    segue_record rec = a_live_record();
    segue_buf out = {0};
    memory_begin(0);
    segue_status st = seg_envelope_encode(&rec, &out);
    size_t asked = memory_end();
    segue_buf_free(&out);
    ASSERT_OK(st);
    assert_true(asked >= 1);
    for (size_t nth = 1; nth <= asked; nth++) {
        memory_begin(nth);
        st = seg_envelope_encode(&rec, &out);
        (void)memory_end();
        segue_buf_free(&out);
        ASSERT_STATUS(SEGUE_NO_MEMORY, st);
    }
    memory_begin(1);
    st = seg_xattrs_encode(rec.xattrs, rec.n_xattrs, &out);
    (void)memory_end();
    segue_buf_free(&out);
    ASSERT_STATUS(SEGUE_NO_MEMORY, st);
}

static void encoding_into_a_large_buffer_and_decoding_allocate_nothing(void **state)
{
    (void)state;
    segue_record rec = a_live_record(), back = {0};
    segue_xattr slots[SEGUE_XATTRS_MAX];
    SEG_AUTO(segue_buf) out = {0};
    ASSERT_OK(seg_envelope_encode(&rec, &out));
    memory_begin(1);
    segue_buf_clear(&out);
    segue_status encoded = seg_envelope_encode(&rec, &out);
    segue_status decoded = seg_envelope_decode(segue_buf_slice(&out), slots, &back);
    size_t asked = memory_end();
    ASSERT_OK(encoded);
    ASSERT_OK(decoded);
    assert_int_equal(asked, 0);
    assert_true(seg_record_same(&rec, &back));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_section_has_the_bytes_of_a_feed),
        cmocka_unit_test(the_section_comes_back_in_order_of_name),
        cmocka_unit_test(a_value_without_a_byte_comes_back),
        cmocka_unit_test(no_xattrs_are_no_bytes),
        cmocka_unit_test(a_section_that_is_none_is_damaged),
        cmocka_unit_test(more_xattrs_than_the_limit_are_damage),
        cmocka_unit_test(the_envelope_has_its_fixed_bytes),
        cmocka_unit_test(every_kind_of_record_comes_back),
        cmocka_unit_test(the_cas_can_be_set_later),
        cmocka_unit_test(a_header_that_is_not_ours_is_damaged),
        cmocka_unit_test(an_envelope_that_is_cut_is_damaged),
        cmocka_unit_test(running_out_of_memory_is_said_and_leaks_nothing),
        cmocka_unit_test(encoding_into_a_large_buffer_and_decoding_allocate_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
