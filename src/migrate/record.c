/* L5: the status record as JSON, read and written by CAS. Not thread-safe: one thread runs a migration. */
#include "migrate/record.h"

#include "base/base.h"
#include "base/env.h"
#include "doc/json.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

segue_status seg_migration_name_check(const char *name, segue_error *reterr)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    size_t size = strlen(name);
    if (size > 0 && size <= SEGUE_MIGRATION_NAME_MAX && strspn(name, allowed) == size) return SEGUE_OK;
    return seg_error_set(reterr, SEGUE_INVALID_ARGUMENT,
                         "\"%.70s\" cannot be a migration's name: 1 to %d letters, digits, '-', '_', '.'", name,
                         SEGUE_MIGRATION_NAME_MAX);
}

segue_slice seg_status_key(const char *name, char out[SEG_STATUS_KEY_SIZE])
{
    int n = snprintf(out, SEG_STATUS_KEY_SIZE, "%s%s", SEG_STATUS_PREFIX, name);
    seg_assert(n > 0 && n < SEG_STATUS_KEY_SIZE);
    return segue_bytes(out, (size_t)n);
}

void seg_keys_add(seg_keys *keys, segue_slice key)
{
    for (size_t i = 0; i < keys->n; i++)
        if (segue_slice_equal(segue_buf_slice(&keys->keys[i]), key)) return;
    if (keys->n == SEGUE_STATUS_KEYS_MAX) return;
    if (segue_buf_append(&keys->keys[keys->n], key.data, key.size) == SEGUE_OK) keys->n++;
}

void seg_keys_clear(seg_keys *keys)
{
    for (size_t i = 0; i < SEGUE_STATUS_KEYS_MAX; i++) segue_buf_free(&keys->keys[i]);
    keys->n = 0;
}

void seg_status_free(seg_status *status)
{
    segue_buf_free(&status->from);
    segue_buf_free(&status->to);
    segue_buf_free(&status->cursor);
    seg_keys_clear(&status->failed);
    seg_keys_clear(&status->foreign);
    *status = (seg_status){0};
}

/* ---- runners ---- */

/* "" if there is none. */
static void read_line(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, out, size) : 0;
    if (fd >= 0) (void)close(fd); /* only read */
    const char *end = n > 0 ? memchr(out, '\n', (size_t)n) : NULL;
    out[end ? end - out : 0] = '\0';
}

