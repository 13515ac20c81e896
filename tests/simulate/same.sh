#!/bin/sh
# The same seed gives the same run, byte for byte: in another process at other addresses, on a heap that holds other rubbish,
# alone and after other runs.
#   same.sh PROGRAM [SEED [RUNS]]
set -eu
program=$1 seed=${2:-1} runs=${3:-12}
digests() { "$@" | grep '^seed' | sort; }
first=$(digests "$program" --seed "$seed" --runs "$runs" --digest)
again=$(digests env MALLOC_PERTURB_=165 SHIFT="$(head -c 4000 /dev/zero | tr '\0' x)" "$program" --seed "$seed" --runs "$runs" --digest)
parts=$(for k in 1 2 3; do "$program" --seed "$seed" --runs "$runs" --part $k/3 --digest; done | grep '^seed' | sort)
[ "$(echo "$first" | wc -l)" = "$runs" ] || { echo "not $runs runs: $first"; exit 1; }
[ "$(echo "$first" | sed 's/.*digest//' | sort -u | wc -l)" = "$runs" ] || { echo "different seeds, one digest: $first"; exit 1; }
[ "$first" = "$again" ] || { echo "another process, another run: $first / $again"; exit 1; }
[ "$first" = "$parts" ] || { echo "other runs before it, another run: $first / $parts"; exit 1; }
echo "ok - $runs seeds, three times each: the same digests"
