/* Statuses: what became of a call. status.def is the table; this header is made from it. */
#ifndef SEGUE_STATUS_H
#define SEGUE_STATUS_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef SEGUE_API
#define SEGUE_API __attribute__((visibility("default")))
#endif

typedef enum segue_status {
#define SEGUE_STATUS(name, number, class, exit_code, text) SEGUE_##name = (number),
#include <segue/status.def>
#undef SEGUE_STATUS
} segue_status;

/* A result that must be looked at. To ignore one, cast to void and say why. */
#define SEGUE_MUST_CHECK __attribute__((warn_unused_result))

/* The name as in the header, without prefix ("CAS_MISMATCH"); "?" for a number that is none. Static text. */
SEGUE_API const char *segue_status_name(segue_status status);

/* A few words for people. Static text. */
SEGUE_API const char *segue_status_text(segue_status status);

/* EXISTS or CAS_MISMATCH (insert over live, wrong CAS) and BUSY_ELSEWHERE: read again, decide again. */
SEGUE_API bool segue_status_is_conflict(segue_status status);

/* The same call may succeed later, and nothing was applied. */
SEGUE_API bool segue_status_is_retryable(segue_status status);

/* It is not known whether the write took effect. Read before you decide. */
SEGUE_API bool segue_status_is_maybe_applied(segue_status status);

/* The call itself is wrong: the same call can never succeed. */
SEGUE_API bool segue_status_is_input(segue_status status);

/* What the program `segue` exits with: 0 done, 1 failed, 2 usage, 3 not finished, 4 differences, 5 somebody else. */
SEGUE_API int segue_status_exit_code(segue_status status);

#ifdef __cplusplus
}
#endif
#endif
