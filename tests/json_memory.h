/* For tests: the memory of jansson, which is not the library's, counted and running out on request. Header only; one thread.
 * What the test itself holds of jansson's must have been made after the begin and be given back before the end. */
#ifndef JSON_MEMORY_H
#define JSON_MEMORY_H

#include <stdlib.h>

#include <jansson.h>

#include "support/fault.h"

static test_fault json_memory;
static long json_memory_live;

static void *json_memory_alloc(size_t size)
{
    void *block = test_fault_strikes(&json_memory) ? NULL : malloc(size);
    json_memory_live += block != NULL;
    return block;
}

static void json_memory_free(void *block)
{
    json_memory_live -= block != NULL;
    free(block);
}

static inline void json_memory_begin(void)
{
    json_memory_live = 0;
    test_fault_arm(&json_memory, 0, false);
    json_set_alloc_funcs(json_memory_alloc, json_memory_free);
}

/* How many blocks were not given back. */
static inline long json_memory_end(void)
{
    json_set_alloc_funcs(malloc, free);
    return json_memory_live;
}

#endif
