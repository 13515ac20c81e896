/* Fibres. ucontext makes them; from then on they change places by setjmp and longjmp, which unlike swapcontext make no system
 * calls. Under AddressSanitizer, which follows stacks but not such jumps, by swapcontext. */
#undef _FORTIFY_SOURCE /* its longjmp refuses to change stacks */
#include "support/fibre.h"

#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif

#ifdef HAS_ASAN
#include <sanitizer/common_interface_defs.h>
#else
#define __sanitizer_start_switch_fiber(save, bottom, size) ((void)(save), (void)(bottom), (void)(size))
#define __sanitizer_finish_switch_fiber(save, bottom, size) ((void)(save), (void)(bottom), (void)(size))
#endif

enum { STACK_BYTES = 512 * 1024, MOST_IDLE = 128 };

struct fibre {
    ucontext_t here, home;
    jmp_buf here_jump, home_jump;
    void (*fn)(void *arg);
    void *arg;
    char *stack;
    bool has_started, has_returned;
    void *fake;             /* AddressSanitizer's, of a fibre that sleeps */
    const void *home_stack; /* and where home's stack is */
    size_t home_size;
};

static fibre *running;
static char *idle[MOST_IDLE];
static int n_idle;

static void *must(void *memory)
{
    if (memory) return memory;
    fputs("fibres: out of memory\n", stderr);
    exit(1);
}

fibre *fibre_new(void (*fn)(void *arg), void *arg)
{
    fibre *f = must(calloc(1, sizeof *f));
    f->fn = fn;
    f->arg = arg;
    f->stack = n_idle ? idle[--n_idle] : must(malloc(STACK_BYTES));
    return f;
}

static void enter(void)
{
    fibre *f = running;
    __sanitizer_finish_switch_fiber(NULL, &f->home_stack, &f->home_size);
    f->fn(f->arg);
    f->has_returned = true;
    __sanitizer_start_switch_fiber(NULL, f->home_stack, f->home_size); /* NULL: it does not come back */
#ifdef HAS_ASAN
    (void)setcontext(&f->home);
#else
    _longjmp(f->home_jump, 1);
#endif
}

static void start(fibre *f)
{
    f->has_started = true;
    if (getcontext(&f->here) != 0) abort();
    f->here.uc_stack.ss_sp = f->stack;
    f->here.uc_stack.ss_size = STACK_BYTES;
    f->here.uc_link = NULL;
    makecontext(&f->here, enter, 0);
}

bool fibre_resume(fibre *f)
{
    void *fake = NULL;
    if (f->has_returned) return false;
    bool is_first = !f->has_started;
    if (is_first) start(f);
    running = f;
    __sanitizer_start_switch_fiber(&fake, f->stack, STACK_BYTES);
#ifdef HAS_ASAN
    if (swapcontext(&f->home, &f->here) != 0) abort();
#else
    if (_setjmp(f->home_jump) == 0) {
        if (is_first) (void)setcontext(&f->here);
        _longjmp(f->here_jump, 1);
    }
#endif
    __sanitizer_finish_switch_fiber(fake, NULL, NULL);
    running = NULL;
    return !f->has_returned;
}

void fibre_yield(void)
{
    fibre *f = running;
    __sanitizer_start_switch_fiber(&f->fake, f->home_stack, f->home_size);
#ifdef HAS_ASAN
    if (swapcontext(&f->here, &f->home) != 0) abort();
#else
    if (_setjmp(f->here_jump) == 0) _longjmp(f->home_jump, 1);
#endif
    __sanitizer_finish_switch_fiber(f->fake, &f->home_stack, &f->home_size);
}

bool fibre_is_inside(void) { return running != NULL; }

void fibre_free(fibre *f)
{
    if (!f) return;
    if (n_idle < MOST_IDLE) idle[n_idle++] = f->stack;
    else free(f->stack);
    free(f);
}

void fibre_clean_up(void)
{
    while (n_idle) free(idle[--n_idle]);
}
