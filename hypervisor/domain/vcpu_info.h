/* SPDX-License-Identifier: MIT */
/*
 * Where a vCPU's vcpu_info is: in the shared info page, or where the guest put it.
 */
#pragma once

#include "hypervisor/domain/domain.h"

/*
 * VCPUOP_register_vcpu_info: from now on it is at `offset` in the frame.  Once,
 * and only by the vCPU itself or while it is down.  -XEN_EINVAL if that is not so
 * or the frame not the domain's, -XEN_ENXIO if it would not lie in one page or not
 * aligned, -XEN_ERESTART if the frame's type needs more time.  On success
 * the caller publishes what moved: events_vcpu_info_moved(), vcpu_time_publish().
 */
int must_check vcpu_info_register(struct vcpu *vcpu, uint64_t mfn, uint32_t offset);

/* Its domain dies, nobody sends events to it any more: drop the guest's frame. */
void vcpu_info_release(struct vcpu *vcpu);
