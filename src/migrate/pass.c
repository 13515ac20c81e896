/* L5: passes over the fallback. The runner's thread reads pages in order of key; workers sweep them, any number at a
 * time; the runner takes the results in order again, so that the cursor means "done up to here". Memory: the ring of
 * pages. */
#include "base/base.h"
#include "base/env.h"
#include "base/retry.h"
#include "base/rules.h"
#include "base/sched.h"
#include "migrate/migration.h"

enum { POLL_NS = 300 * 1000, HOPELESS_PASSES = 3, BETWEEN_PASSES_FIRST_NS = 50 * 1000 * 1000 };
static const int64_t BETWEEN_PASSES_MOST_NS = INT64_C(5) * 1000 * 1000 * 1000;

typedef struct job {
    segue_page page;
    seg_swept swept;
    bool is_done; /* of those that are issued */
} job;

typedef struct pool {
    segue_migration *m;
    bool tail;
    pthread_mutex_t lock; /* is_done of jobs, issued, taken, stop */
    pthread_cond_t queued;
    bool stop;
    job *jobs; /* a ring */
    size_t n_jobs;
    size_t issued, taken, retired; /* counting up; the job is at the remainder by n_jobs */
    pthread_t *threads;
    size_t n_threads;
} pool;

/* What a pass has found. */
typedef struct found {
    uint64_t work, errors, settled, left, unmatched;
    segue_status why; /* of the errors */
    bool foreign;
} found;

/* ---- workers ---- */

static void *work(void *arg)
{
    pool *p = arg;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->stop && p->taken == p->issued) pthread_cond_wait(&p->queued, &p->lock);
        if (p->taken == p->issued) break;
        job *j = &p->jobs[p->taken++ % p->n_jobs];
        pthread_mutex_unlock(&p->lock);
        seg_sweep_page(p->m, &j->page, p->tail, &j->swept);
        pthread_mutex_lock(&p->lock);
        j->is_done = true;
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static segue_status start(pool *p, segue_migration *m, segue_error *err)
{
    *p = (pool){.m = m, .tail = m->status.is_tail, .n_jobs = m->options.workers + 2};
    p->jobs = seg_alloc_zero(p->n_jobs * sizeof *p->jobs);
    p->threads = seg_alloc_zero(m->options.workers * sizeof *p->threads);
    if (!p->jobs || !p->threads || pthread_mutex_init(&p->lock, NULL) != 0) {
        seg_free(p->jobs);
        seg_free(p->threads);
        return seg_error_set(err, SEGUE_NO_MEMORY, "out of memory for a sweep");
    }
    (void)pthread_cond_init(&p->queued, NULL); /* cannot fail without attributes */
    while (!SEG_SCHED_IS_ALONE && p->n_threads < m->options.workers &&
           pthread_create(&p->threads[p->n_threads], NULL, work, p) == 0)
        p->n_threads++;
    return SEGUE_OK;
}

static void finish(pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_broadcast(&p->queued);
    pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; i < p->n_threads; i++) (void)pthread_join(p->threads[i], NULL); /* it is ours and runs */
    for (size_t i = 0; i < p->n_jobs; i++) {
        segue_page_free(&p->jobs[i].page);
        seg_swept_clear(&p->jobs[i].swept);
    }
    (void)pthread_cond_destroy(&p->queued);           /* nobody waits any more */
    seg_assert(pthread_mutex_destroy(&p->lock) == 0); /* BUSY: it was not given back as often as it was taken */
    seg_free(p->jobs);
    seg_free(p->threads);
}

static void issue(pool *p, job *j)
{
    pthread_mutex_lock(&p->lock);
    j->is_done = false;
    p->issued++;
    pthread_cond_signal(&p->queued);
    pthread_mutex_unlock(&p->lock);
    if (p->n_threads == 0) { /* no thread could be started: do it here */
        seg_sweep_page(p->m, &j->page, p->tail, &j->swept);
        j->is_done = true;
    }
}

static bool is_done(pool *p)
{
    if (p->retired == p->issued) return false;
    pthread_mutex_lock(&p->lock);
    bool done = p->jobs[p->retired % p->n_jobs].is_done;
    pthread_mutex_unlock(&p->lock);
    return done;
}

/* ---- results ---- */

