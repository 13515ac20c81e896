/* The conformance suite's harness: opens targets, moves the clock, compares. One thread, but for what a case starts. */
#include "conform.h"

#include "support/bucket.h"

#include <ftw.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/env.h"
#include "store/filters.h"

/* ---- the world ---- */

static _Atomic int64_t skew_ns;

static struct {
    unsigned at; /* the how manieth look at the clock from now; 0: none */
    void (*run)(cf *t);
    cf *t;
} meanwhile;

void cf_meanwhile(cf *t, unsigned at, void (*run)(cf *t))
{
    meanwhile.run = run;
    meanwhile.t = t;
    meanwhile.at = at;
}

bool cf_happened(void)
{
    bool yes = meanwhile.at == 0;
    meanwhile.at = 0;
    return yes;
}

static int64_t moved_wall_ns(void *ctx)
{
    (void)ctx;
    if (meanwhile.at && --meanwhile.at == 0) meanwhile.run(meanwhile.t);
    return segue_env_default()->wall_ns(NULL) + atomic_load(&skew_ns);
}
static int64_t mono_ns(void *ctx) { return segue_env_default()->mono_ns(ctx); }
static void sleep_ns(void *ctx, int64_t ns) { segue_env_default()->sleep_ns(ctx, ns); }
static void random_bytes(void *ctx, void *out, size_t size) { segue_env_default()->random(ctx, out, size); }

const segue_env cf_env = {NULL, moved_wall_ns, mono_ns, sleep_ns, random_bytes};

void cf_advance(int64_t seconds) { atomic_fetch_add(&skew_ns, seconds * 1000000000); }

uint64_t cf_now(void) { return seg_wall_s(&cf_env); }

/* ---- files ---- */

static char folder[256];

