/* SPDX-License-Identifier: MIT */
/*
 * Where a guest's kernel is entered: trap table, callbacks, its stack.
 */
#include "hypervisor/lib/string.h"
#include "hypervisor/pv/emulate.h"
#include "hypervisor/x86/selectors.h"

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

static int set_callback(unsigned int type, uint64_t address, bool mask_events)
{
    struct pv_callback *callbacks = current->pv.callbacks;

    if (!address_canonical(address)) {
        return -XEN_EINVAL;
    }
    switch (type) {
    case CALLBACKTYPE_nmi: /* by either way: Linux has it in its trap table */
        current->pv.traps[VECTOR_NMI] =
            (struct trap_info){ .vector = VECTOR_NMI, .cs = GUEST_CS64, .address = address };
        return 0;
    case CALLBACKTYPE_event: /* always masks events, whatever is said */
    case CALLBACKTYPE_failsafe:
    case CALLBACKTYPE_syscall:
    case CALLBACKTYPE_syscall32:
    case CALLBACKTYPE_sysenter:
        callbacks[type] = (struct pv_callback){ address, mask_events };
        return 0;
    default:
        return -XEN_ENOSYS;
    }
}

long hypercall_set_callbacks(uint64_t event, uint64_t failsafe, uint64_t syscall)
{
    if (!address_canonical(event) || !address_canonical(failsafe) || !address_canonical(syscall)) {
        return -XEN_EINVAL;
    }
    current->pv.callbacks[CALLBACKTYPE_event].address = event;
    current->pv.callbacks[CALLBACKTYPE_failsafe] = (struct pv_callback){ failsafe, false };
    current->pv.callbacks[CALLBACKTYPE_syscall] = (struct pv_callback){ syscall, false };
    return 0;
}

long hypercall_callback_op(uint64_t operation, uint64_t argument)
{
    struct callback_register wanted;
    struct callback_unregister unwanted;

    switch (operation) {
    case CALLBACKOP_register:
        return get_argument(&wanted, argument) != 0
                   ? -XEN_EFAULT
                   : set_callback(wanted.type, wanted.address,
                                  (wanted.flags & CALLBACKF_mask_events) != 0);
    case CALLBACKOP_unregister:
        if (get_argument(&unwanted, argument) != 0) {
            return -XEN_EFAULT;
        }
        if (unwanted.type == CALLBACKTYPE_event || unwanted.type == CALLBACKTYPE_failsafe ||
            unwanted.type == CALLBACKTYPE_syscall) {
            return -XEN_EINVAL;
        }
        return set_callback(unwanted.type, 0, false);
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
    pv_set_task_switched(current, set != 0);
    return 0;
}
