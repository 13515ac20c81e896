#!/bin/bash
# get and set at paths, in bodies and in xattrs: what they print, what they leave, what they refuse.
. "$(dirname "$0")/lib.sh"
U="sqlite:$T/s.db"
prints() { true_that "$1" [ "$(cat "$T/out")" = "$2" ]; }
body_is() { run get "$U" doc; prints "$1" "$2"; }
at() { # NAME WANTED OPTIONS...: get prints it
    local name=$1 wanted=$2
    shift 2
    expect 0 "get $name" get "$U" doc "$@"
    prints "$name is right" "$wanted"
}

run put "$U" doc '{"a": {"b":1.50, "c.d":null},  "l":[1,2,{"x":"y"}],"twice":1,"twice":2}' --xattr '_sync={"rev":"1-a", "n":12345678901234567890123}' --xattr u=7
cas=$(cat "$T/out")

# ---- get ----
at "a member" '1.50' --path a.b
at "an object" '{"b":1.50, "c.d":null}' --path a
at "a name in backticks" null --path 'a.`c.d`'
at "an element" 2 --path 'l[1]'
at "the last element" '"y"' --path 'l[-1].x'
at "an xattr" 7 --xattr u
at "a place in an xattr" 12345678901234567890123 --xattr _sync.n
at "the revision" '"1"' --xattr '$document.revid'
expect 0 "get --raw" get --raw "$U" doc --path l
true_that "no newline" [ "$(wc -c <"$T/out")" = 15 ]
expect 0 "get --json" get --json "$U" doc --path 'l[2]'
prints "an object" "{\"key\":\"doc\",\"path\":\"l[2]\",\"value\":{\"x\":\"y\"},\"cas\":\"$cas\",\"rev\":\"1\",\"deleted\":false}"
expect 0 "get --json of an xattr" get --json "$U" doc --xattr '$document.exptime'
prints "names the xattr" "{\"key\":\"doc\",\"xattr\":\"\$document.exptime\",\"value\":0,\"cas\":\"$cas\",\"rev\":\"1\",\"deleted\":false}"

refused 2 'wrong at byte 2 \(component 2\): a name is missing' "an empty component" get "$U" doc --path 'a..b'
refused 2 'wrong at byte 2 \(component 2\): an index' "an index that is none" get "$U" doc --path 'l[x]'
refused 2 'at least one component' "no path at all" get "$U" doc --path ''
refused 1 'component 2, .*none.*is not there' "a member that is not there" get "$U" doc --path a.none
refused 1 'component 3, .*x.*leads into what is no object' "a path through a number" get "$U" doc --path a.b.x
refused 1 'stands twice, at byte 51 and 61' "a name that stands twice" get "$U" doc --path twice
refused 1 'no xattr with path' "an xattr that is not there" get "$U" doc --xattr none
refused 2 'plain name' "an xattr that is none" get "$U" doc --xattr '`_sync`.rev'
refused 1 'no record' "a path in nothing" get "$U" nothing --path a
refused 2 'exclude each other' "two places" get "$U" doc --path a --xattr u
refused 2 'all of them' "one xattr and all" get -x "$U" doc --xattr u
run get --json "$U" doc --path 'a..b'
true_that "the failure is JSON with --json" grep -q '^{"error":{"status":"INVALID_PATH","message":".*byte 2' "$T/err"

# ---- set ----
expect 0 "set" set "$U" doc --path 'a.b' true
true_that "prints a new CAS" [ "$(cat "$T/out")" -gt "$cas" ]
body_is "nothing else has changed" '{"a": {"b":true, "c.d":null},  "l":[1,2,{"x":"y"}],"twice":1,"twice":2}'
expect 0 "set --insert" set --insert "$U" doc --path new '[]'
refused 1 'there is something at path' "set --insert over null" set --insert "$U" doc --path 'a.`c.d`' 1
expect 0 "set --append, a negative number" set --append "$U" doc --path new -5
expect 0 "set --append --parents" set --append --parents "$U" doc --path x.y 1
expect 0 "set --delete" set --delete "$U" doc --path 'l[0]'
expect 0 "set from standard input" set "$U" doc --path 'l[0]' - <<<'{"in":
1}'
body_is "all of that" '{"a": {"b":true, "c.d":null},  "l":[{"in":
1},{"x":"y"}],"twice":1,"twice":2,"new":[-5],"x":{"y":[1]}}'
expect 0 "get --json of two lines" get --json "$U" doc --path 'l[0]'
true_that "is one line" grep -q '"value":{"in": 1},' "$T/out"
expect 0 "set of an xattr" set "$U" doc --xattr u '"seven"'
expect 0 "set in an xattr" set --parents "$U" doc --xattr _new.x.y 1
expect 0 "set --delete of an xattr" set --delete "$U" doc --xattr _sync.rev
run get -x "$U" doc
prints "the xattrs" '_new={"x":{"y":1}}
_sync={"n":12345678901234567890123}
u="seven"'
expect 0 "set --json makes a document" set --json "$U" fresh --path a 1
true_that "says what was written" grep -qE '^\{"key":"fresh","cas":"[0-9]+","rev":"1","written":true\}$' "$T/out"
expect 0 "rm" rm "$U" doc
at "an xattr of a tombstone" 12345678901234567890123 --xattr _sync.n
at "whether it is one" true --xattr '$document.deleted'

run get --json "$U" fresh
cp "$T/out" "$T/before"
for try in "2|a..b|1|INVALID_PATH|wrong at byte 2" "1|a.b.c|1|PATH_MISMATCH|component 2" "1|b.c|1|PATH_NOT_FOUND|component 1" "2|a|{|INVALID_JSON|byte 1"; do
    IFS='|' read -r wanted path value status words <<<"$try"
    run set --json "$U" fresh --path "$path" "$value"
    true_that "set at $path of $value is $status" [ "$code $(grep -c "\"$status\".*$words" "$T/err")" = "$wanted 1" ]
done
refused 1 'has the CAS [0-9]*, not ' "set under a wrong CAS" set "$U" fresh --path a 2 --cas "$cas"
refused 2 '\$document' "set of a virtual xattr" set "$U" fresh --xattr '$document.CAS' 1
refused 1 'not there|no xattr' "delete of an xattr that is not there" set --delete "$U" fresh --xattr _s
refused 1 'no live document|no record|nothing' "insert into nothing" set --insert "$U" nothing --path a 1
refused 1 'there is no file' "set in a store that is not there" set "sqlite:$T/none.db" doc --path a 1
refused 2 'needs --path or --xattr' "set without a place" set "$U" fresh 1
refused 2 'needs a value' "set without a value" set "$U" fresh --path a
refused 2 'takes no value' "delete with a value" set --delete "$U" fresh --path a 1
refused 2 'exclude each other' "two actions" set --insert --append "$U" fresh --path a 1
refused 2 'makes no parents' "delete with parents" set --delete --parents "$U" fresh --path a
run get --json "$U" fresh
same "nothing of it has changed the document" "$T/before" "$T/out"
finish
