/* L6: histories of one key, and the judge of them: is there one order of the operations, each between its begin and its
 * end, in which every answer is right? Used by `segue rehearse` and by `make torture`. A history is the caller's; a
 * verdict needs nothing of it afterwards. Any thread, each its own.
 *
 * The model is a document: live or not, a body, one xattr, an expiry, a CAS. Bodies are numbers that stand for
 * themselves (a counter's) or for a text (its hash). Every successful write has a CAS, and CASes of a key grow: that is
 * the order of the writes. What is searched is where reads, refusals and writes of unknown outcome belong. */
#ifndef SEG_HISTORY_H
#define SEG_HISTORY_H

#include <segue/bytes.h>
#include <segue/status.h>
#include <stdint.h>
#include <stdio.h>

typedef enum seg_op_kind {
    SEG_ASK_GET,
    SEG_ASK_SET,     /* whatever is there */
    SEG_ASK_ADD,     /* where nothing is live: else EXISTS */
    SEG_ASK_WRITE,   /* under the CAS `given`: else MISMATCH, NOT_FOUND */
    SEG_ASK_UPDATE,  /* a read-modify-write: `given` is the CAS of what it saw in the end, 0 nothing live */
    SEG_ASK_DELETE,  /* what is live: else NOT_FOUND */
    SEG_ASK_REMOVE,  /* under the CAS `given`: else MISMATCH, NOT_FOUND */
    SEG_ASK_INCR,    /* by `body`; nothing live: `given` is stored if has_initial, else NOT_FOUND */
    SEG_ASK_XATTR,   /* `body` is the xattr's new value; nothing live: NOT_FOUND */
    SEG_ASK_REPLACE, /* a set that keeps nothing of what was there */
    SEG_ASK_PUT_IN,  /* a set of the part that the body's number stands for: keeps xattr and expiry of what is live */
    SEG_ASK_APPEND, /* of the byte `body`; a body that is appended to is the FNV-1a hash of its text. Not live: NOT_FOUND */
    SEG_ASK_PUT,   /* a whole record, xattr and all, over the record with the CAS `given`, a tombstone's or an
                        expired one's too: else MISMATCH or NOT_FOUND */
    SEG_ASK_TOUCH, /* a new `expiry`; of what is live: else NOT_FOUND */
    SEG_ASK_SEE,   /* a read that tells the CAS alone */
    SEG_ASK_RECAS, /* the document gets another CAS: a move between stores, nobody's operation. Always UNKNOWN */
    SEG_N_ASKS
} seg_op_kind;

typedef enum seg_answer {
    SEG_ANSWER_OK,
    SEG_ANSWER_EXISTS,
    SEG_ANSWER_MISMATCH,
    SEG_ANSWER_NOT_FOUND,
    SEG_ANSWER_FAILED, /* nothing was applied */
    SEG_ANSWER_UNKNOWN /* it may have been applied, or may be some day */
} seg_answer;

typedef struct seg_op {
    seg_op_kind kind;
    seg_answer answer;
    unsigned client;
    bool has_initial;
    bool has_seen;        /* of TOUCH: saw_body and saw_xattr are what was there */
    uint64_t begin, end;  /* moments; what ends at 5 and what begins at 5 may have been at the same time */
    uint64_t until;       /* of an UNKNOWN one: the moment after which it cannot be applied any more; 0: some day */
    uint64_t body, given; /* asked */
    uint64_t cas;         /* answered; of a write that was applied, and of what a get saw */
    uint64_t saw_body, saw_xattr; /* answered: of a get; of INCR saw_body is the number */
    uint64_t xattr;               /* asked: the xattr that an ADD or PUT brings, 0 none */
    uint64_t expiry,
        saw_expiry; /* the document's end, in seconds of the wall clock, 0 none: asked; answered, of a get */
    uint64_t clock_from,
        clock_to; /* by the clock of who asked what ends after clock_from may be live, by somebody's what
                                      ends at clock_to or before may be dead */
} seg_op;

/* A document of the model. */
typedef struct seg_model {
    bool live;
    uint64_t body, xattr; /* 0 if not live; xattr 0 none */
    uint64_t cas;         /* 0: nobody saw it */
    uint64_t expiry;      /* 0 if not live */
} seg_model;

typedef struct seg_history {
    seg_model start; /* before the first operation */
    seg_op *ops;     /* in any order */
    size_t n, capacity;
} seg_history;

void seg_history_free(seg_history *history);
/* NO_MEMORY. */
segue_status seg_history_add(seg_history *history, const seg_op *op);

const char *seg_op_name(seg_op_kind kind);
const char *seg_answer_name(seg_answer answer);
enum { SEG_OP_TEXT_SIZE = 160 };
/* "client 3's set of 17, begun at 5, answered at 9 with CAS 30" */
const char *seg_op_text(const seg_op *op, char out[SEG_OP_TEXT_SIZE]);

/* Whether *now can be taken for live, or for not live, by who asks. One of them is always true. */
bool seg_model_may_be(const seg_model *now, const seg_op *op, bool live);
/* The answer of op on *now taken for live or not, and the document after it (its CAS is op's, 0 if the outcome is unknown). */
seg_answer seg_model_apply(const seg_model *now, bool live, const seg_op *op, seg_model *ret_after);

typedef enum seg_verdict {
    SEG_VERDICT_GOOD,
    SEG_VERDICT_BAD,
    SEG_VERDICT_UNDECIDED /* the bound was reached first, or memory */
} seg_verdict;

typedef struct seg_judgement {
    seg_verdict verdict;
    size_t culprit; /* BAD: the operation named, as placed in the history */
    uint64_t steps; /* documents that were looked at */
    char text[512]; /* BAD, UNDECIDED: a sentence */
} seg_judgement;

/* most_steps 0: ten million. Sorts nothing of the history, changes nothing. */
void seg_history_judge(const seg_history *history, uint64_t most_steps, seg_judgement *ret);

#endif
