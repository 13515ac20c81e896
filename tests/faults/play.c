/* Playing a script: undisturbed, for what it answers and leaves, and with a fault. */
#include "faults/play.h"

#include "support/disk.h"
#include "support/memory.h"
#include "support/show.h"

#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

const setting settings[] = {
    {"mem", "mem:#p", NULL, false, true},
    {"mem by the loop", "mem:#p?caps=-mutate", NULL, false, true},
    {"sqlite", "sqlite:{}/p.db", NULL, true, true},
    {"rosmar", "rosmar:{}/p?collection=a.b", NULL, true, true},
    {"mem over mem", "mem:#p", "mem:#f", false, true},
    {"mem over mem by the loop, own CAS", "mem:#p?caps=-mutate,-keep_cas", "mem:#f", false, false},
    {"one mem, no write ids", "mem:#p?collection=a.a&caps=-write_id", "mem:#p?collection=b.b", false, false},
    {"one sqlite file", "sqlite:{}/p.db?collection=a.a", "sqlite:{}/p.db?collection=b.b", true, true},
    {"sqlite over rosmar", "sqlite:{}/p.db", "rosmar:{}/f?collection=a.b", true, true},
    {"two sqlite files", "sqlite:{}/p.db", "sqlite:{}/f.db", true, true},
    {"rosmar over sqlite", "rosmar:{}/p?collection=a.b", "sqlite:{}/f.db", true, true},
    {"one bucket", "rosmar:{}/p?collection=a.b", "rosmar:{}/p?collection=c.d", true, true},
};
const size_t n_settings = sizeof settings / sizeof settings[0];

/* ---- what is said ---- */

void say(play *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(p->said + p->n_said, SAID_MAX - p->n_said, format, args);
    va_end(args);
    seg_assert(n >= 0 && p->n_said + (size_t)n < SAID_MAX); /* scripts are short */
    p->n_said += (size_t)n;
}

void say_bytes(play *p, segue_slice bytes)
{
    char quoted[SEG_QUOTED_MAX];
    say(p, "%s;", seg_quote(bytes, quoted));
}

void say_record(play *p, const segue_record *rec)
{
    char line[TEST_LINE], quoted[SEG_QUOTED_MAX];
    test_show(rec, line);
    say(p, "%s %s rev %llu;", rec ? seg_quote(rec->key, quoted) : "", line,
        rec ? (unsigned long long)rec->revision : 0ull);
}

/* ---- a world that stands still but for sleeping ---- */

static const int64_t BEGINNING_S = 1800000000;

static int64_t wall_ns(void *ctx) { return BEGINNING_S * 1000000000 + atomic_load(&((play *)ctx)->skew_ns); }
static int64_t mono_ns(void *ctx) { return 1000000000 + atomic_load(&((play *)ctx)->skew_ns); }

static void sleep_ns(void *ctx, int64_t ns)
{
    if (ns > 0) atomic_fetch_add(&((play *)ctx)->skew_ns, 50 * ns); /* at least ns, and few turns until patience ends */
    segue_env_default()->sleep_ns(NULL, 1000);                      /* other threads must come to their turn */
}

static void random_bytes(void *ctx, void *out, size_t size)
{
    unsigned char *bytes = out;
    for (size_t i = 0; i < size; i++) {
        uint64_t x = atomic_fetch_add(&((play *)ctx)->random, UINT64_C(0x9E3779B97F4A7C15));
        x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
        bytes[i] = (unsigned char)(x >> 32);
    }
}

/* ---- its folder ---- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw; /* the order of the walk is all that is needed */
    return remove(path);
}

static void fill_url(const play *p, const char *pattern, char out[256])
{
    static const char *const parts[] = {"{}", "#"};
    size_t n = 0;
    for (const char *at = pattern; *at;) {
        bool folder = strncmp(at, parts[0], 2) == 0, number = *at == '#';
        int wrote = folder   ? snprintf(out + n, 256 - n, "%s", p->folder)
                    : number ? snprintf(out + n, 256 - n, "%s", strrchr(p->folder, '/') + 1)
                             : snprintf(out + n, 256 - n, "%c", *at);
        seg_assert(wrote > 0 && n + (size_t)wrote < 256);
        n += (size_t)wrote;
        at += folder ? 2 : 1;
    }
    out[n] = '\0';
}

