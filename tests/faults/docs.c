/* Scripts of single documents: every named form of <segue/ops.h>, mutations and updates. */
#include "faults/play.h"

#define STEP(name) static segue_status name(play *p)

static const segue_options in_time = {20000000000};

static segue_expiry never(void) { return segue_expiry_none(); }

/* A CAS that was given: it only grows. */
static segue_status gave(play *p, segue_status st, uint64_t before)
{
    if (st == SEGUE_OK) say(p, "%s;", p->cas > before ? "a greater CAS" : "no greater CAS");
    return st;
}

static segue_status got(play *p, segue_status st)
{
    if (st == SEGUE_OK) {
        say_record(p, &p->doc.rec);
        p->cas = p->doc.rec.cas;
    } else if (p->doc.rec.key.data) {
        char quoted[SEG_QUOTED_MAX];
        (void)seg_quote(p->doc.rec.key, quoted); /* whatever is left in it can be read */
    }
    return st;
}

/* ---- bodies ---- */

STEP(add) { return gave(p, segue_add(p->s, K("new"), K("{\"v\":1}"), never(), &in_time, &p->cas, &p->err), 0); }
STEP(add_again) { return segue_add(p->s, K("json"), K("2"), never(), &in_time, &p->cas, &p->err); }
STEP(set) { return gave(p, segue_set(p->s, K("json"), K("[3]"), segue_expiry_keep(), &in_time, &p->cas, &p->err), 0); }
STEP(add_raw)
{
    return segue_add_raw(p->s, K("new raw"), K("{"), segue_expiry_at(2000000001), &in_time, NULL, &p->err);
}
STEP(set_raw) { return segue_set_raw(p->s, K("raw"), K("[]"), never(), &in_time, NULL, &p->err); }
STEP(get) { return got(p, segue_get(p->s, K("json"), &in_time, &p->doc, &p->err)); }
STEP(get_record) { return got(p, segue_get_record(p->s, K("tomb"), &in_time, &p->doc, &p->err)); }
STEP(get_nothing) { return got(p, segue_get(p->s, K("nothing"), &in_time, &p->doc, &p->err)); }
STEP(get_expired) { return got(p, segue_get_record(p->s, K("old"), &in_time, &p->doc, &p->err)); }

STEP(write_cas)
{
    uint64_t before = p->cas;
    return gave(p, segue_write_cas(p->s, K("json"), p->cas, K("[4]"), never(), 0, &in_time, &p->cas, &p->err), before);
}

STEP(write_wrong_cas)
{
    return segue_write_cas(p->s, K("json"), 77, K("[5]"), never(), SEGUE_WRITE_RAW, &in_time, &p->cas, &p->err);
}

STEP(append) { return segue_append(p->s, K("raw"), K(" more"), &in_time, &p->cas, &p->err); }
STEP(touch) { return segue_touch(p->s, K("counter"), segue_expiry_at(2100000000), &in_time, &p->cas, &p->err); }
STEP(touch_same) { return segue_touch(p->s, K("counter"), segue_expiry_at(2100000000), &in_time, &p->cas, &p->err); }

STEP(get_and_touch)
{
    return got(p, segue_get_and_touch(p->s, K("new"), segue_expiry_at(2100000001), &in_time, &p->doc, &p->err));
}

STEP(incr)
{
    segue_status st = segue_incr(p->s, K("counter"), 2, NULL, never(), &in_time, &p->value, &p->err);
    if (st == SEGUE_OK) say(p, "%llu;", (unsigned long long)p->value);
    return st;
}

STEP(incr_new)
{
    uint64_t initial = 7;
    segue_status st = segue_incr(p->s, K("new counter"), 2, &initial, never(), &in_time, &p->value, &p->err);
    if (st == SEGUE_OK) say(p, "%llu;", (unsigned long long)p->value);
    return st;
}

STEP(incr_text) { return segue_incr(p->s, K("raw"), 2, NULL, never(), &in_time, &p->value, &p->err); }

STEP(exists)
{
    bool is = false;
    segue_status st = segue_exists(p->s, K("json"), &in_time, &is, &p->err);
    if (st == SEGUE_OK) say(p, "%d;", is);
    return st;
}

