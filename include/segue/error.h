/* The detail of a failure: a sentence that a person can act on. */
#ifndef SEGUE_ERROR_H
#define SEGUE_ERROR_H

#include <segue/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Caller's memory, fixed size, no allocation. Passed as the last argument (`reterr`, may be NULL); filled on failure
 * only, untouched on success, whatever the call has met and tried again on its way. */
typedef struct segue_error {
    segue_status status;
    int native;        /* the engine's own code (SQLite result code, errno), 0 if none */
    char message[256]; /* which store, which key, what is wrong, what to do; zero-terminated */
} segue_error;

#ifdef __cplusplus
}
#endif
#endif
