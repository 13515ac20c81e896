/* L5: the built-in policy "sync-gateway": the families of records that Sync Gateway keeps beside its documents, for one
 * database or for every database that `_sync:registry` names. docs/migration.md has the table. Pure but for one read.
 * */
#include "base/base.h"
#include "migrate/policy.h"
#include "store/call.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>

#define DEFAULT_ID "_default"
#define DEFAULT_GROUP "default"
#define DEFAULT_COLLECTION "_default._default"

/* Families whose keys are `_sync:T:...` in the default database and `_sync:T:ID:...` in a namespaced one. */
static const char *const inner_families[] = {"user", "role", "useremail", "session", "dcp_ck"};
/* Families whose keys are `_sync:T...` and `_sync:m_ID:T...`, by the beginning of the rest. */
static const struct {
    const char *name, *beginning;
} outer_families[] = {
    {"sgrStatus", "sgrStatus"},
    {"cfg", "cfg"},
    {"background_process", "background_process:heartbeat"},
    {"background_process", "background_process:status"},
    {"resync_hb", "resync_hb"},
    {"resync_cfg", "resync_cfg"},
    {"unusedSeq", "unusedSeq"},
};
#define N_OF(array) (sizeof(array) / sizeof(array)[0])

typedef struct making {
    segue_policy *policy;
    const char *database; /* metadata id of the rules being made; NULL: the bucket's */
    segue_error *err;
    segue_status st; /* the first failure: the rest does nothing */
} making;

/* Add a rule whose pattern is printed. */
static void add(making *m, seg_rule_kind kind, segue_action action, unsigned flags, const char *family,
                const char *format, ...) __attribute__((format(printf, 6, 7)));
static void add(making *m, seg_rule_kind kind, segue_action action, unsigned flags, const char *family,
                const char *format, ...)
{
    char pattern[1024], name[64], database[SEGUE_KEY_MAX + 1];
    if (m->st != SEGUE_OK) return;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(pattern, sizeof pattern, format, args);
    va_end(args);
    seg_assert(n >= 0);
    if ((size_t)n >= sizeof pattern) {
        m->st = seg_error_set(m->err, SEGUE_INVALID_POLICY, "sync-gateway: an id, group or collection is too long");
        return;
    }
    (void)snprintf(name, sizeof name, "%s", family);
    seg_policy_rule rule = {kind, pattern, (size_t)n, name, NULL, action, flags};
    if (m->database) {
        (void)snprintf(database, sizeof database, "%s", m->database);
        rule.database = database;
    }
    m->st = seg_policy_add(m->policy, &rule, m->err);
}

/* ---- one database ---- */

static bool is_default(const char *id) { return !id || strcmp(id, DEFAULT_ID) == 0; }

static segue_status check_id(const char *id, segue_error *err)
{
    if (id && (id[0] == '\0' || strchr(id, ':') || strlen(id) > SEGUE_KEY_MAX / 2))
        return seg_error_set(err, SEGUE_INVALID_POLICY, "sync-gateway: \"%.60s\" cannot be a metadata id", id);
    return SEGUE_OK;
}

/* group: ":G" or "". */
static void add_sync_functions(making *m, const segue_sg_database *db, const char *group)
{
    static const char *const only_default[] = {DEFAULT_COLLECTION};
    const char *const *names = db->n_collections ? db->collections : only_default;
    size_t n = db->n_collections ? db->n_collections : 1;
    for (size_t i = 0; i < n && m->st == SEGUE_OK; i++) {
        const char *dot = strpbrk(names[i], ".:");
        if (!dot || *dot == ':' || dot == names[i] || !dot[1] || strpbrk(dot + 1, ".:"))
            m->st = seg_error_set(m->err, SEGUE_INVALID_POLICY,
                                  "sync-gateway: \"%.80s\" is no collection; write scope.collection", names[i]);
        else if (strcmp(names[i], DEFAULT_COLLECTION) == 0)
            add(m, SEG_RULE_KEY, SEGUE_ACTION_MOVE, 0, "syncdata", "_sync:syncdata%s", group);
        else
            add(m, SEG_RULE_KEY, SEGUE_ACTION_MOVE, 0, "syncdata_collection", "_sync:syncdata_collection:%s%s",
                names[i], group);
    }
}

