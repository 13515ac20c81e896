/* The judge of histories: known bad ones are refused with the right words, good ones accepted, also with writes of unknown
 * outcome; what a sequential run could have answered is accepted, and with one answer changed it is refused; long ones take
 * time in proportion to their length. */
/* The program's own files: it is no library. Before cmocka, which defines short words as macros. */
#include "cli/history.c"
#include "cli/history_judge.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/base.h"

/* One operation a line: CLIENT BEGIN END WHAT [ASKED] -> ANSWER. END '-': it never ended; '<5': nor can it
 * be applied after 5. The first line: "none", or
 * "BODY CAS [XATTR]" of the document there at first.
 *   get -> BODY CAS [XATTR] | none       set BODY -> CAS            add BODY -> CAS | exists
 *   write BODY GIVEN -> CAS | mismatch | none                     update BODY GIVEN -> CAS
 *   delete -> CAS | none                 remove GIVEN -> CAS | mismatch | none
 *   incr DELTA [INITIAL] -> NUMBER CAS | none                     xattr VALUE -> CAS | none
 *   replace BODY -> CAS  put-in BODY -> CAS  append BYTE -> CAS | none  put BODY GIVEN -> CAS
 *   touch EXPIRY -> CAS | none  see -> CAS | none
 * and of each: unknown, failed; recas is always unknown. An expiry may stand behind a set's body, and behind the xattr that a
 * get saw; a moment is a second of all clocks. */
typedef struct known {
    const char *name, *text, *word; /* word: of the sentence that refuses it */
} known;

