/* L6: the ledger of a rehearsal: what every acknowledged write must have left behind, key by key, worked out from the
 * mutations alone and not from what the store says.
 *
 * Three kinds of keys. OWNED: one client alone touches it, so its whole record is known exactly at any moment. COUNTER and
 * SHARED: all clients add to them; the sum of what was acknowledged must be there in the end, and one order of all
 * operations must explain every answer (history.h). Entries are added by one thread and then sorted; after that an owned
 * entry is used by its owner only, the others and the list of differences by any thread. */
#ifndef SEG_LEDGER_H
#define SEG_LEDGER_H

#include "cli/history.h"
#include <pthread.h>
#include <segue/store.h>
#include <stdatomic.h>

typedef enum seg_entry_kind { SEG_ENTRY_OWNED, SEG_ENTRY_COUNTER, SEG_ENTRY_SHARED } seg_entry_kind;

typedef struct seg_entry {
    segue_doc now; /* rec.key; of an owned one the whole record */
    seg_entry_kind kind;
    unsigned owner;
    bool exists;      /* owned: there is a record, live or tombstone */
    bool touched;     /* owned: a client has written it. Others: see acknowledged */
    bool is_vague;    /* owned: a failed write may have been applied, and nobody could find out */
    bool is_checked;  /* by seg_ledger_check */
    uint64_t initial; /* others: what the sum begins with */
    atomic_uint_fast64_t acknowledged, unknown; /* others: the sums of what was added, and of what may have been */
    seg_history history;                        /* others: what the clients did; filled when they have stopped */
} seg_entry;

enum { SEG_LEDGER_TEXTS_MAX = 20, SEG_LEDGER_TEXT_SIZE = 600 };

typedef struct seg_ledger {
    seg_entry **entries;
    size_t n, capacity;
    bool keeps_cas; /* a move changes neither CAS nor revision. Only then histories are judged */
    uint64_t cut;   /* histories are complete up to this moment; 0: to the end */
    uint64_t judged_keys, judged, judged_unknown; /* by seg_ledger_check: keys, operations, these of unknown outcome */
    pthread_mutex_t lock;                         /* of what follows */
    uint64_t differences;
    char texts[SEG_LEDGER_TEXTS_MAX][SEG_LEDGER_TEXT_SIZE]; /* the first ones */
} seg_ledger;

void seg_ledger_init(seg_ledger *ledger, bool keeps_cas);
void seg_ledger_free(seg_ledger *ledger);

/* rec NULL: there is no record with this key. NO_MEMORY. */
segue_status seg_ledger_add(seg_ledger *ledger, seg_entry_kind kind, unsigned owner, segue_slice key,
                            const segue_record *rec, seg_entry **ret_entry);
/* After the last add, before the first find. Of keys that were added twice one stays. */
void seg_ledger_sort(seg_ledger *ledger);
seg_entry *seg_ledger_find(const seg_ledger *ledger, segue_slice key);

/* Note a difference. */
void seg_ledger_differs(seg_ledger *ledger, segue_slice key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The name of the first field in which two records differ, or NULL. CAS and revision only if `exactly`. A NULL record is
 * none; a tombstone is not the same as none. */
const char *seg_record_difference(const segue_record *a, const segue_record *b, bool exactly);

/* ---- owned keys ---- */

/* A client read its key: the record, or NULL for "no live document". Differences are noted; whether it was as expected. */
bool seg_ledger_saw(seg_ledger *ledger, const seg_entry *entry, const segue_record *rec);

/* The status that a mutation must come back with. Of the mutations: expect ANY, NOT_LIVE, LIVE, CAS; body KEEP, SET,
 * DELETE, ADD; xattrs to set; expiry NONE, AT, keep; is-JSON said. */
segue_status seg_ledger_expects(const seg_entry *entry, const segue_mutation *m);

/* What became of it. Notes a wrong outcome; a success changes the entry. After MAYBE_APPLIED call seg_ledger_resolve. */
segue_status seg_ledger_settle(seg_ledger *ledger, seg_entry *entry, const segue_mutation *m, segue_status status,
                               const segue_outcome *outcome);

/* The outcome of a mutation is not known, but now the record (NULL: none) has been read: it must be as before or as after
 * it. */
segue_status seg_ledger_resolve(seg_ledger *ledger, seg_entry *entry, const segue_mutation *m, const segue_record *rec);

/* ---- the end ---- */

/* What is there in the end (NULL: nothing). A tombstone may have been purged. Notes differences. */
void seg_ledger_check(seg_ledger *ledger, seg_entry *entry, const segue_record *rec);
/* Whether a client has written it, or may have. */
bool seg_entry_is_touched(const seg_entry *entry);

/* What a read of a shared key saw (NULL or a tombstone: nothing live), as its history has it. */
void seg_op_saw(seg_op *op, const segue_record *rec);

/* The number of a counter or of a shared key, of a half handed over counter too. False: it is none. */
bool seg_ledger_number(const segue_record *rec, uint64_t *ret_number);

#endif
