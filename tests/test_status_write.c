/* Writing the status record: when an answer is lost, when somebody else writes, when the store or memory fails. And who the
 * runner is that it names, and whether that one is alive. */
#include "status_scene.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "json_memory.h"
#include "support/memory.h"

/* ---- answers that are lost, and others who write ---- */

/* The same runner's record, as it may lie in the store: with these members of `full` replaced. */
typedef struct rival {
    const char *run_id, *runner;
    uint64_t epoch, sequence;
} rival;

static void put_rival(const rival *r)
{
    seg_status s = loaded("m");
    (void)snprintf(s.run_id, sizeof s.run_id, "%s", r->run_id);       /* fits */
    (void)snprintf(s.runner.id, sizeof s.runner.id, "%s", r->runner); /* fits */
    s.epoch = r->epoch;
    s.sequence = r->sequence - 1; /* counted up in writing */
    segue_call own = seg_call_new(store, 0, &test_err);
    assert_ok(seg_status_save(store, &s, &own));
    seg_status_free(&s);
}

static void assert_stored(const seg_status *s)
{
    SEG_AUTO(segue_doc) doc = {0};
    get_stored("m", &doc);
    ASSERT_U64(doc.rec.cas, s->cas);
    ASSERT_U64(doc.rec.revision, s->revision);
    seg_status now = loaded("m");
    ASSERT_U64(s->sequence, now.sequence);
    ASSERT_U64(s->epoch, now.epoch);
    assert_string_equal(s->runner.id, now.runner.id);
    seg_status_free(&now);
}

static void heal(void)
{
    seg_fault_plan none = {0};
    seg_fault_set(fault, &none);
}

static seg_status begin(seg_fault_plan plan)
{
    heal();
    put_body("m", segue_str("in another revision"));
    put_body("m", segue_str(full));
    seg_status s = loaded("m");
    seg_fault_set(fault, &plan);
    return s;
}

static void an_answer_that_was_lost_is_found_out(void **state)
{
    (void)state;
    for (int after = 0; after < 2; after++) {
        seg_status s = begin(
            (seg_fault_plan){.ops = SEG_OP_PUT, .nth = 1, .after = after, .status = SEGUE_MAYBE_APPLIED});
        uint64_t revision = s.revision;
        assert_ok(seg_status_save(fault, &s, &call));
        ASSERT_U64(after ? 1 : 2, seg_fault_count(fault)); /* written again only if it was not */
        ASSERT_U64(revision + 1, s.revision);
        assert_stored(&s);
        heal();
        assert_ok(seg_status_save(fault, &s, &call));
        ASSERT_U64(revision + 2, s.revision);
        assert_stored(&s);
        seg_status_free(&s);
    }
}

static void the_largest_number_is_written_and_no_larger_one(void **state)
{
    (void)state;
    seg_status s = begin((seg_fault_plan){0});
    s.pass = INT64_MAX;
    s.total = (uint64_t)INT64_MAX + 1;
    assert_ok(seg_status_save(fault, &s, &call));
    seg_status now = loaded("m");
    ASSERT_U64(INT64_MAX, now.pass);
    ASSERT_U64(0, now.total);
    seg_status_free(&now);
    seg_status_free(&s);
}

/* The first record of a migration. */
static void an_insert_whose_answer_was_lost_is_found_out(void **state)
{
    (void)state;
    for (int after = 0; after < 2; after++) {
        static const char *const names[] = {"before", "after"};
        seg_status s = begin((seg_fault_plan){0});
        s.cas = s.revision = 0;
        (void)snprintf(s.name, sizeof s.name, "%s", names[after]); /* fits */
        seg_fault_plan plan = {.ops = SEG_OP_PUT, .nth = 1, .after = after, .status = SEGUE_MAYBE_APPLIED};
        seg_fault_set(fault, &plan);
        assert_ok(seg_status_save(fault, &s, &call));
        ASSERT_U64(after ? 1 : 2, seg_fault_count(fault));
        ASSERT_U64(1, s.revision);
        seg_status now = loaded(names[after]);
        ASSERT_U64(s.cas, now.cas);
        seg_status_free(&now);
        seg_status_free(&s);
    }
}

