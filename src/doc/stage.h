/* L2: how far a migration is, as the status record in its primary says: `_segue:migration:NAME`, a JSON object. This is the
 * little of it that others must know than the migration itself; the rest is src/migrate/record.c's. */
#ifndef SEG_STAGE_H
#define SEG_STAGE_H

#include <segue/migrate.h>

#define SEG_STATUS_PREFIX "_segue:migration:"

/* What the member "segue" says: of another number nothing is understood. */
enum { SEG_STATUS_FORMAT = 1 };

/* False: it cannot be understood. It is damaged, of another version, or not the record of the migration in its key. */
bool seg_stage_read(const segue_record *status, segue_stage *ret_stage);

#endif
