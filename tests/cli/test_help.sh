#!/bin/bash
# Each verb has a help with an example, and the example runs. Wrong usage ends with 2 and a hint. The man pages and the
# completions know every verb and option; the README and the list of verbs in segue.1 know every verb.
. "$(dirname "$0")/lib.sh"

expect 0 "--version" --version
true_that "--version names program and version" grep -qE '^segue [0-9]+\.[0-9]+\.[0-9]+$' "$T/out"
expect 0 "--help" --help
verbs=$(sed -n '/^Verbs/,/^$/s/^  \([a-z]*\( check\)\?\)  .*/\1/p' "$T/out")
true_that "the overview lists the verbs" [ "$(echo "$verbs" | wc -l)" -ge 13 ]
expect 2 "no verb at all is wrong usage"

bucket sg-bucket bucket
cd "$T" || exit 1
PATH=$(dirname "$SEGUE"):$PATH
manual=$SEGUE_SOURCE_DIR/man
while read -r verb; do
    # shellcheck disable=SC2086  # a verb may be two words
    expect 0 "$verb --help" $verb --help
    cp out help
    # shellcheck disable=SC2086
    run help $verb
    same "help $verb is the same" help out
    example=$(sed -n '/^Example/,$p' help | tail -n +2)
    case $verb in
        status | verify | seal | clean) ;; # on what the example of migrate has made
        *) rm -rf bucket; bucket sg-bucket bucket ;;
    esac
    case $verb in
        seal)
            rm -rf bucket
            bucket sg-bucket bucket
            segue migrate --from 'rosmar:bucket?collection=_default._default' --to 'rosmar:bucket?collection=_system._mobile' \
                --policy sync-gateway --name later --hold-seal >/dev/null 2>&1
            example="$example --name later"
            ;;
        clean) example="$example --name later" ;;
    esac
    true_that "the example of $verb runs" bash -c "$example"
    for option in $(grep -oE -- '--[a-z-]+' help | sort -u); do
        case $option in --help | --json | --quiet) continue ;; esac
        if ! grep -hq -- "\*$option\*" "$manual"/*.scd; then flunk "$verb $option is in the man pages"; fi
    done
    if grep -qE "\*segue $verb\*" "$manual"/*.scd; then pass "$verb is in the man pages"; else flunk "$verb is in the man pages"; fi
    listed=$(sed -n '/^The verbs of migrations/,/^$/p' "$manual/segue.1.scd")
    if grep -qF -- "*$verb*" <<<"$listed"; then pass "segue.1 lists $verb"; else flunk "segue.1 lists $verb"; fi
    # The first of several in a row of the table has the program's name before it.
    row=$(grep -E '^\| `segue ' "$SEGUE_SOURCE_DIR/README.md" | cut -d'|' -f2 | tr ',' '\n')
    if grep -qxE " *\`(segue )?$verb\` *" <<<"$row"; then pass "the README lists $verb"; else flunk "the README lists $verb"; fi
done <<<"$verbs"

refused 2 'did you mean "export"' "a verb that is misspelt" exprot
refused 2 'did you mean --tombstones' "an option that is misspelt" export --tombstnes sqlite:x
refused 2 'there is no verb' "a verb that is far from any" abracadabra
refused 2 'needs URL KEY' "a missing argument" get sqlite:x
refused 2 'does not know what to do with "z"' "an argument too many" get x y z
refused 2 'needs a value' "a missing value" ls --prefix
refused 2 'whole number' "a number that is none" ls --limit many sqlite:x
refused 2 'takes no value' "a value for a switch" ls --long=3 sqlite:x
refused 2 'given twice' "an option given twice" ls --limit 3 --limit 4 sqlite:x
refused 2 'needs --from and --to' "plan without sides" plan
refused 2 'needs --policy' "plan without policy" plan --from sqlite:a --to sqlite:b

for words in "exprot --json" "export --tombstnes --json sqlite:x" "get --json sqlite:x"; do
    run $words
    true_that "wrong usage is JSON with --json: $words" [ "$code $(grep -c '^{"error":{"status":"INVALID_ARGUMENT",' "$T/err") $(wc -l <"$T/err")" = "2 1 1" ]
done

for shell in bash zsh fish; do
    case $shell in bash) file=segue.bash ;; zsh) file=_segue ;; fish) file=segue.fish ;; esac
    run --completion $shell
    same "completion/$file is what the program makes" "$SEGUE_SOURCE_DIR/completion/$file" "$T/out"
done
true_that "the bash completion offers verbs" bash -c ". '$SEGUE_SOURCE_DIR/completion/segue.bash'; COMP_WORDS=(segue mig); COMP_CWORD=1; _segue; [ \"\${COMPREPLY[*]}\" = migrate ]"
true_that "the bash completion offers options" bash -c ". '$SEGUE_SOURCE_DIR/completion/segue.bash' 2>/dev/null; compopt() { :; }; COMP_WORDS=(segue policy check --keys); COMP_CWORD=3; _segue; [ \"\${COMPREPLY[*]}\" = --keys-from= ]"
finish
