# Count the cases in the output of `ctest -V`: those of cmocka and TAP ("ok ...", "not ok ...", "ok ... # SKIP why"), and one
# for a test that has neither. Prints the output of what failed, then "BUILD: N passed, N failed, N skipped"; appends the
# reasons of what was skipped to the file `skipped`. A test that crashes, times out or stops halfway is a failure.

function skip_reason(n, text) {
    sub(/^.*[Ss](kip|KIP)(ped|PED)?:? */, "", text)
    print (text == "" ? "no reason given" : text) >>skipped
}

# A line of a test's output: "12: text".
/^[0-9]+: / {
    n = $0; sub(/:.*/, "", n)
    line = $0; sub(/^[0-9]+: /, "", line)
    if (line !~ /^(Test command|Working Directory|Environment variables|Test timeout|  *[A-Z_]+=|\[ RUN|\[       OK|ok )/) {
        output[n] = output[n] "    " line "\n"
        if (line !~ /^\[/ && line != "") last[n] = line
    }
    if (line ~ /^\[ RUN      \]/) { if (running[n]) broken[n]++; running[n] = 1; last[n] = ""; begun[n] = line }
    else if (running[n] && line ~ /^\[       OK \]/) { ok[n]++; running[n] = 0 }
    else if (running[n] && line ~ /^\[  FAILED  \]/) { bad[n]++; running[n] = 0 }
    else if (running[n] && line ~ /^\[  SKIPPED \]/) { skips[n]++; running[n] = 0; skip_reason(n, last[n]) }
    else if (line ~ /^not ok( |$)/) bad[n]++
    else if (line ~ /^ok .*# *[Ss][Kk][Ii][Pp]/) { skips[n]++; sub(/^.*# */, "", line); skip_reason(n, line) }
    else if (line ~ /^ok( |$)/) ok[n]++
    next
}

# ctest's verdict: " 3/20 Test #12: name ....   Passed   0.01 sec".
/^ *[0-9]+\/[0-9]+ +Test +#[0-9]+: / {
    n = $0; sub(/^.*Test +#/, "", n); sub(/:.*/, "", n)
    name = $0; sub(/^.*Test +#[0-9]+: */, "", name); sub(/ .*/, "", name)
    if ($0 ~ / Passed /) {
        bad[n] += broken[n] + running[n] # a case that began and did not end
        if (ok[n] + bad[n] + skips[n] == 0) ok[n] = 1
    } else if ($0 ~ /\*\*\*Skipped/) {
        skips[n]++
        skip_reason(n, name ": " last[n])
    } else if (!bad[n]) {
        bad[n] = 1
    }
    if (bad[n]) {
        verdict = $0; sub(/^.*(\*\*\*|\.\.\. +)/, "", verdict); sub(/ +[0-9.]+ sec.*/, "", verdict)
        printf "-- %s: %s: %s\n%s", build, name, verdict, output[n]
        if (running[n]) print "    stopped in" substr(begun[n], 13)
    }
    passed += ok[n]; failed += bad[n]; skipped_cases += skips[n]; programs++
    seen[n] = 1
}

END {
    for (n in output) if (!seen[n]) { failed++; printf "-- %s: test %s never ended\n%s", build, n, output[n] }
    if (!programs) { failed++; printf "-- %s: no test ran\n", build }
    printf "%s: %d passed, %d failed, %d skipped\n", build, passed, failed, skipped_cases
}
