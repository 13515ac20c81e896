/* For tests of the doc layer: records from short texts and back, and an allocator that counts and fails. Header only. */
#ifndef RECORDS_H
#define RECORDS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/base.h"
#include "doc/doc.h"

#define K(text) segue_str(text)
#define COUNT(array) (sizeof(array) / sizeof *(array))

static inline void expect_status(segue_status want, segue_status got, const char *what, int line)
{
    if (got != want)
        fail_msg("line %d: %s: %s, expected %s", line, what, segue_status_name(got), segue_status_name(want));
}
#define ASSERT_STATUS(want, call) expect_status((want), (call), #call, __LINE__)
#define ASSERT_OK(call) ASSERT_STATUS(SEGUE_OK, call)

static inline void expect_slice(const char *want, segue_slice got, int line)
{
    if (!segue_slice_equal(segue_str(want), got))
        fail_msg("line %d: <%.*s>, expected <%s>", line, (int)got.size, got.data ? got.data : "", want);
}
#define ASSERT_SLICE(want, got) expect_slice((want), (got), __LINE__)

static inline void expect_u64(uint64_t want, uint64_t got, const char *what, int line)
{
    if (got != want)
        fail_msg("line %d: %s is %llu (0x%llx), expected %llu", line, what, (unsigned long long)got,
                 (unsigned long long)got, (unsigned long long)want);
}
#define ASSERT_U64(want, got) expect_u64((want), (got), #got, __LINE__)

/* "_s=1,u=[2]" into slots, in the order of the text: no comma inside of values. */
static inline size_t xattrs_of(const char *text, segue_xattr slots[SEGUE_XATTRS_MAX])
{
    size_t n = 0;
    while (text && *text) {
        size_t size = strcspn(text, ","), name = strcspn(text, "=");
        slots[n].name = segue_bytes(text, name);
        slots[n++].value = segue_bytes(text + name + 1, size - name - 1);
        text += size + (text[size] == ',');
    }
    return n;
}

/* "_s,u" into names. */
static inline size_t names_of(const char *text, segue_slice names[SEGUE_XATTRS_MAX])
{
    size_t n = 0;
    while (text && *text) {
        size_t size = strcspn(text, ",");
        names[n++] = segue_bytes(text, size);
        text += size + (text[size] == ',');
    }
    return n;
}

/* What a client can see of a record, on one line: "J<body>{_s=1,u=2} e2000 f9": J(SON), R(aw) or T(ombstone), the body,
 * the xattrs, and expiry and flags unless they are 0. */
enum { SHOWN_MAX = 256 };
static inline const char *show_record(const segue_record *rec, char out[SHOWN_MAX])
{
    size_t at = 0;
#define ADD(...)                                                                                                       \
    do {                                                                                                               \
        int n_ = snprintf(out + at, SHOWN_MAX - at, __VA_ARGS__);                                                      \
        at += n_ < 0 ? 0 : (size_t)n_;                                                                                 \
        if (at >= SHOWN_MAX) at = SHOWN_MAX - 1;                                                                       \
    } while (0)
    ADD("%s", rec->is_tombstone ? rec->is_json ? "T(JSON)" : "T" : rec->is_json ? "J" : "R");
    if (rec->body.data) ADD("<%.*s>", (int)rec->body.size, rec->body.data);
    ADD("{");
    for (size_t i = 0; i < rec->n_xattrs; i++)
        ADD("%s%.*s=%.*s", i ? "," : "", (int)rec->xattrs[i].name.size, rec->xattrs[i].name.data,
            (int)rec->xattrs[i].value.size, rec->xattrs[i].value.data);
    ADD("}");
    if (rec->expiry) ADD(" e%u", (unsigned)rec->expiry);
    if (rec->flags) ADD(" f%u", (unsigned)rec->flags);
#undef ADD
    return out;
}

/* ---- memory that runs out ---- */

typedef struct memory {
    size_t asked; /* since the last memory_begin */
    size_t fail;  /* the how-manieth of them fails, and all after it; 0 none */
} memory;
static memory the_memory;

static void *counting_realloc(void *ctx, void *old, size_t size)
{
    memory *m = ctx;
    m->asked++;
    if (m->fail && m->asked >= m->fail) return NULL;
    return realloc(old, size);
}

static void counting_free(void *ctx, void *old)
{
    (void)ctx;
    free(old);
}

/* Count from 0 and fail from the nth on. The memory comes from the C library as before, so this may be called whenever. */
static inline void memory_begin(size_t fail)
{
    static const segue_allocator counting = {&the_memory, counting_realloc, counting_free};
    the_memory = (memory){0, fail};
    segue_set_allocator(&counting);
}

/* How many were asked for. */
static inline size_t memory_end(void)
{
    segue_set_allocator(NULL);
    return the_memory.asked;
}

/* ---- memory that moves ---- */

enum { MEMORY_HEAD = 16 }; /* its size */

static void moving_free(void *ctx, void *old)
{
    (void)ctx;
    if (!old) return;
    size_t size;
    char *head = (char *)old - MEMORY_HEAD;
    memcpy(&size, head, sizeof size);
    memset(old, 0xDD, size);
    free(head);
}

static void *moving_realloc(void *ctx, void *old, size_t size)
{
    size_t old_size = 0;
    char *head = malloc(MEMORY_HEAD + size);
    if (!head) return NULL;
    if (old) memcpy(&old_size, (char *)old - MEMORY_HEAD, sizeof old_size);
    if (old) memcpy(head + MEMORY_HEAD, old, old_size < size ? old_size : size);
    memcpy(head, &size, sizeof size);
    moving_free(ctx, old);
    return head + MEMORY_HEAD;
}

/* What grows is elsewhere afterwards, and nothing that can be read is left where it was. Until moving_end; what is allocated
 * here must be freed before. */
static inline void moving_begin(void)
{
    static const segue_allocator moving = {NULL, moving_realloc, moving_free};
    segue_set_allocator(&moving);
}

static inline void moving_end(void) { segue_set_allocator(NULL); }

#endif
