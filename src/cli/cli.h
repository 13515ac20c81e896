/* L6: what the files of the program share: the table of verbs, what was typed, how results and failures are said.
 * One thread, but where a file says otherwise. */
#ifndef SEG_CLI_H
#define SEG_CLI_H

#include <segue/store.h>
#include <stdio.h>

/* Exit codes. A status has its own: segue_status_exit_code. */
enum {
    SEG_EXIT_DONE = 0,
    SEG_EXIT_FAILED = 1,
    SEG_EXIT_USAGE = 2,
    SEG_EXIT_NOT_FINISHED = 3,
    SEG_EXIT_DIFFERENT = 4,
    SEG_EXIT_ELSEWHERE = 5
};

/* ---- verbs and options: one table for the parser, the help, the completions (verbs.c) ---- */

typedef struct seg_cli_option {
    const char *name; /* without "--" */
    char letter;      /* 0: none */
    bool repeats;
    const char *value; /* what stands for the value in the help; NULL: a switch */
    const char *text;
} seg_cli_option;

typedef struct seg_cli seg_cli;

typedef struct seg_cli_verb {
    const char *name;
    const char *arguments; /* what follows the options in the usage line */
    unsigned min_arguments, max_arguments;
    const char *summary;
    const char *about;                    /* a few sentences */
    const char *example;                  /* shell lines that work on a copy of the sample bucket in ./bucket */
    const seg_cli_option *const *options; /* groups, NULL at the end; a group ends with name NULL */
    int (*run)(seg_cli *cli);
} seg_cli_verb;

extern const seg_cli_verb seg_cli_verbs[]; /* ends with name NULL */

const seg_cli_verb *seg_cli_verb_find(const char *name);

/* ---- what was typed (options.c) ---- */

typedef struct seg_cli_given {
    const seg_cli_option *option;
    const char *value; /* NULL for a switch */
} seg_cli_given;

struct seg_cli {
    const seg_cli_verb *verb;
    seg_cli_given *given;
    size_t n_given;
    const char **arguments;
    size_t n_arguments;
    bool json;
    bool quiet;
};

/* Whether --json is among the words, so that also wrong usage is said in it. */
bool seg_cli_wants_json(int argc, char **argv);
/* Parse what follows the verb. Not SEG_EXIT_DONE: said already, end with it. */
int seg_cli_parse(seg_cli *cli, const seg_cli_verb *verb, int argc, char **argv);
void seg_cli_free(seg_cli *cli);

bool seg_cli_has(const seg_cli *cli, const char *option);
/* The last value given, or NULL. */
const char *seg_cli_value(const seg_cli *cli, const char *option);
/* All values, in order, into an array of the caller. False: there are more than `max`; said already. */
bool seg_cli_values(const seg_cli *cli, const char *option, const char **values, size_t max, size_t *ret_n);
/* A number; `otherwise` if the option was not given. False: said already. */
bool seg_cli_number(const seg_cli *cli, const char *option, uint64_t otherwise, uint64_t *ret_value);

/* The candidate that is nearest to what was typed, if it is near enough to be meant; else NULL. */
const char *seg_cli_nearest(const char *typed, const char *const *candidates, size_t n);

void seg_cli_help(FILE *out, const seg_cli_verb *verb);
void seg_cli_overview(FILE *out);
/* Scripts for "bash", "zsh" and "fish", made from the table. False: no such shell. */
bool seg_cli_completion(FILE *out, const char *shell);

/* ---- results, failures, remarks (output.c) ---- */

