/* Conformance: update with xattrs, scenarios 95 to 99. */
#include "conform.h"

#include <stdio.h>

#include "base/base.h"

typedef struct plan {
    cf *t;
    unsigned calls;
    bool saw_live[4];
    size_t saw_xattrs[4];
    segue_updated wants;
    void (*first)(cf *t);
    segue_status answer; /* of the first call */
} plan;

static segue_status play(void *ctx, const segue_record *current, segue_updated *updated)
{
    plan *p = ctx;
    unsigned n = p->calls++;
    assert_true(n < 4);
    p->saw_live[n] = current && !current->is_tombstone;
    p->saw_xattrs[n] = current ? current->n_xattrs : 0;
    if (n == 0 && p->first) p->first(p->t);
    if (n == 0 && p->answer != SEGUE_OK) return p->answer;
    segue_expiry expiry = updated->write.expiry;
    *updated = p->wants;
    if (updated->write.expiry.op == SEGUE_EXPIRY_DEFAULT) updated->write.expiry = expiry;
    return SEGUE_OK;
}

static segue_status do_write_update(cf *t, const char *key, plan *p, const segue_update_options *options)
{
    segue_outcome nothing = {0};
    t->outcome = nothing;
    return segue_write_update_with_xattrs(t->store, K(key), play, p, options, &t->outcome, &t->err);
}

static const segue_xattr a1 = {{"_a", 2}, {"1", 1}};

static segue_updated writes(const char *body)
{
    segue_updated u = {.write = {.body = segue_str(body), .set = &a1, .n_set = 1}};
    return u;
}

/* {"n":N} in the body and N in the xattr: both grow together. */
static segue_status count_up(void *ctx, const segue_record *current, segue_updated *updated)
{
    static char body[32], number[16];
    static segue_xattr x;
    int n = 0;
    if (current && !current->is_tombstone) n = current->body.data[5] - '0';
    (void)ctx;
    (void)snprintf(body, sizeof body, "{\"n\":%d}", n + 1); /* fits */
    (void)snprintf(number, sizeof number, "%d", n + 1);
    x = (segue_xattr){K("_n"), K(number)};
    updated->write.body = K(body);
    updated->write.set = &x;
    updated->write.n_set = 1;
    return SEGUE_OK;
}

static void insert_then_update(cf *t)
{
    IS(OK, segue_write_update_with_xattrs(t->store, K("k"), count_up, NULL, NULL, &t->outcome, &t->err));
    BODY_IS("k", "{\"n\":1}");
    XATTR_IS("k", "_n", "1");
    IS(OK, segue_write_update_with_xattrs(t->store, K("k"), count_up, NULL, NULL, &t->outcome, &t->err));
    BODY_IS("k", "{\"n\":2}");
    XATTR_IS("k", "_n", "2");
    EQ(t->outcome.cas, t->doc.rec.cas);
    fx_doc(t, "old", "{\"n\":7}", X("_n=7", "u=1"));
    IS(OK, segue_write_update_with_xattrs(t->store, K("old"), count_up, NULL, NULL, &t->outcome, &t->err));
    BODY_IS("old", "{\"n\":8}");
    XATTR_IS("old", "_n", "8");
    XATTR_IS("old", "u", "1");
    EQ(2, t->doc.rec.revision);
}

/* What is not there need not be dropped from a new document; from a live one it is an error. */
static void drops_on_an_insert(cf *t)
{
    segue_slice drop = K("_old");
    plan p = {.wants = writes("1")};
    p.wants.write.drop = &drop;
    p.wants.write.n_drop = 1;
    IS(OK, do_write_update(t, "new", &p, NULL));
    BODY_IS("new", "1");
    EQ(1, t->doc.rec.n_xattrs);
    fx_doc(t, "k", "1", X("_old=1", "u=2"));
    plan live = {.wants = p.wants};
    IS(OK, do_write_update(t, "k", &live, NULL));
    XATTR_IS("k", "_old", NULL);
    XATTR_IS("k", "u", "2");
    plan again = {.wants = p.wants};
    IS(PATH_NOT_FOUND, do_write_update(t, "k", &again, NULL));
}

static void delete_it(cf *t) { IS(OK, do_delete(t, "k")); }

static void removed_in_the_callback(cf *t)
{
    fx_doc(t, "k", "1", X("_old=1", "u=2"));
    plan p = {.t = t, .first = delete_it, .wants = writes("2")};
    IS(OK, do_write_update(t, "k", &p, NULL));
    EQ(2, p.calls);
    CHECK(p.saw_live[0] && !p.saw_live[1]);
    BODY_IS("k", "2");
    EQ(1, t->doc.rec.n_xattrs);
    XATTR_IS("k", "_a", "1");
}

