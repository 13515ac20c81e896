/* L6: what --policy says, as a policy. */
#ifndef SEG_CLI_POLICY_H
#define SEG_CLI_POLICY_H

#include "cli/cli.h"
#include <segue/migrate.h>

/* From a file or "sync-gateway". from and to may be NULL where `text` is no whole bucket's policy. Not SEG_EXIT_DONE: said
 * already. */
int seg_cli_policy(const seg_cli *cli, const char *text, segue_store *from, segue_store *to, segue_policy **ret_policy);

static inline void seg_cli_policy_close(segue_policy **policy)
{
    segue_policy_free(*policy);
    *policy = NULL;
}
#define SEG_AUTO_POLICY __attribute__((cleanup(seg_cli_policy_close))) segue_policy *

/* Whether --policy speaks of the whole bucket, which is read from a store. */
bool seg_cli_policy_needs_store(const seg_cli *cli, const char *text);

/* The two stores and the policy of one command. */
typedef struct seg_sides {
    segue_store *from;
    segue_store *to; /* NULL: it is not there, and was not to be made */
    segue_policy *policy;
} seg_sides;
enum { SEG_SIDES_MAKE_TO = 1 << 0, SEG_SIDES_NEED_TO = 1 << 1 };
/* Open what --from, --to, --policy name; flags as for segue_open. Nothing is made before the rest is right. */
int seg_sides_open(const seg_cli *cli, unsigned flags, unsigned what, seg_sides *ret_sides);
void seg_sides_close(seg_sides *sides);
#define SEG_AUTO_SIDES __attribute__((cleanup(seg_sides_close))) seg_sides

#endif
