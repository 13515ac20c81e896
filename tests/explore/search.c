/* Depth first, by running the program again from the start for each schedule. */
#include "search.h"

#include "fibre.h"

#include "base/sched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a party will do next. */
typedef enum act { ACT_READ, ACT_WRITE, ACT_LEAVE, ACT_WAIT, ACT_BEGIN, ACT_END, ACT_TIME } act;

typedef struct point {
    act act;
    const void *object;
    uint64_t part;
} point;

typedef struct node {
    unsigned enabled, asleep, tried; /* parties, as bits */
    unsigned chosen;
    point next[PARTIES_MOST];
} node;

typedef struct party {
    fibre *fibre;
    point next;
    bool waits; /* for others to act */
    bool stuck; /* it looked again, and still waits */
    bool ended;
} party;

typedef struct argument {
    const program *p;
    unsigned number;
} argument;

static party parties[PARTIES_MOST];
static unsigned current;
static node nodes[STEPS_MOST];
static unsigned depth; /* nodes that are decided */
static bool in_detail;

/* ---- points ---- */

static void stop_at(act a, const void *object, uint64_t part)
{
    if (!fibre_is_inside()) return;
    parties[current].next = (point){a, object, part};
    parties[current].waits = a == ACT_WAIT;
    fibre_yield();
}

static void on_sched(seg_sched_kind kind, const void *object, uint64_t part)
{
    switch (kind) {
    case SEG_SCHED_READ: stop_at(ACT_READ, object, part); break;
    case SEG_SCHED_WRITE: stop_at(ACT_WRITE, object, part); break;
    case SEG_SCHED_LEAVE: stop_at(ACT_LEAVE, object, part); break;
    case SEG_SCHED_WAIT: stop_at(ACT_WAIT, object, part); break;
    case SEG_SCHED_DETAIL_READ:
        if (in_detail) stop_at(ACT_READ, object, part);
        break;
    case SEG_SCHED_DETAIL_WRITE:
        if (in_detail) stop_at(ACT_WRITE, object, part);
        break;
    }
}

void search_point(search_mark mark)
{
    stop_at(mark == MARK_BEGIN ? ACT_BEGIN : mark == MARK_END ? ACT_END : ACT_TIME, NULL, 0);
}

void search_wait(void) { stop_at(ACT_WAIT, NULL, 0); }

/* Whether it makes no difference which of the two comes first. */
static bool is_independent(const point *a, const point *b)
{
    if (a->act == ACT_WAIT || b->act == ACT_WAIT) return false;
    if (a->act == ACT_BEGIN || a->act == ACT_END || b->act == ACT_BEGIN || b->act == ACT_END) {
        /* What has ended before something else began is all that a history knows of time. */
        bool end_and_begin = (a->act == ACT_BEGIN && b->act == ACT_END) || (a->act == ACT_END && b->act == ACT_BEGIN);
        return !end_and_begin;
    }
    if (a->act == ACT_TIME || b->act == ACT_TIME) return false;
    if (a->act != ACT_WRITE && b->act != ACT_WRITE) return true;
    if (a->object && b->object && a->object != b->object) return true;
    return a->part && b->part && a->part != b->part;
}

/* ---- running ---- */

static void run_party(void *arg)
{
    const argument *a = arg;
    a->p->party(a->p->ctx, a->number);
}

/* Who waits, waits for a change of a store or of a phase, or for somebody to leave. */
static bool wakes_others(const point *done)
{
    return done->act == ACT_WRITE || done->act == ACT_TIME || done->act == ACT_LEAVE;
}

static void step(unsigned number)
{
    party *p = &parties[number];
    bool looks_again = p->next.act == ACT_WAIT;
    current = number;
    for (unsigned i = 0; i < PARTIES_MOST; i++)
        if (i == number || wakes_others(&p->next)) parties[i].waits = parties[i].stuck = false;
    p->ended = !fibre_resume(p->fibre);
    p->stuck = looks_again && p->waits;
}

static void begin_run(const program *p, argument *arguments)
{
    p->setup(p->ctx);
    memset(parties, 0, sizeof parties);
    for (unsigned i = 0; i < p->n_parties; i++) {
        arguments[i] = (argument){p, i};
        parties[i].fibre = fibre_new(run_party, &arguments[i]);
    }
    for (unsigned i = 0; i < p->n_parties; i++) step(i); /* up to its first point: nobody can notice */
}

static unsigned enabled_now(const program *p)
{
    unsigned ready = 0, waiting = 0;
    for (unsigned i = 0; i < p->n_parties; i++) {
        if (parties[i].ended) continue;
        if (!parties[i].waits) ready |= 1u << i;
        else if (!parties[i].stuck) waiting |= 1u << i;
    }
    return ready ? ready : waiting;
}

static bool all_ended(const program *p)
{
    for (unsigned i = 0; i < p->n_parties; i++)
        if (!parties[i].ended) return false;
    return true;
}

static unsigned lowest(unsigned bits) { return (unsigned)__builtin_ctz(bits); }

static void finish_anyhow(const program *p)
{
    for (unsigned left = enabled_now(p), n = 0; left && n < 100 * STEPS_MOST; left = enabled_now(p), n++)
        step(lowest(left));
    if (all_ended(p)) return;
    fputs("explore: a party never ends\n", stderr);
    exit(1);
}

