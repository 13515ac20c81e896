/* The twelve scenarios that a wrapper of a primary and a fallback has to get right first, by name, on dual stores of two
 * stores of each kind. */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <segue/dual.h>
#include <segue/ops.h>

#include "store/registry.h"
#include "support/bucket.h"

#define K(text) segue_str(text)

typedef struct seed {
    segue_store *primary, *fallback, *dual;
    segue_doc doc;
    segue_error err;
    segue_outcome outcome;
    unsigned calls; /* of the callback */
    bool saw_document[3];
    char saw_body[3][32];
    uint64_t saw_cas[3];
    segue_slice write; /* the callback's: none: nothing */
    bool deletes;
    void (*meanwhile)(struct seed *s); /* during the first call */
    segue_updated updated;             /* of the callback with xattrs */
} seed;

static char folder[] = "/tmp/segue-seed-XXXXXX";

#define OK(call) check_status(s, SEGUE_OK, (call), #call, __LINE__)
#define IS(status, call) check_status(s, SEGUE_##status, (call), #call, __LINE__)
static void check_status(seed *s, segue_status want, segue_status got, const char *what, int line)
{
    if (got != want)
        fail_msg("line %d: %s is %s, not %s: %s", line, what, segue_status_name(got), segue_status_name(want),
                 got == SEGUE_OK ? "" : s->err.message);
}

/* ---- documents ---- */

static const segue_xattr old_xattrs[] = {{{"_sync", 5}, {"{\"rev\":1}", 9}}, {{"u", 1}, {"2", 1}}};

static void put(seed *s, segue_store *store, const char *body, const segue_xattr *xattrs, size_t n)
{
    segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = K(body), .set_xattrs = xattrs, .n_set_xattrs = n};
    OK(segue_mutate(store, K("k"), &m, NULL, NULL, NULL, &s->err));
}

static void assert_body(seed *s, segue_store *store, const char *body)
{
    OK(segue_get(store, K("k"), NULL, &s->doc, &s->err));
    if (!segue_slice_equal(s->doc.rec.body, K(body)))
        fail_msg("the body is %.*s, not %s", (int)s->doc.rec.body.size, s->doc.rec.body.data, body);
}

static void assert_xattr(seed *s, const char *name, const char *value)
{
    const segue_xattr *x = segue_record_xattr(&s->doc.rec, K(name));
    if (!value && !x) return;
    if (!value || !x || !segue_slice_equal(x->value, K(value)))
        fail_msg("xattr %s is %.*s, not %s", name, x ? (int)x->value.size : 6, x ? x->value.data : "(none)",
                 value ? value : "(none)");
}

static void assert_tombstone(seed *s, segue_store *store)
{
    OK(segue_get_record(store, K("k"), NULL, &s->doc, &s->err));
    assert_true(s->doc.rec.is_tombstone);
}

/* ---- callbacks ---- */

static void see(seed *s, const segue_record *current)
{
    unsigned n = s->calls++;
    assert_true(n < 3);
    s->saw_document[n] = current && !current->is_tombstone;
    s->saw_cas[n] = current ? current->cas : 0;
    if (s->saw_document[n])
        (void)snprintf(s->saw_body[n], sizeof s->saw_body[n], "%.*s", (int)current->body.size, current->body.data);
    if (n == 0 && s->meanwhile) s->meanwhile(s);
}

static segue_status change(void *ctx, const segue_record *current, segue_mutation *m)
{
    seed *s = ctx;
    see(s, current);
    if (s->deletes) m->body_op = SEGUE_BODY_DELETE;
    if (s->write.data) m->body_op = SEGUE_BODY_SET;
    m->body = s->write;
    return SEGUE_OK;
}

static void update(seed *s, const char *body)
{
    s->write = segue_str(body);
    OK(segue_update(s->dual, K("k"), change, s, NULL, &s->outcome, &s->err));
}

static segue_status change_xattrs(void *ctx, const segue_record *current, segue_updated *updated)
{
    seed *s = ctx;
    see(s, current);
    *updated = s->updated;
    return SEGUE_OK;
}

static segue_status update_with_xattrs(seed *s, const segue_update_options *options)
{
    return segue_write_update_with_xattrs(s->dual, K("k"), change_xattrs, s, options, &s->outcome, &s->err);
}

/* ---- the twelve ---- */

static void update_migrates_from_the_fallback(seed *s)
{
    put(s, s->fallback, "1", old_xattrs, 2);
    update(s, "2");
    assert_int_equal(s->calls, 1);
    assert_string_equal(s->saw_body[0], "1");
    assert_body(s, s->primary, "2");
    assert_xattr(s, "_sync", "{\"rev\":1}");
    assert_xattr(s, "u", "2");
    assert_int_equal(s->doc.rec.revision, 2);
    assert_true(s->doc.rec.cas == s->outcome.cas);
    assert_body(s, s->dual, "2");
    assert_body(s, s->fallback, "1"); /* nobody writes there */
}

