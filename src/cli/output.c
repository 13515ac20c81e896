/* L6: how the program speaks: results on stdout, everything else on stderr, JSON on both with --json, colours on
 * terminals only. */
#include "base/base.h"
#include "cli/cli.h"
#include "cli/jsonl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- failures and remarks ---- */

static void say_failure(const seg_cli *cli, segue_status status, const char *message)
{
    if (cli && cli->json) {
        seg_json_out out = {.file = stderr};
        seg_json_begin(&out, NULL, '{');
        seg_json_begin(&out, "error", '{');
        seg_json_text(&out, "status", segue_str(segue_status_name(status)));
        seg_json_text(&out, "message", segue_str(message));
        seg_json_end(&out, '}');
        seg_json_end(&out, '}');
        seg_json_line(&out);
    } else {
        fprintf(stderr, "segue: %s\n", message);
    }
}

int seg_cli_fail(const seg_cli *cli, segue_status status, const segue_error *err)
{
    say_failure(cli, status, err->message[0] ? err->message : segue_status_text(status));
    return segue_status_exit_code(status);
}

int seg_cli_failf(const seg_cli *cli, segue_status status, const char *format, ...)
{
    segue_error err = {0};
    va_list args;
    va_start(args, format);
    (void)vsnprintf(err.message, sizeof err.message, format, args); /* a sentence cut short is still one */
    va_end(args);
    return seg_cli_fail(cli, status, &err);
}

int seg_cli_usage(const seg_cli *cli, const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args); /* a sentence cut short is still one */
    va_end(args);
    say_failure(cli, SEGUE_INVALID_ARGUMENT, message);
    if (!cli || !cli->json)
        fprintf(stderr, "Try: segue %s%s--help\n", cli && cli->verb ? cli->verb->name : "",
                cli && cli->verb ? " " : "");
    return SEG_EXIT_USAGE;
}

void seg_cli_note(const seg_cli *cli, const char *format, ...)
{
    if (cli->quiet) return;
    char message[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args); /* a remark cut short is still one */
    va_end(args);
    if (!cli->json) {
        fprintf(stderr, "%s\n", message);
        return;
    }
    seg_json_out out = {.file = stderr};
    seg_json_begin(&out, NULL, '{');
    seg_json_text(&out, "note", segue_str(message));
    seg_json_end(&out, '}');
    seg_json_line(&out);
}

int seg_cli_finish(const seg_cli *cli, int exit_code)
{
    errno = 0;
    bool failed = fflush(stdout) != 0 || ferror(stdout);
    int why = errno;
    if (!failed) return exit_code;
    if (why != EPIPE && why != 0)
        (void)seg_cli_failf(cli, SEGUE_IO_ERROR, "the result could not be written to standard output: %s",
                            strerror(why)); /* exit code below */
    return exit_code == SEG_EXIT_DONE ? SEG_EXIT_FAILED : exit_code;
}

const char *seg_cli_style(seg_style style)
{
    static int wanted = -1;
    if (wanted < 0) {
        const char *term = getenv("TERM"), *no = getenv("NO_COLOR");
        wanted = isatty(STDOUT_FILENO) && !(no && *no) && !(term && strcmp(term, "dumb") == 0);
    }
    if (!wanted) return "";
    switch (style) {
    case SEG_PLAIN: return "\033[0m";
    case SEG_BOLD: return "\033[1m";
    case SEG_DIM: return "\033[2m";
    case SEG_GOOD: return "\033[32m";
    case SEG_BAD: return "\033[31m";
    case SEG_WARN: return "\033[33m";
    }
    return "";
}

/* ---- JSON ---- */

static void name_and_comma(seg_json_out *out, const char *name)
{
    if (out->more[out->depth]) (void)fputc(',', out->file); /* write errors are looked at in the end */
    out->more[out->depth] = true;
    if (!name) return;
    seg_write_json_string(out->file, segue_str(name));
    (void)fputc(':', out->file);
}

