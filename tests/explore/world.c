/* The real stores, the real dual store, the real steps of a migration. */
#include "world.h"

#include "base/base.h"
#include "base/rules.h"
#include "dual/dual.h"
#include "migrate/manifest.h"
#include "migrate/migration.h"
#include "store/filters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char world_P[] = "P", world_F[] = "F";
world_state world;

static const int64_t THE_BEGINNING_NS = INT64_C(1800000000) * 1000000000;
static const int64_t FIVE_HOURS_NS = INT64_C(5) * 3600000000000;

static segue_policy *policy;

void world_must(segue_status st, const char *what, const segue_error *err)
{
    if (st == SEGUE_OK) return;
    fprintf(stderr, "explore: %s: %s\n", what, err->message);
    exit(1);
}

/* ---- the stores ---- */

/* The stores themselves read it as part of a call, which is one step. */
static int64_t watched_clock(void *ctx)
{
    (void)ctx;
    search_look_at_clock();
    return history_now_ns;
}

static segue_store *open_one(const char *url)
{
    segue_store *store = NULL;
    segue_error err = {0};
    segue_open_options options = {history_env(), SEGUE_OPEN_NO_REAPER}; /* the only parties are the fibres */
    world_must(segue_open(url, &options, &store, &err), url, &err);
    return store;
}

static segue_store *watch(segue_store *store, const char *name)
{
    segue_store *watched = NULL;
    segue_error err = {0};
    world_must(seg_sched_open(store, name, &watched, &err), "watch", &err);
    watched->env.wall_ns = watched_clock;
    return watched;
}

static void close_stores(void)
{
    for (int i = 0; i < PARTIES_MOST + 1; i++) segue_migration_close(world.runner[i]);
    segue_store *const stores[] = {world.dual[0], world.dual[1], world.watched_p, world.watched_f, world.p, world.f};
    for (size_t i = 0; i < sizeof stores / sizeof stores[0]; i++) segue_close(stores[i]);
    memset(&world, 0, sizeof world);
}

void world_close(void)
{
    close_stores();
    segue_policy_free(policy);
    policy = NULL;
}

static bool has_word(const scene *s, const char *word)
{
    for (unsigned i = 0; i < s->n_parties; i++)
        if (strstr(s->parties[i], word)) return true;
    return false;
}

/* The status of a migration that was verified; that nothing is left is seen to by each seal itself. One driver alone is at that
 * point already; several find it in its record. */
static seg_status proven(bool keeps_cas)
{
    return (seg_status){.name = "default",
                        .run_id = "a run",
                        .proof = "a run",
                        .epoch = 1,
                        .stage = SEGUE_STAGE_VERIFIED,
                        .keep_cas = keeps_cas};
}

/* Each party's own, when it needs one. */
static segue_migration *runner_of(unsigned party)
{
    segue_error err = {0};
    segue_migration_options options = {.policy = policy, .workers = 1, .dual = world.has_seal ? world.dual[0] : NULL};
    segue_migration *m = world.runner[party];
    if (m) return m;
    world_must(segue_migration_open(world.watched_f, world.watched_p, &options, &m, &err), "migration", &err);
    atomic_store(&m->cannot_move, !world.can_move); /* as after its first page */
    if (world.has_seal && !world.has_rivals) m->status = proven(world.keeps_cas);
    return world.runner[party] = m;
}

