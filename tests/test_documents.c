/* The examples of docs/documents.md: each row of its tables and each of its blocks of C is run as it stands there. */
#include "records.h"

#include <segue/ops.h>

#define EXAMPLES "docs/documents.md"

static segue_error err;
static char page[256 * 1024];

static int read_page(void **state)
{
    (void)state;
    char path[1024];
    const char *folder = getenv("SEGUE_SOURCE_DIR");
    (void)snprintf(path, sizeof path, "%s/" EXAMPLES, folder ? folder : ".");
    FILE *file = fopen(path, "rb");
    if (!file) return perror(path), 1;
    size_t size = fread(page, 1, sizeof page - 1, file);
    page[size] = 0;
    return fclose(file) != 0 || size == 0;
}

/* ---- tables ---- */

enum { CELL = 256, CELLS = 5 };

/* What stands in the code quotes of a cell, or the cell. */
static void unquote(const char *from, size_t size, char out[CELL])
{
    size_t ticks = 0;
    while (size && from[0] == ' ') from++, size--;
    while (size && from[size - 1] == ' ') size--;
    while (ticks < size && from[ticks] == '`') ticks++;
    assert_true(size >= 2 * ticks && size < CELL);
    from += ticks;
    size -= 2 * ticks;
    if (ticks > 1 && size && from[0] == ' ') from++, size--;
    if (ticks > 1 && size && from[size - 1] == ' ') size--;
    memcpy(out, from, size);
    out[size] = 0;
}

/* The rows of the table with this head; run is called with the cells of each. At least `least` rows. */
static void each_row(const char *head, size_t least, void (*run)(char cells[CELLS][CELL]))
{
    const char *at = strstr(page, head);
    size_t n = 0;
    if (!at) fail_msg(EXAMPLES " has no table %s", head);
    at = strchr(strchr(at, '\n') + 1, '\n') + 1; /* behind the line below the head */
    for (; *at == '|'; n++) {
        char cells[CELLS][CELL] = {""};
        for (size_t i = 0; i < CELLS && at[1] != '\n'; i++) {
            const char *end = strchr(at + 1, '|');
            unquote(at + 1, (size_t)(end - at - 1), cells[i]);
            at = end;
        }
        at = strchr(at, '\n') + 1;
        run(cells);
    }
    if (n < least) fail_msg("%s: %zu rows, expected %zu", head, n, least);
}

static segue_store *fresh_store(void)
{
    segue_store *s = NULL;
    ASSERT_OK(segue_open("mem:", NULL, &s, &err));
    return s;
}

/* `want` ends in ... where the rest does not matter. */
static bool is_as_said(const char *want, segue_slice got)
{
    const char *dots = strstr(want, "...");
    segue_slice begin = segue_bytes(want, dots ? (size_t)(dots - want) : strlen(want));
    return dots ? segue_slice_starts_with(got, begin) : segue_slice_equal(got, begin);
}

/* ---- the examples ---- */

static void run_change(char cells[CELLS][CELL])
{
    static const char *const names[] = {"set", "insert", "delete", "append"};
    const char *before = cells[0], *change = cells[1], *after = cells[4];
    segue_store *s = fresh_store();
    segue_doc doc = {0};
    segue_path_op op = {.action = (segue_path_action)COUNT(names), .path = K(cells[2]), .value = K(cells[3])};
    for (unsigned i = 0; i < COUNT(names); i++)
        if (strncmp(change, names[i], strlen(names[i])) == 0) op.action = (segue_path_action)i;
    if (strstr(change, "parents")) op.options |= SEGUE_PATH_PARENTS;
    if (strstr(change, "missing is fine")) op.options |= SEGUE_PATH_MISSING_OK;
    segue_mutation m = {.paths = &op, .n_paths = 1};
    ASSERT_OK(segue_set_raw(s, K("k"), K(before), segue_expiry_none(), NULL, NULL, &err));
    segue_status st = segue_mutate(s, K("k"), &m, NULL, NULL, NULL, &err);
    ASSERT_OK(segue_get(s, K("k"), NULL, &doc, &err));
    bool as_said = st == SEGUE_OK
                       ? segue_slice_equal(doc.rec.body, K(after))
                       : strcmp(after, segue_status_name(st)) == 0 && segue_slice_equal(doc.rec.body, K(before));
    if (!as_said)
        fail_msg("%s, %s, %s: %s, <%.*s>, expected %s", before, change, cells[2], segue_status_name(st),
                 (int)doc.rec.body.size, doc.rec.body.data, after);
    segue_doc_free(&doc);
    segue_close(s);
}

