/* SPDX-License-Identifier: MIT */
/* One line on standard error, after the program's name. */
#ifndef DOM0_TOOLS_DAEMONS_REPORT_H
#define DOM0_TOOLS_DAEMONS_REPORT_H

void report(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
