/* L6: progress on stderr: one rewritten line on a terminal, a line every ten seconds elsewhere, nothing with --quiet, nothing
 * about what is done in no time. */
#ifndef SEG_PROGRESS_H
#define SEG_PROGRESS_H

#include "cli/cli.h"

typedef struct seg_progress {
    const seg_cli *cli;
    bool is_terminal;
    bool shown; /* there is a line on the terminal to be wiped */
    int64_t began_ns, last_ns;
    const char *what;   /* said last */
    uint64_t last_done; /* for the rate: at last_rate_ns */
    int64_t last_rate_ns;
    double rate; /* a second, smoothed */
} seg_progress;

void seg_progress_begin(seg_progress *p, const seg_cli *cli);
/* Say how far it is, if it is time to. total 0: not known. `what` is a word, static text; `detail` may be NULL. */
void seg_progress_say(seg_progress *p, const char *what, uint64_t done, uint64_t total, const char *detail);
/* Wipe the line. */
void seg_progress_end(seg_progress *p);

#endif
