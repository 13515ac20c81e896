/* L1: what each status is called, means and asks for; all of it from status.def. */
#include "base/base.h"

enum status_class { INPUT, STATE, CONFLICT, RETRY, UNKNOWN, FATAL };

typedef struct status_row {
    const char *name;
    const char *text;
    enum status_class class;
    int exit_code;
} status_row;

static const status_row rows[] = {
#define SEGUE_STATUS(name, number, class, exit_code, text) [number] = {#name, text, class, exit_code},
#include <segue/status.def>
#undef SEGUE_STATUS
};

static const status_row *row_of(segue_status status)
{
    size_t n = sizeof rows / sizeof *rows;
    return (int)status >= 0 && (size_t)status < n && rows[status].name ? &rows[status] : NULL;
}

static bool is_class(segue_status status, enum status_class class)
{
    const status_row *row = row_of(status);
    return row && row->class == class;
}

const char *segue_status_name(segue_status status)
{
    const status_row *row = row_of(status);
    return row ? row->name : "?";
}

const char *segue_status_text(segue_status status)
{
    const status_row *row = row_of(status);
    return row ? row->text : "a status that this version does not know";
}

bool segue_status_is_conflict(segue_status status) { return is_class(status, CONFLICT); }

bool segue_status_is_retryable(segue_status status) { return is_class(status, RETRY); }

bool segue_status_is_maybe_applied(segue_status status) { return is_class(status, UNKNOWN); }

bool segue_status_is_input(segue_status status) { return is_class(status, INPUT); }

bool seg_status_is_failure(segue_status status)
{
    const status_row *row = row_of(status);
    return !row || row->class == RETRY || row->class == UNKNOWN || row->class == FATAL;
}

int segue_status_exit_code(segue_status status)
{
    const status_row *row = row_of(status);
    return row ? row->exit_code : 1;
}
