#!/bin/bash
# Exports of the sample buckets are byte for byte the dumps made with the original's own API; export, import into an empty
# store, export gives the same bytes.
. "$(dirname "$0")/lib.sh"

for b in sg-bucket sg-bucket-halfway sg-bucket-migrated; do
    bucket $b $b
    for dump in "$DATA/expected/$b"/*.jsonl; do
        c=$(basename "$dump" .jsonl)
        expect 0 "export of $b, $c" export --tombstones "rosmar:$T/$b?collection=$c"
        same "it is the original's own dump" "$dump" "$T/out"
    done
done

dump=$DATA/expected/sg-bucket/_default._default.jsonl
expect 0 "import into a new SQLite file" import "sqlite:$T/a.db" "$dump"
true_that "it says how many" grep -qx 'imported 1,539 records' "$T/out"
expect 0 "export it again" export --tombstones "sqlite:$T/a.db"
same "the bytes are the same" "$dump" "$T/out"
"$SEGUE" import -q "rosmar:$T/sg-bucket?collection=copy.of" - <"$dump" && "$SEGUE" export --tombstones "rosmar:$T/sg-bucket?collection=copy.of" >"$T/out"
same "the same through a bucket and standard input" "$dump" "$T/out"

expect 0 "export without tombstones" export "sqlite:$T/a.db"
grep -v '"deleted":true' "$dump" >"$T/live"
same "leaves tombstones out" "$T/live" "$T/out"
expect 0 "export of a prefix" export --tombstones --prefix _sync:user: "sqlite:$T/a.db"
grep '^{"key":"_sync:user:' "$dump" >"$T/users"
same "has exactly these keys" "$T/users" "$T/out"

# What the sample has none of: flags, keys that are not UTF-8, control characters.
cat >"$T/odd" <<'LINES'
{"key":"\b\f\n\r\t\u0001\u007f\"\\/<>&\u2028","cas":"5","rev":"3","exp":0,"is_json":true,"deleted":false,"body":"e30=","xattrs":{"_a":"1","b":"\"\\u00e9\""}}
{"key":"flags","cas":"7","rev":"1","exp":4000000000,"flags":4294967295,"is_json":false,"deleted":false,"body":"","xattrs":{}}
{"key":"half","cas":"11","rev":"1","exp":0,"is_json":true,"deleted":false,"body":"e30=","xattrs":{"_h":"{\"\\ud83d\":\"\\ude00x\"}"}}
{"key_base64":"//79","cas":"9","rev":"18446744073709551615","exp":0,"is_json":false,"deleted":true,"body":null,"xattrs":{"_x":"{ \"n\" : 18446744073709551615 }"}}
LINES
expect 0 "import of odd records" import "sqlite:$T/odd.db" "$T/odd"
expect 0 "export of odd records" export --tombstones "sqlite:$T/odd.db"
sed -i '1s/\\u007f/\x7f/; 1s/\\u2028/\xe2\x80\xa8/' "$T/odd"
same "they come back" "$T/odd" "$T/out"
cp "$T/out" "$T/once"
expect 0 "import of the export" import "sqlite:$T/odd2.db" "$T/once"
expect 0 "and the export of that" export --tombstones "sqlite:$T/odd2.db"
same "are the same bytes" "$T/once" "$T/out"

expect 1 "import over records that are there" import "sqlite:$T/odd.db" "$T/odd"
expect 0 "import --replace over them" import --replace "sqlite:$T/odd.db" "$T/odd"
expect 0 "import of nothing" import "sqlite:$T/empty.db" /dev/null
printf '%s' "$(sed -n 2p "$T/odd")" >"$T/cut"
expect 0 "a last line without newline counts" import "sqlite:$T/last.db" "$T/cut"
true_that "and is imported" grep -qx 'imported 1 record' "$T/out"

# Single documents.
U=sqlite:$T/one.db
expect 0 "put makes a store" put "$U" doc '{"a":1}' --xattr '_s={"x":1}' --xattr u=2 --expiry @4000000000 --flags 7
cas=$(cat "$T/out")
expect 0 "get" get "$U" doc
true_that "prints the body" [ "$(cat "$T/out")" = '{"a":1}' ]
expect 0 "get --raw" get --raw "$U" doc
true_that "prints no newline" [ "$(wc -c <"$T/out")" = 7 ]
expect 0 "get --xattrs" get --xattrs "$U" doc
true_that "prints names and values" [ "$(cat "$T/out")" = '_s={"x":1}
u=2' ]
expect 0 "get --json" get --json "$U" doc
true_that "prints a line of export" grep -qF "{\"key\":\"doc\",\"cas\":\"$cas\",\"rev\":\"1\",\"exp\":4000000000,\"flags\":7,\"is_json\":true,\"deleted\":false,\"body\":\"eyJhIjoxfQ==\",\"xattrs\":{\"_s\":\"{\\\"x\\\":1}\",\"u\":\"2\"}}" "$T/out"
expect 1 "put --add over a live document" put "$U" doc x --add
expect 1 "put under a wrong CAS" put "$U" doc x --cas 1
expect 0 "put under the right CAS" put "$U" doc x --cas "$cas" --json
true_that "tells the outcome as JSON" grep -qE '^\{"key":"doc","cas":"[0-9]+","rev":"2","written":true\}$' "$T/out"
expect 0 "put of xattrs only" put "$U" doc --xattr u=3 --drop-xattr _s
expect 0 "get" get "$U" doc
true_that "the body stayed" [ "$(cat "$T/out")" = x ]
printf 'a\0b' | "$SEGUE" put "$U" bin - >/dev/null
"$SEGUE" get --raw "$U" bin >"$T/out"
true_that "binary bodies come through" [ "$(od -An -tx1 "$T/out")" = " 61 00 62" ]
expect 0 "rm" rm "$U" doc
expect 1 "get of what was removed" get "$U" doc
expect 1 "rm again" rm "$U" doc
expect 0 "get --tombstones --json" get --tombstones --json "$U" doc
true_that "shows the tombstone" grep -q '"deleted":true,"body":null' "$T/out"
expect 0 "ls" ls "$U"
true_that "lists live keys" [ "$(cat "$T/out")" = bin ]
expect 0 "ls --tombstones -l" ls --tombstones -l "$U"
true_that "lists both" [ "$(wc -l <"$T/out")" = 2 ]
expect 0 "ls --limit" ls --tombstones --limit 1 --json "$U"
true_that "lists one" [ "$(wc -l <"$T/out")" = 1 ]
finish