void seg_json_begin(seg_json_out *out, const char *name, char bracket)
{
    name_and_comma(out, name);
    (void)fputc(bracket, out->file);
    seg_assert(out->depth + 1 < sizeof out->more / sizeof *out->more);
    out->more[++out->depth] = false;
}

void seg_json_end(seg_json_out *out, char bracket)
{
    seg_assert(out->depth > 0);
    out->depth--;
    (void)fputc(bracket, out->file);
}

void seg_json_text(seg_json_out *out, const char *name, segue_slice text)
{
    name_and_comma(out, name);
    seg_write_json_string(out->file, text);
}

void seg_json_number(seg_json_out *out, const char *name, uint64_t number)
{
    name_and_comma(out, name);
    fprintf(out->file, "%llu", (unsigned long long)number);
}

void seg_json_real(seg_json_out *out, const char *name, double number)
{
    name_and_comma(out, name);
    fprintf(out->file, "%.3f", number);
}

void seg_json_bool(seg_json_out *out, const char *name, bool value)
{
    name_and_comma(out, name);
    fputs(value ? "true" : "false", out->file);
}

void seg_json_raw(seg_json_out *out, const char *name, segue_slice json)
{
    name_and_comma(out, name);
    for (size_t i = 0; i < json.size; i++) { /* a line break cannot stand inside a string */
        char c = json.data[i];
        (void)fputc(c == '\n' || c == '\r' ? ' ' : c, out->file); /* write errors are looked at in the end */
    }
}

void seg_json_u64_text(seg_json_out *out, const char *name, uint64_t number)
{
    char text[21];
    seg_json_text(out, name, segue_bytes(text, seg_format_u64(number, text)));
}

void seg_json_key(seg_json_out *out, const char *name, segue_slice key)
{
    if (seg_utf8_valid(key)) {
        seg_json_text(out, name, key);
        return;
    }
    char longer[64];
    (void)snprintf(longer, sizeof longer, "%s_base64", name); /* our own short names */
    name_and_comma(out, longer);
    (void)fputc('"', out->file);
    seg_write_base64(out->file, key);
    (void)fputc('"', out->file);
}

void seg_json_line(seg_json_out *out)
{
    (void)fputc('\n', out->file);
    out->more[0] = false;
}

/* ---- for people ---- */

void seg_cli_print_key(FILE *out, segue_slice key)
{
    bool utf8 = seg_utf8_valid(key);
    for (size_t i = 0; i < key.size; i++) {
        unsigned char c = (unsigned char)key.data[i];
        if (c < 0x20 || c == 0x7F || (c >= 0x80 && !utf8)) fprintf(out, "\\x%02x", c);
        else (void)fputc(c, out); /* write errors are looked at in the end */
    }
}

const char *seg_cli_count(uint64_t n, char out[32])
{
    char digits[21];
    size_t size = seg_format_u64(n, digits), at = 0;
    for (size_t i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0) out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = 0;
    return out;
}

const char *seg_cli_size(uint64_t bytes, char out[32])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double n = (double)bytes;
    size_t unit = 0;
    for (; n >= 1024 && unit < 4; unit++) n /= 1024;
    (void)snprintf(out, 32, unit == 0 ? "%.0f %s" : "%.1f %s", n, units[unit]);
    return out;
}

const char *seg_cli_time(int64_t ns, char out[32])
{
    double s = (double)ns / 1e9;
    if (s < 0.001) (void)snprintf(out, 32, "%.0f us", s * 1e6);
    else if (s < 1) (void)snprintf(out, 32, "%.1f ms", s * 1e3);
    else if (s < 60) (void)snprintf(out, 32, "%.1f s", s);
    else if (s < 3600)
        (void)snprintf(out, 32, "%.0f min %.0f s", (s - (double)((int64_t)s % 60)) / 60, (double)((int64_t)s % 60));
    else (void)snprintf(out, 32, "%lld h %lld min", (long long)(s / 3600), (long long)(s / 60) % 60);
    return out;
}