static void a_record_that_cannot_be_written_is_named_with_the_reason(void **state)
{
    (void)state;
    for (int is_new = 0; is_new < 2; is_new++) {
        seg_status s = begin(
            (seg_fault_plan){.ops = SEG_OP_PUT, .nth = 1, .persistent = true, .status = SEGUE_MAYBE_APPLIED});
        uint64_t cas = s.cas = is_new ? 0 : s.cas;
        if (is_new) s.name[0] = 'n';
        assert_status(seg_status_save(fault, &s, &call), SEGUE_UNAVAILABLE);
        ASSERT_U64(3, seg_fault_count(fault));
        ASSERT_U64(SEGUE_UNAVAILABLE, test_err.status);
        char expected[256];
        (void)snprintf(expected, sizeof expected, "%s: the status record cannot be written: ", segue_store_url(fault));
        assert_says(expected); /* and why: the failure of the put, not what was met in finding out */
        assert_string_equal(test_err.message + strlen(expected), "injected failure of call 3");
        ASSERT_U64(cas, s.cas);
        segue_call quiet = seg_call_new(fault, 0, NULL);
        assert_status(seg_status_save(fault, &s, &quiet), SEGUE_UNAVAILABLE);
        seg_status_free(&s);
    }
}

static void other_failures_are_told_as_they_are(void **state)
{
    (void)state;
    static const segue_status failures[] = {SEGUE_UNAVAILABLE, SEGUE_NO_SPACE, SEGUE_READ_ONLY, SEGUE_IO_ERROR};
    for (size_t i = 0; i < COUNT(failures); i++) {
        seg_status s = begin((seg_fault_plan){.ops = SEG_OP_PUT, .nth = 1, .status = failures[i]});
        uint64_t cas = s.cas, revision = s.revision;
        segue_status st = seg_status_save(fault, &s, &call);
        if (st != failures[i]) fail_msg("%s, expected %s", segue_status_name(st), segue_status_name(failures[i]));
        ASSERT_U64(st, test_err.status);
        ASSERT_U64(1, seg_fault_count(fault));
        ASSERT_U64(cas, s.cas);
        ASSERT_U64(revision, s.revision);
        heal();
        assert_ok(seg_status_save(fault, &s, &call));
        assert_stored(&s);
        seg_status_free(&s);
    }
}

static void lose_and_break(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    (void)op, (void)key, (void)count;
    if (after) put_body("m", segue_str(ctx));
}

/* What finding out meets counts then. */
static void finding_out_may_fail_too(void **state)
{
    (void)state;
    seg_status s = begin((seg_fault_plan){.nth = 1, .persistent = true, .status = SEGUE_MAYBE_APPLIED});
    assert_status(seg_status_save(fault, &s, &call), SEGUE_MAYBE_APPLIED);
    ASSERT_U64(2, seg_fault_count(fault)); /* one put, one get */
    ASSERT_U64(SEGUE_MAYBE_APPLIED, test_err.status);
    seg_status_free(&s);
    char other[] = "{}";
    s = begin((seg_fault_plan){
        .ops = SEG_OP_PUT, .nth = 1, .status = SEGUE_MAYBE_APPLIED, .hook = lose_and_break, .hook_ctx = other});
    assert_status(seg_status_save(fault, &s, &call), SEGUE_CORRUPT);
    ASSERT_U64(SEGUE_CORRUPT, test_err.status);
    assert_says("cannot be understood");
    seg_status_free(&s);
}