static const known bad[] = {
    {"lost update: two updates of one version", "5 10\n1 1 4 update 6 10 -> 11\n2 2 5 update 7 10 -> 12\n",
     "an update is lost"},
    {"lost update: a write under an old CAS", "5 10\n1 1 2 set 6 -> 11\n2 3 4 write 7 10 -> 12\n", "an update is lost"},
    {"stale read", "5 10\n1 1 2 set 6 -> 11\n2 3 4 get -> 5 10\n", "a stale read"},
    {"stale read after another read", "5 10\n1 1 9 set 6 -> 11\n2 2 3 get -> 6 11\n3 4 5 get -> 5 10\n",
     "a stale read"},
    {"double insert", "none\n1 1 4 add 6 -> 11\n2 2 5 add 7 -> 12\n", "an insert over a live document"},
    {"insert over what was there", "5 10\n1 1 4 add 6 -> 11\n", "an insert over a live document"},
    {"resurrected delete", "5 10\n1 1 2 delete -> 11\n2 3 4 get -> 5 10\n", "came back from the dead"},
    {"resurrected delete: the sweep's copy over a tombstone", "5 10\n1 1 2 delete -> 11\n2 3 4 update 6 10 -> 12\n",
     "an update is lost"},
    {"deleted twice", "5 10\n1 1 4 delete -> 11\n2 2 5 delete -> 12\n", "a delete of what is not live"},
    {"unreachable delete", "5 10\n1 1 2 delete -> none\n2 3 4 get -> 5 10\n", "a delete did not reach"},
    {"CAS reused", "5 10\n1 1 2 set 6 -> 11\n2 3 4 set 7 -> 11\n", "a CAS was given twice"},
    {"CAS reused after a delete", "5 10\n1 1 2 delete -> 11\n2 3 4 add 7 -> 10\n", "not greater than the one before"},
    {"CASes went back", "none\n1 1 2 set 6 -> 20\n2 3 4 set 7 -> 15\n", "CASes went back"},
    {"read of what nobody wrote", "5 10\n1 1 2 set 6 -> 11\n2 3 4 get -> 8 12\n", "nobody wrote it"},
    {"read of another body than was written", "5 10\n1 1 2 set 6 -> 11\n2 3 4 get -> 8 11\n", "another content"},
    {"two contents under one CAS", "none\n1 1 - set 6 -> unknown\n2 3 4 get -> 6 11\n3 5 6 get -> 7 11\n",
     "two contents"},
    {"read before it was written", "5 10\n1 1 2 get -> 6 11\n2 3 4 set 6 -> 11\n", "before it was written"},
    {"not found, although it is there", "5 10\n1 1 2 get -> none\n", "did not find what is there"},
    {"not found between two reads", "5 10\n1 1 2 get -> 5 10\n1 3 4 get -> none\n1 5 6 get -> 5 10\n",
     "did not find what is there"},
    {"unknown outcome applied twice", "5 10\n1 1 - incr 1 -> unknown\n2 3 4 get -> 7 12\n", ""},
    {"unknown write seen, then gone, then seen",
     "5 10\n1 1 - set 6 -> unknown\n2 3 4 get -> 6 11\n2 5 6 set 7 -> 12\n"
     "2 7 8 get -> 6 13\n",
     ""},
    {"failed write was applied", "5 10\n1 1 2 set 6 -> failed\n2 3 4 get -> 6 11\n", "nobody wrote it"},
    {"addition lost", "5 10\n1 1 4 incr 1 -> 6 11\n2 2 5 incr 1 -> 6 12\n", "lost"},
    {"addition made twice", "5 10\n1 1 2 incr 1 -> 7 11\n", "more than was added"},
    {"counter begun again", "5 10\n1 1 2 incr 1 -> 6 11\n2 3 4 incr 1 0 -> 0 12\n", "lost"},
    {"xattr lost", "5 10\n1 1 2 xattr 3 -> 11\n2 3 4 set 6 -> 12\n2 5 6 get -> 6 12\n", "another content"},
    {"xattr of the dead", "5 10 3\n1 1 2 delete -> 11\n1 3 4 add 6 -> 12\n2 5 6 get -> 6 12 3\n", "another content"},
    {"xattr over a delete", "5 10\n1 1 2 delete -> 11\n1 3 4 xattr 6 -> 12\n", "not live"},
    {"right CAS refused", "5 10\n1 1 2 write 6 10 -> mismatch\n", "a right CAS was refused"},
    {"removed under an old CAS", "5 10\n1 1 2 set 6 -> 11\n2 3 4 remove 10 -> 12\n", "an update is lost"},
    {"insert refused where nothing is", "none\n1 1 2 add 6 -> exists\n", "refused where nothing is live"},
    {"token of nobody", "5 10\n1 1 2 write 6 9 -> 11\n", "a CAS that nobody gave"},
    {"unknown insert does not explain a delete", "5 10\n1 1 - add 6 -> unknown\n2 3 4 get -> none\n",
     "did not find what is there"},
    {"unknown write of later", "5 10\n1 1 2 get -> 6 11\n2 3 - set 6 -> unknown\n", "nobody wrote it"},
    {"unknown delete, and the old one again", "5 10\n1 1 - delete -> unknown\n2 3 4 get -> none\n2 5 6 get -> 5 10\n",
     ""},
    {"update of nothing over a live document", "5 10\n1 1 2 update 6 0 -> 11\n", "an update is lost"},
    {"seen after its end", "none\n1 1 2 set 6 10 -> 11\n2 12 13 get -> 6 11 0 10\n", "another content"},
    {"not seen before its end", "none\n1 1 2 set 6 10 -> 11\n2 8 9 get -> none\n", "did not find what is there"},
    {"expiry lost", "5 10\n1 1 2 touch 90 -> 11\n2 3 4 get -> 5 11\n", "another content"},
    {"touched back to life", "none\n1 1 2 set 6 10 -> 11\n2 12 13 touch 90 -> 12\n", "not live"},
    {"insert over what has not expired", "none\n1 1 2 set 6 10 -> 11\n2 3 4 add 7 -> 12\n", "over a live document"},
    {"an appended byte lost", "5 10\n1 1 2 append 1 -> 11\n2 3 4 get -> 5 11\n", "another content"},
    {"a replaced document keeps its xattr", "5 10 3\n1 1 2 replace 6 -> 11\n2 3 4 get -> 6 11 3\n", "another content"},
    {"a part that is put in loses the xattr", "5 10 3\n1 1 2 put-in 6 -> 11\n2 3 4 get -> 6 11\n", "another content"},
    {"put over another record", "5 10\n1 1 2 set 6 -> 11\n2 3 4 put 7 10 -> 12\n", "an update is lost"},
    {"put, and the old xattr is seen", "5 10 3\n1 1 2 put 7 10 -> 11\n2 3 4 get -> 7 11 3\n", "another content"},
    {"put refused over its own record", "5 10\n1 1 2 put 7 10 -> mismatch\n", "a right CAS was refused"},
    {"applied after it could be", "5 10\n1 1 <2 set 6 -> unknown\n2 3 4 get -> 5 10\n2 5 6 get -> 6 11\n", ""},
    {"another CAS without a move", "5 10\n1 3 4 get -> 5 11\n", "nobody wrote it"},
    {"a move that changes the body", "5 10\n0 1 - recas -> unknown\n1 3 4 get -> 6 11\n", ""},
    {"moved twice", "5 10\n0 1 - recas -> unknown\n1 3 4 get -> 5 11\n1 5 6 get -> 5 12\n", ""},
    {"another CAS than the last read's", "5 10\n1 1 2 set 6 -> 11\n1 3 4 see -> 10\n", ""},
};

