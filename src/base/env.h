/* L1: shorthands over segue_env, the default environment, and the log. */
#ifndef SEG_ENV_H
#define SEG_ENV_H

#include <segue/env.h>

static inline int64_t seg_mono_ns(const segue_env *env) { return env->mono_ns(env->ctx); }
static inline int64_t seg_wall_ns(const segue_env *env) { return env->wall_ns(env->ctx); }
static inline uint64_t seg_wall_s(const segue_env *env) { return (uint64_t)env->wall_ns(env->ctx) / 1000000000u; }
static inline void seg_sleep_ns(const segue_env *env, int64_t ns) { env->sleep_ns(env->ctx, ns); }
uint64_t seg_random_u64(const segue_env *env); /* never 0 */

/* A line of key=value pairs to the log sink. Cheap when nobody listens. */
void seg_log(segue_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
