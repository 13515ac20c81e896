#!/bin/bash
# Bad input and bad days: one clear sentence, the right exit code, and nothing has changed.
. "$(dirname "$0")/lib.sh"
chmod 755 "$T"

poke() { printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; } # file, offset, bytes
fresh() { rm -f "$T/s.db"*; "$SEGUE" put -q "sqlite:$T/s.db" doc '{"a":1}' --xattr _x=1 >/dev/null 2>&1; }
state() { "$SEGUE" export --tombstones "sqlite:$T/s.db"; }
# What follows `fresh` must not change the store.
unchanged() { # name
    state >"$T/now"
    same "$1: nothing has changed" "$T/then" "$T/now"
}

# ---- stores that cannot be opened ----
refused 2 'no kind of store called "foo"' "an unknown scheme" ls foo:bar
refused 2 'colection' "an unknown parameter" ls "sqlite:$T/x.db?colection=a.b"
refused 2 'scheme' "no URL at all" ls hello
refused 2 'percent' "a bad percent-escape" ls 'sqlite:a%zz'
for verb in ls export; do refused 1 'there is no file' "$verb of a missing file" $verb "sqlite:$T/none.db"; done
refused 1 'there is no file' "get from a missing file" get "sqlite:$T/none.db" key
refused 1 'there is no file' "rm in a missing file" rm "sqlite:$T/none.db" key
refused 1 'there is no file' "status of a missing file" status "sqlite:$T/none.db"
true_that "none of them made the file" [ ! -e "$T/none.db" ]
refused 1 'no such folder' "put into a folder that is not there" put "sqlite:$T/no/x.db" key 1
refused 1 'there is no bucket' "a bucket that is not there" ls "rosmar:$T/none"
mkdir "$T/folder"
refused 1 'is a folder' "a folder instead of a file" ls "sqlite:$T/folder"
refused 1 'there is no bucket' "a folder without a bucket" ls "rosmar:$T/folder"
echo hello >"$T/text"
refused 1 'not a SQLite file' "a text file" ls "sqlite:$T/text"
refused 1 'there is no bucket' "a file instead of a bucket's folder" ls "rosmar:$T/text"
bucket sg-bucket bucket
refused 1 'not one of Segue' "a SQLite file that is somebody else's" ls "sqlite:$T/bucket/rosmar.sqlite3"
refused 1 'has no collection' "a collection that is not there" ls "rosmar:$T/bucket?collection=no.thing"
fresh
cp "$T/s.db" "$T/newer.db"
poke "$T/newer.db" 60 '\0\0\0\x63'
refused 1 'newer Segue' "a newer version of the format" ls "sqlite:$T/newer.db"
refused 1 'newer Segue' "nor is it written" put "sqlite:$T/newer.db" k v
mkdir "$T/other"
cp "$T/s.db" "$T/other/rosmar.sqlite3"
refused 1 'not|version|schema' "a SQLite file that is no bucket" ls "rosmar:$T/other"
cp -r "$T/bucket" "$T/future"
if command -v sqlite3 >/dev/null; then
    v=$(sqlite3 "$T/future/rosmar.sqlite3" 'PRAGMA user_version')
    sqlite3 "$T/future/rosmar.sqlite3" "PRAGMA user_version=$((v + 1))"
else
    poke "$T/future/rosmar.sqlite3" 60 '\0\0\0\x63'
fi
refused 1 'version|schema' "a bucket of another version" ls "rosmar:$T/future"
cp "$T/s.db" "$T/short.db"
truncate -s 5000 "$T/short.db"
refused 1 'damaged|malformed|CORRUPT|corrupt' "a SQLite file cut short" export "sqlite:$T/short.db"
cp "$DATA/sg-bucket/rosmar.sqlite3" "$T/folder/rosmar.sqlite3"
chmod u+w "$T/folder/rosmar.sqlite3"
for page in $(seq 2 400); do poke "$T/folder/rosmar.sqlite3" $((page * 4096)) '\377\377\377\377\377\377\377\377'; done
run export "rosmar:$T/folder?collection=_default._default"
true_that "a damaged bucket: exit 1" [ $code = 1 ]
true_that "one sentence" [ "$(grep -c '^segue: ' "$T/err")" = 1 ]

