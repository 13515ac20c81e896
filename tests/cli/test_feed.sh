#!/bin/bash
# A feed tells each record once, in order of CAS, and goes on from the cursor of any line; while it follows it sees what other
# processes write. Bad cursors and stores end it with one sentence.
. "$(dirname "$0")/lib.sh"

bucket sg-bucket bucket
B="rosmar:$T/bucket"
expect 0 "feed of a bucket" feed --json "$B"
cp "$T/out" "$T/all"
# Without cursors: one at the end of a page also holds a key.
records() { sed 's/,"cursor":"[^"]*"}$/}/' "$1"; }
records "$T/all" >"$T/records"
LC_ALL=C sort "$T/records" >"$T/told"
"$SEGUE" export --tombstones "$B" | LC_ALL=C sort >"$T/exported"
same "tells what an export shows" "$T/exported" "$T/told"
grep -o '"cas":"[0-9]*"' "$T/all" >"$T/cas"
sort -s -t'"' -k4,4n "$T/cas" >"$T/sorted"
same "in order of CAS" "$T/sorted" "$T/cas"

for n in 1 256 700 1538; do
    cursor=$(sed -n "${n}s/.*\"cursor\":\"\(.*\)\"}$/\1/p" "$T/all")
    expect 0 "feed after line $n" feed --json --since "$cursor" "$B"
    tail -n "+$((n + 1))" "$T/records" >"$T/rest"
    records "$T/out" >"$T/told"
    same "is the rest" "$T/rest" "$T/told"
done
expect 0 "feed after a CAS" feed --json --since "$(sed -n '700s/.*"cas":"\([0-9]*\)".*/\1/p' "$T/all")" "$B"
tail -n +701 "$T/records" >"$T/rest"
records "$T/out" >"$T/told"
same "is the rest, too" "$T/rest" "$T/told"
expect 0 "feed from now on, not followed" feed --json --since now "$B"
true_that "is empty" [ ! -s "$T/out" ]

expect 0 "keys only" feed --json --keys-only "$B"
true_that "has neither bodies nor xattrs" sh -c "! grep -qE '\"(body|xattrs)\":' '$T/out' && [ \$(wc -l <'$T/out') = 1539 ]"
expect 0 "for people" feed "$B"
true_that "a line for each" [ "$(wc -l <"$T/out")" = 1539 ]
true_that "the cursor goes to standard error" grep -qE '^go on with --since f1\.' "$T/err"

# Several stores, one cursor; a dual store.
U=sqlite:$T/a.db
"$SEGUE" put -q "$U" one 1 >/dev/null
"$SEGUE" put -q "$U?collection=x.y" two 2 >/dev/null
expect 0 "feed of two collections" feed --json "$U" "$U?collection=x.y"
true_that "says which" sh -c "grep -q '\"key\":\"one\".*\"store\":0,' '$T/out' && grep -q '\"key\":\"two\".*\"store\":1,' '$T/out'"
cursor=$(sed -n '$s/.*"cursor":"\(.*\)"}$/\1/p' "$T/out")
expect 0 "and goes on in both" feed --since "$cursor" "$U" "$U?collection=x.y"
true_that "with nothing" [ ! -s "$T/out" ]
refused 2 'not one of a feed of 1 store' "its cursor is not one of a single store" feed --since "$cursor" "$U"
D="dual:?primary=$(printf %s "$U?collection=x.y" | sed 's/?/%3F/')&fallback=$U"
expect 0 "feed of a dual store" feed --keys-only "$D"
true_that "tells both sides" [ "$(awk '{print $NF}' "$T/out" | sort | tr '\n' ' ')" = "one two " ]

# Following.
lines() { # at least so many in $T/live
    local i=0
    until [ "$(wc -l <"$T/live")" -ge "$1" ]; do
        i=$((i + 1))
        [ $i -gt 1200 ] && return 1
        sleep 0.05
    done
}
set -m # so that SIGINT reaches what runs in the background
"$SEGUE" feed --json --follow "$U?feed_poll_ms=5" >"$T/live" 2>"$T/err" &
pid=$!
true_that "a feed that follows begins with what is there" lines 1
"$SEGUE" put -q "$U" one 11 >/dev/null
true_that "it sees what another process writes" lines 2
"$SEGUE" rm -q "$U" one >/dev/null
true_that "and deletes" lines 3
true_that "in order" [ "$(grep -o '"rev":"[0-9]*"\|"deleted":[a-z]*' "$T/live" | tr '\n' ' ')" = '"rev":"1" "deleted":false "rev":"2" "deleted":false "rev":"3" "deleted":true ' ]
kill -INT $pid
wait $pid
true_that "Ctrl-C ends it: exit 0" [ $? = 0 ]
true_that "without a word" [ ! -s "$T/err" ]

# Bad input.
refused 2 'does not begin with' "a cursor that is none" feed --since nonsense "$U"
refused 2 'damaged or cut' "a cursor that was cut" feed --since "${cursor%?}" "$U" "$U?collection=x.y"
refused 1 'no file' "a store that is not there" feed "sqlite:$T/nowhere.db"
true_that "is not made" [ ! -e "$T/nowhere.db" ]
refused 2 '1 to 3600000 milliseconds' "an interval out of range" feed "$U?feed_poll_ms=0"
refused 2 'needs URL' "no store at all" feed
if [ "$(id -u)" != 0 ]; then
    "$SEGUE" put -q "sqlite:$T/b.db" one 1 >/dev/null
    chmod a-w "$T/b.db"
    refused 1 'no index for feeds yet' "a file without index that may not be written" feed "sqlite:$T/b.db"
else
    skip "a file without index that may not be written" "root may write everything"
fi
{ "$SEGUE" feed "$B" 2>"$T/err"; echo $? >"$T/code"; } | head -n 1 >/dev/null
true_that "into a closed pipe: exit 1" [ "$(cat "$T/code")" = 1 ]
true_that "and not a word" [ ! -s "$T/err" ]
finish
