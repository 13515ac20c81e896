#!/bin/sh
# What proves nothing must not look like a proof: segue-explore fails where it runs no scene, and its "again:" line plays the
# same story again.
set -u
explore=$1
failed=0

must_end_with() { # code, arguments
    want=$1
    shift
    "$explore" "$@" >/dev/null 2>&1
    got=$?
    [ $got = "$want" ] && return
    echo "not ok - segue-explore $*: ended with $got instead of $want"
    failed=1
}

# A rule is off: the story, the line that plays it again, and what that one shows.
must_play_again() { # arguments
    told=$("$explore" "$@" 2>&1)
    again=$(echo "$told" | sed -n 's/^  again: segue-explore //p' | head -n 1)
    story=$(echo "$told" | sed -n '2,/^=> /p')
    [ -n "$again" ] || { echo "not ok - segue-explore $*: finds nothing"; failed=1; return; }
    replayed=$(eval "\"$explore\" $again" 2>&1)
    got=$?
    [ $got = 1 ] && [ "$replayed" = "$story" ] && return
    echo "not ok - segue-explore $again: ended with $got and another story:"
    echo "$replayed"
    failed=1
}

for part in 0/3 3/0 9/8 1/2x x; do must_end_with 2 --part $part; done
for most in x -1 ''; do must_end_with 2 --most "$most"; done
must_end_with 2 --only
must_end_with 2 --only 'no such scene'
must_end_with 2 --check-reduction --only 'no such scene'
must_end_with 2 --short --part 1000000/1000000
must_end_with 2 --without NO_SUCH_RULE
must_end_with 2 --replay 'no such scene' 0
must_end_with 2 --replay 'two engines / live in F / get | set' 9
must_end_with 0 --only 'two engines / nothing / get | set'
must_play_again --without THIRD_READ --only 'two engines / live in F / get | sweep'
must_play_again --strikes 1 --without FALLBACK_ERROR_IS_ERROR --only 'two engines / live in F / get |'
must_play_again --short --detail --without DRAIN --only 'two engines / tombstone in F / add | seal clean purge'

[ $failed = 0 ] && echo "ok - options"
exit $failed
