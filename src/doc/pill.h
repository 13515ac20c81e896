/* L2: the pill, a record that stands where a counter was: it holds the counter's last number and, being no number, makes the
 * increments of those fail who do not know that the counter is being handed over. The format is Sync Gateway's own,
 *
 *   {"pilled_at":"2026-11-23T00:00:00Z","last_seq":735,"sg_metadata_migration_pill":true}
 *
 * so a hand-over that it began can be finished here. docs/migration.md, "Writers outside the group". */
#ifndef SEG_PILL_H
#define SEG_PILL_H

#include <segue/backend.h>

/* Whether a live record is a pill; *ret_number is the number it holds. A pill whose number cannot be read is none. */
bool seg_pill_read(const segue_record *rec, uint64_t *ret_number);

/* Append the body of a pill made at this wall-clock time. NO_MEMORY. */
segue_status seg_pill_write(uint64_t number, int64_t wall_ns, segue_buf *out);

/* What the counter was before it became a pill, which a pill of ours carries in an xattr. */
#define SEG_PILL_ORIGIN "_segue"
typedef struct seg_pill_origin {
    uint64_t cas; /* 0: not known */
    uint64_t revision;
    bool is_json;
} seg_pill_origin;
/* Not there, or not understood: it is a pill of somebody else's, which has a record's place of its own. */
seg_pill_origin seg_pill_read_origin(const segue_record *pill);
/* The xattrs but that one, into slots. */
size_t seg_pill_other_xattrs(const segue_record *rec, segue_xattr slots[SEGUE_XATTRS_MAX]);

/* If doc holds a pill, make it the counter that it stands for: what everybody sees who reads it. keep_cas: all but the CAS,
 * which stays the pill's, for those who write that store. NO_MEMORY: doc is empty. */
segue_status seg_pill_to_counter(segue_doc *doc, bool keep_cas);

#endif
