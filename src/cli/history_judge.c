/* L6: the judge of histories; see history.h.
 *
 * Wing and Gong's search, with Lowe's memory of dead ends, and less to choose from: a write that succeeded comes when all
 * with smaller CASes are done; what changes nothing is done as soon as it may be and fits (doing it can never spoil
 * anything). So only writes of unknown outcome are chosen, each only where it makes a difference. Without them the search
 * is one straight line. */
#include "base/base.h"
#include "cli/history.h"

#include <stdlib.h>
#include <string.h>

/* Idle writes in a row: a delete, a body, an xattr, an expiry, a CAS make any document that can be made; more of them help
 * nothing. */
enum { IDLE_MAX = 5 };
static const uint64_t default_steps = 10000000;
static const uint64_t never = UINT64_MAX;

/* What stood under one CAS: written by an operation that says so, or only seen. */
typedef struct version {
    uint64_t cas;
    size_t op;      /* that wrote it, or that saw it */
    bool is_known;  /* op wrote it */
    bool has_value; /* of one that was only seen: op is a get */
} version;

/* One place on the way of the search. */
typedef struct place {
    seg_model now, before; /* before: the write that led here */
    size_t trail;          /* what was done before it */
    size_t next_version;
    uint64_t passed;  /* unknown writes until then are not applied any more. Of the others the first ends after all that
                        was done had begun */
    size_t choice;    /* to try next: two of the next version, one to pass, four for each unknown write */
    uint64_t hash[2]; /* of the place, for the dead ends */
    size_t unknown;   /* the unknown write that led here, + 1 */
    bool is_idle;     /* an unknown write that nobody saw led here, and it has helped nothing yet */
    unsigned n_idle;  /* how many of these in a row, without additions */
} place;

typedef struct judge {
    const seg_history *h;
    seg_judgement *ret;
    size_t *by_begin, *by_end, n;  /* operations that have an answer to explain */
    size_t first_begin, first_end; /* none before them is left to do */
    size_t *begin_rank, *end_rank; /* of each operation */
    bool *done;
    size_t *unknown, *twin, n_unknown; /* twin: an earlier one just like it, + 1 */
    version *versions;
    size_t n_versions;
    size_t *trail, n_trail;
    place *places;
    size_t n_places, places_capacity;
    uint64_t (*dead)[2]; /* dead ends */
    size_t n_dead, dead_capacity;
    uint64_t hash[2]; /* of what is done */
    size_t deepest;
    seg_model deepest_now;
    bool is_stuck;
    size_t stuck; /* culprit */
} judge;

/* ---- small things ---- */

static bool is_read(const seg_op *op) { return op->kind == SEG_ASK_GET || op->kind == SEG_ASK_SEE; }

static bool is_write(const seg_op *op) { return !is_read(op) && op->answer == SEG_ANSWER_OK; }

/* An idle one can be had any number of times, and each makes another document. */
static bool is_addition(const seg_op *op) { return op->kind == SEG_ASK_INCR || op->kind == SEG_ASK_APPEND; }

