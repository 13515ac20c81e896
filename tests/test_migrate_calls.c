/* What a migration asks of its stores, call by call, and what becomes of it when one of these calls fails: what is said,
 * how far it says that it is, and in which phase its clients are left. */
#include "migration_scene.h"

#include <stdlib.h>

enum { STORY = 16384 };

/* Something that is done once for each of its calls, which fails. */
typedef struct play {
    const char *name;
    void (*prepare)(mscene *s); /* before the stores are watched; may be NULL */
    segue_status (*act)(mscene *s);
    /* The calls as they follow, to the primary or the fallback; the stage that is written; the phase and the stage that
     * are left when that call fails (without: it is done again later in the run, and all goes well); "tried again": if the
     * failure is one that can pass, nothing comes of it. */
    const char *const *calls;
} play;

typedef struct watch {
    const mscene *scene;
    char side, *story;
} watch;

static void tell(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    static const char *const names[] = {"get", "put", "erase", "scan", "mutate", "move", "write_many"};
    const watch *w = ctx;
    unsigned i = 0;
    if (!after) return;
    while (!((unsigned)op >> i & 1)) i++;
    assert_in_range(i, 0, sizeof names / sizeof *names - 1);
    size_t n = strlen(w->story);
    bool is_status = op == SEG_OP_PUT && segue_slice_starts_with(key, K("_segue:migration:"));
    const char *stage = is_status ? segue_stage_name(stage_of(w->scene)) : "";
    (void)snprintf(w->story + n, STORY - n, "%u %c %s %.*s%s%s\n", count, w->side, names[i], (int)key.size, key.data,
                   is_status ? " " : "", stage); /* cut: fails the test */
}

static segue_store *clients;

static void begin_play(mscene *s, const play *p)
{
    segue_dual_options legacy = {SEGUE_PHASE_LEGACY};
    segue_store *dual = NULL;
    begin_scene(s, MEM_TWO);
    use_own_time(s);        /* else a slow machine would see more signs of life */
    s->options.workers = 1; /* so that the calls have an order */
    s->options.page_docs = 100;
    assert_ok(segue_dual_open(s->to, s->from, NULL, &dual, &test_err));
    assert_ok(segue_delete(dual, K("d:03"), NULL, &test_err)); /* these tombstones hide the fallback */
    assert_ok(segue_delete(dual, K("d:05"), NULL, &test_err));
    segue_close(dual);
    if (p->prepare) p->prepare(s);
    assert_ok(segue_dual_open(s->fault_to, s->fault_from, &legacy, &clients, &test_err));
    s->options.dual = clients;
}

static void end_play(mscene *s)
{
    segue_close(clients);
    end_scene(s);
}

/* It ended so: the phase of the clients and the stage. It must say what has failed, also in the status record once it
 * is the runner. */
static void append_outcome(const mscene *s, segue_status st, uint64_t epoch, unsigned nth, char out[STORY])
{
    segue_error err = test_err;
    segue_phase phase = SEGUE_PHASE_LEGACY;
    segue_migration_status status = {0};
    char word[64];
    size_t n = strlen(out);
    if (st == SEGUE_OK) return;
    (void)snprintf(word, sizeof word, "injected failure of call %u", nth);
    if (st != SEGUE_IO_ERROR || !strstr(err.message, word))
        fail_msg("%s: %s: %s", out, segue_status_name(st), err.message);
    assert_ok(segue_dual_phase(clients, &phase));
    segue_status there = segue_migration_status_read(s->to, NULL, &status, &test_err);
    if (there != SEGUE_OK && there != SEGUE_NOT_FOUND) fail_msg("%s", test_err.message);
    (void)snprintf(out + n, STORY - n, ": %s, %s%s", segue_phase_name(phase), segue_stage_name(status.stage),
                   status.is_running ? ", still running" : ""); /* fits */
    bool claimed = status.epoch > epoch && !status.is_running;
    if (claimed && strcmp(status.last_error, err.message) != 0) fail_msg("%s: it says \"%s\"", out, status.last_error);
    segue_migration_status_free(&status);
}

