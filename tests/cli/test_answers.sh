#!/bin/bash
# What the other scripts have no occasion for: differences and foreign writes, plans with something in the way, policies as
# JSON, and the options and forms of an answer one by one.
. "$(dirname "$0")/lib.sh"
says() { grep -qE "$1" "$T/out"; }

# Somebody writes the old store behind the migration's back.
old=sqlite:$T/old.db new=sqlite:$T/new.db
echo '{"unmatched":"move","rules":[]}' >"$T/all"
both=(--from "$old" --to "$new" --policy "$T/all")
for key in a b c; do "$SEGUE" put -q "$old" $key 1 >/dev/null; done
expect 0 "migrate --workers" migrate "${both[@]}" --hold-seal --workers 2
"$SEGUE" put "$old" a 9 >/dev/null
"$SEGUE" put "$old" late 1 >/dev/null
expect 4 "verify finds what was written" verify "${both[@]}"
true_that "and names it" says '^left +a: "a" is in scope and still in the fallback$'
expect 4 "verify --json" verify "${both[@]}" --json
true_that "says the same" says '^\{"difference":"left","key":"late","text":".*","repaired":false\}$'
true_that "and counts it" says '"differences":2,"repaired":0'
expect 4 "verify --repair" verify "${both[@]}" --repair
true_that "brings what is new" says '^left +late: .* \(repaired\)$'
expect 3 "migrate stops at a foreign write" migrate "${both[@]}"
true_that "and says which" says '^  written in the old store: "a"$'
expect 0 "status --json" status "$new" --json
true_that "says it too" says '"foreign_keys":\["\\"a\\""\]'
refused 2 'needs stop, newer or primary, not "both"' "no such way" migrate "${both[@]}" --on-foreign-write both
expect 3 "to stop is what it does anyway" migrate "${both[@]}" --on-foreign-write stop -q
expect 0 "the newer one wins" migrate "${both[@]}" --on-foreign-write newer --fence 0s --json
true_that "the answer is JSON" says '"stage":"clean"'
true_that "and it has won" [ "$("$SEGUE" get "$new" a)" = 9 ]
expect 0 "verify --json of what is clean" verify "${both[@]}" --json
true_that "there is nothing to look up" says '"checked":0'

# The primary wins.
one=(--from "$new" --to "sqlite:$T/third.db" --policy "$T/all")
expect 0 "migrate on" migrate "${one[@]}" --hold-seal -q
"$SEGUE" put "$new" a 10 >/dev/null
expect 0 "the new store's record wins" migrate "${one[@]}" --on-foreign-write primary
true_that "and has won" [ "$("$SEGUE" get "sqlite:$T/third.db" a)" = 9 ]
echo '{"unmatched":"stop","rules":[{"key":"a","action":"move"}]}' >"$T/only"
expect 1 "a key that must not be there stops a migration" migrate --from "sqlite:$T/third.db" --to "sqlite:$T/fourth.db" \
    --policy "$T/only" -q
true_that "and is named" grep -q '"b" must not be there' "$T/err"

# Options of a migration.
refused 2 'workers' "no number of workers" migrate "${both[@]}" --workers many
refused 2 'must be 1 to 64' "too many workers" migrate "${both[@]}" --workers 65
refused 2 'needs a time such as 30s, not "soon"' "no time" migrate "${both[@]}" --fence soon
refused 2 'from' "one side only" migrate --to "$new" --policy "$T/all"

# Plans.
for key in doc:1 doc:2 tmp:1 x; do "$SEGUE" put -q "sqlite:$T/p.db" $key 1 >/dev/null; done
"$SEGUE" put -q "sqlite:$T/q.db" doc:1 2 >/dev/null
echo '{"unmatched":"leave","rules":[{"prefix":"doc:","action":"move"},{"prefix":"tmp:","action":"leave"}]}' >"$T/some"
expect 0 "plan over records that are there already" plan --from "sqlite:$T/p.db" --to "sqlite:$T/q.db" --policy "$T/some"
true_that "counts them" says '^1 of them has a record in the new store already'
true_that "and shows what no rule takes" says '^Keys that no rule takes \(they stay\), by prefix'
expect 0 "plan --json" plan --from "sqlite:$T/p.db" --to "sqlite:$T/q.db" --policy "$T/some" --json
true_that "says so too" says '"already":1'
echo '{"unmatched":"move","rules":[{"prefix":"tmp:","action":"stop"}]}' >"$T/stop"
run plan --from "sqlite:$T/p.db" --to "sqlite:$T/q.db" --policy "$T/stop" --json
true_that "plan --json names the key that it would stop at" says '"stop_key":"tmp:1"'

