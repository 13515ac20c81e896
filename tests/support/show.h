/* For tests: a record in one line, "L{} json _s=1,u=2 exp=5000 flags=7" or "T _s=1", to compare and to print. One thread. */
#ifndef SEG_TESTS_SHOW_H
#define SEG_TESTS_SHOW_H

#include <segue/doc.h>

enum { TEST_LINE = 512 };

/* Without key, CAS and revision. NULL: "none". What is too long is cut off. */
void test_show(const segue_record *rec, char line[TEST_LINE]);

#endif