static const known good[] = {
    {"nothing", "none\n", NULL},
    {"reads of either side of a write", "5 10\n1 1 9 set 6 -> 11\n2 2 3 get -> 5 10\n3 4 5 get -> 6 11\n", NULL},
    {"two inserts, one wins", "none\n1 1 4 add 6 -> 11\n2 2 5 add 7 -> exists\n3 3 4 get -> none\n", NULL},
    {"delete and insert again", "5 10\n1 1 2 delete -> 11\n2 1 9 get -> none\n1 3 4 add 6 -> 12\n2 10 11 get -> 6 12\n",
     NULL},
    {"order by CAS against the order of begins", "5 10\n1 1 9 set 6 -> 12\n2 2 8 set 7 -> 11\n3 10 11 get -> 6 12\n",
     NULL},
    {"at the same moment", "5 10\n1 1 3 set 6 -> 11\n2 3 4 get -> 5 10\n", NULL},
    {"mismatch, not found", "5 10\n1 1 2 write 6 9 -> mismatch\n1 3 4 remove 10 -> 11\n2 3 5 write 7 10 -> none\n",
     NULL},
    {"failed is nothing", "5 10\n1 1 2 set 6 -> failed\n2 3 4 get -> 5 10\n", NULL},
    {"unknown, and never applied", "5 10\n1 1 - set 6 -> unknown\n2 3 4 get -> 5 10\n", NULL},
    {"unknown, and applied late", "5 10\n1 1 2 set 6 -> unknown\n2 3 4 get -> 5 10\n2 5 6 get -> 6 11\n", NULL},
    {"unknown, and overwritten unseen", "5 10\n1 1 - set 6 -> unknown\n2 3 4 set 7 -> 11\n2 5 6 get -> 7 11\n", NULL},
    {"unknown, and it explains a refusal", "none\n1 1 - add 6 -> unknown\n2 3 4 add 7 -> exists\n2 5 6 get -> 6 11\n",
     NULL},
    {"unknown delete explains an insert", "5 10\n1 1 - delete -> unknown\n2 3 4 add 7 -> 12\n", NULL},
    {"unknown delete and unknown insert", "5 10\n1 1 - delete -> unknown\n2 1 - add 6 -> unknown\n3 3 4 get -> 6 12\n",
     NULL},
    {"unknown additions: one of two", "5 10\n1 1 - incr 1 -> unknown\n2 1 - incr 1 -> unknown\n3 3 4 incr 1 -> 7 12\n",
     NULL},
    {"unknown additions: both, in the end",
     "5 10\n1 1 - incr 1 -> unknown\n2 1 - incr 2 -> unknown\n3 3 4 incr 1 -> 6 11\n"
     "3 5 6 get -> 9 14\n",
     NULL},
    {"unknown write whose CAS was used", "5 10\n1 1 - set 6 -> unknown\n2 3 4 update 7 11 -> 12\n", NULL},
    {"unknown write explains a mismatch", "5 10\n1 1 - set 6 -> unknown\n2 3 4 write 7 10 -> mismatch\n", NULL},
    {"xattr stays over a set, not over a delete",
     "5 10\n1 1 2 xattr 3 -> 11\n1 3 4 set 6 -> 12\n1 5 6 get -> 6 12 3\n1 7 8 delete -> 13\n"
     "1 9 10 set 7 -> 14\n1 11 12 get -> 7 14\n",
     NULL},
    {"expired, and inserted anew", "none\n1 1 2 set 6 10 -> 11\n2 10 11 add 7 -> 12\n2 13 14 get -> 7 12\n", NULL},
    {"expires while it is read", "none\n1 1 2 set 6 10 -> 11\n2 8 12 get -> none\n3 8 12 get -> 6 11 0 10\n", NULL},
    {"touched for longer", "none\n1 1 2 set 6 10 -> 11\n2 3 4 touch 20 -> 12\n2 13 14 get -> 6 12 0 20\n", NULL},
    {"unknown touch", "none\n1 1 2 set 6 10 -> 11\n2 3 - touch 20 -> unknown\n2 13 14 get -> 6 12 0 20\n", NULL},
    {"a set has no expiry", "none\n1 1 2 set 6 10 -> 11\n2 3 4 set 7 -> 12\n2 13 14 get -> 7 12\n", NULL},
    {"moved", "5 10\n0 1 - recas -> unknown\n1 3 4 get -> 5 11\n2 5 6 write 7 11 -> 12\n", NULL},
    {"moved, unseen", "5 10\n0 1 - recas -> unknown\n1 3 4 write 7 10 -> mismatch\n2 5 6 get -> 5 11\n", NULL},
    {"unknown, and applied while it could be", "5 10\n1 1 <4 set 6 -> unknown\n2 3 4 get -> 5 10\n2 5 6 get -> 6 11\n",
     NULL},
    {"put over a tombstone", "5 10\n1 1 2 delete -> 11\n2 3 4 put 7 11 -> 12\n2 5 6 get -> 7 12\n", NULL},
    {"put over what has expired", "none\n1 1 2 set 6 10 -> 11\n2 11 12 put 7 11 -> 13\n2 13 14 get -> 7 13\n", NULL},
    {"put over what was reaped", "none\n1 1 2 set 6 10 -> 11\n2 11 12 put 7 11 -> mismatch\n", NULL},
    {"put over nothing", "5 10\n1 1 2 delete -> 11\n2 3 4 put 7 10 -> none\n", NULL},
    {"counter that begins", "none\n1 1 2 incr 5 100 -> 100 11\n2 3 4 incr 5 100 -> 105 12\n3 1 9 incr 1 -> none\n",
     NULL},
    {"update of nothing", "none\n1 1 2 update 6 0 -> 11\n2 3 4 update 7 11 -> 12\n", NULL},
};

