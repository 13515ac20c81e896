/* Scenes on the real dual store, the real sweep and the real change of phase. */
#include "scene.h"

#include <segue/ops.h>

#include "base/base.h"
#include "base/rules.h"
#include "migrate/manifest.h"
#include "migrate/migration.h"
#include "store/filters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- settings and beginnings ---- */

const setting settings[] = {
    {"two engines", "mem:xp", "mem:xf", true, true, false},
    {"one engine", "mem:x1?collection=p.p", "mem:x1?collection=f.f", true, false, false},
    {"no mutate", "mem:xp2?caps=-mutate", "mem:xf2?caps=-mutate", true, true, false},
    {"own CAS", "mem:xp3?caps=-keep_cas", "mem:xf3", false, false, false},
    {"two nodes", "mem:xp4", "mem:xf4", true, true, true},
};
const unsigned n_settings = sizeof settings / sizeof settings[0];

const beginning beginnings[] = {
    {"nothing", NOTHING, NOTHING, SEGUE_PHASE_FORWARD},
    {"live in F", NOTHING, LIVE, SEGUE_PHASE_FORWARD},
    {"tombstone in F", NOTHING, TOMBSTONE, SEGUE_PHASE_FORWARD},
    {"expired in F", NOTHING, EXPIRED, SEGUE_PHASE_FORWARD},
    {"live in P", LIVE, NOTHING, SEGUE_PHASE_FORWARD},
    {"tombstone in P", TOMBSTONE, NOTHING, SEGUE_PHASE_FORWARD},
    {"expired in P", EXPIRED, NOTHING, SEGUE_PHASE_FORWARD},
    {"live in both", LIVE, LIVE, SEGUE_PHASE_FORWARD},
    {"tombstone in P, live in F", TOMBSTONE, LIVE, SEGUE_PHASE_FORWARD},
    {"legacy, nothing", NOTHING, NOTHING, SEGUE_PHASE_LEGACY},
    {"legacy, live in F", NOTHING, LIVE, SEGUE_PHASE_LEGACY},
    {"legacy, tombstone in F", NOTHING, TOMBSTONE, SEGUE_PHASE_LEGACY},
};
const unsigned n_beginnings = sizeof beginnings / sizeof beginnings[0];

void scene_name(const scene *s, char *out, size_t size)
{
    int n = snprintf(out, size, "%s / %s / ", s->setting->name, s->beginning->name);
    for (unsigned i = 0; i < s->n_parties && n >= 0 && (size_t)n < size; i++)
        n += snprintf(out + n, size - (size_t)n, "%s%s", i ? " | " : "", s->parties[i]);
}

/* ---- the stores ---- */

static const char P_NAME[] = "P", F_NAME[] = "F"; /* their addresses tell the two apart */

static const int64_t THE_BEGINNING_NS = INT64_C(1800000000) * 1000000000;
static const int64_t FIVE_HOURS_NS = INT64_C(5) * 3600000000000;

static struct {
    segue_store *p, *f;                 /* as they are */
    segue_store *watched_p, *watched_f; /* each call is a point */
    segue_store *dual[2];               /* of two nodes, or the first alone */
    segue_migration *migration;
} world;

static segue_store *model; /* plain */
static segue_policy *policy;

void history_sleep(void *ctx, int64_t ns)
{
    (void)ctx, (void)ns;
    search_wait();
}

static void must(segue_status st, const char *what, const segue_error *err)
{
    if (st == SEGUE_OK) return;
    fprintf(stderr, "explore: %s: %s\n", what, err->message);
    exit(1);
}

static segue_store *open_one(const char *url)
{
    segue_store *store = NULL;
    segue_error err = {0};
    segue_open_options options = {history_env(), SEGUE_OPEN_NO_REAPER}; /* the only parties are the fibres */
    must(segue_open(url, &options, &store, &err), url, &err);
    return store;
}

static void close_stores(void)
{
    for (int i = 0; i < 2; i++) segue_close(world.dual[i]);
    segue_migration_close(world.migration);
    segue_store *const stores[] = {world.watched_p, world.watched_f, world.p, world.f};
    for (size_t i = 0; i < sizeof stores / sizeof stores[0]; i++) segue_close(stores[i]);
    memset(&world, 0, sizeof world);
}

