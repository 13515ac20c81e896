/* The plain model: see model.h. */
#include "model/model.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const model_names[MODEL_XATTRS] = {"_a", "_b", "u", "v"};

static bool is_system(unsigned xattr) { return model_names[xattr][0] == '_'; }

static unsigned xattr_of(const model_path *path)
{
    for (unsigned i = 0; i < MODEL_XATTRS; i++)
        if (strcmp(model_names[i], path->steps[0].name) == 0) return i;
    abort(); /* the test asks for these only */
}

static void copy(char to[MODEL_TEXT], const char *text)
{
    if (strlen(text) >= MODEL_TEXT) abort(); /* the test keeps texts short */
    memmove(to, text, strlen(text) + 1);
}

/* ---- what is there ---- */

static void die(model_doc *d)
{
    d->live = d->is_json = false;
    d->body[0] = 0;
    for (unsigned i = 0; i < MODEL_XATTRS; i++)
        if (!is_system(i)) d->xattrs[i][0] = 0;
    d->expiry = d->flags = 0;
}

/* Over nothing or a tombstone a body starts anew. */
static void live(model_doc *d, const char *body)
{
    if (!d->live) {
        for (unsigned i = 0; i < MODEL_XATTRS; i++) d->xattrs[i][0] = 0;
        d->flags = 0;
        d->expiry = 0;
    }
    d->exists = d->live = true;
    copy(d->body, body);
}

const model_doc *model_get(model *m, unsigned key)
{
    model_doc *d = &m->docs[key];
    if (d->live && d->expiry && d->expiry <= m->now) {
        die(d);
        d->overdue = true;
    }
    return d;
}

/* A copy to work on. */
static model_doc begin(model *m, unsigned key)
{
    m->wrote = false;
    m->key = key;
    return *model_get(m, key);
}

static segue_status commit(model *m, const model_doc *d)
{
    m->docs[m->key] = *d;
    m->docs[m->key].exists = true;
    m->docs[m->key].revision++;
    m->docs[m->key].overdue = false;
    m->wrote = true;
    return SEGUE_OK;
}

static void replace_all(char text[MODEL_TEXT], const char *what, const char *by)
{
    char *at;
    while ((at = strstr(text, what)) != NULL) memcpy(at, by, strlen(by)); /* they are equally long */
}

#define CAS_HERE "0xZZZZZZZZZZZZZZZZ"

void model_wrote(model *m, uint64_t cas)
{
    char little[19] = "0x";
    for (unsigned i = 0; i < 8; i++) (void)snprintf(little + 2 + 2 * i, 3, "%02x", (unsigned)(cas >> (8 * i)) & 255);
    m->docs[m->key].cas = cas;
    for (unsigned i = 0; i < MODEL_XATTRS; i++) replace_all(m->docs[m->key].xattrs[i], CAS_HERE, little);
}

/* What happens to an expiry that nothing is said about. */
typedef enum expiry_by_default { STAYS, GOES } expiry_by_default;

static uint32_t expiry_of(const model *m, segue_expiry e, bool was_live, uint32_t old, expiry_by_default by_default)
{
    if (e.keep_if_live && was_live) return old;
    if (e.op == SEGUE_EXPIRY_DEFAULT) return by_default == STAYS ? old : 0;
    if (e.op == SEGUE_EXPIRY_IN) return m->now + e.seconds;
    return e.op == SEGUE_EXPIRY_AT ? e.seconds : 0;
}

/* ---- JSON ---- */

/* A number too large for jansson is read as a real one: it stands alone, and is never printed. */
static json_t *parse(const char *text)
{
    size_t flags = JSON_DECODE_ANY | JSON_REJECT_DUPLICATES;
    json_t *tree = json_loads(text, flags, NULL);
    return tree ? tree : json_loads(text, flags | JSON_DECODE_INT_AS_REAL, NULL);
}

static bool is_json(const char *text)
{
    json_t *tree = parse(text);
    json_decref(tree);
    return tree != NULL;
}

static void print(json_t *tree, char out[MODEL_TEXT])
{
    char *text = json_dumps(tree, JSON_COMPACT | JSON_ENCODE_ANY);
    copy(out, text);
    free(text);
}

