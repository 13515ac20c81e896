/* Preloaded by a script that looks at a run from outside: no commit is faster than this, so on every machine there is time
 * to look. */
#include <dlfcn.h>
#include <time.h>
#include <unistd.h>

static int slowly(const char *name, int fd)
{
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    (void)nanosleep(&pause, NULL);
    return real(fd);
}

int fsync(int fd) { return slowly("fsync", fd); }
int fdatasync(int fd) { return slowly("fdatasync", fd); }
