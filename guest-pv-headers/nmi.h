/* SPDX-License-Identifier: MIT */
/*
 * nmi_op(command, argument): where non-maskable interrupts enter the guest's
 * kernel, and why one came.  callback.h does the same for any vCPU.
 */
#ifndef GUEST_PV_HEADERS_NMI_H
#define GUEST_PV_HEADERS_NMI_H

#include "guest-pv-headers/xen.h"

#define XENNMI_register_callback   0 /* xennmi_callback; vCPU 0 only: -EINVAL */
#define XENNMI_unregister_callback 1 /* null */

struct xennmi_callback {
    uint64_t handler_address;
    uint64_t pad;
};

/* arch_shared_info.nmi_reason: bit numbers and masks */
#define _XEN_NMIREASON_io_error 0
#define _XEN_NMIREASON_pci_serr 1
#define _XEN_NMIREASON_unknown  2
#define XEN_NMIREASON_io_error  0x1u
#define XEN_NMIREASON_pci_serr  0x2u
#define XEN_NMIREASON_unknown   0x4u

#endif
