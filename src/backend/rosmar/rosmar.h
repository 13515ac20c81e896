/* L4: the backend `rosmar:`, a bucket of Sync Gateway's embedded store opened in place. */
#ifndef SEG_ROSMAR_H
#define SEG_ROSMAR_H

#include <segue/backend.h>

extern const segue_backend seg_backend_rosmar;

#endif
