/* L1: buffers that grow. */
#include "base/base.h"

segue_status segue_buf_reserve(segue_buf *buf, size_t more)
{
    if (more <= buf->capacity - buf->size) return SEGUE_OK;
    if (more > SIZE_MAX / 2 - buf->size) return SEGUE_TOO_BIG;
    size_t need = buf->size + more;
    if (buf->max && need > buf->max) return SEGUE_TOO_BIG;
    size_t capacity = buf->capacity ? buf->capacity * 2 : 64;
    if (capacity < need) capacity = need;
    if (buf->max && capacity > buf->max) capacity = buf->max;
    char *data = seg_realloc(buf->data, capacity);
    if (!data) return SEGUE_NO_MEMORY;
    buf->data = data;
    buf->capacity = capacity;
    return SEGUE_OK;
}

segue_status segue_buf_append(segue_buf *buf, const void *data, size_t size)
{
    segue_status st = segue_buf_reserve(buf, size);
    if (st != SEGUE_OK) {
        segue_buf_clear(buf);
        return st;
    }
    if (size) memcpy(buf->data + buf->size, data, size);
    buf->size += size;
    return SEGUE_OK;
}

void segue_buf_clear(segue_buf *buf) { buf->size = 0; }

void segue_buf_free(segue_buf *buf)
{
    seg_free(buf->data);
    *buf = (segue_buf){.max = buf->max};
}