STEP(get_expiry)
{
    uint32_t expiry = 0;
    segue_status st = segue_get_expiry(p->s, K("counter"), &in_time, &expiry, &p->err);
    if (st == SEGUE_OK) say(p, "%u;", expiry);
    return st;
}

STEP(get_new) { return got(p, segue_get(p->s, K("new"), &in_time, &p->doc, &p->err)); }
STEP(remove_doc) { return segue_remove(p->s, K("new"), p->cas, &in_time, &p->cas, &p->err); }
STEP(remove_gone) { return segue_remove(p->s, K("new"), 0, &in_time, &p->cas, &p->err); }
STEP(delete_doc) { return segue_delete(p->s, K("json"), &in_time, &p->err); }
STEP(add_over_tombstone) { return segue_add(p->s, K("tomb"), K("1"), never(), &in_time, NULL, &p->err); }
STEP(set_expired) { return segue_set(p->s, K("old"), K("2"), never(), &in_time, NULL, &p->err); }

static const step bodies[] = {
    {"add", add, 0},
    {"add over a live document", add_again, 0},
    {"set", set, 0},
    {"add raw", add_raw, 0},
    {"set raw", set_raw, 0},
    {"get", get, STEP_READS},
    {"get a tombstone", get_record, STEP_READS},
    {"get", get, STEP_READS},
    {"write by CAS", write_cas, 0},
    {"write by a wrong CAS", write_wrong_cas, 0},
    {"get nothing", get_nothing, STEP_READS},
    {"get what has expired", get_expired, STEP_READS},
    {"append", append, 0},
    {"touch", touch, 0},
    {"touch again", touch_same, 0},
    {"get and touch", get_and_touch, 0},
    {"incr", incr, 0},
    {"incr a new one", incr_new, 0},
    {"incr a text", incr_text, 0},
    {"exists", exists, STEP_READS},
    {"get expiry", get_expiry, STEP_READS},
    {"get the new one", get_new, STEP_READS},
    {"remove by CAS", remove_doc, 0},
    {"remove what is gone", remove_gone, 0},
    {"delete", delete_doc, 0},
    {"add over a tombstone", add_over_tombstone, 0},
    {"set what has expired", set_expired, 0},
};

/* ---- paths ---- */

STEP(path_get)
{
    segue_slice json = {0};
    segue_status st = segue_subdoc_get(p->s, K("json"), SEGUE_IN_BODY, K("b.c"), &in_time, &p->doc, &json, &p->err);
    if (st == SEGUE_OK) say_bytes(p, json);
    return st;
}

STEP(path_get_xattr)
{
    segue_slice json = {0};
    segue_status st = segue_subdoc_get(p->s, K("tomb"), SEGUE_IN_XATTR, K("_sync.n[-1]"), &in_time, &p->doc, &json,
                                       &p->err);
    if (st == SEGUE_OK) say_bytes(p, json);
    return st;
}

STEP(path_set)
{
    return gave(
        p,
        segue_subdoc_set(p->s, K("json"), SEGUE_EXPECT_ANY, 0, K("b.d"), K("{\"e\":[]}"), &in_time, &p->cas, &p->err),
        0);
}

STEP(path_set_new)
{
    return segue_subdoc_set(p->s, K("new"), SEGUE_EXPECT_ANY, 0, K("x"), K("1"), &in_time, NULL, &p->err);
}

STEP(path_insert)
{
    uint64_t before = p->cas;
    return gave(
        p,
        segue_subdoc_insert(p->s, K("json"), SEGUE_EXPECT_CAS, p->cas, K("f"), K("\"g\""), &in_time, &p->cas, &p->err),
        before);
}

STEP(path_insert_over)
{
    return segue_subdoc_insert(p->s, K("json"), SEGUE_EXPECT_ANY, 0, K("f"), K("1"), &in_time, &p->cas, &p->err);
}

STEP(path_append)
{
    return segue_subdoc_append(p->s, K("json"), SEGUE_EXPECT_ANY, 0, K("b.d.e"), K("5"), &in_time, &p->cas, &p->err);
}

STEP(path_delete)
{
    return segue_subdoc_delete(p->s, K("json"), SEGUE_EXPECT_LIVE, 0, K("a[0]"), &in_time, &p->cas, &p->err);
}