# ---- permissions, media ----
if [ "$(id -u)" != 0 ]; then as=(env)
elif command -v setpriv >/dev/null; then as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
else as=(); fi
if [ ${#as[@]} -gt 0 ] && "${as[@]}" "$SEGUE" --version >/dev/null 2>&1; then
    cp "$T/s.db" "$T/secret.db"
    chmod 000 "$T/secret.db"
    "${as[@]}" "$SEGUE" ls "sqlite:$T/secret.db" >"$T/out" 2>"$T/err"
    true_that "no permission: exit 1" [ $? = 1 ]
    true_that "and a sentence that says so" grep -qi 'permission\|not allowed' "$T/err"
    chmod 700 "$T/bucket"
    [ "$(id -u)" = 0 ] || chmod 000 "$T/bucket"
    "${as[@]}" "$SEGUE" ls "rosmar:$T/bucket" >"$T/out" 2>"$T/err"
    true_that "no permission for a bucket: exit 1" [ $? = 1 ]
    true_that "and a sentence that says so" grep -qi 'permission\|not allowed' "$T/err"
    chmod 700 "$T/bucket"
else
    skip "no permission" "cannot run as another user"
fi
mkdir "$T/disk"
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=1m none "$T/disk" 2>/dev/null; then
    trap 'umount "$T/disk" 2>/dev/null; clean_up' EXIT
    "$SEGUE" put -q "sqlite:$T/disk/a.db" first 1 >/dev/null 2>&1
    head -c 2000000 /dev/zero | "$SEGUE" put "sqlite:$T/disk/a.db" big - >"$T/out" 2>"$T/err"
    true_that "a full disk: exit 1" [ $? = 1 ]
    true_that "one sentence that says so" grep -qiE '^segue: .*(full|space)' "$T/err"
    expect 0 "the store can be read afterwards" ls "sqlite:$T/disk/a.db"
    true_that "and holds what it held" [ "$(cat "$T/out")" = first ]
    mkdir "$T/disk/b"
    if cp "$T/s.db" "$T/disk/from.db" 2>/dev/null; then
        "$SEGUE" import -q "sqlite:$T/many.db" "$DATA/expected/sg-bucket/_default._default.jsonl" >/dev/null 2>&1
        echo '{"unmatched":"move","rules":[]}' >"$T/all"
        "$SEGUE" migrate --from "sqlite:$T/many.db" --to "sqlite:$T/disk/b/new.db" --policy "$T/all" >"$T/out" 2>"$T/err"
        code=$?
        true_that "a migration onto a full disk fails" [ $code = 1 -o $code = 3 ]
        true_that "and says why" grep -qiE 'full|space' "$T/err"
        rm -f "$T/disk/a.db"* "$T/disk/from.db"
        mount -o remount,size=32m "$T/disk"
        expect 0 "with more space the same command goes on" migrate --from "sqlite:$T/many.db" --to "sqlite:$T/disk/b/new.db" --policy "$T/all"
        expect 0 "export" export --tombstones "sqlite:$T/disk/b/new.db"
        same "nothing is lost" "$DATA/expected/sg-bucket/_default._default.jsonl" "$T/out"
    fi
    mount -o remount,ro "$T/disk"
    refused 1 '[Rr]ead-only' "a read-only medium is not written" put -q "sqlite:$T/disk/b/new.db" k v
    expect 0 "but can be read" ls "sqlite:$T/disk/b/new.db"
    umount "$T/disk"
    trap clean_up EXIT
else
    skip "disk full, read-only medium" "only root can mount a small disk"
fi

# ---- the same store on both sides ----
echo '{"unmatched":"move","rules":[]}' >"$T/all"
fresh
state >"$T/then"
for to in "sqlite:$T/s.db" "sqlite:$T/../$(basename "$T")/s.db" "stats%2Bx" "sqlite:$T/s.db?collection=_default._default"; do
    [ "$to" = "stats%2Bx" ] && to="stats+sqlite:$T/s.db"
    refused 2 'same' "migrate to itself as ${to/$T/...}" migrate -q --from "sqlite:$T/s.db" --to "$to" --policy "$T/all"
done
refused 1 'there is no file' "migrate from a missing store" migrate --from "sqlite:$T/none.db" --to "sqlite:$T/made.db" --policy "$T/all"
true_that "does not make the other one" [ ! -e "$T/made.db" ]
unchanged "migrate"

# ---- keys, bodies, xattrs ----
U=sqlite:$T/s.db
long=$(printf 'k%.0s' $(seq 251))
refused 2 'key' "a key of 0 bytes" put "$U" '' v
refused 2 'key' "a key of 251 bytes" put "$U" "$long" v
refused 2 'key' "get of a key of 251 bytes" get "$U" "$long"
refused 1 'own' "Segue's own keys" put "$U" _segue:migration:default v
refused 2 'JSON' "an xattr that is no JSON" put "$U" doc --xattr '_x={"a":'
refused 2 'JSON' "an xattr without a value" put "$U" doc --xattr '_x='
refused 2 'NAME=JSON' "an xattr without =" put "$U" doc --xattr _x
refused 2 'xattr' "an xattr name of 0 bytes" put "$U" doc --xattr '=1'
refused 2 'xattr' "an xattr name of 16 bytes" put "$U" doc --xattr '_234567890123456=1'
refused 2 'expiry' "an expiry that is none" put "$U" doc v --expiry tomorrow
refused 2 'exclude' "--add and --cas" put "$U" doc v --add --cas 3
refused 2 'needs a value' "put of nothing" put "$U" doc
unchanged "put"
expect 0 "a key of 250 bytes" put "$U" "${long:1}" v
head -c 20971520 /dev/zero >"$T/20M"
"$SEGUE" put "$U" big - <"$T/20M" >"$T/out" 2>"$T/err"
true_that "a body of 20 MiB" [ $? = 0 ]
expect 0 "get it" get --raw "$U" big
same "it is the same" "$T/20M" "$T/out"
state >"$T/then"
{ cat "$T/20M"; printf x; } | "$SEGUE" put "$U" bigger - >"$T/out" 2>"$T/err"
true_that "one byte more: exit 1" [ $? = 1 ]
true_that "with one sentence" grep -qE '^segue: .*20 MiB' "$T/err"
unchanged "a body too large"
expect 0 "20 MiB through export" export --prefix big "$U"
cp "$T/out" "$T/big.jsonl"
expect 0 "and import" import "sqlite:$T/big.db" "$T/big.jsonl"
expect 0 "and export" export "sqlite:$T/big.db"
same "are the same bytes" "$T/big.jsonl" "$T/out"
sed 's/"body":"AAAA/"body":"AAAAAAAA/' "$T/big.jsonl" >"$T/bigger.jsonl"
refused 1 'line 1: ' "20 MiB and some bytes through import" import -q "sqlite:$T/big2.db" "$T/bigger.jsonl"

# ---- import ----
good='{"key":"k","cas":"1","rev":"1","exp":0,"is_json":true,"deleted":false,"body":"e30=","xattrs":{}}'
bad_line() { # name, pattern, line
    rm -f "$T/i.db"*
    { echo "${good/\"k\"/\"a\"}"; echo "${good/\"k\"/\"b\"}"; printf '%s\n' "$3"; echo "${good/\"k\"/\"z\"}"; } >"$T/lines"
    run import -q "sqlite:$T/i.db" "$T/lines"
    if [ $code = 1 ] && grep -qE "^segue: line 3: .*($2).*imported until then: 2" "$T/err" && [ "$("$SEGUE" ls "sqlite:$T/i.db" | tr '\n' ' ')" = 'a b ' ]; then
        pass "import: $1"
    else
        flunk "import: $1" "exit $code" "$(cat "$T/err")" "$("$SEGUE" ls "sqlite:$T/i.db")"
    fi
}
bad_line "a line cut short" 'cut short' "${good:0:60}"
bad_line "no JSON" 'JSON' "hello"
bad_line "no object" 'object' '[1]'
bad_line "something after the object" 'JSON' "$good x"
bad_line "an unknown field" 'unknown field "extra"' "${good/\"exp\"/\"extra\":1,\"exp\"}"
bad_line "a field twice" 'twice' "${good/\"exp\"/\"cas\":\"2\",\"exp\"}"
bad_line "no key" 'no "key"' "${good/\"key\":\"k\",/}"
bad_line "no body" 'no "body"' "${good/\"body\":\"e30=\",/}"
bad_line "a body that is no base64" 'base64' "${good/e30=/e30}"
bad_line "a body with stray bits" 'base64' "${good/e30=/e31=}"
bad_line "a CAS that is no number" '"cas"' "${good/\"cas\":\"1\"/\"cas\":\"-1\"}"
bad_line "a CAS past the end of the clock" 'not a CAS' "${good/\"cas\":\"1\"/\"cas\":\"9223372036854775807\"}"
bad_line "an expiry out of range" '"exp"' "${good/\"exp\":0/\"exp\":4294967296}"
bad_line "a tombstone with a body" 'null' "${good/false/true}"
bad_line "an xattr that is no text" 'xattrs' "${good/\{\}/\{\"a\":1\}}"
bad_line "an xattr that is no JSON" 'JSON' "${good/\{\}/\{\"a\":\"x\"\}}"
bad_line "an xattr that is cut JSON" 'JSON' "${good/\{\}/\{\"a\":\"{\\\"b\\\":[1,\"\}}"
bad_line "an xattr name of 16 bytes" 'xattr' "${good/\{\}/\{\"a234567890123456\":\"1\"\}}"
many=$(seq -f '"u%g":"1"' 64 | paste -sd,)
large=$(printf '%1048572s' '' | tr ' ' 1) # with its name, _a, and its quotes 1 MiB
bad_line "65 xattrs" 'xattrs' "${good/\{\}/\{$many,\"_a\":\"1\"\}}"
bad_line "1 MiB and a byte of system xattrs" '1048577' "${good/\{\}/\{\"_a\":\"\\\"1$large\\\"\"\}}"
rm -f "$T/i.db"*
{ echo "${good/\{\}/\{$many\}}"; echo "${good/\"xattrs\":\{\}/\"xattrs\":\{\"_a\":\"\\\"$large\\\"\"\}}"; } | sed '2s/"k"/"l"/' >"$T/lines"
expect 0 "import: 64 xattrs, and 1 MiB of system xattrs" import -q "sqlite:$T/i.db" "$T/lines"
bad_line "a key of 0 bytes" 'key' "${good/\"k\"/\"\"}"
bad_line "a key of 251 bytes" 'key' "${good/\"k\"/\"$long\"}"
bad_line "a key with NUL" 'key' "${good/\"k\"/\"a\\u0000b\"}"
bad_line "one of Segue's own keys" 'own' "${good/\"k\"/\"_segue:x\"}"
bad_line "half a surrogate" 'text' "${good/\"k\"/\"\\ud800\"}"
bad_line "what is not UTF-8" 'UTF-8' "$(printf '%s' "${good/\"k\"/\"\\xff\"}" | sed 's/\\xff/\xff/')"
# Between other lines of one batch, often: its writers do not wait for each other.
awk -v bad="${good/\"k\"/\"\"}" 'BEGIN { for (i = 1; i <= 200; i++)
    if (i == 100) print bad
    else printf "{\"key\":\"k%03d\",\"cas\":\"%d\",\"rev\":\"1\",\"exp\":0,\"is_json\":true,\"deleted\":false,\"body\":\"e30=\",\"xattrs\":{}}\n", i, i }' >"$T/lines"
wrong=0
for _ in $(seq 20); do
    rm -f "$T/i.db"*
    run import -q "sqlite:$T/i.db?sync=off" "$T/lines"
    [ "$("$SEGUE" ls "sqlite:$T/i.db" | tr -d '\n' | cksum)" = "$(seq -f k%03g 99 | tr -d '\n' | cksum)" ] || wrong=$((wrong + 1))
done
true_that "import: exactly the 99 lines before a bad one, 20 times" [ $wrong = 0 ]
run import -q "rosmar:$T/bucket?collection=flags.none" <<<"${good/\"is_json\"/\"flags\":1,\"is_json\"}"
true_that "import of flags where there are none: exit 1" [ $code = 1 ]
true_that "names the line" grep -qE '^segue: line 1: .*flags' "$T/err"
rm -f "$T/i.db"*
head -c 70000000 /dev/zero | tr '\0' ' ' >"$T/endless"
refused 1 'line 1: .*longer than 64 MiB' "import: a line without end" import -q "sqlite:$T/i.db" "$T/endless"
rm -f "$T/endless" "$T/20M"
refused 1 'cannot be read' "import of a missing file" import -q "sqlite:$T/i2.db" "$T/none.jsonl"
true_that "does not make the store" [ ! -e "$T/i2.db" ]

# ---- policies ----
bad_policy() { # name, pattern, text
    printf '%s' "$3" >"$T/p"
    refused 2 "$2" "policy: $1" policy check "$T/p"
}
bad_policy "no JSON" 'line|JSON' '{"rules": ['
bad_policy "an unknown action" 'move!|action' '{"rules":[{"prefix":"a","action":"move!"}]}'
bad_policy "an unknown field" 'colour' '{"rules":[{"prefix":"a","action":"move","colour":1}]}'
bad_policy "an unknown field outside" 'rulez' '{"rulez":[]}'
bad_policy "a rule without a pattern" 'rule' '{"rules":[{"action":"move"}]}'
bad_policy "a rule with two" 'rule' '{"rules":[{"key":"a","prefix":"b","action":"move"}]}'
bad_policy "nothing" 'JSON|line' ''
refused 1 'cannot be read' "policy: a missing file" policy check "$T/none.json"
refused 2 'sync-gateway' "policy: parameters with a file" policy check "$T/all" --metadata-id x
fresh
state >"$T/then"
printf '{"rules":[{"prefix":"a","action":"fly"}]}' >"$T/p"
refused 2 'fly|action' "migrate under a bad policy" migrate --from "$U" --to "sqlite:$T/made.db" --policy "$T/p"
true_that "makes nothing" [ ! -e "$T/made.db" ]
refused 1 '_sync:registry' "sync-gateway where there is no registry" migrate --from "$U" --to "sqlite:$T/made.db" --policy sync-gateway
true_that "makes nothing" [ ! -e "$T/made.db" ]
echo '{"unmatched":"stop","rules":[]}' >"$T/p"
run plan --from "$U" --to "sqlite:$T/made.db" --policy "$T/p"
true_that "plan, a key that must not be there: exit 1" [ $code = 1 ]
true_that "names it" grep -q '^segue: .*"doc"' "$T/err"
run migrate -q --from "$U" --to "sqlite:$T/made.db" --policy "$T/p"
true_that "migrate refuses, too: exit 1" [ $code = 1 ]
true_that "names it" grep -q '^segue: .*"doc"' "$T/err"
unchanged "policies"

# ---- too many of an option that may be repeated: none is left out in silence ----
fresh
state >"$T/then"
repeat() { for ((i = 1; i <= $1; i++)); do printf '%s\n' "$2${3//#/$i}"; done; } # how many, option, value with # for the number
mapfile -t many < <(repeat 65 --xattr= 'x#=1')
refused 2 'given 65 times; 64' "put: too many xattrs" put "$U" doc '{}' "${many[@]}"
mapfile -t many < <(repeat 65 --drop-xattr= 'x#')
refused 2 'given 65 times; 64' "put: too many xattrs to drop" put "$U" doc "${many[@]}"
mapfile -t many < <(repeat 257 --sibling-id= 'id#')
refused 2 'given 257 times; 256' "policy: too many siblings" policy check sync-gateway --metadata-id=me "${many[@]}"
mapfile -t many < <(repeat 257 --collection= 's.c#')
refused 2 'given 257 times; 256' "policy: too many collections" policy check sync-gateway --metadata-id=me "${many[@]}"
unchanged "too many"
mapfile -t many < <(repeat 64 --xattr= 'x#=1')
expect 0 "put: as many xattrs as there can be" put "$U" wide '{}' "${many[@]}"
true_that "all are there" bash -c "[ \"\$('$SEGUE' get --xattrs '$U' wide | wc -l)\" = 64 ]"
mapfile -t many < <(repeat 256 --sibling-id= 'id#')
expect 0 "policy: many siblings" policy check sync-gateway --metadata-id=me "${many[@]}"
true_that "no other option may be repeated" bash -c "[ \"\$(grep -cE '^    .*, true, ' '$SEGUE_SOURCE_DIR/src/cli/verbs.c')\" = 4 ]"

# ---- machines ----
run get --json "sqlite:$T/none.db" key
true_that "with --json errors are JSON" grep -qE '^\{"error":\{"status":"NO_STORE","message":".*"\}\}$' "$T/err"
finish
