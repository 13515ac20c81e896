/* Depth first, by running the program again from the start for each schedule. */
#include "search.h"

#include "visited.h"

#include "support/fibre.h"

#include "base/sched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a party will do next. */
typedef enum act { ACT_READ, ACT_WRITE, ACT_LEAVE, ACT_WAIT, ACT_BEGIN, ACT_END } act;

typedef struct point {
    act act;
    const void *object;
    uint64_t part;
    bool is_call; /* of a store */
    bool begins;  /* an operation begins with it */
} point;

/* Choices are taken in order: by party, of each first the plain one. */
typedef struct node {
    unsigned choices, asleep, tried; /* parties, as bits */
    unsigned chosen;
    seg_sched_strike strike;
    unsigned strikes_left;
    point next[PARTIES_MOST];
    uint64_t kept[PARTIES_MOST], past[PARTIES_MOST]; /* the parties' */
} node;

typedef struct party {
    fibre *fibre;
    point next;
    unsigned *begins; /* where to note that the operation has begun, when it has */
    uint64_t kept;    /* a digest of what it knew when it last ended something */
    uint64_t past;    /* and of all that it has seen since */
    unsigned n_ended; /* operations */
    bool waits;       /* until others have acted */
    bool ended;
} party;

typedef struct argument {
    const program *p;
    unsigned number;
} argument;

const char search_clock[] = "the clock";

static const program *running;
static const search_options *opt;
static party parties[PARTIES_MOST];
static unsigned current;
static node nodes[STEPS_MOST];
static unsigned depth;          /* nodes that are decided */
static seg_sched_strike strike; /* what the step that is taken brings */
static unsigned n_strikes;
static unsigned moment;
static bool is_played_again; /* what the parties see was noted already */

uint64_t search_mix(uint64_t digest, uint64_t more)
{
    digest = (digest ^ more ^ UINT64_C(0xa0761d6478bd642f)) * UINT64_C(0x9e3779b97f4a7c15);
    digest = (digest ^ digest >> 32) + more;
    digest *= UINT64_C(0xd6e8feb86659fd93);
    return digest ^ digest >> 29;
}

/* ---- points ---- */

static bool writes(const point *p) { return p->act == ACT_WRITE; }

static void note(party *p, const point *at)
{
    bool closely = at->act == ACT_WRITE || at->act == ACT_WAIT;
    if (is_played_again || opt->in_full) return;
    p->past = search_mix(p->past, at->act);
    if (at->object || at->is_call)
        p->past = search_mix(p->past, running->seen_at(running->ctx, at->object, at->part, closely));
}

/* Whether no other party can notice any more when it is done, nor do anything that it could notice. */
static bool is_unnoticed(const point *next)
{
    if (opt->in_full || next->act > ACT_LEAVE || (next->is_call && opt->most_strikes)) return false;
    for (unsigned i = 0; i < running->n_parties; i++) {
        if (i == current || parties[i].ended) continue;
        if (running->may_touch(running->ctx, i, next->object, next->part, writes(next))) return false;
        if (writes(next) && running->may_touch(running->ctx, i, search_clock, 0, false)) return false;
    }
    return true;
}

static seg_sched_strike stop_at(point next)
{
    party *p = &parties[current];
    if (!fibre_is_inside()) return SEG_SCHED_GO;
    if (is_unnoticed(&next)) {
        note(p, &next);
        return SEG_SCHED_GO;
    }
    next.begins = p->begins != NULL;
    p->next = next;
    p->waits = next.act == ACT_WAIT;
    fibre_yield();
    return strike;
}

static void wake(const void *object, unsigned but)
{
    for (unsigned i = 0; i < PARTIES_MOST; i++)
        if (i != but && parties[i].waits && parties[i].next.object == object) parties[i].waits = false;
}

static seg_sched_strike on_sched(seg_sched_kind kind, const void *object, uint64_t part, bool may_fail)
{
    point next = {.object = object, .part = part, .is_call = may_fail};
    if (!fibre_is_inside()) return SEG_SCHED_GO;
    switch (kind) {
    case SEG_SCHED_DETAIL_READ:
    case SEG_SCHED_DETAIL_WRITE:
    case SEG_SCHED_DETAIL_LEAVE:
        if (!opt->in_detail) return SEG_SCHED_GO;
        next.act = kind == SEG_SCHED_DETAIL_READ ? ACT_READ : kind == SEG_SCHED_DETAIL_WRITE ? ACT_WRITE : ACT_LEAVE;
        break;
    case SEG_SCHED_READ: next.act = ACT_READ; break;
    case SEG_SCHED_WRITE:
    case SEG_SCHED_TAKE: next.act = ACT_WRITE; break;
    case SEG_SCHED_LEAVE: next.act = ACT_LEAVE; break;
    case SEG_SCHED_WAIT:
    case SEG_SCHED_SLEEP: next.act = ACT_WAIT; break;
    case SEG_SCHED_GIVE: wake(object, current); return SEG_SCHED_GO;
    }
    return stop_at(next);
}