STEP(path_many)
{
    segue_doc_free(&p->doc); /* so that the result needs memory */
    const segue_path_op ops[] = {
        {SEGUE_PATH_SET, SEGUE_IN_BODY, K("p.q.`r.s`"), K("[1]"), SEGUE_PATH_PARENTS},
        {SEGUE_PATH_APPEND, SEGUE_IN_BODY, K("p.t"), K("2"), SEGUE_PATH_PARENTS},
        {SEGUE_PATH_SET, SEGUE_IN_XATTR, K("_sync.deep.er"), K("3"), SEGUE_PATH_PARENTS},
        {SEGUE_PATH_DELETE, SEGUE_IN_XATTR, K("_sync.n[0]"), {0}, 0},
        {SEGUE_PATH_DELETE, SEGUE_IN_BODY, K("not.there"), {0}, SEGUE_PATH_MISSING_OK},
    };
    segue_mutation m = {.paths = ops, .n_paths = sizeof ops / sizeof ops[0]};
    return got(p, segue_mutate(p->s, K("json"), &m, &in_time, NULL, &p->doc, &p->err));
}

STEP(path_mismatch)
{
    return segue_subdoc_set(p->s, K("json"), SEGUE_EXPECT_ANY, 0, K("a.b"), K("1"), &in_time, &p->cas, &p->err);
}

static const step paths[] = {
    {"get a path", path_get, STEP_READS},
    {"get a path of a tombstone's xattr", path_get_xattr, STEP_READS},
    {"set a path", path_set, 0},
    {"set a path of nothing", path_set_new, 0},
    {"insert a path by CAS", path_insert, 0},
    {"insert over a path", path_insert_over, 0},
    {"append to a path", path_append, 0},
    {"delete a path", path_delete, 0},
    {"many paths", path_many, 0},
    {"a path that leads elsewhere", path_mismatch, 0},
};

/* ---- xattrs ---- */

#define NAMES(...) (const segue_slice[]){__VA_ARGS__}, sizeof((const segue_slice[]){__VA_ARGS__}) / sizeof(segue_slice)

STEP(xattrs_get)
{
    return got(p, segue_xattrs_get(p->s, K("json"), NAMES(K("_sync"), K("none"), K("_sync.n"), K("$document.revid")),
                                   &in_time, &p->doc, &p->err));
}

STEP(get_with_xattrs)
{
    return got(p, segue_get_with_xattrs(p->s, K("json"), NAMES(K("user")), &in_time, &p->doc, &p->err));
}

STEP(xattrs_set)
{
    const segue_xattr set[] = {{K("_sync.rev"), K("\"2-b\"")}, {K("user"), {0}}, {K("z"), K("null")}};
    return gave(p, segue_xattrs_set(p->s, K("json"), set, 3, &in_time, &p->cas, &p->err), 0);
}

STEP(xattrs_update)
{
    const segue_xattr set[] = {{K("z"), K("{}")}};
    uint64_t before = p->cas;
    return gave(p, segue_xattrs_update(p->s, K("json"), p->cas, set, 1, never(), &in_time, &p->cas, &p->err), before);
}

STEP(touch_xattr)
{
    uint64_t before = p->cas;
    return gave(p, segue_touch_xattr(p->s, K("json"), p->cas, K("z.y.x"), K("1"), &in_time, &p->cas, &p->err), before);
}

STEP(xattrs_remove)
{
    uint64_t before = p->cas;
    return gave(p, segue_xattrs_remove(p->s, K("json"), p->cas, NAMES(K("z")), &in_time, &p->cas, &p->err), before);
}

STEP(xattrs_drop) { return segue_xattrs_drop(p->s, K("json"), NAMES(K("z"), K("none")), &in_time, &p->cas, &p->err); }

STEP(write_with_xattrs)
{
    const segue_xattr set[] = {{K("_m"), K("{\"cas\":\"\",\"crc\":\"\"}")}};
    const segue_macro macros[] = {{K("_m.crc"), SEGUE_MACRO_BODY_CRC32C}};
    const segue_xattr_write write = {.body = K("[6]"), .set = set, .n_set = 1, .macros = macros, .n_macros = 1};
    return gave(p, segue_write_with_xattrs(p->s, K("new"), 0, &write, &in_time, &p->cas, &p->err), 0);
}