void seg_runner_here(const segue_env *env, seg_runner *runner)
{
    char host[64] = "", boot[64];
    struct stat space = {0};
    (void)gethostname(host, sizeof host - 1); /* no name is a name, too */
    for (char *p = host; *p; p++)
        if (*p & 0x80) *p = '?'; /* the record is UTF-8, which a host's name need not be */
    read_line("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
    bool is_known = boot[0] && stat("/proc/self/ns/pid", &space) == 0;
    (void)snprintf(runner->id, sizeof runner->id, "%016llx", (unsigned long long)seg_random_u64(env));
    (void)snprintf(runner->place, sizeof runner->place, is_known ? "%s/%s/%llu" : "%s", host, boot,
                   (unsigned long long)space.st_ino);
    runner->pid = getpid();
    runner->beat_ns = seg_wall_ns(env);
}

static bool is_at(const seg_runner *runner, const seg_runner *here)
{
    return strchr(here->place, '/') && strcmp(here->place, runner->place) == 0;
}

static bool is_gone(const seg_runner *runner, const seg_runner *here)
{
    return is_at(runner, here) && kill((pid_t)runner->pid, 0) != 0 && errno == ESRCH;
}

bool seg_runner_is_alive(const seg_runner *runner, const segue_env *env, int64_t stale_ns)
{
    seg_runner here;
    if (!runner->id[0]) return false;
    seg_runner_here(env, &here);
    return !is_gone(runner, &here) && here.beat_ns - runner->beat_ns < stale_ns;
}

bool seg_runner_may_sleep(const seg_runner *runner, const seg_runner *here)
{
    return runner->id[0] && !is_gone(runner, here) && !(is_at(runner, here) && runner->pid == here->pid);
}

/* ---- the counts, by name ---- */

static const struct {
    const char *name;
    size_t offset;
} count_fields[] = {
#define COUNT(field)                                                                                                   \
    {                                                                                                                  \
#field, offsetof(segue_counts, field)                                                                          \
    }
    COUNT(scanned),        COUNT(moved),  COUNT(moved_bytes), COUNT(already),  COUNT(hidden),
    COUNT(dropped),        COUNT(left),   COUNT(unmatched),   COUNT(counters), COUNT(pills_finished),
    COUNT(foreign_writes), COUNT(errors), COUNT(retries),     COUNT(passes),   COUNT(purged),
#undef COUNT
};
enum { N_COUNTS = sizeof count_fields / sizeof count_fields[0] };
static_assert(sizeof(segue_counts) == N_COUNTS * sizeof(uint64_t), "each count has a name");

static uint64_t *count_at(segue_counts *counts, size_t i)
{
    return (uint64_t *)(void *)((char *)counts + count_fields[i].offset);
}

/* ---- writing ---- */

/* JSON in the making; the first failure stays. */
typedef struct writer {
    segue_buf *out;
    segue_status status;
} writer;

static void put(writer *w, segue_slice text)
{
    if (w->status == SEGUE_OK) w->status = segue_buf_append(w->out, text.data, text.size);
}

static void put_string(writer *w, segue_slice text)
{
    if (w->status == SEGUE_OK) w->status = seg_json_quote(text, w->out);
}

/* What comes next is a member of an object, or (no name) an element of an array. No name has anything to escape. */
static void put_name(writer *w, const char *name)
{
    char last = w->out->size ? w->out->data[w->out->size - 1] : '{';
    bool is_first = last == '{' || last == '[';
    if (!is_first) put(w, segue_str(","));
    if (!name) return;
    put(w, segue_str("\""));
    put(w, segue_str(name));
    put(w, segue_str("\":"));
}

static void put_value(writer *w, const char *name, const char *value)
{
    put_name(w, name);
    put(w, segue_str(value));
}

/* What no reader could take is 0. */
static void put_number(writer *w, const char *name, uint64_t n)
{
    char digits[21];
    put_name(w, name);
    put(w, segue_bytes(digits, seg_format_u64(n > INT64_MAX ? 0 : n, digits)));
}

static void put_flag(writer *w, const char *name, bool is_set) { put_value(w, name, is_set ? "true" : "false"); }

static void put_hex(writer *w, const char *name, const segue_buf *bytes)
{
    static const char digits[] = "0123456789abcdef";
    char text[2 * SEGUE_KEY_MAX];
    size_t n = bytes->size <= SEGUE_KEY_MAX ? bytes->size : 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char byte = (unsigned char)bytes->data[i];
        text[2 * i] = digits[byte >> 4];
        text[2 * i + 1] = digits[byte & 15];
    }
    put_name(w, name);
    put_string(w, segue_bytes(text, 2 * n));
}

static void put_keys(writer *w, const char *name, const seg_keys *keys)
{
    put_value(w, name, "[");
    for (size_t i = 0; i < keys->n; i++) put_hex(w, NULL, &keys->keys[i]);
    put(w, segue_str("]"));
}

segue_status seg_status_text_of(segue_slice text, segue_buf *out)
{
    char escaped[8];
    if (seg_utf8_valid(text)) return segue_buf_append(out, text.data, text.size);
    segue_status st = SEGUE_OK;
    for (size_t i = 0; i < text.size && st == SEGUE_OK; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        int n = snprintf(escaped, sizeof escaped, byte < 0x80 ? "%c" : "\\x%02x", byte); /* fits */
        st = segue_buf_append(out, escaped, (size_t)n);
    }
    return st;
}