/* The child of a value where this step leads; borrowed; NULL: it is not there. */
static segue_status follow(json_t *at, const model_path *path, unsigned step, json_t **ret)
{
    const char *name = path->steps[step].name;
    *ret = NULL;
    if (name[0] ? !json_is_object(at) : !json_is_array(at)) return SEGUE_PATH_MISMATCH;
    if (name[0]) *ret = json_object_get(at, name);
    else if (path->steps[step].index >= 0) *ret = json_array_get(at, (size_t)path->steps[step].index);
    else if (json_array_size(at)) *ret = json_array_get(at, json_array_size(at) - 1);
    return *ret ? SEGUE_OK : SEGUE_PATH_NOT_FOUND;
}

static void put_child(json_t *at, const model_path *path, unsigned step, json_t *value)
{
    int index = path->steps[step].index;
    if (path->steps[step].name[0]) json_object_set_new(at, path->steps[step].name, value);
    else json_array_set_new(at, index >= 0 ? (size_t)index : json_array_size(at) - 1, value);
}

static void remove_child(json_t *at, const model_path *path, unsigned step)
{
    int index = path->steps[step].index;
    if (path->steps[step].name[0]) json_object_del(at, path->steps[step].name);
    else json_array_remove(at, index >= 0 ? (size_t)index : json_array_size(at) - 1);
}

/* Objects can be made on the way, elements of arrays cannot. */
static bool names_only(const model_path *path, unsigned from)
{
    for (unsigned i = from; i < path->n; i++)
        if (!path->steps[i].name[0]) return false;
    return true;
}

/* One change below a value, at path from this step on, which is not its end. */
static segue_status change(json_t *at, const model_path *path, unsigned step, segue_path_action action,
                           const char *json, bool parents)
{
    json_t *child;
    bool is_last = step + 1 == path->n;
    segue_status st = follow(at, path, step, &child);
    if (st == SEGUE_PATH_MISMATCH) return st;
    if (!is_last) {
        if (!child && (!parents || !names_only(path, step))) return SEGUE_PATH_NOT_FOUND;
        bool is_new = !child;
        if (is_new) child = json_object();
        else json_incref(child);
        st = change(child, path, step + 1, action, json, parents);
        if (st == SEGUE_OK && is_new) put_child(at, path, step, json_incref(child));
        json_decref(child);
        return st;
    }
    if (action == SEGUE_PATH_INSERT && child) return SEGUE_PATH_EXISTS;
    if (action == SEGUE_PATH_APPEND && child) {
        if (!json_is_array(child)) return SEGUE_PATH_MISMATCH;
        json_array_append_new(child, parse(json));
        return SEGUE_OK;
    }
    if (!child &&
        (action == SEGUE_PATH_DELETE || (action == SEGUE_PATH_APPEND && !parents) || !path->steps[step].name[0]))
        return SEGUE_PATH_NOT_FOUND;
    if (action == SEGUE_PATH_DELETE) {
        remove_child(at, path, step);
        return SEGUE_OK;
    }
    json_t *value = parse(json);
    if (action == SEGUE_PATH_APPEND) {
        json_t *array = json_array();
        json_array_append_new(array, value);
        value = array;
    }
    put_child(at, path, step, value);
    return SEGUE_OK;
}

static segue_status change_text(char text[MODEL_TEXT], const model_path *path, unsigned from, segue_path_action action,
                                const char *json, bool parents)
{
    json_t *tree = parse(text);
    if (!tree) return SEGUE_NOT_JSON;
    segue_status st = change(tree, path, from, action, json, parents);
    if (st == SEGUE_OK) print(tree, text);
    json_decref(tree);
    return st;
}

static segue_status read_text(const char *text, const model_path *path, unsigned from, char out[MODEL_TEXT])
{
    json_t *tree = parse(text), *at = tree;
    segue_status st = tree ? SEGUE_OK : SEGUE_NOT_JSON;
    for (unsigned i = from; i < path->n && st == SEGUE_OK; i++) st = follow(at, path, i, &at);
    if (st == SEGUE_OK) print(at, out);
    json_decref(tree);
    return st;
}

/* ---- what is asked for ---- */

