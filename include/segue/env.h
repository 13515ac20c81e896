/* The world as an argument: clocks, sleep, randomness, memory and the log can be replaced. */
#ifndef SEGUE_ENV_H
#define SEGUE_ENV_H

#include <segue/status.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Every slot is required and must be callable from any thread. A store keeps a copy of the struct that it is opened
 * with; ctx must outlive the store. */
typedef struct segue_env {
    void *ctx;
    int64_t (*wall_ns)(void *ctx);               /* nanoseconds since 1970-01-01 UTC; may step */
    int64_t (*mono_ns)(void *ctx);               /* nanoseconds, never goes back, starts anywhere above 0 */
    void (*sleep_ns)(void *ctx, int64_t ns);     /* sleeps at least ns nanoseconds, or returns early */
    void (*random)(void *ctx, void *out, size_t size);
} segue_env;

/* The real world. Static; valid for ever. */
SEGUE_API const segue_env *segue_env_default(void);

/* Memory for the whole process. realloc(NULL, n) allocates; free(NULL) is legal. */
typedef struct segue_allocator {
    void *ctx;
    void *(*realloc)(void *ctx, void *memory, size_t size);
    void (*free)(void *ctx, void *memory);
} segue_allocator;

/* Set before the first other call of the library and never again; NULL restores the C library's. Not thread-safe. */
SEGUE_API void segue_set_allocator(const segue_allocator *allocator);

typedef enum segue_log_level { SEGUE_LOG_ERROR, SEGUE_LOG_WARN, SEGUE_LOG_INFO, SEGUE_LOG_DEBUG } segue_log_level;

/* A line of key=value pairs, without newline. Called from any thread, one line at a time. */
typedef void (*segue_log_fn)(void *ctx, segue_log_level level, const char *line);

/* Where log lines go; fn NULL (the default): nowhere. Lines above `level` are not made. The library itself never
 * prints. Thread-safe. */
SEGUE_API void segue_set_log(segue_log_fn fn, void *ctx, segue_log_level level);

#ifdef __cplusplus
}
#endif
#endif
