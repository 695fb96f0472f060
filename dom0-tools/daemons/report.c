/* SPDX-License-Identifier: MIT */
/* See report.h. */
#include "dom0-tools/daemons/report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

void report(const char *format, ...)
{
    va_list words;

    va_start(words, format);
    (void)fprintf(stderr, "%s: ", program_invocation_short_name);
    (void)vfprintf(stderr, format, words);
    (void)fputc('\n', stderr);
    va_end(words);
}