static void put_text(writer *w, const char *name, segue_slice text)
{
    SEG_AUTO(segue_buf) utf8 = {0};
    bool is_utf8 = seg_utf8_valid(text); /* as nearly all is */
    if (!is_utf8 && w->status == SEGUE_OK) w->status = seg_status_text_of(text, &utf8);
    put_name(w, name);
    put_string(w, is_utf8 ? text : segue_buf_slice(&utf8));
}

static void put_counts(writer *w, const segue_counts *all)
{
    segue_counts counts = *all;
    put_value(w, "counts", "{");
    for (size_t i = 0; i < N_COUNTS; i++) put_number(w, count_fields[i].name, *count_at(&counts, i));
    put(w, segue_str("}"));
}

static void put_runner(writer *w, const seg_runner *r)
{
    if (!r->id[0]) {
        put_value(w, "runner", "null");
        return;
    }
    put_value(w, "runner", "{");
    put_text(w, "id", segue_str(r->id));
    put_text(w, "place", segue_str(r->place));
    put_number(w, "pid", (uint64_t)r->pid);
    put_number(w, "beat_ns", (uint64_t)r->beat_ns);
    put(w, segue_str("}"));
}

static void put_work(writer *w, const seg_status *s)
{
    put_number(w, "pass", s->pass);
    put_number(w, "total", s->total);
    put_number(w, "done", s->done);
    put_number(w, "run_ns", (uint64_t)s->run_ns);
    put_counts(w, &s->counts);
    put_hex(w, "cursor", &s->cursor);
    put_text(w, "proof", segue_str(s->proof));
    put_number(w, "started_s", (uint64_t)s->started_s);
    put_number(w, "changed_s", (uint64_t)s->changed_s);
    put_number(w, "finished_s", (uint64_t)s->finished_s);
    put_number(w, "active_ns", (uint64_t)s->active_ns);
    put_number(w, "hold_ns", (uint64_t)s->hold_ns);
    put_text(w, "last_error", segue_str(s->last_error));
    put_keys(w, "failed", &s->failed);
    put_keys(w, "foreign", &s->foreign);
}

static segue_status print(const seg_status *s, segue_buf *out)
{
    writer w = {out, SEGUE_OK};
    put(&w, segue_str("{"));
    put_number(&w, "segue", SEG_STATUS_FORMAT);
    put_text(&w, "name", segue_str(s->name));
    put_text(&w, "run_id", segue_str(s->run_id));
    put_number(&w, "epoch", s->epoch);
    put_number(&w, "sequence", s->sequence);
    put_text(&w, "stage", segue_str(segue_stage_name(s->stage)));
    put_text(&w, "from", segue_buf_slice(&s->from));
    put_text(&w, "to", segue_buf_slice(&s->to));
    put_text(&w, "policy", segue_str(s->policy));
    put_flag(&w, "keep", s->keep);
    put_flag(&w, "keep_cas", s->keep_cas);
    put_flag(&w, "tail", s->is_tail);
    put_work(&w, s);
    put_runner(&w, &s->runner);
    put_number(&w, "overtaken_ns", (uint64_t)s->overtaken_ns);
    put_value(&w, "lease", "null");
    put_value(&w, "nodes", "{}");
    put_value(&w, "control", "{}");
    put(&w, segue_str("}"));
    return w.status;
}

/* A write whose answer was lost, or that met another record than the one that was last seen: look. OK: it is there. RETRY:
 * the record is the one before, or one of this very runner's, whose answer was lost (nobody else writes in an epoch that
 * this runner has claimed). CAS_MISMATCH: somebody else's. */
static segue_status found_out(segue_store *to, seg_status *status, segue_call *call)
{
    seg_status now = {0};
    segue_status st = seg_status_load(to, status->name, &now, call);
    bool mine = st == SEGUE_OK && strcmp(now.run_id, status->run_id) == 0 && now.epoch == status->epoch &&
                (!status->runner.id[0] || strcmp(now.runner.id, status->runner.id) == 0);
    if (mine || (st == SEGUE_OK && now.cas == status->cas)) {
        if (!mine || now.sequence != status->sequence) st = SEGUE_RETRY;
        status->cas = now.cas;
        status->revision = now.revision;
    } else if (st == SEGUE_NOT_FOUND && status->cas == 0) {
        st = SEGUE_RETRY;
    } else if (st == SEGUE_OK || st == SEGUE_NOT_FOUND) {
        st = SEGUE_CAS_MISMATCH;
    }
    seg_status_free(&now);
    return st;
}

