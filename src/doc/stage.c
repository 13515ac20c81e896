/* L2: the stages of migrations by name, and the one in a status record. */
#include "doc/stage.h"

#include "base/base.h"
#include "doc/json.h"

static const char *const stage_names[] = {"none",    "starting", "sweeping", "verifying", "verified",
                                          "sealing", "sealed",   "cleaning", "clean"};

const char *segue_stage_name(segue_stage stage)
{
    return (unsigned)stage < sizeof stage_names / sizeof stage_names[0] ? stage_names[stage] : "?";
}

/* Whether the JSON text is this string, of which nothing has to be escaped. */
static bool is_string(segue_slice json, segue_slice text)
{
    return json.size == text.size + 2 && json.data[0] == '"' &&
           segue_slice_equal(segue_bytes(json.data + 1, text.size), text);
}

static segue_stage stage_of(segue_slice json)
{
    for (unsigned i = SEGUE_STAGE_STARTING; i <= SEGUE_STAGE_CLEAN; i++)
        if (is_string(json, segue_str(stage_names[i]))) return (segue_stage)i;
    return SEGUE_STAGE_NONE; /* a record is written in the first stage, so none says this */
}

bool seg_stage_read(const segue_record *status, segue_stage *ret_stage)
{
    const segue_slice prefix = segue_str(SEG_STATUS_PREFIX);
    uint64_t format = 0;
    bool is_named = false;
    segue_stage stage = SEGUE_STAGE_NONE;
    seg_assert(segue_slice_starts_with(status->key, prefix));
    if (!seg_json_valid(status->body, NULL)) return false; /* as of a tombstone, which has none */
    segue_slice own = segue_bytes(status->key.data + prefix.size, status->key.size - prefix.size);
    seg_json_walk walk = {.text = status->body};
    for (segue_slice name, value; seg_json_next_member(&walk, &name, &value);) {
        if (segue_slice_equal(name, segue_str("segue")) && !seg_parse_u64(value, &format)) format = 0;
        else if (segue_slice_equal(name, segue_str("name"))) is_named = is_string(value, own);
        else if (segue_slice_equal(name, segue_str("stage"))) stage = stage_of(value);
    }
    if (format != SEG_STATUS_FORMAT || !is_named || stage == SEGUE_STAGE_NONE) return false;
    *ret_stage = stage;
    return true;
}
