/* L6: what the verbs about migrations share. */
#ifndef SEG_CLI_MIGRATE_H
#define SEG_CLI_MIGRATE_H

#include "cli/cli.h"
#include <segue/migrate.h>

/* From the command line, without policy and progress. Not SEG_EXIT_DONE: said already. */
int seg_migration_options(const seg_cli *cli, segue_migration_options *options);

/* The status record on stdout: for people, for machines. */
void seg_status_text(const segue_migration_status *status);
void seg_status_json(const segue_migration_status *status);

#endif
