#!/bin/bash
# kill -9 at 50 random moments, the same command again each time: the same key space in the end as after an undisturbed run.
# Between two SQLite files, where a record is copied and erased in two transactions.
. "$(dirname "$0")/lib.sh"

KILLS=${KILLS:-50}
SEED=${SEED:-$((RANDOM * 32768 + RANDOM))}
RANDOM=$((SEED % 32768))
echo "# seed $SEED (SEED=$SEED repeats it)"

# 6,000 documents, every tenth a tombstone; xattrs, expiry, flags; some keys that stay, some that are dropped, a counter.
awk 'BEGIN {
    for (i = 0; i < 6000; i++) {
        tombstone = i % 10 == 3
        kind = i % 97 == 0 ? "keep" : i % 89 == 0 ? "tmp" : "doc"
        printf "{\"key\":\"%s:%05d\",\"cas\":\"%d\",\"rev\":\"%d\",\"exp\":%d,%s\"is_json\":%s,\"deleted\":%s,\"body\":%s,\"xattrs\":{\"_sync\":\"{\\\"n\\\":%d}\"}}\n",
            kind, i, 1000000 + i * 65536, i % 5 + 1, i % 7 || tombstone ? 0 : 4000000000, i % 11 || tombstone ? "" : "\"flags\":33,",
            tombstone ? "false" : "true", tombstone ? "true" : "false", tombstone ? "null" : "\"eyJuIjoxfQ==\"", i
    }
    print "{\"key\":\"seq\",\"cas\":\"999\",\"rev\":\"1\",\"exp\":0,\"is_json\":true,\"deleted\":false,\"body\":\"NDI=\",\"xattrs\":{}}"
}' >"$T/data"
cat >"$T/policy" <<'JSON'
{"unmatched": "stop", "rules": [{"key": "seq", "action": "counter"}, {"prefix": "doc:", "action": "move"},
 {"prefix": "tmp:", "action": "drop"}, {"prefix": "keep:", "action": "leave"}]}
JSON
"$SEGUE" import -q "sqlite:$T/source.db?sync=off" "$T/data" || exit 1

both() { echo --from "sqlite:$T/$1/old.db" --to "sqlite:$T/$1/new.db" --policy "$T/policy"; } # folder
# shellcheck disable=SC2046  # words on purpose: no spaces in them
migrate() { "$SEGUE" migrate $(both "$1"); } # folder
# Both stores; of the counter only its number, because handing it over makes a new record of it.
key_space() { # folder
    for side in old new; do
        echo "== $side"
        "$SEGUE" export --tombstones "sqlite:$T/$1/$side.db" | sed 's/^{"key":"seq".*"body":\("[^"]*"\).*/seq \1/'
    done
}

mkdir "$T/calm"
cp "$T"/source.db* "$T/calm" && mv "$T/calm/source.db" "$T/calm/old.db"
for f in "$T"/calm/source.db-*; do [ -e "$f" ] && mv "$f" "${f/source/old}"; done
start=$(date +%s%N)
migrate calm >"$T/out" 2>"$T/err" || { flunk "the undisturbed run" "$(cat "$T/err")"; finish; }
took=$((($(date +%s%N) - start) / 1000000))
key_space calm >"$T/calm.keys"
echo "# an undisturbed run takes $took ms and leaves $(wc -l <"$T/calm.keys") lines"
true_that "the undisturbed run moves what it should" [ "$(grep -c '"key":"doc:' "$T/calm.keys")" = "$(grep -c '"key":"doc:' "$T/data")" ]

# The machine may be faster or slower now than when that was measured: `bound`, before which the kill comes, follows. It is
# balanced so that about every third run gets through, so kills fall on all of a run, its last steps too.
round=0 killed=0 bound=$took
while [ $killed -lt "$KILLS" ] && [ $round -lt 200 ]; do
    round=$((round + 1))
    mkdir "$T/r$round"
    cp "$T/source.db" "$T/r$round/old.db"
    [ -e "$T/source.db-wal" ] && cp "$T/source.db-wal" "$T/r$round/old.db-wal"
    # Kill it again and again; a run that gets through ends the round.
    for _ in $(seq 12); do
        [ $killed -lt "$KILLS" ] || break
        # shellcheck disable=SC2046  # the same
        "$SEGUE" migrate $(both "r$round") >"$T/out" 2>"$T/err" & # not the function: the process itself is to be killed
        pid=$!
        moment=$((RANDOM % (bound + 1)))
        sleep "$(printf '%d.%03d' $((moment / 1000)) $((moment % 1000)))"
        kill -9 $pid 2>/dev/null
        wait $pid 2>/dev/null
        code=$?
        if [ $code = 137 ]; then
            killed=$((killed + 1)) bound=$((bound + bound / 10 + 1))
        else
            [ $code = 0 ] || flunk "round $round: a run that was killed too late ends well" "exit $code" "$(cat "$T/err")"
            bound=$((bound - bound / 5))
            break
        fi
    done
    migrate "r$round" >"$T/out" 2>"$T/err"
    code=$?
    [ $code = 0 ] || flunk "round $round: the last run ends well" "exit $code" "$(cat "$T/err")"
    key_space "r$round" >"$T/keys"
    if cmp -s "$T/calm.keys" "$T/keys"; then pass "round $round: the same key space ($killed killed so far)"
    else flunk "round $round: the same key space" "$(diff "$T/calm.keys" "$T/keys" | cut -c1-200 | head -n 5)"; fi
    rm -rf "$T/r$round"
done 2>/dev/null
true_that "$killed of $KILLS runs were killed" [ $killed -ge "$KILLS" ]
finish
