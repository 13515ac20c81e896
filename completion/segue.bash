# bash completion for segue. Made by `segue --completion bash`.
_segue()
{
    local cur=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]} words
    [[ $verb == policy ]] && verb="policy ${COMP_WORDS[2]}"
    if ((COMP_CWORD == 1)); then
        words="plan rehearse migrate status verify seal clean get put set touch incr rm ls export import feed reap purge policy --help --version"
    else
        case $verb in
        "plan") words=" --from= --to= --policy= --metadata-id= --sibling-id= --group= --collection= --json --quiet --help" ;;
        "rehearse") words=" --from= --to= --policy= --metadata-id= --sibling-id= --group= --collection= --clients= --seconds= --seed= --scratch= --json --quiet --help" ;;
        "migrate") words=" --from= --to= --policy= --metadata-id= --sibling-id= --group= --collection= --keep --hold-seal --hold-clean --workers= --new-policy --fence= --on-foreign-write= --name= --json --quiet --help" ;;
        "status") words=" --watch --name= --json --quiet --help" ;;
        "verify") words=" --from= --to= --policy= --metadata-id= --sibling-id= --group= --collection= --repair --on-foreign-write= --name= --json --quiet --help" ;;
        "seal") words=" --name= --json --quiet --help" ;;
        "clean") words=" --name= --fence= --json --quiet --help" ;;
        "get") words=" --raw --xattrs --tombstones --path= --xattr= --json --quiet --help" ;;
        "put") words=" --cas= --add --expiry= --xattr= --drop-xattr= --flags= --json --quiet --help" ;;
        "set") words=" --cas= --path= --xattr= --insert --append --delete --parents --json --quiet --help" ;;
        "touch") words=" --cas= --json --quiet --help" ;;
        "incr") words=" --cas= --initial= --expiry= --json --quiet --help" ;;
        "rm") words=" --cas= --json --quiet --help" ;;
        "ls") words=" --prefix= --tombstones --limit= --long --json --quiet --help" ;;
        "export") words=" --prefix= --tombstones --json --quiet --help" ;;
        "import") words=" --replace --json --quiet --help" ;;
        "feed") words=" --since= --follow --keys-only --json --quiet --help" ;;
        "reap") words=" --limit= --json --quiet --help" ;;
        "purge") words=" --json --quiet --help" ;;
        "policy check") words=" --keys-from= --policy= --metadata-id= --sibling-id= --group= --collection= --json --quiet --help" ;;
        "policy "*) words="check" ;;
        esac
    fi
    [[ $cur == --*=* ]] && return
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
    [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace
}
complete -o default -F _segue segue
