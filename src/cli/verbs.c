/* L6: the table of verbs and their options: what the parser accepts, the help shows and the completions offer. */
#include "cli/cli.h"

#include <string.h>

#define OLD "'rosmar:bucket?collection=_default._default'"
#define NEW "'rosmar:bucket?collection=_system._mobile'"
#define BOTH "--from " OLD " \\\n      --to " NEW

static const seg_cli_option common[] = {
    {"json", 0, false, NULL, "results, remarks and errors as JSON, one object a line"},
    {"quiet", 'q', false, NULL, "no remarks and no progress on standard error"},
    {"help", 'h', false, NULL, "this text"},
    {0}};

static const seg_cli_option none[] = {{0}};

static const seg_cli_option sides[] = {
    {"from", 0, false, "URL", "the store that records are moved out of (the fallback)"},
    {"to", 0, false, "URL", "the store that they are moved into (the primary)"},
    {0}};

static const seg_cli_option policies[] = {
    {"policy", 0, false, "FILE", "which record goes where: a JSON file, or sync-gateway (built in)"},
    {"metadata-id", 0, false, "ID", "sync-gateway: move this one database only"},
    {"sibling-id", 0, true, "ID", "sync-gateway: metadata id of another database in the bucket"},
    {"group", 0, false, "NAME", "sync-gateway: the database's config group"},
    {"collection", 0, true, "S.C", "sync-gateway: a collection of the database"},
    {0}};

static const seg_cli_option name[] = {{"name", 0, false, "NAME", "of the migration, if there are several (default)"},
                                      {0}};

static const seg_cli_option migrate[] = {
    {"keep", 0, false, NULL, "copy: the old store keeps everything as a backup"},
    {"hold-seal", 0, false, NULL, "stop when verified; `segue seal` is for you to say"},
    {"hold-clean", 0, false, NULL, "stop when sealed; `segue clean` is for you to say"},
    {"workers", 0, false, "N", "threads that move pages (2)"},
    {"new-policy", 0, false, NULL, "go on although the policy is not the one that the run began under"},
    {"fence", 0, false, "TIME", "wait between seal and clean: longest deadline of operations elsewhere (0s)"},
    {0}};

static const seg_cli_option foreign[] = {
    {"on-foreign-write", 0, false, "WHAT",
     "somebody wrote the old store behind our back: stop (default), newer (CAS wins), primary (wins)"},
    {0}};

static const seg_cli_option fence[] = {
    {"fence", 0, false, "TIME", "wait before: the longest deadline of operations elsewhere (0s)"}, {0}};

static const seg_cli_option status[] = {{"watch", 'w', false, NULL, "once a second, until the migration is done"}, {0}};

static const seg_cli_option verify[] = {
    {"repair", 0, false, NULL, "fix what differs, each by a write under a condition"}, {0}};

static const seg_cli_option keys_from[] = {
    {"keys-from", 0, false, "URL", "also count which rule takes how many of this store's keys"}, {0}};

static const seg_cli_option rehearse[] = {
    {"clients", 0, false, "N", "threads that read and write meanwhile (8)"},
    {"seconds", 0, false, "S", "how long they do so, at least, half of it before the migration begins (4)"},
    {"seed", 0, false, "N", "of their choices (a new one each time; it is printed)"},
    {"scratch", 0, false, "DIR", "where the copies go, kept afterwards (a temporary one, removed)"},
    {0}};

static const seg_cli_option get[] = {{"raw", 'r', false, NULL, "the bytes of the body and no newline"},
                                     {"xattrs", 'x', false, NULL, "the xattrs instead of the body, NAME=JSON a line"},
                                     {"tombstones", 0, false, NULL, "show what a deletion left, too"},
                                     {"path", 0, false, "PATH", "what stands at a place in the body"},
                                     {"xattr", 0, false, "NAME[.PATH]", "an xattr, a place in it, or a virtual xattr"},
                                     {0}};

static const seg_cli_option set[] = {
    {"path", 0, false, "PATH", "the place in the body"},
    {"xattr", 0, false, "NAME[.PATH]", "the xattr, or the place in it"},
    {"insert", 0, false, NULL, "only if nothing is there"},
    {"append", 0, false, NULL, "to the end of the array that is there"},
    {"delete", 0, false, NULL, "take out what is there; no VALUE"},
    {"parents", 0, false, NULL, "make the objects, or the array, that are missing on the way"},
    {0}};

static const seg_cli_option cas[] = {{"cas", 0, false, "N", "only if the document has this CAS"}, {0}};

static const seg_cli_option put[] = {
    {"add", 0, false, NULL, "only if there is no live document with this key"},
    {"expiry", 0, false, "TIME", "30s, 5m, 2h, 1d from now; @SECONDS since 1970; none; keep"},
    {"xattr", 0, true, "NAME=JSON", "set an xattr"},
    {"drop-xattr", 0, true, "NAME", "drop an xattr"},
    {"flags", 0, false, "N", "the user flags"},
    {0}};

