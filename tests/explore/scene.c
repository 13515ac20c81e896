/* Scenes on the real dual store, the real sweep and the real change of phase. */
#include "scene.h"

#include "visited.h"
#include "world.h"

#include <segue/ops.h>

#include "support/fibre.h"

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
    {"two nodes, no mutate", "mem:xp5?caps=-mutate", "mem:xf5?caps=-mutate", true, true, true},
    {"two nodes, own CAS", "mem:xp6?caps=-keep_cas", "mem:xf6", false, false, true},
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
    {"legacy, expired in F", NOTHING, EXPIRED, SEGUE_PHASE_LEGACY},
};
const unsigned n_beginnings = sizeof beginnings / sizeof beginnings[0];

void scene_name(const scene *s, char *out, size_t size)
{
    int n = snprintf(out, size, "%s / %s / ", s->setting->name, s->beginning->name);
    for (unsigned i = 0; i < s->n_parties && n >= 0 && (size_t)n < size; i++)
        n += snprintf(out + n, size - (size_t)n, "%s%s", i ? " | " : "", s->parties[i]);
}

/* ---- a run ---- */

enum { WORDS_MOST = 8 };

static struct {
    const scene *scene;
    history h;
    unsigned first_event[PARTIES_MOST];
    unsigned todo[PARTIES_MOST][WORDS_MOST + 1]; /* what this word and those after it may touch */
    unsigned at_word[PARTIES_MOST];
    uint64_t n_random[PARTIES_MOST + 1];
    const char *failure;
} run;

static segue_store *model; /* plain */

/* What a word may touch is known from its name. With a rule switched off it may do more: then nothing is taken for granted. */
static bool is_trusted, was_wrong;

static bool has_step(const scene *s, const char *step)
{
    for (unsigned i = 0; i < s->n_parties; i++)
        if (strstr(s->parties[i], step)) return true;
    return false;
}

/* Such a write reads nothing, so its revision goes on from the record of the store that it lands in. */
static bool replaces_blindly(const scene *s) { return has_step(s, "replace"); }

/* Its operations and what each word may touch. */
static void read_party(const scene *s, unsigned number)
{
    const char *text = s->parties[number];
    char word[WORD_SIZE];
    unsigned n = 0;
    run.first_event[number] = run.h.n;
    while (world_next_word(&text, word)) {
        const operation *op = history_operation(word);
        if (op) run.h.events[run.h.n++] = (event){.op = op, .party = number};
        if (n == WORDS_MOST) abort();
        run.todo[number][n++] = world_touched_by(s, word);
    }
    while (n-- > 0) run.todo[number][n] |= run.todo[number][n + 1];
}

static void setup(void *ctx)
{
    const scene *s = ctx;
    memset(&run, 0, sizeof run);
    run.scene = s;
    run.h.has_cas = history_has_cas = s->setting->keeps_cas;
    history_has_revisions = !replaces_blindly(s);
    world_open(s, &run.h.start);
    for (unsigned i = 0; i < s->n_parties; i++) read_party(s, i);
}

/* The same for a party that has come to the same place, whatever the others have drawn. */
void history_random(void *ctx, void *out, size_t size)
{
    unsigned char *bytes = out;
    unsigned party = fibre_is_inside() ? search_party() : PARTIES_MOST;
    (void)ctx;
    for (size_t i = 0; i < size; i += 8) {
        uint64_t next = (uint64_t)(party + 1) << 56 | ++run.n_random[party];
        memcpy(bytes + i, &next, size - i < 8 ? size - i : 8);
    }
}

/* Nobody's turn: what a sleeper waits for is another point, and time stands still. */
void history_sleep(void *ctx, int64_t ns) { (void)ctx, (void)ns; }

static uint64_t digest_of_answer(const answer *a, const client *c)
{
    uint64_t d = search_mix((uint64_t)a->status, world_hash(a->text, strlen(a->text)));
    for (int i = 0; i < KEPT_MOST; i++) d = search_mix(d, a->cas[i]);
    return search_mix(search_mix(d, c->token), world_hash(c->body, strlen(c->body)));
}

