/* The store in memory against the plain model of tests/model: random calls of <segue/ops.h>, each with what the model says, and
 * after each call the same documents, now and then the same scans, feeds, reaping and purges. SEGUE_OPERATIONS: how many on
 * each of two such stores (make differential: a million). SEGUE_SEED: this seed only; a failure prints its seed and step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <segue/feed.h>
#include <segue/ops.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/world.h"

enum { STEPS = 400, OPERATIONS = 100000, CALLS_MAX = 48, N_STATUSES = 64 };

/* Which calls were made, and what they answered. */
static struct {
    const char *call;
    uint64_t answers[N_STATUSES];
} tally[CALLS_MAX];
static uint64_t n_operations;

static void count(const char *call, segue_status st)
{
    unsigned i = 0;
    while (tally[i].call && strcmp(tally[i].call, call) != 0)
        if (++i == CALLS_MAX) fail_msg("more than %d calls", CALLS_MAX);
    tally[i].call = call;
    assert_true((unsigned)st < N_STATUSES);
    tally[i].answers[st]++;
}

#define FAIL(w, ...)                                                                                                   \
    do {                                                                                                               \
        print_error("seed %" PRIu64 ", step %u, %s of %s: ", (w)->seed, (w)->step, (w)->call,                          \
                    model_key_text((w)->key));                                                                         \
        fail_msg(__VA_ARGS__);                                                                                         \
    } while (0)
