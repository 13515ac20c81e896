/* Scripts of many documents: scans, feeds, reaping, purges; and of handles: opening, filters. */
#include "faults/play.h"

#include <stdio.h>

#define STEP(name) static segue_status name(play *p)

/* ---- scans ---- */

/* A scan that was cut stays cut: as a whole it is tried again. */
static segue_status scan(play *p, const segue_range *range)
{
    segue_scan *scan = NULL;
    const segue_record *rec = NULL;
    segue_status st = segue_scan_open(p->s, range, &scan, &p->err);
    while (st == SEGUE_OK && (st = segue_scan_next(scan, &rec, &p->err)) == SEGUE_OK) say_record(p, rec);
    if (st != SEGUE_END && scan) {
        segue_error again = {0};
        segue_status second = segue_scan_next(scan, &rec, &again);
        if (second != st) say(p, "cut, and then %s;", segue_status_name(second));
    }
    segue_scan_close(scan);
    return st;
}

STEP(scan_all) { return scan(p, NULL); }
STEP(scan_keys)
{
    segue_range range = {.prefix = K("j"), .options = SEGUE_SCAN_KEYS_ONLY};
    return scan(p, &range);
}
STEP(scan_tombstones)
{
    segue_range range = {.from = K("counter"),
                         .to = K("raw"),
                         .options = SEGUE_SCAN_TOMBSTONES | SEGUE_SCAN_FROM_OPEN | SEGUE_SCAN_TO_OPEN};
    return scan(p, &range);
}
STEP(scan_nothing)
{
    segue_range range = {.prefix = K("zzz")};
    return scan(p, &range);
}

STEP(write_more) { return segue_set(p->s, K("k010"), K("1"), segue_expiry_none(), NULL, NULL, &p->err); }

static const step reading[] = {
    {"scan", scan_all, STEP_READS},
    {"scan keys of a prefix", scan_keys, STEP_READS},
    {"scan between", scan_tombstones, STEP_READS},
    {"scan nothing", scan_nothing, STEP_READS},
    {"write one more", write_more, 0},
    {"scan", scan_all, STEP_READS},
};

/* ---- feeds ---- */

STEP(feed_open)
{
    segue_store *const stores[] = {p->s};
    segue_feed_options options = {.flags = SEGUE_FEED_STOP_AT_END};
    segue_feed_close(p->feed);
    p->feed = NULL;
    return segue_feed_open(stores, 1, &options, &p->feed, &p->err);
}

STEP(feed_next)
{
    segue_feed_event event = {0};
    segue_status st = segue_feed_next(p->feed, 0, &event, &p->err);
    if (st == SEGUE_OK) say_record(p, &event.rec);
    return st;
}

STEP(feed_cursor)
{
    segue_status st = segue_feed_cursor(p->feed, &p->buf);
    if (st != SEGUE_OK) return seg_error_set(&p->err, st, "it has no sentence of its own");
    return st;
}

STEP(feed_resume)
{
    segue_store *const stores[] = {p->s};
    segue_feed_options options = {.flags = SEGUE_FEED_STOP_AT_END | SEGUE_FEED_KEYS_ONLY,
                                  .cursor = segue_buf_slice(&p->buf)};
    segue_feed *feed = NULL;
    segue_status st = segue_feed_open(stores, 1, &options, &feed, &p->err);
    if (st != SEGUE_OK) return st;
    segue_feed_close(p->feed);
    p->feed = feed;
    return st;
}

STEP(feed_two)
{
    segue_store *const stores[] = {p->p, p->s};
    segue_feed_options options = {.flags = SEGUE_FEED_STOP_AT_END | SEGUE_FEED_NO_BODIES};
    segue_feed *feed = NULL;
    segue_feed_event event = {0};
    size_t n = 0;
    segue_status st = segue_feed_open(stores, 2, &options, &feed, &p->err);
    while (st == SEGUE_OK && (st = segue_feed_next(feed, 0, &event, &p->err)) == SEGUE_OK) n++;
    segue_feed_close(feed);
    if (st == SEGUE_END) say(p, "%s;", n > 4 ? "events" : "too few events");
    return st;
}

STEP(change) { return segue_set(p->s, K("raw"), K("changed"), segue_expiry_none(), NULL, NULL, &p->err); }
STEP(change_more) { return segue_delete(p->s, K("json"), NULL, &p->err); }

STEP(feed_now)
{
    segue_store *const stores[] = {p->s};
    const uint64_t since[] = {SEGUE_FEED_NOW};
    segue_feed_options options = {.flags = SEGUE_FEED_STOP_AT_END, .since = since};
    segue_feed *feed = NULL;
    segue_status st = segue_feed_open(stores, 1, &options, &feed, &p->err);
    if (st != SEGUE_OK) return st;
    segue_feed_close(p->feed);
    p->feed = feed;
    return st;
}

static const step feeding[] = {
    {"open a feed", feed_open, STEP_READS},
    {"next event", feed_next, STEP_READS},
    {"next event", feed_next, STEP_READS},
    {"where it stands", feed_cursor, 0},
    {"change", change, 0},
    {"go on there", feed_resume, STEP_READS},
    {"next event", feed_next, STEP_READS},
    {"next event", feed_next, STEP_READS},
    {"change", change_more, 0},
    {"next event", feed_next, STEP_READS},
    {"next event", feed_next, STEP_READS},
    {"a feed of two", feed_two, STEP_READS},
    {"a feed from now", feed_now, STEP_READS},
    {"change", change, 0},
    {"next event", feed_next, STEP_READS},
    {"the end", feed_next, STEP_READS},
};

/* ---- what has expired, what was deleted ---- */