static const seg_cli_option incr[] = {
    {"initial", 0, false, "N", "what to begin with where there is no live document; else that is a failure"},
    {"expiry", 0, false, "TIME", "of one that begins here: 30s, 5m, 2h, 1d from now, @SECONDS since 1970"},
    {0}};

static const seg_cli_option reap[] = {{"limit", 0, false, "N", "at most N documents, those that expired first"}, {0}};

static const seg_cli_option range[] = {{"prefix", 0, false, "TEXT", "only keys that begin with TEXT"},
                                       {"tombstones", 0, false, NULL, "what deletions left, too"},
                                       {0}};

static const seg_cli_option ls[] = {{"limit", 0, false, "N", "at most N keys"},
                                    {"long", 'l', false, NULL, "state, size, revision, CAS and expiry, too"},
                                    {0}};

static const seg_cli_option import[] = {
    {"replace", 0, false, NULL, "overwrite records that are there; else one that is there ends the import"}, {0}};

static const seg_cli_option feed[] = {
    {"since", 0, false, "CURSOR", "go on after this event: a cursor of an earlier feed, a CAS, or now"},
    {"follow", 'f', false, NULL, "wait for more, until Ctrl-C"},
    {"keys-only", 'k', false, NULL, "neither bodies nor xattrs"},
    {0}};

#define GROUPS(...)                                                                                                    \
    (const seg_cli_option *const[]) { __VA_ARGS__, common, NULL }

