/* SPDX-License-Identifier: MIT */
/*
 * The hypercalls' handlers, each defined by the subsystem whose call it is, and how
 * a long one is continued: the guest is sent back to its hypercall instruction
 * with new arguments, and may be interrupted in between.
 *
 * The arguments then come back through the guest: a handler trusts a cursor in
 * them as little as any other argument.
 */
#pragma once

#include "hypervisor/domain/hypercall_list.h"
#include "hypervisor/lib/types.h"

#define ARGUMENTS1                           uint64_t a
#define ARGUMENTS2                           ARGUMENTS1, uint64_t b
#define ARGUMENTS3                           ARGUMENTS2, uint64_t c
#define ARGUMENTS4                           ARGUMENTS3, uint64_t d
#define X(number, name, handler, count, who) long handler(ARGUMENTS##count);
HYPERCALL_LIST(X)
#undef X

/*
 * Return this from a handler.  Repeats hypercall `number` with the first `count`
 * arguments replaced by those given.  Works from within a multicall as well.
 */
long hypercall_continue(unsigned int number, unsigned int count, uint64_t a, uint64_t b, uint64_t c,
                        uint64_t d);