/* ---- the text ---- */

static seg_op_kind kind_of(const char *name)
{
    for (seg_op_kind k = 0; k < SEG_N_ASKS; k++)
        if (strcmp(seg_op_name(k), name) == 0) return k;
    fail_msg("no such operation: %s", name);
    return SEG_ASK_GET;
}

static unsigned numbers(char *text, uint64_t out[4])
{
    unsigned n = 0;
    char *rest = NULL;
    for (char *w = strtok_r(text, " ", &rest); w && n < 4; w = strtok_r(NULL, " ", &rest))
        if (seg_parse_u64(segue_str(w), &out[n])) n++;
    return n;
}

static void parse_answer(seg_op *op, char *text)
{
    uint64_t v[4] = {0};
    for (seg_answer a = SEG_ANSWER_EXISTS; a <= SEG_ANSWER_UNKNOWN; a++)
        if (strcmp(text, seg_answer_name(a)) == 0) {
            op->answer = a;
            return;
        }
    unsigned n = numbers(text, v);
    bool sees = op->kind == SEG_ASK_GET || op->kind == SEG_ASK_INCR;
    if (op->kind == SEG_ASK_GET) op->saw_expiry = v[3];
    assert_true(n >= (sees ? 2u : 1u));
    op->cas = sees ? v[1] : v[0];
    if (sees) op->saw_body = v[0];
    op->saw_xattr = v[2];
}