static uint64_t epoch_of(const mscene *s)
{
    segue_migration_status status = {0};
    segue_status st = segue_migration_status_read(s->to, NULL, &status, &test_err);
    uint64_t epoch = status.epoch;
    segue_migration_status_free(&status);
    return st == SEGUE_OK ? epoch : 0;
}

/* The nth call to one side fails; what has become of it is appended, and then all is well again. */
static void fail_at(const play *p, char side, unsigned nth, segue_status how, char line[STORY])
{
    mscene s;
    begin_play(&s, p);
    uint64_t epoch = epoch_of(&s);
    seg_fault_plan plan = {.nth = nth, .status = how};
    segue_store *store = side == 'F' ? s.fault_from : s.fault_to;
    seg_fault_set(store, &plan);
    segue_status st = p->act(&s);
    if (!seg_fault_fired(store)) fail_msg("%s: %s did not happen", p->name, line);
    heal(&s);
    if (how == SEGUE_IO_ERROR) append_outcome(&s, st, epoch, nth, line);
    else if (st == SEGUE_OK) strcat(line, "; tried again");
    atomic_fetch_add(&scene_ns, 1000); /* the runner is silent for longer than that it is taken for alive */
    if (st != SEGUE_OK) st = p->act(&s);
    if (st != SEGUE_OK) fail_msg("%s: after %s: then %s", p->name, line, test_err.message);
    assert_body(s.to, "d:02", "{\"i\":2}");
    assert_body(s.to, "n:counter", "41");
    end_play(&s);
}

static void every_call_fails(const play *p)
{
    static char story[STORY], line[STORY];
    mscene s;
    watch watches[] = {{&s, 'F', story}, {&s, 'P', story}};
    story[0] = '\0';
    begin_play(&s, p);
    seg_fault_plan plans[2] = {{.hook = tell, .hook_ctx = &watches[0]}, {.hook = tell, .hook_ctx = &watches[1]}};
    seg_fault_set(s.fault_from, &plans[0]);
    seg_fault_set(s.fault_to, &plans[1]);
    assert_ok(p->act(&s));
    end_play(&s);
    size_t i = 0;
    for (char *at = story, *next; *at; at = next, i++) {
        unsigned nth = (unsigned)strtoul(at, &at, 10);
        next = at + strcspn(at, "\n") + 1;
        (void)snprintf(line, sizeof line, "%.*s", (int)(next - at - 2), at + 1); /* fits */
        char side = *line;
        fail_at(p, side, nth, SEGUE_IO_ERROR, line);
        fail_at(p, side, nth, SEGUE_UNAVAILABLE, line);
        if (!p->calls[i] || strcmp(line, p->calls[i]) != 0)
            fail_msg("%s: is\n  %s\nnot\n  %s", p->name, line, p->calls[i] ? p->calls[i] : "(the end)");
    }
    if (p->calls[i]) fail_msg("%s: there is no %s", p->name, p->calls[i]);
}

/* ---- the plays ---- */

static segue_status by_hand(mscene *s, segue_status (*step)(segue_migration *, segue_error *))
{
    segue_migration *m = NULL;
    assert_ok(segue_migration_open(s->fault_from, s->fault_to, &s->options, &m, &test_err));
    segue_status st = step(m, &test_err);
    segue_migration_close(m);
    return st;
}

static segue_status seal_by_hand(mscene *s) { return by_hand(s, segue_migration_seal); }
static segue_status clean_by_hand(mscene *s) { return by_hand(s, segue_migration_clean); }