/* CAS 0: nothing live. Else this CAS; of what has no body, a body is neither written nor deleted under it. */
static segue_status has_cas(const model_doc *d, uint64_t cas, bool wants_body)
{
    if (cas == 0) return d->live ? SEGUE_EXISTS : SEGUE_OK;
    if (!d->exists || (wants_body && !d->live)) return SEGUE_NOT_FOUND;
    return d->cas == cas ? SEGUE_OK : SEGUE_CAS_MISMATCH;
}

static segue_status is_as_expected(const model_doc *d, segue_expect expect, uint64_t cas)
{
    switch (expect) {
    case SEGUE_EXPECT_ANY: return SEGUE_OK;
    case SEGUE_EXPECT_NOT_LIVE: return d->live ? SEGUE_EXISTS : SEGUE_OK;
    case SEGUE_EXPECT_LIVE: return d->live ? SEGUE_OK : SEGUE_NOT_FOUND;
    case SEGUE_EXPECT_CAS: return cas ? has_cas(d, cas, true) : SEGUE_INVALID_ARGUMENT;
    case SEGUE_EXPECT_RECORD_CAS: return cas ? has_cas(d, cas, false) : SEGUE_INVALID_ARGUMENT;
    case SEGUE_EXPECT_ABSENT: return d->exists ? SEGUE_EXISTS : SEGUE_OK;
    }
    abort();
}

static segue_status has_values(const model_edit *e)
{
    for (unsigned i = 0; i < e->n_set; i++)
        if (!e->set[i].value) return SEGUE_XATTR_VALUE_REQUIRED;
    return SEGUE_OK;
}

/* What is wrong with it whatever is there. */
static segue_status is_sound(const model_edit *e)
{
    for (unsigned i = 0; i < e->n_set; i++) {
        if (!e->set[i].value) return SEGUE_XATTR_VALUE_REQUIRED;
        if (!is_json(e->set[i].value)) return SEGUE_INVALID_JSON;
        for (unsigned j = 0; j < e->n_drop; j++)
            if (strcmp(e->set[i].path.text, e->drop[j].text) == 0) return SEGUE_XATTR_SET_AND_DROPPED;
        for (unsigned j = 0; j < i; j++)
            if (strcmp(e->set[i].path.text, e->set[j].path.text) == 0) return SEGUE_INVALID_ARGUMENT;
    }
    return SEGUE_OK;
}

static segue_status drop_one(model_doc *d, const model_path *path)
{
    char *text = d->xattrs[xattr_of(path)];
    if (!text[0]) return SEGUE_PATH_NOT_FOUND;
    if (path->n > 1) return change_text(text, path, 1, SEGUE_PATH_DELETE, NULL, false);
    text[0] = 0;
    return SEGUE_OK;
}

static segue_status set_one(model_doc *d, const model_path *path, const char *value)
{
    char *text = d->xattrs[xattr_of(path)];
    if (path->n == 1) {
        copy(text, value);
        return SEGUE_OK;
    }
    if (!text[0]) {
        if (!names_only(path, 1)) return SEGUE_PATH_NOT_FOUND;
        copy(text, "{}");
    }
    return change_text(text, path, 1, SEGUE_PATH_SET, value, true);
}

static void crc32c(const char *body, char out[16])
{
    uint32_t crc = UINT32_MAX;
    for (; *body; body++) {
        crc ^= (unsigned char)*body;
        for (int i = 0; i < 8; i++) crc = crc & 1 ? crc >> 1 ^ UINT32_C(0x82F63B78) : crc >> 1;
    }
    (void)snprintf(out, 16, "\"0x%08x\"", (unsigned)~crc);
}

static segue_status expand(model_doc *d, const model_path *path, const char *value)
{
    char *text = d->xattrs[xattr_of(path)];
    return text[0] ? change_text(text, path, 1, SEGUE_PATH_SET, value, false) : SEGUE_PATH_NOT_FOUND;
}

/* But those that are set by name. */
static void drop_user_xattrs(model_doc *d, const model_edit *e)
{
    for (unsigned i = 0; i < MODEL_XATTRS; i++) {
        bool stays = is_system(i);
        for (unsigned j = 0; j < e->n_set; j++)
            stays = stays || (e->set[j].path.n == 1 && xattr_of(&e->set[j].path) == i);
        if (!stays) d->xattrs[i][0] = 0;
    }
}