static void copy_bucket(const char *from, const char *directory)
{
    char to[280];
    static char block[65536];
    (void)snprintf(to, sizeof to, "%s/rosmar.sqlite3", directory); /* fits */
    if (access(to, F_OK) == 0) return;                             /* both sides lie in it */
    bool made = mkdir(directory, 0755) == 0;
    FILE *in = fopen(from, "rb"), *out = in ? fopen(to, "wb") : NULL;
    seg_assert(made && in && out);
    for (size_t n; (n = fread(block, 1, sizeof block, in)) > 0;) {
        size_t written = fwrite(block, 1, n, out);
        seg_assert(written == n);
    }
    (void)fclose(in); /* it was read */
    int failed = fclose(out);
    seg_assert(!failed);
}

static void make_folder(play *p)
{
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";      /* thousands of durable writes */
    (void)snprintf(p->folder, sizeof p->folder, "%s/segue-faults-XXXXXX", base); /* fits */
    bool made = mkdtemp(p->folder) != NULL;
    seg_assert(made);
    fill_url(p, p->where->url, p->url);
    if (p->where->fallback) fill_url(p, p->where->fallback, p->fallback_url);
}

static void copy_buckets(const play *p)
{
    const char *const urls[] = {p->url, p->fallback_url};
    for (size_t i = 0; i < 2; i++) {
        char directory[256];
        if (strncmp(urls[i], "rosmar:", 7) != 0) continue;
        (void)snprintf(directory, sizeof directory, "%.*s", (int)strcspn(urls[i] + 7, "?"), urls[i] + 7); /* fits */
        copy_bucket(TEST_DATA_DIR "/sg-bucket/rosmar.sqlite3", directory);
    }
}

/* ---- set up and tear down: nothing fails meanwhile ---- */

static void must(const play *p, segue_status st)
{
    if (st == SEGUE_OK) return;
    (void)fprintf(stderr, "faults: preparing %s: %s: %s\n", p->where->name, segue_status_name(st), p->err.message);
    abort();
}

segue_record seed_record(unsigned which)
{
    static const segue_xattr seed_xattrs[] = {{{"_sync", 5}, {"{\"rev\":\"1-a\",\"n\":[1,2]}", 23}},
                                              {{"user", 4}, {"[1,2]", 5}}};
    const segue_record recs[N_SEEDS] = {
        [SEED_JSON] = {.key = K("json"),
                       .body = K("{\"a\":[1,2],\"b\":{\"c\":1.0}}"),
                       .is_json = true,
                       .n_xattrs = 2,
                       .expiry = 2000000000},
        {.key = K("counter"), .body = K("41"), .is_json = true},
        {.key = K("raw"), .body = K("not json")},
        {.key = K("tomb"), .is_tombstone = true, .n_xattrs = 1},
        {.key = K("old"), .body = K("1"), .is_json = true, .expiry = 1700000000, .n_xattrs = 1},
    };
    segue_record rec = recs[which];
    rec.xattrs = rec.n_xattrs ? seed_xattrs : NULL;
    rec.cas = UINT64_C(1700000000000000000) + 65536 * (which + 1);
    rec.revision = 3;
    return rec;
}

static void seed(play *p, segue_store *store)
{
    for (unsigned i = 0; i < N_SEEDS; i++) {
        segue_record rec = seed_record(i);
        must(p, segue_put_record(store, &rec, 0, NULL, NULL, &p->err));
    }
}

static segue_store *open_one(play *p, const char *url)
{
    segue_open_options options = {&p->env, SEGUE_OPEN_NO_REAPER}; /* only the script's steps */
    segue_store *store = NULL;
    must(p, segue_open(url, &options, &store, &p->err));
    return store;
}

/* The stores below its folder, each behind a fault filter, and the dual store. */
static void open_world(play *p, segue_phase phase)
{
    p->below_p = open_one(p, p->url);
    must(p, seg_fault_open(p->below_p, &p->p, &p->err));
    p->s = p->p;
    if (!p->where->fallback) return;
    p->below_f = open_one(p, p->fallback_url);
    must(p, seg_fault_open(p->below_f, &p->f, &p->err));
    segue_dual_options options = {phase};
    must(p, segue_dual_open(p->p, p->f, &options, &p->s, &p->err));
}

static void make_play(play *p, const setting *where)
{
    memset(p, 0, sizeof *p);
    p->where = where;
    p->env = (segue_env){p, wall_ns, mono_ns, sleep_ns, random_bytes};
    p->random = 1;
    make_folder(p);
}

static void begin_play(play *p, const script *sc, const setting *where)
{
    make_play(p, where);
    copy_buckets(p);
    test_disk_watch(where->on_disk ? p->folder : NULL);
    if (sc->flags & (SCRIPT_OPENS | SCRIPT_NO_STORE)) return;
    open_world(p, sc->flags & SCRIPT_LEGACY ? SEGUE_PHASE_LEGACY : SEGUE_PHASE_FORWARD);
    seed(p, where->fallback ? p->below_f : p->p);
}