const seg_cli_verb seg_cli_verbs[] = {
    {"plan", "", 0, 0, "what a migration would move, drop and leave; changes nothing",
     "Reads the old store and counts what each rule of the policy takes, with sizes, and lists by prefix the keys that no\n"
     "rule takes. Ends with 1 if a rule forbids a record that is there.",
     "  segue plan " BOTH " --policy sync-gateway", GROUPS(sides, policies), seg_verb_plan},
    {"rehearse", "", 0, 0, "the whole migration on a scratch copy, under clients, with a ledger",
     "Copies both stores to a scratch directory, which is all that is written; runs the whole migration there while\n"
     "clients get, update, add, delete, touch and count on keys of the data; and compares at the end with a ledger of every\n"
     "write that was acknowledged, and with the source. Ends with 4 if anything differs.",
     "  segue rehearse " BOTH " --policy sync-gateway --clients 16", GROUPS(sides, policies, rehearse),
     seg_verb_rehearse},
    {"migrate", "", 0, 0, "move the records: forward, sweep, verify, seal, clean",
     "Clients go on meanwhile if they have the dual store open (dual:?primary=TO&fallback=FROM). Ctrl-C keeps the place; the\n"
     "same command goes on from there, also after kill -9. Moving back is the same with both stores exchanged.",
     "  segue migrate " BOTH " --policy sync-gateway", GROUPS(sides, policies, migrate, foreign, name),
     seg_verb_migrate},
    {"status", "URL", 1, 1, "how far the migration into a store is",
     "Reads the status record in the new store: stage, counts, rate, the last error. From any process, at any time.",
     "  segue status " NEW, GROUPS(status, name), seg_verb_status},
    {"verify", "", 0, 0, "compare what was moved, by content",
     "Looks up every record that was moved and compares its content with the digest that the sweep took, and looks whether\n"
     "anything in scope is left in the old store. Names the keys that differ and ends with 4 then.",
     "  segue verify " BOTH " --policy sync-gateway", GROUPS(sides, policies, verify, foreign, name), seg_verb_verify},
    {"seal", "URL", 1, 1, "from now on the new store alone counts",
     "For migrations that were begun with --hold-seal. Refused without the proof of a full pass and its verification.",
     "  segue seal " NEW, GROUPS(name), seg_verb_seal},
    {"clean", "URL", 1, 1, "erase what only the migration needed",
     "For migrations that were begun with --hold-clean: erases the manifests, and the tombstones that only hid records of\n"
     "the old store.",
     "  segue clean " NEW, GROUPS(name, fence), seg_verb_clean},
    {"get", "URL KEY", 2, 2, "print a document",
     "The body, followed by a newline. With --json the whole record as one line of `segue export`. Or one value in it: PATH\n"
     "is a.b, a[3], a[-1] or `a.b`. $document is a virtual xattr with the fields CAS, revid, exptime and others.",
     "  segue get " OLD " _sync:user:ada.allen32 --path explicit_roles.role25\n"
     "  segue get " OLD " _sync:user:ada.allen32 --xattr '$document.revid'",
     GROUPS(get), seg_verb_get},
    {"put", "URL KEY [VALUE|-]", 2, 3, "write a document",
     "VALUE is the body; - reads it from standard input. Without VALUE only xattrs, flags or expiry change. Xattrs of a live\n"
     "document stay. Prints the new CAS. A store that is not there is made.",
     "  segue put " OLD " greeting '{\"text\":\"hello\"}' --expiry 1d --xattr 'owner=\"me\"'", GROUPS(cas, put),
     seg_verb_put},
    {"set", "URL KEY [VALUE|-]", 2, 3, "write one value in a document",
     "VALUE is JSON; - reads it from standard input. Of the document only that place changes, byte for byte. It is a --path\n"
     "in the body, a.b, a[3], a[-1] or `a.b`, or an --xattr. Where no document is, a member of {} makes one. Prints the CAS.",
     "  segue set " OLD " greeting --path text '\"hello\"'\n"
     "  segue set " OLD " greeting --path seen --append --parents 1\n"
     "  segue set " OLD " greeting --xattr _audit.by --parents '\"me\"'",
     GROUPS(cas, set), seg_verb_set},
    {"touch", "URL KEY TIME", 3, 3, "change when a document expires",
     "TIME is 30s, 5m, 2h, 1d from now, @SECONDS since 1970, or none. Prints the CAS: a new one if that is a change.",
     "  segue put " OLD " greeting '{}' && segue touch " OLD " greeting 1d", GROUPS(cas), seg_verb_touch},
    {"incr", "URL KEY [N]", 2, 3, "add to a counter",
     "Adds N, or 1, to a body that is an unsigned decimal number, modulo 2^64, and prints the sum. Without --initial a\n"
     "document that is not there is a failure; with it, it begins with that number, and N is not added.",
     "  segue incr " OLD " visits --initial 1 && segue incr " OLD " visits 10", GROUPS(cas, incr), seg_verb_incr},
    {"rm", "URL KEY", 2, 2, "delete a document", "It leaves a tombstone with its system xattrs.",
     "  segue rm " OLD " _sync:user:ada.allen32", GROUPS(cas), seg_verb_rm},
    {"ls", "URL", 1, 1, "list keys", "One a line, in byte order. What is not printable is shown as \\xNN.",
     "  segue ls -l --limit 5 --prefix _sync:user: " OLD, GROUPS(range, ls), seg_verb_ls},
    {"export", "URL", 1, 1, "write records as JSON Lines to standard output",
     "One record a line, in byte order of key: key, cas, rev, exp, flags (if not 0), is_json, deleted, body (base64), xattrs.\n"
     "The same store gives the same bytes.",
     "  segue export --tombstones " OLD " > dump.jsonl", GROUPS(range), seg_verb_export},
    {"import", "URL [FILE|-]", 1, 2, "read records as JSON Lines",
     "The lines of `segue export`, from FILE or standard input. CAS and revision are kept where the store can. A line that\n"
     "cannot be understood ends the import and is named; the lines before it are in. A store that is not there is made.",
     "  segue export --tombstones " OLD " | segue import sqlite:copy.db", GROUPS(import), seg_verb_import},
    {"feed", "URL...", 1, 16, "what has changed, in order, and what changes from now on",
     "A line for each document and deletion, in its last state, in the order of their last changes. With --json a line of\n"
     "`segue export` and the cursor: save it, and --since goes on after that event. Of several stores (up to 16), of a dual\n"
     "store, of stores that other processes write. The first feed of a SQLite file makes an index in it.",
     "  segue feed --json --since 0 " OLD " | tail -n 3", GROUPS(feed), seg_verb_feed},
    {"reap", "URL", 1, 1, "make what has expired tombstones",
     "What has expired reads as deleted anyway; this writes the tombstones, and prints how many. A process that keeps a\n"
     "store open does so by itself; this program with this verb only.",
     "  segue put " OLD " k '{}' --expiry @1 && segue reap " OLD, GROUPS(reap), seg_verb_reap},
    {"purge", "URL", 1, 1, "erase the tombstones",
     "For good, with their xattrs and revisions; prints how many. A document of the same key begins at revision 1 then.\n"
     "Refused while any migration into the store is not clean. Nor do it in the store that one moves from.",
     "  segue rm " OLD " _sync:user:ada.allen32 && segue purge " OLD, GROUPS(none), seg_verb_purge},
    {"policy check", "[FILE]", 0, 1, "check a policy, and which rule takes which keys",
     "FILE is a policy as for --policy. With --keys-from each rule is shown with the number of keys that it takes, and rules\n"
     "that take none are marked.",
     "  segue policy check sync-gateway --keys-from " OLD, GROUPS(keys_from, policies), seg_verb_policy_check},
    {0}};

const seg_cli_verb *seg_cli_verb_find(const char *verb_name)
{
    for (const seg_cli_verb *v = seg_cli_verbs; v->name; v++)
        if (strcmp(v->name, verb_name) == 0) return v;
    return NULL;
}