static void end_run(const program *p)
{
    for (unsigned i = 0; i < p->n_parties; i++) fibre_free(parties[i].fibre);
}

/* ---- the search ---- */

/* Of those that need not be tried here, the ones that the chosen step does not wake. */
static unsigned still_asleep(const node *n)
{
    unsigned left = 0;
    for (unsigned i = 0; i < PARTIES_MOST; i++) {
        bool sleeps = ((n->asleep | n->tried) >> i & 1) && i != n->chosen;
        if (sleeps && is_independent(&n->next[i], &n->next[n->chosen])) left |= 1u << i;
    }
    return left;
}

/* Decide at a new node. False: everything that could be done here is done elsewhere. */
static bool open_node(const program *p, unsigned enabled, bool in_full)
{
    node *n = &nodes[depth];
    *n = (node){.enabled = enabled, .asleep = depth && !in_full ? still_asleep(&nodes[depth - 1]) : 0};
    for (unsigned i = 0; i < p->n_parties; i++) n->next[i] = parties[i].next;
    unsigned candidates = enabled & ~n->asleep;
    if (!candidates) return false;
    n->chosen = lowest(candidates);
    return true;
}

typedef enum run_end { RUN_CHECKED, RUN_PRUNED, RUN_FAILED } run_end;

static run_end run_once(const program *p, unsigned n_fixed, bool in_full, const char **ret_failure)
{
    argument arguments[PARTIES_MOST];
    begin_run(p, arguments);
    for (unsigned at = 0;; at++) {
        unsigned enabled = enabled_now(p);
        if (!enabled && all_ended(p)) break;
        if (!enabled || at == STEPS_MOST) {
            *ret_failure = enabled ? "it takes more steps than are allowed" : "all wait for each other";
            end_run(p); /* the world is not usable any more; nor is it used */
            return RUN_FAILED;
        }
        if (at >= n_fixed) {
            depth = at;
            if (!open_node(p, enabled, in_full)) {
                finish_anyhow(p);
                end_run(p);
                return RUN_PRUNED;
            }
            depth = at + 1;
        }
        step(nodes[at].chosen);
    }
    end_run(p);
    *ret_failure = p->check(p->ctx);
    return *ret_failure ? RUN_FAILED : RUN_CHECKED;
}

/* On to the next choice, the deepest first. False: there is none left. */
static bool next_choice(void)
{
    while (depth) {
        node *n = &nodes[depth - 1];
        n->tried |= 1u << n->chosen;
        unsigned candidates = n->enabled & ~n->asleep & ~n->tried;
        if (candidates) {
            n->chosen = lowest(candidates);
            return true;
        }
        depth--;
    }
    return false;
}

static void write_schedule(char *out)
{
    for (unsigned i = 0; i < depth; i++) out[i] = (char)('0' + nodes[i].chosen);
    out[depth] = '\0';
}

void search_all(const program *p, const search_options *options, search_result *ret)
{
    *ret = (search_result){0};
    seg_sched_set(on_sched);
    in_detail = options->in_detail;
    depth = 0;
    do {
        switch (run_once(p, depth, options->in_full, &ret->failure)) {
        case RUN_PRUNED: ret->pruned++; break;
        case RUN_CHECKED: ret->schedules++; break;
        case RUN_FAILED:
            ret->schedules++;
            write_schedule(ret->schedule);
            break;
        }
        ret->is_cut = options->most_schedules && ret->schedules >= options->most_schedules;
    } while (!ret->failure && !ret->is_cut && next_choice());
    seg_sched_set(NULL);
}

/* ---- stories ---- */

enum { NAMES_MOST = 16 };
static struct {
    const void *object;
    const char *name;
} names[NAMES_MOST];
static unsigned n_names;

void search_name(const void *object, const char *name)
{
    if (n_names == NAMES_MOST) abort();
    names[n_names].object = object;
    names[n_names++].name = name;
}

void search_forget_names(void) { n_names = 0; }

static const char *describe(const point *next, char out[64])
{
    static const char *const acts[] = {"reads", "writes", "leaves", "waits", "begins", "ends", "time goes on"};
    const char *name = next->object ? "the phase" : next->act <= ACT_WRITE ? "both sides" : "";
    for (unsigned i = 0; i < n_names; i++)
        if (names[i].object == next->object) name = names[i].name;
    (void)snprintf(out, 64, "%s %s", acts[next->act], name);
    return out;
}

const char *search_replay(const program *p, const char *schedule, bool detail, search_tell tell, void *tell_ctx)
{
    argument arguments[PARTIES_MOST];
    char what[64];
    seg_sched_set(on_sched);
    in_detail = detail;
    begin_run(p, arguments);
    for (const char *c = schedule; *c; c++) {
        unsigned number = (unsigned)(*c - '0');
        if (number >= p->n_parties || !(enabled_now(p) >> number & 1)) {
            finish_anyhow(p);
            end_run(p);
            seg_sched_set(NULL);
            return "the schedule does not fit this scenario";
        }
        if (tell) tell(tell_ctx, number, describe(&parties[number].next, what));
        step(number);
    }
    finish_anyhow(p);
    end_run(p);
    const char *failure = p->check(p->ctx);
    seg_sched_set(NULL);
    return failure;
}