/* Names first, then paths; of each what is dropped, then what is set; macros last. dies: the user xattrs go with the body. */
static segue_status edit(model_doc *d, const model_edit *e, bool dies, bool missing_ok, bool *ret_changed)
{
    char crc[16];
    segue_status st = SEGUE_OK;
    for (unsigned paths = 0; paths < 2; paths++) {
        for (unsigned i = 0; i < e->n_drop && st == SEGUE_OK; i++) {
            bool again = false; /* what is named twice is dropped once */
            for (unsigned j = 0; j < i; j++) again = again || strcmp(e->drop[i].text, e->drop[j].text) == 0;
            if ((e->drop[i].n > 1) != paths || again) continue;
            st = drop_one(d, &e->drop[i]);
            if (st == SEGUE_OK) *ret_changed = true;
            if (st == SEGUE_PATH_NOT_FOUND && missing_ok) st = SEGUE_OK;
        }
        if (paths && dies) drop_user_xattrs(d, e);
        for (unsigned i = 0; i < e->n_set && st == SEGUE_OK; i++) {
            if ((e->set[i].path.n > 1) != paths) continue;
            st = set_one(d, &e->set[i].path, e->set[i].value);
            *ret_changed = true;
        }
    }
    crc32c(d->body, crc);
    if (!d->live || dies) memcpy(crc, "\"0x00000000\"", 13);
    if (st == SEGUE_OK && e->cas_macro) st = expand(d, e->cas_macro, "\"" CAS_HERE "\"");
    if (st == SEGUE_OK && e->crc_macro) st = expand(d, e->crc_macro, crc);
    return st;
}

/* ---- bodies ---- */

static segue_status write_body(model *m, model_doc *d, const char *body, segue_expiry expiry, model_json json)
{
    uint32_t at = expiry_of(m, expiry, d->live, d->expiry, GOES);
    live(d, body);
    d->is_json = json == MODEL_IS_JSON || is_json(body);
    d->expiry = at;
    return commit(m, d);
}

segue_status model_add(model *m, unsigned key, const char *body, segue_expiry expiry, model_json json)
{
    model_doc d = begin(m, key);
    if (!body) return SEGUE_BODY_REQUIRED;
    return d.live ? SEGUE_EXISTS : write_body(m, &d, body, expiry, json);
}

segue_status model_set(model *m, unsigned key, const char *body, segue_expiry expiry, model_json json)
{
    model_doc d = begin(m, key);
    return body ? write_body(m, &d, body, expiry, json) : SEGUE_BODY_REQUIRED;
}

static segue_status append(model *m, model_doc *d, const char *fragment, segue_expiry expiry,
                           expiry_by_default by_default)
{
    if (!d->live) return SEGUE_NOT_FOUND;
    char whole[2 * MODEL_TEXT];
    (void)snprintf(whole, sizeof whole, "%s%s", d->body, fragment);
    copy(d->body, whole);
    d->is_json = is_json(whole);
    d->expiry = expiry_of(m, expiry, true, d->expiry, by_default);
    return commit(m, d);
}

segue_status model_write_cas(model *m, unsigned key, uint64_t cas, const char *body, segue_expiry expiry,
                             unsigned write_options)
{
    model_doc d = begin(m, key);
    if (!body) return SEGUE_BODY_REQUIRED;
    segue_status st = has_cas(&d, write_options & SEGUE_WRITE_ADD_ONLY ? 0 : cas, true);
    if (st != SEGUE_OK) return st;
    if (write_options & SEGUE_WRITE_APPEND) return append(m, &d, body, expiry, GOES);
    return write_body(m, &d, body, expiry, write_options & SEGUE_WRITE_RAW ? MODEL_LOOK : MODEL_IS_JSON);
}

segue_status model_append(model *m, unsigned key, const char *fragment)
{
    model_doc d = begin(m, key);
    segue_expiry as_it_is = {0};
    return fragment ? append(m, &d, fragment, as_it_is, STAYS) : SEGUE_BODY_REQUIRED;
}