/* New ones for each run, so that a schedule has one outcome wherever it is run: nothing is left of the run before, the
 * stores' clocks included. */
static void open_stores(const setting *s)
{
    segue_error err = {0};
    close_stores();
    if (!model) model = open_one("mem:xm");
    if (!policy)
        must(segue_policy_parse(segue_str("{\"unmatched\":\"move\",\"rules\":[]}"), &policy, &err), "policy", &err);
    world.p = open_one(s->primary);
    world.f = open_one(s->fallback);
    must(seg_sched_open(world.p, P_NAME, &world.watched_p, &err), "watch", &err);
    must(seg_sched_open(world.f, F_NAME, &world.watched_f, &err), "watch", &err);
    segue_migration_options options = {.policy = policy, .workers = 1};
    must(segue_migration_open(world.watched_f, world.watched_p, &options, &world.migration, &err), "migration", &err);
}

void scenes_close(void)
{
    close_stores();
    segue_close(model);
    segue_policy_free(policy);
    model = NULL;
    policy = NULL;
}

/* Half an hour to live, or dead for ten seconds. */
static segue_record record_of(content what, const char *body)
{
    static const segue_xattr xattrs[] = {{{"_sync", 5}, {"{\"a\":1}", 7}}, {{"u", 1}, {"2", 1}}};
    uint32_t now = (uint32_t)(THE_BEGINNING_NS / 1000000000);
    segue_record rec = {.xattrs = xattrs, .n_xattrs = 2, .revision = 3, .is_json = true};
    if (what == NOTHING) return (segue_record){0};
    rec.key = segue_str(THE_KEY);
    rec.body = segue_str(body);
    rec.expiry = what == LIVE ? now + 1800 : now - 10;
    if (what != TOMBSTONE) return rec;
    rec.body = (segue_slice){0};
    rec.n_xattrs = 1;
    rec.expiry = 0;
    rec.is_tombstone = true;
    rec.is_json = false;
    return rec;
}

/* ---- the migration's own steps ---- */

/* Whether somebody verifies, so that what is moved is written down first. */
static bool is_verified;
enum { THE_MANIFEST = 1 };

static segue_status sweep_the_key(segue_error *err)
{
    SEG_AUTO(segue_doc) doc = {0};
    seg_swept swept = {0};
    segue_call call = seg_call_new(world.watched_f, 0, err);
    segue_status st = seg_call_get(world.watched_f, segue_str(THE_KEY), &doc, &call);
    const segue_record *rec = &doc.rec;
    if (st == SEGUE_OK) st = seg_sweep_records(world.migration, &rec, 1, is_verified ? THE_MANIFEST : 0, &swept, &call);
    seg_swept_clear(&swept);
    return st;
}

enum { PASSES_MOST = 5 };

/* Until a look finds nothing more there. */
static bool sweep_all(segue_error *err)
{
    for (int i = 0; i < PASSES_MOST; i++)
        if (sweep_the_key(err) == SEGUE_NOT_FOUND) return true;
    return false;
}

/* Whatever clients do meanwhile, what was moved is there and was not changed but by them. */
static void on_difference(void *ctx, const segue_difference *d)
{
    bool *is_wrong = ctx;
    *is_wrong |= d->kind == SEGUE_DIFF_MISSING || d->kind == SEGUE_DIFF_CONTENT;
}

static const char *repair(segue_error *err)
{
    segue_verified found = {0};
    bool is_wrong = false;
    segue_status st = seg_verify(world.migration, SEGUE_VERIFY_REPAIR, on_difference, &is_wrong, &found, err);
    if (is_wrong) return "the verification found a difference";
    return st == SEGUE_OK || st == SEGUE_DIFFERENT ? NULL : "the verification failed";
}

/* On all nodes before the next one. */
static const char *set_phase(segue_phase phase, segue_error *err)
{
    for (int i = 0; i < 2; i++)
        if (world.dual[i] && segue_dual_set_phase(world.dual[i], phase, 0, err) != SEGUE_OK)
            return "a change of phase failed";
    return NULL;
}

/* One node alone may leave legacy by itself; several must all be in hold before the first goes on. */
static const char *go_forward(segue_error *err)
{
    const char *failure = world.dual[1] && SEG_RULE(HOLD) ? set_phase(SEGUE_PHASE_HOLD, err) : NULL;
    return failure ? failure : set_phase(SEGUE_PHASE_FORWARD, err);
}

