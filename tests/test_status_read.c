/* segue_migration_status_read: what of the status record everybody may see, of whatever store, in whatever phase; and what is
 * said when there is nothing to see. */
#include "status_scene.h"

#include <unistd.h>

#include "json_memory.h"
#include "support/memory.h"

static void each_field_is_shown(void **state)
{
    (void)state;
    put_body("default", segue_str(full));
    put_body("m", segue_str(full));
    segue_migration_status s = {0};
    assert_ok(segue_migration_status_read(fault, "m", &s, &test_err));
    assert_string_equal(s.name, "m");
    assert_string_equal(s.run_id, ID);
    assert_string_equal(s.policy_digest, "fedcba9876543210");
    assert_string_equal(s.from, "mem:old");
    assert_string_equal(s.to, "mem:new");
    assert_string_equal(s.cursor, "\"\\x00\\x0a\\x0f\\xf0\\xa9\\xff\"");
    assert_string_equal(s.last_error, "it \xc3\xa4rgert");
    ASSERT_U64(SEGUE_STAGE_VERIFYING, s.stage);
    assert_true(s.keep);
    assert_false(s.is_running);
    ASSERT_U64(11, s.epoch);
    ASSERT_U64(13, s.pass);
    ASSERT_U64(14, s.total);
    ASSERT_U64(15, s.done);
    ASSERT_U64(16, (uint64_t)s.run_ns);
    ASSERT_U64(17, (uint64_t)s.started_s);
    ASSERT_U64(18, (uint64_t)s.finished_s);
    ASSERT_U64(19, (uint64_t)s.active_ns);
    ASSERT_U64(20, (uint64_t)s.hold_ns);
    ASSERT_U64(NOW_S, (uint64_t)s.changed_s);
    ASSERT_U64(21, s.counts.scanned);
    ASSERT_U64(35, s.counts.purged);
    ASSERT_U64(2, s.n_failed_keys);
    assert_string_equal(s.failed_keys[0], "\"k1\"");
    assert_string_equal(s.failed_keys[1], "\"\\xff\\x00\"");
    assert_null(s.failed_keys[2]);
    ASSERT_U64(1, s.n_foreign_keys);
    assert_string_equal(s.foreign_keys[0], "\"k2\"");
    segue_migration_status_free(&s);
    static const segue_migration_status empty;
    assert_memory_equal(&s, &empty, sizeof s);
    segue_migration_status_free(&s); /* of nothing */
}

static void put_default(const char *member, const char *value)
{
    SEG_AUTO(segue_doc) doc = {0};
    put_with(member, value);
    get_stored("m", &doc);
    json_error_t why;
    json_t *root = json_loadb(doc.rec.body.data, doc.rec.body.size, 0, &why);
    assert_non_null(root);
    assert_int_equal(json_object_set_new(root, "name", json_string("default")), 0);
    char *text = json_dumps(root, JSON_COMPACT);
    put_body("default", segue_str(text));
    free(text);
    json_decref(root);
}

static segue_migration_status status_of(segue_store *of)
{
    segue_migration_status s = {0};
    assert_ok(segue_migration_status_read(of, NULL, &s, &test_err));
    assert_string_equal(s.name, "default");
    return s;
}

static void no_cursor_is_an_empty_text(void **state)
{
    (void)state;
    put_default("cursor", "\"\"");
    segue_migration_status s = status_of(fault);
    assert_string_equal(s.cursor, "");
    segue_migration_status_free(&s);
}

static void sixteen_keys_of_each_kind_are_shown(void **state)
{
    (void)state;
    static const char keys[] =
        "[\"01\",\"02\",\"03\",\"04\",\"05\",\"06\",\"07\",\"08\",\"09\",\"0a\",\"0b\",\"0c\",\"0d\","
        "\"0e\",\"0f\",\"10\",\"11\"]";
    static const char *const lists[] = {"failed", "foreign"};
    for (size_t i = 0; i < COUNT(lists); i++) {
        put_default(lists[i], keys);
        segue_migration_status s = status_of(fault);
        ASSERT_U64(i == 0 ? 16 : 2, s.n_failed_keys);
        ASSERT_U64(i == 1 ? 16 : 1, s.n_foreign_keys);
        assert_string_equal(i == 0 ? s.failed_keys[15] : s.foreign_keys[15], "\"\\x10\"");
        segue_migration_status_free(&s);
    }
}

/* As far as the default of a run tells: a sign of life within 15 s. */
static void it_is_running_while_there_are_signs_of_life(void **state)
{
    (void)state;
    char beat[32];
    for (int age_s = 0; age_s < 30; age_s += 5) {
        (void)snprintf(beat, sizeof beat, "%lld",
                       (long long)(fixed_now(NULL) - age_s * INT64_C(1000000000))); /* fits */
        put_default("runner.beat_ns", beat);
        segue_migration_status s = status_of(fault);
        if (s.is_running != (age_s < 15)) fail_msg("%d s old", age_s);
        segue_migration_status_free(&s);
    }
}