# Policies.
expect 0 "policy check --json" policy check "$T/some" --json
true_that "a line for each rule" says '^\{"rule":0,"name":".*","kind":"prefix","pattern":"doc:","action":"move"\}$'
expect 0 "policy check --json --keys-from" policy check --policy "$T/some" --json --keys-from "sqlite:$T/p.db"
true_that "with its numbers" says '"pattern":"doc:","action":"move","live":2,"tombstones":0\}$'
expect 0 "policy check of the one built in" policy check sync-gateway --metadata-id m1 --json
true_that "names the database" says '"database":"m1"'
refused 2 'needs a FILE, or sync-gateway' "no policy" policy check
refused 2 'add --keys-from URL' "no registry to read" policy check sync-gateway
refused 1 'cannot be read' "a folder is no policy" policy check "$T"
head -c 1100000 /dev/zero | tr '\0' ' ' >"$T/large"
refused 1 'is larger than 1048576 bytes' "a policy is not as large as that" policy check "$T/large"

# Records.
U=sqlite:$T/one.db
"$SEGUE" put -q "$U" k 1 --flags 7 >/dev/null
expect 0 "put from standard input" put "$U" in - <<<'{"n":1}'
expect 0 "put of flags alone" put "$U" k --flags 8
expect 0 "put of an expiry alone" put "$U" k --expiry 1h
expect 0 "which is kept" put "$U" k 2 --expiry keep
expect 0 "and taken away" put "$U" k 2 --expiry none
for wrong in 0s x @0 @4294967296 @x; do refused 2 'expiry needs 30s' "no expiry: $wrong" put "$U" k 1 --expiry "$wrong"; done
refused 2 'must be below 2\^32' "flags have 32 bits" put "$U" k 1 --flags 4294967296
refused 2 'flags' "and are a number" put "$U" k 1 --flags x
refused 2 'cas' "a CAS is a number" put "$U" k 1 --cas x
refused 1 'exists already' "--cas 0: nothing may be there" put "$U" k 1 --cas 0
expect 0 "and nothing is" put "$U" fresh 1 --cas 0
refused 2 'put needs a value' "nothing to put" put "$U" k
expect 0 "rm --json" rm "$U" fresh --json
true_that "tells the CAS" says '"cas":"[0-9]+"'
expect 0 "get of what is deleted" get "$U" fresh --tombstones
true_that "says so" grep -qx deleted "$T/err"
expect 0 "ls --json" ls "$U" --json
true_that "a line for each" [ "$(wc -l <"$T/out")" = 2 ]
expect 0 "ls --json --long" ls "$U" --json --long --tombstones
true_that "with sizes" says '"key":"k",.*"bytes":1,"xattrs":0\}$'
expect 0 "reap --json" reap "$U" --json
true_that "tells how many" says '^\{"reaped":0\}$'
refused 2 'limit' "a limit is a number" reap "$U" --limit x
refused 2 'limit' "of a list, too" ls "$U" --limit x
refused 2 'initial' "so is a beginning" incr "$U" n 1 --initial x

# Import and feed.
"$SEGUE" export "$U" >"$T/dump"
expect 0 "import --json" import "sqlite:$T/two.db" "$T/dump" --json
true_that "counts" says '^\{"imported":2\}$'
expect 0 "import into a store that keeps no CAS" import "mem:?caps=-keep_cas" "$T/dump"
true_that "says so" grep -qx 'this store gives each record a CAS of its own' "$T/err"
{ echo; cat "$T/dump"; echo; } >"$T/gaps"
expect 0 "empty lines do not count" import --replace "sqlite:$T/two.db" "$T/gaps"
echo '{"key":"x","cas":"5","rev":"1","exp":0,"is_json":true,"deleted":false,"body":"e30=","xattrs":{"a":"1","a":"2"}}' >"$T/twice"
refused 1 'it has the xattr "?a"? twice' "an xattr twice" import "sqlite:$T/two.db" "$T/twice"
expect 0 "feed of two stores" feed "$U" "sqlite:$T/two.db"
true_that "says of which" says "sqlite:$T/two.db  k$"

# Words.
refused 2 'there is no option -z before the verb' "an option before the verb" -z
refused 2 'needs a shell' "a shell that nobody knows" --completion tcsh
refused 2 'needs a shell' "no shell" --completion
refused 2 'there is no verb "gett"; did you mean "get"' "a verb that is nearly one" gett
refused 2 'there is no verb "gett"' "help for it" help gett
expect 0 "help for a verb of two words" help policy check
refused 2 '--quiet takes no value' "a letter with a value that it has not" get -qx "$U" k
refused 2 'there is no option -z$' "a letter that is none" get -z "$U" k
refused 2 'did you mean --json' "an option that is nearly one" get --jsn "$U" k
expect 0 "put of a key like an option" put "$U" -- --json 5
expect 0 "get of it" get "$U" -- --json
true_that "it is the key" grep -qx 5 "$T/out"
finish
