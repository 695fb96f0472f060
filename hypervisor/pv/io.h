/* SPDX-License-Identifier: MIT */
/*
 * Ports, as a guest's in and out instructions find them.
 *
 * Two questions: may this code do port I/O (the guest's own business: IOPL and
 * its I/O bitmap), and what is behind the port for this domain (ours).  A port
 * a domain was not given reads as all ones and swallows writes, like an empty
 * bus; docs/hypervisor/emulation.md lists those that are something in between.
 */
#pragma once

#include "hypervisor/domain/domain.h"

/* May the code the vCPU runs now use `size` ports from `port` on?  False: #GP. */
bool pv_io_allowed(const struct vcpu *vcpu, unsigned int port, unsigned int size);

/* May the kernel or program that runs now change the (virtual) interrupt flag? */
static inline bool pv_iopl_allows(const struct vcpu *vcpu)
{
    unsigned int needed = 3;

    if (likely(vcpu->pv.kernel_mode)) {
        needed = vm_assisted(vcpu->domain, VMASST_TYPE_architectural_iopl) ? 0 : 1;
    }
    return vcpu->pv.iopl >> 12 >= needed;
}

/* `size` is 1, 2 or 4. */
uint32_t pv_port_read(struct domain *domain, unsigned int port, unsigned int size);
void pv_port_write(struct domain *domain, unsigned int port, unsigned int size, uint32_t value);

/*
 * Give the control domain all ports but the core's.  The caller then takes away
 * the ports and frames of devices it found (console, APICs) with io_permit().
 */
int must_check pv_io_setup_control_domain(struct domain *domain);
