/* L1: back-off. */
#include "base/retry.h"
#include "base/env.h"

void seg_backoff_init(seg_backoff *backoff, int64_t base_ns, int64_t cap_ns)
{
    *backoff = (seg_backoff){.base_ns = base_ns, .cap_ns = cap_ns};
}

bool seg_backoff_wait(seg_backoff *backoff, const segue_env *env, int64_t deadline_ns)
{
    int64_t left = INT64_MAX;
    if (deadline_ns) left = deadline_ns - seg_mono_ns(env);
    if (left <= 0) return false;
    int64_t most = backoff->base_ns;
    for (unsigned i = 0; i < backoff->attempt && most < backoff->cap_ns; i++)
        most = most > backoff->cap_ns / 2 ? backoff->cap_ns : most * 2;
    if (most > backoff->cap_ns) most = backoff->cap_ns;
    backoff->attempt++;
    int64_t wait = most > 0 ? (int64_t)(seg_random_u64(env) % (uint64_t)most) + 1 : 0;
    seg_sleep_ns(env, wait < left ? wait : left);
    return true;
}