STEP(reap)
{
    uint64_t n = 0;
    segue_status st = segue_reap(p->s, 0, &n, &p->err);
    return st;
}

STEP(delete_one) { return segue_delete(p->s, K("raw"), NULL, &p->err); }

STEP(purge)
{
    uint64_t n = 0;
    segue_status st = segue_purge_tombstones(p->s, &n, &p->err);
    return st;
}

STEP(add_purged) { return segue_add(p->s, K("tomb"), K("1"), segue_expiry_none(), NULL, NULL, &p->err); }

static const step ending[] = {
    {"reap", reap, STEP_PARTIAL},   {"reap again", reap, STEP_PARTIAL},     {"delete", delete_one, 0},
    {"purge", purge, STEP_PARTIAL}, {"add what was purged", add_purged, 0}, {"purge again", purge, STEP_PARTIAL},
};

/* ---- opening ---- */

/* The whole URL of where the script is played. */
static void url_of(const play *p, const char *filter, char out[1024])
{
    if (!p->where->fallback) {
        (void)snprintf(out, 1024, "%s%s", filter, p->url); /* fits */
        return;
    }
    const char *const urls[] = {p->url, p->fallback_url};
    char sides[2][400];
    for (size_t i = 0; i < 2; i++) {
        size_t n = 0;
        for (const char *at = urls[i]; *at && n + 4 < sizeof sides[i]; at++)
            n += (size_t)snprintf(sides[i] + n, sizeof sides[i] - n, strchr("%&+?#", *at) ? "%%%02X" : "%c",
                                  (unsigned)*at); /* fits */
    }
    (void)snprintf(out, 1024, "%sdual:?primary=%s&fallback=%s", filter, sides[0], sides[1]); /* fits */
}

static segue_status open_it(play *p, const char *filter, unsigned flags)
{
    char url[1024];
    segue_open_options options = {&p->env, flags | SEGUE_OPEN_NO_REAPER};
    segue_store *store = NULL;
    url_of(p, filter, url);
    segue_status st = segue_open(url, &options, &store, &p->err);
    if (st != SEGUE_OK) return st;
    segue_close(p->s);
    p->s = store;
    say(p, "caps %x;", segue_store_caps(store));
    return st;
}

STEP(open_new) { return open_it(p, "", 0); }
STEP(open_stats) { return open_it(p, "stats+", SEGUE_OPEN_EXISTING); }
STEP(open_trace) { return open_it(p, "trace+", 0); }
STEP(open_read_only) { return open_it(p, "", SEGUE_OPEN_READ_ONLY); }
STEP(write) { return segue_set(p->s, K("a"), K("1"), segue_expiry_at(2000000000), NULL, NULL, &p->err); }
STEP(read) { return segue_get(p->s, K("a"), NULL, &p->doc, &p->err); }

STEP(stats)
{
    segue_stats stats = {0};
    segue_status st = segue_store_stats(p->s, &stats);
    return st;
}

STEP(open_twice)
{
    char url[1024];
    segue_open_options options = {&p->env, SEGUE_OPEN_NO_REAPER};
    segue_store *store = NULL;
    url_of(p, "", url);
    segue_status st = segue_open(url, &options, &store, &p->err);
    if (st == SEGUE_OK) st = segue_get(store, K("a"), NULL, &p->doc, &p->err);
    segue_close(store);
    return st;
}

STEP(open_wrong) { return segue_open("mem:?nonsense=1%2", NULL, &p->s, &p->err); }
STEP(open_unknown) { return segue_open("nothing:here", NULL, &p->s, &p->err); }

STEP(same_sides)
{
    segue_store *dual = NULL;
    segue_status st = segue_dual_open(p->s, p->s, NULL, &dual, &p->err);
    segue_close(dual);
    return st;
}

STEP(close_it)
{
    segue_close(p->s);
    p->s = NULL;
    return SEGUE_OK;
}

static const step opening[] = {
    {"open a new store", open_new, STEP_READS},
    {"read nothing", read, STEP_READS},
    {"write", write, 0},
    {"open it twice", open_twice, STEP_READS},
    {"open with stats", open_stats, STEP_READS},
    {"read", read, STEP_READS},
    {"stats", stats, 0},
    {"a dual store of one", same_sides, 0},
    {"open with trace", open_trace, STEP_READS},
    {"write again", write, 0},
    {"open for reading", open_read_only, STEP_READS},
    {"read only", write, 0},
    {"a wrong URL", open_wrong, 0},
    {"an unknown scheme", open_unknown, 0},
};

/* The same, the last handle being closed between. */
static const step reopening[] = {
    {"open a new store", open_new, STEP_READS},       {"write", write, 0},        {"close", close_it, 0},
    {"open it again", open_stats, STEP_READS},        {"read", read, STEP_READS}, {"close", close_it, 0},
    {"open for reading", open_read_only, STEP_READS}, {"read", read, STEP_READS}, {"close", close_it, 0},
    {"open it again", open_new, STEP_READS},
};

const script read_scripts[] = {
    {"scans", reading, sizeof reading / sizeof reading[0], 0},
    {"feeds", feeding, sizeof feeding / sizeof feeding[0], SCRIPT_OWN_WAY},
    {"reaping and purging", ending, sizeof ending / sizeof ending[0], SCRIPT_OWN_WAY},
    {"opening", opening, sizeof opening / sizeof opening[0], SCRIPT_OPENS | SCRIPT_OWN_WAY},
    {"reopening", reopening, sizeof reopening / sizeof reopening[0], SCRIPT_OPENS | SCRIPT_OWN_WAY},
};
const size_t n_read_scripts = sizeof read_scripts / sizeof read_scripts[0];
