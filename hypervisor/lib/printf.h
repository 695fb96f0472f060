/* SPDX-License-Identifier: MIT */
/*
 * Formatted text, as much of C's as the core uses: %d %u %x with l, %s (with a
 * precision), %c and %%; "-" or "0", and a width.  Returns what C's functions
 * return: the length the text would have.
 */
#pragma once

#include "hypervisor/lib/types.h"

#include <stdarg.h>

int snprintf(char *buffer, size_t size, const char *format, ...) printf_like(3, 4);
int vsnprintf(char *buffer, size_t size, const char *format, va_list arguments) printf_like(3, 0);
