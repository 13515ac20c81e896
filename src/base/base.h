/* L1: what every file may use: memory, cleanup, assertions, errors. No I/O, no state but the allocator. */
#ifndef SEG_BASE_H
#define SEG_BASE_H

#include <segue/backend.h>

/* ---- memory: the only door to the allocator ---- */
void *seg_alloc(size_t size);                 /* NULL when there is none; size 0 is legal */
void *seg_alloc_zero(size_t size);
void *seg_realloc(void *memory, size_t size); /* on NULL result the old memory is untouched */
void seg_free(void *memory);
char *seg_strdup(const char *text);
char *seg_strndup(const char *text, size_t size);

/* ---- cleanup: SEG_AUTO(segue_buf) x = {0}; calls segue_buf_free(&x) at the end of its scope ---- */
#define SEG_CLEANUP(function) __attribute__((cleanup(function)))
#define SEG_AUTO(type) SEG_CLEANUP(type##_free) type
void seg_free_string(char **text);
#define SEG_AUTO_STRING SEG_CLEANUP(seg_free_string) char *

/* ---- assertions: seg_assert is our own bug, kept in release; seg_dassert is expensive, debug only ---- */
_Noreturn void seg_assert_failed(const char *what, const char *file, int line);
#define seg_assert(condition) ((condition) ? (void)0 : seg_assert_failed(#condition, __FILE__, __LINE__))
#ifdef NDEBUG
#define seg_dassert(condition) ((void)sizeof(condition))
#else
#define seg_dassert(condition) seg_assert(condition)
#endif
/* Of a mutex that whoever asks must hold. In <errno.h> and <pthread.h>, which whoever has one includes. */
#define seg_dassert_locked(mutex) seg_dassert(pthread_mutex_trylock(mutex) == EBUSY)

/* ---- errors ---- */
/* Like segue_fail, for code that has a segue_error and no call. */
segue_status seg_error_set(segue_error *err, segue_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A failure that nobody has put into words yet gets those of its status, said by `who` (a store, a migration). err may be NULL;
 * what it held of another status is no sentence for this one. Returns st. */
segue_status seg_error_told(segue_error *err, segue_status st, const char *who);
#ifdef __clang_analyzer__ /* the analyzer does not see that both return the status they are given */
#define seg_error_set(err, st, ...) ((void)seg_error_set((err), (st), __VA_ARGS__), (st))
#define segue_fail(call, st, ...) ((void)segue_fail((call), (st), __VA_ARGS__), (st))
#endif
/* INVALID_ARGUMENT, with the bits, if options are set that `what` does not have. */
segue_status seg_options_check(unsigned options, unsigned known, const char *what, segue_call *call);
/* A key (or any bytes) for an error sentence: printable, quoted, shortened. Writes at most size bytes, returns out. */
enum { SEG_QUOTED_MAX = 80 };
const char *seg_quote(segue_slice bytes, char out[SEG_QUOTED_MAX]);
/* Class RETRY, UNKNOWN or FATAL, or no status at all: not the call nor the data, the store failed or was not reached. */
bool seg_status_is_failure(segue_status status);
/* The status for an errno. */
segue_status seg_status_of_errno(int error_number);

/* ---- numbers ---- */
/* Unsigned decimal, digits only, no sign, no spaces, no leading '+'; false on anything else or overflow. */
bool seg_parse_u64(segue_slice text, uint64_t *ret_value);
size_t seg_format_u64(uint64_t value, char out[21]);
/* What goes with a number in a sentence: (n, "record", "records"). */
static inline const char *seg_word(uint64_t n, const char *one, const char *many) { return n == 1 ? one : many; }
/* "100", "64k", "20M", "1G" (powers of 1024). */
bool seg_parse_size(const char *text, uint64_t *ret_bytes);
/* "30s", "5m", "2h", "1d", "250ms", or plain seconds. */
bool seg_parse_duration(const char *text, int64_t *ret_ns);

/* Whether bytes are valid UTF-8 (no surrogates, no overlong forms). */
bool seg_utf8_valid(segue_slice bytes);

/* CRC-32C (Castagnoli). */
uint32_t seg_crc32c(segue_slice bytes);

#endif