/* Say why it failed, on stderr; the exit code of the status. */
int seg_cli_fail(const seg_cli *cli, segue_status status, const segue_error *err);
/* The same with a sentence of our own. */
int seg_cli_failf(const seg_cli *cli, segue_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Wrong usage: the sentence, and where help is. SEG_EXIT_USAGE. */
int seg_cli_usage(const seg_cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A remark on stderr; not with --quiet. */
void seg_cli_note(const seg_cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Flush stdout and say whether all of it got out; the exit code to end with. A reader that has gone away is no news. */
int seg_cli_finish(const seg_cli *cli, int exit_code);

typedef enum seg_style { SEG_PLAIN, SEG_BOLD, SEG_DIM, SEG_GOOD, SEG_BAD, SEG_WARN } seg_style;
/* The escape sequence that begins a style on stdout, "" when it is no terminal or colours are not wanted. */
const char *seg_cli_style(seg_style style);

/* JSON, written as it is said; commas come by themselves. Names are plain texts. */
typedef struct seg_json_out {
    FILE *file;
    unsigned depth;
    bool more[16]; /* a member was written at this depth */
} seg_json_out;
void seg_json_begin(seg_json_out *out, const char *name, char bracket); /* '{' or '['; name NULL in arrays */
void seg_json_end(seg_json_out *out, char bracket);                     /* '}' or ']' */
void seg_json_text(seg_json_out *out, const char *name, segue_slice text);
void seg_json_number(seg_json_out *out, const char *name, uint64_t number);
void seg_json_real(seg_json_out *out, const char *name, double number);
void seg_json_bool(seg_json_out *out, const char *name, bool value);
/* A JSON text, in one line. */
void seg_json_raw(seg_json_out *out, const char *name, segue_slice json);
/* A u64 as text, because many readers of JSON round numbers above 2^53. */
void seg_json_u64_text(seg_json_out *out, const char *name, uint64_t number);
/* A key: as `name`, or base64 as `name`_base64 if it is not UTF-8. */
void seg_json_key(seg_json_out *out, const char *name, segue_slice key);
void seg_json_line(seg_json_out *out); /* the end of a line of JSON Lines */

/* A key for people: what is not printable as \xNN. */
void seg_cli_print_key(FILE *out, segue_slice key);

/* "12", "1,234,567". */
const char *seg_cli_count(uint64_t n, char out[32]);
/* "812 B", "1.6 MiB". */
const char *seg_cli_size(uint64_t bytes, char out[32]);
/* "850 us", "1.2 s", "3 min 20 s". */
const char *seg_cli_time(int64_t ns, char out[32]);

/* ---- signals (signals.c) ---- */

/* From now on SIGINT, SIGTERM and SIGHUP ask to stop; a second one ends the program at once. */
void seg_cli_catch_signals(void);
bool seg_cli_asked_to_stop(void);

/* ---- stores ---- */

/* Open a store that is there. Not SEG_EXIT_DONE: said already. */
int seg_cli_open(const seg_cli *cli, const char *url, unsigned flags, segue_store **ret_store);
/* Open it; if it is not there, make it and say so. */
int seg_cli_open_or_make(const seg_cli *cli, const char *url, segue_store **ret_store);
static inline void seg_cli_close(segue_store **store)
{
    segue_close(*store);
    *store = NULL;
}
#define SEG_AUTO_STORE __attribute__((cleanup(seg_cli_close))) segue_store *

/* ---- the verbs ---- */

int seg_verb_get(seg_cli *cli);
int seg_verb_put(seg_cli *cli);
int seg_verb_set(seg_cli *cli);
int seg_verb_touch(seg_cli *cli);
int seg_verb_incr(seg_cli *cli);
int seg_verb_rm(seg_cli *cli);
int seg_verb_reap(seg_cli *cli);
int seg_verb_purge(seg_cli *cli);
int seg_verb_ls(seg_cli *cli);
int seg_verb_export(seg_cli *cli);
int seg_verb_import(seg_cli *cli);
int seg_verb_feed(seg_cli *cli);
int seg_verb_plan(seg_cli *cli);
int seg_verb_migrate(seg_cli *cli);
int seg_verb_status(seg_cli *cli);
int seg_verb_verify(seg_cli *cli);
int seg_verb_seal(seg_cli *cli);
int seg_verb_clean(seg_cli *cli);
int seg_verb_policy_check(seg_cli *cli);
int seg_verb_rehearse(seg_cli *cli);

#endif
