/* The status record of a migration as it lies in the primary: each field as it is read and written, damage of each; and the
 * names and lists of keys in it. */
#include "status_scene.h"

static void assert_corrupt(const char *what)
{
    static const seg_status empty;
    seg_status s = {0};
    segue_status st = seg_status_load(fault, "m", &s, &call);
    if (st != SEGUE_CORRUPT) fail_msg("%s: %s", what, segue_status_name(st));
    assert_int_equal(test_err.status, SEGUE_CORRUPT);
    assert_says("mem:: the status record _segue:migration:m cannot be understood; it is of another version or damaged");
    assert_memory_equal(&s, &empty, sizeof s);
}

/* ---- reading ---- */

static void each_field_is_read(void **state)
{
    (void)state;
    put_body("m", segue_str("in its first revision"));
    put_body("m", segue_str(full));
    seg_status s = loaded("m");
    assert_string_equal(s.name, "m");
    assert_string_equal(s.run_id, ID);
    assert_string_equal(s.policy, "fedcba9876543210");
    assert_string_equal(s.proof, PROOF);
    assert_string_equal(s.last_error, "it \xc3\xa4rgert");
    ASSERT_SLICE("mem:old", segue_buf_slice(&s.from));
    ASSERT_SLICE("mem:new", segue_buf_slice(&s.to));
    assert_string_equal(s.from.data, "mem:old"); /* with a zero behind it */
    assert_string_equal(s.to.data, "mem:new");
    ASSERT_U64(SEGUE_STAGE_VERIFYING, s.stage);
    assert_true(s.keep && s.keep_cas && s.is_tail);
    const uint64_t numbers[] = {s.epoch,
                                s.sequence,
                                s.pass,
                                s.total,
                                s.done,
                                (uint64_t)s.run_ns,
                                (uint64_t)s.started_s,
                                (uint64_t)s.finished_s,
                                (uint64_t)s.active_ns,
                                (uint64_t)s.hold_ns};
    for (size_t i = 0; i < COUNT(numbers); i++) ASSERT_U64(11 + i, numbers[i]);
    ASSERT_U64(NOW_S, (uint64_t)s.changed_s);
    uint64_t counts[sizeof s.counts / sizeof(uint64_t)];
    memcpy(counts, &s.counts, sizeof counts);
    for (size_t i = 0; i < COUNT(counts); i++) ASSERT_U64(21 + i, counts[i]); /* in the order of the struct */
    assert_true(segue_slice_equal(segue_buf_slice(&s.cursor), segue_bytes("\0\x0a\x0f\xf0\xa9\xff", 6)));
    ASSERT_U64(2, s.failed.n);
    ASSERT_SLICE("k1", segue_buf_slice(&s.failed.keys[0]));
    assert_true(segue_slice_equal(segue_buf_slice(&s.failed.keys[1]), segue_bytes("\xff\0", 2)));
    ASSERT_U64(1, s.foreign.n);
    ASSERT_SLICE("k2", segue_buf_slice(&s.foreign.keys[0]));
    assert_string_equal(s.runner.id, "r1");
    assert_string_equal(s.runner.place, "host/boot/1");
    ASSERT_U64(36, (uint64_t)s.runner.pid);
    ASSERT_U64(37, (uint64_t)s.runner.beat_ns);
    ASSERT_U64(38, (uint64_t)s.overtaken_ns);
    SEG_AUTO(segue_doc) doc = {0};
    get_stored("m", &doc);
    ASSERT_U64(doc.rec.cas, s.cas);
    ASSERT_U64(2, s.revision);
    seg_status_free(&s);
    static const seg_status empty;
    assert_memory_equal(&s, &empty, sizeof s);
}

static void flags_are_set_only_by_true(void **state)
{
    (void)state;
    static const char *const values[] = {"false", "null", "1", "\"true\"", NULL};
    for (size_t i = 0; i < COUNT(values); i++) {
        put_with("keep", values[i]);
        seg_status s = loaded("m");
        assert_true(!s.keep && s.keep_cas && s.is_tail);
        seg_status_free(&s);
        put_with("keep_cas", values[i]);
        s = loaded("m");
        assert_true(s.keep && !s.keep_cas && s.is_tail);
        seg_status_free(&s);
        put_with("tail", values[i]);
        s = loaded("m");
        assert_true(s.keep && s.keep_cas && !s.is_tail);
        seg_status_free(&s);
    }
}

