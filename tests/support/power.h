/* For tests: SQLite's way to the disk, written down, so that it can be said afterwards what would be on the disk had the
 * power gone at any moment. What was synced is there; of what was not, anything: each write whole, in part, as garbage, or not
 * at all, each name made or removed or not. Over the VFS that SQLite has; files are the real ones meanwhile. One thread. */
#ifndef SEG_TESTS_POWER_H
#define SEG_TESTS_POWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Once: every file that SQLite opens from now on goes through it. */
void power_install(void);
/* Write down what happens in the files of this folder (and the folders in it), beginning with what they hold. */
void power_begin(const char *folder);
void power_end(void);
/* How many things have been written down so far: the moment now. */
size_t power_now(void);

/* What becomes of that which was not synced. */
typedef enum power_loss {
    POWER_KEEPS_ALL,
    POWER_KEEPS_NONE,
    POWER_CUTS_LAST,    /* the last write is there in part */
    POWER_GARBLES_LAST, /* the last write is there, and part of it is noise */
    POWER_KEEPS_SOME    /* of each a random choice of the four */
} power_loss;

/* How many things were not synced at this moment. */
size_t power_open_writes(size_t moment);
/* The folder's files as the disk would have them, into another folder. *random changes with it. */
void power_make_image(size_t moment, power_loss loss, uint64_t *random, const char *to);

#endif
