#!/bin/bash
# The shell examples of docs/documents.md, run as they stand there: "..." stands for whatever comes.
. "$(dirname "$0")/lib.sh"
PATH=$(dirname "$SEGUE"):$PATH
cd "$T" || exit 1
sed -n '/^```console$/,/^```$/p' "$SEGUE_SOURCE_DIR/docs/documents.md" | grep -v '^```' >examples
true_that "there are examples" [ "$(grep -c '^\$ ' examples)" -ge 6 ]

command=
check() { # the command before is complete: $command printed what is in wanted
    [ -n "$command" ] || return
    bash -c "$command" >"$T/out" 2>&1
    if [ "$(cat wanted)" = ... ] || { grep -qF '...' wanted && [[ $(cat "$T/out") == "$(sed 's/\.\.\.$//' wanted)"* ]]; }; then
        if grep -q '^segue: ' "$T/out"; then flunk "$command" "$(cat "$T/out")"; else pass "$command"; fi
    else
        same "$command" wanted "$T/out"
    fi
}
while IFS= read -r line; do
    case $line in
        '$ '*)
            check
            command=${line#\$ }
            : >wanted
            ;;
        *) printf '%s\n' "$line" >>wanted ;;
    esac
done <examples
check
finish