segue_status model_touch(model *m, unsigned key, segue_expiry expiry)
{
    model_doc d = begin(m, key);
    if (!d.live) return SEGUE_NOT_FOUND;
    uint32_t at = expiry_of(m, expiry, true, d.expiry, STAYS);
    if (at == d.expiry) return SEGUE_OK;
    d.expiry = at;
    return commit(m, &d);
}

segue_status model_delete(model *m, unsigned key)
{
    model_doc d = begin(m, key);
    if (!d.live) return SEGUE_NOT_FOUND;
    die(&d);
    return commit(m, &d);
}

segue_status model_remove(model *m, unsigned key, uint64_t cas)
{
    model_doc d = begin(m, key);
    segue_status st = has_cas(&d, cas, true);
    if (st == SEGUE_OK && !d.live) st = SEGUE_NOT_FOUND;
    if (st != SEGUE_OK) return st;
    die(&d);
    return commit(m, &d);
}

segue_status model_incr(model *m, unsigned key, uint64_t delta, const uint64_t *initial, segue_expiry expiry)
{
    model_doc d = begin(m, key);
    char text[24];
    if (!d.live && !initial) return SEGUE_NOT_FOUND;
    if (d.live) {
        const char *digits = d.body; /* zeros may stand before it */
        while (digits[0] == '0' && digits[1]) digits++;
        uint64_t old = strtoull(digits, NULL, 10);
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)old); /* as it would have been stored */
        if (strcmp(text, digits) != 0) return SEGUE_NOT_A_NUMBER;
        m->counter = old + delta;
    } else {
        m->counter = *initial;
    }
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)m->counter);
    expiry.keep_if_live = true;
    return write_body(m, &d, text, expiry, MODEL_IS_JSON);
}

/* ---- paths ---- */

segue_status model_subdoc(model *m, unsigned key, segue_path_action action, segue_expect expect, uint64_t cas,
                          const model_path *path, const char *json)
{
    model_doc d = begin(m, key);
    bool by_cas = expect == SEGUE_EXPECT_CAS || expect == SEGUE_EXPECT_RECORD_CAS;
    if (by_cas && !cas) return SEGUE_INVALID_ARGUMENT;
    if (!path->is_valid) return SEGUE_INVALID_PATH;
    if (action != SEGUE_PATH_DELETE && !json) return SEGUE_INVALID_ARGUMENT;
    if (action != SEGUE_PATH_DELETE && !is_json(json)) return SEGUE_INVALID_JSON;
    segue_status st = is_as_expected(&d, expect, cas);
    if (st != SEGUE_OK) return st;
    if (!d.live && action != SEGUE_PATH_SET) return SEGUE_NOT_FOUND;
    if (!d.live) live(&d, "{}");
    st = change_text(d.body, path, 0, action, json, false);
    if (st != SEGUE_OK) return st;
    d.is_json = true;
    return commit(m, &d);
}

segue_status model_subdoc_get(model *m, unsigned key, segue_path_in in, const model_path *path, char out[MODEL_TEXT])
{
    const model_doc *d = model_get(m, key);
    if (!path->is_valid) return SEGUE_INVALID_PATH;
    if (in == SEGUE_IN_BODY) return d->live ? read_text(d->body, path, 0, out) : SEGUE_NOT_FOUND;
    if (!d->exists) return SEGUE_NOT_FOUND;
    const char *text = d->xattrs[xattr_of(path)];
    return text[0] ? read_text(text, path, 1, out) : SEGUE_PATH_NOT_FOUND;
}

/* ---- xattrs ---- */

/* Xattrs of what is there, and its expiry if it is live. */
static segue_status write_xattrs(model *m, model_doc *d, const model_edit *e, segue_expiry expiry, bool missing_ok)
{
    bool changed = false;
    if (!d->exists) return SEGUE_NOT_FOUND;
    segue_status st = edit(d, e, false, missing_ok, &changed);
    if (st != SEGUE_OK) return st;
    uint32_t at = d->live ? expiry_of(m, expiry, true, d->expiry, STAYS) : 0;
    if (!changed && at == d->expiry) return SEGUE_OK;
    d->expiry = at;
    return commit(m, d);
}

