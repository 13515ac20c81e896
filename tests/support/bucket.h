/* For tests: a private copy of one of the buckets in tests/data. Fails the running test when it cannot be made. */
#ifndef SEG_TESTS_BUCKET_H
#define SEG_TESTS_BUCKET_H

/* Make the directory, if it is not there, and copy the bucket `name` of tests/data into it. */
void test_copy_bucket(const char *name, const char *directory);

#endif
