# For the scripts beside: one line for each check, in TAP's words. $SEGUE is the program, $T a temporary folder.
set -u
SEGUE=${SEGUE:?the program to test}
SEGUE_SOURCE_DIR=${SEGUE_SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
DATA=$SEGUE_SOURCE_DIR/tests/data
T=$(mktemp -d)
failures=0
checks=0
export NO_COLOR=1

clean_up() { chmod -R u+rwx "$T" 2>/dev/null; rm -rf "$T"; }
trap clean_up EXIT

pass() { checks=$((checks + 1)); echo "ok $checks - $1"; }
flunk() { # name, then what is to be shown
    checks=$((checks + 1)) failures=$((failures + 1))
    echo "not ok $checks - $1"
    shift
    printf '#   %s\n' "$@"
}
skip() { checks=$((checks + 1)); echo "ok $checks - $1 # SKIP $2"; }

# Run the program; its output is in $T/out and $T/err, its exit code in $code.
run() { "$SEGUE" "$@" >"$T/out" 2>"$T/err"; code=$?; }

# expect CODE NAME ARGS...: the exit code is right.
expect() {
    local wanted=$1 name=$2
    shift 2
    run "$@"
    if [ "$code" = "$wanted" ]; then pass "$name"
    else flunk "$name" "exit $code instead of $wanted" "$(head -c 400 "$T/out")" "$(head -c 400 "$T/err")"; fi
}

# refused CODE PATTERN NAME ARGS...: the exit code is right, stderr is one sentence (and perhaps where help is) that matches,
# stdout is empty.
refused() {
    local wanted=$1 pattern=$2 name=$3
    shift 3
    run "$@"
    local lines
    lines=$(grep -c -v '^Try: ' "$T/err")
    if [ "$code" = "$wanted" ] && [ "$lines" = 1 ] && grep -qE "^segue: .*($pattern)" "$T/err" && [ ! -s "$T/out" ]; then
        pass "$name"
    else
        flunk "$name" "exit $code instead of $wanted, expected: $pattern" "stdout: $(head -c 300 "$T/out")" "stderr: $(head -c 600 "$T/err")"
    fi
}

# same NAME FILE FILE
same() { if cmp -s "$2" "$3"; then pass "$1"; else flunk "$1" "$(diff "$2" "$3" | cut -c1-300 | head -n 6)"; fi; }

# true_that NAME COMMAND...
true_that() {
    local name=$1
    shift
    if "$@" >"$T/said" 2>&1; then pass "$name"; else flunk "$name" "failed: $*" "$(head -c 400 "$T/said")"; fi
}

# A private copy of a sample bucket at $T/NAME.
bucket() { # which, name
    cp -r "$DATA/$1" "$T/$2" && chmod -R u+w "$T/$2"
}

finish() {
    echo "1..$checks"
    [ $failures = 0 ]
    exit $?
}