void search_begin(unsigned *ret_moment)
{
    parties[current].begins = ret_moment;
    if (opt->in_full) (void)stop_at((point){.act = ACT_BEGIN}); /* only calls are struck */
}

void search_forget(uint64_t seen)
{
    party *p = &parties[current];
    if (is_played_again) return;
    p->past = p->kept = search_mix(p->kept, seen);
}

void search_end(unsigned *ret_moment, uint64_t seen)
{
    (void)stop_at((point){.act = ACT_END}); /* as above */
    *ret_moment = ++moment;
    parties[current].n_ended++;
    search_forget(seen);
}

void search_look_at_clock(void) { (void)stop_at((point){.act = ACT_READ, .object = search_clock}); /* as above */ }

void search_move_clock(void) { (void)stop_at((point){.act = ACT_WRITE, .object = search_clock}); /* as above */ }

unsigned search_party(void) { return current; }

unsigned search_moment(void) { return ++moment; }

unsigned search_strikes(void) { return n_strikes; }

/* What a store writes has the time in it. */
static bool meets_clock(const point *clock, const point *other)
{
    if (other->object == search_clock) return writes(clock) || writes(other);
    return writes(clock) && writes(other) && other->is_call;
}

/* Whether it makes no difference which of the two comes first. */
static bool is_independent(const point *a, const point *b)
{
    /* What has ended before something else began is all that a history knows of time. */
    bool a_begins = a->begins || a->act == ACT_BEGIN, b_begins = b->begins || b->act == ACT_BEGIN;
    if ((a_begins && b->act == ACT_END) || (b_begins && a->act == ACT_END)) return false;
    if (a->act >= ACT_BEGIN || b->act >= ACT_BEGIN) return true;
    if (a->object == search_clock) return !meets_clock(a, b);
    if (b->object == search_clock) return !meets_clock(b, a);
    if (a->object && b->object && a->object != b->object) return true;
    if (a->part && b->part && a->part != b->part) return true;
    if (a->act == ACT_WRITE || b->act == ACT_WRITE) return false;
    /* Who sleeps looks whether everybody has left. */
    return !((a->act == ACT_LEAVE && b->act == ACT_WAIT) || (a->act == ACT_WAIT && b->act == ACT_LEAVE));
}

/* ---- running ---- */

static void run_party(void *arg)
{
    const argument *a = arg;
    a->p->party(a->p->ctx, a->number);
}

/* When an operation begins, what has ended is what comes before it. */
static void begin_operation(party *p)
{
    *p->begins = ++moment;
    p->begins = NULL;
    if (is_played_again) return;
    for (unsigned i = 0; i < PARTIES_MOST; i++) p->kept = search_mix(p->kept, parties[i].n_ended);
    p->past = search_mix(p->past, p->kept);
}

static void step(unsigned number, seg_sched_strike with)
{
    party *p = &parties[number];
    point done = p->next;
    strike = with;
    n_strikes += with != SEG_SCHED_GO;
    current = number;
    if (p->begins) begin_operation(p);
    note(p, &done);
    if (with != SEG_SCHED_GO) p->past = search_mix(p->past, 100 + (uint64_t)with);
    p->waits = false;
    p->ended = !fibre_resume(p->fibre);
    if (done.act == ACT_WRITE || done.act == ACT_LEAVE) wake(done.object, number);
}

static void begin_run(const program *p, const search_options *options, argument *arguments)
{
    running = p;
    opt = options;
    p->setup(p->ctx);
    memset(parties, 0, sizeof parties);
    n_strikes = moment = 0;
    for (unsigned i = 0; i < p->n_parties; i++) {
        arguments[i] = (argument){p, i};
        parties[i].fibre = fibre_new(run_party, &arguments[i]);
        parties[i].next.act = ACT_BEGIN;
    }
    for (unsigned i = 0; i < p->n_parties; i++) step(i, SEG_SCHED_GO); /* up to its first point: nobody can notice */
}

