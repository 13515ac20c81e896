/* L3: the `trace` filter: a debug log line for each call to the store below: operation, key, status, nanoseconds. */
#include "base/base.h"
#include "base/env.h"
#include "store/filter.h"

static const char *const op_names[] = {"get",  "put",        "erase",   "scan",   "mutate",
                                       "move", "write_many", "changes", "expired"};

static bool before(void *self, seg_passage *passage, segue_call *call)
{
    (void)self;
    passage->began_ns = seg_mono_ns(call->env);
    return true;
}

static segue_status after(void *self, const seg_passage *passage, segue_status st, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX];
    const seg_filter *f = self;
    seg_log(SEGUE_LOG_DEBUG, "trace op=%s store=\"%s\" key=%s status=%s ns=%lld", op_names[__builtin_ctz(passage->op)],
            segue_store_url(f->below), seg_quote(passage->key, quoted), segue_status_name(st),
            (long long)(seg_mono_ns(call->env) - passage->began_ns));
    return st;
}

static const seg_filter_hooks hooks = {before, after};

static segue_status open_trace(void *self, const segue_open_args *args, segue_call *call)
{
    return seg_filter_open_below(self, &hooks, args, call);
}

extern const segue_backend seg_backend_trace;
const segue_backend seg_backend_trace = SEG_FILTER_TABLE("trace", seg_filter, open_trace);