static seg_op parse_line(char *line)
{
    char end[24], what[16], *arrow = strstr(line, " -> ");
    unsigned long long begin;
    seg_op op = {.end = UINT64_MAX};
    uint64_t v[4] = {0};
    int at = 0;
    assert_non_null(arrow);
    *arrow = '\0';
    assert_int_equal(sscanf(line, "%u %llu %23s %15s%n", &op.client, &begin, end, what, &at), 4);
    op.begin = begin;
    if (end[0] != '-') assert_true(seg_parse_u64(segue_str(end + (end[0] == '<')), &op.end));
    if (end[0] == '<') op.until = op.end;
    op.kind = kind_of(what);
    unsigned n = numbers(line + at, v);
    op.body = op.kind == SEG_ASK_REMOVE ? 0 : v[0];
    op.given = op.kind == SEG_ASK_REMOVE ? v[0] : v[1];
    op.has_initial = op.kind == SEG_ASK_INCR && n == 2;
    if (op.kind == SEG_ASK_TOUCH) op.expiry = v[0];
    if (op.kind == SEG_ASK_SET) op.expiry = v[1];
    op.clock_from = op.begin; /* a second for each moment */
    op.clock_to = op.end;
    parse_answer(&op, arrow + 4);
    return op;
}

static void parse(const char *text, seg_history *h)
{
    char copy[1024], *rest = NULL;
    uint64_t v[4] = {0};
    *h = (seg_history){0};
    assert_true(strlen(text) < sizeof copy);
    memcpy(copy, text, strlen(text) + 1);
    char *line = strtok_r(copy, "\n", &rest);
    if (strcmp(line, "none") != 0) {
        assert_true(numbers(line, v) >= 2);
        h->start = (seg_model){.live = true, .body = v[0], .xattr = v[2], .cas = v[1], .expiry = v[3]};
    }
    while ((line = strtok_r(NULL, "\n", &rest)) != NULL) {
        seg_op op = parse_line(line);
        assert_int_equal(seg_history_add(h, &op), SEGUE_OK);
    }
}

static void test_bad_histories_are_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        seg_history h;
        seg_judgement judgement;
        parse(bad[i].text, &h);
        seg_history_judge(&h, 0, &judgement);
        if (judgement.verdict != SEG_VERDICT_BAD) fail_msg("accepted: %s", bad[i].name);
        if (!strstr(judgement.text, bad[i].word) || !strstr(judgement.text, "client "))
            fail_msg("%s: refused with: %s", bad[i].name, judgement.text);
        seg_history_free(&h);
    }
}

static void test_good_histories_are_accepted(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        seg_history h;
        seg_judgement judgement;
        parse(good[i].text, &h);
        seg_history_judge(&h, 0, &judgement);
        if (judgement.verdict != SEG_VERDICT_GOOD) fail_msg("%s: %s", good[i].name, judgement.text);
        seg_history_free(&h);
    }
}

/* ---- made histories: a sequential run whose operations are then made longer, so that they overlap ---- */

typedef struct maker {
    uint64_t random, next_body;
    unsigned unknowns; /* of 100 writes */
    unsigned width;    /* how far an operation reaches, in steps */
    uint64_t second;   /* of all clocks: ten moments */
} maker;