/* Numbers that are missing or cannot be are 0, and so is each count. */
static void numbers_that_cannot_be_are_zero(void **state)
{
    (void)state;
    static const char *const names[] = {"epoch",      "pass",           "hold_ns",     "counts.moved",
                                        "runner.pid", "runner.beat_ns", "overtaken_ns"};
    static const char *const values[] = {"-1", "-9223372036854775808", "0", "1.5", "\"7\"", "null", NULL};
    for (size_t n = 0; n < COUNT(names); n++)
        for (size_t i = 0; i < COUNT(values); i++) {
            put_with(names[n], values[i]);
            seg_status s = loaded("m");
            const uint64_t read[] = {s.epoch,
                                     s.pass,
                                     (uint64_t)s.hold_ns,
                                     s.counts.moved,
                                     (uint64_t)s.runner.pid,
                                     (uint64_t)s.runner.beat_ns,
                                     (uint64_t)s.overtaken_ns};
            for (size_t k = 0; k < COUNT(read); k++)
                if ((read[k] == 0) != (k == n)) fail_msg("%s %s: %s", names[n], values[i], names[k]);
            seg_status_free(&s);
        }
    put_with("epoch", "9223372036854775807");
    seg_status s = loaded("m");
    ASSERT_U64(INT64_MAX, s.epoch);
    seg_status_free(&s);
    put_with("counts", "[]");
    s = loaded("m");
    ASSERT_U64(0, s.counts.scanned + s.counts.purged);
    seg_status_free(&s);
}

static void what_is_needed_and_is_not_there_is_damage(void **state)
{
    (void)state;
    static const char *const needed[] = {"segue",  "name",   "run_id", "stage",     "from",        "to",
                                         "policy", "cursor", "proof",  "runner.id", "runner.place"};
    static const char *const wrong[] = {NULL, "null", "1", "[\"x\"]"};
    char what[64];
    for (size_t i = 0; i < COUNT(needed); i++)
        for (size_t k = 0; k < COUNT(wrong); k++) {
            if (i == 0 && k == 2) continue; /* the one it should be */
            put_with(needed[i], wrong[k]);
            (void)snprintf(what, sizeof what, "%s: %s", needed[i], wrong[k] ? wrong[k] : "not there"); /* fits */
            assert_corrupt(what);
        }
    static const struct {
        const char *member, *value;
    } others[] = {
        {"segue", "2"},
        {"segue", "\"1\""},
        {"name", "\"n\""},
        {"stage", "\"none\""},
        {"stage", "\"forward\""},
        {"runner", NULL},
        {"runner", "\"r1\""},
        {"run_id", "\"" S32 "x\""},
        {"proof", "\"" S32 "x\""},
        {"policy", "\"" S16 "x\""},
        {"runner.id", "\"" S32 "x\""},
        {"runner.place", "\"" S64 S64 S64 "\""},
        {"name", "\"" S64 "x\""},
    };
    for (size_t i = 0; i < COUNT(others); i++) {
        put_with(others[i].member, others[i].value);
        assert_corrupt(others[i].member);
    }
}

static void texts_may_be_as_long_as_there_is_room(void **state)
{
    (void)state;
    put_with("run_id", "\"" S32 "\"");
    seg_status s = loaded("m");
    assert_string_equal(s.run_id, S32);
    seg_status_free(&s);
    put_with("policy", "\"" S16 "\"");
    s = loaded("m");
    assert_string_equal(s.policy, S16);
    seg_status_free(&s);
    put_with("runner.place", "\"" S64 S64 S32 S16 S8 "1234567\"");
    s = loaded("m");
    assert_string_equal(s.runner.place, S64 S64 S32 S16 S8 "1234567");
    seg_status_free(&s);
    put_with("last_error", "\"" S64 S64 S64 S32 S16 S8 "1234567X\""); /* for people: cut */
    s = loaded("m");
    assert_string_equal(s.last_error, S64 S64 S64 S32 S16 S8 "1234567");
    seg_status_free(&s);
    put_with("last_error", NULL);
    s = loaded("m");
    assert_string_equal(s.last_error, "");
    seg_status_free(&s);
    put_with("runner", "null");
    s = loaded("m");
    assert_string_equal(s.runner.id, "");
    seg_status_free(&s);
}