/* Whose record it is that is met says whether to write again: nobody else writes in an epoch that this runner has claimed. */
static void what_others_wrote_is_not_written_over(void **state)
{
    (void)state;
    static const struct {
        rival there;
        bool is_mine;
    } rows[] = {
        {{ID, "r1", 11, 13}, true}, /* the very one that is to be written: it is there */
        {{ID, "r1", 11, 12}, true}, /* one before, whose answer was lost */
        {{ID, "r1", 11, 14}, true},     {{ID, "r1", 12, 13}, false},    {{ID, "r2", 11, 13}, false},
        {{PROOF, "r1", 11, 13}, false}, {{PROOF, "r2", 12, 40}, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        seg_status s = begin((seg_fault_plan){0});
        put_rival(&rows[i].there);
        seg_fault_plan counting = {.ops = SEG_OP_PUT};
        seg_fault_set(fault, &counting);
        segue_status st = seg_status_save(fault, &s, &call);
        if (st != (rows[i].is_mine ? SEGUE_OK : SEGUE_BUSY_ELSEWHERE))
            fail_msg("row %zu: %s: %s", i, segue_status_name(st), test_err.message);
        if (rows[i].is_mine) {
            ASSERT_U64(i == 0 ? 1 : 2, seg_fault_count(fault));
            assert_stored(&s);
        } else {
            ASSERT_U64(st, test_err.status);
            assert_says("somebody else has taken over migration \"m\"");
            seg_status now = loaded("m");
            ASSERT_U64(rows[i].there.epoch, now.epoch);
            ASSERT_U64(rows[i].there.sequence, now.sequence);
            seg_status_free(&now);
        }
        seg_status_free(&s);
    }
}

/* Who leaves names no runner, and still knows its own records by run and epoch. */
static void who_leaves_writes_over_its_own(void **state)
{
    (void)state;
    static const rival there = {ID, "r1", 11, 12}, later = {ID, "r1", 12, 12};
    seg_status s = begin((seg_fault_plan){0});
    put_rival(&there);
    s.runner.id[0] = '\0';
    assert_ok(seg_status_save(fault, &s, &call));
    assert_stored(&s);
    put_rival(&later);
    assert_status(seg_status_save(fault, &s, &call), SEGUE_BUSY_ELSEWHERE);
    seg_status_free(&s);
}

/* A new epoch is claimed over the record of the one before, which is still there. */
static void a_claim_whose_answer_was_lost_is_written_again(void **state)
{
    (void)state;
    for (int same_sequence = 0; same_sequence < 2; same_sequence++) {
        seg_status s = begin((seg_fault_plan){.ops = SEG_OP_PUT, .nth = 1, .status = SEGUE_MAYBE_APPLIED});
        s.epoch++;
        s.runner.id[1] = '2';
        if (same_sequence) s.sequence--; /* it decides only between one's own */
        assert_ok(seg_status_save(fault, &s, &call));
        ASSERT_U64(2, seg_fault_count(fault));
        assert_stored(&s);
        seg_status_free(&s);
    }
}

static void erase(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    (void)op;
    if (count != 1 || after != *(bool *)ctx) return;
    SEG_AUTO(segue_doc) doc = {0};
    segue_call own = seg_call_new(store, 0, &test_err);
    assert_ok(seg_call_get(store, key, &doc, &own));
    assert_ok(seg_call_erase(store, key, doc.rec.cas, &own));
}

/* Before the put, and after one that has not arrived. */
static void a_record_that_is_gone_is_not_made_again(void **state)
{
    (void)state;
    for (int after = 0; after < 2; after++) {
        bool when = after;
        seg_status s = begin((seg_fault_plan){.ops = SEG_OP_PUT,
                                              .nth = (unsigned)after,
                                              .status = SEGUE_MAYBE_APPLIED,
                                              .hook = erase,
                                              .hook_ctx = &when});
        assert_status(seg_status_save(fault, &s, &call), SEGUE_BUSY_ELSEWHERE);
        assert_says("somebody else has taken over migration \"m\"");
        seg_status now = {0};
        assert_status(seg_status_load(store, "m", &now, &call), SEGUE_NOT_FOUND);
        seg_status_free(&s);
    }
}

/* Two runners begin at once: one of the two first records is the one. */
static void a_first_record_is_not_written_over_anothers(void **state)
{
    (void)state;
    for (int lost = 0; lost < 2; lost++) {
        static const rival there = {ID, "r2", 11, 13};
        seg_status s = begin((seg_fault_plan){0});
        put_rival(&there);
        s.cas = s.revision = 0;
        seg_fault_plan plan = {.ops = SEG_OP_PUT, .nth = (unsigned)lost, .status = SEGUE_MAYBE_APPLIED};
        seg_fault_set(fault, &plan);
        assert_status(seg_status_save(fault, &s, &call), SEGUE_BUSY_ELSEWHERE);
        assert_says("somebody else has taken over migration \"m\"");
        seg_status now = loaded("m");
        assert_string_equal(now.runner.id, "r2");
        seg_status_free(&now);
        seg_status_free(&s);
    }
}

/* ---- without memory ---- */

static void finding_out_gives_all_back(void **state)
{
    (void)state;
    test_memory_begin();
    assert_int_equal(open_store(NULL), 0);
    seg_status s = begin((seg_fault_plan){.ops = SEG_OP_PUT, .nth = 1, .after = true, .status = SEGUE_MAYBE_APPLIED});
    assert_ok(seg_status_save(fault, &s, &call));
    ASSERT_U64(3, s.failed.n + s.foreign.n);
    seg_status_free(&s);
    assert_int_equal(close_store(NULL), 0);
    test_memory_end();
}

/* Keys that failed are a help: they are forgotten. What decides is not. */
static segue_status load_again_and_again(void *ctx)
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
    seg_status s = {0};
    if (st == SEGUE_OK) st = seg_status_load(own, "m", &s, &c);
    bool is_whole = segue_slice_equal(segue_buf_slice(&s.from), segue_str("mem:old")) &&
                    segue_slice_equal(segue_buf_slice(&s.to), segue_str("mem:new")) && s.cursor.size == 6;
    if (st == SEGUE_OK && !is_whole) st = SEGUE_CORRUPT;
    if (st == SEGUE_OK) st = segue_buf_append(&s.from, "\xff", 1); /* which takes memory to be put down */
    if (st == SEGUE_OK) st = seg_status_save(own, &s, &c);
    seg_status_free(&s);
    if (st == SEGUE_OK) st = seg_status_load(own, "m", &s, &c);
    is_whole = segue_slice_equal(segue_buf_slice(&s.from), segue_str("mem:old\\xff"));
    if (st == SEGUE_OK && !is_whole) st = SEGUE_CORRUPT;
    seg_status_free(&s);
    segue_close(own);
    return st;
}