static segue_status put_status(segue_store *to, seg_status *status, segue_slice body, segue_call *call)
{
    char key[SEG_STATUS_KEY_SIZE];
    segue_put put = {.condition = status->cas ? SEGUE_IF_CAS : SEGUE_IF_ABSENT, .if_cas = status->cas};
    put.rec = (segue_record){.key = seg_status_key(status->name, key), .body = body, .is_json = true};
    put.rec.revision = status->revision + 1;
    uint64_t cas = 0;
    segue_status st = seg_call_put(to, &put, &cas, call);
    if (st == SEGUE_OK) {
        status->cas = cas;
        status->revision = put.rec.revision;
    }
    bool is_open = st == SEGUE_MAYBE_APPLIED || st == SEGUE_CAS_MISMATCH || st == SEGUE_EXISTS;
    if (!is_open) return st;
    segue_error why = {0};
    if (call->err) why = *call->err;
    st = found_out(to, status, call);
    if (st == SEGUE_RETRY && call->err) *call->err = why; /* not what was met in finding out */
    return st;
}

segue_status seg_status_save(segue_store *to, seg_status *status, segue_call *call)
{
    enum { TRIES = 3 };
    status->sequence++;
    status->changed_s = (int64_t)seg_wall_s(call->env);
    SEG_AUTO(segue_buf) text = {0};
    if (print(status, &text) != SEGUE_OK)
        return segue_fail(call, SEGUE_NO_MEMORY, "out of memory for the status record of a migration");
    segue_status st = SEGUE_RETRY;
    for (int i = 0; i < TRIES && st == SEGUE_RETRY; i++) st = put_status(to, status, segue_buf_slice(&text), call);
    if (st == SEGUE_RETRY) {
        segue_error why = {0}; /* what the last attempt has met */
        if (call->err) why = *call->err;
        return segue_fail(call, SEGUE_UNAVAILABLE, "%.80s: the status record cannot be written: %s",
                          segue_store_url(to), why.message);
    }
    if (st == SEGUE_CAS_MISMATCH || st == SEGUE_NOT_FOUND)
        return segue_fail(call, SEGUE_BUSY_ELSEWHERE, "somebody else has taken over migration \"%s\"", status->name);
    return st;
}

/* ---- reading ---- */

static uint64_t number(const json_t *object, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(object, name));
    return value > 0 ? (uint64_t)value : 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static segue_status from_hex(const json_t *value, segue_buf *out)
{
    const char *text = json_string_value(value);
    size_t size = json_string_length(value);
    if (!text || size % 2 || size > 2 * SEGUE_KEY_MAX) return SEGUE_CORRUPT;
    segue_status st = SEGUE_OK;
    for (size_t i = 0; i < size && st == SEGUE_OK; i += 2) {
        int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
        if (high < 0 || low < 0) return SEGUE_CORRUPT;
        char byte = (char)(high << 4 | low);
        st = segue_buf_append(out, &byte, 1);
    }
    return st;
}

static void keys_from(const json_t *list, seg_keys *keys)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        SEG_AUTO(segue_buf) key = {0};
        if (from_hex(json_array_get(list, i), &key) == SEGUE_OK && key.size) seg_keys_add(keys, segue_buf_slice(&key));
    }
}

static bool text_from(const json_t *object, const char *name, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(object, name));
    if (!text || strlen(text) >= size) return false;
    memcpy(out, text, strlen(text) + 1);
    return true;
}

static segue_status buf_from(const json_t *object, const char *name, segue_buf *out)
{
    const json_t *value = json_object_get(object, name);
    size_t size = json_string_length(value);
    if (!json_is_string(value)) return SEGUE_CORRUPT;
    segue_status st = segue_buf_append(out, json_string_value(value), size + 1);
    if (st == SEGUE_OK) out->size = size; /* the zero stays behind it, for messages */
    return st;
}

