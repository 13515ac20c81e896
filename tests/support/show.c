/* A record in one line. */
#include "support/show.h"

#include <stdarg.h>
#include <stdio.h>

static void add(char *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(char *line, const char *format, ...)
{
    size_t n = strlen(line);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line + n, TEST_LINE - n, format, args);
    va_end(args);
}

void test_show(const segue_record *rec, char line[TEST_LINE])
{
    line[0] = 0;
    if (!rec) {
        add(line, "none");
        return;
    }
    add(line, "%c%.*s", rec->is_tombstone ? 'T' : 'L', (int)rec->body.size, rec->body.data ? rec->body.data : "");
    if (rec->is_json) add(line, " json");
    for (size_t i = 0; i < rec->n_xattrs; i++)
        add(line, "%c%.*s=%.*s", i ? ',' : ' ', (int)rec->xattrs[i].name.size, rec->xattrs[i].name.data,
            (int)rec->xattrs[i].value.size, rec->xattrs[i].value.data);
    if (rec->expiry) add(line, " exp=%u", rec->expiry);
    if (rec->flags) add(line, " flags=%u", rec->flags);
}
