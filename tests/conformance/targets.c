/* The conformance suite's targets. */
#include "conform.h"

static const cf_side mem = {KIND_MEM, ""}, mem_no_mutate = {KIND_MEM, "&caps=-mutate"},
                     mem_no_move = {KIND_MEM, "&caps=-move"}, mem_no_batch = {KIND_MEM, "&caps=-write_many"},
                     mem_no_cas = {KIND_MEM, "&caps=-keep_cas"}, mem_no_flags = {KIND_MEM, "&caps=-flags"},
                     mem_no_id = {KIND_MEM, "&caps=-write_id"}, mem_loop_no_id = {KIND_MEM, "&caps=-mutate,-write_id"},
                     mem_poor = {KIND_MEM, "&caps=-mutate,-keep_cas,-write_id"},
                     mem_bare = {KIND_MEM, "&caps=-mutate,-move,-write_many,-keep_cas,-flags,-write_id,-changes,-expired"},
                     sqlite __attribute__((unused)) = {KIND_SQLITE, ""}, rosmar = {KIND_ROSMAR, ""};

#define SINGLE(name, group, filter, side)                                                                              \
    {                                                                                                                  \
        name, group, filter, side, false, NULL, false, SEGUE_PHASE_FORWARD, IN_STORE, DELETED                          \
    }
#define SINGLE_EXPIRED(name, group, side)                                                                              \
    {                                                                                                                  \
        name ", expired", group, "", side, false, NULL, false, SEGUE_PHASE_FORWARD, IN_STORE, EXPIRED                  \
    }

/* A pair from its six starts. */
#define DUAL_IN(name, group, main, fallback, one_file, phase, place, death)                                            \
    {                                                                                                                  \
        name, group, "", main, true, fallback, one_file, SEGUE_PHASE_##phase, place, death                             \
    }
#define FORWARD_IN(name, start, group, main, fallback, one_file, place, death)                                         \
    DUAL_IN("dual of " name ", " start, group, main, fallback, one_file, FORWARD, place, death)
#define DUAL(name, group, main, fallback, one_file)                                                                    \
    FORWARD_IN(name, "written through it", group, main, fallback, one_file, IN_STORE, DELETED),                        \
        FORWARD_IN(name, "written through it, expired", group, main, fallback, one_file, IN_STORE, EXPIRED),           \
        FORWARD_IN(name, "from the fallback", group, main, fallback, one_file, IN_FALLBACK, DELETED),                  \
        FORWARD_IN(name, "from the fallback, expired", group, main, fallback, one_file, IN_FALLBACK, EXPIRED),         \
        FORWARD_IN(name, "over a stale fallback", group, main, fallback, one_file, SHADOWED, DELETED),                 \
        FORWARD_IN(name, "over a stale fallback, expired", group, main, fallback, one_file, SHADOWED, EXPIRED)

const cf_target cf_targets[] = {
    SINGLE("mem", "mem", "", &mem),
    SINGLE_EXPIRED("mem", "mem", &mem),
    SINGLE_EXPIRED("mem without mutate and write_id", "mem", &mem_loop_no_id),
    SINGLE("mem without mutate", "mem", "", &mem_no_mutate),
    SINGLE("mem without move", "mem", "", &mem_no_move),
    SINGLE("mem without write_many", "mem", "", &mem_no_batch),
    SINGLE("mem without keep_cas", "mem", "", &mem_no_cas),
    SINGLE("mem without flags", "mem", "", &mem_no_flags),
    SINGLE("mem without write_id", "mem", "", &mem_no_id),
    SINGLE("mem without mutate and write_id", "mem", "", &mem_loop_no_id),
    SINGLE("mem without any capability", "mem", "", &mem_bare),
    SINGLE("stats over mem", "filters", "stats+", &mem),
    SINGLE("trace over mem", "filters", "trace+", &mem),
    SINGLE("trace over stats over mem without mutate", "filters", "trace+stats+", &mem_no_mutate),
    SINGLE("fault without plan over mem", "filters", "fault", &mem),
    DUAL("mem and mem", "dual-mem", &mem, &mem, false),
    DUAL("mem collections", "dual-mem", &mem, &mem, true),
    DUAL("mem without mutate and mem", "dual-mem", &mem_no_mutate, &mem, false),
    DUAL("mem without keep_cas and mem", "dual-mem", &mem_no_cas, &mem, false),
    DUAL("mem without mutate, keep_cas, write_id and mem", "dual-mem", &mem_poor, &mem, false),
    DUAL("mem and mem without any capability", "dual-mem", &mem, &mem_bare, false),
    DUAL_IN("dual of mem and mem in legacy", "dual-mem", &mem, &mem, false, LEGACY, IN_STORE, DELETED),
    DUAL_IN("dual of mem and mem in legacy, from the fallback", "dual-mem", &mem, &mem, false, LEGACY, IN_FALLBACK,
            DELETED),
    DUAL_IN("dual of mem and mem in legacy, from the fallback, expired", "dual-mem", &mem, &mem, false, LEGACY,
            IN_FALLBACK, EXPIRED),
    DUAL_IN("dual of mem without keep_cas and mem in legacy", "dual-mem", &mem_no_cas, &mem, false, LEGACY,
            IN_FALLBACK, DELETED),
    DUAL_IN("dual of mem and mem when sealed", "dual-mem", &mem, &mem, false, SEALED, SHADOWED, DELETED),
    DUAL_IN("dual of mem and mem when sealed, expired", "dual-mem", &mem, &mem, false, SEALED, SHADOWED, EXPIRED),
#ifdef SEG_WITH_SQLITE
    SINGLE("sqlite", "sqlite", "", &sqlite),
    SINGLE_EXPIRED("sqlite", "sqlite", &sqlite),
    SINGLE("stats over sqlite", "sqlite", "stats+", &sqlite),
    DUAL("sqlite and sqlite in one file", "dual-sqlite-one", &sqlite, &sqlite, true),
    DUAL("sqlite and sqlite in two files", "dual-sqlite-two", &sqlite, &sqlite, false),
#endif
    SINGLE("rosmar", "rosmar", "", &rosmar),
    SINGLE_EXPIRED("rosmar", "rosmar", &rosmar),
    DUAL("rosmar and rosmar in one bucket", "dual-rosmar", &rosmar, &rosmar, true),
#ifdef SEG_WITH_SQLITE
    DUAL("sqlite and rosmar", "dual-sqlite-rosmar", &sqlite, &rosmar, false),
#endif
};
const size_t cf_n_targets = sizeof cf_targets / sizeof cf_targets[0];