static void add_counts(segue_counts *sum, const segue_counts *more)
{
    uint64_t left = sum->left, unmatched = sum->unmatched;
    uint64_t *to = (uint64_t *)(void *)sum;
    const uint64_t *from = (const uint64_t *)(const void *)more;
    for (size_t i = 0; i < sizeof *sum / sizeof *to; i++) to[i] += from[i]; /* it is nothing but counts; see record.c */
    sum->left = left;
    sum->unmatched = unmatched; /* these two are of one pass */
}

static void add_keys(seg_keys *keys, const seg_keys *more)
{
    for (size_t i = 0; i < more->n; i++) seg_keys_add(keys, segue_buf_slice(&more->keys[i]));
}

void seg_migration_add(segue_migration *m, const seg_swept *swept)
{
    seg_status *s = &m->status;
    add_counts(&s->counts, &swept->counts);
    add_keys(&s->failed, &swept->failed);
    add_keys(&s->foreign, &swept->foreign);
    m->done += swept->settled;
}

/* Take the result of the oldest page. */
static segue_status retire(pool *p, found *f, segue_error *err)
{
    segue_migration *m = p->m;
    job *j = &p->jobs[p->retired % p->n_jobs];
    const seg_swept *swept = &j->swept;
    segue_slice last = j->page.docs[j->page.n - 1].rec.key;
    seg_migration_add(m, swept);
    f->work += swept->work;
    f->errors += swept->counts.errors;
    f->settled += swept->settled;
    if (swept->counts.errors) f->why = swept->why;
    f->left += swept->counts.left;
    f->unmatched += swept->counts.unmatched;
    f->foreign |= swept->foreign.n > 0;
    segue_status st = swept->status;
    if (st != SEGUE_OK) {
        *err = swept->err;
    } else {
        segue_buf_clear(&m->status.cursor);
        st = segue_buf_append(&m->status.cursor, last.data, last.size);
    }
    seg_swept_clear(&j->swept);
    p->retired++;
    return st;
}

/* ---- a pass ---- */

/* Until the scan is at its end, or something ends it. */
static segue_status feed(pool *p, const segue_bounds *all, found *f, segue_error *err)
{
    segue_migration *m = p->m;
    SEG_AUTO(segue_buf) from = {0};
    segue_bounds b = *all;
    bool more = true;
    segue_status st = SEGUE_OK;
    if (m->status.cursor.size) {
        st = segue_buf_append(&from, m->status.cursor.data, m->status.cursor.size);
        if (st != SEGUE_OK) return st;
        b.from = segue_buf_slice(&from);
        b.from_open = true;
    }
    while (st == SEGUE_OK && (more || p->retired < p->issued)) {
        while (st == SEGUE_OK && is_done(p)) st = retire(p, f, err);
        if (st == SEGUE_OK) st = seg_migration_cancelled(m, err);
        if (st == SEGUE_OK) st = seg_migration_tick(m, err);
        if (st != SEGUE_OK || f->foreign) break;
        if (!more || p->issued - p->retired == p->n_jobs) {
            if (p->retired < p->issued) seg_sleep_ns(m->env, POLL_NS);
            continue;
        }
        job *j = &p->jobs[p->issued % p->n_jobs];
        st = seg_read_page(m, m->from, &b, &j->page, &m->status.counts.retries, err);
        if (st != SEGUE_OK) break;
        more = j->page.more;
        if (j->page.n == 0) continue;
        segue_slice last = j->page.docs[j->page.n - 1].rec.key;
        segue_buf_clear(&from);
        st = segue_buf_append(&from, last.data, last.size);
        b.from = segue_buf_slice(&from);
        b.from_open = true;
        if (st == SEGUE_OK) issue(p, j);
    }
    return st;
}

/* What is under way comes to its end, and counts; the cursor goes no further than the first page that failed. */
static void drain(pool *p, found *f, segue_status st)
{
    segue_error ignored = {0};
    while (p->retired < p->issued) {
        if (!is_done(p)) {
            seg_sleep_ns(p->m->env, POLL_NS);
        } else if (st == SEGUE_OK || st == SEGUE_NOT_FINISHED) {
            st = retire(p, f, &ignored);
        } else {
            seg_migration_add(p->m, &p->jobs[p->retired++ % p->n_jobs].swept);
        }
    }
}

