# Write the CTest file of the conformance program: one test for each group that it lists, and one for the scenarios without a case.
execute_process(COMMAND ${PROGRAM} --list OUTPUT_VARIABLE groups COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^\n]+" groups "${groups}")
list(REMOVE_DUPLICATES groups)
set(text "")
foreach(group IN LISTS groups ITEMS elsewhere)
    string(APPEND text "add_test(conformance_${group} \"${PROGRAM}\" --group ${group})\n"
           "set_tests_properties(conformance_${group} PROPERTIES LABELS conformance TIMEOUT 600 SKIP_RETURN_CODE 77)\n")
endforeach()
file(WRITE ${OUT} "${text}")
