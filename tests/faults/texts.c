/* Scripts of texts: lines of exports, policies, URLs, paths. No store. */
#include "faults/play.h"

#include "cli/jsonl.h"

#include <stdio.h>

#define STEP(name) static segue_status name(play *p)

static const char line[] =
    "{\"key\":\"a\\u00e9\",\"cas\":\"17\",\"rev\":\"2\",\"exp\":0,\"is_json\":true,\"deleted\":false,"
    "\"body\":\"eyJhIjoxfQ==\",\"xattrs\":{\"_sync\":\"{\\\"r\\\":1}\",\"u\":\"[1]\"}}";

STEP(parse_line)
{
    segue_status st = seg_parse_record(K(line), &p->doc, &p->err);
    if (st == SEGUE_OK) say_record(p, &p->doc.rec);
    return st;
}
STEP(parse_bad_line) { return seg_parse_record(K("{\"key\":\"a\",\"cas\":17}"), &p->doc, &p->err); }

STEP(read_lines)
{
    static char text[100000];
    memset(text, 'x', sizeof text);
    text[10] = text[90000] = '\n';
    static seg_lines lines;
    segue_slice one;
    lines = (seg_lines){.file = fmemopen(text, sizeof text, "r")};
    if (!lines.file) return seg_error_set(&p->err, SEGUE_NO_MEMORY, "no memory for a file");
    segue_status st;
    while ((st = seg_lines_next(&lines, &one, &p->err)) == SEGUE_OK) say(p, "%zu;", one.size);
    (void)fclose(lines.file); /* it was only read */
    seg_lines_free(&lines);
    return st;
}

STEP(parse_bad_policy)
{
    segue_policy *policy = NULL;
    return segue_policy_parse(K("{\"rules\":[{\"key\":\"a\",\"prefix\":\"b\",\"action\":\"move\"}]}"), &policy,
                              &p->err);
}

STEP(sync_gateway)
{
    static const char *const siblings[] = {"two", "three"}, *const collections[] = {"a.b", "c.d"};
    segue_sg_database database = {.metadata_id = "one",
                                  .sibling_ids = siblings,
                                  .n_sibling_ids = 2,
                                  .group = "g",
                                  .collections = collections,
                                  .n_collections = 2};
    segue_policy *policy = NULL;
    segue_status st = segue_policy_sync_gateway(&database, &policy, &p->err);
    if (st != SEGUE_OK) return st;
    say(p, "%zu rules;", segue_policy_n_rules(policy));
    segue_policy_free(policy);
    return st;
}

STEP(sync_gateway_wrong)
{
    static const char *const collections[] = {"a"};
    segue_sg_database database = {.collections = collections, .n_collections = 1};
    segue_policy *policy = NULL;
    return segue_policy_sync_gateway(&database, &policy, &p->err);
}

static const step texts[] = {
    {"parse a line", parse_line, 0},
    {"parse a bad line", parse_bad_line, 0},
    {"read lines", read_lines, 0},
    {"parse a bad policy", parse_bad_policy, 0},
    {"the policy of Sync Gateway", sync_gateway, 0},
    {"a wrong one", sync_gateway_wrong, 0},
};

const script text_scripts[] = {
    {"texts", texts, sizeof texts / sizeof texts[0], SCRIPT_NO_STORE},
};
const size_t n_text_scripts = sizeof text_scripts / sizeof text_scripts[0];