/* Half an hour to live, or dead for ten seconds. */
static segue_record record_of(content what, const char *body)
{
    static const segue_xattr xattrs[] = {{{"_sync", 5}, {"{\"a\":1}", 7}}, {{"u", 1}, {"2", 1}}};
    uint32_t now = (uint32_t)(THE_BEGINNING_NS / 1000000000);
    segue_record rec = {.xattrs = xattrs, .n_xattrs = 2, .revision = 3, .flags = 6, .is_json = true};
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

static unsigned count_parties(const scene *s, unsigned touching)
{
    unsigned n = 0;
    for (unsigned i = 0; i < s->n_parties; i++) {
        const char *text = s->parties[i];
        char word[WORD_SIZE];
        bool touches = false;
        while (world_next_word(&text, word)) touches |= world_touched_by(s, word) & touching;
        n += touches;
    }
    return n;
}

static void write_proof(void)
{
    segue_error err = {0};
    segue_call call = seg_call_new(world.p, 0, &err);
    seg_status status = proven(world.keeps_cas);
    world_must(seg_status_save(world.p, &status, &call), "status", &err);
    seg_status_free(&status);
}

bool world_next_word(const char **text, char out[WORD_SIZE])
{
    size_t n = strcspn(*text, " ");
    if (n == 0 || n >= WORD_SIZE) return false;
    memcpy(out, *text, n);
    out[n] = '\0';
    *text += n;
    *text += strspn(*text, " ");
    return true;
}

/* A schedule has one outcome wherever it is run: nothing is left of the run before, the stores' clocks included. */
void world_open(const scene *s, segue_record *ret_start)
{
    segue_error err = {0};
    segue_dual_options options = {s->beginning->phase};
    bool has_object = has_word(s, "inside");
    segue_record p = record_of(s->beginning->primary, has_object ? "{\"n\":6}" : "6");
    segue_record f = record_of(s->beginning->fallback, has_object ? "{\"n\":5}" : "5");
    close_stores();
    if (!policy)
        world_must(segue_policy_parse(segue_str("{\"unmatched\":\"move\",\"rules\":[]}"), &policy, &err), "policy",
                   &err);
    history_now_ns = THE_BEGINNING_NS + (s->setting->is_ahead ? FIVE_HOURS_NS : 0);
    world.p = open_one(s->setting->primary);
    world.f = open_one(s->setting->fallback);
    world.watched_p = watch(world.p, world_P);
    world.watched_f = watch(world.f, world_F);
    history_reset(world.f, &f);
    /* What both have was written through the dual store, after the fallback's. */
    history_now_ns = f.key.data ? history_now_ns + 1000000 : THE_BEGINNING_NS;
    history_reset(world.p, &p);
    history_now_ns = THE_BEGINNING_NS;
    for (int i = 0; i < 1 + s->setting->two_nodes; i++)
        world_must(segue_dual_open(world.watched_p, world.watched_f, &options, &world.dual[i], &err), "dual", &err);
    world.has_seal = has_word(s, "seal");
    world.keeps_cas = s->setting->keeps_cas;
    world.can_move = strcmp(s->setting->name, "one engine") == 0;
    world.has_own_records = world.has_seal || has_word(s, "repair") || has_word(s, "verify");
    world.has_rivals = count_parties(s, CHANGES_PHASE) > 1;
    world.has_cleaner = has_word(s, "clean");
    if (world.has_seal && world.has_rivals) write_proof();
    *ret_start = p.key.data ? p : f;
}

/* ---- the migration's own steps ---- */

/* A number of his own for each that moves something. */
static uint64_t next_manifest(unsigned party)
{
    return world.has_own_records ? (uint64_t)(party + 1) << 8 | ++world.n_manifests[party] : 0;
}

static segue_status sweep_the_key(unsigned party, segue_error *err)
{
    SEG_AUTO(segue_doc) doc = {0};
    seg_swept swept = {0};
    segue_call call = seg_call_new(world.watched_f, 0, err);
    segue_status st = seg_call_get(world.watched_f, segue_str(THE_KEY), &doc, &call);
    const segue_record *rec = &doc.rec;
    /* Where somebody verifies or cleans up, what is moved is written down first. */
    if (st == SEGUE_OK) st = seg_sweep_records(runner_of(party), &rec, 1, next_manifest(party), &swept, &call);
    seg_swept_clear(&swept);
    return st;
}

enum { PASSES_MOST = 5 };

bool world_sweep_all(unsigned party, segue_error *err)
{
    for (int i = 0; i < PASSES_MOST; i++)
        if (sweep_the_key(party, err) == SEGUE_NOT_FOUND) return true;
    return false;
}

/* Whatever clients do meanwhile, what was moved is there and was not changed but by them. */
static void on_difference(void *ctx, const segue_difference *d)
{
    bool *is_wrong = ctx;
    *is_wrong |= d->kind == SEGUE_DIFF_MISSING || d->kind == SEGUE_DIFF_CONTENT;
}

static const char *verify(unsigned party, unsigned options, segue_error *err)
{
    segue_verified found = {0};
    bool is_wrong = false;
    segue_status st = seg_verify(runner_of(party), options, on_difference, &is_wrong, &found, err);
    /* While another one purges what it compares there is nothing to be said. */
    if (is_wrong && !world.has_cleaner) return "the verification found a difference";
    return st == SEGUE_OK || st == SEGUE_DIFFERENT ? NULL : "the verification failed";
}

/* NULL: it is done. Of several drivers one comes too late; it goes no further. */
static const char *judge(segue_status st, const char *failure)
{
    if (st == SEGUE_OK) return NULL;
    bool is_late = st == SEGUE_REFUSED || st == SEGUE_BUSY_ELSEWHERE;
    return world.has_rivals && is_late ? world_too_late : failure;
}

/* On all nodes, from this one on, before the next phase. */
static const char *set_phase_from(int node, segue_phase phase, segue_error *err)
{
    segue_status st = SEGUE_OK;
    for (int i = node; i < 2 && st == SEGUE_OK; i++)
        if (world.dual[i]) st = segue_dual_set_phase(world.dual[i], phase, 0, err);
    return judge(st, "a change of phase failed");
}

/* One node alone may leave legacy by itself; several must all be in hold before the first goes on. */
static const char *go_forward(segue_error *err)
{
    const char *failure = world.dual[1] && SEG_RULE(HOLD) ? set_phase_from(0, SEGUE_PHASE_HOLD, err) : NULL;
    return failure ? failure : set_phase_from(0, SEGUE_PHASE_FORWARD, err);
}

/* As a run of the migration does it that finds it so far; then it leaves. The other node follows. */
static const char *finish(unsigned party, segue_status (*step)(segue_migration *m, segue_error *err), segue_phase phase,
                          segue_error *err)
{
    segue_migration *m = runner_of(party);
    segue_status st = world.has_rivals ? seg_migration_look(m, err) : SEGUE_OK;
    if (st == SEGUE_OK && world.has_rivals) st = seg_migration_claim(m, err);
    if (st == SEGUE_OK) st = step(m, err);
    const char *failure = judge(st, "a seal or a clean-up failed");
    if (!failure) failure = set_phase_from(1, phase, err);
    if (m->is_runner && !failure)
        failure = judge(seg_migration_leave(m, SEGUE_OK, err), "the migration cannot be left");
    return failure;
}

uint64_t world_known_to(unsigned party)
{
    const segue_migration *m = world.runner[party];
    if (!m) return 0;
    return search_mix(search_mix(world.n_manifests[party], m->status.stage), (uint64_t)atomic_load(&m->next_manifest));
}

uint64_t world_purged(unsigned party) { return world.runner[party] ? world.runner[party]->status.counts.purged : 0; }

const char world_too_late[] = "another one was faster";

const char *world_step(unsigned party, const char *name, bool *ret_is_step)
{
    segue_error err = {0};
    *ret_is_step = true;
    if (strcmp(name, "sweep") == 0) {
        segue_status st = sweep_the_key(party, &err);
        return st == SEGUE_OK || st == SEGUE_NOT_FOUND ? NULL : "a sweep failed";
    }
    if (strcmp(name, "verify") == 0) return verify(party, 0, &err);
    if (strcmp(name, "repair") == 0) return verify(party, SEGUE_VERIFY_REPAIR, &err);
    if (strcmp(name, "hold") == 0) return set_phase_from(0, SEGUE_PHASE_HOLD, &err);
    if (strcmp(name, "legacy") == 0) return set_phase_from(0, SEGUE_PHASE_LEGACY, &err);
    if (strcmp(name, "forward") == 0) return go_forward(&err);
    if (strcmp(name, "clean") == 0) return finish(party, seg_clean, SEGUE_PHASE_CLEAN, &err);
    if (strcmp(name, "seal") == 0)
        return world_sweep_all(party, &err) ? finish(party, seg_seal, SEGUE_PHASE_SEALED, &err)
                                            : "the sweep never ends";
    *ret_is_step = false;
    return NULL;
}

/* ---- what is touched ---- */

unsigned world_touched_by(const scene *s, const char *word)
{
    static const struct {
        const char *word;
        unsigned touched;
    } known[] = {
        {"get", LOOKS_AT_P | LOOKS_AT_F},
        {"scan", LOOKS_AT_P | LOOKS_AT_F | LOOKS_AT_ALL},
        {"feed", LOOKS_AT_P | LOOKS_AT_F | LOOKS_AT_ALL},
        {"time", MOVES_CLOCK},
        {"hold", CHANGES_PHASE},
        {"legacy", CHANGES_PHASE},
        {"forward", CHANGES_PHASE},
        {"sweep", LOOKS_AT_P | WRITES_P | LOOKS_AT_F | WRITES_F | USES_OWN_RECORDS},
        {"repair", LOOKS_AT_P | WRITES_P | LOOKS_AT_F | WRITES_F | USES_OWN_RECORDS | LOOKS_AT_ALL},
        {"verify", LOOKS_AT_P | LOOKS_AT_F | USES_OWN_RECORDS | LOOKS_AT_ALL},
        {"seal", LOOKS_AT_P | WRITES_P | LOOKS_AT_F | WRITES_F | USES_OWN_RECORDS | CHANGES_PHASE},
        {"clean", LOOKS_AT_P | WRITES_P | LOOKS_AT_F | USES_OWN_RECORDS | LOOKS_AT_ALL | CHANGES_PHASE},
        {"purge", LOOKS_AT_P | WRITES_P | LOOKS_AT_F | LOOKS_AT_ALL},
        {"reap", LOOKS_AT_P | WRITES_P | LOOKS_AT_F | LOOKS_AT_ALL},
    };
    bool is_legacy = s->beginning->phase == SEGUE_PHASE_LEGACY;
    unsigned touched = LOOKS_AT_P | WRITES_P | LOOKS_AT_F;
    bool writes = true;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].word, word) == 0) {
            touched = known[i].touched;
            writes = touched & WRITES_P;
        }
    return touched | (is_legacy && writes ? WRITES_F : 0);
}

