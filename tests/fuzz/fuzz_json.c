/* The JSON scanner: takes whatever jansson takes, finds each member inside the text, and resolves what it quotes. */
#include "fuzz.h"

#include <jansson.h>

#include "base/base.h"
#include "doc/json.h"

static size_t count_brackets(segue_slice text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.size; i++) n += text.data[i] == '[' || text.data[i] == '{';
    return n;
}

static bool is_inside(segue_slice part, segue_slice whole)
{
    return part.data >= whole.data && part.data + part.size <= whole.data + whole.size;
}

static void walk_members(segue_slice text)
{
    seg_json_walk walk = {.text = text};
    segue_slice name, value;
    while (seg_json_next_member(&walk, &name, &value)) {
        MUST(is_inside(name, text) && is_inside(value, text));
        MUST(seg_json_valid(value, NULL));
        SEG_AUTO(segue_buf) plain = {0}, quoted = {0}, again = {0};
        if (seg_json_unescape(name, &plain) != SEGUE_OK) continue; /* an unpaired surrogate */
        MUST(seg_utf8_valid(segue_buf_slice(&plain)));
        MUST(seg_json_quote(segue_buf_slice(&plain), &quoted) == SEGUE_OK);
        MUST(seg_json_valid(segue_buf_slice(&quoted), NULL));
        MUST(seg_json_unescape(segue_bytes(quoted.data + 1, quoted.size - 2), &again) == SEGUE_OK);
        MUST(segue_slice_equal(segue_buf_slice(&again), segue_buf_slice(&plain)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = seg_alloc(size); /* exactly as long as it is, so that a step too far is seen */
    MUST(copy);
    if (size) memcpy(copy, data, size);
    segue_slice text = segue_bytes(copy, size);
    size_t offset = SIZE_MAX;
    bool is_valid = seg_json_valid(text, &offset);
    if (is_valid) walk_members(text);
    else MUST(offset <= size);
    /* jansson swallows a NUL that follows a number; and we have a limit of depth that it has not. */
    if (!is_valid && !memchr(copy, 0, size) && count_brackets(text) <= SEG_JSON_DEPTH_MAX) {
        json_t *tree = json_loadb(copy, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        if (tree) (void)fprintf(stderr, "refused at %zu: %.*s\n", offset, (int)size, copy);
        MUST(!tree);
    }
    seg_free(copy);
    return 0;
}
