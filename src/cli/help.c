/* L6: help and shell completions, made from the table of verbs. */
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

static const char *style(FILE *out, seg_style s) { return out == stdout ? seg_cli_style(s) : ""; }

static void print_option(FILE *out, const seg_cli_option *o)
{
    char left[64], letter[8] = "";
    if (o->letter) (void)snprintf(letter, sizeof letter, "-%c, ", o->letter); /* fits */
    (void)snprintf(left, sizeof left, "%s--%s%s%s", letter, o->name, o->value ? " " : "", o->value ? o->value : "");
    fprintf(out, "  %-30s %s%s\n", left, o->text, o->repeats ? " (may be repeated)" : "");
}

void seg_cli_help(FILE *out, const seg_cli_verb *verb)
{
    const char *bold = style(out, SEG_BOLD), *plain = style(out, SEG_PLAIN);
    fprintf(out, "%ssegue %s%s: %s\n\n", bold, verb->name, plain, verb->summary);
    fprintf(out, "%sUsage%s\n  segue %s [OPTIONS]%s%s\n\n", bold, plain, verb->name, *verb->arguments ? " " : "",
            verb->arguments);
    fprintf(out, "%s\n\n%sOptions%s\n", verb->about, bold, plain);
    for (const seg_cli_option *const *group = verb->options; *group; group++)
        for (const seg_cli_option *o = *group; o->name; o++) print_option(out, o);
    fprintf(out, "\n%sExample%s\n%s\n", bold, plain, verb->example);
}

void seg_cli_overview(FILE *out)
{
    const char *bold = style(out, SEG_BOLD), *plain = style(out, SEG_PLAIN);
    fprintf(
        out,
        "%ssegue%s moves a live metadata store while every client keeps reading and writing it, and loses nothing.\n\n"
        "%sUsage%s\n  segue VERB [OPTIONS] ...\n\n%sVerbs%s\n",
        bold, plain, bold, plain, bold, plain);
    for (const seg_cli_verb *v = seg_cli_verbs; v->name; v++) fprintf(out, "  %-14s %s\n", v->name, v->summary);
    fprintf(
        out,
        "\n%sStores%s\n"
        "  sqlite:FILE[?collection=SCOPE.COLLECTION]        a SQLite file of Segue's\n"
        "  rosmar:DIRECTORY[?collection=SCOPE.COLLECTION]   a bucket of Sync Gateway's embedded store\n"
        "  dual:?primary=URL&fallback=URL                   two stores that look like one\n"
        "  The collection is _default._default if none is given. Quote URLs: '?' and '&' mean something to shells.\n\n"
        "%sExit codes%s\n"
        "  0 done   1 failed   2 wrong usage   3 not finished, run it again   4 differences   5 somebody else runs it\n\n"
        "segue VERB --help shows options and an example. segue --version, segue --completion bash|zsh|fish.\n",
        bold, plain, bold, plain);
}

/* ---- completions ---- */

typedef void (*each_option_fn)(FILE *out, const seg_cli_verb *verb, const seg_cli_option *option);

static void each_option(FILE *out, const seg_cli_verb *verb, each_option_fn fn)
{
    for (const seg_cli_option *const *group = verb->options; *group; group++)
        for (const seg_cli_option *o = *group; o->name; o++) fn(out, verb, o);
}

static bool two_words(const seg_cli_verb *verb) { return strchr(verb->name, ' ') != NULL; }

static const char *last_word(const char *name)
{
    const char *space = strrchr(name, ' ');
    return space ? space + 1 : name;
}

static void bash_option(FILE *out, const seg_cli_verb *verb, const seg_cli_option *o)
{
    (void)verb;
    fprintf(out, " --%s%s", o->name, o->value ? "=" : "");
}

static void bash(FILE *out)
{
    fputs(
        "# bash completion for segue. Made by `segue --completion bash`.\n"
        "_segue()\n{\n    local cur=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]} words\n"
        "    [[ $verb == policy ]] && verb=\"policy ${COMP_WORDS[2]}\"\n    if ((COMP_CWORD == 1)); then\n        words=\"",
        out);
    for (const seg_cli_verb *v = seg_cli_verbs; v->name; v++)
        fprintf(out, "%.*s ", (int)strcspn(v->name, " "), v->name);
    fputs("--help --version\"\n    else\n        case $verb in\n", out);
    for (const seg_cli_verb *v = seg_cli_verbs; v->name; v++) {
        fprintf(out, "        \"%s\") words=\"", v->name);
        each_option(out, v, bash_option);
        fputs("\" ;;\n", out);
    }
    fputs(
        "        \"policy \"*) words=\"check\" ;;\n"
        "        esac\n    fi\n    [[ $cur == --*=* ]] && return\n    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
        "    [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n}\ncomplete -o default -F _segue segue\n",
        out);
}

