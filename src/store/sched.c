/* L3, testing library only: the `sched` filter tells the explorer of each call to the store below before it is made, and
 * lets it strike. */
#include "store/filters.h"

#ifdef SEG_TESTING

#include "base/base.h"
#include "base/sched.h"
#include "store/filter.h"

typedef struct sched {
    seg_filter filter;
    const void *object;
} sched;

static uint64_t part_of(segue_slice key)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (size_t i = 0; i < key.size; i++) h = (h ^ (unsigned char)key.data[i]) * UINT64_C(0x100000001b3);
    return h ? h : 1;
}

static bool before(void *self, seg_passage *p, segue_call *call)
{
    const sched *s = self;
    (void)call;
    bool reads = p->op == SEG_OP_GET || p->op == SEG_OP_SCAN || p->op == SEG_OP_CHANGES || p->op == SEG_OP_EXPIRED;
    bool one_key = p->op == SEG_OP_GET || p->op == SEG_OP_PUT || p->op == SEG_OP_ERASE || p->op == SEG_OP_MUTATE;
    /* A move touches both sides. */
    p->count = seg_sched_call(reads ? SEG_SCHED_READ : SEG_SCHED_WRITE, p->op == SEG_OP_MOVE ? NULL : s->object,
                              one_key ? part_of(p->key) : 0);
    return p->count != SEG_SCHED_FAIL && p->count != SEG_SCHED_DIE;
}

static segue_status after(void *self, const seg_passage *p, segue_status st, segue_call *call)
{
    (void)self;
    if (p->count == SEG_SCHED_FAIL) return segue_fail(call, SEGUE_UNAVAILABLE, "struck before it was made");
    if (p->count == SEG_SCHED_DIE) return segue_fail(call, SEGUE_IO_ERROR, "struck: its process is dead");
    /* An answer that says that nothing was done is no answer that could be lost with the write. */
    if (p->count == SEG_SCHED_LOSE && st == SEGUE_OK)
        return segue_fail(call, SEGUE_MAYBE_APPLIED, "struck: its answer is lost");
    return st;
}

static const seg_filter_hooks hooks = {before, after};

static segue_status open_sched(void *self, const segue_open_args *args, segue_call *call)
{
    return seg_filter_open_below(self, &hooks, args, call);
}

extern const segue_backend seg_backend_sched;
const segue_backend seg_backend_sched = SEG_FILTER_TABLE("sched", sched, open_sched);

segue_status seg_sched_open(segue_store *store, const void *object, segue_store **ret_store, segue_error *reterr)
{
    segue_status st = seg_filter_make(&seg_backend_sched, &hooks, store, ret_store, reterr);
    if (st == SEGUE_OK) ((sched *)(*ret_store)->self)->object = object;
    return st;
}

#else
typedef int seg_sched_filter_is_for_tests_only; /* a translation unit must not be empty */
#endif