static const segue_expiry as_it_is;

segue_status model_xattrs_set(model *m, unsigned key, const model_edit *asked)
{
    model_doc d = begin(m, key);
    model_edit e = {0}; /* what comes without a value is to go */
    if (asked->n_set == 0) return SEGUE_XATTRS_REQUIRED;
    for (unsigned i = 0; i < asked->n_set; i++)
        if (asked->set[i].value) e.set[e.n_set++] = asked->set[i];
        else e.drop[e.n_drop++] = asked->set[i].path;
    segue_status st = is_sound(&e);
    return st == SEGUE_OK ? write_xattrs(m, &d, &e, as_it_is, false) : st;
}

segue_status model_xattrs_update(model *m, unsigned key, uint64_t cas, const model_edit *e, segue_expiry expiry)
{
    model_doc d = begin(m, key);
    if (e->n_set == 0) return SEGUE_XATTRS_REQUIRED;
    segue_status st = is_sound(e);
    if (st == SEGUE_OK) st = has_cas(&d, cas, false);
    return st == SEGUE_OK ? write_xattrs(m, &d, e, expiry, false) : st;
}

segue_status model_xattrs_remove(model *m, unsigned key, uint64_t cas, const model_edit *e)
{
    model_doc d = begin(m, key);
    if (e->n_drop == 0) return SEGUE_XATTRS_REQUIRED;
    segue_status st = has_cas(&d, cas, false);
    return st == SEGUE_OK ? write_xattrs(m, &d, e, as_it_is, false) : st;
}

segue_status model_xattrs_drop(model *m, unsigned key, const model_edit *e)
{
    model_doc d = begin(m, key);
    return e->n_drop ? write_xattrs(m, &d, e, as_it_is, true) : SEGUE_XATTRS_REQUIRED;
}

/* What is dropped must have been there before the body and the user xattrs went. */
static segue_status entomb(model *m, model_doc *d, const model_edit *e, bool missing_ok)
{
    bool changed = false;
    segue_status st = edit(d, e, true, missing_ok, &changed);
    d->live = d->is_json = false;
    d->body[0] = 0;
    d->expiry = d->flags = 0;
    return st == SEGUE_OK ? commit(m, d) : st;
}

segue_status model_delete_with_xattrs(model *m, unsigned key, const model_edit *e)
{
    model_doc d = begin(m, key);
    bool changed = false;
    if (!d.exists) return SEGUE_NOT_FOUND;
    if (d.live) return entomb(m, &d, e, true);
    segue_status st = edit(&d, e, false, true, &changed);
    if (st == SEGUE_OK && !changed) st = SEGUE_NOT_FOUND;
    return st == SEGUE_OK ? commit(m, &d) : st;
}

segue_status model_touch_xattr(model *m, unsigned key, uint64_t cas, const model_edit *e)
{
    model_doc d = begin(m, key);
    segue_status st = is_sound(e);
    if (st == SEGUE_OK) st = has_cas(&d, cas, false);
    return st == SEGUE_OK ? write_xattrs(m, &d, e, as_it_is, false) : st;
}

/* Body and xattrs in one write, over what may be written. */
static segue_status write_both(model *m, model_doc *d, const char *body, const model_edit *e, segue_expiry expiry,
                               bool missing_ok)
{
    bool changed = false;
    if (!body) return write_xattrs(m, d, e, expiry, missing_ok);
    uint32_t at = expiry_of(m, expiry, d->live, d->expiry, GOES);
    live(d, body);
    segue_status st = edit(d, e, false, missing_ok, &changed);
    if (st != SEGUE_OK) return st;
    d->is_json = true;
    d->expiry = at;
    return commit(m, d);
}

segue_status model_write_with_xattrs(model *m, unsigned key, uint64_t cas, const char *body, const model_edit *e,
                                     segue_expiry expiry)
{
    model_doc d = begin(m, key);
    if (!cas && e->n_drop) return SEGUE_XATTR_DROP_ON_INSERT;
    segue_status st = has_values(e);
    if (st != SEGUE_OK) return st;
    if (!body && !e->n_set && !e->n_drop) return SEGUE_XATTRS_REQUIRED;
    if (!cas && !body) return SEGUE_BODY_REQUIRED;
    st = is_sound(e);
    if (st == SEGUE_OK) st = has_cas(&d, cas, body != NULL);
    return st == SEGUE_OK ? write_both(m, &d, body, e, expiry, false) : st;
}