static void add_families(making *m, const char *id, const char *group)
{
    char inner[SEGUE_KEY_MAX] = "", outer[SEGUE_KEY_MAX] = "";
    bool plain = is_default(id);
    unsigned flags = plain ? SEG_RULE_EXCEPT_SIBLINGS : 0;
    if (!plain) {
        (void)snprintf(inner, sizeof inner, "%s:", id);
        (void)snprintf(outer, sizeof outer, "m_%s:", id);
    }
    const char *name = group[0] ? group + 1 : "", *colon = group[0] ? ":" : "";
    for (size_t i = 0; i < N_OF(inner_families); i++)
        add(m, SEG_RULE_PREFIX, SEGUE_ACTION_MOVE, flags, inner_families[i], "_sync:%s:%s", inner_families[i], inner);
    add(m, SEG_RULE_KEY, SEGUE_ACTION_MOVE, 0, "state", "_sync:%sstate", outer);
    for (size_t i = 0; i < N_OF(outer_families); i++)
        add(m, SEG_RULE_PREFIX, SEGUE_ACTION_MOVE, 0, outer_families[i].name, "_sync:%s%s", outer,
            outer_families[i].beginning);
    add(m, SEG_RULE_PREFIX, SEGUE_ACTION_DROP, 0, "heartbeat", "_sync:%s%s%s%sheartbeat_timeout:", outer,
        plain ? "" : "hb:", name, colon);
    add(m, SEG_RULE_KEY, SEGUE_ACTION_COUNTER, 0, "seq", "_sync:%sseq", outer);
}

static void add_database(making *m, const segue_sg_database *db)
{
    char group[SEGUE_KEY_MAX + 1] = "";
    const char *id = is_default(db->metadata_id) ? DEFAULT_ID : db->metadata_id;
    if (m->st == SEGUE_OK) m->st = check_id(db->metadata_id, m->err);
    if (db->group && db->group[0] && strcmp(db->group, DEFAULT_GROUP) != 0)
        (void)snprintf(group, sizeof group, ":%s", db->group);
    if (m->st != SEGUE_OK) return;
    m->database = id;
    add_sync_functions(m, db, group);
    add_families(m, id, group);
    m->database = NULL;
}

/* ---- what belongs to the bucket, to the collections, to other databases ---- */

static void add_rest(making *m, bool whole_bucket)
{
    segue_action own = whole_bucket ? SEGUE_ACTION_MOVE : SEGUE_ACTION_LEAVE;
    unsigned last = whole_bucket ? SEG_RULE_LAST : 0;
    static const char *const collection_data[] = {"att", "att2", "rev", "rb", "local"};
    static const char *const others[] = {"user:",
                                         "role:",
                                         "useremail:",
                                         "session:",
                                         "dcp_ck:",
                                         "sgrStatus",
                                         "cfg",
                                         "resync_hb",
                                         "resync_cfg",
                                         "unusedSeq",
                                         "background_process:heartbeat",
                                         "background_process:status",
                                         "heartbeat_timeout:",
                                         "m_"};
    add(m, SEG_RULE_KEY, own, last, "registry", "_sync:registry");
    add(m, SEG_RULE_PREFIX, own, last, "dbconfig", "_sync:dbconfig:");
    add(m, SEG_RULE_KEY, SEGUE_ACTION_LEAVE, 0, "syncInfo", "_sync:syncInfo");
    add(m, SEG_RULE_PREFIX, SEGUE_ACTION_LEAVE, 0, "other syncdata", "_sync:syncdata");
    add(m, SEG_RULE_KEY, SEGUE_ACTION_LEAVE, 0, "migration status", "_sync:metadata_migration_status");
    for (size_t i = 0; i < N_OF(collection_data); i++)
        add(m, SEG_RULE_PREFIX, SEGUE_ACTION_LEAVE, 0, collection_data[i], "_sync:%s:", collection_data[i]);
    for (size_t i = 0; i < N_OF(others); i++)
        add(m, SEG_RULE_PREFIX, SEGUE_ACTION_LEAVE, 0, "another database", "_sync:%s", others[i]);
    add(m, SEG_RULE_KEY, SEGUE_ACTION_LEAVE, 0, "another database", "_sync:state");
    add(m, SEG_RULE_KEY, SEGUE_ACTION_LEAVE, 0, "another database", "_sync:seq");
    add(m, SEG_RULE_GLOB, SEGUE_ACTION_LEAVE, 0, "another database", "_sync:*:heartbeat_timeout:*");
    add(m, SEG_RULE_OUTSIDE, SEGUE_ACTION_LEAVE, 0, "not metadata", "_sync:");
}

static segue_status finish(making *m, bool whole_bucket, segue_policy **ret_policy)
{
    add_rest(m, whole_bucket);
    if (m->st == SEGUE_OK) m->st = seg_policy_finish(m->policy, SEGUE_ACTION_LEAVE, m->err);
    if (m->st == SEGUE_OK) *ret_policy = m->policy;
    else segue_policy_free(m->policy);
    return m->st;
}

static void begin(making *m, segue_error *reterr)
{
    *m = (making){.err = reterr};
    m->st = seg_policy_new(&m->policy, reterr);
    if (m->st == SEGUE_OK) m->policy->tombstones_yield = true;
}

