/* L6: Ctrl-C. The first one asks to stop, so that the place is kept; the second one ends the program at once. A closed
 * pipe is an error of a write, not a signal. */
#include "cli/cli.h"

#include <signal.h>

static volatile sig_atomic_t asked;

static void ask(int signal_number)
{
    (void)signal_number;
    asked = 1;
}

void seg_cli_catch_signals(void)
{
    struct sigaction action = {.sa_handler = ask, .sa_flags = (int)(SA_RESETHAND | SA_RESTART)};
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    (void)sigemptyset(&action.sa_mask); /* cannot fail */
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        (void)sigaction(numbers[i], &action, NULL); /* fails only for numbers that are none */
}

bool seg_cli_asked_to_stop(void) { return asked != 0; }