static void write_behind(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    const mscene *s = ctx;
    (void)op, (void)key;
    if (after || count != 1) return;
    assert_ok(segue_set(s->from, K("d:00"), K("\"foreign\""), segue_expiry_none(), NULL, NULL, &test_err));
    assert_ok(segue_set(s->from, K("d:01"), K("\"foreign\""), segue_expiry_none(), NULL, NULL, &test_err));
}

/* A run is stopped by two foreign writes; then it is said what is to become of them. */
static void stop_at_foreign_writes(mscene *s)
{
    seg_fault_plan plan = {.ops = SEG_OP_WRITE_MANY, .hook = write_behind, .hook_ctx = s};
    seg_fault_set(s->fault_from, &plan);
    assert_status(run_scene(s), SEGUE_NOT_FINISHED);
    heal(s);
    s->options.on_foreign_write = SEGUE_FOREIGN_NEWER;
}

/* Sync Gateway's own hand-over of the counter was begun. */
static void copy_a_pill(mscene *s)
{
    static const char pill[] = "{\"last_seq\":41,\"sg_metadata_migration_pill\":true}";
    assert_ok(segue_set(s->from, K("n:counter"), K(pill), segue_expiry_none(), NULL, NULL, &test_err));
    s->options.keep = true;
}

static void stop_before_the_seal(mscene *s)
{
    s->options.hold_seal = true;
    assert_ok(run_scene(s));
    s->options.hold_seal = false;
}

static void stop_before_the_cleaning(mscene *s)
{
    s->options.hold_clean = true;
    assert_ok(run_scene(s));
    s->options.hold_clean = false;
}

static void finish(mscene *s) { assert_ok(run_scene(s)); }

static void finish_and_add_one(mscene *s)
{
    finish(s);
    assert_ok(segue_add(s->from, K("d:late"), K("1"), segue_expiry_none(), NULL, NULL, &test_err));
}

/* What several of them consist of. */
#define VERIFY_ALL                                                                                                     \
    "P put _segue:migration:default verifying: forward, verifying; tried again",                                       \
        "P scan _segue:manifest:default:: forward, verifying; tried again",                                            \
        "P scan n:counter: forward, verifying; tried again", "P scan d:00: forward, verifying; tried again",           \
        "P scan d:registry: forward, verifying; tried again"
#define SEAL_AND_CLEAN                                                                                                 \
    "F scan : forward, verifying; tried again",                                                                        \
        "P put _segue:migration:default verified: forward, verified; tried again",                                     \
        "P put _segue:migration:default sealing: forward, sealing; tried again",                                       \
        "P put _segue:migration:default sealed: sealed, sealed; tried again",                                          \
        "P put _segue:migration:default cleaning: sealed, cleaning; tried again",                                      \
        "P scan _segue:manifest:default:: sealed, cleaning; tried again"
#define PURGE_WHAT_HID                                                                                                 \
    "P get d:03: sealed, cleaning", "P erase d:03: sealed, cleaning", "P get d:05: sealed, cleaning",                  \
        "P erase d:05: sealed, cleaning"
#define END_CLEAN                                                                                                      \
    "P put _segue:migration:default clean: clean, clean; tried again",                                                 \
        "P put _segue:migration:default clean: clean, clean, still running; tried again"
#define MOVE_PAGE                                                                                                      \
    "P scan d:00; tried again", "P put _segue:manifest:default:0000000100000002; tried again",                         \
        "F move d:00; tried again", "F get d:09; tried again", "F get d:10; tried again", "F get d:11; tried again",   \
        "P get _segue:migration:default; tried again",                                                                 \
        "P write_many _segue:manifest:default:0000000100000002; tried again"