STEP(write_over_with_xattrs)
{
    const segue_xattr set[] = {{K("_m.more"), K("1")}};
    const segue_slice drop[] = {K("_m.crc")};
    const segue_xattr_write write = {.body = K("[7]"), .set = set, .n_set = 1, .drop = drop, .n_drop = 1};
    uint64_t before = p->cas;
    return gave(p, segue_write_with_xattrs(p->s, K("new"), p->cas, &write, &in_time, &p->cas, &p->err), before);
}

STEP(write_tombstone)
{
    const segue_xattr set[] = {{K("_t"), K("1")}};
    const segue_xattr_write write = {.set = set, .n_set = 1};
    uint64_t before = p->cas;
    return gave(p, segue_write_tombstone(p->s, K("new"), p->cas, true, &write, &in_time, &p->cas, &p->err), before);
}

STEP(write_new_tombstone)
{
    const segue_xattr set[] = {{K("_t"), K("2")}};
    const segue_xattr_write write = {.set = set, .n_set = 1};
    return segue_write_tombstone(p->s, K("new tombstone"), 0, false, &write, &in_time, NULL, &p->err);
}

STEP(write_resurrection)
{
    const segue_xattr set[] = {{K("_r"), K("1")}, {K("u"), K("2")}};
    const segue_xattr_write write = {
        .body = K("[8]"), .set = set, .n_set = 2, .expiry = {SEGUE_EXPIRY_AT, 2000000002, 0}};
    return segue_write_resurrection(p->s, K("new"), &write, &in_time, NULL, &p->err);
}

STEP(delete_with_xattrs) { return segue_delete_with_xattrs(p->s, K("new"), NAMES(K("_r")), &in_time, &p->err); }

STEP(xattrs_of_nothing)
{
    return got(p, segue_xattrs_get(p->s, K("nothing"), NAMES(K("_sync")), &in_time, &p->doc, &p->err));
}

STEP(xattr_that_is_none)
{
    const segue_xattr set[] = {{K("z"), K("{")}};
    return segue_xattrs_set(p->s, K("json"), set, 1, &in_time, &p->cas, &p->err);
}

static const step xattrs[] = {
    {"get xattrs", xattrs_get, STEP_READS},
    {"get with xattrs", get_with_xattrs, STEP_READS},
    {"set xattrs", xattrs_set, 0},
    {"update xattrs by CAS", xattrs_update, 0},
    {"touch an xattr", touch_xattr, 0},
    {"remove xattrs", xattrs_remove, 0},
    {"drop xattrs", xattrs_drop, 0},
    {"write with xattrs", write_with_xattrs, 0},
    {"write by CAS with xattrs", write_over_with_xattrs, 0},
    {"write a tombstone", write_tombstone, 0},
    {"write a new tombstone", write_new_tombstone, 0},
    {"write a resurrection", write_resurrection, 0},
    {"delete with xattrs", delete_with_xattrs, 0},
    {"xattrs of nothing", xattrs_of_nothing, STEP_READS},
    {"an xattr that is no JSON", xattr_that_is_none, 0},
};

/* ---- updates ---- */

static segue_status add_a_word(void *ctx, const segue_record *current, segue_mutation *m)
{
    play *p = ctx;
    segue_buf_clear(&p->buf);
    segue_slice old = current && current->body.data ? current->body : K("\"\"");
    segue_status st = segue_buf_append(&p->buf, "[", 1);
    if (st == SEGUE_OK) st = segue_buf_append(&p->buf, old.data, old.size);
    if (st == SEGUE_OK) st = segue_buf_append(&p->buf, "]", 1);
    if (st != SEGUE_OK) return st;
    m->body_op = SEGUE_BODY_SET;
    m->body = segue_buf_slice(&p->buf);
    m->expiry = segue_expiry_keep();
    return SEGUE_OK;
}

static segue_status update(play *p, const char *key, segue_update_fn fn, const segue_update_options *options)
{
    segue_outcome out = {0};
    uint64_t before = p->cas;
    segue_update_options bounded = options ? *options : (segue_update_options){0};
    bounded.timeout_ns = in_time.timeout_ns;
    segue_status st = segue_update(p->s, K(key), fn, p, &bounded, &out, &p->err);
    if (st != SEGUE_OK) return st;
    p->cas = out.cas ? out.cas : p->cas;
    say(p, "revision %llu, %s, %s;", (unsigned long long)out.revision, out.written ? "written" : "not written",
        p->cas > before || !out.written ? "a greater CAS" : "no greater CAS");
    return st;
}