static void end_play(play *p)
{
    segue_migration_close(p->migration);
    segue_feed_close(p->feed);
    segue_policy_free(p->policy);
    segue_buf_free(&p->buf);
    if (p->s != p->p) segue_close(p->s);
    segue_store *const stores[] = {p->p, p->f, p->below_p, p->below_f};
    for (size_t i = 0; i < 4; i++) segue_close(stores[i]);
    segue_doc_free(&p->doc);
    int failed = nftw(p->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    seg_assert(!failed);
}

/* ---- what there is ---- */

/* Every record that the script's store shows, one a line, in memory of our own. */
static char *list_records(play *p)
{
    char *text = NULL, line[TEST_LINE], quoted[SEG_QUOTED_MAX];
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    segue_range all = {.options = SEGUE_SCAN_TOMBSTONES};
    segue_scan *scan = NULL;
    const segue_record *rec = NULL;
    segue_error err = {0};
    seg_assert(out);
    segue_status st = p->s ? segue_scan_open(p->s, &all, &scan, &err) : SEGUE_END;
    while (st == SEGUE_OK && (st = segue_scan_next(scan, &rec, &err)) == SEGUE_OK) {
        test_show(rec, line);
        (void)fprintf(out, "%s %s rev %llu\n", seg_quote(rec->key, quoted), line, (unsigned long long)rec->revision);
    }
    if (st != SEGUE_END) (void)fprintf(out, "then %s: %s\n", segue_status_name(st), err.message);
    segue_scan_close(scan);
    (void)fclose(out); /* into memory */
    seg_assert(text);
    return text;
}

static char *copy_said(const play *p)
{
    char *copy = malloc(p->n_said + 1);
    seg_assert(copy);
    memcpy(copy, p->said, p->n_said + 1);
    return copy;
}

/* What the error of a call must still say after a success. */
static const segue_error before_call = {.status = SEGUE_END, .native = 77, .message = "as it was before the call"};

static bool error_is_as_before(const play *p)
{
    return p->err.status == before_call.status && p->err.native == before_call.native &&
           strcmp(p->err.message, before_call.message) == 0;
}

segue_status is_fine(play *p)
{
    p->err = before_call;
    return SEGUE_OK;
}

static segue_status take(play *p, const step *s)
{
    p->n_said = 0;
    p->said[0] = '\0';
    p->err = before_call;
    segue_status st = s->run(p);
    if (st == SEGUE_OK && !error_is_as_before(p)) say(p, "a success has changed the error: %s;", p->err.message);
    return st;
}

/* ---- the model ---- */

bool make_model(const script *sc, const setting *where, model *m)
{
    static play p;
    bool good = true;
    *m = (model){calloc(sc->n_steps + 1, sizeof *m->steps), sc->n_steps};
    seg_assert(m->steps);
    begin_play(&p, sc, where);
    m->steps[0] = (heard){SEGUE_OK, copy_said(&p), list_records(&p)};
    for (size_t i = 0; i < sc->n_steps; i++) {
        segue_status st = take(&p, &sc->steps[i]);
        m->steps[i + 1] = (heard){st, copy_said(&p), list_records(&p)};
        bool is_answer = !segue_status_is_retryable(st) && !segue_status_is_maybe_applied(st) && st != SEGUE_IO_ERROR &&
                         st != SEGUE_NO_SPACE && st != SEGUE_CORRUPT;
        bool is_quiet = st != SEGUE_OK || error_is_as_before(&p);
        if (is_answer && is_quiet) continue;
        good = false;
        if (!is_quiet) printf("not ok - %s on %s: %s: %s\n", sc->name, where->name, sc->steps[i].name, p.said);
        if (is_answer) continue;
        printf("not ok - %s on %s: %s fails by itself: %s: %s\n", sc->name, where->name, sc->steps[i].name,
               segue_status_name(st), p.err.message);
    }
    end_play(&p);
    return good;
}

void free_model(model *m)
{
    for (size_t i = 0; m->steps && i <= m->n; i++) {
        free(m->steps[i].said);
        free(m->steps[i].left);
    }
    free(m->steps);
    *m = (model){0};
}

bool same_model(const script *sc, const setting *where, const model *m, const model *plain)
{
    for (size_t i = 0; i <= m->n; i++) {
        const heard *a = &m->steps[i], *b = &plain->steps[i];
        if (a->status == b->status && strcmp(a->said, b->said) == 0 && strcmp(a->left, b->left) == 0) continue;
        printf("not ok - %s on %s: %s: %s, \"%s\", and leaves\n%swhere a plain store says %s, \"%s\", and leaves\n%s",
               sc->name, where->name, i ? sc->steps[i - 1].name : "the beginning", segue_status_name(a->status),
               a->said, a->left, segue_status_name(b->status), b->said, b->left);
        return false;
    }
    return true;
}

/* ---- with a fault ---- */

typedef struct course {
    const script *sc;
    const model *m;
    const fault *f;
    play *p;
    char *why;
    bool
        is_over; /* its outcome stayed unknown, and it was applied: the script's own state may lack what it was to learn */
} course;

static bool complain(const course *c, size_t i, const char *format, ...) __attribute__((format(printf, 3, 4)));
static bool complain(const course *c, size_t i, const char *format, ...)
{
    va_list args;
    int n = snprintf(c->why, 1024, "%s: ", c->sc->steps[i].name);
    va_start(args, format);
    (void)vsnprintf(c->why + n, 1024 - (size_t)n, format, args); /* what is too long is cut off */
    va_end(args);
    return false;
}

static bool leaves(const course *c, size_t i)
{
    char *now = list_records(c->p);
    bool same = strcmp(now, c->m->steps[i].left) == 0;
    free(now);
    return same;
}

/* The answer and what was told, as where nothing fails. */
static bool answers(const course *c, size_t i, segue_status st)
{
    const heard *h = &c->m->steps[i + 1];
    return st == h->status && strcmp(c->p->said, h->said) == 0;
}

/* ---- after a loss of power, or a kill ---- */

static int copy_one(const char *path, const struct stat *st, int type, struct FTW *ftw);
static char copy_to[128];
static size_t copy_from;

static int copy_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    char to[512];
    static char block[65536];
    (void)st;
    if (ftw->level == 0) return 0;
    (void)snprintf(to, sizeof to, "%s%s", copy_to, path + copy_from); /* fits */
    if (type == FTW_D) return mkdir(to, 0755);
    size_t n = strlen(path);
    if (n > 4 && strcmp(path + n - 4, "-shm") == 0) return 0; /* made again by whoever comes first */
    FILE *in = fopen(path, "rb"), *out = fopen(to, "wb");
    while (in && out && (n = fread(block, 1, sizeof block, in)) > 0)
        (void)fwrite(block, 1, n, out); /* it shows later */
    if (in) (void)fclose(in);           /* as above */
    return !in || !out || fclose(out) != 0;
}