segue_status segue_policy_sync_gateway(const segue_sg_database *database, segue_policy **ret_policy,
                                       segue_error *reterr)
{
    making m;
    begin(&m, reterr);
    for (size_t i = 0; i < database->n_sibling_ids && m.st == SEGUE_OK; i++) {
        m.st = check_id(database->sibling_ids[i], reterr);
        if (m.st == SEGUE_OK) m.st = seg_policy_add_sibling(m.policy, database->sibling_ids[i], reterr);
    }
    add_database(&m, database);
    return finish(&m, false, ret_policy);
}

/* ---- the registry ---- */

enum { COLLECTIONS_MAX = 4096 };

static void registry_is_wrong(making *m, const char *what, const char *where)
{
    m->st = seg_error_set(m->err, SEGUE_INVALID_POLICY, "_sync:registry: %s%s", what, where);
}

/* "scope.collection" for each collection of a database. */
typedef struct collections {
    const char *list[COLLECTIONS_MAX];
    size_t n;
    char texts[64 * 1024];
    size_t used;
} collections;

static bool add_scope(collections *c, const char *scope, const json_t *content)
{
    const json_t *names = json_object_get(content, "collections");
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        size_t room = sizeof c->texts - c->used;
        int size = name ? snprintf(c->texts + c->used, room, "%s.%s", scope, name) : -1;
        if (size < 0 || (size_t)size >= room || c->n == COLLECTIONS_MAX) return false;
        c->list[c->n++] = c->texts + c->used;
        c->used += (size_t)size + 1;
    }
    return true;
}

static void add_from_registry(making *m, const char *group, const char *name, const json_t *entry)
{
    const char *id = json_string_value(json_object_get(entry, "metadata_id"));
    const char *scope;
    json_t *content;
    if (!id || !id[0]) {
        /* What is left of a database that was deleted has the version 0-0 and may have no id. */
        const char *version = json_string_value(json_object_get(entry, "version"));
        if (!version || strcmp(version, "0-0") != 0)
            registry_is_wrong(m, "there is no metadata_id for database ", name);
        return;
    }
    collections *c = seg_alloc_zero(sizeof *c);
    if (!c) {
        m->st = seg_error_set(m->err, SEGUE_NO_MEMORY, "out of memory for a policy");
        return;
    }
    json_object_foreach(json_object_get(entry, "scopes"), scope, content)
    {
        if (!add_scope(c, scope, content))
            registry_is_wrong(m, "the collections cannot be understood of database ", name);
    }
    segue_sg_database db = {.metadata_id = id, .group = group, .collections = c->list, .n_collections = c->n};
    add_database(m, &db);
    seg_free(c);
}

/* Call fn for each database of each config group. */
static void each_database(making *m, json_t *root, void (*fn)(making *, const char *, const char *, const json_t *))
{
    const char *group, *name;
    json_t *content, *entry;
    json_t *groups = json_object_get(root, "config_groups");
    if (!json_is_object(groups)) registry_is_wrong(m, "it has no config_groups", "");
    json_object_foreach(groups, group, content)
    {
        json_object_foreach(json_object_get(content, "databases"), name, entry)
        {
            if (m->st == SEGUE_OK) fn(m, group, name, entry);
        }
    }
}

static void add_as_sibling(making *m, const char *group, const char *name, const json_t *entry)
{
    (void)group;
    (void)name; /* add_from_registry complains about a missing id */
    const char *id = json_string_value(json_object_get(entry, "metadata_id"));
    if (!id || !id[0] || is_default(id)) return;
    m->st = check_id(id, m->err);
    if (m->st == SEGUE_OK) m->st = seg_policy_add_sibling(m->policy, id, m->err);
}

static segue_status from_registry(segue_slice body, segue_policy **ret_policy, segue_error *reterr)
{
    making m;
    json_error_t where;
    json_t *root = json_loadb(body.data, body.size, 0, &where);
    if (!root) return seg_error_set(reterr, SEGUE_INVALID_POLICY, "_sync:registry is no JSON: %s", where.text);
    begin(&m, reterr);
    each_database(&m, root, add_as_sibling);
    each_database(&m, root, add_from_registry);
    segue_status st = finish(&m, true, ret_policy);
    json_decref(root);
    return st;
}

static segue_status read_registry(segue_store *store, segue_doc *doc, segue_error *reterr)
{
    return segue_get(store, segue_str("_sync:registry"), NULL, doc, reterr);
}

segue_status segue_policy_sync_gateway_bucket(segue_store *from, segue_store *to, segue_policy **ret_policy,
                                              segue_error *reterr)
{
    SEG_AUTO(segue_doc) doc = {0};
    segue_status st = to ? read_registry(to, &doc, reterr) : SEGUE_NOT_FOUND;
    if (st == SEGUE_NOT_FOUND) st = read_registry(from, &doc, reterr);
    if (st == SEGUE_NOT_FOUND)
        return seg_error_set(
            reterr, st, "%s: there is no _sync:registry; name the database: its metadata id, siblings, collections",
            segue_store_url(from));
    return st == SEGUE_OK ? from_registry(doc.rec.body, ret_policy, reterr) : st;
}
