/* L6: histories, their model and their words; see history.h. The judge is history_judge.c. What an operation leaves is said
 * here once more, on purpose: the library's own rules are what is being checked. */
#include "cli/history.h"
#include "base/base.h"

void seg_history_free(seg_history *history)
{
    seg_free(history->ops);
    *history = (seg_history){0};
}

segue_status seg_history_add(seg_history *history, const seg_op *op)
{
    if (history->n == history->capacity) {
        size_t capacity = history->capacity ? 2 * history->capacity : 64;
        seg_op *more = seg_realloc(history->ops, capacity * sizeof *more);
        if (!more) return SEGUE_NO_MEMORY;
        history->ops = more;
        history->capacity = capacity;
    }
    history->ops[history->n++] = *op;
    return SEGUE_OK;
}

const char *seg_op_name(seg_op_kind kind)
{
    static const char *const names[SEG_N_ASKS] = {"get",    "set",   "add",   "write",   "update", "delete",
                                                  "remove", "incr",  "xattr", "replace", "put-in", "append",
                                                  "put",    "touch", "see",   "recas"};
    return (unsigned)kind < SEG_N_ASKS ? names[kind] : "?";
}

const char *seg_answer_name(seg_answer answer)
{
    static const char *const names[] = {"ok", "exists", "mismatch", "none", "failed", "unknown"};
    return (unsigned)answer < sizeof names / sizeof names[0] ? names[answer] : "?";
}

const char *seg_op_text(const seg_op *op, char out[SEG_OP_TEXT_SIZE])
{
    char asked[64] = "", answered[64];
    unsigned long long body = op->body, given = op->given, cas = op->cas, expiry = op->expiry;
    if (op->kind == SEG_ASK_WRITE || (op->kind == SEG_ASK_UPDATE && op->answer == SEG_ANSWER_OK))
        (void)snprintf(asked, sizeof asked, " %llu under CAS %llu", body, given); /* fits, as all of these */
    else if (op->kind == SEG_ASK_REMOVE) (void)snprintf(asked, sizeof asked, " under CAS %llu", given);
    else if (op->kind == SEG_ASK_TOUCH) (void)snprintf(asked, sizeof asked, " until %llu", expiry);
    else if (op->kind != SEG_ASK_GET && op->kind != SEG_ASK_DELETE) (void)snprintf(asked, sizeof asked, " %llu", body);
    if (op->answer != SEG_ANSWER_OK) (void)snprintf(answered, sizeof answered, "%s", seg_answer_name(op->answer));
    else if (op->kind == SEG_ASK_GET || op->kind == SEG_ASK_INCR)
        (void)snprintf(answered, sizeof answered, "%llu, CAS %llu", (unsigned long long)op->saw_body, cas);
    else (void)snprintf(answered, sizeof answered, "CAS %llu", cas);
    (void)snprintf(out, SEG_OP_TEXT_SIZE, "client %u's %s%s (%llu to %llu: %s)", op->client, seg_op_name(op->kind),
                   asked, (unsigned long long)op->begin, (unsigned long long)op->end, answered);
    return out;
}

bool seg_model_may_be(const seg_model *now, const seg_op *op, bool live)
{
    if (!now->live || now->expiry == 0) return live == now->live;
    return live ? now->expiry > op->clock_from : now->expiry <= op->clock_to || now->expiry <= op->clock_from;
}

static seg_answer needs(const seg_model *now, const seg_op *op)
{
    switch (op->kind) {
    case SEG_ASK_SET:
    case SEG_ASK_REPLACE:
    case SEG_ASK_PUT_IN:
    case SEG_ASK_RECAS: return SEG_ANSWER_OK;
    case SEG_ASK_ADD: return now->live ? SEG_ANSWER_EXISTS : SEG_ANSWER_OK;
    case SEG_ASK_INCR: return now->live || op->has_initial ? SEG_ANSWER_OK : SEG_ANSWER_NOT_FOUND;
    case SEG_ASK_UPDATE: /* what an update that has no answer saw is not known */
        if (op->answer == SEG_ANSWER_UNKNOWN || (op->given == 0 && !now->live)) return SEG_ANSWER_OK;
        return now->live && now->cas == op->given ? SEG_ANSWER_OK : SEG_ANSWER_MISMATCH;
    case SEG_ASK_PUT: /* whether there is no record, purged perhaps, or a tombstone, the model does not know */
        if (!now->live && op->answer == SEG_ANSWER_NOT_FOUND) return SEG_ANSWER_NOT_FOUND;
        return op->given && now->cas == op->given ? SEG_ANSWER_OK : SEG_ANSWER_MISMATCH;
    case SEG_ASK_WRITE:
    case SEG_ASK_REMOVE:
        if (!now->live) return SEG_ANSWER_NOT_FOUND;
        return now->cas == op->given ? SEG_ANSWER_OK : SEG_ANSWER_MISMATCH;
    case SEG_ASK_GET:
    case SEG_ASK_SEE:
    case SEG_ASK_DELETE:
    case SEG_ASK_XATTR:
    case SEG_ASK_APPEND:
    case SEG_ASK_TOUCH:
    case SEG_N_ASKS: break;
    }
    return now->live ? SEG_ANSWER_OK : SEG_ANSWER_NOT_FOUND;
}

/* What a write that is applied leaves of the values; `after` is what was there, all 0 if that was not live. */
static void change(const seg_op *op, seg_model *after)
{
    bool was_live = after->live;
    after->live = true;
    switch (op->kind) {
    case SEG_ASK_DELETE:
    case SEG_ASK_REMOVE: *after = (seg_model){0}; return;
    case SEG_ASK_XATTR: after->xattr = op->body; return;
    case SEG_ASK_TOUCH: after->expiry = op->expiry; return;
    case SEG_ASK_PUT_IN: after->body = op->body; return;
    case SEG_ASK_APPEND: after->body = (after->body ^ (op->body & 0xff)) * UINT64_C(0x100000001b3); return;
    case SEG_ASK_INCR:
        if (!was_live) after->expiry = op->expiry;
        after->body = was_live ? after->body + op->body : op->given;
        return;
    case SEG_ASK_ADD:
    case SEG_ASK_PUT:
    case SEG_ASK_REPLACE: after->xattr = op->xattr; break;
    case SEG_ASK_RECAS: after->live = was_live; return;
    case SEG_ASK_GET:
    case SEG_ASK_SEE:
    case SEG_ASK_SET:
    case SEG_ASK_WRITE:
    case SEG_ASK_UPDATE:
    case SEG_N_ASKS: break;
    }
    after->body = op->body;
    after->expiry = op->expiry;
}

seg_answer seg_model_apply(const seg_model *now, bool live, const seg_op *op, seg_model *ret_after)
{
    seg_model seen = live ? *now : (seg_model){.cas = now->cas};
    seg_answer answer = needs(&seen, op);
    /* What has expired may have been reaped, and have another CAS by now. */
    bool is_reaped = now->live && !live && op->kind == SEG_ASK_PUT && op->answer != SEG_ANSWER_UNKNOWN;
    if (is_reaped && op->answer != SEG_ANSWER_EXISTS) answer = op->answer;
    *ret_after = *now;
    if (answer != SEG_ANSWER_OK || op->kind == SEG_ASK_GET || op->kind == SEG_ASK_SEE) return answer;
    *ret_after = op->kind == SEG_ASK_RECAS ? *now : seen;
    change(op, ret_after);
    ret_after->cas = op->answer == SEG_ANSWER_OK ? op->cas : 0;
    return answer;
}
