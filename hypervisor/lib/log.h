/* SPDX-License-Identifier: MIT */
/*
 * Words for the operator: to the console and to the log ring dom0 can read.
 *
 * A line ends with "\n".  What a guest can provoke goes through log_guest(),
 * which drops lines (and counts them) beyond a rate; errors a guest gets as a
 * return value are not logged at all.
 */
#pragma once

#include "hypervisor/lib/types.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

void log_print(enum log_level level, const char *format, ...) printf_like(2, 3);
void log_guest_print(enum log_level level, const char *format, ...) printf_like(2, 3);

#define log_error(...)   log_print(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_print(LOG_WARNING, __VA_ARGS__)
#define log_info(...)    log_print(LOG_INFO, __VA_ARGS__)
#define log_guest(...)   log_guest_print(LOG_WARNING, __VA_ARGS__)
