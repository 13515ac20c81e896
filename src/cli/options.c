/* L6: what was typed: long and short options in any place, values after '=' or as the next word, "--" ends them. */
#include "base/base.h"
#include "cli/cli.h"

#include <stdlib.h>

/* ---- what was meant ---- */

enum { WORD_MAX = 40 };

/* Edit distance with neighbours swapped counted once. */
static size_t distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    unsigned char rows[3][WORD_MAX + 1];
    if (n > WORD_MAX || m > WORD_MAX) return WORD_MAX;
    for (size_t j = 0; j <= m; j++) rows[0][j] = (unsigned char)j;
    for (size_t i = 1; i <= n; i++) {
        unsigned char *row = rows[i % 3], *above = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];
        row[0] = (unsigned char)i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = above[j - 1] + (size_t)(a[i - 1] != b[j - 1]);
            if (above[j] + 1u < best) best = above[j] + 1u;
            if (row[j - 1] + 1u < best) best = row[j - 1] + 1u;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1u < best)
                best = before[j - 2] + 1u;
            row[j] = (unsigned char)best;
        }
    }
    return rows[n % 3][m];
}

const char *seg_cli_nearest(const char *typed, const char *const *candidates, size_t n)
{
    const char *best = NULL;
    size_t best_distance = strlen(typed) / 3 + 2;
    for (size_t i = 0; i < n; i++) {
        size_t d = distance(typed, candidates[i]);
        if (strlen(typed) >= 3 && strncmp(typed, candidates[i], strlen(typed)) == 0) d = 1;
        if (d < best_distance) {
            best = candidates[i];
            best_distance = d;
        }
    }
    return best;
}

/* ---- options ---- */

static const seg_cli_option *find(const seg_cli_verb *verb, const char *name, size_t size, char letter)
{
    for (const seg_cli_option *const *group = verb->options; *group; group++)
        for (const seg_cli_option *o = *group; o->name; o++)
            if (letter ? o->letter == letter : strlen(o->name) == size && memcmp(o->name, name, size) == 0) return o;
    return NULL;
}

static int unknown(const seg_cli *cli, const char *typed)
{
    const char *names[64];
    size_t n = 0;
    char word[WORD_MAX + 1];
    for (const seg_cli_option *const *group = cli->verb->options; *group; group++)
        for (const seg_cli_option *o = *group; o->name && n < 64; o++) names[n++] = o->name;
    (void)snprintf(word, sizeof word, "%.*s", (int)strcspn(typed, "="), typed); /* cut: no hint then */
    const char *nearest = typed[0] == '-' && typed[1] == '-' ? seg_cli_nearest(word + 2, names, n) : NULL;
    if (nearest) return seg_cli_usage(cli, "there is no option %s; did you mean --%s?", word, nearest);
    return seg_cli_usage(cli, "there is no option %s", word);
}

/* One word that begins with '-'. *i moves on if the next word is its value. */
static int take_option(seg_cli *cli, int argc, char **argv, int *i)
{
    const char *word = argv[*i], *value = NULL;
    const seg_cli_option *option = NULL;
    if (word[1] == '-') {
        size_t size = strcspn(word + 2, "=");
        option = find(cli->verb, word + 2, size, 0);
        if (word[2 + size] == '=') value = word + 2 + size + 1;
    } else {
        option = find(cli->verb, NULL, 0, word[1]);
        if (word[2]) value = word + 2;
    }
    if (!option) return unknown(cli, word);
    if (!option->value && value) return seg_cli_usage(cli, "--%s takes no value", option->name);
    if (option->value && !value) {
        if (*i + 1 >= argc) return seg_cli_usage(cli, "--%s needs a value: %s", option->name, option->value);
        value = argv[++*i];
    }
    if (option->value && !option->repeats && seg_cli_has(cli, option->name))
        return seg_cli_usage(cli, "--%s was given twice", option->name);
    cli->given[cli->n_given++] = (seg_cli_given){option, value};
    return SEG_EXIT_DONE;
}

