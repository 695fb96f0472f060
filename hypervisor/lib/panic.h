/* SPDX-License-Identifier: MIT */
/*
 * Three kinds of trouble, three words.
 *
 *   the guest asked for something it may not have   return -XEN_EPERM;
 *   the guest can no longer run                     domain_crash(d, "...");
 *   the hypervisor is wrong                         ASSERT(...), panic("...")
 *
 * Nothing a guest does may reach the third.
 */
#pragma once

#include "hypervisor/lib/types.h"

/* Say why, dump registers and back-trace of every CPU, then reboot or halt. */
void never_returns panic(const char *format, ...) printf_like(1, 2);

#ifdef PARAVANE_DEBUG
#define ASSERT(condition)                                               \
    do {                                                                \
        if (unlikely(!(condition))) {                                   \
            panic("%s:%d: ASSERT(%s)", __FILE__, __LINE__, #condition); \
        }                                                               \
    } while (0)
#else
#define ASSERT(condition) ((void)sizeof(condition))
#endif
