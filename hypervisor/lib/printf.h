/* SPDX-License-Identifier: MIT */
/*
 * Formatted text: %d %i %u %x %X %p %s %c %% with flags "-", "0", "+", "#" and
 * space, width and precision (numbers or *), and hh h l ll z t j.  No floating
 * point.  Returns what C's functions return: the length the text would have.
 */
#ifndef HYPERVISOR_LIB_PRINTF_H
#define HYPERVISOR_LIB_PRINTF_H

#include "hypervisor/lib/types.h"

#include <stdarg.h>

int snprintf(char *buffer, size_t size, const char *format, ...) printf_like(3, 4);
int vsnprintf(char *buffer, size_t size, const char *format, va_list arguments) printf_like(3, 0);

#endif
