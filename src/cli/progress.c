/* L6: the progress line; see progress.h. */
#include "cli/progress.h"
#include "base/env.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { BAR = 16 };
static const int64_t second_ns = 1000000000;

void seg_progress_begin(seg_progress *p, const seg_cli *cli)
{
    *p = (seg_progress){.cli = cli, .is_terminal = isatty(STDERR_FILENO) && !cli->json};
    p->began_ns = p->last_rate_ns = seg_mono_ns(segue_env_default());
    p->last_ns = p->began_ns;
}

static unsigned columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

static void measure(seg_progress *p, const char *what, int64_t now, uint64_t done)
{
    int64_t ns = now - p->last_rate_ns;
    if (what != p->what || done < p->last_done) {
        p->what = what;
        p->rate = 0;
        p->last_done = done;
        p->last_rate_ns = now;
    }
    if (ns < second_ns / 4) return;
    double rate = (double)(done - p->last_done) * 1e9 / (double)ns;
    p->rate = p->rate > 0 ? 0.7 * p->rate + 0.3 * rate : rate;
    p->last_done = done;
    p->last_rate_ns = now;
}

static void say_json(const seg_progress *p, const char *what, uint64_t done, uint64_t total, int64_t now)
{
    seg_json_out out = {.file = stderr};
    seg_json_begin(&out, NULL, '{');
    seg_json_begin(&out, "progress", '{');
    seg_json_text(&out, "what", segue_str(what));
    seg_json_number(&out, "done", done);
    if (total) seg_json_number(&out, "total", total);
    seg_json_real(&out, "rate", p->rate);
    seg_json_real(&out, "seconds", (double)(now - p->began_ns) / 1e9);
    seg_json_end(&out, '}');
    seg_json_end(&out, '}');
    seg_json_line(&out);
}

static void bar(char out[BAR * 3 + 1], uint64_t done, uint64_t total)
{
    size_t full = total ? (size_t)(done >= total ? BAR : done * BAR / total) : 0;
    out[0] = 0;
    for (size_t i = 0; i < BAR; i++) strncat(out, i < full ? "\xe2\x94\x81" : "\xe2\x94\x80", 4);
}

void seg_progress_say(seg_progress *p, const char *what, uint64_t done, uint64_t total, const char *detail)
{
    int64_t now = seg_mono_ns(segue_env_default());
    if (p->cli->quiet) return;
    measure(p, what, now, done);
    if (now - p->last_ns < (p->is_terminal ? second_ns / 10 : 10 * second_ns)) return;
    p->last_ns = now;
    if (p->cli->json) {
        say_json(p, what, done, total, now);
        return;
    }
    char line[512], drawn[BAR * 3 + 1], a[32], b[32], c[32], eta[48] = "", rate[48] = "";
    if (total > done && p->rate > 1 && (double)(total - done) / p->rate < 1e6) {
        int64_t left = (int64_t)((double)(total - done) / p->rate) + 1;
        if (left < 60) (void)snprintf(eta, sizeof eta, ", %d s left", (int)left);             /* fits */
        else (void)snprintf(eta, sizeof eta, ", %s left", seg_cli_time(left * second_ns, c)); /* fits */
    }
    if (p->rate > 0) (void)snprintf(rate, sizeof rate, "  %s/s", seg_cli_count((uint64_t)p->rate, a)); /* fits */
    bar(drawn, done, total);
    int n = snprintf(line, sizeof line, "%-9s %s%s%s%s%s", what, total && p->is_terminal ? drawn : "",
                     total && p->is_terminal ? " " : "", seg_cli_count(done, a), total ? " of " : "",
                     total ? seg_cli_count(total, b) : "");
    if (n > 0 && (size_t)n < sizeof line)
        (void)snprintf(line + n, sizeof line - (size_t)n, "%s%s%s%s", rate, eta, detail ? "  " : "",
                       detail ? detail : ""); /* cut if it must be */
    if (!p->is_terminal) {
        fprintf(stderr, "%s\n", line);
        return;
    }
    /* The bar's characters have three bytes and one column each. */
    fprintf(stderr, "\r%.*s\033[K", (int)(columns() - 1 + (total ? 2 * BAR : 0)), line);
    (void)fflush(stderr); /* progress that cannot be shown is no failure */
    p->shown = true;
}

void seg_progress_end(seg_progress *p)
{
    if (p->shown) fputs("\r\033[K", stderr);
    (void)fflush(stderr); /* progress that cannot be shown is no failure */
    p->shown = false;
}