static segue_status load_without_lists(void *ctx)
{
    (void)ctx;
    static char text[sizeof full];
    const char *lists = strstr(full, "\"failed\""), *runner = strstr(full, "\"runner\"");
    (void)snprintf(text, sizeof text, "%.*s%s", (int)(lists - full), full, runner); /* fits */
    return load_again_and_again(text);
}

static void without_memory_it_says_so(void **state)
{
    (void)state;
    test_fail_every_allocation(load_without_lists, NULL);
}

/* jansson's memory is another. */
static void a_record_that_cannot_be_printed_is_not_written(void **state)
{
    (void)state;
    seg_status s = begin((seg_fault_plan){0});
    SEG_AUTO(segue_doc) before = {0}, after = {0};
    get_stored("m", &before);
    segue_status st = SEGUE_NO_MEMORY;
    for (long nth = 1; st == SEGUE_NO_MEMORY && nth < 1000; nth++) {
        json_memory_begin();
        test_fault_arm(&json_memory, nth, nth % 2);
        st = seg_status_save(fault, &s, &call);
        bool fired = atomic_load(&json_memory.fired) > 0;
        long live = json_memory_end();
        if (live != 0) fail_msg("%ld blocks leak after the one numbered %ld failed", live, nth);
        if (!fired) break;
        get_stored("m", &after);
        bool is_same = seg_record_same(&before.rec, &after.rec);
        if (st == SEGUE_NO_MEMORY && (!is_same || test_err.status != st || !strstr(test_err.message, "out of memory")))
            fail_msg("number %ld: %s, %s", nth, test_err.message, is_same ? "not written" : "written");
        if (st == SEGUE_OK) { /* a key of the lists was left out: they are a help */
            seg_status now = loaded("m");
            if (now.failed.n + now.foreign.n >= 3) fail_msg("number %ld: all is there", nth);
            seg_status_free(&now);
            get_stored("m", &before);
            st = SEGUE_NO_MEMORY;
        }
    }
    assert_ok(st);
    assert_stored(&s);
    seg_status_free(&s);
}

