#!/bin/bash
# Ctrl-C keeps the place and ends with 3; the same command goes on. A reader that goes away is no reason to talk.
. "$(dirname "$0")/lib.sh"

awk 'BEGIN { for (i = 0; i < 60000; i++)
    printf "{\"key\":\"doc:%06d\",\"cas\":\"%d\",\"rev\":\"1\",\"exp\":0,\"is_json\":true,\"deleted\":false,\"body\":\"eyJuIjoxfQ==\",\"xattrs\":{}}\n", i, i + 1 }' >"$T/data"
echo '{"unmatched": "move", "rules": []}' >"$T/policy"
"$SEGUE" import -q "sqlite:$T/old.db?sync=off" "$T/data" || exit 1
both=(--from "sqlite:$T/old.db" --to "sqlite:$T/new.db" --policy "$T/policy")

# Wait until it has begun to move, then send the signal.
interrupted() { # signal
    "$SEGUE" migrate "${both[@]}" >"$T/out" 2>"$T/err" &
    local pid=$! i=0
    until "$SEGUE" status --json "sqlite:$T/new.db" 2>/dev/null |
        grep -qE '"stage":"(sweeping|verifying)","is_running":true'; do
        i=$((i + 1))
        if [ $i -gt 500 ] || ! kill -0 $pid 2>/dev/null; then break; fi
        sleep 0.01
    done
    kill -s "$1" $pid
    wait $pid
    code=$?
}
set -m # so that SIGINT reaches what runs in the background
interrupted INT
true_that "SIGINT: exit 3" [ $code = 3 ]
true_that "with one sentence that says so" grep -qE '^segue: ' "$T/err"
expect 0 "status" status --json "sqlite:$T/new.db"
true_that "the place is kept" grep -qE '"stage":"(starting|sweeping|verifying|verified)"' "$T/out"
interrupted TERM
true_that "SIGTERM: exit 3" [ $code = 3 ]
expect 0 "the same command goes on to the end" migrate "${both[@]}"
expect 0 "export" export "sqlite:$T/new.db"
same "nothing is lost" "$T/data" "$T/out"

# A rehearsal that is stopped leaves nothing behind.
export TMPDIR=$T/tmp
mkdir "$TMPDIR"
"$SEGUE" rehearse --from "sqlite:$T/new.db" --to "sqlite:$T/back.db" --policy "$T/policy" --seconds 60 >"$T/out" 2>"$T/err" &
pid=$!
sleep 1
kill -INT $pid
wait $pid
true_that "rehearse, SIGINT: exit 3" [ $? = 3 ]
true_that "its copies are removed" [ -z "$(ls -A "$TMPDIR")" ]
true_that "the new store was not made" [ ! -e "$T/back.db" ]

# Closed pipes.
for verb in "ls -l" "export"; do
    # shellcheck disable=SC2086  # a verb with an option
    { "$SEGUE" $verb "sqlite:$T/new.db" 2>"$T/err"; echo $? >"$T/code"; } | head -n 1 >/dev/null
    true_that "$verb into a closed pipe: exit 1" [ "$(cat "$T/code")" = 1 ]
    true_that "and not a word" [ ! -s "$T/err" ]
done
{ sleep 0.2; "$SEGUE" migrate --from "sqlite:$T/new.db" --to "sqlite:$T/third.db" --policy "$T/policy" 2>"$T/err"; echo $? >"$T/code"; } | true
true_that "a migration goes on although nobody reads its report" sh -c "'$SEGUE' status --json 'sqlite:$T/third.db' | grep -q '\"stage\":\"clean\"'"
if [ -w /dev/full ]; then
    "$SEGUE" export "sqlite:$T/third.db" >/dev/full 2>"$T/err"
    true_that "a full disk behind stdout: exit 1" [ $? = 1 ]
    true_that "and one sentence" grep -qE '^segue: the result could not be written to standard output: No space left' "$T/err"
    for verb in "ls" "get" "feed" "status" "reap"; do
        key=
        [ "$verb" != get ] || key=$("$SEGUE" ls "sqlite:$T/third.db" | head -n 1)
        "$SEGUE" $verb "sqlite:$T/third.db" ${key:+"$key"} >/dev/full 2>"$T/err"
        true_that "$verb to a full disk: exit 1" [ $? = 1 ]
        true_that "and says so" grep -q 'No space left' "$T/err"
    done
    for verb in plan migrate verify; do
        "$SEGUE" $verb --from "sqlite:$T/third.db" --to "sqlite:$T/full.db" --policy "$T/policy" >/dev/full 2>"$T/err"
        true_that "$verb to a full disk: exit 1" [ $? = 1 ]
        true_that "and says so" grep -q 'No space left' "$T/err"
    done
    true_that "and the migration is done" sh -c "'$SEGUE' status --json 'sqlite:$T/full.db' | grep -q '\"stage\":\"clean\"'"
    "$SEGUE" migrate --from "sqlite:$T/full.db" --to "sqlite:$T/third.db" --policy "$T/policy" -q >/dev/null 2>&1 # and back
else
    skip "a full disk behind stdout" "there is no /dev/full"
fi

# Who else is running it.
"$SEGUE" migrate --from "sqlite:$T/third.db" --to "sqlite:$T/fourth.db" --policy "$T/policy" >/dev/null 2>&1 &
pid=$!
for _ in $(seq 500); do
    "$SEGUE" status --json "sqlite:$T/fourth.db" 2>/dev/null | grep -qE '"stage":"sweeping"' && break
    sleep 0.01
done
kill -STOP $pid
expect 5 "a second runner: exit 5" migrate -q --from "sqlite:$T/third.db" --to "sqlite:$T/fourth.db" --policy "$T/policy"
kill -CONT $pid
wait -f $pid
true_that "the first one gets done" [ $? = 0 ]
finish
