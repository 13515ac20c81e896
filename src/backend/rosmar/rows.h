/* L4: rows of a bucket's documents as records, and the bookkeeping that goes with writing them. */
#ifndef SEG_ROSMAR_ROWS_H
#define SEG_ROSMAR_ROWS_H

#include "backend/sqlbase/slots.h"

extern const seg_sql_rows seg_rosmar_rows;

#endif