/* A name of the greatest size is understood; one that is cut is not taken for it. */
static void a_migration_may_have_a_long_name(void **state)
{
    (void)state;
    put_with("name", "\"" S64 "\"");
    SEG_AUTO(segue_doc) doc = {0};
    get_stored("m", &doc);
    put_body(S64, doc.rec.body);
    seg_status s = loaded(S64);
    assert_string_equal(s.name, S64);
    seg_status_free(&s);
    put_with("name", "\"" S64 "x\"");
    get_stored("m", &doc);
    put_body(S64 "x", doc.rec.body);
    assert_status(seg_status_load(fault, S64 "x", &s, &call), SEGUE_CORRUPT);
}

/* ---- bytes as hex digits ---- */

static void put_cursor(const char *text, size_t size)
{
    char value[2 * SEGUE_KEY_MAX + 16];
    (void)snprintf(value, sizeof value, "\"%.*s\"", (int)size, text); /* fits */
    put_with("cursor", value);
}

static void a_cursor_is_pairs_of_lower_case_digits(void **state)
{
    (void)state;
    static const char digits[] = "0123456789abcdef";
    for (char c = ' '; c < 0x7f; c++) {
        if (c == '"' || c == '\\') continue;
        const char *digit = strchr(digits, c);
        for (int low = 0; low < 2; low++) {
            const char pair[] = {low ? '0' : c, low ? c : '0', '\0'};
            put_cursor(pair, 2);
            if (!digit) {
                assert_corrupt(pair);
                continue;
            }
            seg_status s = loaded("m");
            ASSERT_U64(1, s.cursor.size);
            ASSERT_U64((uint64_t)(digit - digits) << (low ? 0 : 4), (unsigned char)s.cursor.data[0]);
            seg_status_free(&s);
        }
    }
    put_cursor("6b3", 3);
    assert_corrupt("an odd number of digits");
    put_cursor("", 0);
    seg_status s = loaded("m");
    ASSERT_U64(0, s.cursor.size);
    seg_status_free(&s);
}

static void a_cursor_is_no_longer_than_a_key(void **state)
{
    (void)state;
    char digits[2 * SEGUE_KEY_MAX + 2];
    memset(digits, '7', sizeof digits);
    put_cursor(digits, sizeof digits);
    assert_corrupt("251 bytes");
    put_cursor(digits, 2 * SEGUE_KEY_MAX);
    seg_status s = loaded("m");
    ASSERT_U64(SEGUE_KEY_MAX, s.cursor.size);
    assert_ok(seg_status_save(fault, &s, &call));
    seg_status_free(&s);
    s = loaded("m");
    ASSERT_U64(SEGUE_KEY_MAX, s.cursor.size);
    for (size_t i = 0; i < s.cursor.size; i++) ASSERT_U64(0x77, (unsigned char)s.cursor.data[i]);
    seg_status_free(&s);
}

/* The lists are a help: what cannot be understood in them is passed over. */
static void keys_that_cannot_be_understood_are_left_out(void **state)
{
    (void)state;
    put_with("failed", "[\"6b31\",\"6b3\",\"6bzz\",5,null,\"\",\"6b32\",\"6b31\"]");
    seg_status s = loaded("m");
    ASSERT_U64(2, s.failed.n);
    ASSERT_SLICE("k1", segue_buf_slice(&s.failed.keys[0]));
    ASSERT_SLICE("k2", segue_buf_slice(&s.failed.keys[1]));
    ASSERT_U64(1, s.foreign.n);
    seg_status_free(&s);
    put_with("foreign", "\"6b31\"");
    s = loaded("m");
    ASSERT_U64(0, s.foreign.n);
    ASSERT_U64(2, s.failed.n);
    seg_status_free(&s);
    put_with(
        "foreign",
        "[\"01\",\"02\",\"03\",\"04\",\"05\",\"06\",\"07\",\"08\",\"09\",\"0a\",\"0b\",\"0c\",\"0d\",\"0e\",\"0f\","
        "\"10\",\"11\"]");
    s = loaded("m");
    ASSERT_U64(SEGUE_STATUS_KEYS_MAX, s.foreign.n);
    for (size_t i = 0; i < s.foreign.n; i++) ASSERT_U64(i + 1, (unsigned char)s.foreign.keys[i].data[0]);
    seg_status_free(&s);
}

