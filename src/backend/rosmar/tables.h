/* L4: a bucket of Sync Gateway's embedded store: its file, its tables and their statements, its collections. */
#ifndef SEG_ROSMAR_TABLES_H
#define SEG_ROSMAR_TABLES_H

#include "backend/sqlbase/engine.h"

/* The statements, in the order of their texts in tables.c. */
typedef enum seg_rosmar_sql {
    SEG_ROSMAR_FIND_COLLECTION = SEG_SQL_N_COMMON,
    SEG_ROSMAR_GIVEN,   /* the highest CASes that the bucket's books may have missed */
    SEG_ROSMAR_N_READS, /* up to here a reading connection needs them */
    SEG_ROSMAR_PUT = SEG_ROSMAR_N_READS,
    SEG_ROSMAR_NOTE_COLLECTION,
    SEG_ROSMAR_NOTE_VIEWS,
    SEG_ROSMAR_MAKE_COLLECTION,
    SEG_ROSMAR_N_SQL
} seg_rosmar_sql;

/* The bucket in this directory. NO_STORE: no directory, or no bucket in it; others as seg_sql_engine_open. */
segue_status seg_rosmar_open(const char *directory, unsigned open_flags, seg_sql_engine **ret_engine, segue_call *call);

/* The row of "SCOPE.COLLECTION"; made if `make` and not there. NO_STORE; INVALID_URL: no name that a bucket allows. */
segue_status seg_rosmar_collection(seg_sql_engine *engine, const char *name, bool make, int64_t *ret_id,
                                   segue_call *call);

#endif
