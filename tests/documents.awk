# The C blocks of docs/documents.md as functions for test_documents.c. A call at the beginning of a line must return OK, or the
# status in the comment behind it; "json: X" and "body: X" there say what it answers.
function quoted(text) { gsub(/\\/, "\\\\", text); gsub(/"/, "\\\"", text); return "\"" text "\"" }
/^```c$/ { inside = 1; n++; printf "static void example_%d(void **state)\n{\n    EXAMPLE;\n", n; next }
/^```$/ && inside { inside = 0; print "    END_OF_EXAMPLE;\n}\n"; next }
inside {
    line = $0
    comment = ""
    if (match(line, /\/\* .* \*\/ *$/)) {
        comment = substr(line, RSTART + 3)
        line = substr(line, 1, RSTART - 1)
        sub(/ \*\/ *$/, "", comment)
    }
    if (line ~ /^segue_[a-z_]+\(/) {
        sub(/; *$/, "", line)
        printf "    RETURNS(SEGUE_%s, %s);\n", comment ~ /^[A-Z_]+$/ ? comment : "OK", line
    } else {
        print "    " line
    }
    if (sub(/^json: /, "", comment)) printf "    IS(%s, json);\n", quoted(comment)
    else if (sub(/^body: /, "", comment)) printf "    IS(%s, doc.rec.body);\n", quoted(comment)
}
END {
    print "#define EXAMPLES_OF_THE_PAGE \\"
    for (i = 1; i <= n; i++) printf "    cmocka_unit_test(example_%d)%s\n", i, i < n ? ", \\" : ""
}