/* NULL: done. `ret_is_step` false: it is no step of the migration, but a client's operation. */
static const char *run_step(const char *name, bool *ret_is_step)
{
    segue_error err = {0};
    *ret_is_step = true;
    if (strcmp(name, "sweep") == 0) {
        segue_status st = sweep_the_key(&err);
        return st == SEGUE_OK || st == SEGUE_NOT_FOUND ? NULL : "a sweep failed";
    }
    if (strcmp(name, "repair") == 0) return repair(&err);
    if (strcmp(name, "hold") == 0) return set_phase(SEGUE_PHASE_HOLD, &err);
    if (strcmp(name, "forward") == 0) return go_forward(&err);
    if (strcmp(name, "seal") == 0)
        return sweep_all(&err) ? set_phase(SEGUE_PHASE_SEALED, &err) : "the sweep never ends";
    if (strcmp(name, "clean") == 0) return set_phase(SEGUE_PHASE_CLEAN, &err);
    *ret_is_step = false;
    return NULL;
}

/* ---- a run ---- */

static struct {
    const scene *scene;
    history h;
    unsigned first_event[PARTIES_MOST];
    const char *failure;
} run;

static bool next_word(const char **text, char out[32])
{
    size_t n = strcspn(*text, " ");
    if (n == 0 || n >= 32) return false;
    memcpy(out, *text, n);
    out[n] = '\0';
    *text += n;
    *text += strspn(*text, " ");
    return true;
}

static bool has_step(const scene *s, const char *step)
{
    for (unsigned i = 0; i < s->n_parties; i++)
        if (strstr(s->parties[i], step)) return true;
    return false;
}

/* Such a write reads nothing, so its revision goes on from the record of the store that it lands in. */
static bool replaces_blindly(const scene *s) { return has_step(s, "replace"); }

static void setup(void *ctx)
{
    const scene *s = ctx;
    segue_error err = {0};
    segue_dual_options options = {s->beginning->phase};
    segue_record p = record_of(s->beginning->primary, "6"), f = record_of(s->beginning->fallback, "5");
    open_stores(s->setting);
    history_begin(THE_BEGINNING_NS + (s->setting->is_ahead ? FIVE_HOURS_NS : 0));
    history_reset(world.f, &f);
    /* What both have was written through the dual store, after the fallback's. */
    history_now_ns = f.key.data ? history_now_ns + 1000000 : THE_BEGINNING_NS;
    history_reset(world.p, &p);
    history_now_ns = THE_BEGINNING_NS;
    is_verified = has_step(s, "repair");
    for (int i = 0; i < 1 + s->setting->two_nodes; i++)
        must(segue_dual_open(world.watched_p, world.watched_f, &options, &world.dual[i], &err), "dual", &err);
    history_has_revisions = !replaces_blindly(s);
    history_has_cas = s->setting->keeps_cas;
    run.scene = s;
    run.failure = NULL;
    run.h = (history){.start = p.key.data ? p : f, .has_cas = s->setting->keeps_cas};
    for (unsigned i = 0; i < s->n_parties; i++) {
        const char *text = s->parties[i];
        char word[32];
        run.first_event[i] = run.h.n;
        while (next_word(&text, word)) {
            const operation *op = history_operation(word);
            if (op) run.h.events[run.h.n++] = (event){.op = op, .party = i};
        }
    }
}

static void run_event(event *e, client *c)
{
    bool is_time = strcmp(e->op->name, "time") == 0;
    search_point(MARK_BEGIN);
    e->began = ++run.h.now;
    if (is_time) search_point(MARK_TIME);
    e->op->run(c, &e->got);
    search_point(MARK_END);
    e->ended = ++run.h.now;
}

static void party_main(void *ctx, unsigned number)
{
    const scene *s = ctx;
    const char *text = s->parties[number];
    client c = {.store = world.dual[number == 1 && s->setting->two_nodes]};
    unsigned at = run.first_event[number];
    char word[32];
    while (next_word(&text, word)) {
        bool is_step;
        const char *failure = run_step(word, &is_step);
        if (failure && search_strikes()) return; /* it does not go on after a failure */
        if (failure) run.failure = failure;
        if (!is_step) run_event(&run.h.events[at++], &c);
    }
}