static const char *const run_calls[] = {
    "P get _segue:migration:default: legacy, none",
    "P scan _segue:: legacy, none; tried again",
    "F scan _segue:: legacy, none; tried again",
    "F erase _segue:probe: legacy, none",
    "P put _segue:migration:default starting: legacy, none; tried again",
    "P put _segue:migration:default starting: legacy, starting; tried again",
    "F get n:counter: forward, starting; tried again",
    "P put _segue:manifest:default:0000000100000001: forward, starting; tried again",
    "F put n:counter: forward, starting; tried again",
    "F get n:counter: forward, starting; tried again",
    "P get n:counter: forward, starting; tried again",
    "P get _segue:migration:default: forward, starting; tried again",
    "P put n:counter: forward, starting; tried again",
    "F erase n:counter: forward, starting; tried again",
    "P put _segue:migration:default sweeping: forward, sweeping; tried again",
    "F scan : forward, sweeping; tried again",
    MOVE_PAGE,
    "F write_many d:00; tried again",
    "F write_many hb:1; tried again",
    "P put _segue:migration:default sweeping: forward, sweeping; tried again",
    "F scan : forward, sweeping; tried again",
    "P get d:registry; tried again",
    "P get _segue:migration:default; tried again",
    "P write_many _segue:manifest:default:0000000100000003; tried again",
    "F write_many d:registry; tried again",
    "P put _segue:migration:default sweeping: forward, sweeping; tried again",
    "F scan : forward, sweeping; tried again",
    "P put _segue:migration:default sweeping: forward, sweeping; tried again",
    VERIFY_ALL,
    SEAL_AND_CLEAN,
    "P erase _segue:manifest:default:0000000100000001: sealed, cleaning",
    PURGE_WHAT_HID,
    "P erase _segue:manifest:default:0000000100000002: sealed, cleaning",
    "P erase _segue:manifest:default:0000000100000003: sealed, cleaning",
    END_CLEAN,
    NULL,
};

static const char *const copy_calls[] = {
    "P get _segue:migration:default: legacy, none",
    "P scan _segue:: legacy, none; tried again",
    "F scan _segue:: legacy, none; tried again",
    "P put _segue:migration:default starting: legacy, none; tried again",
    "P put _segue:migration:default starting: legacy, starting; tried again",
    "F get n:counter: forward, starting; tried again",
    "P get n:counter: forward, starting; tried again",
    "P put _segue:manifest:default:0000000100000001: forward, starting; tried again",
    "P get _segue:migration:default: forward, starting; tried again",
    "P put n:counter: forward, starting; tried again",
    "P put _segue:migration:default sweeping: forward, sweeping; tried again",
    "F scan : forward, sweeping; tried again",
    "F get n:counter; tried again",
    "P get n:counter; tried again",
    MOVE_PAGE,
    "P put _segue:migration:default sweeping: forward, sweeping; tried again",
    "F scan : forward, sweeping; tried again",
    "F get n:counter; tried again",
    "P get n:counter; tried again",
    "P scan d:00; tried again",
    "P get _segue:migration:default; tried again",
    "P write_many _segue:manifest:default:0000000100000003; tried again",
    "P put _segue:migration:default sweeping: forward, sweeping; tried again",
    "F scan : forward, sweeping; tried again",
    "F get n:counter; tried again",
    "P get n:counter; tried again",
    "P scan d:00; tried again",
    "P put _segue:migration:default sweeping: forward, sweeping; tried again",
    "P put _segue:migration:default verifying: forward, verifying; tried again",
    "P scan _segue:manifest:default:: forward, verifying; tried again",
    "P scan n:counter: forward, verifying; tried again",
    "P scan d:00: forward, verifying; tried again",
    "P scan d:10: forward, verifying; tried again",
    "P scan d:registry: forward, verifying; tried again",
    "F scan : forward, verifying; tried again",
    "P scan d:00: forward, verifying; tried again",
    "P put _segue:migration:default verified: forward, verified; tried again",
    "P put _segue:migration:default sealing: forward, sealing; tried again",
    "P put _segue:migration:default sealed: sealed, sealed; tried again",
    "P put _segue:migration:default cleaning: sealed, cleaning; tried again",
    "P scan _segue:manifest:default:: sealed, cleaning; tried again",
    "P erase _segue:manifest:default:0000000100000001: sealed, cleaning",
    "P erase _segue:manifest:default:0000000100000002: sealed, cleaning",
    "P erase _segue:manifest:default:0000000100000003: sealed, cleaning",
    END_CLEAN,
    NULL,
};

