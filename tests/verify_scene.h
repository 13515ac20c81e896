/* For tests of verification: a migration, what has happened since, and what is then told. Header only; one thread. */
#ifndef VERIFY_SCENE_H
#define VERIFY_SCENE_H

#include "sweep_scene.h"

/* Nobody acts in between: and all is done on one thread. */
static inline seg_sched_strike go_on(seg_sched_kind kind, const void *object, uint64_t part, bool may_fail)
{
    (void)kind, (void)object, (void)part, (void)may_fail;
    return SEG_SCHED_GO;
}

typedef struct verify_case {
    const char *name,
        *how; /* as of a page; "sealed", "clean" or only verified; "wide" pages; "repair"; "norun": there was no migration */
    const char *p, *f;
    const char *p_later, *f_later, *p_lost, *f_lost; /* after the run; keys that are erased */
    trouble trouble;
    const char *told, *left, *said;
} verify_case;

static inline void tell(void *ctx, const segue_difference *d)
{
    char *out = ctx;
    append(out, "%s%s%s: %s", out[0] ? "; " : "", segue_difference_name(d->kind), d->repaired ? ", repaired" : "",
           d->text);
}

static inline void open_run(sweep *w, const verify_case *c)
{
    const char *how = c->how;
    *w = (sweep){.options = {.keep = strstr(how, "keep"), .page_docs = 2, .stale_ns = 1, .hold_clean = true}};
    if (strstr(how, "wide")) w->options.page_docs = 100;
    w->options.hold_seal = !strstr(how, "sealed") && !strstr(how, "clean");
    w->options.hold_clean = !strstr(how, "clean");
    sweep_open(w, strstr(how, "one") ? ONE_ENGINE : TWO_ENGINES, strstr(how, "own") ? "-keep_cas" : "", c->p, c->f);
    if (!strstr(how, "norun")) OK(&w->s, segue_migration_run(w->m, &w->s.err));
}

static inline void verify_later(sweep *w, const verify_case *c)
{
    put(&w->s, P, c->p_later);
    put(&w->s, F, c->f_later);
    for (const char *k = c->p_lost; k && *k; k++) erase_plainly(w, P, (char[]){*k, 0});
    for (const char *k = c->f_lost; k && *k; k++) erase_plainly(w, F, (char[]){*k, 0});
    if (strstr(c->how, "newer")) w->options.on_foreign_write = SEGUE_FOREIGN_NEWER;
    if (strstr(c->how, "primary")) w->options.on_foreign_write = SEGUE_FOREIGN_PRIMARY;
    if (!strstr(c->how, "norun")) w->options.keep = false; /* the migration knows */
    segue_migration_close(w->m);
    w->m = NULL;
    OK(&w->s, segue_migration_open(w->s.sides[F], w->s.sides[P], &w->options, &w->m, &w->s.err));
    sweep_trouble(w, c->trouble);
}

#endif
