/* SPDX-License-Identifier: MIT */
/* One line on standard error, which the supervisor or systemd collects. */
#ifndef DOM0_TOOLS_CONSOLE_COMPLAIN_H
#define DOM0_TOOLS_CONSOLE_COMPLAIN_H

void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
