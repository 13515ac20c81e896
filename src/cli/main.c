/* L6: the program `segue`: find the verb, parse, run, flush. */
#include "base/base.h"
#include "cli/cli.h"

#include <signal.h>

enum { VERBS_MAX = 32 };

static int unknown_verb(int argc, char **argv)
{
    const char *typed = argv[0];
    seg_cli cli = {.json = seg_cli_wants_json(argc, argv)};
    const char *names[VERBS_MAX];
    size_t n = 0;
    for (const seg_cli_verb *v = seg_cli_verbs; v->name && n < VERBS_MAX; v++) names[n++] = v->name;
    const char *nearest = seg_cli_nearest(typed, names, n);
    if (nearest) return seg_cli_usage(&cli, "there is no verb \"%s\"; did you mean \"%s\"?", typed, nearest);
    return seg_cli_usage(&cli, "there is no verb \"%s\"", typed);
}

/* The verb that argv begins with, which may be two words; *ret_words: how many. */
static const seg_cli_verb *verb_of(int argc, char **argv, int *ret_words)
{
    char two[64];
    *ret_words = 2;
    if (argc > 1 && snprintf(two, sizeof two, "%s %s", argv[0], argv[1]) < (int)sizeof two) {
        const seg_cli_verb *verb = seg_cli_verb_find(two);
        if (verb) return verb;
    }
    *ret_words = 1;
    return seg_cli_verb_find(argv[0]);
}

static int run_verb(int argc, char **argv)
{
    int words = 0;
    const seg_cli_verb *verb = verb_of(argc, argv, &words);
    if (!verb) return unknown_verb(argc, argv);
    seg_cli cli;
    int code = seg_cli_parse(&cli, verb, argc - words, argv + words);
    if (code == SEG_EXIT_DONE && cli.verb) code = seg_cli_finish(&cli, verb->run(&cli));
    seg_cli_free(&cli);
    return code;
}

static int help_for(int argc, char **argv)
{
    int words = 0;
    seg_cli cli = {0};
    if (argc == 0) {
        seg_cli_overview(stdout);
    } else {
        const seg_cli_verb *verb = verb_of(argc, argv, &words);
        if (!verb) return unknown_verb(argc, argv);
        seg_cli_help(stdout, verb);
    }
    return seg_cli_finish(&cli, SEG_EXIT_DONE);
}

int main(int argc, char **argv)
{
    seg_cli cli = {0};
    (void)signal(SIGPIPE, SIG_IGN); /* a reader that goes away is an error of a write; see seg_cli_finish */
    if (argc < 2) {
        seg_cli_overview(stderr);
        return SEG_EXIT_USAGE;
    }
    const char *first = argv[1];
    if (strcmp(first, "--version") == 0) {
        printf("segue %s\n", SEGUE_VERSION);
        return seg_cli_finish(&cli, SEG_EXIT_DONE);
    }
    if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0 || strcmp(first, "help") == 0)
        return help_for(argc - 2, argv + 2);
    if (strcmp(first, "--completion") == 0) {
        if (argc == 3 && seg_cli_completion(stdout, argv[2])) return seg_cli_finish(&cli, SEG_EXIT_DONE);
        return seg_cli_usage(&cli, "--completion needs a shell: bash, zsh or fish");
    }
    if (first[0] == '-') return seg_cli_usage(&cli, "there is no option %s before the verb", first);
    return run_verb(argc - 1, argv + 1);
}