/* In single quotes, with what zsh gives a meaning to escaped. */
static void zsh_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\'') fputs("'\\''", out);
        else if (strchr("[]:\\", *text)) fprintf(out, "\\%c", *text);
        else fprintf(out, "%c", *text);
    }
}

static void zsh_option(FILE *out, const seg_cli_verb *verb, const seg_cli_option *o)
{
    (void)verb;
    fprintf(out, "            '%s--%s%s[", o->repeats ? "*" : "", o->name, o->value ? "=" : "");
    zsh_text(out, o->text);
    fprintf(out, "]%s%s%s' \\\n", o->value ? ":" : "", o->value ? o->value : "",
            o->value ? strcmp(o->value, "FILE") == 0  ? ":_files"
                       : strcmp(o->value, "DIR") == 0 ? ":_directories"
                                                      : ":"
                     : "");
}

static void zsh(FILE *out)
{
    fputs("#compdef segue\n# zsh completion for segue. Made by `segue --completion zsh`.\n"
          "local -a verbs=(\n",
          out);
    for (const seg_cli_verb *v = seg_cli_verbs; v->name; v++) {
        fprintf(out, "    '%.*s:", (int)strcspn(v->name, " "), v->name);
        zsh_text(out, v->summary);
        fputs("'\n", out);
    }
    fputs(")\nif ((CURRENT == 2)); then\n    _describe verb verbs\n    return\nfi\n"
          "local verb=$words[2]\nif [[ $verb == policy ]]; then\n"
          "    ((CURRENT == 3)) && { _values subverb check; return }\n    verb=\"policy $words[3]\"\n"
          "    shift words; ((CURRENT--))\nfi\nshift words; ((CURRENT--))\ncase $verb in\n",
          out);
    for (const seg_cli_verb *v = seg_cli_verbs; v->name; v++) {
        fprintf(out, "    '%s')\n        _arguments \\\n", v->name);
        each_option(out, v, zsh_option);
        fputs("            '*:argument:_files'\n        ;;\n", out);
    }
    fputs("esac\n", out);
}

static void fish_text(FILE *out, const char *text)
{
    for (; *text; text++) fprintf(out, *text == '\'' || *text == '\\' ? "\\%c" : "%c", *text);
}

static void fish_option(FILE *out, const seg_cli_verb *verb, const seg_cli_option *o)
{
    fprintf(out, "complete -c segue -n '__fish_seen_subcommand_from %s' -l %s", last_word(verb->name), o->name);
    if (o->letter) fprintf(out, " -s %c", o->letter);
    if (o->value) fputs(strcmp(o->value, "FILE") == 0 || strcmp(o->value, "DIR") == 0 ? " -r" : " -x", out);
    fputs(" -d '", out);
    fish_text(out, o->text);
    fputs("'\n", out);
}

static void fish(FILE *out)
{
    fputs("# fish completion for segue. Made by `segue --completion fish`.\n", out);
    for (const seg_cli_verb *v = seg_cli_verbs; v->name; v++) {
        fprintf(out, "complete -c segue -n __fish_use_subcommand -x -a %.*s -d '", (int)strcspn(v->name, " "), v->name);
        fish_text(out, v->summary);
        fputs("'\n", out);
        if (two_words(v))
            fprintf(out, "complete -c segue -n '__fish_seen_subcommand_from %.*s' -a %s\n", (int)strcspn(v->name, " "),
                    v->name, last_word(v->name));
        each_option(out, v, fish_option);
    }
}

bool seg_cli_completion(FILE *out, const char *shell)
{
    if (strcmp(shell, "bash") == 0) bash(out);
    else if (strcmp(shell, "zsh") == 0) zsh(out);
    else if (strcmp(shell, "fish") == 0) fish(out);
    else return false;
    return true;
}