static uint64_t pick(maker *m, uint64_t n)
{
    m->random = m->random * 6364136223846793005u + 1442695040888963407u;
    return (m->random >> 33) % n;
}

static seg_op random_op(maker *m, const seg_model *now)
{
    seg_op op = {.kind = (seg_op_kind)pick(m, SEG_N_ASKS), .client = (unsigned)pick(m, 8)};
    if (pick(m, 3) == 0 || op.kind == SEG_ASK_RECAS) op.kind = SEG_ASK_GET;
    op.body = op.kind == SEG_ASK_INCR ? 1 + pick(m, 3) : ++m->next_body * 1000;
    op.given = now->cas;
    if (op.kind == SEG_ASK_UPDATE && (!now->live || (now->expiry && now->expiry <= m->second))) op.given = 0;
    if ((op.kind == SEG_ASK_WRITE || op.kind == SEG_ASK_REMOVE) && pick(m, 3) == 0) op.given = now->cas / 2 + 1;
    op.has_initial = op.kind == SEG_ASK_INCR;
    if (op.has_initial) op.given = 500;
    if (op.kind == SEG_ASK_DELETE || op.kind == SEG_ASK_REMOVE) op.body = 0;
    if (op.kind == SEG_ASK_ADD && pick(m, 2)) op.xattr = op.body + 1;
    if (op.kind == SEG_ASK_TOUCH || pick(m, 4) == 0) op.expiry = m->second + 1 + pick(m, 20);
    return op;
}

static void make_history(maker *m, size_t n, seg_history *h)
{
    seg_model now = {0}, after;
    uint64_t cas = 100;
    bool is_seen = true; /* somebody got the CAS that stands: only then it can be asked for */
    *h = (seg_history){0};
    for (size_t i = 0; i < n; i++) {
        uint64_t moment = 1000 + 10 * i;
        m->second = moment / 10;
        bool live = now.live && (!now.expiry || now.expiry > m->second);
        seg_op op = random_op(m, &now);
        bool reads = op.kind == SEG_ASK_GET || op.kind == SEG_ASK_SEE;
        bool is_unknown = !reads && pick(m, 100) < m->unknowns;
        if (is_unknown && !is_seen && op.given == now.cas) op.kind = SEG_ASK_SET;
        if (!is_seen && op.kind == SEG_ASK_PUT) op.given = 0; /* nobody gets the CAS of a tombstone but who made it */
        op.cas = ++cas;
        op.begin = moment - pick(m, 10 * m->width);
        op.end = is_unknown && pick(m, 2) ? UINT64_MAX : moment + pick(m, 10 * m->width);
        op.clock_from = m->width > 1 ? op.begin / 10 : m->second;
        op.clock_to = m->width > 1 ? op.end / 10 : m->second;
        op.answer = seg_model_apply(&now, live, &op, &after);
        if (op.answer == SEG_ANSWER_OK && reads) {
            op.cas = now.cas;
            op.saw_expiry = now.expiry;
            op.saw_body = now.body;
            op.saw_xattr = now.xattr;
        } else if (op.answer == SEG_ANSWER_OK && op.kind == SEG_ASK_INCR) {
            op.saw_body = after.body;
        }
        if (!is_unknown || pick(m, 2)) { /* else it is not applied */
            is_seen = !is_unknown && (op.answer == SEG_ANSWER_OK || is_seen);
            now = after;
        }
        if (op.answer != SEG_ANSWER_OK) op.cas = 0;
        if (is_unknown) {
            if (op.end != UINT64_MAX) op.until = op.end;
            op.answer = SEG_ANSWER_UNKNOWN;
            op.cas = 0;
        }
        assert_int_equal(seg_history_add(h, &op), SEGUE_OK);
    }
}