/* What is in the files of a play, as they are, or as they would be after a loss of power: opened by somebody else. */
static char *list_image(const play *p, bool power_is_lost)
{
    static play image;
    segue_phase phase = SEGUE_PHASE_FORWARD;
    make_play(&image, p->where);
    (void)snprintf(copy_to, sizeof copy_to, "%s", image.folder); /* it fits */
    copy_from = strlen(p->folder);
    int failed = nftw(p->folder, copy_one, 16, FTW_PHYS);
    seg_assert(!failed && (!power_is_lost || test_disk_after_power_loss(image.folder)));
    if (p->f) must(p, segue_dual_phase(p->s, &phase));
    open_world(&image, phase == SEGUE_PHASE_HOLD ? SEGUE_PHASE_FORWARD : phase);
    char *text = list_records(&image);
    end_play(&image);
    return text;
}

/* Both images hold what step i leaves; or, if the outcome is open, what it would leave. */
static bool images_hold(const course *c, size_t i, bool is_open)
{
    static const char *const names[] = {"a kill", "a loss of power"};
    bool good = true;
    for (int lost = 0; lost < 2 && good && c->p->below_p; lost++) {
        char *now = list_image(c->p, lost);
        good = strcmp(now, c->m->steps[i].left) == 0 || (is_open && strcmp(now, c->m->steps[i + 1].left) == 0);
        if (!good)
            good = complain(c, i ? i - 1 : 0, "after %s there is\n%s, not\n%s", names[lost], now, c->m->steps[i].left);
        free(now);
    }
    return good;
}

/* A run of many calls tries again, and may give up with its place kept. */
static bool gives_up(const course *c, size_t i, segue_status st)
{
    if (!(c->sc->steps[i].flags & STEP_PARTIAL)) return false;
    return st == SEGUE_NOT_FINISHED || st == SEGUE_DIFFERENT ||
           ((c->f->of_disk || c->f->needs_store) && st == SEGUE_UNAVAILABLE);
}