/* Where the target gives records a CAS of its own, a move is told by feeds as a change: it has to come after all that they
 * have told of the source, however far that one's clock is ahead. */
static segue_status raise_target(segue_migration *m, segue_error *err)
{
    uint64_t highest = 0;
    if (m->keeps_cas || !seg_call_has_highest(m->from) || !seg_call_has_highest(m->to)) return SEGUE_OK;
    segue_call call = seg_migration_call(m, err);
    segue_status st = seg_call_highest(m->from, 0, &highest, &call);
    return st == SEGUE_OK ? seg_call_highest(m->to, highest, &highest, &call) : st;
}

static segue_status pass(segue_migration *m, found *f, bool *ret_full, segue_error *err)
{
    pool p;
    segue_bounds bounds = seg_policy_bounds(m->policy);
    *f = (found){0};
    *ret_full = m->status.cursor.size == 0; /* one that goes on where another ended is two halves */
    m->status.pass++;
    seg_keys_clear(&m->status.failed);
    segue_status st = raise_target(m, err);
    if (st == SEGUE_OK) st = start(&p, m, err);
    if (st != SEGUE_OK) return st;
    st = feed(&p, &bounds, f, err);
    drain(&p, f, st);
    finish(&p);
    if (st != SEGUE_OK || f->foreign) return st;
    segue_buf_clear(&m->status.cursor);
    if (*ret_full) {
        m->status.counts.passes++;
        m->status.counts.left = f->left;
        m->status.counts.unmatched = f->unmatched;
    }
    return seg_migration_save(m, err);
}

static segue_status stopped_by_foreign(const segue_migration *m, segue_error *err)
{
    char quoted[SEG_QUOTED_MAX];
    segue_slice key = m->status.foreign.n ? segue_buf_slice(&m->status.foreign.keys[0]) : segue_str("?");
    return seg_error_set(
        err, SEGUE_NOT_FINISHED,
        "%s was written in the fallback by somebody who does not know of the migration; stop that program, "
        "then run again and say whether the newer record or the primary's wins",
        seg_quote(key, quoted));
}

static segue_status gave_up(const segue_migration *m, const found *f, unsigned passes, segue_error *err)
{
    char quoted[SEG_QUOTED_MAX];
    if (m->status.failed.n)
        return seg_error_set(err, SEGUE_NOT_FINISHED,
                             "gave up after %u %s: %llu %s, among them %s (%s); the place is kept, run again", passes,
                             seg_word(passes, "pass", "passes"), (unsigned long long)f->errors,
                             seg_word(f->errors, "record fails", "records fail"),
                             seg_quote(segue_buf_slice(&m->status.failed.keys[0]), quoted), segue_status_text(f->why));
    return seg_error_set(err, SEGUE_NOT_FINISHED,
                         "gave up after %u %s: the fallback still gets new records; the place is kept, run again",
                         passes, seg_word(passes, "pass", "passes"));
}

segue_status seg_passes(segue_migration *m, segue_error *err)
{
    seg_backoff backoff;
    seg_backoff_init(&backoff, BETWEEN_PASSES_FIRST_NS, BETWEEN_PASSES_MOST_NS);
    for (unsigned n = 1, hopeless = 0;; n++) {
        found f;
        bool full = false;
        segue_status st = pass(m, &f, &full, err);
        if (st != SEGUE_OK) return st;
        if (f.foreign) return stopped_by_foreign(m, err);
        bool is_proof = (full && f.errors == 0) || !SEG_RULE(SEAL_NEEDS_FULL_PASS);
        if (is_proof && f.work == 0 && (m->status.is_tail || !m->policy->has_last)) return SEGUE_OK;
        if (is_proof && !m->status.is_tail && m->policy->has_last) m->status.is_tail = true;
        /* The same records fail again for a reason that time does not heal, and nothing else happens. */
        hopeless = f.errors && f.settled == 0 && !seg_can_try_again(f.why) ? hopeless + 1 : 0;
        if (n >= m->options.max_passes || hopeless == HOPELESS_PASSES) return gave_up(m, &f, n, err);
        if (f.errors) (void)seg_backoff_wait(&backoff, m->env, 0); /* no deadline: it cannot pass */
    }
}
