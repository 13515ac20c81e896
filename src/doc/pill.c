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
    if (rec->is_tombstone || body.size < 2 || body.size > PILL_BODY_MAX || body.data[0] != '{') return false;
    if (!seg_json_valid(body, NULL)) return false;
    bool is_marked = false, has_number = false;
    uint64_t number = 0;
    seg_json_members walk = {.text = body};
    for (segue_slice name, value; seg_json_next_member(&walk, &name, &value);) {
        if (segue_slice_equal(name, segue_str("sg_metadata_migration_pill")))
            is_marked = segue_slice_equal(value, segue_str("true"));
        else if (segue_slice_equal(name, segue_str("last_seq")))
            has_number = seg_parse_u64(value, &number);
    }
    if (is_marked && has_number) *ret_number = number;
    return is_marked && has_number;
}

segue_status seg_pill_write(uint64_t number, int64_t wall_ns, segue_buf *out)
{
    time_t seconds = (time_t)(wall_ns / 1000000000);
    struct tm utc;
    if (!gmtime_r(&seconds, &utc)) utc = (struct tm){.tm_year = 70, .tm_mday = 1};
    char when[32], body[160];
    (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &utc); /* four digits of a year: it fits */
    int n = snprintf(body, sizeof body,
                     "{\"pilled_at\":\"%s\",\"last_seq\":%llu,\"sg_metadata_migration_pill\":true}", when,
                     (unsigned long long)number);
    seg_assert(n > 0 && (size_t)n < sizeof body);
    return segue_buf_append(out, body, (size_t)n);
}

segue_status seg_pill_to_counter(segue_doc *doc)
{
    uint64_t number;
    if (!seg_pill_read(&doc->rec, &number)) return SEGUE_OK;
    char digits[21];
    segue_record counter = doc->rec;
    counter.body = segue_bytes(digits, seg_format_u64(number, digits));
    counter.is_json = true;
    return segue_doc_assign(doc, &counter);
}
