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

/* If doc holds a pill, make it the counter with that number: what everybody sees who reads it. NO_MEMORY: doc is empty. */
segue_status seg_pill_to_counter(segue_doc *doc);

#endif
