#!/bin/bash
# What a terminal is shown: progress in one line that is gone in the end, colours where they are wanted; and what can be seen of
# a migration while somebody runs it. For that there must be time to look, so the disk is slow: $SLOW_DISK, see slow_disk.c.
. "$(dirname "$0")/lib.sh"
unset NO_COLOR
SLOWLY="env LD_PRELOAD=${SLOW_DISK:?the library that makes the disk slow} ASAN_OPTIONS=verify_asan_link_order=0"
command -v script >/dev/null || { echo "there is no script(1) to make a terminal with"; exit 77; }

awk 'BEGIN { for (i = 0; i < 60000; i++)
    printf "{\"key\":\"doc:%06d\",\"cas\":\"%d\",\"rev\":\"1\",\"exp\":0,\"is_json\":true,\"deleted\":false,\"body\":\"eyJuIjoxfQ==\",\"xattrs\":{}}\n", i, i + 1 }' >"$T/data"
echo '{"unmatched": "move", "rules": []}' >"$T/policy"

# Run a command on a terminal of so many columns; what that was sent is in $T/shown, in $code what it ended with.
on_terminal() { # columns, command and arguments
    local columns=$1
    shift
    TERM=${KIND-xterm} script -qec "stty cols $columns; $*" "$T/typescript" </dev/null >/dev/null 2>&1
    code=$?
    sed '1d;$d' "$T/typescript" | tr '\r' '\n' >"$T/shown"
}
esc=$(printf '\033')

mkfifo "$T/slowly"
{ head -n 30000 "$T/data" && sleep 1 && tail -n +30001 "$T/data"; } >"$T/slowly" &
on_terminal 120 "'$SEGUE'" import "'sqlite:$T/old.db?sync=off'" "$T/slowly"
true_that "import on a terminal" [ $code = 0 ]
true_that "shows how far it is" grep -qE '^[a-z]+ .*[0-9]{1,2},[0-9]{3}' "$T/shown"
true_that "and takes it away in the end" grep -qE "^$esc\[K" "$T/shown"

migrate() { echo "$SLOWLY '$SEGUE' migrate --from 'sqlite:$T/$1.db' --to 'sqlite:$T/$2.db' --policy '$T/policy' --workers 1"; }
on_terminal 120 "$(migrate old new)" --hold-seal
true_that "migrate on a terminal" [ $code = 0 ]
true_that "shows a bar, how many of how many, and how fast" grep -qE '^sweep[a-z]* +(━|─)+ [0-9,]+ of 60,000  [0-9,]+/s' "$T/shown"
true_that "and how long it will take" grep -qE '/s, .* left' "$T/shown"

on_terminal 80 "'$SEGUE'" status "'sqlite:$T/new.db'"
true_that "what waits is yellow" grep -qF "$esc[33mverified$esc[0m" "$T/shown"
"$SEGUE" seal "sqlite:$T/new.db" >/dev/null && "$SEGUE" clean "sqlite:$T/new.db" >/dev/null
on_terminal 80 "'$SEGUE'" status "'sqlite:$T/new.db'"
true_that "what is done is green" grep -qF "$esc[32mclean$esc[0m" "$T/shown"
KIND=dumb on_terminal 80 "'$SEGUE'" status "'sqlite:$T/new.db'"
true_that "but not on a terminal that has no colours" grep -qF "migration default: clean, done" "$T/shown"
NO_COLOR=1 on_terminal 80 "'$SEGUE'" status "'sqlite:$T/new.db'"
true_that "nor where they are not wanted" grep -qF "migration default: clean, done" "$T/shown"

on_terminal 40 "$(migrate new narrow)"
grep '[━─]' "$T/shown" | sed "s/$esc\[K//" >"$T/lines"
true_that "a narrow terminal is shown progress, too" [ -s "$T/lines" ]
true_that "which fits into one line of it" [ -z "$(LC_ALL=C.UTF-8 grep -E '.{40}' "$T/lines")" ]

# Caught in the middle of it, and looked at.
$SLOWLY "$SEGUE" migrate --from "sqlite:$T/narrow.db" --to "sqlite:$T/third.db" --policy "$T/policy" --workers 1 >/dev/null 2>&1 &
pid=$!
for _ in $(seq 500); do
    "$SEGUE" status --json "sqlite:$T/third.db" 2>/dev/null | grep -qE '"stage":"sweeping".*"done":[1-9]' && break
    sleep 0.01
done
kill -STOP $pid
expect 0 "status of one that runs" status "sqlite:$T/third.db"
true_that "says so" grep -qF 'sweeping, running' "$T/out"
true_that "how far it is, how fast, how long it will take" grep -qE '^  now   [0-9,]+ of [0-9,]+ settled, [0-9,]+/s, .* left' "$T/out"
expect 0 "status --json" status --json "sqlite:$T/third.db"
true_that "says it too" grep -q '"is_running":true.*"seconds_left":' "$T/out"
{ "$SEGUE" status --watch "sqlite:$T/third.db" 2>"$T/err"; echo $? >"$T/code"; } | head -n 1 >"$T/out"
true_that "status --watch" grep -qE '^sweeping, pass 1, [0-9,]+ of [0-9,]+ settled, [0-9,]+/s, .* left$' "$T/out"
true_that "ends when nobody reads it any more" [ ! -s "$T/err" ]
{ kill -KILL $pid && wait $pid; } 2>/dev/null
{ "$SEGUE" status --watch "sqlite:$T/third.db"; } 2>/dev/null | head -n 1 >"$T/out"
true_that "of one whose runner was killed" grep -qF 'sweeping (not running), pass 1, ' "$T/out"
finish
