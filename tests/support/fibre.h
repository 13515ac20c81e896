/* For the explorer and the simulation: functions that run by turns on one thread, each on a stack of its own. One thread. */
#ifndef FIBRE_H
#define FIBRE_H

#include <stdbool.h>

typedef struct fibre fibre;

/* Not started yet. Stacks are used again after fibre_free. */
fibre *fibre_new(void (*fn)(void *arg), void *arg);
/* Run it until it yields or its function returns. False: it has returned, now or before. */
bool fibre_resume(fibre *f);
/* Back to who resumed the running fibre. */
void fibre_yield(void);
/* Whether a fibre is running. */
bool fibre_is_inside(void);
/* Its function must have returned. */
void fibre_free(fibre *f);
/* Give back the stacks that wait to be used again. */
void fibre_clean_up(void);

#endif