/* "-" is an argument, and so is a negative number. */
static bool is_option(const char *word) { return word[0] == '-' && word[1] && !(word[1] >= '0' && word[1] <= '9'); }

static int check_arguments(const seg_cli *cli)
{
    const seg_cli_verb *verb = cli->verb;
    if (cli->n_arguments < verb->min_arguments) return seg_cli_usage(cli, "%s needs %s", verb->name, verb->arguments);
    if (cli->n_arguments > verb->max_arguments)
        return seg_cli_usage(cli, "%s does not know what to do with \"%s\"", verb->name,
                             cli->arguments[verb->max_arguments]);
    return SEG_EXIT_DONE;
}

bool seg_cli_wants_json(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--json") == 0) return true;
    return false;
}

int seg_cli_parse(seg_cli *cli, const seg_cli_verb *verb, int argc, char **argv)
{
    *cli = (seg_cli){.verb = verb, .json = seg_cli_wants_json(argc, argv)};
    cli->given = seg_alloc_zero(sizeof *cli->given * (size_t)(argc + 1));
    cli->arguments = seg_alloc_zero(sizeof *cli->arguments * (size_t)(argc + 1));
    if (!cli->given || !cli->arguments) return seg_cli_failf(cli, SEGUE_NO_MEMORY, "out of memory");
    bool only_arguments = false;
    for (int i = 0; i < argc; i++) { /* first, so that a mistake is said in the right form */
        if (strcmp(argv[i], "--") == 0) break;
        if (strcmp(argv[i], "--json") == 0) cli->json = true;
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            seg_cli_help(stdout, verb);
            cli->verb = NULL;
            return seg_cli_finish(cli, SEG_EXIT_DONE);
        }
    }
    for (int i = 0; i < argc; i++) {
        int code = SEG_EXIT_DONE;
        if (!only_arguments && strcmp(argv[i], "--") == 0) only_arguments = true;
        else if (!only_arguments && is_option(argv[i])) code = take_option(cli, argc, argv, &i);
        else cli->arguments[cli->n_arguments++] = argv[i];
        if (code != SEG_EXIT_DONE) return code;
    }
    cli->json = seg_cli_has(cli, "json");
    cli->quiet = seg_cli_has(cli, "quiet");
    return check_arguments(cli);
}

void seg_cli_free(seg_cli *cli)
{
    seg_free(cli->given);
    seg_free((void *)cli->arguments);
}

bool seg_cli_has(const seg_cli *cli, const char *option)
{
    for (size_t i = 0; i < cli->n_given; i++)
        if (strcmp(cli->given[i].option->name, option) == 0) return true;
    return false;
}

const char *seg_cli_value(const seg_cli *cli, const char *option)
{
    const char *value = NULL;
    for (size_t i = 0; i < cli->n_given; i++)
        if (strcmp(cli->given[i].option->name, option) == 0) value = cli->given[i].value;
    return value;
}

bool seg_cli_values(const seg_cli *cli, const char *option, const char **values, size_t max, size_t *ret_n)
{
    size_t n = 0;
    for (size_t i = 0; i < cli->n_given; i++) {
        if (strcmp(cli->given[i].option->name, option) != 0) continue;
        if (n < max) values[n] = cli->given[i].value;
        n++;
    }
    *ret_n = n;
    if (n <= max) return true;
    (void)seg_cli_usage(cli, "--%s was given %zu times; %zu is the most", option, n, max); /* the caller ends with it */
    return false;
}

bool seg_cli_number(const seg_cli *cli, const char *option, uint64_t otherwise, uint64_t *ret_value)
{
    const char *text = seg_cli_value(cli, option);
    *ret_value = otherwise;
    if (!text || seg_parse_u64(segue_str(text), ret_value)) return true;
    (void)seg_cli_usage(cli, "--%s needs a whole number, not \"%s\"", option, text); /* the caller ends with it */
    return false;
}
