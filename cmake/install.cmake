# make install: libraries, headers, pkg-config file, CMake package, the program, man pages, completions.
include(CMakePackageConfigHelpers)

install(TARGETS segue segue_static EXPORT segueTargets
        RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET segue_program)
    install(TARGETS segue_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(DIRECTORY include/segue DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.h" PATTERN "*.def")

# ---- how others find it ----

set(SEGUE_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/segue)
install(EXPORT segueTargets NAMESPACE segue:: DESTINATION ${SEGUE_CMAKE_DIR})
configure_package_config_file(cmake/segueConfig.cmake.in segueConfig.cmake INSTALL_DESTINATION ${SEGUE_CMAKE_DIR})
write_basic_package_version_file(segueConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/segueConfig.cmake ${PROJECT_BINARY_DIR}/segueConfigVersion.cmake
        DESTINATION ${SEGUE_CMAKE_DIR})

# The pkg-config file finds its prefix from where it lies, so that an installed tree can be moved.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
    set(PC_PREFIX ${CMAKE_INSTALL_PREFIX})
    set(PC_LIBDIR ${CMAKE_INSTALL_FULL_LIBDIR})
    set(PC_INCLUDEDIR ${CMAKE_INSTALL_FULL_INCLUDEDIR})
else()
    file(RELATIVE_PATH up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
    string(REGEX REPLACE "/$" "" up "${up}")
    set(PC_PREFIX "\${pcfiledir}/${up}")
    set(PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
    set(PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
configure_file(cmake/segue.pc.in segue.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/segue.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# ---- man pages (man/NAME.SECTION.scd), where scdoc is there ----

file(GLOB SEGUE_MAN_SOURCES CONFIGURE_DEPENDS man/*.scd)
find_program(SCDOC scdoc)
if(SEGUE_MAN_SOURCES AND SCDOC)
    foreach(source IN LISTS SEGUE_MAN_SOURCES)
        get_filename_component(page ${source} NAME_WLE)
        string(REGEX REPLACE ".*[.]" "" section ${page})
        add_custom_command(OUTPUT ${page} DEPENDS ${source} VERBATIM
                           COMMAND sh -c "\"$1\" < \"$2\" > \"$3\"" sh ${SCDOC} ${source} ${page})
        list(APPEND SEGUE_MAN_PAGES ${PROJECT_BINARY_DIR}/${page})
        install(FILES ${PROJECT_BINARY_DIR}/${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
    endforeach()
    add_custom_target(segue_man ALL DEPENDS ${SEGUE_MAN_PAGES})
elseif(SEGUE_MAN_SOURCES)
    message(STATUS "scdoc is not there: man pages are not built")
endif()

# ---- shell completions ----

foreach(file "completion/segue.bash|bash-completion/completions|segue" "completion/_segue|zsh/site-functions|_segue"
        "completion/segue.fish|fish/vendor_completions.d|segue.fish")
    string(REPLACE "|" ";" file "${file}")
    list(GET file 0 source)
    list(GET file 1 folder)
    list(GET file 2 name)
    if(EXISTS ${PROJECT_SOURCE_DIR}/${source})
        install(FILES ${source} DESTINATION ${CMAKE_INSTALL_DATADIR}/${folder} RENAME ${name})
    endif()
endforeach()