STEP(update_doc) { return update(p, "json", add_a_word, NULL); }
STEP(update_nothing) { return update(p, "new", add_a_word, NULL); }
STEP(update_tombstone) { return update(p, "tomb", add_a_word, NULL); }

static segue_status delete_it(void *ctx, const segue_record *current, segue_mutation *m)
{
    play *p = ctx;
    if (current && p->turn++ == 0) return SEGUE_RETRY;
    m->body_op = SEGUE_BODY_DELETE;
    return SEGUE_OK;
}
STEP(update_deletes)
{
    p->turn = 0;
    return update(p, "new", delete_it, NULL);
}

static segue_status leave_it(void *ctx, const segue_record *current, segue_mutation *m)
{
    (void)ctx, (void)current, (void)m; /* nothing is asked for */
    return SEGUE_OK;
}
STEP(update_leaves) { return update(p, "counter", leave_it, NULL); }

static segue_status stop_it(void *ctx, const segue_record *current, segue_mutation *m)
{
    (void)ctx, (void)current, (void)m; /* it is stopped */
    return SEGUE_CANCELLED;
}
STEP(update_stops) { return update(p, "counter", stop_it, NULL); }

STEP(get_previous) { return got(p, segue_get_record(p->s, K("json"), &in_time, &p->doc, &p->err)); }
STEP(update_previous)
{
    segue_update_options options = {.previous = &p->doc.rec};
    return update(p, "json", add_a_word, &options);
}

static segue_status change_xattrs(void *ctx, const segue_record *current, segue_updated *updated)
{
    static const segue_xattr set[] = {{{"_u", 2}, {"{\"n\":1}", 7}}};
    play *p = ctx;
    (void)p;
    updated->write.body = current && current->body.data ? K("[9]") : K("[10]");
    updated->write.set = set;
    updated->write.n_set = 1;
    return SEGUE_OK;
}

static segue_status make_tombstone(void *ctx, const segue_record *current, segue_updated *updated)
{
    segue_status st = change_xattrs(ctx, current, updated);
    updated->write.body = (segue_slice){0};
    updated->is_tombstone = true;
    return st;
}

static segue_status write_update(play *p, const char *key, segue_xattr_update_fn fn)
{
    const segue_macro macros[] = {{K("_u.n"), SEGUE_MACRO_BODY_CRC32C}};
    segue_update_options options = {
        .timeout_ns = in_time.timeout_ns, .expiry = segue_expiry_at(2000000003), .macros = macros, .n_macros = 1};
    segue_outcome out = {0};
    segue_status st = segue_write_update_with_xattrs(p->s, K(key), fn, p, &options, &out, &p->err);
    if (st == SEGUE_OK) say(p, "revision %llu;", (unsigned long long)out.revision);
    return st;
}

STEP(write_update_doc) { return write_update(p, "json", change_xattrs); }
STEP(write_update_new) { return write_update(p, "new two", change_xattrs); }
STEP(write_update_tombstone) { return write_update(p, "json", make_tombstone); }

STEP(mutate_all)
{
    segue_doc_free(&p->doc); /* so that the result needs memory */
    const segue_xattr set[] = {{K("_a"), K("{\"c\":\"\"}")}, {K("b"), K("2")}};
    const segue_macro macros[] = {{K("_a.c"), SEGUE_MACRO_BODY_CRC32C}};
    const segue_slice drop[] = {K("none")};
    segue_mutation m = {.body_op = SEGUE_BODY_SET,
                        .body = K("{\"all\":[]}"),
                        .set_xattrs = set,
                        .n_set_xattrs = 2,
                        .drop_xattrs = drop,
                        .n_drop_xattrs = 1,
                        .macros = macros,
                        .n_macros = 1,
                        .expiry = segue_expiry_at(2000000004),
                        .options = SEGUE_M_DROP_MISSING_OK};
    segue_outcome out = {0};
    segue_status st = segue_mutate(p->s, K("raw"), &m, &in_time, &out, &p->doc, &p->err);
    if (st == SEGUE_OK) say(p, "revision %llu;", (unsigned long long)out.revision);
    return got(p, st);
}