static void what_cannot_be_read_is_said(void **state)
{
    (void)state;
    segue_migration_status s = {.n_failed_keys = 77};
    static const segue_migration_status before = {.n_failed_keys = 77};
    assert_status(segue_migration_status_read(NULL, NULL, &s, &test_err), SEGUE_INVALID_ARGUMENT);
    assert_int_equal(test_err.status, SEGUE_INVALID_ARGUMENT);
    assert_says("a status needs a store");
    assert_status(segue_migration_status_read(fault, "a b", &s, &test_err), SEGUE_INVALID_ARGUMENT);
    assert_says("\"a b\" cannot be a migration's name");
    assert_status(segue_migration_status_read(fault, "", &s, &test_err), SEGUE_INVALID_ARGUMENT);
    assert_status(segue_migration_status_read(fault, "m", &s, &test_err), SEGUE_NOT_FOUND);
    assert_int_equal(test_err.status, SEGUE_NOT_FOUND);
    assert_says("mem: knows of no migration \"m\"");
    assert_status(segue_migration_status_read(fault, NULL, &s, &test_err), SEGUE_NOT_FOUND);
    assert_says("\"default\"");
    put_body("m", segue_str("{}"));
    assert_status(segue_migration_status_read(fault, "m", &s, &test_err), SEGUE_CORRUPT);
    assert_says("cannot be understood");
    seg_fault_set(fault, &(seg_fault_plan){.nth = 1, .status = SEGUE_IO_ERROR});
    assert_status(segue_migration_status_read(fault, "m", &s, &test_err), SEGUE_IO_ERROR);
    assert_int_equal(test_err.status, SEGUE_IO_ERROR);
    assert_memory_equal(&s, &before, sizeof s); /* on success only */
}

/* ---- of a dual store ---- */

/* It is the primary's; writes that are held hold no look; and a look is over when it has answered. */
static void of_a_dual_store_it_is_shown_in_every_phase(void **state)
{
    (void)state;
    segue_store *fallback = NULL, *dual = NULL;
    put_default("keep", "true");
    assert_ok(segue_open("mem:", NULL, &fallback, &test_err));
    segue_dual_options options = {SEGUE_PHASE_FORWARD};
    assert_ok(segue_dual_open(store, fallback, &options, &dual, &test_err));
    static const segue_phase phases[] = {SEGUE_PHASE_FORWARD, SEGUE_PHASE_SEALED, SEGUE_PHASE_CLEAN};
    for (size_t i = 0; i < COUNT(phases); i++) {
        if (i) assert_ok(segue_dual_set_phase(dual, phases[i], INT64_C(1000000), &test_err));
        segue_migration_status s = status_of(dual);
        ASSERT_U64(11, s.epoch);
        segue_migration_status_free(&s);
    }
    segue_close(dual);
    options.phase = SEGUE_PHASE_HOLD;
    assert_ok(segue_dual_open(store, fallback, &options, &dual, &test_err));
    (void)alarm(20); /* a look that is held would wait for ever */
    segue_migration_status s = status_of(dual);
    (void)alarm(0);
    segue_migration_status_free(&s);
    assert_ok(segue_dual_set_phase(dual, SEGUE_PHASE_FORWARD, INT64_C(1000000), &test_err));
    segue_close(dual);
    segue_close(fallback);
}

/* ---- of a store that lets nobody in ---- */

static int64_t deadline_ns = -1;
static bool is_for_writing = true;

static segue_status refuse_entry(void *self, bool write, segue_call *c)
{
    (void)self;
    deadline_ns = c->deadline_ns;
    is_for_writing = write;
    return segue_fail(c, SEGUE_UNAVAILABLE, "nobody is let in");
}

static unsigned no_caps(const void *self)
{
    (void)self;
    return 0;
}

static void what_the_store_says_at_its_door_is_said(void **state)
{
    (void)state;
    static const segue_backend door = {.scheme = "door", .self_size = 1, .begin = refuse_entry, .caps = no_caps};
    segue_store *closed = NULL;
    segue_migration_status s = {.n_failed_keys = 77};
    void *self = NULL;
    assert_ok(seg_store_make(&door, &store->env, "door:", &closed, &self, &test_err));
    assert_status(segue_migration_status_read(closed, NULL, &s, &test_err), SEGUE_UNAVAILABLE);
    assert_int_equal(test_err.status, SEGUE_UNAVAILABLE);
    assert_string_equal(test_err.message, "nobody is let in");
    ASSERT_U64(77, s.n_failed_keys);
    ASSERT_U64(0, (uint64_t)deadline_ns); /* it takes the time it takes */
    assert_false(is_for_writing);
    seg_store_unmake(closed);
}

