/* Bytes: a slice is borrowed, a buffer is owned. The type is the ownership rule. */
#ifndef SEGUE_BYTES_H
#define SEGUE_BYTES_H

#include <segue/status.h>
#include <stddef.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Borrowed bytes, never freed through this. data == NULL means "none at all", which differs from empty
 * (data != NULL, size 0). Not terminated by a zero byte. */
typedef struct segue_slice {
    const char *data;
    size_t size;
} segue_slice;

/* A slice of a C string (without its final zero); none for NULL. */
static inline segue_slice segue_str(const char *text)
{
    segue_slice s = {text, text ? strlen(text) : 0};
    return s;
}

static inline segue_slice segue_bytes(const void *data, size_t size)
{
    segue_slice s = {(const char *)data, size};
    return s;
}

/* Byte order: as unsigned bytes, a prefix comes first. <0, 0, >0. */
static inline int segue_slice_compare(segue_slice a, segue_slice b)
{
    size_t n = a.size < b.size ? a.size : b.size;
    int c = n ? memcmp(a.data, b.data, n) : 0;
    return c ? c : (a.size > b.size) - (a.size < b.size);
}

static inline bool segue_slice_equal(segue_slice a, segue_slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool segue_slice_starts_with(segue_slice s, segue_slice prefix)
{
    return s.size >= prefix.size && (prefix.size == 0 || memcmp(s.data, prefix.data, prefix.size) == 0);
}

/* Owned bytes that grow. Zero-initialise it ({0}: no maximum), or set max to bound it. Not thread-safe. */
typedef struct segue_buf {
    char *data; /* NULL until the first byte */
    size_t size;
    size_t capacity;
    size_t max; /* 0: no bound */
} segue_buf;

/* Make room for `more` bytes after size. NO_MEMORY; TOO_BIG past max. On failure the buffer is unchanged. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_buf_reserve(segue_buf *buf, size_t more);

/* Append. NO_MEMORY or TOO_BIG; on failure the buffer is emptied, so that a half-built text is never used. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_buf_append(segue_buf *buf, const void *data, size_t size);

/* Forget the content, keep the memory. */
SEGUE_API void segue_buf_clear(segue_buf *buf);

/* Give the memory back; buf is {0} with its max afterwards. Legal on {0}. */
SEGUE_API void segue_buf_free(segue_buf *buf);

static inline segue_slice segue_buf_slice(const segue_buf *buf)
{
    segue_slice s = {buf->data ? buf->data : "", buf->size};
    return s;
}

#ifdef __cplusplus
}
#endif
#endif
