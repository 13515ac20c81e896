/* Images, and the lives that go on from them. */
#include "crash/power_loss.h"

#include "support/power.h"

#include <stdio.h>
#include <string.h>

enum { SOME_IMAGES = 60, CHOICES = 3 };
static const int64_t SECOND = INT64_C(1000000000);

/* What the client had asked and been told at that moment. */
static void go_back(crash_shared *shared, const crash_shared *whole, size_t moment)
{
    *shared = (crash_shared){.random = moment + 1, .durable = true};
    /* The migration may have begun before its client. */
    shared->now_ns = (whole->n_entries ? whole->entries[0].now_ns : whole->now_ns) + SECOND;
    for (unsigned i = 0; i < whole->n_entries && whole->entries[i].asked_at <= moment; i++) {
        crash_entry *e = &shared->entries[shared->n_entries++];
        *e = whole->entries[i];
        shared->next_step = e->number + 1;
        shared->now_ns = e->now_ns + SECOND; /* it takes a while until the power is back */
        if (e->answered_at > moment) {
            e->state = ENTRY_ASKED;
            e->status = SEGUE_OK;
            e->cas = e->counter = 0;
            break;
        }
        if (e->op == OP_FEED && e->counter > shared->told_cas) shared->told_cas = e->counter;
    }
}

static bool go_on(crash_power *p, const crash_scene *scene, const crash_shared *whole, size_t moment, uint64_t loss)
{
    uint64_t random = moment * 1000 + loss + 1;
    p->empty(p->ctx);
    go_back(p->shared, whole, moment);
    power_make_image(moment, loss < POWER_KEEPS_SOME ? (power_loss)loss : POWER_KEEPS_SOME, &random, p->folder);
    p->images++;
    p->failed_moment = moment;
    p->failed_loss = loss;
    return p->live(p->ctx, scene);
}

static uint64_t pick(crash_power *p, uint64_t n)
{
    p->random = p->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (p->random >> 33) % n;
}

static bool every_loss(crash_power *p, const crash_scene *scene, const crash_shared *whole, size_t moment)
{
    uint64_t n = power_open_writes(moment) ? POWER_KEEPS_SOME + CHOICES : 1;
    if (!p->all) return go_on(p, scene, whole, moment, pick(p, n));
    for (uint64_t loss = 0; loss < n; loss++)
        if (!go_on(p, scene, whole, moment, loss)) return false;
    return true;
}

bool crash_power_run(crash_power *p, const crash_scene *scene)
{
    static crash_shared whole;
    power_install();
    p->shared->durable = true;
    power_begin(p->folder);
    bool ok = crash_live(scene, p->folder, p->shared);
    power_end();
    p->failed_moment = 0;
    if (!ok) return false;
    whole = *p->shared;
    size_t end = power_now();
    p->moments += end + 1;
    if (p->moment > end) return crash_fail(p->shared, "there are %zu moments", end);
    if (p->moment) return go_on(p, scene, &whole, p->moment, p->loss);
    for (size_t n = 0; ok && n < (p->all ? end + 1 : SOME_IMAGES); n++) {
        size_t moment = p->all ? n : (size_t)pick(p, end + 1);
        if (n % p->n_parts == p->part) ok = every_loss(p, scene, &whole, moment);
    }
    return ok;
}