/* ---- without memory ---- */

static segue_status read_once(void *ctx)
{
    segue_store *own = NULL;
    segue_open_options options = {NULL, SEGUE_OPEN_NO_REAPER};
    segue_status st = segue_open("mem:", &options, &own, &test_err);
    if (st != SEGUE_OK) return st;
    char key[SEG_STATUS_KEY_SIZE];
    segue_call c = seg_call_new(own, 0, &test_err);
    segue_put put = {.condition = SEGUE_IF_ANY};
    put.rec = (segue_record){.key = seg_status_key("m", key), .body = segue_str(ctx)};
    st = seg_call_put(own, &put, NULL, &c);
    segue_migration_status s = {0};
    test_err.message[0] = '\0';
    if (st == SEGUE_OK) st = segue_migration_status_read(own, "m", &s, &test_err);
    bool is_whole = s.from && s.to && s.cursor && s.last_error && s.last_error[0];
    for (size_t i = 0; i < s.n_failed_keys; i++) is_whole = is_whole && s.failed_keys[i];
    for (size_t i = 0; i < s.n_foreign_keys; i++) is_whole = is_whole && s.foreign_keys[i];
    if (st == SEGUE_OK ? !is_whole : test_err.status != st) st = SEGUE_CORRUPT;
    segue_migration_status_free(&s);
    segue_close(own);
    return st;
}

/* Of keys that are a help the record may hold fewer then; so that every failure shows, there are none. */
static char *text_without(const char *lists, const char *runner)
{
    static char text[sizeof full];
    (void)snprintf(text, sizeof text, "%.*s%s", (int)(lists - full), full, runner); /* fits */
    return text;
}

static void without_memory_it_says_so(void **state)
{
    (void)state;
    test_fail_every_allocation(read_once, text_without(strstr(full, "\"failed\""), strstr(full, "\"runner\"")));
}

/* Those that are read are shown, or it is said that they cannot be. Where memory is short they may not have been read. */
static segue_status read_with_fault(long nth, bool *ret_fired)
{
    static const segue_migration_status empty;
    segue_migration_status s = {0};
    test_memory_begin();
    test_fault_arm(&test_memory, nth, false);
    segue_status st = segue_migration_status_read(store, "m", &s, &test_err);
    *ret_fired = atomic_load(&test_memory.fired) > 0;
    test_fault_heal(&test_memory);
    if (st == SEGUE_NO_MEMORY) {
        ASSERT_U64(st, test_err.status);
        assert_says("out of memory");
        assert_memory_equal(&s, &empty, sizeof s);
    } else {
        assert_ok(st);
        if (*ret_fired && s.n_failed_keys + s.n_foreign_keys == 3) fail_msg("number %ld: all is there", nth);
        for (size_t i = 0; i < s.n_failed_keys; i++) assert_non_null(s.failed_keys[i]);
        for (size_t i = 0; i < s.n_foreign_keys; i++) assert_non_null(s.foreign_keys[i]);
        assert_string_equal(s.last_error, "it \xc3\xa4rgert");
        segue_migration_status_free(&s);
    }
    test_memory_end();
    return st;
}

static void keys_are_shown_or_memory_was_too_short(void **state)
{
    (void)state;
    bool fired = true;
    long n = 0;
    put_body("m", segue_str(full));
    while (fired) (void)read_with_fault(++n, &fired); /* it looks itself */
    for (int i = 1; i <= 3; i++)                      /* the last are for the texts of the three keys that were read */
        assert_status(read_with_fault(n - i, &fired), SEGUE_NO_MEMORY);
}

static void all_of_json_is_given_back(void **state)
{
    (void)state;
    put_body("m", segue_str(full));
    json_memory_begin();
    segue_migration_status s = {0};
    assert_ok(segue_migration_status_read(store, "m", &s, &test_err));
    assert_int_equal(json_memory_end(), 0);
    segue_migration_status_free(&s);
}

int main(void)
{
#define IN_STORE(test) cmocka_unit_test_setup_teardown(test, open_store, close_store)
    const struct CMUnitTest tests[] = {
        IN_STORE(each_field_is_shown),
        IN_STORE(no_cursor_is_an_empty_text),
        IN_STORE(sixteen_keys_of_each_kind_are_shown),
        IN_STORE(it_is_running_while_there_are_signs_of_life),
        IN_STORE(what_cannot_be_read_is_said),
        IN_STORE(of_a_dual_store_it_is_shown_in_every_phase),
        IN_STORE(what_the_store_says_at_its_door_is_said),
        cmocka_unit_test(without_memory_it_says_so),
        IN_STORE(keys_are_shown_or_memory_was_too_short),
        IN_STORE(all_of_json_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
