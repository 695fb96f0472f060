/* SPDX-License-Identifier: MIT */
/*
 * callback_op(command, argument): where the guest's kernel is entered.
 *
 * Until an address is registered, an event stays pending, and a system call
 * from user mode is the guest's undefined-instruction trap.
 */
#ifndef GUEST_PV_HEADERS_CALLBACK_H
#define GUEST_PV_HEADERS_CALLBACK_H

#include "guest-pv-headers/xen.h"

#define CALLBACKOP_register   0 /* callback_register */
#define CALLBACKOP_unregister 1 /* callback_unregister */

#define CALLBACKTYPE_event               0 /* an upcall */
#define CALLBACKTYPE_failsafe            1 /* returning failed: a selector is bad */
#define CALLBACKTYPE_syscall             2 /* SYSCALL from 64-bit user code */
#define CALLBACKTYPE_sysenter_deprecated 3 /* refused */
#define CALLBACKTYPE_nmi                 4
#define CALLBACKTYPE_sysenter            5 /* SYSENTER from 32-bit user code */
#define CALLBACKTYPE_syscall32           7 /* SYSCALL from 32-bit user code */

/* callback_register.flags: entering masks upcalls.  Events and NMIs do so anyway. */
#define _CALLBACKF_mask_events 0
#define CALLBACKF_mask_events  0x1u

struct callback_register {
    uint16_t type;  /* CALLBACKTYPE_* */
    uint16_t flags; /* CALLBACKF_* */
    uint32_t hole;
    xen_callback_t address;
};

/* -EINVAL for event, failsafe and syscall: those can only be replaced. */
struct callback_unregister {
    uint16_t type;
    uint16_t _unused;
};

#endif