/* ---- the verdict ---- */

enum { SEEN_SLOTS = 1 << 16, TEXT_MOST = 4096 };
static uint64_t seen[SEEN_SLOTS]; /* hashes of histories that were explained */
static uint64_t n_seen, digest_of_seen;

static void forget_seen(void)
{
    memset(seen, 0, sizeof seen);
    n_seen = digest_of_seen = 0;
}

static uint64_t hash_of(const char *text)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (; *text; text++) h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return h ? h : 1;
}

/* True: it is new. A table that is full forgets nothing, it is only slower: what does not fit is new each time. */
static bool remember(uint64_t hash)
{
    for (unsigned i = 0; i < 64; i++) {
        uint64_t *slot = &seen[(hash + i) % SEEN_SLOTS];
        if (*slot == hash) return false;
        if (*slot) continue;
        *slot = hash;
        n_seen++;
        digest_of_seen += hash * hash;
        return true;
    }
    return true;
}

/* The migration goes on to its end: the primary holds then what the dual store showed, the fallback nothing. */
static const char *check_residue(const answer *shown)
{
    segue_error err = {0};
    segue_phase phase = SEGUE_PHASE_LEGACY;
    client c = {.store = world.p};
    answer a = {0};
    must(segue_dual_phase(world.dual[0], &phase), "phase", &err);
    if (phase < SEGUE_PHASE_FORWARD) return NULL;
    if (phase == SEGUE_PHASE_FORWARD && !sweep_all(&err)) return "the sweep never ends";
    c.store = world.f;
    history_operation("record")->run(&c, &a);
    if (a.status != SEGUE_NOT_FOUND) return "something is left in the fallback";
    a = (answer){0};
    c.store = world.p;
    history_operation("record")->run(&c, &a);
    bool same_cas = !run.scene->setting->keeps_cas || a.cas[0] == shown->cas[0];
    return a.status == shown->status && strcmp(a.text, shown->text) == 0 && same_cas
               ? NULL
               : "after the sweep the primary holds something else than the dual store showed";
}

static void forget_what_never_began(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < run.h.n; i++)
        if (run.h.events[i].began) run.h.events[n++] = run.h.events[i];
    run.h.n = n;
}

static const char *check(void *ctx)
{
    static char text[TEXT_MOST];
    (void)ctx;
    forget_what_never_began();
    run.h.was_struck = search_strikes() > 0;
    event *last = &run.h.events[run.h.n++];
    client c = {.store = world.dual[0]};
    *last = (event){.op = history_operation("record"), .party = PARTIES_MOST, .began = ++run.h.now};
    last->op->run(&c, &last->got);
    last->ended = ++run.h.now;
    const char *failure = run.failure;
    if (!failure) failure = check_residue(&last->got);
    history_text(&run.h, text, sizeof text);
    if (!failure && remember(hash_of(text))) failure = history_explain(&run.h, model);
    return failure;
}

static program program_of(const scene *s)
{
    union {
        const scene *scene;
        void *ctx;
    } ctx = {s};
    return (program){s->n_parties, ctx.ctx, setup, party_main, check};
}

void scene_explore(const scene *s, const search_options *options, scene_result *ret)
{
    program p = program_of(s);
    forget_seen();
    search_all(&p, options, &ret->search);
    ret->histories = n_seen;
    ret->digest = digest_of_seen;
}

/* ---- stories ---- */

enum { COLUMN = 26 };

static void tell(void *ctx, unsigned party, const char *what)
{
    (void)ctx;
    printf("  %*s%s\n", (int)(party * COLUMN), "", what);
}

const char *scene_replay(const scene *s, const char *schedule, const search_options *options)
{
    static char text[TEXT_MOST];
    program p = program_of(s);
    search_forget_names();
    search_name(P_NAME, P_NAME);
    search_name(F_NAME, F_NAME);
    forget_seen();
    printf(" ");
    for (unsigned i = 0; i < s->n_parties; i++) printf(" %-*s", COLUMN - 1, s->parties[i]);
    printf("\n");
    const char *failure = search_replay(&p, schedule, options, tell, NULL);
    history_text(&run.h, text, sizeof text);
    printf("%s=> %s\n", text, failure ? failure : "explained");
    return failure;
}