static uint64_t the_part(void) { return world_hash(THE_KEY, strlen(THE_KEY)); }

static bool is_gate(const void *object)
{
    for (int i = 0; i < 2; i++)
        if (world.dual[i] && object == &((const seg_dual *)world.dual[i]->self)->gate) return true;
    return false;
}

bool world_may_touch(unsigned touched, const void *object, uint64_t part, bool or_reads)
{
    unsigned asked;
    if (object == search_clock) asked = MOVES_CLOCK | (or_reads ? LOOKS_AT_P | LOOKS_AT_F : 0);
    else if (!object) asked = WRITES_P | WRITES_F | (or_reads ? LOOKS_AT_P | LOOKS_AT_F : 0);
    else if (object == world_P && part && part != the_part()) asked = USES_OWN_RECORDS | (or_reads ? LOOKS_AT_ALL : 0);
    else if (object == world_P) asked = WRITES_P | (part ? 0 : USES_OWN_RECORDS) | (or_reads ? LOOKS_AT_P : 0);
    else if (object == world_F) asked = WRITES_F | (or_reads ? LOOKS_AT_F : 0);
    else asked = CHANGES_PHASE | (or_reads && is_gate(object) ? LOOKS_AT_P | LOOKS_AT_F : 0);
    return touched & asked;
}

