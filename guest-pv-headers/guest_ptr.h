/* SPDX-License-Identifier: MIT */
/*
 * `__guest` marks a pointer into a guest's memory.
 *
 * In the core, built with clang, such a pointer has an address space of its own
 * and may not be dereferenced: only the guest-access functions may.  Everywhere
 * else (gcc, guests, tools) the word is empty and the pointer is an ordinary one.
 * In every build it is 8 bytes long, so layouts do not depend on it.
 */
#ifndef GUEST_PV_HEADERS_GUEST_PTR_H
#define GUEST_PV_HEADERS_GUEST_PTR_H

#ifndef __guest
#if defined(__clang__) && defined(PARAVANE_CORE)
#define __guest __attribute__((noderef, address_space(1)))
#else
#define __guest
#endif
#endif

#endif
