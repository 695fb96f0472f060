/* SPDX-License-Identifier: MIT */
/*
 * How a long hypercall is continued: the guest is sent back to its hypercall
 * instruction with new arguments, and may be interrupted in between.
 *
 * The arguments then come back through the guest: a handler trusts a cursor in
 * them as little as any other argument.
 */
#ifndef HYPERVISOR_DOMAIN_CONTINUATION_H
#define HYPERVISOR_DOMAIN_CONTINUATION_H

#include "hypervisor/lib/types.h"

/*
 * Return this from a handler.  Repeats hypercall `number` with the first `count`
 * arguments replaced by those given.  Works from within a multicall as well.
 */
long hypercall_continue(unsigned int number, unsigned int count, uint64_t a, uint64_t b, uint64_t c,
                        uint64_t d);

#endif