static bool judge_answer(const course *c, size_t i, segue_status st)
{
    bool is_read = (c->sc->steps[i].flags & STEP_READS) && st == SEGUE_MAYBE_APPLIED;
    if (is_read || (!c->f->may_answer(c->f, st) && !gives_up(c, i, st)))
        return complain(c, i, "answered %s (%s) \"%s\", and without a fault it is %s \"%s\"", segue_status_name(st),
                        c->p->err.message, c->p->said, segue_status_name(c->m->steps[i + 1].status),
                        c->m->steps[i + 1].said);
    if (c->p->err.status != st || !c->p->err.message[0])
        return complain(c, i, "answered %s without a sentence (%s: \"%s\")", segue_status_name(st),
                        segue_status_name(c->p->err.status), c->p->err.message);
    return true;
}

/* It was met by the fault and is healed. */
static bool judge(course *c, size_t i, segue_status st, const play *before)
{
    bool partial = c->sc->steps[i].flags & STEP_PARTIAL;
    if (answers(c, i, st)) return true; /* harmless */
    if (!judge_answer(c, i, st)) return false;
    if (c->p->cas != before->cas || c->p->value != before->value)
        return complain(c, i, "answered %s and has changed its outputs", segue_status_name(st));
    bool as_before = leaves(c, i), as_after = leaves(c, i + 1);
    if (c->f->of_disk && !partial && !images_hold(c, i, st == SEGUE_MAYBE_APPLIED)) return false;
    if (st == SEGUE_MAYBE_APPLIED && as_after && !as_before && !partial) {
        c->is_over = true;
        return true;
    }
    if (!as_before && !partial) {
        char *now = list_records(c->p);
        bool good = complain(c, i, "answered %s (%s) and has changed\n%sto\n%s", segue_status_name(st),
                             c->p->err.message, c->m->steps[i].left, now);
        free(now);
        return good;
    }
    segue_error first = c->p->err;
    st = take(c->p, &c->sc->steps[i]);
    if (answers(c, i, st)) return true;
    return complain(c, i, "after %s (%s) a retry says %s (%s) \"%s\", not %s \"%s\"", segue_status_name(first.status),
                    first.message, segue_status_name(st), c->p->err.message, c->p->said,
                    segue_status_name(c->m->steps[i + 1].status), c->m->steps[i + 1].said);
}

static bool play_steps(course *c, bool *ret_fired)
{
    static play before;
    for (size_t i = 0; i < c->sc->n_steps && !c->is_over; i++) {
        before.cas = c->p->cas;
        before.value = c->p->value;
        segue_status st = take(c->p, &c->sc->steps[i]);
        if (!*ret_fired && c->f->fired(c->f, c->p)) {
            *ret_fired = true;
            c->f->heal(c->f, c->p);
            if (!judge(c, i, st, &before)) return false;
        } else if (!answers(c, i, st)) {
            return complain(c, i, "%s: answered %s (%s) \"%s\", not %s \"%s\"",
                            *ret_fired ? "after the fault" : "before any fault", segue_status_name(st),
                            c->p->err.message, c->p->said, segue_status_name(c->m->steps[i + 1].status),
                            c->m->steps[i + 1].said);
        }
    }
    return true;
}

verdict play_with_fault(const script *sc, const setting *where, const model *m, const fault *f, long nth,
                        bool persistent, char why[1024])
{
    static play p;
    course c = {.sc = sc, .m = m, .f = f, .p = &p, .why = why};
    bool fired = false;
    size_t open_files = count_open_files();
    long live = atomic_load(&test_memory_live), sqlite_live = atomic_load(&test_sqlite_memory_live);
    begin_play(&p, sc, where);
    f->arm(f, &p, nth, persistent);
    bool held = play_steps(&c, &fired);
    f->heal(f, &p);
    if (held && !c.is_over && !leaves(&c, sc->n_steps))
        held = complain(&c, sc->n_steps - 1, "in the end there is not what there should be");
    if (held && f->of_disk && fired && !c.is_over) held = images_hold(&c, sc->n_steps, false);
    end_play(&p);
    test_disk_watch(NULL);
    live = atomic_load(&test_memory_live) - live;
    sqlite_live = atomic_load(&test_sqlite_memory_live) - sqlite_live;
    if (held && (live || sqlite_live))
        held = complain(&c, sc->n_steps - 1, "in the end %ld blocks of memory are left, and %ld of SQLite's", live,
                        sqlite_live);
    open_files = count_open_files() - open_files;
    if (held && (open_files || atomic_load(&test_disk_open_files)))
        held = complain(&c, sc->n_steps - 1, "in the end %zu descriptors are open, and %ld files of SQLite", open_files,
                        atomic_load(&test_disk_open_files));
    return !held ? FAILED : fired ? HELD : NOT_REACHED;
}