static bool runner_from(const json_t *object, seg_runner *runner)
{
    if (json_is_null(object)) return true;
    runner->pid = (int64_t)number(object, "pid");
    runner->beat_ns = (int64_t)number(object, "beat_ns"); /* never below 0: it is subtracted from the time */
    return text_from(object, "id", runner->id, sizeof runner->id) &&
           text_from(object, "place", runner->place, sizeof runner->place);
}

static segue_status from_json(const json_t *root, seg_status *s)
{
    s->epoch = number(root, "epoch");
    s->sequence = number(root, "sequence");
    s->keep = json_is_true(json_object_get(root, "keep"));
    s->keep_cas = json_is_true(json_object_get(root, "keep_cas"));
    s->is_tail = json_is_true(json_object_get(root, "tail"));
    s->pass = number(root, "pass");
    s->total = number(root, "total");
    s->done = number(root, "done");
    s->run_ns = (int64_t)number(root, "run_ns");
    s->started_s = (int64_t)number(root, "started_s");
    s->changed_s = (int64_t)number(root, "changed_s");
    s->finished_s = (int64_t)number(root, "finished_s");
    s->active_ns = (int64_t)number(root, "active_ns");
    s->hold_ns = (int64_t)number(root, "hold_ns");
    s->overtaken_ns = (int64_t)number(root, "overtaken_ns");
    for (size_t i = 0; i < N_COUNTS; i++)
        *count_at(&s->counts, i) = number(json_object_get(root, "counts"), count_fields[i].name);
    keys_from(json_object_get(root, "failed"), &s->failed);
    keys_from(json_object_get(root, "foreign"), &s->foreign);
    const char *last_error = json_string_value(json_object_get(root, "last_error"));
    (void)snprintf(s->last_error, sizeof s->last_error, "%s", last_error ? last_error : ""); /* for people: cut */
    bool understood = text_from(root, "name", s->name, sizeof s->name) &&
                      text_from(root, "run_id", s->run_id, sizeof s->run_id) &&
                      text_from(root, "policy", s->policy, sizeof s->policy) &&
                      text_from(root, "proof", s->proof, sizeof s->proof) &&
                      runner_from(json_object_get(root, "runner"), &s->runner);
    segue_status st = understood ? from_hex(json_object_get(root, "cursor"), &s->cursor) : SEGUE_CORRUPT;
    if (st == SEGUE_OK) st = buf_from(root, "from", &s->from);
    return st == SEGUE_OK ? buf_from(root, "to", &s->to) : st;
}

segue_status seg_status_load(segue_store *to, const char *name, seg_status *status, segue_call *call)
{
    char key[SEG_STATUS_KEY_SIZE];
    SEG_AUTO(segue_doc) doc = {0};
    segue_status st = seg_call_get(to, seg_status_key(name, key), &doc, call);
    if (st != SEGUE_OK) return st;
    status->cas = doc.rec.cas;
    status->revision = doc.rec.revision;
    json_error_t why = {0};
    bool understood = seg_stage_read(&doc.rec, &status->stage);
    json_t *root = understood ? json_loadb(doc.rec.body.data, doc.rec.body.size, 0, &why) : NULL;
    bool no_memory = understood && !root && !why.text[0]; /* jansson says nothing where it has none */
    st = root ? from_json(root, status) : no_memory ? SEGUE_NO_MEMORY : SEGUE_CORRUPT;
    json_decref(root);
    if (st == SEGUE_OK) return SEGUE_OK;
    seg_status_free(status);
    if (st == SEGUE_NO_MEMORY)
        return segue_fail(call, st, "%s: out of memory for the status record %s", segue_store_url(to), key);
    return segue_fail(call, SEGUE_CORRUPT,
                      "%s: the status record %s cannot be understood; it is of another version or damaged",
                      segue_store_url(to), key);
}