#define MUST(w, expression)                                                                                            \
    do {                                                                                                               \
        segue_status must_ = (expression);                                                                             \
        if (must_ != SEGUE_OK) FAIL(w, "%s: %s: %s", #expression, segue_status_name(must_), (w)->err.message);         \
    } while (0)

static int64_t wall_ns(void *ctx) { return INT64_C(1800000000) * 1000000000 + ((world *)ctx)->skew_ns; }
static int64_t mono_ns(void *ctx) { return wall_ns(ctx); }
static void sleep_ns(void *ctx, int64_t ns) { ((world *)ctx)->skew_ns += ns; }
static void random_bytes(void *ctx, void *out, size_t size)
{
    (void)ctx;
    segue_env_default()->random(NULL, out, size);
}

/* ---- comparing ---- */

static bool same_text(segue_slice have, const char *want)
{
    return have.size == strlen(want) && (have.size == 0 || memcmp(have.data, want, have.size) == 0);
}

static void same_xattrs(world *w, const segue_record *rec, const model_doc *d)
{
    size_t n = 0;
    for (unsigned i = 0; i < MODEL_XATTRS; i++) {
        const segue_xattr *x = segue_record_xattr(rec, segue_str(model_names[i]));
        n += x != NULL;
        if (!x && d->xattrs[i][0])
            FAIL(w, "%s has no xattr %s, the model %s", model_key_text(w->key), model_names[i], d->xattrs[i]);
        if (x && !same_text(x->value, d->xattrs[i]))
            FAIL(w, "xattr %s is %.*s, the model says \"%s\"", model_names[i], (int)x->value.size, x->value.data,
                 d->xattrs[i]);
    }
    if (n != rec->n_xattrs) FAIL(w, "there are %zu xattrs, %zu known", rec->n_xattrs, n);
}

static void same_record(world *w, const segue_record *rec, const model_doc *d, bool with_body, bool with_xattrs)
{
    if (rec->is_tombstone == d->live) FAIL(w, "live is %d, the model says %d", !rec->is_tombstone, d->live);
    if (with_body && (!same_text(rec->body, d->body) || (rec->body.data != NULL) != d->live))
        FAIL(w, "the body is \"%.*s\", the model says \"%s\"", (int)rec->body.size, rec->body.data, d->body);
    if (with_xattrs) same_xattrs(w, rec, d);
    if (rec->cas != d->cas || rec->revision != d->revision)
        FAIL(w, "CAS %" PRIx64 ", revision %" PRIu64 ", the model says %" PRIx64 ", %" PRIu64, rec->cas, rec->revision,
             d->cas, d->revision);
    if (rec->expiry != d->expiry || rec->flags != d->flags || rec->is_json != d->is_json)
        FAIL(w, "expiry %u, flags %u, JSON %d, the model says %u, %u, %d", rec->expiry, rec->flags, rec->is_json,
             d->expiry, d->flags, d->is_json);
}

static void compare(world *w, unsigned key)
{
    segue_doc doc = {0};
    unsigned asked = w->key;
    w->key = key;
    const model_doc *d = model_get(&w->model, key);
    segue_status st = segue_get_record(w->store, model_key_of(key), NULL, &doc, &w->err);
    if (st != (d->exists ? SEGUE_OK : SEGUE_NOT_FOUND))
        FAIL(w, "afterwards a read is %s, the model says it is there: %d", segue_status_name(st), d->exists);
    if (st == SEGUE_OK) same_record(w, &doc.rec, d, true, true);
    segue_doc_free(&doc);
    w->key = asked;
}

/* The store's answer beside the model's; cas: what the store gave out for a write, or NULL if the call tells none. */
static void answered(world *w, segue_status have, segue_status want, const uint64_t *cas)
{
    segue_doc doc = {0};
    bool wrote = w->model.wrote;
    w->model.wrote = false;
    count(w->call, have);
    if (have != want)
        FAIL(w, "%s (%s), the model says %s", segue_status_name(have), have ? w->err.message : "",
             segue_status_name(want));
    if (want == SEGUE_OK && wrote) {
        MUST(w, segue_get_record(w->store, model_key_of(w->key), NULL, &doc, &w->err));
        if (cas && doc.rec.cas != *cas) FAIL(w, "its CAS is not the one that was told");
        if (doc.rec.cas <= w->last_cas) FAIL(w, "the new CAS is not above all others");
        w->last_cas = doc.rec.cas;
        model_wrote(&w->model, doc.rec.cas);
        segue_doc_free(&doc);
    }
    for (unsigned key = 0; key < MODEL_KEYS; key++)
        if (key == w->key || w->step % 50 == 0) compare(w, key);
}

/* ---- calls: reading ---- */

static void call_get(world *w)
{
    segue_doc doc = {0};
    const model_doc *d = model_get(&w->model, w->key);
    segue_status st = segue_get(w->store, model_key_of(w->key), NULL, &doc, &w->err);
    if (st == SEGUE_OK) same_record(w, &doc.rec, d, true, true);
    segue_doc_free(&doc);
    answered(w, st, d->live ? SEGUE_OK : SEGUE_NOT_FOUND, NULL);
}

static void call_exists(world *w)
{
    bool exists = false;
    const model_doc *d = model_get(&w->model, w->key);
    segue_status st = segue_exists(w->store, model_key_of(w->key), NULL, &exists, &w->err);
    if (exists != d->live) FAIL(w, "%d, the model says %d", exists, d->live);
    answered(w, st, SEGUE_OK, NULL);
}

static void call_get_expiry(world *w)
{
    uint32_t expiry = 0;
    const model_doc *d = model_get(&w->model, w->key);
    segue_status st = segue_get_expiry(w->store, model_key_of(w->key), NULL, &expiry, &w->err);
    if (expiry != d->expiry) FAIL(w, "%u, the model says %u", expiry, d->expiry);
    answered(w, st, d->exists ? SEGUE_OK : SEGUE_NOT_FOUND, NULL);
}

static void call_subdoc_get(world *w)
{
    segue_doc doc = {0};
    segue_slice json = {0};
    char want[MODEL_TEXT];
    segue_path_in in = model_pick(w, 2) ? SEGUE_IN_BODY : SEGUE_IN_XATTR;
    model_path p = in == SEGUE_IN_BODY ? ask_body_path(w) : ask_xattr_path(w, 2);
    segue_status said = model_subdoc_get(&w->model, w->key, in, &p, want);
    segue_status st = segue_subdoc_get(w->store, model_key_of(w->key), in, segue_str(p.text), NULL, &doc, &json,
                                       &w->err);
    if (st == SEGUE_OK && said == SEGUE_OK && !same_text(json, want))
        FAIL(w, "%s is %.*s, the model says %s", p.text, (int)json.size, json.data, want);
    segue_doc_free(&doc);
    answered(w, st, said, NULL);
}

/* What the model says to names in a read: how many are there, and that the store shows the same; or the first that fails. */
static segue_status chosen(world *w, const segue_doc *doc, const model_path *paths, unsigned n, size_t *ret_n)
{
    char want[MODEL_TEXT];
    *ret_n = 0;
    for (unsigned i = 0; i < n; i++) {
        segue_status st = model_subdoc_get(&w->model, w->key, SEGUE_IN_XATTR, &paths[i], want);
        bool again = false;
        for (unsigned j = 0; j < i; j++) again = again || strcmp(paths[i].text, paths[j].text) == 0;
        if (st == SEGUE_PATH_NOT_FOUND || again) continue;
        if (st != SEGUE_OK) return st;
        ++*ret_n;
        if (!doc) continue;
        const segue_xattr *x = segue_record_xattr(&doc->rec, segue_str(paths[i].text));
        if (!x || !same_text(x->value, want))
            FAIL(w, "%s is %.*s, the model says %s", paths[i].text, x ? (int)x->value.size : 4,
                 x ? x->value.data : "none", want);
    }
    if (doc && doc->rec.n_xattrs != *ret_n) FAIL(w, "%zu xattrs, the model says %zu", doc->rec.n_xattrs, *ret_n);
    return SEGUE_OK;
}

static void call_xattrs_get(world *w)
{
    segue_doc doc = {0};
    model_path paths[MODEL_ITEMS];
    segue_slice names[MODEL_ITEMS];
    size_t n_there = 0;
    unsigned n = model_pick(w, MODEL_ITEMS + 1);
    bool with_body = model_pick(w, 2);
    const model_doc *d = model_get(&w->model, w->key);
    for (unsigned i = 0; i < n; i++) {
        paths[i] = ask_xattr_path(w, model_pick(w, 2) * 2);
        names[i] = segue_str(paths[i].text);
    }
    segue_status said = d->exists ? chosen(w, NULL, paths, n, &n_there) : SEGUE_NOT_FOUND;
    if (!with_body && n == 0) said = SEGUE_XATTRS_REQUIRED;
    if (!with_body && said == SEGUE_OK && n_there == 0) said = SEGUE_XATTR_NOT_FOUND;
    if (with_body && said == SEGUE_OK && n_there == 0 && !d->live) said = SEGUE_NOT_FOUND;
    w->call = with_body ? "get_with_xattrs" : "xattrs_get";
    segue_status st = with_body ? segue_get_with_xattrs(w->store, model_key_of(w->key), names, n, NULL, &doc, &w->err)
                                : segue_xattrs_get(w->store, model_key_of(w->key), names, n, NULL, &doc, &w->err);
    if (st == SEGUE_OK && said == SEGUE_OK) {
        MUST(w, chosen(w, &doc, paths, n, &n_there));
        same_record(w, &doc.rec, d, with_body, false);
    }
    if (with_body && st == SEGUE_NOT_FOUND && doc.rec.cas != d->cas) FAIL(w, "a tombstone's CAS is not told");
    segue_doc_free(&doc);
    answered(w, st, said, NULL);
}

static void call_virtual(world *w)
{
    static const char *const fields[] = {"$document.CAS",   "$document.revid",       "$document.exptime",
                                         "$document.flags", "$document.value_bytes", "$document.deleted"};
    segue_doc doc = {0};
    char want[40];
    unsigned field = model_pick(w, 6);
    segue_slice name = segue_str(fields[field]);
    const model_doc *d = model_get(&w->model, w->key);
    if (field == 0) (void)snprintf(want, sizeof want, "\"0x%016" PRIx64 "\"", d->cas);
    if (field == 1) (void)snprintf(want, sizeof want, "\"%" PRIu64 "\"", d->revision);
    if (field == 2) (void)snprintf(want, sizeof want, "%u", d->expiry);
    if (field == 3) (void)snprintf(want, sizeof want, "%u", d->flags);
    if (field == 4) (void)snprintf(want, sizeof want, "%zu", strlen(d->body));
    if (field == 5) (void)snprintf(want, sizeof want, "%s", d->live ? "false" : "true");
    segue_status st = segue_xattrs_get(w->store, model_key_of(w->key), &name, 1, NULL, &doc, &w->err);
    if (st == SEGUE_OK && d->exists && (doc.rec.n_xattrs != 1 || !same_text(doc.rec.xattrs[0].value, want)))
        FAIL(w, "%s is %.*s, the model says %s", fields[field], (int)doc.rec.xattrs[0].value.size,
             doc.rec.xattrs[0].value.data, want);
    segue_doc_free(&doc);
    answered(w, st, d->exists ? SEGUE_OK : SEGUE_NOT_FOUND, NULL);
}

/* ---- calls: bodies ---- */

static void call_add_or_set(world *w)
{
    uint64_t cas = 0;
    const char *body = ask_body(w);
    segue_slice slice = model_slice_of(body), key = model_key_of(w->key);
    segue_expiry e = ask_expiry(w);
    bool raw = model_pick(w, 2), add = model_pick(w, 2);
    model_json json = raw ? MODEL_LOOK : MODEL_IS_JSON;
    w->call = add ? raw ? "add_raw" : "add" : raw ? "set_raw" : "set";
    segue_status said = add ? model_add(&w->model, w->key, body, e, json) : model_set(&w->model, w->key, body, e, json);
    segue_status st = add   ? raw ? segue_add_raw(w->store, key, slice, e, NULL, &cas, &w->err)
                                  : segue_add(w->store, key, slice, e, NULL, &cas, &w->err)
                        : raw ? segue_set_raw(w->store, key, slice, e, NULL, &cas, &w->err)
                            : segue_set(w->store, key, slice, e, NULL, &cas, &w->err);
    answered(w, st, said, &cas);
}

static void call_write_cas(world *w)
{
    uint64_t cas = 0, old = ask_cas(w);
    unsigned options = model_pick(w, 2) ? model_pick(w, 8) : 0;
    const char *body = ask_body(w);
    segue_expiry e = ask_expiry(w);
    segue_status said = model_write_cas(&w->model, w->key, old, body, e, options);
    answered(
        w, segue_write_cas(w->store, model_key_of(w->key), old, model_slice_of(body), e, options, NULL, &cas, &w->err),
        said, &cas);
}

static void call_append(world *w)
{
    uint64_t cas = 0;
    static const char *const fragments[] = {"1", "x", "", "}", NULL};
    const char *fragment = ONE_OF(w, fragments);
    segue_status said = model_append(&w->model, w->key, fragment);
    answered(w, segue_append(w->store, model_key_of(w->key), model_slice_of(fragment), NULL, &cas, &w->err), said,
             &cas);
}

static void call_touch(world *w)
{
    uint64_t cas = 0;
    segue_expiry e = ask_expiry(w);
    segue_status said = model_touch(&w->model, w->key, e);
    answered(w, segue_touch(w->store, model_key_of(w->key), e, NULL, &cas, &w->err), said, &cas);
}

static void call_get_and_touch(world *w)
{
    segue_doc doc = {0};
    segue_expiry e = ask_expiry(w);
    segue_status said = model_touch(&w->model, w->key, e);
    bool wrote = w->model.wrote;
    segue_status st = segue_get_and_touch(w->store, model_key_of(w->key), e, NULL, &doc, &w->err);
    uint64_t cas = doc.rec.cas;
    answered(w, st, said, wrote ? &cas : NULL);
    if (st == SEGUE_OK && model_get(&w->model, w->key)->live)
        same_record(w, &doc.rec, model_get(&w->model, w->key), true, true);
    segue_doc_free(&doc);
}

static void call_delete(world *w)
{
    segue_status said = model_delete(&w->model, w->key);
    answered(w, segue_delete(w->store, model_key_of(w->key), NULL, &w->err), said, NULL);
}

static void call_remove(world *w)
{
    uint64_t cas = 0, old = ask_cas(w);
    segue_status said = model_remove(&w->model, w->key, old);
    answered(w, segue_remove(w->store, model_key_of(w->key), old, NULL, &cas, &w->err), said, &cas);
}

static void call_incr(world *w)
{
    uint64_t value = 0, initial = model_pick(w, 2) ? 5 : UINT64_MAX - 1;
    const uint64_t *start = model_pick(w, 3) ? &initial : NULL,
                   delta = model_pick(w, 4) ? model_pick(w, 3) : UINT64_MAX;
    segue_expiry e = ask_expiry(w);
    segue_status said = model_incr(&w->model, w->key, delta, start, e);
    segue_status st = segue_incr(w->store, model_key_of(w->key), delta, start, e, NULL, &value, &w->err);
    if (st == SEGUE_OK && said == SEGUE_OK && value != w->model.counter)
        FAIL(w, "%" PRIu64 ", the model says %" PRIu64, value, w->model.counter);
    answered(w, st, said, NULL);
}

/* ---- calls: paths and xattrs ---- */

static void call_subdoc(world *w)
{
    static const char *const names[] = {"subdoc_set", "subdoc_insert", "subdoc_delete", "subdoc_append"};
    uint64_t cas = 0, old = ask_cas(w);
    segue_path_action action = (segue_path_action)model_pick(w, 4);
    segue_expect expect = model_pick(w, 3) ? SEGUE_EXPECT_ANY : (segue_expect)model_pick(w, SEGUE_EXPECT_ABSENT + 1);
    model_path p = ask_body_path(w);
    const char *json = action == SEGUE_PATH_DELETE ? NULL : ask_value(w);
    segue_slice key = model_key_of(w->key), path = segue_str(p.text), value = model_slice_of(json);
    segue_status said = model_subdoc(&w->model, w->key, action, expect, old, &p, json), st = SEGUE_OK;
    w->call = names[action];
    switch (action) {
    case SEGUE_PATH_SET: st = segue_subdoc_set(w->store, key, expect, old, path, value, NULL, &cas, &w->err); break;
    case SEGUE_PATH_INSERT:
        st = segue_subdoc_insert(w->store, key, expect, old, path, value, NULL, &cas, &w->err);
        break;
    case SEGUE_PATH_DELETE: st = segue_subdoc_delete(w->store, key, expect, old, path, NULL, &cas, &w->err); break;
    case SEGUE_PATH_APPEND:
        st = segue_subdoc_append(w->store, key, expect, old, path, value, NULL, &cas, &w->err);
        break;
    }
    answered(w, st, said, &cas);
}

static void call_xattrs_set(world *w)
{
    uint64_t cas = 0;
    model_edit e = ask_edit(w, MODEL_ITEMS, 0);
    segue_xattr_write x = model_write_of(w, &e, NULL, (segue_expiry){0}, NULL);
    segue_status said = model_xattrs_set(&w->model, w->key, &e);
    answered(w, segue_xattrs_set(w->store, model_key_of(w->key), x.set, x.n_set, NULL, &cas, &w->err), said, &cas);
}

static void call_xattrs_update(world *w)
{
    uint64_t cas = 0, old = ask_cas(w);
    segue_expiry expiry = ask_expiry(w);
    model_edit e = ask_edit(w, MODEL_ITEMS, 0);
    segue_xattr_write x = model_write_of(w, &e, NULL, expiry, NULL);
    segue_status said = model_xattrs_update(&w->model, w->key, old, &e, expiry);
    answered(w, segue_xattrs_update(w->store, model_key_of(w->key), old, x.set, x.n_set, expiry, NULL, &cas, &w->err),
             said, &cas);
}

static void call_xattrs_remove(world *w)
{
    uint64_t cas = 0, old = ask_cas(w);
    model_edit e = ask_edit(w, 0, 2);
    segue_xattr_write x = model_write_of(w, &e, NULL, (segue_expiry){0}, NULL);
    segue_status said = model_xattrs_remove(&w->model, w->key, old, &e);
    answered(w, segue_xattrs_remove(w->store, model_key_of(w->key), old, x.drop, x.n_drop, NULL, &cas, &w->err), said,
             &cas);
}

static void call_xattrs_drop(world *w)
{
    uint64_t cas = 0;
    model_edit e = ask_edit(w, 0, 2);
    segue_xattr_write x = model_write_of(w, &e, NULL, (segue_expiry){0}, NULL);
    segue_status said = model_xattrs_drop(&w->model, w->key, &e);
    answered(w, segue_xattrs_drop(w->store, model_key_of(w->key), x.drop, x.n_drop, NULL, &cas, &w->err), said, &cas);
}

static void call_delete_with_xattrs(world *w)
{
    model_edit e = ask_edit(w, 0, 2);
    segue_xattr_write x = model_write_of(w, &e, NULL, (segue_expiry){0}, NULL);
    segue_status said = model_delete_with_xattrs(&w->model, w->key, &e);
    answered(w, segue_delete_with_xattrs(w->store, model_key_of(w->key), x.drop, x.n_drop, NULL, &w->err), said, NULL);
}

static void call_touch_xattr(world *w)
{
    uint64_t cas = 0, old = ask_cas(w);
    model_edit e = {.n_set = 1};
    e.set[0].path = ask_xattr_path(w, 2);
    e.set[0].value = ask_value(w);
    segue_status said = model_touch_xattr(&w->model, w->key, old, &e);
    answered(w,
             segue_touch_xattr(w->store, model_key_of(w->key), old, segue_str(e.set[0].path.text),
                               model_slice_of(e.set[0].value), NULL, &cas, &w->err),
             said, &cas);
}

static void call_write_with_xattrs(world *w)
{
    model_path paths[2];
    segue_macro macros[2];
    uint64_t cas = 0, old = ask_cas(w);
    segue_expiry expiry = ask_expiry(w);
    const char *body = model_pick(w, 2) ? ask_body(w) : NULL;
    model_edit e = ask_edit(w, MODEL_ITEMS, model_pick(w, 2) * 2);
    ask_macros(w, &e, paths);
    segue_xattr_write x = model_write_of(w, &e, body, expiry, macros);
    if (model_pick(w, 3)) {
        segue_status said = model_write_with_xattrs(&w->model, w->key, old, body, &e, expiry);
        answered(w, segue_write_with_xattrs(w->store, model_key_of(w->key), old, &x, NULL, &cas, &w->err), said, &cas);
        return;
    }
    w->call = "write_resurrection";
    segue_status said = model_write_resurrection(&w->model, w->key, body, &e, expiry);
    answered(w, segue_write_resurrection(w->store, model_key_of(w->key), &x, NULL, &cas, &w->err), said, &cas);
}

static void call_write_tombstone(world *w)
{
    model_path paths[2];
    segue_macro macros[2];
    uint64_t cas = 0, old = ask_cas(w);
    bool delete_body = model_pick(w, 2);
    segue_expiry expiry = ask_expiry(w);
    model_edit e = ask_edit(w, MODEL_ITEMS, model_pick(w, 2) * 2);
    ask_macros(w, &e, paths);
    segue_xattr_write x = model_write_of(w, &e, NULL, expiry, macros);
    segue_status said = model_write_tombstone(&w->model, w->key, old, delete_body, &e, expiry);
    answered(w, segue_write_tombstone(w->store, model_key_of(w->key), old, delete_body, &x, NULL, &cas, &w->err), said,
             &cas);
}

/* ---- calls: updates ---- */

typedef struct updating {
    world *world;
    const char *body; /* NULL: update deletes */
    segue_updated updated;
    segue_status answer;
} updating;

static void saw(const updating *u, const segue_record *current)
{
    world *w = u->world;
    const model_doc *d = model_get(&w->model, w->key);
    if ((current != NULL) != d->exists) FAIL(w, "the callback sees a record: %d", current != NULL);
    if (current) same_record(w, current, d, true, true);
}

static segue_status change_body(void *ctx, const segue_record *current, segue_mutation *m)
{
    updating *u = ctx;
    saw(u, current);
    m->body_op = u->body ? SEGUE_BODY_SET : SEGUE_BODY_DELETE;
    m->body = model_slice_of(u->body);
    return u->answer;
}

static void call_update(world *w)
{
    const char *body = ask_body(w);
    updating u = {.world = w, .body = body};
    segue_update_options options = {.expiry = ask_expiry(w)};
    segue_outcome outcome = {0};
    if (model_pick(w, 10) == 0) u.answer = SEGUE_REFUSED;
    w->model.wrote = false;
    const model_doc before = *model_get(&w->model, w->key);
    segue_status st = segue_update(w->store, model_key_of(w->key), change_body, &u, &options, &outcome, &w->err);
    segue_status said = u.answer ? u.answer : model_update(&w->model, w->key, body, options.expiry);
    if (st == SEGUE_OK && outcome.written != w->model.wrote) FAIL(w, "written is %d", outcome.written);
    if (st == SEGUE_OK && !outcome.written && outcome.cas != before.cas) FAIL(w, "another CAS, but nothing written");
    answered(w, st, said, outcome.written ? &outcome.cas : NULL);
}

static segue_status change_all(void *ctx, const segue_record *current, segue_updated *updated)
{
    updating *u = ctx;
    saw(u, current);
    *updated = u->updated;
    return SEGUE_OK;
}

static void call_write_update(world *w)
{
    model_path paths[2];
    segue_macro macros[2];
    segue_outcome outcome = {0};
    segue_expiry expiry = ask_expiry(w);
    bool is_tombstone = model_pick(w, 3) == 0;
    const char *body = is_tombstone || model_pick(w, 3) == 0 ? NULL : ask_body(w);
    model_edit e = ask_edit(w, MODEL_ITEMS, model_pick(w, 2) * 2);
    ask_macros(w, &e, paths);
    updating u = {.world = w, .updated = {model_write_of(w, &e, body, expiry, macros), is_tombstone}};
    const segue_update_options none = {0};
    segue_status st = segue_write_update_with_xattrs(w->store, model_key_of(w->key), change_all, &u, &none, &outcome,
                                                     &w->err);
    segue_status said = model_write_update(&w->model, w->key, body, is_tombstone, &e, expiry);
    answered(w, st, said, outcome.written ? &outcome.cas : NULL);
}

/* ---- calls: whole records, all of them ---- */

/* Any record, a tombstone too with what it cannot have, and the same for the store. */
static segue_record a_record(world *w, model_doc *d, segue_xattr xattrs[MODEL_XATTRS])
{
    static const char *const texts[] = {"", "1", "{\"m\":2}"};
    const char *body = ask_body(w);
    *d = (model_doc){.exists = true, .live = model_pick(w, 2), .revision = model_pick(w, 9), .flags = model_pick(w, 3)};
    d->is_json = model_pick(w, 2);
    d->expiry = model_pick(w, 2) ? w->model.now - 100 + 200 * model_pick(w, 3) : 0;
    if (d->live) (void)snprintf(d->body, MODEL_TEXT, "%s", body ? body : "given"); /* it fits */
    segue_record rec = {.key = model_key_of(w->key),
                        .body = model_slice_of(d->live ? d->body : NULL),
                        .is_tombstone = !d->live,
                        .revision = d->revision,
                        .expiry = d->expiry,
                        .flags = d->flags,
                        .is_json = d->is_json,
                        .xattrs = xattrs};
    for (unsigned i = 0; i < (d->live ? MODEL_XATTRS : 2); i++) {
        (void)snprintf(d->xattrs[i], MODEL_TEXT, "%s", ONE_OF(w, texts)); /* it fits */
        if (d->xattrs[i][0]) xattrs[rec.n_xattrs++] = (segue_xattr){segue_str(model_names[i]), segue_str(d->xattrs[i])};
    }
    return rec;
}

static void call_put_record(world *w)
{
    model_doc d;
    segue_xattr xattrs[MODEL_XATTRS];
    uint64_t cas = 0;
    bool replace = model_pick(w, 2);
    segue_record rec = a_record(w, &d, xattrs);
    if (model_pick(w, 3) == 0) rec.cas = d.cas = w->last_cas + 1 + model_pick(w, 3);
    if (model_pick(w, 20) == 0) rec.cas = d.cas = UINT64_MAX - model_pick(w, 2) * (UINT64_C(1) << 63);
    segue_status said = rec.cas >> 62 ? SEGUE_INVALID_ARGUMENT : model_put(&w->model, w->key, &d, replace);
    if (model_get(&w->model, w->key)->exists && !replace && !w->model.wrote) said = SEGUE_EXISTS;
    segue_status st = segue_put_record(w->store, &rec, replace ? SEGUE_PUT_REPLACE : 0, NULL, &cas, &w->err);
    if (st == SEGUE_OK && rec.cas && cas != rec.cas) FAIL(w, "another CAS than the given one");
    answered(w, st, said, &cas);
}

static void call_put_with_meta(world *w)
{
    model_doc d;
    segue_xattr xattrs[MODEL_XATTRS];
    uint64_t old = ask_cas(w);
    segue_record rec = a_record(w, &d, xattrs);
    rec.cas = UINT64_C(1000) * w->step + 1; /* below all others, and not twice */
    segue_status said = model_put_with_meta(&w->model, w->key, &d, old);
    segue_status st = segue_put_with_meta(w->store, &rec, old, NULL, &w->err);
    if (said == SEGUE_OK) model_wrote(&w->model, rec.cas);
    w->model.wrote = false;
    answered(w, st, said, NULL);
}

static void call_scan(world *w)
{
    static const char *const prefixes[] = {"", "a", "aa", "x"};
    segue_range range = {.options = model_pick(w, 16)};
    segue_scan *scan = NULL;
    const segue_record *rec = NULL;
    unsigned from = model_pick(w, MODEL_KEYS), to = model_pick(w, MODEL_KEYS), asked = w->key;
    if (model_pick(w, 2)) range.from = model_key_of(from);
    if (model_pick(w, 2)) range.to = model_key_of(to);
    if (model_pick(w, 2)) range.prefix = segue_str(ONE_OF(w, prefixes));
    bool keys_only = range.options & SEGUE_SCAN_KEYS_ONLY;
    MUST(w, segue_scan_open(w->store, &range, &scan, &w->err));
    for (unsigned key = 0; key < MODEL_KEYS; key++) { /* they are numbered in byte order */
        const model_doc *d = model_get(&w->model, key);
        bool wanted = d->live || (d->exists && (range.options & SEGUE_SCAN_TOMBSTONES));
        if (range.from.data && (key < from || (key == from && (range.options & SEGUE_SCAN_FROM_OPEN)))) wanted = false;
        if (range.to.data && (key > to || (key == to && (range.options & SEGUE_SCAN_TO_OPEN)))) wanted = false;
        if (range.prefix.data && strncmp(model_key_text(key), range.prefix.data, range.prefix.size) != 0)
            wanted = false;
        if (!wanted) continue;
        w->key = key;
        MUST(w, segue_scan_next(scan, &rec, &w->err));
        if (!same_text(rec->key, model_key_text(key))) FAIL(w, "it shows \"%.*s\"", (int)rec->key.size, rec->key.data);
        same_record(w, rec, d, !keys_only, !keys_only);
    }
    segue_status st = segue_scan_next(scan, &rec, &w->err);
    segue_scan_close(scan);
    w->key = asked;
    answered(w, st, SEGUE_END, NULL);
}

/* The document with the lowest CAS above this one; NULL: none. */
static const model_doc *next_change(world *w, uint64_t since, unsigned *ret_key)
{
    const model_doc *next = NULL;
    for (unsigned key = 0; key < MODEL_KEYS; key++) {
        const model_doc *d = model_get(&w->model, key);
        if (!d->exists || d->cas <= since || (next && d->cas > next->cas)) continue;
        next = d;
        *ret_key = key;
    }
    return next;
}

static void call_feed(world *w)
{
    uint64_t since = model_pick(w, 2) ? w->model.docs[model_pick(w, MODEL_KEYS)].cas : 0;
    unsigned flags = model_pick(w, 4), asked = w->key;
    segue_feed_options options = {.flags = flags | SEGUE_FEED_STOP_AT_END, .since = &since};
    segue_feed *feed = NULL;
    segue_feed_event event;
    MUST(w, segue_feed_open(&w->store, 1, &options, &feed, &w->err));
    for (const model_doc *d; (d = next_change(w, since, &w->key)) != NULL; since = d->cas) {
        MUST(w, segue_feed_next(feed, 0, &event, &w->err));
        if (!same_text(event.rec.key, model_key_text(w->key)))
            FAIL(w, "it tells of \"%.*s\"", (int)event.rec.key.size, event.rec.key.data);
        same_record(w, &event.rec, d, !(flags & SEGUE_FEED_NO_BODIES), !(flags & SEGUE_FEED_NO_XATTRS));
    }
    segue_status st = segue_feed_next(feed, 0, &event, &w->err);
    segue_feed_close(feed);
    w->key = asked;
    answered(w, st, SEGUE_END, NULL);
}

static void call_reap(world *w)
{
    uint64_t n = 0, want = 0;
    segue_doc doc = {0};
    segue_status st = segue_reap(w->store, 0, &n, &w->err);
    for (unsigned key = 0; key < MODEL_KEYS; key++) {
        if (!model_get(&w->model, key)->overdue) continue;
        want++;
        MUST(w, segue_get_record(w->store, model_key_of(key), NULL, &doc, &w->err));
        if (doc.rec.cas <= w->model.docs[key].cas) FAIL(w, "what is reaped has no new CAS");
        if (doc.rec.cas > w->last_cas) w->last_cas = doc.rec.cas;
        w->model.docs[key].cas = doc.rec.cas;
        w->model.docs[key].revision++;
        w->model.docs[key].overdue = false;
    }
    segue_doc_free(&doc);
    if (n != want) FAIL(w, "%" PRIu64 " were reaped, the model says %" PRIu64, n, want);
    answered(w, st, SEGUE_OK, NULL);
}

static void call_purge(world *w)
{
    uint64_t n = 0;
    segue_status st = segue_purge_tombstones(w->store, &n, &w->err);
    unsigned want = model_purge(&w->model);
    if (n != want) FAIL(w, "%" PRIu64 " were purged, the model says %u", n, want);
    answered(w, st, SEGUE_OK, NULL);
}

static void pass_time(world *w)
{
    w->skew_ns += INT64_C(1000000000) * (1 + 60 * model_pick(w, 4));
    w->model.now = (uint32_t)(wall_ns(w) / 1000000000);
    answered(w, SEGUE_OK, SEGUE_OK, NULL);
}

/* ---- */

static const struct {
    const char *name;
    void (*call)(world *w);
    unsigned weight;
} calls[] = {{"get", call_get, 2},
             {"exists", call_exists, 1},
             {"get_expiry", call_get_expiry, 1},
             {"subdoc_get", call_subdoc_get, 3},
             {"xattrs_get", call_xattrs_get, 3},
             {"virtual xattr", call_virtual, 1},
             {"set", call_add_or_set, 8},
             {"write_cas", call_write_cas, 4},
             {"append", call_append, 1},
             {"touch", call_touch, 2},
             {"get_and_touch", call_get_and_touch, 2},
             {"delete", call_delete, 2},
             {"remove", call_remove, 3},
             {"incr", call_incr, 3},
             {"subdoc", call_subdoc, 10},
             {"xattrs_set", call_xattrs_set, 4},
             {"xattrs_update", call_xattrs_update, 3},
             {"xattrs_remove", call_xattrs_remove, 2},
             {"xattrs_drop", call_xattrs_drop, 2},
             {"delete_with_xattrs", call_delete_with_xattrs, 2},
             {"touch_xattr", call_touch_xattr, 3},
             {"write_with_xattrs", call_write_with_xattrs, 8},
             {"write_tombstone", call_write_tombstone, 5},
             {"update", call_update, 4},
             {"write_update_with_xattrs", call_write_update, 6},
             {"put_record", call_put_record, 2},
             {"put_with_meta", call_put_with_meta, 1},
             {"scan", call_scan, 1},
             {"feed", call_feed, 1},
             {"reap", call_reap, 1},
             {"purge", call_purge, 1},
             {"time passes", pass_time, 3}};
enum { N_CALLS = sizeof calls / sizeof *calls };

static void step(world *w)
{
    unsigned all = 0, i = 0;
    for (unsigned j = 0; j < N_CALLS; j++) all += calls[j].weight;
    unsigned n = model_pick(w, all);
    while (n >= calls[i].weight) n -= calls[i++].weight;
    w->key = model_pick(w, MODEL_KEYS);
    if (strlen(w->model.docs[w->key].body) > MODEL_TEXT / 4) i = 11; /* a delete, before texts grow past what fits */
    w->call = calls[i].name;
    calls[i].call(w);
    n_operations++;
}

static void play(const char *url, uint64_t seed)
{
    static world w;
    memset(&w, 0, sizeof w);
    w.seed = seed;
    w.random = seed * UINT64_C(0x9E3779B97F4A7C15);
    w.env = (segue_env){&w, wall_ns, mono_ns, sleep_ns, random_bytes};
    w.model.now = (uint32_t)(wall_ns(&w) / 1000000000);
    w.call = "open";
    segue_open_options options = {&w.env, SEGUE_OPEN_NO_REAPER};
    MUST(&w, segue_open(url, &options, &w.store, &w.err));
    for (w.step = 1; w.step <= STEPS; w.step++) step(&w);
    segue_close(w.store);
}

static void does_what_the_model_says(void **state)
{
    const char *url = *state, *said = getenv("SEGUE_OPERATIONS"), *seed = getenv("SEGUE_SEED");
    uint64_t most = said ? strtoull(said, NULL, 10) : OPERATIONS, fresh = 0;
    segue_env_default()->random(NULL, &fresh, sizeof fresh);
    fresh = fresh % 1000000000 + 1000000;
    uint64_t before = n_operations, runs = (most + STEPS - 1) / STEPS;
    for (uint64_t i = 0; i < runs && !(seed && i); i++)
        play(url, seed ? strtoull(seed, NULL, 10) : i < runs / 2 ? i + 1 : fresh + i);
    print_message("model: %s %" PRIu64 " operations, new seeds from %" PRIu64 "\n", url, n_operations - before, fresh);
}

/* Every call was made, and had more than one answer where it can have. */
static void says_what_was_asked(void **state)
{
    (void)state;
    unsigned pairs = 0;
    for (unsigned i = 0; i < CALLS_MAX && tally[i].call; i++) {
        char line[400] = "";
        for (unsigned st = 0; st < N_STATUSES; st++)
            if (tally[i].answers[st]) {
                size_t n = strlen(line);
                (void)snprintf(line + n, sizeof line - n, " %s %" PRIu64, segue_status_name((segue_status)st),
                               tally[i].answers[st]); /* cut if need be */
                pairs++;
            }
        if (getenv("SEGUE_OPERATIONS")) print_message("%s:%s\n", tally[i].call, line);
    }
    print_message("model: %" PRIu64 " operations, %u pairs of a call and its answer\n", n_operations, pairs);
    if (!getenv("SEGUE_SEED")) assert_true(pairs > 100);
}

int main(void)
{
    static char plain[] = "mem:", by_loop[] = "mem:?caps=-mutate";
    const struct CMUnitTest tests[] = {cmocka_unit_test_prestate(does_what_the_model_says, plain),
                                       cmocka_unit_test_prestate(does_what_the_model_says, by_loop),
                                       cmocka_unit_test(says_what_was_asked)};
    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
