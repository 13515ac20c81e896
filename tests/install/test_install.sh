#!/bin/sh
# Install into a fresh prefix, then build and run the README's program and one in C++ against it: through pkg-config and
# through find_package, shared and static. Each header also stands alone, in C17 and in C++.
set -u
here=$(cd "$(dirname "$0")" && pwd)
: "${SEGUE_BUILD_DIR:?the folder of the build to install}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
failed=0
check() { # name, command...
    what=$1
    shift
    if "$@" >log 2>&1; then echo "ok - $what"; else echo "not ok - $what"; sed 's/^/# /' log; failed=1; fi
}
says_hello() { # program
    rm -f app.db* cpp.db*
    [ "$("$@")" = '{"text":"hello"}' ]
}
for tool in cc c++ cmake pkg-config; do
    command -v $tool >/dev/null || { echo "skipped: there is no $tool"; exit 77; }
done

check "installs into a prefix" cmake --install "$SEGUE_BUILD_DIR" --prefix "$scratch/usr"
pc=$(find usr -name segue.pc)
libdir=$scratch/$(dirname "$(dirname "$pc")")
export PKG_CONFIG_PATH="$libdir/pkgconfig"
awk '/^```c$/ { on = 1; next } /^```$/ { if (on) exit } on' "$SEGUE_SOURCE_DIR/README.md" >hello.c
strict="-Wall -Wextra -Wpedantic -Werror"

# shellcheck disable=SC2046,SC2086  # lists of flags
for kind in shared static; do
    flags=$(pkg-config --cflags --libs segue)
    if [ $kind = static ]; then # the archive, not the shared library beside it
        flags=$(pkg-config --static --cflags --libs segue | sed "s,-lsegue,-l:libsegue.a,")
    fi
    check "the README's program builds, pkg-config, $kind" cc -std=c17 $strict hello.c $flags -o c_$kind
    check "the C++ program builds, pkg-config, $kind" c++ $strict "$here/hello.cpp" $flags -o cpp_$kind
    export LD_LIBRARY_PATH=
    [ $kind = static ] || export LD_LIBRARY_PATH="$libdir"
    check "the README's program runs, pkg-config, $kind" says_hello ./c_$kind
    check "the C++ program runs, pkg-config, $kind" says_hello ./cpp_$kind
done
unset LD_LIBRARY_PATH

check "find_package finds it" cmake -S "$here" -B cmake -DCMAKE_PREFIX_PATH="$scratch/usr" -DHELLO_C="$scratch/hello.c"
check "the programs build, find_package" cmake --build cmake
for program in c_segue cpp_segue c_segue_static cpp_segue_static; do
    check "$program runs, find_package" says_hello cmake/$program
done

for header in usr/include/segue/*.h; do
    name=$(basename "$header")
    check "$name stands alone in C17" sh -c \
        "echo '#include <segue/$name>' | cc -std=c17 $strict -Iusr/include -fsyntax-only -xc -"
    check "$name stands alone in C++" sh -c \
        "echo '#include <segue/$name>' | c++ -std=c++11 $strict -Iusr/include -fsyntax-only -xc++ -"
done
if grep -rq "$SEGUE_SOURCE_DIR" usr/lib/*/cmake usr/lib/cmake usr/include "$pc" 2>/dev/null; then
    echo "not ok - what is installed names the folder it was built in"
    failed=1
fi
if [ -x usr/bin/segue ]; then check "the program runs from where it is installed" usr/bin/segue --version; fi
exit $failed
