/* L6: the copies of a rehearsal, and the choice of keys that its clients touch. The originals are only read. */
#include "base/base.h"
#include "base/env.h"
#include "base/url.h"
#include "cli/bulk.h"
#include "cli/rehearse.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { COPY_THREADS = 8, TOUCHED_MAX = 4096, COUNTERS_MAX = 8, SHARED_MAX = 4 };

/* ---- where ---- */

static int make_folder(seg_rehearsal *r)
{
    const char *scratch = seg_cli_value(r->cli, "scratch"), *tmp = getenv("TMPDIR");
    char path[4096];
    if (scratch) {
        if (mkdir(scratch, 0700) != 0 && errno != EEXIST)
            return seg_cli_failf(r->cli, seg_status_of_errno(errno), "the folder %s cannot be made: %s", scratch,
                                 strerror(errno));
        r->folder = seg_strdup(scratch);
    } else {
        int n = snprintf(path, sizeof path, "%s/segue-rehearsal-XXXXXX", tmp && *tmp ? tmp : "/tmp");
        if (n < 0 || (size_t)n >= sizeof path || !mkdtemp(path))
            return seg_cli_failf(r->cli, SEGUE_IO_ERROR,
                                 "no temporary folder can be made in %s: %s (--scratch names another place)",
                                 tmp && *tmp ? tmp : "/tmp", strerror(errno));
        r->made_folder = true;
        r->folder = seg_strdup(path);
    }
    return r->folder ? SEG_EXIT_DONE : seg_cli_failf(r->cli, SEGUE_NO_MEMORY, "out of memory");
}

/* Whether both originals lie in the same file or bucket: then the copies do so, too. */
static bool in_one_engine(const seg_rehearsal *r)
{
    segue_url *a = NULL, *b = NULL;
    bool same = seg_url_parse(segue_store_url(r->sides.from), &a, NULL) == SEGUE_OK &&
                seg_url_parse(seg_cli_value(r->cli, "to"), &b, NULL) == SEGUE_OK && !a->rest && !b->rest &&
                strcmp(a->scheme, b->scheme) == 0 && strcmp(a->path, b->path) == 0;
    seg_url_free(&a);
    seg_url_free(&b);
    return same;
}

static char *copy_url(const seg_rehearsal *r, const char *file, const char *collection, const char *more)
{
    SEG_AUTO(segue_buf) url = {0};
    char tail[96];
    int n = snprintf(tail, sizeof tail, "%%2F%s?collection=%s%s", file, collection, more);
    if (segue_buf_append(&url, "sqlite:", 7) != SEGUE_OK || seg_url_encode(segue_str(r->folder), &url) != SEGUE_OK ||
        segue_buf_append(&url, tail, (size_t)n) != SEGUE_OK)
        return NULL;
    return seg_strndup(url.data, url.size);
}

/* ---- copy ---- */

static segue_status copy_records(seg_rehearsal *r, segue_store *source, seg_bulk *bulk, segue_error *err)
{
    segue_range range = {.options = SEGUE_SCAN_TOMBSTONES};
    segue_scan *scan = NULL;
    const segue_record *rec;
    segue_status st = segue_scan_open(source, &range, &scan, err);
    while (st == SEGUE_OK && (st = segue_scan_next(scan, &rec, err)) == SEGUE_OK) {
        st = segue_doc_assign(seg_bulk_next(bulk), rec);
        if (st != SEGUE_OK) break;
        seg_bulk_added(bulk, 0);
        if (!seg_bulk_full(bulk)) continue;
        st = seg_bulk_flush(bulk, err);
        seg_progress_say(&r->progress, "copy", bulk->written, 0, NULL);
        if (seg_cli_asked_to_stop())
            st = seg_error_set(err, SEGUE_NOT_FINISHED, "stopped; the originals are as they were");
    }
    segue_scan_close(scan);
    return st == SEGUE_END ? seg_bulk_flush(bulk, err) : st;
}