static void update_on_an_existing_primary_ignores_a_stale_fallback(seed *s)
{
    put(s, s->fallback, "\"stale\"", old_xattrs, 2);
    put(s, s->primary, "1", NULL, 0);
    update(s, "2");
    assert_string_equal(s->saw_body[0], "1");
    assert_body(s, s->dual, "2");
    assert_int_equal(s->doc.rec.n_xattrs, 0);
}

static void update_that_deletes_a_fallback_only_document(seed *s)
{
    put(s, s->fallback, "1", old_xattrs, 2);
    s->deletes = true;
    update(s, NULL);
    assert_true(s->outcome.written);
    IS(NOT_FOUND, segue_get(s->dual, K("k"), NULL, &s->doc, &s->err));
    assert_tombstone(s, s->primary);
    assert_xattr(s, "_sync", "{\"rev\":1}");
    assert_xattr(s, "u", NULL);
}

static void insert_in_the_primary(seed *s) { put(s, s->dual, "\"theirs\"", NULL, 0); }

static void update_retries_when_another_writer_inserts(seed *s)
{
    put(s, s->fallback, "1", NULL, 0);
    s->meanwhile = insert_in_the_primary;
    update(s, "2");
    assert_int_equal(s->calls, 2);
    assert_string_equal(s->saw_body[0], "1");
    assert_string_equal(s->saw_body[1], "\"theirs\"");
    assert_body(s, s->dual, "2");
    assert_int_equal(s->doc.rec.revision, 3);
}

static void update_after_migration_complete_ignores_the_fallback(seed *s)
{
    put(s, s->fallback, "1", NULL, 0);
    OK(segue_dual_set_phase(s->dual, SEGUE_PHASE_SEALED, 0, &s->err));
    IS(NOT_FOUND, segue_get(s->dual, K("k"), NULL, &s->doc, &s->err));
    update(s, "2");
    assert_false(s->saw_document[0]);
    assert_true(s->saw_cas[0] == 0);
    assert_body(s, s->dual, "2");
    assert_int_equal(s->doc.rec.revision, 1);
}

static void update_after_a_fallback_delete_resurrects(seed *s)
{
    put(s, s->fallback, "1", old_xattrs, 2);
    OK(segue_delete(s->fallback, K("k"), NULL, &s->err));
    IS(NOT_FOUND, segue_get(s->dual, K("k"), NULL, &s->doc, &s->err));
    update(s, "2");
    assert_false(s->saw_document[0]);
    assert_body(s, s->primary, "2");
    assert_int_equal(s->doc.rec.n_xattrs, 0);
    assert_int_equal(s->doc.rec.revision, 3);
    assert_tombstone(s, s->fallback);
}

static void write_the_fallback(seed *s) { put(s, s->fallback, "\"foreign\"", NULL, 0); }

static void a_foreign_write_to_the_fallback_is_shadowed(seed *s)
{
    put(s, s->fallback, "1", NULL, 0);
    s->meanwhile = write_the_fallback;
    update(s, "2");
    assert_string_equal(s->saw_body[0], "1");
    assert_body(s, s->dual, "2");
    assert_body(s, s->fallback, "\"foreign\""); /* still there for the sweep to find */
}

static const segue_xattr new_xattr = {{"_sync", 5}, {"{\"rev\":2}", 9}};

static void with_xattrs_migrates_body_and_xattrs(seed *s)
{
    put(s, s->fallback, "1", old_xattrs, 2);
    s->updated.write = (segue_xattr_write){.body = K("2"), .set = &new_xattr, .n_set = 1};
    OK(update_with_xattrs(s, NULL));
    assert_body(s, s->primary, "2");
    assert_xattr(s, "_sync", "{\"rev\":2}");
    assert_xattr(s, "u", "2");
    assert_int_equal(s->doc.rec.revision, 2);
}

static void with_xattrs_takes_the_previous_document(seed *s)
{
    put(s, s->fallback, "1", old_xattrs, 2);
    segue_doc previous = {0};
    OK(segue_get(s->dual, K("k"), NULL, &previous, &s->err));
    segue_update_options options = {.previous = &previous.rec};
    s->updated.write = (segue_xattr_write){.body = K("2"), .set = &new_xattr, .n_set = 1};
    OK(update_with_xattrs(s, &options));
    assert_int_equal(s->calls, 1);
    assert_true(s->saw_cas[0] == previous.rec.cas);
    assert_body(s, s->primary, "2");
    assert_xattr(s, "u", "2");
    s->updated.write.body = K("3"); /* by now it is stale: one more call, with the present one */
    s->calls = 0;
    OK(update_with_xattrs(s, &options));
    segue_doc_free(&previous);
    assert_int_equal(s->calls, 2);
    assert_string_equal(s->saw_body[1], "2");
    assert_body(s, s->dual, "3");
}

static void with_xattrs_drops_on_the_migrating_insert(seed *s)
{
    segue_slice drop = K("u");
    put(s, s->fallback, "1", old_xattrs, 2);
    s->updated.write = (segue_xattr_write){.body = K("2"), .set = &new_xattr, .n_set = 1, .drop = &drop, .n_drop = 1};
    OK(update_with_xattrs(s, NULL));
    assert_body(s, s->primary, "2");
    assert_xattr(s, "_sync", "{\"rev\":2}");
    assert_xattr(s, "u", NULL);
    assert_body(s, s->dual, "2");
    assert_xattr(s, "u", NULL);
}