static unsigned enabled_now(const program *p)
{
    unsigned enabled = 0;
    for (unsigned i = 0; i < p->n_parties; i++)
        if (!parties[i].ended && !parties[i].waits) enabled |= 1u << i;
    return enabled;
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
    is_played_again = true; /* nothing of it is looked at */
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
        bool sleeps = (n->tried | n->asleep) >> i & 1;
        if (sleeps && i != n->chosen && is_independent(&n->next[i], &n->next[n->chosen])) left |= 1u << i;
    }
    return left;
}

static uint64_t state_now(const program *p)
{
    uint64_t digest = search_mix(n_strikes, p->shared(p->ctx));
    for (unsigned i = 0; i < p->n_parties; i++) {
        const party *at = &parties[i];
        digest = search_mix(digest, at->past);
        digest = search_mix(digest, (at->ended ? 1u : 0u) + (at->waits ? 2u : 0u) + (at->begins ? 4u : 0u));
    }
    return digest;
}

/* From a state that was there before only that is tried which was asleep then and is not now (Godefroid, "Partial-order methods
 * for the verification of concurrent systems", 1996). */
static void leave_out_visited(const program *p, node *n)
{
    uint32_t *asleep_then;
    if (visited_is_new(state_now(p), n->asleep, &asleep_then)) return;
    n->choices &= *asleep_then;
    n->asleep &= *asleep_then;
    *asleep_then = n->asleep;
}

/* An operation that has nothing left to do ends at once, unless nothing of it was noticed, so that it may be anywhere. 0: there
 * is none. */
static unsigned who_ends(const program *p)
{
    for (unsigned i = 0; i < p->n_parties; i++)
        if (!parties[i].ended && parties[i].next.act == ACT_END && !parties[i].begins) return 1u << i;
    return 0;
}

/* Decide at a new node. False: everything that could be done here is done elsewhere. */
static bool open_node(const program *p, unsigned enabled)
{
    node *n = &nodes[depth];
    *n = (node){.asleep = depth && !opt->in_full ? still_asleep(&nodes[depth - 1]) : 0,
                .strikes_left = opt->most_strikes - n_strikes};
    for (unsigned i = 0; i < p->n_parties; i++) {
        n->next[i] = parties[i].next;
        n->kept[i] = parties[i].kept;
        n->past[i] = parties[i].past;
    }
    unsigned ends = opt->in_full ? 0 : who_ends(p);
    n->choices = ends ? ends : enabled & ~n->asleep;
    if (!ends && !opt->in_full) leave_out_visited(p, n);
    if (!n->choices) return false;
    n->chosen = lowest(n->choices);
    return true;
}

/* What was played again comes to its end: from here on it is new. */
static void go_on_from(const node *n)
{
    for (unsigned i = 0; i < PARTIES_MOST; i++) {
        parties[i].kept = n->kept[i];
        parties[i].past = n->past[i];
    }
    is_played_again = false;
}

typedef enum run_end { RUN_CHECKED, RUN_PRUNED, RUN_FAILED } run_end;

static run_end run_once(const program *p, unsigned n_fixed, const search_options *options, const char **ret_failure)
{
    argument arguments[PARTIES_MOST];
    is_played_again = n_fixed > 0;
    begin_run(p, options, arguments);
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
            if (!open_node(p, enabled)) {
                finish_anyhow(p);
                end_run(p);
                return RUN_PRUNED;
            }
            depth = at + 1;
        }
        if (at + 1 == n_fixed) go_on_from(&nodes[at]);
        step(nodes[at].chosen, nodes[at].strike);
    }
    end_run(p);
    *ret_failure = p->check(p->ctx);
    return *ret_failure ? RUN_FAILED : RUN_CHECKED;
}

static bool may_strike(const node *n, seg_sched_strike with)
{
    const point *next = &n->next[n->chosen];
    return n->strikes_left && next->is_call && (with == SEG_SCHED_FAIL || next->act == ACT_WRITE);
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
    n->tried |= 1u << n->chosen;
    unsigned left = n->choices & ~n->tried;
    if (!left) return false;
    n->chosen = lowest(left);
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
    visited_forget();
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
        ret->is_cut = options->most_runs && ret->schedules + ret->pruned >= options->most_runs;
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
    static const char *const acts[] = {"reads", "writes", "leaves", "waits for", "begins", "ends"};
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
    is_played_again = true;
    begin_run(p, options, arguments);
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
    bool is_whole = !enabled_now(p);
    if (is_whole && !all_ended(p)) {
        seg_sched_set(NULL);
        return "all wait for each other";
    }
    finish_anyhow(p);
    end_run(p);
    const char *failure = p->check(p->ctx);
    seg_sched_set(NULL);
    return failure;
}