static const char *const foreign_calls[] = {
    "P get _segue:migration:default: legacy, sweeping",
    "P scan _segue:: legacy, sweeping; tried again",
    "F scan _segue:: legacy, sweeping; tried again",
    "F erase _segue:probe: legacy, sweeping",
    "P put _segue:migration:default sweeping: legacy, sweeping; tried again",
    "P put _segue:migration:default starting: legacy, starting; tried again",
    "F get n:counter: forward, starting; tried again",
    "P put _segue:migration:default sweeping: forward, sweeping; tried again",
    "F get d:00: forward, sweeping",
    "P get d:00: forward, sweeping",
    "P put d:00: forward, sweeping",
    "F erase d:00: forward, sweeping",
    "F get d:01: forward, sweeping",
    "P get d:01: forward, sweeping",
    "P put d:01: forward, sweeping",
    "F erase d:01: forward, sweeping",
    "P put _segue:migration:default sweeping: forward, sweeping; tried again",
    "F scan other: forward, sweeping; tried again",
    "P put _segue:migration:default sweeping: forward, sweeping; tried again",
    "F scan : forward, sweeping; tried again",
    "P put _segue:migration:default sweeping: forward, sweeping; tried again",
    "F scan : forward, sweeping; tried again",
    "P get d:registry; tried again",
    "P put _segue:manifest:default:0000000200000001; tried again",
    "F move d:registry; tried again",
    "P get _segue:migration:default; tried again",
    "P write_many _segue:manifest:default:0000000200000001; tried again",
    "F write_many d:registry; tried again",
    "P put _segue:migration:default sweeping: forward, sweeping; tried again",
    "F scan : forward, sweeping; tried again",
    "P put _segue:migration:default sweeping: forward, sweeping; tried again",
    VERIFY_ALL,
    SEAL_AND_CLEAN,
    "P erase _segue:manifest:default:0000000100000001: sealed, cleaning",
    PURGE_WHAT_HID,
    "P erase _segue:manifest:default:0000000100000002: sealed, cleaning",
    "P erase _segue:manifest:default:0000000200000001: sealed, cleaning",
    END_CLEAN,
    NULL,
};

static const char *const cleaning_calls[] = {
    "P get _segue:migration:default: legacy, sealed",
    "P scan _segue:: legacy, sealed; tried again",
    "F scan _segue:: legacy, sealed; tried again",
    "F erase _segue:probe: legacy, sealed",
    "P put _segue:migration:default sealed: legacy, sealed; tried again",
    "P put _segue:migration:default cleaning: sealed, cleaning; tried again",
    "P scan _segue:manifest:default:: sealed, cleaning; tried again",
    "P erase _segue:manifest:default:0000000100000001: sealed, cleaning",
    PURGE_WHAT_HID,
    "P erase _segue:manifest:default:0000000100000002: sealed, cleaning",
    "P erase _segue:manifest:default:0000000100000003: sealed, cleaning",
    END_CLEAN,
    NULL,
};

static const char *const seal_calls[] = {
    "P get _segue:migration:default: legacy, verified",
    "P put _segue:migration:default verified: legacy, verified; tried again",
    "P put _segue:migration:default sealing: legacy, sealing; tried again",
    "P put _segue:migration:default sealed: sealed, sealed; tried again",
    "P put _segue:migration:default sealed: sealed, sealed, still running; tried again",
    NULL,
};

