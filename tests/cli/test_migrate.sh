#!/bin/bash
# The sample buckets move: plan, migrate, verify, status; every record is afterwards what it was before, elsewhere.
. "$(dirname "$0")/lib.sh"

sides() { # bucket folder
    old="rosmar:$T/$1?collection=_default._default" new="rosmar:$T/$1?collection=_system._mobile"
    both=(--from "$old" --to "$new" --policy sync-gateway)
}
number() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" "$2" | head -n 1; }

bucket sg-bucket b
sides b
expect 0 "plan" plan "${both[@]}"
true_that "plan names unknown keys" grep -q '_sync:newfeature:' "$T/out"
expect 0 "plan --json" plan --json "${both[@]}"
true_that "plan moves 1,157 live records and 55 tombstones" grep -q '"move":{"live":1157,"tombstones":55,' "$T/out"
true_that "drops 5" grep -q '"drop":{"live":5,' "$T/out"
true_that "hands over 2 counters" grep -q '"counter":{"live":2,' "$T/out"
true_that "and says how many of those that stay a migration looks at" grep -q '"left_outside":{"live":187,"tombstones":22,' "$T/out"
expect 1 "status before there is a migration" status "$old"
expect 4 "verify before there is a migration" verify "${both[@]}"
true_that "says that there is none" grep -q "^no migration has begun" "$T/out"
expect 0 "the plan changes nothing" export --tombstones "$old"
cp "$T/out" "$T/before"
same "so the export is the original's dump" "$DATA/expected/sg-bucket/_default._default.jsonl" "$T/before"

expect 0 "migrate" migrate "${both[@]}"
expect 0 "status" status --json "$new"
true_that "status says clean" grep -q '"stage":"clean"' "$T/out"
true_that "status counts what was moved" [ "$(number moved "$T/out")" = 1212 ]
expect 0 "status for people" status "$new"
expect 0 "status --watch ends by itself when it is done" status --watch "$new"
expect 0 "verify" verify "${both[@]}"
true_that "verify says what is gone with the migration" grep -q "^the migration is clean" "$T/out"
true_that "what stayed is what the plan said it would look at" [ "$("$SEGUE" status --json "$new" | sed 's/.*"left":\([0-9]*\).*/\1/')" = 111 ]

expect 0 "export of the new store" export --tombstones "$new"
cp "$T/out" "$T/new"
expect 0 "export of the old store" export --tombstones "$old"
cp "$T/out" "$T/old"
# Heartbeats are dropped; counters are handed over, which makes them new records: only their body must be the same.
heartbeat='^{"key":"_sync:(m_shop:hb:)?heartbeat_timeout|^{"key":"_sync:m_shop:hb:'
counter='^{"key":"_sync:(m_shop:)?seq"'
LC_ALL=C sort "$T/old" "$T/new" | grep -vE "$counter" >"$T/after"
LC_ALL=C sort "$T/before" | grep -vE "$heartbeat|$counter" >"$T/expected"
same "every other record is byte for byte what it was" "$T/expected" "$T/after"
grep -E "$counter" "$T/before" | grep -oE '"(key|body)":"[^"]*"' >"$T/c1"
grep -E "$counter" "$T/new" | grep -oE '"(key|body)":"[^"]*"' >"$T/c2"
same "counters hold the same numbers, in the new store" "$T/c1" "$T/c2"
true_that "and are gone from the old one" [ "$(grep -cE "$counter" "$T/old")" = 0 ]

expect 0 "migrate again is done at once" migrate "${both[@]}"
expect 0 "the way back" migrate --from "$new" --to "$old" --policy sync-gateway --name back
expect 0 "export" export --tombstones "$old"
LC_ALL=C sort "$T/out" | grep -vE "$counter" >"$T/after"
same "brings everything back as it was" "$T/expected" "$T/after"

# One of each: nothing is said as of several.
echo '{"unmatched":"move","rules":[]}' >"$T/all"
old="sqlite:$T/one.db?collection=s.a" new="sqlite:$T/one.db?collection=s.b"
both=(--from "$old" --to "$new" --policy "$T/all")
expect 0 "a store of one record" put "$old" one 1
expect 0 "its migration" migrate --hold-seal "${both[@]}"
expect 0 "its verification" verify "${both[@]}"
true_that "looks it up" grep -q '^1 record that was moved looked up: 1 equal' "$T/out"
expect 0 "one more in the old store" put "$old" two 2
expect 4 "is a difference" verify "${both[@]}"
true_that "which is counted" grep -qx '1 record in scope left in the old store looked at' "$T/out"
true_that "as one" grep -qx '1 difference, 0 repaired' "$T/out"
true_that "also as the failure" grep -qx 'segue: verification of "default" found 1 difference, 0 repaired' "$T/err"
expect 0 "a policy of one rule" policy check "$T/all"
true_that "says so" grep -q '^1 rule, ' "$T/out"

bucket sg-bucket h
sides h
expect 0 "migrate --hold-seal" migrate --hold-seal "${both[@]}"
expect 0 "status" status --json "$new"
true_that "stops when verified" grep -q '"stage":"verified"' "$T/out"
expect 0 "verify" verify --json "${both[@]}"
true_that "looks up what was moved" [ "$(number checked "$T/out")" -ge 1212 ]
"$SEGUE" put -q "$new" "$("$SEGUE" ls --prefix _sync:user: --limit 1 "$new")" '{"changed":true}' >/dev/null
expect 0 "a change by a client is no difference" verify --json "${both[@]}"
true_that "but is counted" [ "$(number changed "$T/out")" = 1 ]
expect 1 "clean before seal is refused" clean "$new"
expect 0 "seal" seal "$new"
expect 0 "clean" clean "$new"
expect 0 "status" status --json "$new"
true_that "says clean" grep -q '"stage":"clean"' "$T/out"

bucket sg-bucket k
sides k
expect 0 "migrate --keep" migrate --keep "${both[@]}"
expect 0 "export of the old store" export --tombstones "$old"
same "the old store keeps everything" "$T/before" "$T/out"

bucket sg-bucket-halfway half
sides half
expect 0 "migrate what another program left half done" migrate "${both[@]}"
true_that "9 deleted documents stay deleted" grep -q '9 of them deleted there' "$T/out"
expect 0 "verify" verify "${both[@]}"
expect 0 "export of the new store" export "$new"
true_that "the pill became a number" [ "$(sed -n 's/^{"key":"_sync:seq".*"body":"\([^"]*\)".*/\1/p' "$T/out" | base64 -d)" -ge 735 ]

# A policy file, between engines and files.
"$SEGUE" import -q "sqlite:$T/a.db" "$DATA/expected/sg-bucket/app.orders.jsonl" >/dev/null
cat >"$T/policy.json" <<'JSON'
{ // everything goes
  "unmatched": "move", "rules": [{"prefix": "none:", "action": "leave"}] }
JSON
expect 0 "policy check" policy check "$T/policy.json" --keys-from "sqlite:$T/a.db"
true_that "shows rules that take none" grep -qE '^ *none .*leave' "$T/out"
expect 0 "migrate from SQLite to SQLite" migrate --from "sqlite:$T/a.db" --to "sqlite:$T/b.db" --policy "$T/policy.json"
expect 0 "export" export --tombstones "sqlite:$T/b.db"
same "the bytes are the same" "$DATA/expected/sg-bucket/app.orders.jsonl" "$T/out"
expect 0 "the old file is empty" export --tombstones "sqlite:$T/a.db"
true_that "entirely" [ ! -s "$T/out" ]
finish