/* An operation of a client. What a clean-up purges is one, too. NULL, or what is wrong. */
static const char *run_event(event *e, client *c, const char *word)
{
    bool is_step;
    search_begin(&e->began);
    if (strcmp(word, "time") == 0) search_move_clock();
    const char *failure = world_step(e->party, word, &is_step);
    if (!is_step) {
        e->op->run(c, &e->got);
    } else {
        e->got.status = failure && search_strikes() ? SEGUE_MAYBE_APPLIED : SEGUE_OK; /* some of it */
        (void)snprintf(e->got.text, sizeof e->got.text, "purged %llu",
                       (unsigned long long)world_purged(e->party)); /* fits */
    }
    search_end(&e->ended, search_mix(digest_of_answer(&e->got, c), failure != NULL));
    return failure;
}

static void party_main(void *ctx, unsigned number)
{
    const scene *s = ctx;
    const char *text = s->parties[number];
    client c = {.store = world.dual[number == 1 && s->setting->two_nodes]};
    unsigned at = run.first_event[number];
    char word[WORD_SIZE];
    for (unsigned n = 1; world_next_word(&text, word); n++) {
        bool is_step;
        const char *failure;
        run.n_random[number] = (uint64_t)n << 32;
        if (history_operation(word)) {
            failure = run_event(&run.h.events[at++], &c, word);
        } else {
            failure = world_step(number, word, &is_step);
            search_forget(search_mix(2 * n + (failure != NULL), world_known_to(number)));
        }
        if (failure && (failure == world_too_late || search_strikes())) return; /* it does not go on after a failure */
        if (failure) run.failure = failure;
        run.at_word[number] = n;
    }
}

static bool may_touch(void *ctx, unsigned party, const void *object, uint64_t part, bool or_reads)
{
    (void)ctx;
    return !is_trusted || world_may_touch(run.todo[party][run.at_word[party]], object, part, or_reads);
}

static uint64_t seen_at(void *ctx, const void *object, uint64_t part, bool closely)
{
    unsigned party = search_party();
    bool writes_a_store = closely && (!object || object == world_P || object == world_F);
    (void)ctx;
    was_wrong |= writes_a_store && !world_may_touch(run.todo[party][run.at_word[party]], object, part, false);
    return world_seen_at(object, part, closely);
}

static uint64_t shared(void *ctx)
{
    (void)ctx;
    return world_shared();
}

/* ---- the verdict ---- */

enum { TEXT_MOST = 4096, HISTORIES_MOST = 1 << 16 };

/* What was answered, and what had ended before each operation began. */
typedef struct outcome {
    uint64_t answers;
    uint16_t before[HISTORY_MOST];
} outcome;

typedef struct outcomes {
    outcome *all;
    unsigned n;
} outcomes;

static outcomes found; /* of the scene */

/* A list that is full forgets nothing, it is only slower: what does not fit is new each time. True: it is new. */
static bool remember(void)
{
    static char text[TEXT_MOST];
    outcome o = {0};
    history_text(&run.h, false, text, sizeof text);
    o.answers = world_hash(text, strlen(text));
    for (unsigned i = 0; i < run.h.n; i++) o.before[i] = history_before(&run.h, i);
    for (unsigned i = 0; i < found.n; i++)
        if (memcmp(&found.all[i], &o, sizeof o) == 0) return false;
    if (found.n == HISTORIES_MOST) return true;
    found.all[found.n++] = o;
    return true;
}

static void forget_outcomes(void)
{
    if (!found.all) found.all = calloc(HISTORIES_MOST, sizeof *found.all);
    if (!found.all) abort();
    found.n = 0;
}