STEP(mutate_replaces)
{
    segue_mutation m = {.body_op = SEGUE_BODY_SET, .body = K("1"), .options = SEGUE_M_REPLACE_ALL};
    return segue_mutate(p->s, K("new three"), &m, &in_time, NULL, NULL, &p->err);
}

STEP(mutate_counter)
{
    segue_mutation m = {.body_op = SEGUE_BODY_ADD, .delta = 5, .expiry = segue_expiry_at(2000000005)};
    return got(p, segue_mutate(p->s, K("counter"), &m, &in_time, NULL, &p->doc, &p->err));
}

static const step updates[] = {
    {"update", update_doc, 0},
    {"update nothing", update_nothing, 0},
    {"update a tombstone", update_tombstone, 0},
    {"update that asks again and deletes", update_deletes, 0},
    {"update that leaves it", update_leaves, 0},
    {"update that stops", update_stops, 0},
    {"get", get_previous, STEP_READS},
    {"update from what is known", update_previous, 0},
    {"update from what was known", update_previous, 0},
    {"update with xattrs", write_update_doc, 0},
    {"update nothing with xattrs", write_update_new, 0},
    {"update to a tombstone", write_update_tombstone, 0},
    {"mutate everything", mutate_all, 0},
    {"replace everything", mutate_replaces, 0},
    {"mutate a counter", mutate_counter, 0},
};

/* ---- whole records ---- */

static const segue_xattr record_xattrs[] = {{{"_sync", 5}, {"{}", 2}}, {{"a", 1}, {"1", 1}}};

static segue_record given(const char *key)
{
    return (segue_record){.key = K(key),
                          .body = K("[11]"),
                          .is_json = true,
                          .xattrs = record_xattrs,
                          .n_xattrs = 2,
                          .cas = UINT64_C(1790000000000000000),
                          .revision = 9,
                          .expiry = 2000000006};
}

STEP(put_record)
{
    segue_record rec = given("new");
    return segue_put_record(p->s, &rec, 0, &in_time, &p->cas, &p->err);
}

STEP(put_record_over)
{
    segue_record rec = given("new");
    return segue_put_record(p->s, &rec, 0, &in_time, &p->cas, &p->err);
}

STEP(put_record_replaces)
{
    segue_record rec = given("raw");
    return segue_put_record(p->s, &rec, SEGUE_PUT_REPLACE, &in_time, &p->cas, &p->err);
}

STEP(put_tombstone)
{
    segue_record rec = given("new tombstone");
    rec.is_tombstone = true;
    rec.is_json = false;
    rec.body = (segue_slice){0};
    rec.n_xattrs = 1;
    rec.expiry = 0;
    return segue_put_record(p->s, &rec, 0, &in_time, &p->cas, &p->err);
}

STEP(put_with_meta)
{
    segue_record rec = given("meta");
    return segue_put_with_meta(p->s, &rec, 0, &in_time, &p->err);
}

STEP(put_with_meta_over)
{
    segue_record rec = given("meta");
    rec.cas++;
    return segue_put_with_meta(p->s, &rec, rec.cas - 1, &in_time, &p->err);
}

static const step records[] = {
    {"put a record", put_record, 0},
    {"put a record over one", put_record_over, 0},
    {"put a record in place of one", put_record_replaces, 0},
    {"put a tombstone", put_tombstone, 0},
    {"put with its CAS", put_with_meta, 0},
    {"put with its CAS over one", put_with_meta_over, 0},
};

const script doc_scripts[] = {
    {"bodies", bodies, sizeof bodies / sizeof bodies[0], 0},
    {"paths", paths, sizeof paths / sizeof paths[0], 0},
    {"xattrs", xattrs, sizeof xattrs / sizeof xattrs[0], 0},
    {"updates", updates, sizeof updates / sizeof updates[0], 0},
    {"records", records, sizeof records / sizeof records[0], SCRIPT_OWN_WAY},
};
const size_t n_doc_scripts = sizeof doc_scripts / sizeof doc_scripts[0];