static void a_record_that_cannot_be_read_for_want_of_memory_is_not_called_damaged(void **state)
{
    (void)state;
    seg_status s = {0};
    put_body("m", segue_str(full));
    json_memory_begin();
    test_fault_arm(&json_memory, 1, true);
    segue_status st = seg_status_load(fault, "m", &s, &call);
    assert_int_equal(json_memory_end(), 0);
    ASSERT_U64(SEGUE_NO_MEMORY, st);
    ASSERT_U64(SEGUE_NO_MEMORY, test_err.status);
    assert_says("out of memory for the status record _segue:migration:m");
    assert_null(s.from.data);
    json_memory_begin();
    s = loaded("m");
    seg_status_free(&s);
    assert_int_equal(json_memory_end(), 0);
    put_with("policy", "7");
    json_memory_begin();
    st = seg_status_load(fault, "m", &s, &call);
    assert_int_equal(json_memory_end(), 0); /* all is given back, understood or not */
    ASSERT_U64(SEGUE_CORRUPT, st);
}

/* ---- runners ---- */

static const int64_t stale_ns = 15;

static seg_runner runner_here(void)
{
    seg_runner r = {0};
    seg_runner_here(&store->env, &r);
    return r;
}

/* Whatever an earlier call has left in errno. */
static bool is_alive(const seg_runner *r)
{
    errno = ESRCH;
    return seg_runner_is_alive(r, &store->env, stale_ns);
}

static void a_runner_says_who_and_where_it_is(void **state)
{
    (void)state;
    seg_runner a = runner_here(), b = runner_here();
    ASSERT_U64(16, strlen(a.id));
    assert_string_not_equal(a.id, b.id);
    assert_string_equal(a.place, b.place);
    ASSERT_U64((uint64_t)getpid(), (uint64_t)a.pid);
    ASSERT_U64((uint64_t)fixed_now(NULL), (uint64_t)a.beat_ns);
    unsigned slashes = 0;
    for (const char *p = a.place; *p; p++) slashes += *p == '/';
    if (slashes != 2) fail_msg("%s", a.place);
    const char *boot = strchr(a.place, '/') + 1;
    ASSERT_U64(36, strcspn(boot, "/")); /* a UUID */
    assert_true(strtoull(boot + 37, NULL, 10) > 0);
    assert_null(strpbrk(a.place, "\n\r "));
}

static void a_runner_is_alive_while_its_sign_of_life_is_young(void **state)
{
    (void)state;
    seg_runner r = runner_here(), nobody = {0};
    static const char *const places[] = {NULL, "elsewhere/boot/1"};
    nobody.beat_ns = r.beat_ns;
    assert_false(is_alive(&nobody));
    for (size_t i = 0; i < COUNT(places); i++) {
        if (places[i]) (void)snprintf(r.place, sizeof r.place, "%s", places[i]); /* fits */
        for (int64_t age = -1; age <= stale_ns + 1; age++) {
            r.beat_ns = fixed_now(NULL) - age;
            if (is_alive(&r) != (age < stale_ns)) fail_msg("%s: %lld ns old", r.place, (long long)age);
        }
    }
}

static void go_elsewhere(seg_runner *r) { (void)snprintf(r->place, sizeof r->place, "elsewhere/boot/1"); /* fits */ }

/* The number of a process that was. */
static pid_t gone(void)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) _exit(0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return pid;
}

static void a_runner_whose_process_is_gone_is_dead_at_once(void **state)
{
    (void)state;
    seg_runner r = runner_here();
    r.pid = gone();
    assert_false(is_alive(&r));
    go_elsewhere(&r); /* nothing is known of processes there */
    assert_true(is_alive(&r));
}

static void a_runner_may_sleep_where_nobody_knows_that_it_is_gone(void **state)
{
    (void)state;
    seg_runner own = runner_here(), r = own, here = runner_here(), nobody = {0};
    assert_false(seg_runner_may_sleep(&nobody, &here));
    assert_false(seg_runner_may_sleep(&own, &here));
    go_elsewhere(&r); /* whatever its number */
    assert_true(seg_runner_may_sleep(&r, &here));
    r = own;
    r.pid = getppid();
    assert_true(seg_runner_may_sleep(&r, &here));
    r.pid = gone();
    assert_false(seg_runner_may_sleep(&r, &here));
    go_elsewhere(&r);
    assert_true(seg_runner_may_sleep(&r, &here));
}

