/* Paths and what is spliced at them. The input: a byte that chooses the operation, a path, a line feed, a value, a line feed,
 * and the text that it is done to. What comes out is JSON, the change can be read back at its place, and everything outside
 * of it is as it was. */
#include "fuzz.h"

#include "base/base.h"
#include "doc/json.h"
#include "doc/path.h"

static bool is_inside(segue_slice part, segue_slice whole)
{
    return part.data >= whole.data && part.data + part.size <= whole.data + whole.size;
}

/* Up to the next line feed; the rest stays in *input. */
static segue_slice take_line(segue_slice *input)
{
    const char *end = memchr(input->data, '\n', input->size);
    size_t size = end ? (size_t)(end - input->data) : input->size;
    segue_slice line = segue_bytes(input->data, size);
    input->data += size + (end != NULL);
    input->size -= size + (end != NULL);
    return line;
}

static segue_slice before(segue_slice text, segue_slice part)
{
    return segue_bytes(text.data, (size_t)(part.data - text.data));
}

static segue_slice behind(segue_slice text, segue_slice part)
{
    const char *from = part.data + part.size;
    return segue_bytes(from, (size_t)(text.data + text.size - from));
}

static bool ends_with(segue_slice text, segue_slice tail)
{
    return text.size >= tail.size && segue_slice_equal(segue_bytes(text.data + text.size - tail.size, tail.size), tail);
}

/* What was there, what is there now, and what stands before and behind it. */
static void check_set(const seg_path *path, segue_slice value, segue_slice was, segue_slice is, const seg_place *old)
{
    seg_place now;
    seg_path_find(path, 0, is, &now);
    MUST(now.n == path->n && segue_slice_equal(now.value, seg_json_trim(value)));
    if (old->n == path->n) {
        MUST(segue_slice_starts_with(is, before(was, old->value)));
        MUST(ends_with(is, behind(was, old->value)));
        MUST(is.size == was.size - old->value.size + value.size);
    } else { /* put in behind the last child of the last parent there is */
        MUST(segue_slice_starts_with(is, before(was, old->value)));
        MUST(ends_with(is, behind(was, old->value)) && is.size > was.size + value.size);
    }
}

static void check_delete(const seg_path *path, segue_slice was, segue_slice is, const seg_place *old)
{
    seg_place now;
    MUST(is.size == was.size - old->cut);
    MUST(memcmp(is.data, was.data, old->cut_at) == 0);
    MUST(ends_with(is, segue_bytes(was.data + old->cut_at + old->cut, was.size - old->cut_at - old->cut)));
    seg_path_find(path, 0, is, &now);
    MUST(now.n < path->n || !path->steps[path->n - 1].name.data); /* another element may have its index now */
}

static void check_append(const seg_path *path, segue_slice value, segue_slice was, segue_slice is, const seg_place *old)
{
    seg_place now;
    seg_path_find(path, 0, is, &now);
    MUST(now.n == path->n && now.value.data[0] == '[');
    seg_json_walk walk = {.text = now.value};
    segue_slice name, element, last = {0};
    while (seg_json_next(&walk, &name, &element)) last = element;
    MUST(segue_slice_equal(last, seg_json_trim(value)));
    MUST(segue_slice_starts_with(is, before(was, old->value)) && ends_with(is, behind(was, old->value)));
}

static void splice(const segue_path_op *op, segue_slice text)
{
    segue_error err = {0};
    segue_call call = {.err = &err};
    segue_applied a = {0};
    segue_record rec = {.key = segue_str("k"), .body = text, .cas = 1, .revision = 1};
    segue_mutation m = {.paths = op, .n_paths = 1};
    segue_status st = segue_apply(rec.key, &rec, &m, 1000, &a, &call);
    seg_path path;
    if (st == SEGUE_OK) {
        seg_place old;
        MUST(seg_path_parse(op->path, &path, NULL) == SEGUE_OK);
        seg_path_find(&path, 0, text, &old);
        MUST(seg_json_valid(a.rec.body, NULL));
        MUST(is_inside(old.value, text));
        if (op->action == SEGUE_PATH_DELETE && old.n < path.n) MUST(segue_slice_equal(a.rec.body, text));
        else if (op->action == SEGUE_PATH_DELETE) check_delete(&path, text, a.rec.body, &old);
        else if (op->action == SEGUE_PATH_APPEND) check_append(&path, op->value, text, a.rec.body, &old);
        else check_set(&path, op->value, text, a.rec.body, &old);
    } else {
        MUST(err.status == st && err.message[0]);
        MUST(st == SEGUE_INVALID_PATH || st == SEGUE_INVALID_JSON || st == SEGUE_NOT_JSON || st == SEGUE_PATH_EXISTS ||
             st == SEGUE_PATH_NOT_FOUND || st == SEGUE_PATH_MISMATCH || st == SEGUE_PATH_AMBIGUOUS);
    }
    segue_applied_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    char *copy = seg_alloc(size); /* exactly as long as it is, so that a step too far is seen */
    MUST(copy);
    memcpy(copy, data, size);
    unsigned choice = (unsigned char)copy[0];
    segue_slice rest = segue_bytes(copy + 1, size - 1);
    segue_path_op op = {.action = (segue_path_action)(choice % 4), .options = choice / 4 % 4};
    op.path = take_line(&rest);
    op.value = take_line(&rest);
    splice(&op, rest);
    seg_free(copy);
    return 0;
}
