/* Of test_model.c: random things to ask for; texts, paths and CASes that often fit what is there, and sometimes nothing. */
#include "model/world.h"

#include <stdio.h>
#include <string.h>

unsigned model_pick(world *w, unsigned n)
{
    w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(w->random >> 33) % n;
}

const char *model_key_text(unsigned key)
{
    static const char *const keys[MODEL_KEYS] = {"a", "aa", "ab", "b", "c"};
    return keys[key];
}

segue_slice model_slice_of(const char *text)
{
    segue_slice none = {0};
    return text ? segue_bytes(text, strlen(text)) : none;
}

const char *ask_body(world *w)
{
    static const char *const bodies[] = {"{}",
                                         "{\"a\":1}",
                                         "{\"a\":{\"b\":[1,2,{\"c\":null}]},\"x\":\"s\"}",
                                         "[1,[2],{\"a\":3}]",
                                         "{\"a\":null,\"l\":[]}",
                                         "7",
                                         "18446744073709551615",
                                         "18446744073709551616",
                                         "-1",
                                         "null",
                                         "\"text\"",
                                         "raw",
                                         "{\"a\":",
                                         "",
                                         NULL};
    return ONE_OF(w, bodies);
}

const char *ask_value(world *w)
{
    static const char *const values[] = {"1",     "null", "\"s\"", "[]", "[1,{\"b\":2}]", "{\"b\":{}}", "true", "{}",
                                         "[[3]]", "\"\"", "{",     NULL};
    return values[model_pick(w, model_pick(w, 6) ? 10 : 12)];
}

segue_expiry ask_expiry(world *w)
{
    segue_expiry e = {0};
    unsigned n = model_pick(w, 10);
    if (n == 0) e = segue_expiry_none();
    if (n == 1) e = segue_expiry_keep();
    if (n == 2) e = segue_expiry_u32(100 * (1 + model_pick(w, 3)));
    if (n == 3) e = segue_expiry_u32(w->model.now / 1000 * 1000 + 1000 * (1 + model_pick(w, 3)));
    if (n == 4) e = segue_expiry_at(w->model.now - 3 + model_pick(w, 5));
    if (n > 1 && n < 5) e.keep_if_live = model_pick(w, 4) == 0;
    return e;
}

uint64_t ask_cas(world *w)
{
    const model_doc *d = model_get(&w->model, w->key);
    unsigned n = model_pick(w, 8);
    if (n == 0) return 0;
    if (n == 1) return d->cas + 1;
    if (n == 2) return w->model.docs[model_pick(w, MODEL_KEYS)].cas;
    return d->cas;
}

/* Steps from this place on behind what stands there. */
static void add_steps(world *w, model_path *p, unsigned most)
{
    static const char *const names[] = {"a", "b", "x", "l", "c", "a.b", "q`"};
    static const char *const written[] = {"a", "b", "x", "l", "c", "`a.b`", "`q```"};
    for (unsigned more = model_pick(w, most + 1); more > 0 && p->n < MODEL_STEPS; more--, p->n++) {
        size_t at = strlen(p->text);
        if (model_pick(w, 3) == 0 && p->n) {
            p->steps[p->n].index = (int)model_pick(w, 4) - 1;
            (void)snprintf(p->text + at, sizeof p->text - at, "[%d]", p->steps[p->n].index); /* it fits */
        } else {
            unsigned n = model_pick(w, model_pick(w, 3) ? 5 : 7);
            (void)snprintf(p->steps[p->n].name, sizeof p->steps[p->n].name, "%s", names[n]);        /* it fits */
            (void)snprintf(p->text + at, sizeof p->text - at, "%s%s", p->n ? "." : "", written[n]); /* it fits */
        }
    }
}

model_path ask_body_path(world *w)
{
    static const char *const wrong[] = {"", ".a", "a.", "a..b", "a[", "a[x]", "a[-2]", "a[01]", "`a", "a]", "a`b`"};
    model_path p = {.is_valid = true};
    if (model_pick(w, 30) == 0) {
        p.is_valid = false;
        (void)snprintf(p.text, sizeof p.text, "%s", ONE_OF(w, wrong)); /* it fits */
        return p;
    }
    if (model_pick(w, 8) == 0) {
        p.steps[0].index = (int)model_pick(w, 4) - 1;
        (void)snprintf(p.text, sizeof p.text, "[%d]", p.steps[0].index); /* it fits */
        p.n = 1;
    }
    add_steps(w, &p, 3);
    if (p.n == 0) {
        p.n = 1;
        p.steps[0].name[0] = p.text[0] = 'a';
    }
    return p;
}

model_path ask_xattr_path(world *w, unsigned most)
{
    model_path p = {.is_valid = true, .n = 1};
    const char *name = model_names[model_pick(w, MODEL_XATTRS)];
    (void)snprintf(p.text, sizeof p.text, "%s", name);                   /* it fits */
    (void)snprintf(p.steps[0].name, sizeof p.steps[0].name, "%s", name); /* it fits */
    add_steps(w, &p, most);
    return p;
}

model_edit ask_edit(world *w, unsigned most_set, unsigned most_drop)
{
    model_edit e = {0};
    for (unsigned n = model_pick(w, most_set + 1); e.n_set < n; e.n_set++) {
        e.set[e.n_set].path = ask_xattr_path(w, model_pick(w, 2) * 2);
        e.set[e.n_set].value = ask_value(w);
    }
    for (unsigned n = model_pick(w, most_drop + 1); e.n_drop < n; e.n_drop++)
        e.drop[e.n_drop] = ask_xattr_path(w, model_pick(w, 2) * 2);
    return e;
}

segue_xattr_write model_write_of(world *w, const model_edit *e, const char *body, segue_expiry expiry,
                                 segue_macro macros[2])
{
    segue_xattr_write write = {.body = model_slice_of(body),
                               .set = w->xattrs,
                               .n_set = e->n_set,
                               .drop = w->drops,
                               .n_drop = e->n_drop,
                               .expiry = expiry,
                               .macros = macros};
    for (unsigned i = 0; i < e->n_set; i++)
        w->xattrs[i] = (segue_xattr){model_slice_of(e->set[i].path.text), model_slice_of(e->set[i].value)};
    for (unsigned i = 0; i < e->n_drop; i++) w->drops[i] = model_slice_of(e->drop[i].text);
    if (e->cas_macro) macros[write.n_macros++] = (segue_macro){model_slice_of(e->cas_macro->text), SEGUE_MACRO_CAS};
    if (e->crc_macro)
        macros[write.n_macros++] = (segue_macro){model_slice_of(e->crc_macro->text), SEGUE_MACRO_BODY_CRC32C};
    return write;
}

void ask_macros(world *w, model_edit *e, model_path paths[2])
{
    for (unsigned i = 0; i < 2; i++) {
        paths[i] = ask_xattr_path(w, 0);
        (void)snprintf(paths[i].text, sizeof paths[i].text, "%s.m%u", paths[i].steps[0].name, i); /* it fits */
        (void)snprintf(paths[i].steps[1].name, sizeof paths[i].steps[1].name, "m%u", i);          /* it fits */
        paths[i].n = 2;
    }
    if (model_pick(w, 4) == 0) e->cas_macro = &paths[0];
    if (model_pick(w, 4) == 0) e->crc_macro = &paths[1];
}
