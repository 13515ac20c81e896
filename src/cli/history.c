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
    static const char *const names[SEG_N_ASKS] = {"get",    "set",    "add",  "write", "update",
                                                  "delete", "remove", "incr", "xattr"};
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
    unsigned long long body = op->body, given = op->given, cas = op->cas;
    if (op->kind == SEG_ASK_WRITE || (op->kind == SEG_ASK_UPDATE && op->answer == SEG_ANSWER_OK))
        (void)snprintf(asked, sizeof asked, " %llu under CAS %llu", body, given); /* fits, as all of these */
    else if (op->kind == SEG_ASK_REMOVE) (void)snprintf(asked, sizeof asked, " under CAS %llu", given);
    else if (op->kind != SEG_ASK_GET && op->kind != SEG_ASK_DELETE) (void)snprintf(asked, sizeof asked, " %llu", body);
    if (op->answer != SEG_ANSWER_OK) (void)snprintf(answered, sizeof answered, "%s", seg_answer_name(op->answer));
    else if (op->kind == SEG_ASK_GET || op->kind == SEG_ASK_INCR)
        (void)snprintf(answered, sizeof answered, "%llu, CAS %llu", (unsigned long long)op->saw_body, cas);
    else (void)snprintf(answered, sizeof answered, "CAS %llu", cas);
    (void)snprintf(out, SEG_OP_TEXT_SIZE, "client %u's %s%s (%llu to %llu: %s)", op->client, seg_op_name(op->kind),
                   asked, (unsigned long long)op->begin, (unsigned long long)op->end, answered);
    return out;
}

static seg_answer needs(const seg_model *now, const seg_op *op)
{
    switch (op->kind) {
    case SEG_ASK_SET: return SEG_ANSWER_OK;
    case SEG_ASK_ADD: return now->live ? SEG_ANSWER_EXISTS : SEG_ANSWER_OK;
    case SEG_ASK_INCR: return now->live || op->has_initial ? SEG_ANSWER_OK : SEG_ANSWER_NOT_FOUND;
    case SEG_ASK_UPDATE: /* what an update that has no answer saw is not known */
        if (op->answer == SEG_ANSWER_UNKNOWN || (op->given == 0 && !now->live)) return SEG_ANSWER_OK;
        return now->live && now->cas == op->given ? SEG_ANSWER_OK : SEG_ANSWER_MISMATCH;
    case SEG_ASK_WRITE:
    case SEG_ASK_REMOVE:
        if (!now->live) return SEG_ANSWER_NOT_FOUND;
        return now->cas == op->given ? SEG_ANSWER_OK : SEG_ANSWER_MISMATCH;
    case SEG_ASK_GET:
    case SEG_ASK_DELETE:
    case SEG_ASK_XATTR:
    case SEG_N_ASKS: break;
    }
    return now->live ? SEG_ANSWER_OK : SEG_ANSWER_NOT_FOUND;
}

seg_answer seg_model_apply(const seg_model *now, const seg_op *op, seg_model *ret_after)
{
    seg_answer answer = needs(now, op);
    *ret_after = *now;
    if (answer != SEG_ANSWER_OK || op->kind == SEG_ASK_GET) return answer;
    ret_after->cas = op->answer == SEG_ANSWER_OK ? op->cas : 0;
    if (op->kind == SEG_ASK_DELETE || op->kind == SEG_ASK_REMOVE) {
        ret_after->live = false;
        ret_after->body = ret_after->xattr = 0;
        return answer;
    }
    if (op->kind == SEG_ASK_XATTR) ret_after->xattr = op->body;
    else if (op->kind == SEG_ASK_INCR) ret_after->body = now->live ? now->body + op->body : op->given;
    else ret_after->body = op->body;
    ret_after->live = true;
    return answer;
}