segue_status model_write_resurrection(model *m, unsigned key, const char *body, const model_edit *e,
                                      segue_expiry expiry)
{
    m->wrote = false;
    return body ? model_write_with_xattrs(m, key, 0, body, e, expiry) : SEGUE_BODY_REQUIRED;
}

segue_status model_write_tombstone(model *m, unsigned key, uint64_t cas, bool delete_body, const model_edit *e,
                                   segue_expiry expiry)
{
    model_doc d = begin(m, key);
    if (!e->n_set) return SEGUE_XATTRS_REQUIRED;
    if (!cas && e->n_drop) return SEGUE_XATTR_DROP_ON_INSERT;
    segue_status st = has_values(e);
    if (st == SEGUE_OK) st = is_sound(e);
    if (st != SEGUE_OK) return st;
    if (!delete_body && !cas) {
        if (d.exists) return SEGUE_EXISTS;
        d.exists = true;
        return write_xattrs(m, &d, e, as_it_is, false);
    }
    st = has_cas(&d, cas, delete_body);
    if (st == SEGUE_OK && delete_body && !d.live) st = SEGUE_NOT_FOUND;
    if (st != SEGUE_OK) return st;
    return delete_body ? entomb(m, &d, e, false) : write_xattrs(m, &d, e, expiry, false);
}

segue_status model_write_update(model *m, unsigned key, const char *body, bool is_tombstone, const model_edit *e,
                                segue_expiry expiry)
{
    model_doc d = begin(m, key);
    segue_status st = has_values(e);
    if (st != SEGUE_OK) return st;
    if (!e->n_set && (is_tombstone || (!body && !e->n_drop))) return SEGUE_XATTRS_REQUIRED;
    if (!is_tombstone && d.exists && !d.live && body && e->n_drop) return SEGUE_XATTR_DROP_ON_TOMBSTONE;
    if (!is_tombstone && !d.live && !body) return SEGUE_BODY_REQUIRED;
    st = is_sound(e);
    if (st != SEGUE_OK) return st;
    bool is_new = !d.exists;
    if (!is_tombstone) return write_both(m, &d, body, e, expiry, is_new);
    if (d.live) return entomb(m, &d, e, false);
    d.exists = true;
    return write_xattrs(m, &d, e, as_it_is, is_new);
}

segue_status model_update(model *m, unsigned key, const char *body, segue_expiry expiry)
{
    model_doc d = begin(m, key);
    if (body) return write_body(m, &d, body, expiry, MODEL_LOOK);
    if (!d.live) return SEGUE_OK;
    die(&d);
    return commit(m, &d);
}

/* ---- whole records, and all of them ---- */

segue_status model_put(model *m, unsigned key, const model_doc *doc, bool replace)
{
    model_doc d = begin(m, key);
    if (d.exists && !replace) return SEGUE_EXISTS;
    uint64_t revision = doc->revision ? doc->revision - 1 : 0;
    if (replace && !doc->cas) revision = d.revision; /* it goes on */
    d = *doc;
    d.revision = revision;
    if (!d.live) die(&d);
    return commit(m, &d);
}

segue_status model_put_with_meta(model *m, unsigned key, const model_doc *doc, uint64_t old_cas)
{
    model_doc d = begin(m, key);
    if ((d.exists ? d.cas : 0) != old_cas) return SEGUE_CAS_MISMATCH;
    uint64_t revision = d.revision;
    d = *doc;
    d.revision = revision;
    if (!d.live) die(&d);
    return commit(m, &d);
}

unsigned model_purge(model *m)
{
    unsigned n = 0;
    for (unsigned key = 0; key < MODEL_KEYS; key++) {
        const model_doc *d = model_get(m, key);
        if (!d->exists || d->live) continue;
        m->docs[key] = (model_doc){0};
        n++;
    }
    return n;
}