static uint64_t scramble(uint64_t z)
{
    z += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static void flip(judge *j, size_t op)
{
    j->hash[0] ^= scramble(2 * op);
    j->hash[1] ^= scramble(~(2 * op));
    j->done[op] = !j->done[op];
}

static bool shows(const seg_op *get, const seg_model *now)
{
    return now->body == get->saw_body && now->xattr == get->saw_xattr && now->expiry == get->saw_expiry;
}

static bool fits_as(const seg_op *op, bool live, const seg_model *now)
{
    seg_model after;
    if (!seg_model_may_be(now, op, live) || seg_model_apply(now, live, op, &after) != op->answer) return false;
    if (!is_read(op) || op->answer != SEG_ANSWER_OK) return true;
    return now->cas == op->cas && (op->kind == SEG_ASK_SEE || shows(op, now));
}

static bool fits(const seg_op *op, const seg_model *now) { return fits_as(op, true, now) || fits_as(op, false, now); }

static bool same_value(const seg_model *a, const seg_model *b)
{
    return a->live == b->live && a->body == b->body && a->xattr == b->xattr && a->expiry == b->expiry;
}

static void refuse(judge *j, size_t culprit, const char *what, const char *more)
{
    char text[SEG_OP_TEXT_SIZE];
    j->ret->verdict = SEG_VERDICT_BAD;
    j->ret->culprit = culprit;
    (void)snprintf(j->ret->text, sizeof j->ret->text, "%s: %s%s%s", what, seg_op_text(&j->h->ops[culprit], text),
                   *more ? "; " : "", more); /* cut if it must be */
}

/* ---- sorting: by a key that is worked out before ---- */

typedef struct keyed {
    uint64_t key;
    size_t op;
} keyed;

static int by_keyed(const void *a, const void *b)
{
    const keyed *x = a, *y = b;
    return x->key != y->key ? (x->key < y->key ? -1 : 1) : x->op < y->op ? -1 : x->op > y->op;
}

static void sort_ops(keyed *k, size_t n, size_t *out)
{
    if (n > 1) qsort(k, n, sizeof *k, by_keyed);
    for (size_t i = 0; i < n; i++) out[i] = k[i].op;
}

static void sort_by_time(judge *j, keyed *k)
{
    const seg_history *h = j->h;
    for (size_t i = 0; i < h->n; i++)
        if (h->ops[i].answer != SEG_ANSWER_FAILED && h->ops[i].answer != SEG_ANSWER_UNKNOWN)
            k[j->n++] = (keyed){h->ops[i].begin, i};
    sort_ops(k, j->n, j->by_begin);
    for (size_t i = 0; i < j->n; i++) k[i] = (keyed){h->ops[j->by_begin[i]].end, j->by_begin[i]};
    sort_ops(k, j->n, j->by_end);
    for (size_t i = 0; i < j->n; i++) {
        j->begin_rank[j->by_begin[i]] = i;
        j->end_rank[j->by_end[i]] = i;
    }
    size_t n = 0;
    for (size_t i = 0; i < h->n; i++)
        if (h->ops[i].answer == SEG_ANSWER_UNKNOWN && !is_read(&h->ops[i])) k[n++] = (keyed){h->ops[i].begin, i};
    j->n_unknown = n;
    sort_ops(k, n, j->unknown);
    for (size_t i = 0; i < n; i++)
        for (size_t e = i; e-- > 0 && j->twin[i] == 0;) {
            const seg_op *a = &h->ops[j->unknown[i]], *b = &h->ops[j->unknown[e]];
            if (a->kind == b->kind && a->body == b->body && a->given == b->given && a->has_initial == b->has_initial &&
                a->xattr == b->xattr && a->expiry == b->expiry && a->clock_to == b->clock_to && a->until == b->until)
                j->twin[i] = e + 1;
        }
}

/* ---- versions, and what can be said without a search ---- */

static void add_version(judge *j, uint64_t cas, size_t op, bool is_known, bool has_value)
{
    if (cas != 0 && (is_known || cas != j->h->start.cas))
        j->versions[j->n_versions++] = (version){cas, op, is_known, has_value};
}

static int by_cas(const void *a, const void *b)
{
    const version *x = a, *y = b;
    if (x->cas != y->cas) return x->cas < y->cas ? -1 : 1;
    if (x->is_known != y->is_known) return x->is_known ? -1 : 1;
    if (x->has_value != y->has_value) return x->has_value ? -1 : 1;
    return x->op < y->op ? -1 : x->op > y->op;
}

static bool gets_agree(const seg_op *a, const seg_op *b)
{
    return a->saw_body == b->saw_body && a->saw_xattr == b->saw_xattr && a->saw_expiry == b->saw_expiry;
}

/* Could the write of unknown outcome have left what the get saw? */
static bool could_leave(const seg_op *u, const seg_op *get)
{
    if (is_addition(u) || u->kind == SEG_ASK_RECAS) return true;
    if (u->kind == SEG_ASK_XATTR) return u->body == get->saw_xattr;
    if (u->kind == SEG_ASK_TOUCH) return u->expiry == get->saw_expiry;
    return u->body == get->saw_body;
}

static bool could_be_unknown(const judge *j, const seg_op *get)
{
    for (size_t i = 0; i < j->n_unknown; i++) {
        const seg_op *u = &j->h->ops[j->unknown[i]];
        if (u->begin <= get->end && could_leave(u, get)) return true;
    }
    return false;
}

/* Of all that names one CAS the first stays. False: refused. */
static bool merge_version(judge *j, const version *kept, const version *v)
{
    const seg_op *a = &j->h->ops[kept->op], *b = &j->h->ops[v->op];
    char text[SEG_OP_TEXT_SIZE];
    if (v->is_known) refuse(j, v->op, "a CAS was given twice", seg_op_text(a, text));
    else if (kept->is_known && b->end < a->begin) refuse(j, v->op, "seen before it was written", seg_op_text(a, text));
    else if (!kept->is_known && kept->has_value && v->has_value && !gets_agree(a, b))
        refuse(j, v->op, "one CAS was seen with two contents", seg_op_text(a, text));
    else return true;
    return false;
}

static bool check_order(judge *j)
{
    size_t latest = SIZE_MAX; /* the write that began last of those with smaller CASes */
    for (size_t i = 0; i < j->n_versions; i++) {
        const version *v = &j->versions[i];
        const seg_op *op = &j->h->ops[v->op];
        char text[SEG_OP_TEXT_SIZE];
        if (v->cas <= j->h->start.cas) {
            refuse(j, v->op, v->is_known ? "a CAS is not greater than the one before" : "a CAS that nobody gave", "");
            return false;
        }
        if (!v->is_known) {
            if (!v->has_value || could_be_unknown(j, op)) continue;
            refuse(j, v->op, "seen, but nobody wrote it", "");
            return false;
        }
        if (latest != SIZE_MAX && op->end < j->h->ops[latest].begin) {
            refuse(j, latest, "CASes went back", seg_op_text(op, text));
            return false;
        }
        if (latest == SIZE_MAX || op->begin > j->h->ops[latest].begin) latest = v->op;
    }
    return true;
}

static bool make_versions(judge *j)
{
    for (size_t i = 0; i < j->h->n; i++) {
        const seg_op *op = &j->h->ops[i];
        if (op->answer != SEG_ANSWER_OK) continue;
        if (is_write(op)) {
            if (op->cas == 0) {
                refuse(j, i, "a write was answered without a CAS", "");
                return false;
            }
            add_version(j, op->cas, i, true, false);
            if (op->kind == SEG_ASK_WRITE || op->kind == SEG_ASK_REMOVE || op->kind == SEG_ASK_UPDATE ||
                op->kind == SEG_ASK_PUT)
                add_version(j, op->given, i, false, false);
        } else {
            add_version(j, op->cas, i, false, op->kind == SEG_ASK_GET);
        }
    }
    if (j->n_versions > 1) qsort(j->versions, j->n_versions, sizeof *j->versions, by_cas);
    size_t n = 0;
    for (size_t i = 0; i < j->n_versions; i++) {
        if (n == 0 || j->versions[n - 1].cas != j->versions[i].cas) j->versions[n++] = j->versions[i];
        else if (!merge_version(j, &j->versions[n - 1], &j->versions[i])) return false;
    }
    j->n_versions = n;
    return check_order(j);
}

/* ---- the search ---- */

static uint64_t least_end(judge *j)
{
    while (j->first_end < j->n && j->done[j->by_end[j->first_end]]) j->first_end++;
    return j->first_end < j->n ? j->h->ops[j->by_end[j->first_end]].end : never;
}

static void mark(judge *j, size_t op)
{
    flip(j, op);
    j->trail[j->n_trail++] = op;
}

/* Take back all that was done since. */
static void take_back(judge *j, size_t trail)
{
    while (j->n_trail > trail) {
        size_t op = j->trail[--j->n_trail];
        flip(j, op);
        if (j->h->ops[op].answer == SEG_ANSWER_UNKNOWN) continue;
        if (j->begin_rank[op] < j->first_begin) j->first_begin = j->begin_rank[op];
        if (j->end_rank[op] < j->first_end) j->first_end = j->end_rank[op];
    }
}

/* The moment until which the first unknown write that may still be applied can be. */
static uint64_t least_until(const judge *j, const place *p)
{
    uint64_t least = never;
    for (size_t i = 0; i < j->n_unknown; i++) {
        uint64_t until = j->h->ops[j->unknown[i]].until;
        if (until > p->passed && until < least && !j->done[j->unknown[i]]) least = until;
    }
    return least;
}

/* All that changes nothing, fits and may come now. */
static bool look_around(judge *j, const place *p)
{
    size_t before = j->n_trail;
    uint64_t most = least_until(j, p);
    for (bool more = true; more;) {
        uint64_t until = least_end(j) < most ? least_end(j) : most;
        more = false;
        while (j->first_begin < j->n && j->done[j->by_begin[j->first_begin]]) j->first_begin++;
        for (size_t i = j->first_begin; i < j->n && j->h->ops[j->by_begin[i]].begin <= until; i++) {
            size_t op = j->by_begin[i];
            if (j->done[op] || is_write(&j->h->ops[op]) || !fits(&j->h->ops[op], &p->now)) continue;
            mark(j, op);
            more = true;
        }
    }
    return j->n_trail > before;
}

static bool is_dead(const judge *j, const uint64_t hash[2])
{
    if (j->dead_capacity == 0) return false;
    for (size_t i = hash[0] & (j->dead_capacity - 1);; i = (i + 1) & (j->dead_capacity - 1)) {
        if (j->dead[i][0] == 0 && j->dead[i][1] == 0) return false;
        if (j->dead[i][0] == hash[0] && j->dead[i][1] == hash[1]) return true;
    }
}

static void put_dead(judge *j, const uint64_t hash[2])
{
    size_t i = hash[0] & (j->dead_capacity - 1);
    while (j->dead[i][0] != 0 || j->dead[i][1] != 0) i = (i + 1) & (j->dead_capacity - 1);
    j->dead[i][0] = hash[0];
    j->dead[i][1] = hash[1];
}

static bool remember_dead(judge *j, const uint64_t hash[2])
{
    if (2 * (j->n_dead + 1) > j->dead_capacity) {
        size_t n = j->dead_capacity, bigger = n ? 2 * n : 256;
        uint64_t(*old)[2] = j->dead;
        uint64_t(*more)[2] = seg_alloc_zero(bigger * sizeof *more);
        if (!more) return false;
        j->dead = more;
        j->dead_capacity = bigger;
        for (size_t i = 0; i < n; i++)
            if (old[i][0] != 0 || old[i][1] != 0) put_dead(j, old[i]);
        seg_free(old);
    }
    put_dead(j, hash);
    j->n_dead++;
    return true;
}

static void hash_place(const judge *j, place *p)
{
    uint64_t sum = scramble(p->now.body) + 3 * scramble(p->now.xattr + 1) + 5 * scramble(p->now.cas + 2);
    sum += p->now.live + 23 * scramble(p->now.expiry + 29) + 7 * scramble(p->next_version + 3) +
           37 * scramble(p->passed) + (p->is_idle ? 11 * p->unknown : 0);
    if (p->is_idle)
        sum += scramble(p->before.body + 13) + scramble(p->before.xattr + 17) + scramble(p->before.expiry + 31) +
               p->before.live + p->n_idle * 19;
    p->hash[0] = j->hash[0] ^ scramble(sum);
    p->hash[1] = j->hash[1] ^ scramble(~sum);
}

/* Of what must be explained next, the operation that cannot be. */
static size_t find_stuck(judge *j, const place *p)
{
    uint64_t until = least_end(j);
    const version *v = p->next_version < j->n_versions ? &j->versions[p->next_version] : NULL;
    size_t first = j->by_end[j->first_end];
    if (is_write(&j->h->ops[first]) && v && v->is_known && j->h->ops[v->op].begin <= until) return v->op;
    return first;
}

/* Go to a place: look around, and keep it unless it is known as a dead end. False: out of memory. */
static bool enter(judge *j, place *p)
{
    if (j->n_places == j->places_capacity) {
        size_t capacity = j->places_capacity ? 2 * j->places_capacity : 64;
        place *more = seg_realloc(j->places, capacity * sizeof *more);
        if (!more) return false;
        j->places = more;
        j->places_capacity = capacity;
    }
    j->ret->steps++;
    if (look_around(j, p)) p->is_idle = false;
    hash_place(j, p);
    if (j->n_trail > j->deepest || !j->is_stuck) {
        j->deepest = j->n_trail;
        j->deepest_now = p->now;
        j->is_stuck = true;
        if (least_end(j) != never) j->stuck = find_stuck(j, p);
    }
    if (is_dead(j, p->hash)) {
        take_back(j, p->trail);
        return true;
    }
    p->choice = 0;
    j->places[j->n_places++] = *p;
    return true;
}

/* An unknown write that helped nothing, and whose effect the next one covers anyway, was for nothing. */
static bool was_for_nothing(const place *p, bool live, const seg_op *op, const seg_model *after)
{
    seg_model other;
    return p->is_idle && seg_model_may_be(&p->before, op, live) &&
           seg_model_apply(&p->before, live, op, &other) == SEG_ANSWER_OK && same_value(&other, after);
}

/* Whether the write can be applied now, taken for live or not. */
static bool applies(const seg_model *now, bool live, const seg_op *op, seg_model *ret_after)
{
    return seg_model_may_be(now, op, live) && seg_model_apply(now, live, op, ret_after) == SEG_ANSWER_OK;
}

/* The next version by its own write. `most`: what begins later cannot be next. */
static bool try_known(judge *j, const place *p, bool live, uint64_t most, place *ret)
{
    const version *v = p->next_version < j->n_versions ? &j->versions[p->next_version] : NULL;
    if (!v || !v->is_known) return false;
    const seg_op *op = &j->h->ops[v->op];
    if (op->begin > most || !applies(&p->now, live, op, &ret->now)) return false;
    if (op->kind == SEG_ASK_INCR && ret->now.body != op->saw_body) return false;
    if (op->has_seen && (ret->now.body != op->saw_body || ret->now.xattr != op->saw_xattr)) return false;
    if (was_for_nothing(p, live, op, &ret->now)) return false;
    *ret = (place){.now = ret->now,
                   .before = p->now,
                   .trail = j->n_trail,
                   .next_version = p->next_version + 1,
                   .passed = p->passed};
    mark(j, v->op);
    return true;
}

/* The unknown writes that end first are not applied. */
static bool try_pass(const judge *j, const place *p, uint64_t until, place *ret)
{
    *ret = *p;
    ret->passed = until;
    ret->trail = j->n_trail;
    return until != never;
}

/* A write of unknown outcome, seen under the CAS of the next version, or by nobody. */
static bool try_unknown(judge *j, const place *p, size_t i, bool is_seen, bool live, uint64_t most, place *ret)
{
    const version *v = p->next_version < j->n_versions ? &j->versions[p->next_version] : NULL;
    size_t id = j->unknown[i];
    const seg_op *op = &j->h->ops[id];
    if (j->done[id] || (j->twin[i] && !j->done[j->unknown[j->twin[i] - 1]]) || op->begin > most) return false;
    if ((is_seen && (!v || v->is_known)) || (op->until && op->until <= p->passed)) return false;
    unsigned n_idle = (p->is_idle ? p->n_idle : 0) + (is_addition(op) ? 0 : 1);
    if (!is_seen && n_idle > IDLE_MAX) return false;
    if (!applies(&p->now, live, op, &ret->now) || was_for_nothing(p, live, op, &ret->now)) return false;
    if (is_seen) {
        const seg_op *get = &j->h->ops[v->op];
        if (!ret->now.live) return false;
        if (v->has_value && !shows(get, &ret->now)) return false;
        ret->now.cas = v->cas;
    }
    *ret = (place){.now = ret->now,
                   .before = p->now,
                   .trail = j->n_trail,
                   .next_version = p->next_version + (is_seen ? 1 : 0),
                   .passed = p->passed,
                   .unknown = i + 1,
                   .is_idle = !is_seen,
                   .n_idle = n_idle};
    mark(j, id);
    return true;
}

/* The next way on from the last place; false: there is none. */
static bool go_on(judge *j, place *ret)
{
    place *p = &j->places[j->n_places - 1];
    uint64_t until = least_until(j, p), end = least_end(j), most = until < end ? until : end;
    while (p->choice < 4 * j->n_unknown + 3) {
        size_t c = p->choice++, u = c - 3;
        if (c < 2 && try_known(j, p, c == 0, most, ret)) return true;
        if (c == 2 && try_pass(j, p, until, ret)) return true;
        if (c > 2 && try_unknown(j, p, u / 4, u % 4 < 2, u % 2 == 0, most, ret)) return true;
    }
    return false;
}

static segue_status search(judge *j, uint64_t most)
{
    place next = {.now = j->h->start};
    if (!enter(j, &next)) return SEGUE_NO_MEMORY;
    while (j->n_places > 0) {
        if (least_end(j) == never) return SEGUE_OK;
        if (j->ret->steps > most) return SEGUE_NOT_FINISHED;
        if (go_on(j, &next)) {
            if (!enter(j, &next)) return SEGUE_NO_MEMORY;
            continue;
        }
        place *p = &j->places[--j->n_places];
        if (!remember_dead(j, p->hash)) return SEGUE_NO_MEMORY;
        take_back(j, p->trail);
    }
    return SEGUE_NOT_FOUND;
}

/* ---- words ---- */

static const char *what_is_wrong(const seg_op *op, const seg_model *now)
{
    bool ok = op->answer == SEG_ANSWER_OK;
    switch (op->kind) {
    case SEG_ASK_GET:
        if (!ok) return "a read did not find what is there";
        if (!now->live) return "a read saw what is deleted: it came back from the dead";
        return op->cas < now->cas    ? "a stale read"
               : op->cas == now->cas ? "a read saw another content"
                                     : "a wrong read";
    case SEG_ASK_ADD: return ok ? "an insert over a live document" : "an insert was refused where nothing is live";
    case SEG_ASK_WRITE:
    case SEG_ASK_PUT:
    case SEG_ASK_REMOVE:
        if (!ok && op->answer == SEG_ANSWER_NOT_FOUND) return "a write under a CAS did not find what is there";
        return ok ? "a write under a CAS that was not the document's: an update is lost" : "a right CAS was refused";
    case SEG_ASK_UPDATE: return "an update of what was not there any more: an update is lost";
    case SEG_ASK_DELETE: return ok ? "a delete of what is not live" : "a delete did not reach what is there";
    case SEG_ASK_INCR:
        if (!ok) return "a counter was not found";
        return op->saw_body < now->body + op->body ? "additions to a counter are lost"
                                                   : "a counter got more than was added";
    case SEG_ASK_APPEND:
    case SEG_ASK_TOUCH: return ok ? "a change of what is not live" : "a change did not find what is there";
    case SEG_ASK_SEE: return ok ? "a read saw another CAS" : "a read did not find what is there";
    case SEG_ASK_XATTR:
        return ok ? "an xattr was written to what is not live" : "a write of an xattr did not find what is there";
    case SEG_ASK_SET:
    case SEG_ASK_REPLACE:
    case SEG_ASK_PUT_IN:
    case SEG_ASK_RECAS:
    case SEG_N_ASKS: break;
    }
    return "no order explains it";
}

static void say_stuck(judge *j)
{
    const seg_model *now = &j->deepest_now;
    char more[160];
    if (now->live)
        (void)snprintf(more, sizeof more, "at best the document was %llu then (CAS %llu)",
                       (unsigned long long)now->body, (unsigned long long)now->cas); /* fits */
    else (void)snprintf(more, sizeof more, "at best nothing was live then (CAS %llu)", (unsigned long long)now->cas);
    refuse(j, j->stuck, what_is_wrong(&j->h->ops[j->stuck], now), more);
}

void seg_history_judge(const seg_history *history, uint64_t most_steps, seg_judgement *ret)
{
    size_t n = history->n + 1;
    *ret = (seg_judgement){.verdict = SEG_VERDICT_GOOD};
    judge j = {.h = history, .ret = ret};
    keyed *keys = seg_alloc_zero(n * sizeof *keys);
    size_t *numbers = seg_alloc_zero(7 * n * sizeof *numbers);
    j.done = seg_alloc_zero(n * sizeof *j.done);
    j.versions = seg_alloc_zero(2 * n * sizeof *j.versions);
    segue_status st = keys && numbers && j.done && j.versions ? SEGUE_OK : SEGUE_NO_MEMORY;
    if (st == SEGUE_OK) {
        j.by_begin = numbers;
        j.by_end = numbers + n;
        j.unknown = numbers + 2 * n;
        j.twin = numbers + 3 * n;
        j.trail = numbers + 4 * n;
        j.begin_rank = numbers + 5 * n;
        j.end_rank = numbers + 6 * n;
        sort_by_time(&j, keys);
        if (make_versions(&j)) {
            st = search(&j, most_steps ? most_steps : default_steps);
            if (st == SEGUE_NOT_FOUND) say_stuck(&j);
        }
    }
    if (st == SEGUE_NO_MEMORY || st == SEGUE_NOT_FINISHED) {
        ret->verdict = SEG_VERDICT_UNDECIDED;
        (void)snprintf(ret->text, sizeof ret->text, "not decided: %s after %llu %s",
                       st == SEGUE_NO_MEMORY ? "out of memory" : "too many writes of unknown outcome",
                       (unsigned long long)ret->steps, seg_word(ret->steps, "step", "steps")); /* fits */
    }
    seg_free(keys);
    seg_free(numbers);
    seg_free(j.done);
    seg_free(j.versions);
    seg_free(j.places);
    seg_free(j.dead);
}
