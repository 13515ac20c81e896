/* Consumers of feeds: one on each node, which stops at any time and goes on from the cursor that it kept, in another
 * life too. What it was told must be a history's, and in the end it must know of everything; see scene.h. */
#include "simulate/scene.h"

#include "base/base.h"
#include <segue/feed.h>

#include <stdio.h>
#include <string.h>

enum { FILLERS_MOST = 1000 };

typedef struct told {
    uint64_t cas[SIM_KEYS_MOST]; /* of the last event of each key, 0 none */
    bool filler[FILLERS_MOST];
} told;

static struct consumer {
    segue_buf cursor;
    told kept; /* with the cursor */
} consumers[SIM_NODES_MOST];

/* One feed, from its opening on. */
typedef struct session {
    struct consumer *consumer;
    segue_feed *feed;
    told now;
    seg_op since; /* whatever is told has been read after that */
} session;

static void take(session *s, const segue_record *rec)
{
    char name[8];
    uint64_t cas = rec->cas & ~(UINT64_C(1) << 63);
    unsigned key = sim_key_number(rec->key), filler = sim_filler_number(rec->key);
    if (filler < sim_the_plan.n_fillers) {
        s->now.filler[filler] = true;
        if (!rec->is_tombstone) sim_check_filler(filler, rec);
    }
    if (key >= sim_the_plan.n_keys) return;
    seg_op op = s->since;
    sim_tell(sim_key(key, name), "a feed tells of %s CAS %llu", rec->is_tombstone ? "the end," : "",
             (unsigned long long)cas);
    if (cas <= s->now.cas[key])
        sim_fail(name, "a feed tells of %s with the CAS %llu after %llu", name, (unsigned long long)cas,
                 (unsigned long long)s->now.cas[key]);
    s->now.cas[key] = cas;
    if (!rec->is_tombstone) sim_saw(key, &op, rec);
}

static segue_status open_feed(struct consumer *c, segue_store *store, unsigned flags, session *ret, segue_error *err)
{
    segue_feed_options options = {.flags = flags};
    if (c->cursor.size) options.cursor = segue_buf_slice(&c->cursor);
    *ret = (session){.consumer = c, .now = c->kept};
    return segue_feed_open(&store, 1, &options, &ret->feed, err);
}

static void keep_cursor(session *s)
{
    if (segue_feed_cursor(s->feed, &s->consumer->cursor) != SEGUE_OK) sim_fail(NULL, "a feed has no cursor");
    s->consumer->kept = s->now;
}

/* A while. */
static void listen(session *s, const sim_place *place)
{
    segue_error err = {0};
    segue_feed_event event;
    s->since = sim_begin_op(place, 0, SEG_ASK_GET);
    for (uint64_t left = 1 + sim_pick(200); left && !sim_is_over && !sim.failure[0]; left--) {
        segue_status st = segue_feed_next(s->feed, sim_between(1, 500) * sim_ms, &event, &err);
        if (sim_is_dead()) return;
        if (st == SEGUE_TIMEOUT) s->since = sim_begin_op(place, 0, SEG_ASK_GET); /* its page is used up */
        else if (st == SEGUE_OK) take(s, &event.rec);
        else if (!segue_status_is_retryable(st)) sim_fail(NULL, "a feed: %s (%s)", segue_status_name(st), err.message);
        if (st == SEGUE_OK && sim_chance(800000)) keep_cursor(s); /* else it will be told again */
    }
}

static void forget(struct consumer *c)
{
    segue_buf_free(&c->cursor);
    *c = (struct consumer){0};
}

void sim_consume(void *arg)
{
    const sim_listener *l = arg;
    while (!sim_is_over && !sim_is_dead() && !sim.failure[0]) {
        session s;
        segue_error err = {0};
        struct consumer *c = &consumers[l->place->number];
        if (sim_chance(200000)) forget(c); /* from the very beginning */
        segue_status st = open_feed(c, *l->store, 0, &s, &err);
        if (st == SEGUE_OK) {
            listen(&s, l->place);
            segue_feed_close(s.feed);
        } else if (!sim_is_dead() && !segue_status_is_retryable(st)) {
            sim_fail(NULL, "a feed cannot be opened: %s (%s)", segue_status_name(st), err.message);
        }
        sim_sleep(sim_between(1, 300) * sim_ms);
    }
}

/* What is there now; what was purged before it was told of is not. */
static void check_told(const told *t, segue_store *primary)
{
    char name[8];
    SEG_AUTO(segue_doc) doc = {0};
    for (unsigned key = 0; key < sim_the_plan.n_keys; key++) {
        segue_status st = segue_get_record(primary, segue_str(sim_key(key, name)), NULL, &doc, NULL);
        if (st == SEGUE_OK && doc.rec.cas != t->cas[key])
            sim_fail(name, "a feed has told of %s with the CAS %llu at last, and it is %llu", name,
                     (unsigned long long)t->cas[key], (unsigned long long)doc.rec.cas);
    }
    for (unsigned i = 0; i < sim_the_plan.n_fillers; i++)
        if (!t->filler[i] && sim_filler_is_live(i))
            sim_fail(sim_filler_key(i, name), "a feed has never told of %s", name);
}

void sim_check_feeds(segue_store *primary, segue_store *dual)
{
    static const sim_place nowhere;
    for (unsigned i = 0; sim_the_plan.has_feeds && i < sim_the_plan.n_nodes && !sim.failure[0]; i++) {
        session s;
        segue_error err = {0};
        segue_feed_event event;
        segue_status st = open_feed(&consumers[i], dual, SEGUE_FEED_STOP_AT_END, &s, &err);
        s.since = sim_begin_op(&nowhere, 0, SEG_ASK_GET);
        while (st == SEGUE_OK && (st = segue_feed_next(s.feed, 0, &event, &err)) == SEGUE_OK) take(&s, &event.rec);
        segue_feed_close(s.feed);
        if (st != SEGUE_END) sim_fail(NULL, "the last of a feed: %s (%s)", segue_status_name(st), err.message);
        else check_told(&s.now, primary);
    }
}

void sim_forget_feeds(void)
{
    for (unsigned i = 0; i < SIM_NODES_MOST; i++) forget(&consumers[i]);
}
