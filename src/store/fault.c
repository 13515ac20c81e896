/* L3, testing library only: the `fault` filter fails or delays chosen calls to the store below, before or after they were
 * applied, and lets a test take a step between two calls. */
#include "store/filters.h"

#ifdef SEG_TESTING

#include "base/base.h"
#include "base/env.h"
#include "store/filter.h"

typedef struct fault {
    seg_filter filter;
    seg_fault_plan plan;
    _Atomic unsigned count;
    _Atomic bool fired;
} fault;

static _Thread_local bool in_hook;

static void call_hook(const fault *f, const seg_passage *p, bool after)
{
    if (!f->plan.hook) return;
    in_hook = true;
    f->plan.hook(f->plan.hook_ctx, p->op, p->key, after, p->count);
    in_hook = false;
}

static bool before(void *self, seg_passage *p, segue_call *call)
{
    fault *f = self;
    const seg_fault_plan *plan = &f->plan;
    if (in_hook || (plan->ops && !(plan->ops & (unsigned)p->op))) return true;
    p->count = atomic_fetch_add(&f->count, 1) + 1;
    p->strikes = plan->nth && (p->count == plan->nth || (plan->persistent && p->count > plan->nth));
    call_hook(f, p, false);
    if (!p->strikes) return true;
    atomic_store(&f->fired, true);
    if (plan->delay_ns) seg_sleep_ns(call->env, plan->delay_ns);
    return plan->after || plan->status == SEGUE_OK;
}

static segue_status after(void *self, const seg_passage *p, segue_status st, segue_call *call)
{
    const fault *f = self;
    if (p->count) call_hook(f, p, true);
    if (!p->strikes || f->plan.status == SEGUE_OK) return st;
    return segue_fail(call, f->plan.status, "injected failure of call %u", p->count);
}

static const seg_filter_hooks hooks = {before, after};

static segue_status open_fault(void *self, const segue_open_args *args, segue_call *call)
{
    return seg_filter_open_below(self, &hooks, args, call);
}

extern const segue_backend seg_backend_fault;
const segue_backend seg_backend_fault = SEG_FILTER_TABLE("fault", fault, open_fault);

segue_status seg_fault_open(segue_store *store, segue_store **ret_store, segue_error *reterr)
{
    return seg_filter_make(&seg_backend_fault, &hooks, store, ret_store, reterr);
}

static fault *find(const segue_store *store)
{
    while (store && store->backend != &seg_backend_fault) store = seg_store_below(store);
    seg_assert(store);
    return store->self;
}

void seg_fault_set(segue_store *store, const seg_fault_plan *plan)
{
    fault *f = find(store);
    f->plan = *plan;
    atomic_store(&f->count, 0);
    atomic_store(&f->fired, false);
}

unsigned seg_fault_count(const segue_store *store) { return atomic_load(&find(store)->count); }

bool seg_fault_fired(const segue_store *store) { return atomic_load(&find(store)->fired); }

#else
typedef int seg_fault_is_for_tests_only;
#endif
