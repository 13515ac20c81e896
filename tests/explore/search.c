/* Depth first, by running the program again from the start for each schedule. */
#include "search.h"

#include "support/fibre.h"

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
    bool may_fail;
} point;

/* Choices are taken in order: by party, of each first the plain one. */
typedef struct node {
    unsigned enabled, asleep; /* parties, as bits */
    unsigned chosen;
    seg_sched_strike strike;
    unsigned strikes_left;
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
static seg_sched_strike strike; /* what the step that is taken brings */
static unsigned n_strikes;

/* ---- points ---- */

static seg_sched_strike stop_at(point next)
{
    if (!fibre_is_inside()) return SEG_SCHED_GO;
    parties[current].next = next;
    parties[current].waits = next.act == ACT_WAIT;
    fibre_yield();
    return strike;
}

static seg_sched_strike on_sched(seg_sched_kind kind, const void *object, uint64_t part, bool may_fail)
{
    point next = {.object = object, .part = part, .may_fail = may_fail};
    switch (kind) {
    case SEG_SCHED_DETAIL_READ:
        if (!in_detail) return SEG_SCHED_GO;
        /* fall through */
    case SEG_SCHED_READ: next.act = ACT_READ; break;
    case SEG_SCHED_DETAIL_WRITE:
        if (!in_detail) return SEG_SCHED_GO;
        /* fall through */
    case SEG_SCHED_WRITE: next.act = ACT_WRITE; break;
    case SEG_SCHED_LEAVE: next.act = ACT_LEAVE; break;
    case SEG_SCHED_WAIT: next.act = ACT_WAIT; break;
    }
    return stop_at(next);
}

void search_point(search_mark mark)
{
    point next = {.act = mark == MARK_BEGIN ? ACT_BEGIN : mark == MARK_END ? ACT_END : ACT_TIME};
    (void)stop_at(next); /* only calls are struck */
}

void search_wait(void)
{
    point next = {.act = ACT_WAIT};
    (void)stop_at(next); /* as above */
}

unsigned search_strikes(void) { return n_strikes; }

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

static void step(unsigned number, seg_sched_strike with)
{
    party *p = &parties[number];
    strike = with;
    n_strikes += with != SEG_SCHED_GO;
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
    n_strikes = 0;
    for (unsigned i = 0; i < p->n_parties; i++) {
        arguments[i] = (argument){p, i};
        parties[i].fibre = fibre_new(run_party, &arguments[i]);
    }
    for (unsigned i = 0; i < p->n_parties; i++) step(i, SEG_SCHED_GO); /* up to its first point: nobody can notice */
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
        step(lowest(left), SEG_SCHED_GO);
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
        bool tried = i < n->chosen && (n->enabled >> i & 1);
        bool sleeps = tried || (n->asleep >> i & 1);
        if (sleeps && i != n->chosen && is_independent(&n->next[i], &n->next[n->chosen])) left |= 1u << i;
    }
    return left;
}

/* Decide at a new node. False: everything that could be done here is done elsewhere. */
static bool open_node(const program *p, unsigned enabled, const search_options *options)
{
    node *n = &nodes[depth];
    bool may_sleep = depth && !options->in_full;
    *n = (node){.enabled = enabled,
                .asleep = may_sleep ? still_asleep(&nodes[depth - 1]) : 0,
                .strikes_left = options->most_strikes - n_strikes};
    for (unsigned i = 0; i < p->n_parties; i++) n->next[i] = parties[i].next;
    unsigned candidates = enabled & ~n->asleep;
    if (!candidates) return false;
    n->chosen = lowest(candidates);
    return true;
}

typedef enum run_end { RUN_CHECKED, RUN_PRUNED, RUN_FAILED } run_end;

static run_end run_once(const program *p, unsigned n_fixed, const search_options *options, const char **ret_failure)
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
            if (!open_node(p, enabled, options)) {
                finish_anyhow(p);
                end_run(p);
                return RUN_PRUNED;
            }
            depth = at + 1;
        }
        step(nodes[at].chosen, nodes[at].strike);
    }
    end_run(p);
    *ret_failure = p->check(p->ctx);
    return *ret_failure ? RUN_FAILED : RUN_CHECKED;
}

static bool may_strike(const node *n, seg_sched_strike with)
{
    const point *next = &n->next[n->chosen];
    return n->strikes_left && next->may_fail && (with == SEG_SCHED_FAIL || next->act == ACT_WRITE);
}

/* False: there is none left at this node. */
static bool next_choice_at(node *n)
{
    for (seg_sched_strike with = n->strike; with < SEG_SCHED_LOSE;) {
        with = with == SEG_SCHED_GO ? SEG_SCHED_FAIL : SEG_SCHED_LOSE;
        if (!may_strike(n, with)) continue;
        n->strike = with;
        return true;
    }
    unsigned later = n->enabled & ~n->asleep & ~((2u << n->chosen) - 1);
    if (!later) return false;
    n->chosen = lowest(later);
    n->strike = SEG_SCHED_GO;
    return true;
}

/* On to the next choice, the deepest first. False: there is none left. */
static bool next_choice(void)
{
    for (; depth; depth--)
        if (next_choice_at(&nodes[depth - 1])) return true;
    return false;
}

static const char first_letters[] = {[SEG_SCHED_GO] = '0', [SEG_SCHED_FAIL] = 'a', [SEG_SCHED_LOSE] = 'A'};

static void write_schedule(char *out)
{
    for (unsigned i = 0; i < depth; i++) out[i] = (char)(first_letters[nodes[i].strike] + (int)nodes[i].chosen);
    out[depth] = '\0';
}

void search_all(const program *p, const search_options *options, search_result *ret)
{
    *ret = (search_result){0};
    seg_sched_set(on_sched);
    in_detail = options->in_detail;
    depth = 0;
    do {
        switch (run_once(p, depth, options, &ret->failure)) {
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

static const char *describe(const point *next, seg_sched_strike with, char out[64])
{
    static const char *const acts[] = {"reads", "writes", "leaves", "waits", "begins", "ends", "time goes on"};
    const char *name = next->object ? "the phase" : next->act <= ACT_WRITE ? "both sides" : "";
    for (unsigned i = 0; i < n_names; i++)
        if (names[i].object == next->object) name = names[i].name;
    static const char *const fates[] = {"", ": fails", ": answer lost"};
    (void)snprintf(out, 64, "%s %s%s", acts[next->act], name, fates[with]);
    return out;
}

const char search_misfit[] = "the schedule does not fit this scene";

const char *search_replay(const program *p, const char *schedule, const search_options *options, search_tell tell,
                          void *tell_ctx)
{
    argument arguments[PARTIES_MOST];
    char what[64];
    seg_sched_set(on_sched);
    in_detail = options->in_detail;
    begin_run(p, arguments);
    for (const char *c = schedule; *c; c++) {
        seg_sched_strike with = *c >= 'a' ? SEG_SCHED_FAIL : *c >= 'A' ? SEG_SCHED_LOSE : SEG_SCHED_GO;
        unsigned number = (unsigned)(*c - first_letters[with]);
        if (number >= p->n_parties || !(enabled_now(p) >> number & 1)) {
            finish_anyhow(p);
            end_run(p);
            seg_sched_set(NULL);
            return search_misfit;
        }
        if (tell) tell(tell_ctx, number, describe(&parties[number].next, with, what));
        step(number, with);
    }
    finish_anyhow(p);
    end_run(p);
    const char *failure = p->check(p->ctx);
    seg_sched_set(NULL);
    return failure;
}
