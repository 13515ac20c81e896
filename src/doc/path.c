/* L2: paths. A path is cut into steps that point into it; each step is one walk along a container of a valid text, to its
 * end, because a name that stands there twice is reported and not guessed. */
#include "doc/path.h"

#include "base/base.h"
#include "doc/doc.h"
#include "doc/json.h"

/* ---- parsing ---- */

static bool is_meta(char c) { return c == '.' || c == '[' || c == ']' || c == '`'; }

bool seg_name_is_path(segue_slice name)
{
    for (size_t i = 0; i < name.size; i++)
        if (is_meta(name.data[i])) return true;
    return false;
}

/* Each takes one component at *at, and goes on behind it; a text for what is wrong, else NULL. */

static const char *take_bare(segue_slice text, size_t *at, seg_step *step)
{
    size_t from = *at;
    while (*at < text.size && !is_meta(text.data[*at])) ++*at;
    step->name = segue_bytes(text.data + from, *at - from);
    if (*at == from) return "a name is missing";
    if (*at < text.size && text.data[*at] == ']') return "a ] closes nothing";
    if (*at < text.size && text.data[*at] == '`') return "a backtick stands inside a name";
    return NULL;
}

static const char *take_quoted(segue_slice text, size_t *at, seg_step *step)
{
    size_t from = ++*at;
    for (; *at < text.size; ++*at) {
        if (text.data[*at] != '`') continue;
        if (*at + 1 == text.size || text.data[*at + 1] != '`') {
            step->name = segue_bytes(text.data + from, *at - from);
            ++*at;
            return NULL;
        }
        step->doubled = true;
        ++*at;
    }
    return "a backtick is not closed";
}

static const char *take_index(segue_slice text, size_t *at, seg_step *step)
{
    uint64_t number = 0;
    size_t from = ++*at;
    while (*at < text.size && text.data[*at] != ']') ++*at;
    if (*at == text.size) return "a [ is not closed";
    segue_slice inner = segue_bytes(text.data + from, *at - from);
    bool is_last = segue_slice_equal(inner, segue_str("-1"));
    if (!is_last &&
        (!seg_parse_u64(inner, &number) || number > INT32_MAX || (inner.size > 1 && inner.data[0] == '0'))) {
        *at = from;
        return "an index is a decimal number or -1";
    }
    step->index = is_last ? SEG_PATH_LAST : (int32_t)number;
    ++*at;
    return NULL;
}

static const char *take_steps(segue_slice text, size_t *at, seg_path *ret)
{
    while (*at < text.size) {
        if (ret->n == SEGUE_PATH_COMPONENTS_MAX) return "it has more than 32 components";
        seg_step *step = &ret->steps[ret->n];
        *step = (seg_step){0};
        bool is_index = text.data[*at] == '[';
        if (!is_index && ret->n > 0) {
            if (text.data[*at] != '.') return "a . or [ is missing";
            ++*at;
        }
        bool is_quoted = !is_index && *at < text.size && text.data[*at] == '`';
        const char *wrong = is_index    ? take_index(text, at, step)
                            : is_quoted ? take_quoted(text, at, step)
                                        : take_bare(text, at, step);
        if (wrong) return wrong;
        ret->n++;
    }
    return NULL;
}

segue_status seg_path_parse(segue_slice text, seg_path *ret, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX];
    size_t at = 0;
    ret->text = text;
    ret->n = 0;
    if (!text.data || text.size == 0) return segue_fail(call, SEGUE_INVALID_PATH, "a path has at least one component");
    if (text.size > SEGUE_PATH_MAX)
        return segue_fail(call, SEGUE_INVALID_PATH, "the path %s has %zu bytes; %d is the most",
                          seg_quote(text, quoted), text.size, SEGUE_PATH_MAX);
    if (!seg_utf8_valid(text))
        return segue_fail(call, SEGUE_INVALID_PATH, "the path %s is not UTF-8", seg_quote(text, quoted));
    const char *wrong = take_steps(text, &at, ret);
    if (wrong)
        return segue_fail(call, SEGUE_INVALID_PATH, "the path %s is wrong at byte %zu (component %zu): %s",
                          seg_quote(text, quoted), at, ret->n + 1, wrong);
    return SEGUE_OK;
}

segue_status seg_xattr_path_parse(segue_slice text, seg_path *ret, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX];
    segue_status st = seg_path_parse(text, ret, call);
    if (st != SEGUE_OK) return st;
    if (!ret->steps[0].name.data || text.data[0] == '`')
        return segue_fail(call, SEGUE_INVALID_PATH, "the path %s does not begin with the plain name of an xattr",
                          seg_quote(text, quoted));
    return seg_xattr_name_check(ret->steps[0].name, call);
}

/* ---- names ---- */

/* The next byte that the step's name means. A backtick in it is doubled. */
static char next_byte(const seg_step *step, size_t *at)
{
    char c = step->name.data[*at];
    *at += c == '`' ? 2 : 1;
    return c;
}