static void of_a_member_that_is_there_twice_the_last_counts(void **state)
{
    (void)state;
    char text[sizeof full + 32];
    (void)snprintf(text, sizeof text, "{\"epoch\":1,\"stage\":1,%s", full + 1); /* fits */
    put_body("m", segue_str(text));
    seg_status s = loaded("m");
    ASSERT_U64(11, s.epoch);
    ASSERT_U64(SEGUE_STAGE_VERIFYING, s.stage);
    seg_status_free(&s);
}

/* ---- what is there is no status record ---- */

static void what_is_there_may_be_anything(void **state)
{
    (void)state;
    static const char *const bodies[] = {"", "no", "[]", "{}", "7", "{\"segue\":1", "\xff"};
    seg_status s = {0};
    assert_status(seg_status_load(fault, "m", &s, &call), SEGUE_NOT_FOUND);
    for (size_t i = 0; i < COUNT(bodies); i++) {
        put_body("m", segue_str(bodies[i]));
        assert_corrupt(bodies[i]);
    }
    char key[SEG_STATUS_KEY_SIZE];
    segue_put put = {.condition = SEGUE_IF_ANY};
    put.rec = (segue_record){.key = seg_status_key("m", key), .is_tombstone = true, .revision = 1};
    assert_ok(seg_call_put(store, &put, NULL, &call));
    assert_corrupt("a tombstone");
    seg_fault_set(fault, &(seg_fault_plan){.nth = 1, .status = SEGUE_IO_ERROR});
    assert_status(seg_status_load(fault, "m", &s, &call), SEGUE_IO_ERROR);
    assert_int_equal(test_err.status, SEGUE_IO_ERROR);
}

/* ---- writing ---- */

static void what_is_written_is_what_was_read(void **state)
{
    (void)state;
    put_body("m", segue_str(full));
    seg_status s = loaded("m");
    uint64_t cas = s.cas;
    SEG_AUTO(segue_doc) doc = {0};
    s.sequence -= 1; /* counted up again */
    s.changed_s = 0;
    assert_ok(seg_status_save(fault, &s, &call));
    get_stored("m", &doc);
    ASSERT_SLICE(full, doc.rec.body);
    assert_true(doc.rec.is_json);
    ASSERT_U64(2, doc.rec.revision);
    assert_true(doc.rec.cas > cas);
    ASSERT_U64(doc.rec.cas, s.cas);
    ASSERT_U64(2, s.revision);
    ASSERT_U64(12, s.sequence);
    ASSERT_U64(NOW_S, (uint64_t)s.changed_s);
    s.runner = (seg_runner){0};
    assert_ok(seg_status_save(fault, &s, &call)); /* over its own */
    get_stored("m", &doc);
    ASSERT_U64(3, doc.rec.revision);
    seg_status again = loaded("m");
    assert_string_equal(again.runner.id, "");
    ASSERT_U64(13, again.sequence);
    seg_status_free(&again);
    seg_status_free(&s);
}