/* ---- digests ---- */

uint64_t world_hash(const void *data, size_t size)
{
    const unsigned char *bytes = data;
    uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a, as in src/store/sched.c: a key's part is its hash */
    for (size_t i = 0; i < size; i++) h = (h ^ bytes[i]) * UINT64_C(0x100000001b3);
    return h ? h : 1;
}

static uint64_t mix_slice(uint64_t digest, segue_slice s) { return search_mix(digest, world_hash(s.data, s.size)); }

static uint64_t digest_of_record(const segue_record *rec)
{
    uint64_t d = mix_slice(rec->cas, rec->key);
    d = mix_slice(d, rec->body);
    d = search_mix(d, rec->revision);
    d = search_mix(d, rec->write_id);
    d = search_mix(d, (uint64_t)rec->expiry << 32 | rec->flags);
    d = search_mix(d, (rec->is_tombstone ? 1u : 0u) + (rec->is_json ? 2u : 0u));
    for (size_t i = 0; i < rec->n_xattrs; i++) d = mix_slice(mix_slice(d, rec->xattrs[i].name), rec->xattrs[i].value);
    return d;
}

static uint64_t digest_of_key(segue_store *store)
{
    SEG_AUTO(segue_doc) doc = {0};
    segue_call call = seg_call_new(store, 0, NULL);
    return seg_call_get_stored(store, segue_str(THE_KEY), &doc, &call) == SEGUE_OK ? digest_of_record(&doc.rec) : 0;
}

