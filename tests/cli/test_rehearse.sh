#!/bin/bash
# A rehearsal leaves the originals alone, cleans up after itself, and says what it found.
. "$(dirname "$0")/lib.sh"

bucket sg-bucket b
old="rosmar:$T/b?collection=_default._default" new="rosmar:$T/b?collection=_system._mobile"
both=(--from "$old" --to "$new" --policy sync-gateway)
sum() { sha256sum "$T/b/rosmar.sqlite3"; }
before=$(sum)
export TMPDIR=$T/tmp
mkdir "$TMPDIR"
expect 0 "rehearse" rehearse "${both[@]}" --clients 16 --seconds 2 --seed 5
true_that "passed" grep -q '^verdict    passed' "$T/out"
true_that "tells what was proved about histories" grep -qE '^histories +[0-9,]+ operations by 16 clients on [0-9]+ keys' "$T/out"
true_that "in plain words" grep -q 'one order, true to the clock, explains every answer' "$T/out"
true_that "and what was not" grep -q '^not proved kills, loss of power,' "$T/out"
true_that "shows latencies without and with the sweep" [ "$(grep -cE '(reads|writes) +(before|during|after)' "$T/out")" = 6 ]
true_that "the original is byte for byte what it was" [ "$(sum)" = "$before" ]
true_that "nothing is left in the temporary folder" [ -z "$(ls -A "$TMPDIR")" ]

expect 0 "rehearse --json" rehearse "${both[@]}" --clients 4 --seconds 1 --json -q
true_that "tells the verdict" grep -q '^{"verdict":"passed",' "$T/out"
true_that "touched many keys" [ "$(sed -n 's/.*"touched":\([0-9]*\).*/\1/p' "$T/out")" -gt 100 ]
true_that "compared the others" [ "$(sed -n 's/.*"compared":\([0-9]*\).*/\1/p' "$T/out")" -gt 500 ]
true_that "judged histories" [ "$(sed -n 's/.*"histories":{"keys":[0-9]*,"operations":\([0-9]*\).*/\1/p' "$T/out")" -gt 100 ]

expect 0 "rehearse --scratch" rehearse "${both[@]}" --seconds 1 --scratch "$T/scratch"
true_that "keeps the copies there" [ -f "$T/scratch/rehearsal.db" ]
refused 1 'is there already' "a second rehearsal there is refused" rehearse "${both[@]}" --scratch "$T/scratch" -q
refused 2 'clients must be' "no clients" rehearse "${both[@]}" --clients 0
refused 2 'clients must be' "too many" rehearse "${both[@]}" --clients 100000
refused 2 'clients' "a number of clients" rehearse "${both[@]}" --clients x
refused 2 'seconds must be' "no time" rehearse "${both[@]}" --seconds 0
refused 2 'seconds must be' "more than a day" rehearse "${both[@]}" --seconds 86401
refused 2 'seconds' "seconds are a number" rehearse "${both[@]}" --seconds x
refused 2 'seed' "and so is a seed" rehearse "${both[@]}" --seed x
refused 1 'cannot be made' "a scratch folder that cannot be" rehearse "${both[@]}" --scratch "$T/none/there"
TMPDIR=$T/none refused 1 "$T/none" "a temporary folder that is not there" rehearse "${both[@]}"
refused 1 'no bucket' "no old store" rehearse --from "rosmar:$T/none" --to "$new" --policy sync-gateway
"$SEGUE" put -q "sqlite:$T/one.db" k 1 >/dev/null 2>&1
echo '{"unmatched":"leave","rules":[]}' >"$T/leave"
refused 1 'there is nothing to rehearse' "a policy that moves nothing" \
    rehearse --from "sqlite:$T/one.db" --to "sqlite:$T/two.db" --policy "$T/leave" -q
true_that "nothing is left of all that" [ -z "$(ls -A "$TMPDIR")" ]

# Between files that are two already; some of it is there, some goes, some is a counter, some will expire soon.
for i in $(seq 12); do
    echo "{\"key\":\"doc:$i\",\"cas\":\"$((i + 10))\",\"rev\":\"1\",\"exp\":0,\"is_json\":true,\"deleted\":false,\"body\":\"eyJuIjoxfQ==\",\"xattrs\":{}}"
done >"$T/docs"
"$SEGUE" import -q "sqlite:$T/from.db" "$T/docs"
"$SEGUE" put -q "sqlite:$T/from.db" seq 41 >/dev/null
"$SEGUE" put -q "sqlite:$T/from.db" tmp:1 1 >/dev/null
"$SEGUE" put -q "sqlite:$T/from.db" doc:soon 1 --expiry 2s >/dev/null
"$SEGUE" put -q "sqlite:$T/to.db" doc:1 '{"n":2}' >/dev/null 2>&1
echo '{"unmatched":"leave","rules":[{"key":"seq","action":"counter"},{"prefix":"tmp:","action":"drop"},{"prefix":"doc:","action":"move"}]}' >"$T/policy"
expect 0 "rehearse between files" rehearse --from "sqlite:$T/from.db" --to "sqlite:$T/to.db" --policy "$T/policy" --seconds 1
true_that "passed" grep -q '^verdict    passed' "$T/out"
true_that "the originals hold what they held" [ "$("$SEGUE" get "sqlite:$T/from.db" seq)" = 41 ]

bucket sg-bucket-halfway h
expect 0 "rehearse what is half done" rehearse --from "rosmar:$T/h?collection=_default._default" \
    --to "rosmar:$T/h?collection=_system._mobile" --policy sync-gateway --seconds 1
finish
