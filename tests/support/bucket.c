/* For tests: copies of the buckets in tests/data. */
#include "support/bucket.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

static void copy_file(const char *from, const char *to)
{
    static char block[65536];
    FILE *in = fopen(from, "rb"), *out = in ? fopen(to, "wb") : NULL;
    if (!in || !out) fail_msg("cannot copy %s to %s: %d", from, to, errno);
    for (size_t n; (n = fread(block, 1, sizeof block, in)) > 0;) assert_int_equal(fwrite(block, 1, n, out), n);
    assert_false(ferror(in));
    assert_int_equal(fclose(in), 0);
    assert_int_equal(fclose(out), 0);
}

void test_copy_bucket(const char *name, const char *directory)
{
    char from[512], to[512];
    if (mkdir(directory, 0755) != 0 && errno != EEXIST) fail_msg("cannot make %s: %d", directory, errno);
    assert_in_range(snprintf(from, sizeof from, TEST_DATA_DIR "/%s/rosmar.sqlite3", name), 1, sizeof from - 1);
    assert_in_range(snprintf(to, sizeof to, "%s/rosmar.sqlite3", directory), 1, sizeof to - 1);
    copy_file(from, to);
}