/* Into a collection of its own, which need not be durable while it is made; then it is open in *ret_copy. */
static int copy_store(seg_rehearsal *r, segue_store *source, const char *file, const char *collection,
                      uint64_t *ret_count, segue_store **ret_copy)
{
    segue_error err = {0};
    SEG_AUTO_STORE copy = NULL;
    SEG_AUTO_STRING fast = copy_url(r, file, collection, "&sync=off");
    SEG_AUTO_STRING url = copy_url(r, file, collection, "");
    seg_bulk *bulk = seg_alloc_zero(sizeof *bulk);
    int code = fast && url && bulk ? seg_cli_open(r->cli, fast, 0, &copy)
                                   : seg_cli_failf(r->cli, SEGUE_NO_MEMORY, "out of memory");
    if (code == SEG_EXIT_DONE && source) {
        bulk->to = copy;
        bulk->threads = COPY_THREADS;
        segue_status st = copy_records(r, source, bulk, &err);
        *ret_count = bulk->written;
        if (st != SEGUE_OK) code = seg_cli_fail(r->cli, st, &err);
    }
    if (bulk) seg_bulk_free(bulk);
    seg_free(bulk);
    seg_cli_close(&copy);
    return code == SEG_EXIT_DONE ? seg_cli_open(r->cli, url, SEGUE_OPEN_EXISTING, ret_copy) : code;
}

/* Each original is read once: into a copy that stays as it is. That one is copied again for the migration. */
int seg_rehearsal_copy(seg_rehearsal *r)
{
    static const char source[] = "source.db";
    bool one = in_one_engine(r);
    const char *old_file = one ? "rehearsal.db" : "old.db", *new_file = one ? "rehearsal.db" : "new.db";
    uint64_t again;
    int code = make_folder(r);
    if (code != SEG_EXIT_DONE) return code;
    char path[4200];
    struct stat there;
    (void)snprintf(path, sizeof path, "%s/%s", r->folder, source); /* cut: then the engine complains */
    if (stat(path, &there) == 0)
        return seg_cli_failf(r->cli, SEGUE_REFUSED, "%s is there already: remove it, or name another --scratch", path);
    code = copy_store(r, r->sides.from, source, "old.source", &r->copied_from, &r->source_from);
    if (code == SEG_EXIT_DONE) code = copy_store(r, r->sides.to, source, "new.source", &r->copied_to, &r->source_to);
    if (code == SEG_EXIT_DONE) code = copy_store(r, r->source_from, old_file, "old.copy", &again, &r->from);
    if (code == SEG_EXIT_DONE) code = copy_store(r, r->source_to, new_file, "new.copy", &again, &r->to);
    return code;
}

/* ---- choose ---- */

static uint64_t mix(uint64_t seed, segue_slice key)
{
    uint64_t h = seed ^ 14695981039346656037u;
    for (size_t i = 0; i < key.size; i++) h = (h ^ (unsigned char)key.data[i]) * 1099511628211u;
    h = (h ^ h >> 29) * 0xBF58476D1CE4E5B9u;
    return h ^ h >> 32;
}

typedef struct choice {
    seg_rehearsal *r;
    uint64_t in_scope, wanted; /* take about `wanted` of so many */
    uint64_t soon;             /* what expires before is not touched */
    size_t n_counters, n_shared;
    segue_error err;
} choice;

static segue_action action_of(const seg_rehearsal *r, segue_slice key)
{
    return segue_policy_rule(r->policy, segue_policy_classify(r->policy, key)).action;
}