static uint64_t digest_of_all(segue_store *store)
{
    if (!world.has_own_records || store != world.p) return digest_of_key(store);
    segue_page page = {.max_docs = 100, .max_bytes = 1 << 20};
    segue_error err = {0};
    segue_call call = seg_call_new(store, 0, &err);
    segue_bounds all = {.tombstones = true};
    uint64_t digest = 0;
    world_must(store->backend->scan(store->self, &all, &page, &call), "digest", &err); /* as they are stored */
    for (size_t i = 0; i < page.n; i++) digest = search_mix(digest, digest_of_record(&page.docs[i].rec));
    segue_page_free(&page);
    return digest;
}

/* What comes into the next CAS. */
static uint64_t digest_of_clocks(void)
{
    uint64_t p = 0, f = 0;
    segue_call call = seg_call_new(world.p, 0, NULL);
    (void)seg_call_highest(world.p, 0, &p, &call); /* a store in memory always knows */
    (void)seg_call_highest(world.f, 0, &f, &call);
    uint64_t digest = search_mix(search_mix(p, f), (uint64_t)history_now_ns);
    for (int i = 0; i < 2 && world.dual[i]; i++) {
        const seg_dual *d = world.dual[i]->self;
        digest = search_mix(search_mix(digest, atomic_load(&d->floor)), atomic_load(&d->raised));
    }
    return digest;
}

static uint64_t digest_of_gate(const seg_gate *gate, bool with_counts)
{
    uint64_t inside = 0;
    for (int i = 0; i < SEG_GATE_SLOTS && with_counts; i++)
        inside += atomic_load(&gate->slots[i].inside[0]) + ((uint64_t)atomic_load(&gate->slots[i].inside[1]) << 32);
    return search_mix(inside, atomic_load(&gate->word));
}

uint64_t world_seen_at(const void *object, uint64_t part, bool closely)
{
    uint64_t clocks = closely ? digest_of_clocks() : 0;
    if (object == search_clock) return (uint64_t)history_now_ns;
    if (!object) return search_mix(search_mix(clocks, digest_of_all(world.p)), digest_of_all(world.f));
    if (object == world_P || object == world_F) {
        segue_store *store = object == world_P ? world.p : world.f;
        return search_mix(clocks, part == the_part() ? digest_of_key(store) : digest_of_all(store));
    }
    return is_gate(object) ? digest_of_gate(object, closely) : 0;
}

uint64_t world_shared(void)
{
    uint64_t digest = search_mix(search_mix(digest_of_clocks(), digest_of_all(world.p)), digest_of_all(world.f));
    for (int i = 0; i < 2 && world.dual[i]; i++)
        digest = search_mix(digest, digest_of_gate(&((const seg_dual *)world.dual[i]->self)->gate, true));
    return digest;
}
