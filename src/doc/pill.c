/* L2: pills. */
#include "doc/pill.h"

#include "base/base.h"
#include "doc/json.h"

#include <stdio.h>
#include <time.h>

enum { PILL_BODY_MAX = 512 }; /* bytes; one of Sync Gateway's has about 90 */

bool seg_pill_read(const segue_record *rec, uint64_t *ret_number)
{
    segue_slice body = rec->body;
    if (rec->is_tombstone || body.size > PILL_BODY_MAX || !segue_slice_starts_with(body, segue_str("{")) ||
        !seg_json_valid(body, NULL))
        return false;
    bool is_marked = false, has_number = false;
    uint64_t number = 0;
    seg_json_walk walk = {.text = body};
    for (segue_slice name, value; seg_json_next_member(&walk, &name, &value);) {
        if (segue_slice_equal(name, segue_str("sg_metadata_migration_pill")))
            is_marked = segue_slice_equal(value, segue_str("true"));
        else if (segue_slice_equal(name, segue_str("last_seq"))) has_number = seg_parse_u64(value, &number);
    }
    if (is_marked && has_number) *ret_number = number;
    return is_marked && has_number;
}

segue_status seg_pill_write(uint64_t number, int64_t wall_ns, segue_buf *out)
{
    time_t seconds = (time_t)(wall_ns / 1000000000);
    struct tm utc;
    seg_assert(gmtime_r(&seconds, &utc) != NULL); /* 64 bits of nanoseconds end in 2262 */
    char when[32], body[160];
    (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &utc); /* four digits of a year: it fits */
    int n = snprintf(body, sizeof body, "{\"pilled_at\":\"%s\",\"last_seq\":%llu,\"sg_metadata_migration_pill\":true}",
                     when, (unsigned long long)number);
    seg_assert(n > 0 && (size_t)n < sizeof body);
    return segue_buf_append(out, body, (size_t)n);
}

seg_pill_origin seg_pill_read_origin(const segue_record *pill)
{
    seg_pill_origin unknown = {0, pill->revision, true}, found = {0, 0, false};
    const segue_xattr *x = segue_record_xattr(pill, segue_str(SEG_PILL_ORIGIN));
    if (!x) return unknown;
    seg_json_walk walk = {.text = x->value};
    for (segue_slice name, value; seg_json_next_member(&walk, &name, &value);) {
        if (segue_slice_equal(name, segue_str("cas")) && !seg_parse_u64(value, &found.cas)) return unknown;
        if (segue_slice_equal(name, segue_str("revision")) && !seg_parse_u64(value, &found.revision)) return unknown;
        if (segue_slice_equal(name, segue_str("json"))) found.is_json = segue_slice_equal(value, segue_str("true"));
    }
    return found.cas && found.cas < pill->cas && found.revision ? found : unknown;
}

size_t seg_pill_other_xattrs(const segue_record *rec, segue_xattr slots[SEGUE_XATTRS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < rec->n_xattrs && n < SEGUE_XATTRS_MAX; i++)
        if (!segue_slice_equal(rec->xattrs[i].name, segue_str(SEG_PILL_ORIGIN))) slots[n++] = rec->xattrs[i];
    return n;
}

segue_status seg_pill_to_counter(segue_doc *doc, bool keep_cas)
{
    uint64_t number;
    if (!seg_pill_read(&doc->rec, &number)) return SEGUE_OK;
    char digits[21];
    segue_xattr slots[SEGUE_XATTRS_MAX];
    seg_pill_origin origin = seg_pill_read_origin(&doc->rec);
    segue_record counter = doc->rec;
    counter.body = segue_bytes(digits, seg_format_u64(number, digits));
    counter.is_json = origin.is_json;
    counter.revision = origin.revision;
    counter.xattrs = slots;
    counter.n_xattrs = seg_pill_other_xattrs(&doc->rec, slots);
    if (origin.cas && !keep_cas) counter.cas = origin.cas;
    return segue_doc_assign(doc, &counter);
}
