/* L4: what `sqlite:` keeps in its files: the tables, their statements, the collections. */
#ifndef SEG_SQLITE_TABLES_H
#define SEG_SQLITE_TABLES_H

#include "backend/sqlbase/engine.h"

/* The statements, in the order of their texts in tables.c. */
typedef enum seg_sqlite_sql {
    SEG_SQLITE_FIND_COLLECTION = SEG_SQL_N_COMMON,
    SEG_SQLITE_N_READS, /* up to here a reading connection needs them */
    SEG_SQLITE_PUT = SEG_SQLITE_N_READS,
    SEG_SQLITE_MAKE_COLLECTION,
    SEG_SQLITE_N_SQL
} seg_sqlite_sql;

extern const seg_sql_kind seg_sqlite_kind;

/* format.c: see that the file is one of ours and of a version that we know, or make it so as the mode allows. */
segue_status seg_sqlite_check_format(seg_sql_conn *conn, seg_sql_mode mode, segue_call *call);

/* The number of a collection; made if `make` and not there. NO_STORE; INVALID_URL: not SCOPE.COLLECTION. */
segue_status seg_sqlite_collection(seg_sql_engine *engine, const char *name, bool make, int64_t *ret_id,
                                   segue_call *call);

#endif