static void text_that_is_no_utf8_is_written_in_hex(void **state)
{
    (void)state;
    static const struct {
        segue_slice text;
        const char *expected;
    } rows[] = {
        {{"", 0}, ""},
        {{"plain", 5}, "plain"},
        {{"\xc3\xa4\x7f", 3}, "\xc3\xa4\x7f"},
        {{"\x7f\x80\x81\xff", 4}, "\x7f\\x80\\x81\\xff"},
        {{"\xc3\xa4\xc3", 3}, "\\xc3\\xa4\\xc3"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        SEG_AUTO(segue_buf) out = {0};
        assert_ok(segue_buf_append(&out, "=", 1)); /* it appends */
        assert_ok(seg_status_text_of(rows[i].text, &out));
        ASSERT_U64('=', (unsigned char)out.data[0]);
        ASSERT_SLICE(rows[i].expected, segue_bytes(out.data + 1, out.size - 1));
    }
}

static void no_room_for_text_is_a_failure(void **state)
{
    (void)state;
    static const segue_slice texts[] = {{"12345678", 8}, {"1234\xff", 5}};
    for (size_t i = 0; i < COUNT(texts); i++)
        for (size_t max = 1; max <= 8; max++) {
            SEG_AUTO(segue_buf) out = {.max = max};
            segue_status st = seg_status_text_of(texts[i], &out);
            if (st != (max < 8 ? SEGUE_TOO_BIG : SEGUE_OK)) fail_msg("%zu bytes: %s", max, segue_status_name(st));
        }
}

/* ---- keys to remember, names ---- */

static void a_list_of_keys_is_bounded_and_has_each_once(void **state)
{
    (void)state;
    seg_keys keys = {0};
    char key[3] = "k0";
    for (unsigned i = 0; i < 2 * SEGUE_STATUS_KEYS_MAX; i++) {
        key[1] = (char)('0' + i / 2);
        seg_keys_add(&keys, segue_str(key));
        ASSERT_U64(i / 2 + 1, keys.n);
        ASSERT_SLICE(key, segue_buf_slice(&keys.keys[i / 2]));
    }
    seg_keys_add(&keys, segue_str("one more"));
    ASSERT_U64(SEGUE_STATUS_KEYS_MAX, keys.n);
    ASSERT_SLICE("k0", segue_buf_slice(&keys.keys[0]));
    seg_keys_clear(&keys);
    ASSERT_U64(0, keys.n);
    for (size_t i = 0; i < SEGUE_STATUS_KEYS_MAX; i++) assert_null(keys.keys[i].data);
}

static void names_are_of_few_letters(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "Z9", "-_.", S64};
    static const char *const bad[] = {"", S64 "x", "a b", "a:b", "\xc3\xa4", "a/"};
    for (size_t i = 0; i < COUNT(good); i++) assert_ok(seg_migration_name_check(good[i], &test_err));
    for (size_t i = 0; i < COUNT(bad); i++) {
        segue_status st = seg_migration_name_check(bad[i], &test_err);
        if (st != SEGUE_INVALID_ARGUMENT) fail_msg("\"%s\": %s", bad[i], segue_status_name(st));
        assert_int_equal(test_err.status, st);
        assert_says("cannot be a migration's name: 1 to 64 letters");
    }
    for (int c = 1; c < 256; c++) {
        const char name[] = {(char)c, '\0'};
        bool is_good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || strchr("-_.", c);
        segue_status st = seg_migration_name_check(name, &test_err);
        if (is_good != (st == SEGUE_OK)) fail_msg("\"%s\": %s", name, segue_status_name(st));
    }
}

int main(void)
{
#define IN_STORE(test) cmocka_unit_test_setup_teardown(test, open_store, close_store)
    const struct CMUnitTest tests[] = {
        IN_STORE(each_field_is_read),
        IN_STORE(flags_are_set_only_by_true),
        IN_STORE(numbers_that_cannot_be_are_zero),
        IN_STORE(what_is_needed_and_is_not_there_is_damage),
        IN_STORE(texts_may_be_as_long_as_there_is_room),
        IN_STORE(a_migration_may_have_a_long_name),
        IN_STORE(a_cursor_is_pairs_of_lower_case_digits),
        IN_STORE(a_cursor_is_no_longer_than_a_key),
        IN_STORE(keys_that_cannot_be_understood_are_left_out),
        IN_STORE(of_a_member_that_is_there_twice_the_last_counts),
        IN_STORE(what_is_there_may_be_anything),
        IN_STORE(what_is_written_is_what_was_read),
        IN_STORE(text_that_is_no_utf8_is_written_in_hex),
        IN_STORE(no_room_for_text_is_a_failure),
        IN_STORE(a_list_of_keys_is_bounded_and_has_each_once),
        IN_STORE(names_are_of_few_letters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
