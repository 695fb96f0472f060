/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls outside of the subsystems' own headers.
 */
#ifndef HYPERVISOR_HYPERCALLS_HYPERCALL_H
#define HYPERVISOR_HYPERCALLS_HYPERCALL_H

#include "hypervisor/lib/types.h"

/*
 * The result for the guest.  -XEN_ENOSYS for a number that is not in the list.
 * No call has more than four arguments.
 */
long hypercall_dispatch(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d);

/*
 * While a multicall runs, an entry's continuation goes into the guest's entry and
 * not into its registers.  hypercall_continued() says whether the entry that
 * returned -XEN_ERESTART asked for that, and replaces its arguments.
 */
void hypercall_in_multicall(bool begin);
bool must_check hypercall_continued(uint64_t args[4]);

long hypercall_multicall(uint64_t calls, uint64_t count);
long hypercall_console_io(uint64_t operation, uint64_t count, uint64_t buffer);
long hypercall_mca(uint64_t argument);
long hypercall_physdev_op(uint64_t command, uint64_t argument);
long hypercall_memory_op(uint64_t command, uint64_t argument);
long hypercall_xen_version(uint64_t command, uint64_t argument);
long hypercall_vm_assist(uint64_t command, uint64_t type);

/* The form old kernels use: command and argument in one structure. */
long hypercall_physdev_op_compat(uint64_t argument);
long hypercall_xenpmu_op(uint64_t operation, uint64_t argument);

/* The core's command line, for dom0 (boot/main.c). */
extern const char *core_command_line;

#endif
