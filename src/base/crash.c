/* L1: crash points, in the testing library only. Any thread. */
#include "base/crash.h"

#ifdef SEG_TESTING

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static const char *const names[] = {
#define SEG_CRASH_DEF(name, text) #name,
#include "base/crash.def"
#undef SEG_CRASH_DEF
};

static const char *const texts[] = {
#define SEG_CRASH_DEF(name, text) text,
#include "base/crash.def"
#undef SEG_CRASH_DEF
};

static seg_crash *used;

void seg_crash_use(seg_crash *crash) { used = crash; }
const char *seg_crash_name(seg_crash_point point) { return names[point]; }
const char *seg_crash_text(seg_crash_point point) { return texts[point]; }

void seg_crash_pass(seg_crash_point point)
{
    if (!used || atomic_fetch_add(&used->hits[point], 1) + 1 != used->nth || used->point != point) return;
    (void)kill(getpid(), SIGKILL); /* of this process: it does not come back */
    for (;;) (void)pause();
}

#else
typedef int seg_crash_is_for_tests_only;
#endif
