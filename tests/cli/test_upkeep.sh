#!/bin/bash
# touch, incr, reap and purge: what they print, what they leave, what they refuse.
. "$(dirname "$0")/lib.sh"
U="sqlite:$T/s.db"
prints() { true_that "$1" [ "$(cat "$T/out")" = "$2" ]; }

run put "$U" doc '{}' --xattr _s=1 --xattr u=2
first=$(cat "$T/out")
expect 0 "touch" touch "$U" doc @4000000000
second=$(cat "$T/out")
true_that "prints a new CAS" [ "$second" -gt "$first" ]
expect 0 "touch with the same expiry, as JSON" touch --json "$U" doc @4000000000
prints "nothing was written" "{\"key\":\"doc\",\"cas\":\"$second\",\"rev\":\"2\",\"written\":false}"
expect 1 "touch under a wrong CAS" touch "$U" doc none --cas "$first"
refused 2 'not "soon"' "a time that is none" touch "$U" doc soon
refused 2 'not "keep"' "keep is no time" touch "$U" doc keep
refused 1 'no live document' "touch of nothing" touch "$U" nothing 1d
refused 1 'there is no file' "touch in a store that is not there" touch "sqlite:$T/none.db" doc 1d
expect 0 "touch to never" touch "$U" doc none
true_that "it never expires" bash -c "'$SEGUE' get --json '$U' doc | grep -q '\"exp\":0,'"

refused 1 'no live document' "incr of nothing" incr "$U" n
expect 0 "incr with a beginning" incr "$U" n 5 --initial 18446744073709551614 --expiry @4000000000
prints "begins with it" 18446744073709551614
expect 0 "incr by 1" incr "$U" n
prints "the greatest number" 18446744073709551615
expect 0 "incr past it, as JSON" incr --json "$U" n 2 --initial 7 --expiry 1d
true_that "goes on from 0" grep -qE '^\{"key":"n","value":"1","cas":"[0-9]+","rev":"3","written":true\}$' "$T/out"
true_that "keeps its expiry" bash -c "'$SEGUE' get --json '$U' n | grep -q '\"exp\":4000000000,'"
refused 1 'no digit at byte 0' "incr of what is no number" incr "$U" doc
refused 2 'whole number' "incr by what is no number" incr "$U" n 1.5
refused 2 'whole number' "incr by too much" incr "$U" n 18446744073709551616
refused 2 'whole number' "a beginning that is no number" incr "$U" n 1 --initial x
refused 1 'has the CAS [0-9]*, not ' "incr under a wrong CAS" incr "$U" n --cas 1

expect 0 "reap where nothing has expired" reap "$U"
prints "none" 0
for i in 1 2 3; do run put "$U" "e$i" '{}' --expiry "@$i" --xattr _s=1; done
expect 0 "another verb does not reap" put "$U" other x
true_that "it is as it was written" bash -c "'$SEGUE' ls -l --tombstones --prefix e1 '$U' | grep -q 'rev 1 '"
expect 0 "reap --limit" reap --limit 1 "$U"
prints "one" 1
true_that "the earliest" bash -c "'$SEGUE' get --json --tombstones '$U' e1 | grep -q '\"rev\":\"2\".*\"deleted\":true.*_s'"
expect 0 "reap --json" reap --json "$U"
prints "the others" '{"reaped":2}'
refused 2 'at least 1' "reap at most none" reap --limit 0 "$U"
refused 1 'there is no file' "reap in a store that is not there" reap "sqlite:$T/none.db"

expect 0 "purge" purge "$U"
prints "three tombstones" 3
expect 0 "purge again, as JSON" purge --json "$U"
prints "none is left" '{"purged":0}'
expect 0 "what lives stayed" ls --tombstones "$U"
prints "three" "doc
n
other"
refused 1 'there is no file' "purge in a store that is not there" purge "sqlite:$T/none.db"

# What hides the old store stays until the migration is clean.
echo '{"unmatched":"move","rules":[]}' >"$T/policy.json"
expect 0 "a migration that holds" migrate -q --from "$U" --to "sqlite:$T/new.db" --policy "$T/policy.json" --hold-seal
run rm "sqlite:$T/new.db" doc
refused 1 'the migration "default" into it is not clean, it is verified' "purge before it is clean" purge "sqlite:$T/new.db"
expect 0 "seal" seal "sqlite:$T/new.db"
expect 0 "clean" clean "sqlite:$T/new.db"
expect 0 "purge after it" purge "sqlite:$T/new.db"
prints "the one that was deleted" 1
refused 1 'not a dual|REFUSED|not clean|until the dual store is clean' "purge of a dual store" purge "dual:?primary=sqlite:$T/new.db&fallback=sqlite:$T/s.db"

# Whatever its name, and in whatever collection of the file.
P="sqlite:$T/p.db?collection=_system._mobile"
run put "sqlite:$T/p.db" a '{"v":1}'
expect 0 "a copy under a name that holds" migrate -q --from "sqlite:$T/p.db" --to "$P" --policy "$T/policy.json" --name foo --keep --hold-clean
run rm "$P" a
refused 1 'the migration "foo" into it is not clean, it is sealed' "purge beside a migration with a name" purge "$P"
refused 1 'no live document' "the dual store shows nothing that was deleted" get "dual:?primary=sqlite%3A$T/p.db%3Fcollection%3D_system._mobile&fallback=sqlite:$T/p.db" a
refused 2 'no option --name' "purge asks all migrations" purge "$P" --name foo
for name in 'bad name' '' a/b; do
    refused 2 "cannot be a migration's name" "status of \"$name\"" status "$P" --name "$name"
    refused 2 "cannot be a migration's name" "seal of \"$name\"" seal "$P" --name "$name"
    refused 2 "cannot be a migration's name" "verify of \"$name\"" verify --from "sqlite:$T/p.db" --to "$P" --policy "$T/policy.json" --name "$name"
done
expect 0 "clean" clean "$P" --name foo
expect 0 "purge after it" purge "$P"
prints "the one that was deleted" 1
finish
