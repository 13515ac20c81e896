/* Linked into every test program: output line by line, so that what a crashed test said last is not lost and lines of
 * stdout and stderr do not cut each other in two. */
#include <stdio.h>

__attribute__((constructor)) static void buffer_by_line(void) { (void)setvbuf(stdout, NULL, _IOLBF, BUFSIZ); }
