/* SPDX-License-Identifier: MIT */
/* Who has memory of a guest that is dead. */
#ifndef DOM0_TOOLS_SUPERVISOR_HELD_H
#define DOM0_TOOLS_SUPERVISOR_HELD_H

#include <stddef.h>
#include <stdint.h>

/*
 * First the back ends of dom0's kernel that still have devices of it; if there
 * are none, the programs that could have mapped its memory.  `sys` and `proc`
 * are where those file systems are.
 */
void held_describe(const char *sys, const char *proc, uint32_t domid, char *words, size_t room);

#endif
