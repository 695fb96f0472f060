/* SPDX-License-Identifier: MIT */
/*
 * console_io: the machine's console, for the control domain.
 */
#ifndef HYPERVISOR_HYPERCALLS_CONSOLE_IO_H
#define HYPERVISOR_HYPERCALLS_CONSOLE_IO_H

#include "hypervisor/lib/types.h"

/* CONSOLEIO_*; the buffer is in guest memory. */
long hypercall_console_io(uint64_t operation, uint64_t count, uint64_t buffer);

#endif
