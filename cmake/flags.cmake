# Compiler and linker flags: warnings (SEGUE_WARNINGS), sanitizers, hardening.
set(SEGUE_WARNINGS -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
    -Wswitch-enum -Wwrite-strings -Wpointer-arith)
if(SEGUE_WERROR)
    list(APPEND SEGUE_WARNINGS -Werror)
endif()

# Paths of the building machine do not belong into messages and binaries.
add_compile_options(-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)
add_link_options(-Wl,--as-needed)

if(SEGUE_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(SEGUE_SANITIZE)
    add_compile_options(-fsanitize=${SEGUE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${SEGUE_SANITIZE})
elseif(SEGUE_HARDENING)
    add_compile_options(-fstack-protector-strong -fstack-clash-protection
                        $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
    add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack,-z,defs)
endif()