static const char *const clean_calls[] = {
    "P get _segue:migration:default: legacy, sealed",
    "P put _segue:migration:default sealed: legacy, sealed; tried again",
    "P put _segue:migration:default cleaning: legacy, cleaning; tried again",
    "P scan _segue:manifest:default:: sealed, cleaning; tried again",
    "P erase _segue:manifest:default:0000000100000001: sealed, cleaning",
    PURGE_WHAT_HID,
    "P erase _segue:manifest:default:0000000100000002: sealed, cleaning",
    "P erase _segue:manifest:default:0000000100000003: sealed, cleaning",
    END_CLEAN,
    NULL,
};

static const char *const nothing_calls[] = {
    "P get _segue:migration:default: legacy, clean",
    "P scan _segue:: legacy, clean; tried again",
    "F scan _segue:: legacy, clean; tried again",
    "F erase _segue:probe: legacy, clean",
    "F scan : legacy, clean; tried again",
    "F scan : forward, clean; tried again",
    NULL,
};

static const char *const again_calls[] = {
    "P get _segue:migration:default: legacy, clean",
    "P scan _segue:: legacy, clean; tried again",
    "F scan _segue:: legacy, clean; tried again",
    "F erase _segue:probe: legacy, clean",
    "F scan : legacy, clean; tried again",
    "P put _segue:migration:default starting: legacy, clean; tried again",
    "P put _segue:migration:default starting: legacy, starting; tried again",
    "F get n:counter: forward, starting; tried again",
    "P put _segue:migration:default sweeping: forward, sweeping; tried again",
    "F scan : forward, sweeping; tried again",
    "P get d:late; tried again",
    "P put _segue:manifest:default:0000000200000001; tried again",
    "F move d:late; tried again",
    "P get _segue:migration:default; tried again",
    "P write_many _segue:manifest:default:0000000200000001; tried again",
    "F write_many d:late; tried again",
    "P put _segue:migration:default sweeping: forward, sweeping; tried again",
    "F scan : forward, sweeping; tried again",
    "P put _segue:migration:default sweeping: forward, sweeping; tried again",
    "P put _segue:migration:default verifying: forward, verifying; tried again",
    "P scan _segue:manifest:default:: forward, verifying; tried again",
    "P scan d:late: forward, verifying; tried again",
    SEAL_AND_CLEAN,
    "P erase _segue:manifest:default:0000000200000001: sealed, cleaning",
    END_CLEAN,
    NULL,
};

static void what_fails_in_a_run_is_said_and_it_goes_on_from_there(void **state)
{
    (void)state;
    static const play plays[] = {
        {"a run", NULL, run_scene, run_calls},
        {"a copy", copy_a_pill, run_scene, copy_calls},
        {"a run after foreign writes", stop_at_foreign_writes, run_scene, foreign_calls},
        {"a run that goes on with the cleaning", stop_before_the_cleaning, run_scene, cleaning_calls},
    };
    for (size_t i = 0; i < sizeof plays / sizeof *plays; i++) every_call_fails(&plays[i]);
}

static void what_fails_in_a_step_by_hand_is_said(void **state)
{
    (void)state;
    static const play plays[] = {
        {"a seal by hand", stop_before_the_seal, seal_by_hand, seal_calls},
        {"a cleaning by hand", stop_before_the_cleaning, clean_by_hand, clean_calls},
    };
    for (size_t i = 0; i < sizeof plays / sizeof *plays; i++) every_call_fails(&plays[i]);
}

static void what_fails_when_all_is_done_already_is_said(void **state)
{
    (void)state;
    static const play plays[] = {
        {"a run with nothing to do", finish, run_scene, nothing_calls},
        {"a run with something new", finish_and_add_one, run_scene, again_calls},
    };
    for (size_t i = 0; i < sizeof plays / sizeof *plays; i++) every_call_fails(&plays[i]);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, test_make_folder, test_remove_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(what_fails_in_a_run_is_said_and_it_goes_on_from_there),
        IN_FOLDER(what_fails_in_a_step_by_hand_is_said),
        IN_FOLDER(what_fails_when_all_is_done_already_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