static void changes_do_what_the_page_says(void **state)
{
    (void)state;
    each_row("| body before | change | at |", 10, run_change);
}

static void run_read(char cells[CELLS][CELL])
{
    segue_store *s = fresh_store();
    segue_doc doc = {0};
    segue_slice name = K(cells[0]);
    segue_xattr sync = {K("_sync"), K("{\"rev\":\"1-a\",\"old\":null}")};
    segue_xattr_write w = {.body = K("{\"foo\": 1}"), .set = &sync, .n_set = 1};
    ASSERT_OK(segue_write_with_xattrs(s, K("k"), 0, &w, NULL, NULL, &err));
    segue_status st = segue_xattrs_get(s, K("k"), &name, 1, NULL, &doc, &err);
    segue_slice got = st == SEGUE_OK ? doc.rec.xattrs[0].value : K(segue_status_name(st));
    if (!is_as_said(cells[1], got)) fail_msg("%s: %.*s, expected %s", cells[0], (int)got.size, got.data, cells[1]);
    segue_doc_free(&doc);
    segue_close(s);
}

static void reads_answer_what_the_page_says(void **state)
{
    (void)state;
    assert_non_null(strstr(page, "`{\"foo\": 1}` and the xattr `_sync` =\n`{\"rev\":\"1-a\",\"old\":null}`"));
    each_row("| asked for | answer |", 8, run_read);
}

static void run_macro(char cells[CELLS][CELL])
{
    char want[32] = "";
    if (strcmp(cells[0], "SEGUE_MACRO_CAS") == 0) {
        char value[] = "\"0x0000000000000000\"";
        segue_xattr x = {K("_s"), segue_bytes(value, sizeof value - 1)};
        segue_record rec = {.xattrs = &x, .n_xattrs = 1};
        segue_cas_place place = {0, 3};
        segue_expand_cas(&rec, &place, 1, strtoull(cells[1], NULL, 16));
        memcpy(want, value, sizeof value);
    } else {
        assert_string_equal(cells[0], "SEGUE_MACRO_BODY_CRC32C");
        (void)snprintf(want, sizeof want, "\"0x%08x\"", (unsigned)seg_crc32c(K(cells[1])));
    }
    assert_string_equal(want, cells[2]);
}

static void macros_are_written_as_the_page_says(void **state)
{
    (void)state;
    each_row("| kind | of | is written as |", 2, run_macro);
}

/* ---- blocks: made of the page by documents.awk ---- */

#define EXAMPLE                                                                                                        \
    (void)state;                                                                                                       \
    segue_store *store = fresh_store();                                                                                \
    const segue_slice key = K("key"), log_name = K("_log");                                                            \
    segue_doc doc = {0};                                                                                               \
    segue_slice json = {0};                                                                                            \
    segue_outcome outcome = {0};                                                                                       \
    uint64_t cas = 0
#define END_OF_EXAMPLE                                                                                                 \
    (void)outcome, (void)log_name, (void)json, (void)cas;                                                              \
    segue_doc_free(&doc);                                                                                              \
    segue_close(store)

static void returns(segue_status want, segue_status got, const char *what)
{
    if (got != want)
        fail_msg("%s: %s (%s), expected %s", what, segue_status_name(got), err.message, segue_status_name(want));
}
#define RETURNS(want, call) returns(want, call, #call)
#define IS(want, got) ASSERT_SLICE(want, got)

#include "documents_examples.inc"

int main(void)
{
    const struct CMUnitTest tests[] = {
        EXAMPLES_OF_THE_PAGE,
        cmocka_unit_test(changes_do_what_the_page_says),
        cmocka_unit_test(reads_answer_what_the_page_says),
        cmocka_unit_test(macros_are_written_as_the_page_says),
    };
    return cmocka_run_group_tests(tests, read_page, NULL);
}