/* A key beside this one that is not there yet, for adds. */
static segue_status add_new_key(choice *ch, segue_slice key, uint64_t h)
{
    char fresh[SEGUE_KEY_MAX];
    static const char tail[] = "~rehearsed";
    size_t size = key.size + sizeof tail - 1;
    if (h % 5 != 0 || size > sizeof fresh) return SEGUE_OK;
    memcpy(fresh, key.data, key.size);
    memcpy(fresh + key.size, tail, sizeof tail - 1);
    segue_slice name = segue_bytes(fresh, size);
    SEG_AUTO(segue_doc) doc = {0};
    if (action_of(ch->r, name) != SEGUE_ACTION_MOVE ||
        segue_get_record(ch->r->dual, name, NULL, &doc, NULL) != SEGUE_NOT_FOUND)
        return SEGUE_OK;
    return seg_ledger_add(&ch->r->ledger, SEG_ENTRY_OWNED, (unsigned)(h >> 8) % ch->r->n_clients, name, NULL, NULL);
}

/* One record of the dual store. */
static segue_status consider(choice *ch, const segue_record *rec)
{
    seg_rehearsal *r = ch->r;
    uint64_t number, h = mix(r->seed, rec->key);
    segue_action action = action_of(r, rec->key);
    seg_entry *entry = NULL;
    if (action != SEGUE_ACTION_MOVE && action != SEGUE_ACTION_COUNTER) return SEGUE_OK;
    if (rec->expiry && rec->expiry < ch->soon) return SEGUE_OK;
    if (ch->n_counters < COUNTERS_MAX && seg_ledger_number(rec, &number)) {
        ch->n_counters++;
        segue_status st = seg_ledger_add(&r->ledger, SEG_ENTRY_COUNTER, 0, rec->key, rec, &entry);
        if (st == SEGUE_OK) entry->initial = number;
        return st;
    }
    if (action == SEGUE_ACTION_COUNTER || h % ch->in_scope >= ch->wanted) return SEGUE_OK;
    if (ch->n_shared < SHARED_MAX && !rec->is_tombstone && rec->is_json && !seg_ledger_number(rec, &number)) {
        ch->n_shared++;
        return seg_ledger_add(&r->ledger, SEG_ENTRY_SHARED, 0, rec->key, rec, NULL);
    }
    segue_status st = seg_ledger_add(&r->ledger, SEG_ENTRY_OWNED, (unsigned)(h >> 8) % r->n_clients, rec->key, rec,
                                     NULL);
    return st == SEGUE_OK ? add_new_key(ch, rec->key, h) : st;
}

int seg_rehearsal_choose(seg_rehearsal *r)
{
    segue_plan plan = {0};
    segue_scan *scan = NULL;
    const segue_record *rec;
    segue_range range = {.options = SEGUE_SCAN_TOMBSTONES};
    choice ch = {.r = r, .soon = seg_wall_s(segue_env_default()) + 3600};
    segue_status st = segue_plan_make(r->from, r->to, r->policy, &plan, &ch.err);
    if (st != SEGUE_OK) return seg_cli_fail(r->cli, st, &ch.err);
    const segue_tally *move = &plan.by_action[SEGUE_ACTION_MOVE];
    r->in_scope = move->live + move->tombstones;
    ch.in_scope = r->in_scope + 1;
    ch.wanted = ch.in_scope / 2 < TOUCHED_MAX ? ch.in_scope / 2 : TOUCHED_MAX;
    segue_plan_free(&plan);
    st = segue_scan_open(r->dual, &range, &scan, &ch.err);
    while (st == SEGUE_OK && (st = segue_scan_next(scan, &rec, &ch.err)) == SEGUE_OK) st = consider(&ch, rec);
    segue_scan_close(scan);
    if (st == SEGUE_NO_MEMORY) return seg_cli_failf(r->cli, st, "out of memory for the ledger");
    if (st != SEGUE_END) return seg_cli_fail(r->cli, st, &ch.err);
    seg_ledger_sort(&r->ledger);
    if (r->ledger.n == 0)
        return seg_cli_failf(r->cli, SEGUE_REFUSED, "there is nothing to rehearse: the policy moves none of the keys");
    return SEG_EXIT_DONE;
}