const char *cf_folder(void)
{
    if (folder[0]) return folder;
    const char *base = getenv("TMPDIR");
    if (!base) base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";  /* thousands of durable writes */
    (void)snprintf(folder, sizeof folder, "%s/segue-conform-XXXXXX", base); /* checked by mkdtemp */
    if (!mkdtemp(folder)) {
        perror(folder);
        exit(1);
    }
    return folder;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

void cf_remove_folder(void)
{
    if (folder[0])
        (void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS); /* left-overs in a temp folder do no harm */
    folder[0] = 0;
}

/* ---- opening ---- */

/* A bucket is not made by opening it: begin with a copy of one, in collections that it does not have. */
static void make_bucket(const char *directory)
{
    struct stat there;
    if (stat(directory, &there) != 0) test_copy_bucket("sg-bucket", directory);
}

static void side_url(const cf *t, const cf_side *side, bool is_fallback, const char *collection, char *out, size_t size)
{
    const char *place = is_fallback && !t->target->one_file ? "fallback" : "primary";
    char directory[400];
    int n = 0;
    switch (side->kind) {
    case KIND_MEM: n = snprintf(out, size, "mem:%s?collection=%s%s", place, collection, side->caps); break;
    case KIND_SQLITE:
        n = snprintf(out, size, "sqlite:%s/%s-%s.db?collection=%s", cf_folder(), t->target->group, place, collection);
        break;
    case KIND_ROSMAR:
        (void)snprintf(directory, sizeof directory, "%s/%s-%s", cf_folder(), t->target->group, place); /* short names */
        make_bucket(directory);
        n = snprintf(out, size, "rosmar:%s?collection=%s", directory, collection);
        break;
    }
    assert_in_range(n, 1, size - 1);
}

static segue_store *open_url(cf *t, const char *url)
{
    segue_open_options options = {&cf_env, SEGUE_OPEN_NO_REAPER}; /* cases say themselves when it is reaped */
    segue_store *store = NULL;
    segue_status st = segue_open(url, &options, &store, &t->err);
    if (st != SEGUE_OK) fail_msg("cannot open %s: %s: %s", url, segue_status_name(st), t->err.message);
    return store;
}

static segue_store *open_side(cf *t, const cf_side *side, bool is_fallback, const char *collection)
{
    char url[512], filtered[600];
    side_url(t, side, is_fallback, collection, url, sizeof url);
    if (is_fallback || !strchr(t->target->filter, '+')) return open_url(t, url);
    (void)snprintf(filtered, sizeof filtered, "%s%s", t->target->filter, url); /* fits by its size */
    return open_url(t, filtered);
}

static segue_store *wrap_in_fault(cf *t, segue_store *store)
{
    segue_store *wrapped = NULL;
    segue_status st = seg_fault_open(store, &wrapped, &t->err);
    segue_close(store);
    if (st != SEGUE_OK) fail_msg("cannot wrap: %s", t->err.message);
    return wrapped;
}

/* Opens the sides of collections named with p and f before `name`. */
static segue_store *open_store(cf *t, const char *name, segue_store **ret_primary, segue_store **ret_fallback)
{
    char collection[64];
    (void)snprintf(collection, sizeof collection, "%s%s", t->target->is_dual ? "p" : "", name); /* short names */
    segue_store *store = open_side(t, t->target->main, false, collection);
    if (strcmp(t->target->filter, "fault") == 0) store = wrap_in_fault(t, store);
    if (!t->target->is_dual) return store;
    (void)snprintf(collection, sizeof collection, "f%s", name);
    *ret_primary = store;
    *ret_fallback = open_side(t, t->target->fallback, true, collection);
    segue_dual_options options = {t->target->phase};
    segue_store *dual = NULL;
    segue_status st = segue_dual_open(*ret_primary, *ret_fallback, &options, &dual, &t->err);
    if (st != SEGUE_OK) fail_msg("cannot open %s: %s", t->target->name, t->err.message);
    return dual;
}

void cf_open(cf *t)
{
    char name[32];
    (void)snprintf(name, sizeof name, "s.c%u", t->n); /* fits */
    t->store = open_store(t, name, &t->primary, &t->fallback);
}

static void close_stores(cf *t)
{
    segue_close(t->store);
    segue_close(t->primary);
    segue_close(t->fallback);
    segue_close(t->other);
    t->store = t->primary = t->fallback = t->other = NULL;
}

void cf_close(cf *t)
{
    close_stores(t);
    segue_doc_free(&t->doc);
    atomic_store(&skew_ns, 0);
}

void cf_reopen(cf *t)
{
    close_stores(t);
    cf_open(t);
}

void cf_open_other(cf *t, const char *collection)
{
    segue_store *primary = NULL, *fallback = NULL;
    char name[64];
    assert_null(t->other);
    if (strcmp(collection, "_system._mobile") != 0) {
        (void)snprintf(name, sizeof name, "%s%u", collection, t->n); /* short names; this case's own */
        t->other = open_store(t, name, &primary, &fallback);
        segue_close(primary); /* the dual store keeps them open */
        segue_close(fallback);
        return;
    }
    t->other = open_side(t, t->target->main, false, collection);
}

const char *cf_why_not(const cf_target *target, unsigned caps, const cf_case *c)
{
    if (!c->run) return c->elsewhere;
    if ((c->needs & NEEDS_FLAGS) && !(caps & SEGUE_CAP_FLAGS)) return "the engine keeps no user flags";
    if ((c->needs & NEEDS_KEEP_CAS) && !(caps & SEGUE_CAP_KEEP_CAS)) return "the engine cannot keep a given CAS";
    if ((c->needs & NEEDS_REOPEN) && target->main->kind == KIND_MEM) return "the data does not outlive its last handle";
    if ((c->needs & NEEDS_SINGLE) && target->is_dual)
        return "speaks of one engine; its two sides are tested by themselves";
    if ((c->needs & RUNS_ONCE) && (target->place != IN_STORE || target->death != DELETED))
        return "begins with an empty store: run from the first start only";
    if ((c->needs & NEEDS_CHANGES) && !(caps & SEGUE_CAP_CHANGES)) return "the engine cannot tell its changes";
    if ((c->needs & NEEDS_EXPIRED) && !(caps & SEGUE_CAP_EXPIRED)) return "the engine cannot find what has expired";
    if ((c->needs & NEEDS_MOVE) && !(caps & SEGUE_CAP_MOVE)) return "the engine cannot move records";
    return NULL;
}

/* ---- checks ---- */

void cf_check_status(cf *t, segue_status want, segue_status got, const char *what, const char *file, int line)
{
    if (got == want) return;
    print_error("%s: %s is %s, not %s%s%s\n", t->target->name, what, segue_status_name(got), segue_status_name(want),
                got == SEGUE_OK ? "" : ": ", got == SEGUE_OK ? "" : t->err.message);
    _fail(file, line);
}

void cf_check_u64(uint64_t want, uint64_t got, bool equal, const char *what, const char *file, int line)
{
    if ((want == got) == equal) return;
    print_error("%s is %llu (0x%llx), %s %llu (0x%llx)\n", what, (unsigned long long)got, (unsigned long long)got,
                equal ? "not" : "and should not be", (unsigned long long)want, (unsigned long long)want);
    _fail(file, line);
}

void cf_check(bool holds, const char *what, const char *file, int line)
{
    if (holds) return;
    print_error("it does not hold that %s\n", what);
    _fail(file, line);
}

static void not_text(const char *what, const char *key, const char *want, segue_slice got, const char *file, int line)
{
    print_error("%s of %s is \"%.*s\"%s, not \"%s\"\n", what, key, (int)got.size, got.data ? got.data : "",
                got.data ? "" : " (none)", want ? want : "(none)");
    _fail(file, line);
}

void cf_body_is(cf *t, const char *key, const char *text, const char *file, int line)
{
    cf_check_status(t, SEGUE_OK, do_get(t, key), key, file, line);
    segue_slice body = t->doc.rec.body;
    if (!body.data || !segue_slice_equal(body, segue_str(text))) not_text("the body", key, text, body, file, line);
}

void cf_xattr_is(cf *t, const char *key, const char *name, const char *text, const char *file, int line)
{
    cf_check_status(t, SEGUE_OK, do_get_record(t, key), key, file, line);
    const segue_xattr *x = segue_record_xattr(&t->doc.rec, segue_str(name));
    segue_slice none = {NULL, 0};
    if (!x && !text) return;
    if (!x || !text || !segue_slice_equal(x->value, segue_str(text)))
        not_text(name, key, text, x ? x->value : none, file, line);
}

void cf_is_tombstone(cf *t, const char *key, const char *file, int line)
{
    cf_check_status(t, SEGUE_OK, do_get_record(t, key), key, file, line);
    cf_check(t->doc.rec.is_tombstone, "it is a tombstone", file, line);
    cf_check(!t->doc.rec.body.data, "a tombstone has no body", file, line);
    cf_check_u64(0, t->doc.rec.expiry, true, "a tombstone's expiry", file, line);
}

cf_state cf_state_of(cf *t, const char *key)
{
    IS(OK, do_get_record(t, key));
    const segue_record *r = &t->doc.rec;
    cf_state s = {.cas = r->cas,
                  .revision = r->revision,
                  .expiry = r->expiry,
                  .is_tombstone = r->is_tombstone,
                  .is_json = r->is_json,
                  .n_xattrs = r->n_xattrs};
    size_t n = r->body.size < sizeof s.body ? r->body.size : sizeof s.body;
    if (n) memcpy(s.body, r->body.data, n);
    return s;
}

void cf_unchanged(cf *t, const char *key, cf_state before, const char *file, int line)
{
    cf_state now = cf_state_of(t, key);
    cf_check_u64(before.cas, now.cas, true, "the CAS afterwards", file, line);
    cf_check_u64(before.revision, now.revision, true, "the revision afterwards", file, line);
    cf_check_u64(before.expiry, now.expiry, true, "the expiry afterwards", file, line);
    cf_check_u64(before.n_xattrs, now.n_xattrs, true, "the number of xattrs afterwards", file, line);
    cf_check(before.is_tombstone == now.is_tombstone && before.is_json == now.is_json,
             "state and is-JSON are as before", file, line);
    cf_check(memcmp(before.body, now.body, sizeof now.body) == 0, "the body is as before", file, line);
}

uint64_t cf_cas(cf *t, const char *key) { return cf_state_of(t, key).cas; }
uint64_t cf_revision(cf *t, const char *key) { return cf_state_of(t, key).revision; }
uint32_t cf_expiry(cf *t, const char *key) { return cf_state_of(t, key).expiry; }

/* ---- lists ---- */

size_t cf_names(const char *const *names, segue_slice out[CF_LIST_MAX])
{
    size_t n = 0;
    for (; names && names[n]; n++) {
        assert_true(n < CF_LIST_MAX);
        out[n] = segue_str(names[n]);
    }
    return n;
}

/* "name=" without value: an xattr with no value. */
size_t cf_xattrs(const char *const *specs, segue_xattr out[CF_LIST_MAX])
{
    size_t n = 0;
    for (; specs && specs[n]; n++) {
        assert_true(n < CF_LIST_MAX);
        const char *equals = strchr(specs[n], '=');
        assert_non_null(equals);
        out[n].name = segue_bytes(specs[n], (size_t)(equals - specs[n]));
        out[n].value = segue_str(equals[1] ? equals + 1 : NULL);
    }
    return n;
}

/* ---- fixtures ---- */

static void put_fixture(cf *t, segue_store *store, const char *key, const char *body, segue_expiry expiry,
                        const char *const *xattrs)
{
    segue_xattr set[CF_LIST_MAX];
    segue_mutation m = {
        .body_op = SEGUE_BODY_SET, .body = K(body), .expiry = expiry, .json = SEGUE_JSON_YES, .set_xattrs = set};
    m.n_set_xattrs = cf_xattrs(xattrs, set);
    IS(OK, segue_mutate(store, K(key), &m, NULL, NULL, NULL, &t->err));
}

static segue_expiry long_ago(void) { return segue_expiry_at((uint32_t)cf_now() - 10); }

/* Where fixtures go; under SHADOWED there is a stale document in the fallback from now on, which has expired if it should. */
static segue_store *fixture_store(cf *t, const char *key, bool stale_expired)
{
    switch (t->target->place) {
    case IN_STORE: return t->store;
    case IN_FALLBACK: return t->fallback;
    case SHADOWED:
        put_fixture(t, t->fallback, key, "\"stale\"", stale_expired ? long_ago() : segue_expiry_none(),
                    X("_stale=1", "stale=2"));
        return t->primary;
    }
    return NULL;
}

uint64_t fx_doc_expiring(cf *t, const char *key, const char *body, segue_expiry expiry, const char *const *xattrs)
{
    put_fixture(t, fixture_store(t, key, t->target->death == EXPIRED), key, body, expiry, xattrs);
    return cf_cas(t, key);
}

uint64_t fx_doc(cf *t, const char *key, const char *body, const char *const *xattrs)
{
    return fx_doc_expiring(t, key, body, segue_expiry_none(), xattrs);
}

uint64_t fx_set(cf *t, const char *key, const char *body) { return fx_doc(t, key, body, NULL); }

uint64_t fx_tombstone(cf *t, const char *key, const char *const *xattrs)
{
    segue_store *store = fixture_store(t, key, false);
    put_fixture(t, store, key, "{\"deleted\":true}", segue_expiry_none(), xattrs);
    if (t->target->death == EXPIRED) IS(OK, segue_touch(store, K(key), long_ago(), NULL, NULL, &t->err));
    else IS(OK, segue_delete(store, K(key), NULL, &t->err));
    return cf_cas(t, key);
}
