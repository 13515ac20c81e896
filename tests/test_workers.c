/* The workers of a pass: what is under way when something ends it comes to its end, and counts. */
#include "migration_scene.h"

#include "support/memory.h"

#include <semaphore.h>

typedef struct gate {
    sem_t opened;
    unsigned waited, scans;  /* by the worker; by the runner */
    segue_migration *cancel; /* at the scan that opens it, or NULL */
} gate;

enum { SCAN_OF_THIRD_PAGE = 4 }; /* the first one looks for Segue's own records */

/* The worker is at its first page. */
static void wait_for_the_gate(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    gate *g = ctx;
    (void)op, (void)key;
    if (after || count != 1) return;
    g->waited++;
    assert_int_equal(sem_wait(&g->opened), 0);
}

/* The runner has read two pages, and given them to the worker. */
static void open_the_gate(void *ctx, seg_store_op op, segue_slice key, bool after, unsigned count)
{
    gate *g = ctx;
    (void)op, (void)key;
    if (after || count != SCAN_OF_THIRD_PAGE) return;
    g->scans++;
    if (g->cancel) segue_migration_cancel(g->cancel);
    assert_int_equal(sem_post(&g->opened), 0);
}

static const struct {
    const char *name;
    bool cancels, cannot_copy;
    segue_status st;
    unsigned moved;
    const char *cursor;
} cases[] = {
    {"a scan that fails", false, false, SEGUE_IO_ERROR, 6, ""}, /* the place is kept where it was */
    {"a scan and all copies that fail", false, true, SEGUE_IO_ERROR, 0, ""},
    {"stopped", true, false, SEGUE_NOT_FINISHED, 9, "\"d:08\""},
};

static void what_is_under_way_comes_to_its_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mscene s;
        gate g = {0};
        long live = atomic_load(&test_memory_live);
        segue_migration *m = NULL;
        assert_int_equal(sem_init(&g.opened, 0, 0), 0);
        begin_scene(&s, MEM_TWO);
        s.options.workers = 1;
        assert_ok(segue_migration_open(s.fault_from, s.fault_to, &s.options, &m, &test_err));
        if (cases[i].cancels) g.cancel = m;
        seg_fault_plan waits = {.ops = SEG_OP_WRITE_MANY, .hook = wait_for_the_gate, .hook_ctx = &g};
        seg_fault_plan opens = {.ops = SEG_OP_SCAN, .hook = open_the_gate, .hook_ctx = &g};
        if (!cases[i].cancels) opens.nth = SCAN_OF_THIRD_PAGE, opens.status = cases[i].st;
        if (cases[i].cannot_copy) waits.nth = 1, waits.persistent = true, waits.status = SEGUE_IO_ERROR;
        seg_fault_set(s.fault_to, &waits);
        seg_fault_set(s.fault_from, &opens);
        segue_status st = segue_migration_run(m, &test_err);
        if (st != cases[i].st) fail_msg("%s: %s: %s", cases[i].name, segue_status_name(st), test_err.message);
        segue_migration_close(m);
        segue_migration_status status = read_status(&s);
        assert_true(g.waited == 1 && g.scans == 1);
        assert_string_equal(status.cursor, cases[i].cursor);
        assert_int_equal(status.counts.moved, cases[i].moved);
        segue_migration_status_free(&status);
        heal(&s);
        assert_ok(run_scene(&s));
        assert_moved(&s, cases[i].name);
        end_scene(&s);
        assert_int_equal(atomic_load(&test_memory_live), live);
        assert_int_equal(sem_destroy(&g.opened), 0);
    }
}

int main(void)
{
    test_memory_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_under_way_comes_to_its_end, test_make_folder, test_remove_folder)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