static void checks_of_the_callback(cf *t)
{
    segue_slice drop = K("_old");
    fx_tombstone(t, "gone", X("_old=1"));
    cf_state before = cf_state_of(t, "gone");
    plan drops = {.wants = writes("2")};
    drops.wants.write.drop = &drop;
    drops.wants.write.n_drop = 1;
    IS(XATTR_DROP_ON_TOMBSTONE, do_write_update(t, "gone", &drops, NULL));
    plan bare = {.wants = {.is_tombstone = true}};
    IS(XATTRS_REQUIRED, do_write_update(t, "gone", &bare, NULL));
    EQ(0, t->outcome.cas);
    UNCHANGED("gone", before);
    fx_set(t, "k", "1");
    cf_state live = cf_state_of(t, "k");
    plan empty = {0};
    IS(XATTRS_REQUIRED, do_write_update(t, "k", &empty, NULL));
    plan dead = {.wants = {.is_tombstone = true}};
    IS(XATTRS_REQUIRED, do_write_update(t, "k", &dead, NULL));
    plan stops = {.answer = SEGUE_CANCELLED};
    IS(CANCELLED, do_write_update(t, "k", &stops, NULL));
    UNCHANGED("k", live);
    plan bodiless = {.wants = writes(NULL)};
    IS(BODY_REQUIRED, do_write_update(t, "new", &bodiless, NULL));
    NOTHING("new");
}

static void tombstones(cf *t)
{
    fx_doc(t, "k", "1", X("_a=0", "_b=2", "u=3"));
    plan p = {.wants = writes(NULL)};
    p.wants.is_tombstone = true;
    IS(OK, do_write_update(t, "k", &p, NULL));
    TOMBSTONE("k");
    XATTR_IS("k", "_a", "1");
    XATTR_IS("k", "_b", "2");
    XATTR_IS("k", "u", NULL);
    plan again = {.wants = p.wants};
    IS(OK, do_write_update(t, "k", &again, NULL));
    TOMBSTONE("k");
    EQ(3, t->doc.rec.revision);
    XATTR_IS("k", "_b", "2");
    plan fresh = {.wants = p.wants};
    IS(OK, do_write_update(t, "new", &fresh, NULL));
    TOMBSTONE("new");
    EQ(1, t->doc.rec.revision);
}

static void resurrects(cf *t)
{
    fx_tombstone(t, "k", X("_old=1"));
    plan p = {.wants = writes("2")};
    IS(OK, do_write_update(t, "k", &p, NULL));
    EQ(1, p.saw_xattrs[0]);
    BODY_IS("k", "2");
    EQ(1, t->doc.rec.n_xattrs);
    EQ(3, t->doc.rec.revision);
}

static void expiry_of_the_options(cf *t)
{
    fx_doc_expiring(t, "k", "1", segue_expiry_in(50), NULL);
    segue_update_options options = {.expiry = segue_expiry_in(1000)};
    plan p = {.wants = writes("2")};
    IS(OK, do_write_update(t, "k", &p, &options));
    CHECK(cf_expiry(t, "k") > cf_now() + 900);
    plan own = {.wants = writes("3")};
    own.wants.write.expiry = segue_expiry_in(5000);
    IS(OK, do_write_update(t, "k", &own, &options));
    CHECK(cf_expiry(t, "k") > cf_now() + 4000);
}

static void set_it(cf *t) { IS(OK, do_set(t, "k", "\"theirs\"")); }

static void others_are_kept(cf *t)
{
    fx_tombstone(t, "k", X("_old=1"));
    IS(OK, do_set(t, "k", "1"));
    IS(OK, do_xattrs_set(t, "k", X("_b=2")));
    plan p = {.t = t, .first = set_it, .wants = writes("2")};
    IS(OK, do_write_update(t, "k", &p, NULL));
    EQ(2, p.calls);
    BODY_IS("k", "2");
    XATTR_IS("k", "_a", "1");
    XATTR_IS("k", "_b", "2");
    XATTR_IS("k", "_old", NULL);
    plan again = {.t = t, .answer = SEGUE_RETRY, .wants = writes("3")};
    IS(OK, do_write_update(t, "k", &again, NULL));
    EQ(2, again.calls);
}

const cf_case cf_write_update_cases[] = {
    {"S95", "update with xattrs inserts, then updates both together", 0, insert_then_update, NULL},
    {"S96", "a document removed in the callback comes back with its xattrs only", 0, removed_in_the_callback, NULL},
    {"S96b", "update with xattrs resurrects a tombstone with its xattrs only", 0, resurrects, NULL},
    {"S97", "what the callback may not ask is refused, nothing written", 0, checks_of_the_callback, NULL},
    {"S97c", "update with xattrs drops what is there; a new document has nothing to drop", 0, drops_on_an_insert, NULL},
    {"S97b", "update with xattrs makes and changes tombstones", 0, tombstones, NULL},
    {"S98", "update with xattrs starts with its options' expiry", 0, expiry_of_the_options, NULL},
    {"S99", "xattrs that the callback does not name are kept", 0, others_are_kept, NULL},
    {NULL, NULL, 0, NULL, NULL},
};
