/* L4: records as rows of Segue's own table. */
#ifndef SEG_SQLITE_ROWS_H
#define SEG_SQLITE_ROWS_H

#include "backend/sqlbase/slots.h"

extern const seg_sql_rows seg_sqlite_rows;

#endif
