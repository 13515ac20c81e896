/* L6: one rehearsal: a migration of copies, under clients, checked against a ledger. The main thread does all of it but
 * the clients. */
#ifndef SEG_REHEARSE_H
#define SEG_REHEARSE_H

#include "cli/clients.h"
#include "cli/ledger.h"
#include "cli/policy.h"
#include "cli/progress.h"

typedef struct seg_rehearsal {
    const seg_cli *cli;
    seg_sides sides; /* the originals, opened for reading only */
    unsigned n_clients;
    int64_t client_ns; /* how long the clients run, at least */
    uint64_t seed;
    char *folder;                         /* of the copies */
    bool made_folder;                     /* it is ours to remove */
    segue_store *source_from, *source_to; /* copies that nobody touches: the originals may go on living */
    segue_store *from, *to, *dual;        /* copies that are migrated */
    segue_policy *policy;                 /* the one of the originals */
    seg_ledger ledger;
    seg_progress progress;
    segue_migration *migration; /* while it runs */
    seg_clients *clients;       /* while they run */
    uint64_t copied_from, copied_to;
    uint64_t in_scope; /* records that the policy moves */
    uint64_t compared; /* records that no client touched */
    uint64_t touched;
    seg_client_counts counts;
    segue_migration_status status;
} seg_rehearsal;

/* Copies of both stores in the folder. Not SEG_EXIT_DONE: said already. */
int seg_rehearsal_copy(seg_rehearsal *r);
/* Fill the ledger with keys of the data that the policy moves. */
int seg_rehearsal_choose(seg_rehearsal *r);
/* Hold what was migrated against the ledger and what was copied. */
int seg_rehearsal_check(seg_rehearsal *r);
/* The result on stdout. */
void seg_rehearsal_report(const seg_rehearsal *r);

#endif