/* A sign of life from before all time is none. */
static void a_damaged_sign_of_life_is_none(void **state)
{
    (void)state;
    static const char *const beats[] = {"-9223372036854775808", "-1", "null", "\"now\""};
    for (size_t i = 0; i < COUNT(beats); i++) {
        put_with("runner.beat_ns", beats[i]);
        seg_status s = loaded("m");
        if (is_alive(&s.runner)) fail_msg("alive at %s", beats[i]);
        seg_status_free(&s);
    }
}

/* In a child: a failed test is the parent's to report. */
static int place_without_files(void)
{
    seg_runner r = {0};
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_NOFILE, &none) != 0) return 77;
    seg_runner_here(segue_env_default(), &r);
    return strchr(r.place, '/') != NULL; /* of what is not known nothing is told */
}

static int place_without_stdin(void)
{
    seg_runner r = {0};
    (void)close(0);
    seg_runner_here(segue_env_default(), &r);
    if (!strchr(r.place, '/')) return 1;
    return fcntl(0, F_GETFD) >= 0 ? 2 : 0; /* it is given back */
}

static int place_with_a_long_name(void)
{
    char name[64];
    seg_runner r = {0};
    memset(name, 'h', sizeof name);
    if (unshare(CLONE_NEWUTS) != 0 || sethostname(name, sizeof name) != 0) return 77;
    seg_runner_here(segue_env_default(), &r);
    return strcspn(r.place, "/") == 63 && strspn(r.place, "h") == 63 ? 0 : 1;
}

/* A record that names the place can be written all the same. */
static int place_with_a_strange_name(void)
{
    seg_runner r = {0};
    if (unshare(CLONE_NEWUTS) != 0 || sethostname("h\x7f\x80\xff.", 5) != 0) return 77;
    seg_runner_here(segue_env_default(), &r);
    if (strncmp(r.place, "h\x7f??./", 6) != 0) return 1;
    seg_status s = {.name = "strange", .stage = SEGUE_STAGE_STARTING, .runner = r};
    return seg_status_save(store, &s, &call) == SEGUE_OK ? 0 : 2;
}

static void a_place_is_found_in_any_process(void **state)
{
    (void)state;
    assert_int_equal(test_in_child(place_without_files), 0);
    assert_int_equal(test_in_child(place_without_stdin), 0);
    int (*const names[])(void) = {place_with_a_long_name, place_with_a_strange_name};
    for (size_t i = 0; i < COUNT(names); i++) {
        int code = test_in_child(names[i]);
        if (code != 77) assert_int_equal(code, 0); /* only root may give a name */
    }
}

int main(void)
{
#define IN_STORE(test) cmocka_unit_test_setup_teardown(test, open_store, close_store)
    const struct CMUnitTest tests[] = {
        IN_STORE(an_answer_that_was_lost_is_found_out),
        IN_STORE(the_largest_number_is_written_and_no_larger_one),
        IN_STORE(an_insert_whose_answer_was_lost_is_found_out),
        IN_STORE(a_record_that_cannot_be_written_is_named_with_the_reason),
        IN_STORE(other_failures_are_told_as_they_are),
        IN_STORE(finding_out_may_fail_too),
        IN_STORE(what_others_wrote_is_not_written_over),
        IN_STORE(who_leaves_writes_over_its_own),
        IN_STORE(a_claim_whose_answer_was_lost_is_written_again),
        IN_STORE(a_record_that_is_gone_is_not_made_again),
        IN_STORE(a_first_record_is_not_written_over_anothers),
        cmocka_unit_test(finding_out_gives_all_back),
        cmocka_unit_test(without_memory_it_says_so),
        IN_STORE(a_record_that_cannot_be_printed_is_not_written),
        IN_STORE(a_record_that_cannot_be_read_for_want_of_memory_is_not_called_damaged),
        IN_STORE(a_runner_says_who_and_where_it_is),
        IN_STORE(a_runner_is_alive_while_its_sign_of_life_is_young),
        IN_STORE(a_runner_whose_process_is_gone_is_dead_at_once),
        IN_STORE(a_runner_may_sleep_where_nobody_knows_that_it_is_gone),
        IN_STORE(a_damaged_sign_of_life_is_none),
        IN_STORE(a_place_is_found_in_any_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