/* `inner` is the inside of a member's name. */
static bool is_name_of(const seg_step *step, segue_slice inner)
{
    if (!memchr(inner.data, '\\', inner.size) && !step->doubled) return segue_slice_equal(inner, step->name);
    size_t at = 0;
    for (size_t i = 0; i < inner.size;) {
        char bytes[4];
        size_t n = seg_json_next_char(inner, &i, bytes);
        if (n == 0) return false;
        for (size_t k = 0; k < n; k++)
            if (at >= step->name.size || next_byte(step, &at) != bytes[k]) return false;
    }
    return at == step->name.size;
}

segue_status seg_step_quote(const seg_step *step, segue_buf *out)
{
    char plain[SEGUE_PATH_MAX];
    size_t n = 0;
    for (size_t at = 0; at < step->name.size;) plain[n++] = next_byte(step, &at);
    return seg_json_quote(segue_bytes(plain, n), out);
}

/* ---- finding ---- */

/* A child that a step leads to, and what is around it; positions in the text. */
typedef struct child {
    segue_slice value;
    size_t at, end; /* with its name */
    size_t before;  /* the end of the child before it, or 0 */
    size_t after;   /* the beginning of the child behind it, or 0 */
    bool found;
} child;

static size_t offset_in(segue_slice text, const char *at) { return (size_t)(at - text.data); }

/* Sets ret->is_ambiguous. */
static child find_child(const seg_step *step, segue_slice text, seg_place *ret)
{
    child c = {.found = false};
    seg_json_walk walk = {.text = ret->value};
    segue_slice name, value;
    size_t previous_end = 0;
    for (int32_t i = 0; seg_json_next(&walk, &name, &value); i++) {
        size_t at = offset_in(text, name.data ? name.data - 1 : value.data);
        size_t end = offset_in(text, value.data + value.size);
        bool is_it = name.data ? is_name_of(step, name) : step->index == SEG_PATH_LAST || step->index == i;
        if (c.found && !c.after) c.after = at;
        if (is_it && name.data && c.found) {
            ret->is_ambiguous = true;
            ret->twice[0] = c.at;
            ret->twice[1] = at;
            return c;
        }
        if (is_it) c = (child){.value = value, .at = at, .end = end, .before = previous_end, .found = true};
        if (c.after && !name.data) break; /* an element can stand once only */
        previous_end = end;
    }
    return c;
}

static bool fits(const seg_step *step, segue_slice value)
{
    return value.size && value.data[0] == (step->name.data ? '{' : '[');
}

/* What has to go so that the child goes: it and one comma. */
static void set_cut(seg_place *place, segue_slice text, const child *c)
{
    size_t from = c->at, to = c->end;
    if (c->before) {
        from = c->before;
        while (text.data[from] != ',') from++; /* white space may stand before it */
    } else if (c->after) {
        to = c->after;
    }
    place->cut_at = from;
    place->cut = to - from;
}

void seg_path_find(const seg_path *path, size_t from, segue_slice text, seg_place *ret)
{
    *ret = (seg_place){.n = from, .value = seg_json_trim(text)};
    for (; ret->n < path->n; ret->n++) {
        const seg_step *step = &path->steps[ret->n];
        ret->other_type = !fits(step, ret->value);
        if (ret->other_type) return;
        child c = find_child(step, text, ret);
        if (!c.found || ret->is_ambiguous) return;
        ret->value = c.value;
        set_cut(ret, text, &c);
    }
}

segue_status seg_path_not_found(const seg_path *path, const seg_place *place, const char *what, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX], step_quoted[SEG_QUOTED_MAX];
    const seg_step *step = &path->steps[place->n];
    const char *shown = step->name.data ? seg_quote(step->name, step_quoted) : "its index";
    seg_assert(place->n < path->n);
    (void)seg_quote(path->text, quoted);
    if (place->is_ambiguous)
        return segue_fail(call, SEGUE_PATH_AMBIGUOUS,
                          "%s: path %s: component %zu, %s, stands twice, at byte %zu and %zu", what, quoted,
                          place->n + 1, shown, place->twice[0], place->twice[1]);
    if (place->other_type)
        return segue_fail(call, SEGUE_PATH_MISMATCH, "%s: path %s: component %zu, %s, leads into what is no %s", what,
                          quoted, place->n + 1, shown, step->name.data ? "object" : "array");
    return segue_fail(call, SEGUE_PATH_NOT_FOUND, "%s: path %s: component %zu, %s, is not there", what, quoted,
                      place->n + 1, shown);
}

/* ---- putting in ---- */

segue_status seg_path_new_child(segue_slice text, segue_slice value, const seg_step *step, segue_buf *out,
                                size_t *ret_at)
{
    seg_json_walk walk = {.text = value};
    segue_slice name, last = {value.data, 1}; /* the opening bracket */
    bool is_empty = true;
    for (segue_slice next; seg_json_next(&walk, &name, &next); is_empty = false) last = next;
    *ret_at = offset_in(text, last.data + last.size);
    segue_status st = is_empty ? SEGUE_OK : segue_buf_append(out, ",", 1);
    if (st == SEGUE_OK && walk.is_object) st = seg_step_quote(step, out);
    if (st == SEGUE_OK && walk.is_object) st = segue_buf_append(out, ":", 1);
    return st;
}