static void with_xattrs_makes_a_tombstone(seed *s)
{
    put(s, s->fallback, "1", old_xattrs, 2);
    s->updated.write = (segue_xattr_write){.set = &new_xattr, .n_set = 1};
    s->updated.is_tombstone = true;
    OK(update_with_xattrs(s, NULL));
    assert_tombstone(s, s->primary);
    assert_xattr(s, "_sync", "{\"rev\":2}");
    assert_xattr(s, "u", NULL);
    IS(NOT_FOUND, segue_get(s->dual, K("k"), NULL, &s->doc, &s->err));
}

static void with_xattrs_resurrects_after_a_tombstone(seed *s)
{
    with_xattrs_makes_a_tombstone(s);
    static const segue_xattr other = {{"_other", 6}, {"3", 1}};
    s->updated = (segue_updated){.write = {.body = K("3"), .set = &other, .n_set = 1}};
    s->calls = 0;
    OK(update_with_xattrs(s, NULL));
    assert_false(s->saw_document[0]);
    assert_body(s, s->dual, "3");
    assert_int_equal(s->doc.rec.n_xattrs, 1);
    assert_xattr(s, "_other", "3");
    assert_int_equal(s->doc.rec.revision, 3);
}

/* ---- kinds of stores ---- */

static const char *const kinds[] = {"mem", "sqlite", "rosmar"};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

typedef struct job {
    const char *kind;
    void (*run)(seed *s);
    unsigned n; /* of the collection */
    char name[128];
    seed seed;
} job;

static segue_store *open_side(seed *s, const char *kind, const char *side, unsigned n)
{
    char path[128], url[256];
    segue_store *store = NULL;
    (void)snprintf(path, sizeof path, "%s/%s-%s", folder, kind, side); /* fits */
    if (strcmp(kind, "rosmar") == 0 && access(path, F_OK) != 0) test_copy_bucket("sg-bucket", path);
    (void)snprintf(url, sizeof url, "%s:%s?collection=seed.c%u", kind, path, n);
    OK(segue_open(url, NULL, &store, &s->err));
    return store;
}

static void run_job(void **state)
{
    job *j = *state;
    seed *s = &j->seed;
    if (!seg_backend_find(j->kind)) {
        print_message("skipped: %s is not compiled in\n", j->kind);
        skip();
    }
    s->primary = open_side(s, j->kind, "primary", j->n);
    s->fallback = open_side(s, j->kind, "fallback", j->n);
    OK(segue_dual_open(s->primary, s->fallback, NULL, &s->dual, &s->err));
    j->run(s);
}

static int close_job(void **state)
{
    seed *s = &((job *)*state)->seed;
    segue_close(s->dual);
    segue_close(s->primary);
    segue_close(s->fallback);
    segue_doc_free(&s->doc);
    return 0;
}

#define SCENARIO(name)                                                                                                 \
    {                                                                                                                  \
#name, name                                                                                                    \
    }
static const struct {
    const char *name;
    void (*run)(seed *s);
} scenarios[] = {
    SCENARIO(update_migrates_from_the_fallback),
    SCENARIO(update_on_an_existing_primary_ignores_a_stale_fallback),
    SCENARIO(update_that_deletes_a_fallback_only_document),
    SCENARIO(update_retries_when_another_writer_inserts),
    SCENARIO(update_after_migration_complete_ignores_the_fallback),
    SCENARIO(update_after_a_fallback_delete_resurrects),
    SCENARIO(a_foreign_write_to_the_fallback_is_shadowed),
    SCENARIO(with_xattrs_migrates_body_and_xattrs),
    SCENARIO(with_xattrs_takes_the_previous_document),
    SCENARIO(with_xattrs_drops_on_the_migrating_insert),
    SCENARIO(with_xattrs_makes_a_tombstone),
    SCENARIO(with_xattrs_resurrects_after_a_tombstone),
};
enum { N_SCENARIOS = sizeof scenarios / sizeof scenarios[0] };

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

int main(void)
{
    static job jobs[N_KINDS * N_SCENARIOS];
    static struct CMUnitTest tests[N_KINDS * N_SCENARIOS];
    if (!mkdtemp(folder)) return 1;
    for (size_t i = 0; i < N_KINDS * N_SCENARIOS; i++) {
        job *j = &jobs[i];
        j->kind = kinds[i / N_SCENARIOS];
        j->run = scenarios[i % N_SCENARIOS].run;
        j->n = (unsigned)i;
        (void)snprintf(j->name, sizeof j->name, "%s: %s", j->kind, scenarios[i % N_SCENARIOS].name); /* fits */
        tests[i] = (struct CMUnitTest){j->name, run_job, NULL, close_job, j};
    }
    int failed = _cmocka_run_group_tests("seed", tests, N_KINDS * N_SCENARIOS, NULL, NULL);
    (void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS); /* left-overs in a temp folder do no harm */
    return failed;
}
