/* L2: helpers around records that know no backend. The rules of mutations are in apply.c. */
#ifndef SEG_DOC_H
#define SEG_DOC_H

#include <segue/backend.h>

/* B4: whether the record is live at wall-clock second `now`: it has a body and its expiry has not come. */
bool seg_record_is_live(const segue_record *rec, uint64_t now);

/* B4: if the record has expired, make doc the tombstone that it is (system xattrs only, no expiry, no flags, not JSON); CAS
 * and revision stay. The one place where reading decides about expiry. */
void seg_doc_expire(segue_doc *doc, uint64_t now);

/* B1, B3: whether the condition of a put, or of an erase, holds over a record with this CAS; 0: there is no record, not even a
 * tombstone. EXISTS, NOT_FOUND, CAS_MISMATCH; the sentence is the engine's. */
segue_status seg_put_judge(const segue_put *put, uint64_t cas);
segue_status seg_erase_judge(uint64_t if_cas, uint64_t cas);

/* A record with this write id was written by a reaper. No operation's random one is equal to it but by a chance of 2^-64. */
#define SEG_REAPED UINT64_C(0x5EA9EDDEADC0FFEE)
/* If the stored record in doc has expired, make it what replaces it when it is reaped: the tombstone that it reads as, one
 * revision on, marked as reaped. The CAS stays: it is the condition. False: it has not expired; doc is as it was. */
bool seg_doc_reap(segue_doc *doc, uint64_t now);

/* B9 for a whole record, and JSON for its xattrs; INVALID_KEY, TOO_BIG, INVALID_XATTR_NAME, INVALID_JSON. */
segue_status seg_record_check(const segue_record *rec, segue_call *call);
segue_status seg_key_check(segue_slice key, segue_call *call);
segue_status seg_xattr_name_check(segue_slice name, segue_call *call);

static inline bool seg_xattr_is_system(segue_slice name) { return name.size > 0 && name.data[0] == '_'; }

/* Sort by name (few elements). False: a name twice. */
bool seg_xattrs_sort(segue_xattr *xattrs, size_t n);

/* Equal in everything a client can see: state, body, is-JSON, flags, expiry, xattrs (byte for byte). Not CAS, revision. */
bool seg_record_same_content(const segue_record *a, const segue_record *b);
/* The same and CAS and revision too. */
bool seg_record_same(const segue_record *a, const segue_record *b);

/* 128-bit digest of all that seg_record_same compares, and the key. */
typedef struct seg_digest {
    uint64_t low, high;
} seg_digest;
seg_digest seg_record_digest(const segue_record *rec);

#endif
