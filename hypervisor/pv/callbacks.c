/* SPDX-License-Identifier: MIT */
/*
 * Where a guest's kernel is entered: trap table, callbacks, its stack.
 */
#include "guest-pv-headers/callback.h"
#include "guest-pv-headers/errno.h"
#include "guest-pv-headers/nmi.h"
#include "hypervisor/lib/string.h"
#include "hypervisor/mm/guest_access.h"
#include "hypervisor/pv/traps.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/percpu.h"

long hypercall_set_trap_table(uint64_t traps)
{
    struct vcpu *vcpu = current;
    struct trap_info trap;

    if (traps == 0) {
        memset(vcpu->pv.traps, 0, sizeof(vcpu->pv.traps));
        return 0;
    }
    /* A guest's list ends itself; one that does not is cut where every vector had its turn. */
    for (unsigned int i = 0; i <= 256; i++) {
        int error = copy_from_guest(&trap, guest_pointer(const struct trap_info, traps) + i);

        if (error != 0) {
            return error;
        }
        if (trap.address == 0) {
            break;
        }
        if (!address_canonical(trap.address)) {
            return -XEN_EINVAL;
        }
        vcpu->pv.traps[trap.vector] = trap;
    }
    return 0;
}

static int set_callback(struct vcpu *vcpu, unsigned int type, uint64_t address, bool mask_events)
{
    struct pv_vcpu *pv = &vcpu->pv;

    if (!address_canonical(address)) {
        return -XEN_EINVAL;
    }
    switch (type) {
    case CALLBACKTYPE_event:
        pv->event_callback = address;
        return 0;
    case CALLBACKTYPE_failsafe:
        pv->failsafe_callback = address;
        pv->failsafe_masks_events = mask_events;
        return 0;
    case CALLBACKTYPE_syscall:
        pv->syscall_callback = address;
        pv->syscall_masks_events = mask_events;
        return 0;
    case CALLBACKTYPE_syscall32:
        pv->syscall32_callback = address;
        pv->syscall32_masks_events = mask_events;
        return 0;
    case CALLBACKTYPE_sysenter:
        pv->sysenter_callback = address;
        pv->sysenter_masks_events = mask_events;
        return 0;
    case CALLBACKTYPE_nmi:
        pv->nmi_callback = address;
        return 0;
    default:
        return -XEN_ENOSYS;
    }
}

long hypercall_set_callbacks(uint64_t event, uint64_t failsafe, uint64_t syscall)
{
    struct vcpu *vcpu = current;

    if (!address_canonical(event) || !address_canonical(failsafe) || !address_canonical(syscall)) {
        return -XEN_EINVAL;
    }
    vcpu->pv.event_callback = event;
    vcpu->pv.failsafe_callback = failsafe;
    vcpu->pv.syscall_callback = syscall;
    vcpu->pv.failsafe_masks_events = false;
    vcpu->pv.syscall_masks_events = false;
    return 0;
}

long hypercall_callback_op(uint64_t operation, uint64_t argument)
{
    struct callback_register wanted;
    struct callback_unregister unwanted;
    int error;

    switch (operation) {
    case CALLBACKOP_register:
        error = copy_from_guest(&wanted, guest_pointer(const struct callback_register, argument));
        return error != 0 ? error
                          : set_callback(current, wanted.type, wanted.address,
                                         (wanted.flags & CALLBACKF_mask_events) != 0);
    case CALLBACKOP_unregister:
        error =
            copy_from_guest(&unwanted, guest_pointer(const struct callback_unregister, argument));
        if (error != 0) {
            return error;
        }
        if (unwanted.type == CALLBACKTYPE_event || unwanted.type == CALLBACKTYPE_failsafe ||
            unwanted.type == CALLBACKTYPE_syscall) {
            return -XEN_EINVAL;
        }
        return set_callback(current, unwanted.type, 0, false);
    default:
        return -XEN_ENOSYS;
    }
}

long hypercall_stack_switch(uint64_t ss, uint64_t sp)
{
    struct vcpu *vcpu = current;

    vcpu->pv.kernel_ss = (ss & 0xffff) | 3;
    vcpu->pv.kernel_sp = sp;
    return 0;
}

long hypercall_fpu_taskswitch(uint64_t set)
{
    struct vcpu *vcpu = current;

    if (set != 0) {
        vcpu->pv.cr0_ts = CR0_TS;
        write_cr0(read_cr0() | CR0_TS);
    } else if (vcpu->pv.cr0_ts != 0) {
        vcpu->pv.cr0_ts = 0;
        write_cr0(read_cr0() & ~(uint64_t)CR0_TS);
    }
    return 0;
}

long hypercall_nmi_op(uint64_t operation, uint64_t argument)
{
    struct xennmi_callback callback;
    int error;

    switch (operation) {
    case XENNMI_register_callback:
        error = copy_from_guest(&callback, guest_pointer(const struct xennmi_callback, argument));
        return error != 0
                   ? error
                   : set_callback(current, CALLBACKTYPE_nmi, callback.handler_address, false);
    case XENNMI_unregister_callback:
        return set_callback(current, CALLBACKTYPE_nmi, 0, false);
    default:
        return -XEN_ENOSYS;
    }
}
