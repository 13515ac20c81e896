/* For tests of the status record: a store that holds one, with each of its fields, in a world where it is always the same time.
 * Header only; one thread. */
#ifndef STATUS_SCENE_H
#define STATUS_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <jansson.h>

#include "base/env.h"
#include "migrate/record.h"
#include "records.h"
#include "store/filters.h"
#include "support/bucket.h"
#include "support/file.h"

/* ---- a store in which it is always the same time ---- */

enum { NOW_S = 1800000000 };
static inline int64_t fixed_now(void *ctx)
{
    (void)ctx;
    return INT64_C(1000000000) * NOW_S + 999999999;
}

static segue_store *store, *fault;
static segue_call call;

static inline int open_store(void **state)
{
    (void)state;
    segue_env env = *segue_env_default();
    env.wall_ns = fixed_now;
    segue_open_options options = {&env, SEGUE_OPEN_NO_REAPER};
    assert_ok(segue_open("mem:", &options, &store, &test_err));
    assert_ok(seg_fault_open(store, &fault, &test_err));
    test_err = (segue_error){0};
    call = seg_call_new(fault, 0, &test_err);
    return 0;
}

static inline int close_store(void **state)
{
    (void)state;
    segue_close(fault);
    segue_close(store);
    return 0;
}

/* ---- the text ---- */

#define ID "0123456789abcdef0123456789abcdef"
#define PROOF "0f1e2d3c4b5a69788796a5b4c3d2e1f0"

/* Every field has a value of its own. */
static const char full[] =
    "{\"segue\":1,\"name\":\"m\",\"run_id\":\"" ID "\",\"epoch\":11,\"sequence\":12,\"stage\":\"verifying\","
    "\"from\":\"mem:old\",\"to\":\"mem:new\",\"policy\":\"fedcba9876543210\",\"keep\":true,\"keep_cas\":true,\"tail\":true,"
    "\"pass\":13,\"total\":14,\"done\":15,\"run_ns\":16,\"counts\":{\"scanned\":21,\"moved\":22,\"moved_bytes\":23,"
    "\"already\":24,\"hidden\":25,\"dropped\":26,\"left\":27,\"unmatched\":28,\"counters\":29,\"pills_finished\":30,"
    "\"foreign_writes\":31,\"errors\":32,\"retries\":33,\"passes\":34,\"purged\":35},\"cursor\":\"000a0ff0a9ff\","
    "\"proof\":\"" PROOF
    "\",\"started_s\":17,\"changed_s\":1800000000,\"finished_s\":18,\"active_ns\":19,\"hold_ns\":20,"
    "\"last_error\":\"it \xc3\xa4rgert\",\"failed\":[\"6b31\",\"ff00\"],\"foreign\":[\"6b32\"],\"runner\":{\"id\":\"r1\","
    "\"place\":\"host/boot/1\",\"pid\":36,\"beat_ns\":37},\"overtaken_ns\":38,\"lease\":null,\"nodes\":{},\"control\":{}}";

static inline void put_body(const char *name, segue_slice body)
{
    char key[SEG_STATUS_KEY_SIZE];
    segue_call own = seg_call_new(store, 0, &test_err);
    segue_put put = {.condition = SEGUE_IF_ANY};
    put.rec = (segue_record){.key = seg_status_key(name, key), .body = body};
    assert_ok(seg_call_put(store, &put, NULL, &own));
}

static inline void get_stored(const char *name, segue_doc *doc)
{
    char key[SEG_STATUS_KEY_SIZE];
    segue_call own = seg_call_new(store, 0, &test_err);
    assert_ok(seg_call_get(store, seg_status_key(name, key), doc, &own));
}

/* `full` but for one member ("runner.pid": of an object in it), which is JSON text, or NULL: not there. */
static inline void put_with(const char *member, const char *value)
{
    json_error_t why;
    json_t *root = json_loads(full, 0, &why), *object = root;
    assert_non_null(root);
    const char *dot = strchr(member, '.'), *name = dot ? dot + 1 : member;
    char outer[32];
    if (dot) {
        (void)snprintf(outer, sizeof outer, "%.*s", (int)(dot - member), member); /* fits */
        object = json_object_get(root, outer);
    }
    json_t *replacement = value ? json_loads(value, JSON_DECODE_ANY, &why) : NULL;
    if (value && !replacement) fail_msg("%s is no JSON", value);
    if (value) assert_int_equal(json_object_set_new(object, name, replacement), 0);
    else assert_int_equal(json_object_del(object, name), 0);
    char *text = json_dumps(root, JSON_COMPACT);
    assert_non_null(text);
    put_body("m", segue_str(text));
    free(text);
    json_decref(root);
}

static inline seg_status loaded(const char *name)
{
    seg_status s = {0};
    assert_ok(seg_status_load(fault, name, &s, &call));
    return s;
}

#define S8 "abcdefgh"
#define S16 S8 S8
#define S32 S16 S16
#define S64 S32 S32

#endif
