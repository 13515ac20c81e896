/* L5: the status record as everybody may read it. */
#include "base/base.h"
#include "base/env.h"
#include "migrate/record.h"

static const int64_t STALE_NS = INT64_C(15) * 1000 * 1000 * 1000; /* the default of a run */

static bool set_text(char **out, const segue_buf *text)
{
    *out = seg_strndup(text->data ? text->data : "", text->size);
    return *out != NULL;
}

static bool set_quoted(char **out, const segue_buf *key)
{
    char quoted[SEG_QUOTED_MAX];
    *out = seg_strdup(seg_quote(segue_buf_slice(key), quoted));
    return *out != NULL;
}

static bool set_keys(char *out[SEGUE_STATUS_KEYS_MAX], size_t *ret_n, const seg_keys *keys)
{
    for (*ret_n = 0; *ret_n < keys->n; ++*ret_n)
        if (!set_quoted(&out[*ret_n], &keys->keys[*ret_n])) return false;
    return true;
}

static bool fill(segue_migration_status *out, const seg_status *s, const segue_env *env)
{
    memcpy(out->name, s->name, sizeof out->name);
    memcpy(out->run_id, s->run_id, sizeof out->run_id);
    memcpy(out->policy_digest, s->policy, sizeof out->policy_digest);
    out->epoch = s->epoch;
    out->stage = s->stage;
    out->is_running = seg_runner_is_alive(&s->runner, env, STALE_NS);
    out->keep = s->keep;
    out->pass = s->pass;
    out->total = s->total;
    out->done = s->done;
    out->run_ns = s->run_ns;
    out->counts = s->counts;
    out->started_s = s->started_s;
    out->changed_s = s->changed_s;
    out->finished_s = s->finished_s;
    out->active_ns = s->active_ns;
    out->hold_ns = s->hold_ns;
    out->last_error = seg_strdup(s->last_error);
    if (s->cursor.size ? !set_quoted(&out->cursor, &s->cursor) : !set_text(&out->cursor, &s->cursor)) return false;
    return out->last_error && set_text(&out->from, &s->from) && set_text(&out->to, &s->to) &&
           set_keys(out->failed_keys, &out->n_failed_keys, &s->failed) &&
           set_keys(out->foreign_keys, &out->n_foreign_keys, &s->foreign);
}

segue_status segue_migration_status_read(segue_store *to, const char *name, segue_migration_status *ret_status,
                                         segue_error *reterr)
{
    if (!name) name = "default";
    if (!to) return seg_error_set(reterr, SEGUE_INVALID_ARGUMENT, "a status needs a store");
    segue_status st = seg_migration_name_check(name, reterr);
    if (st != SEGUE_OK) return st;
    seg_status s = {0};
    segue_migration_status status = {0};
    segue_error why;
    segue_call call = seg_call_public(to, 0, &why, reterr);
    st = seg_call_begin(to, false, &call);
    if (st == SEGUE_OK) {
        st = seg_status_load(to, name, &s, &call);
        seg_call_end(to, &call);
    }
    (void)seg_call_give(to, st, &why, reterr); /* it is st */
    if (st == SEGUE_NOT_FOUND)
        st = seg_error_set(reterr, st, "%.100s knows of no migration \"%s\"", segue_store_url(to), name);
    if (st == SEGUE_OK && !fill(&status, &s, &to->env))
        st = seg_error_set(reterr, SEGUE_NO_MEMORY, "out of memory for a status");
    seg_status_free(&s);
    if (st == SEGUE_OK) *ret_status = status;
    else segue_migration_status_free(&status);
    return st;
}

void segue_migration_status_free(segue_migration_status *status)
{
    seg_free(status->from);
    seg_free(status->to);
    seg_free(status->cursor);
    seg_free(status->last_error);
    for (size_t i = 0; i < SEGUE_STATUS_KEYS_MAX; i++) {
        seg_free(status->failed_keys[i]);
        seg_free(status->foreign_keys[i]);
    }
    *status = (segue_migration_status){0};
}