static void test_what_a_sequential_run_answers_is_accepted(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 3000; seed++) {
        maker m = {.random = seed, .unknowns = seed % 4 * 5, .width = 1 + seed % 7};
        seg_history h;
        seg_judgement judgement;
        make_history(&m, 60, &h);
        seg_history_judge(&h, 0, &judgement);
        if (judgement.verdict != SEG_VERDICT_GOOD) fail_msg("seed %u: %s", seed, judgement.text);
        seg_history_free(&h);
    }
}

/* Change one answer so that nothing explains it (no unknown writes here): what a get saw; an insert, a delete or a get turned
 * round, where no other write was at the same time. */
static bool spoil(maker *m, seg_history *h)
{
    size_t at = (size_t)pick(m, h->n);
    seg_op *op = &h->ops[at];
    for (size_t i = 0; i < h->n; i++)
        if (i != at && h->ops[i].begin <= op->end && h->ops[i].end >= op->begin) return false;
    if (op->kind == SEG_ASK_GET && op->answer == SEG_ANSWER_OK) {
        if (pick(m, 2)) op->saw_body++;
        else op->answer = SEG_ANSWER_NOT_FOUND;
    } else if (op->answer == SEG_ANSWER_EXISTS || op->answer == SEG_ANSWER_NOT_FOUND ||
               op->answer == SEG_ANSWER_MISMATCH) {
        if (op->kind == SEG_ASK_GET || op->kind == SEG_ASK_SEE) return false;
        op->answer = SEG_ANSWER_OK;
        op->cas = 100 + at + 1;
    } else if (op->kind == SEG_ASK_INCR) {
        op->saw_body++;
    } else if (op->kind == SEG_ASK_DELETE || op->kind == SEG_ASK_XATTR) {
        op->answer = SEG_ANSWER_NOT_FOUND;
    } else {
        return false;
    }
    return true;
}

static void test_with_one_answer_changed_it_is_refused(void **state)
{
    (void)state;
    unsigned spoiled = 0;
    for (unsigned seed = 1; seed <= 3000; seed++) {
        maker m = {.random = seed, .width = 1};
        seg_history h;
        seg_judgement judgement;
        make_history(&m, 60, &h);
        if (spoil(&m, &h)) {
            spoiled++;
            seg_history_judge(&h, 0, &judgement);
            if (judgement.verdict != SEG_VERDICT_BAD) fail_msg("seed %u: accepted", seed);
        }
        seg_history_free(&h);
    }
    assert_true(spoiled > 300);
}

static void test_long_histories_take_steps_in_proportion(void **state)
{
    (void)state;
    maker m = {.random = 7, .width = 8};
    seg_history h;
    seg_judgement judgement;
    make_history(&m, 50000, &h);
    seg_history_judge(&h, 60000, &judgement);
    if (judgement.verdict != SEG_VERDICT_GOOD) fail_msg("%s", judgement.text);
    seg_history_free(&h);
    m = (maker){.random = 8, .width = 8, .unknowns = 1};
    make_history(&m, 5000, &h);
    seg_history_judge(&h, 0, &judgement);
    if (judgement.verdict != SEG_VERDICT_GOOD) fail_msg("with unknown outcomes: %s", judgement.text);
    seg_history_free(&h);
}

static void test_what_is_too_much_is_not_decided(void **state)
{
    (void)state;
    maker m = {.random = 7, .width = 8};
    seg_history h;
    seg_judgement judgement;
    make_history(&m, 1000, &h);
    seg_history_judge(&h, 10, &judgement);
    assert_int_equal(judgement.verdict, SEG_VERDICT_UNDECIDED);
    assert_non_null(strstr(judgement.text, "not decided"));
    seg_history_free(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_histories_are_refused_by_name),
        cmocka_unit_test(test_good_histories_are_accepted),
        cmocka_unit_test(test_what_a_sequential_run_answers_is_accepted),
        cmocka_unit_test(test_with_one_answer_changed_it_is_refused),
        cmocka_unit_test(test_long_histories_take_steps_in_proportion),
        cmocka_unit_test(test_what_is_too_much_is_not_decided),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