/* The migration goes on to its end: the primary holds then what the dual store showed, the fallback nothing. */
static const char *check_residue(const answer *shown)
{
    segue_error err = {0};
    segue_phase phase = SEGUE_PHASE_LEGACY;
    client c = {.store = world.p};
    answer a = {0};
    world_must(segue_dual_phase(world.dual[0], &phase), "phase", &err);
    if (phase < SEGUE_PHASE_FORWARD) return NULL;
    if (phase == SEGUE_PHASE_FORWARD && !world_sweep_all(PARTIES_MOST, &err)) return "the sweep never ends";
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
    (void)ctx;
    forget_what_never_began();
    run.h.was_struck = search_strikes() > 0;
    event *last = &run.h.events[run.h.n++];
    client c = {.store = world.dual[0]};
    *last = (event){.op = history_operation("record"), .party = PARTIES_MOST, .began = search_moment()};
    last->op->run(&c, &last->got);
    last->ended = search_moment();
    const char *failure = run.failure;
    if (!failure) failure = check_residue(&last->got);
    if (!failure && remember()) failure = history_explain(&run.h, model);
    return failure;
}

static program program_of(const scene *s)
{
    union {
        const scene *scene;
        void *ctx;
    } ctx = {s};
    return (program){s->n_parties, ctx.ctx, setup, party_main, check, may_touch, seen_at, shared};
}

static void open_model(void)
{
    segue_open_options options = {history_env(), SEGUE_OPEN_NO_REAPER};
    segue_error err = {0};
    if (!model) world_must(segue_open("mem:xm", &options, &model, &err), "model", &err);
}

void scenes_close(void)
{
    world_close();
    segue_close(model);
    model = NULL;
    free(found.all);
    found.all = NULL;
    visited_free();
}

void scene_explore(const scene *s, const search_options *options, scene_result *ret)
{
    program p = program_of(s);
    open_model();
    is_trusted = true;
    was_wrong = false;
    forget_outcomes();
    search_all(&p, options, &ret->search);
    if (was_wrong) {
        is_trusted = false;
        forget_outcomes();
        search_all(&p, options, &ret->search);
    }
    ret->histories = found.n;
}

/* ---- what the reduction leaves out ---- */

/* Whether every explanation of `tight` is one of `loose`: the same answers, and no operation of `loose` began later. */
static bool is_as_tight(const outcome *tight, const outcome *loose)
{
    if (tight->answers != loose->answers) return false;
    for (int i = 0; i < HISTORY_MOST; i++)
        if (loose->before[i] & ~tight->before[i]) return false;
    return true;
}

static bool has_as_tight(const outcomes *in, const outcome *loose)
{
    for (unsigned i = 0; i < in->n; i++)
        if (is_as_tight(&in->all[i], loose)) return true;
    return false;
}

bool scene_compare(const scene *s, const search_options *options, scene_compared *ret)
{
    scene_result reduced, full;
    search_options every = *options;
    outcomes kept = {0};
    *ret = (scene_compared){0};
    scene_explore(s, options, &reduced);
    if (reduced.search.is_cut || reduced.search.failure) return false;
    kept = found;
    found = (outcomes){0};
    every.in_full = true;
    scene_explore(s, &every, &full);
    ret->schedules = full.search.schedules;
    ret->reduced = reduced.search.schedules;
    ret->histories = full.histories;
    for (unsigned i = 0; i < found.n; i++) ret->lost += !has_as_tight(&kept, &found.all[i]);
    for (unsigned i = 0; i < kept.n; i++) ret->invented += !has_as_tight(&found, &kept.all[i]);
    free(kept.all);
    return !full.search.is_cut && !full.search.failure;
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
    search_name(world_P, world_P);
    search_name(world_F, world_F);
    search_name(search_clock, search_clock);
    open_model();
    is_trusted = true;
    forget_outcomes();
    printf(" ");
    for (unsigned i = 0; i < s->n_parties; i++) printf(" %-*s", COLUMN - 1, s->parties[i]);
    printf("\n");
    const char *failure = search_replay(&p, schedule, options, tell, NULL);
    history_text(&run.h, true, text, sizeof text);
    printf("%s=> %s\n", text, failure ? failure : "explained");
    return failure;
}
