/* SPDX-License-Identifier: MIT */
/*
 * A guest's debug registers: see debug_registers.h.  Intel SDM vol. 3B, 18.2.
 */
#include "hypervisor/pv/debug_registers.h"

#define DR6_KEPT    UINT64_C(0x0000e00f) /* hits, BD, BS, BT */
#define DR6_ONES    UINT64_C(0xffff0ff0)
#define DR7_ONES    UINT64_C(0x00000400)
#define DR7_ZEROES  UINT64_C(0x0000d800)
#define DR7_GENERAL UINT64_C(0x00002000) /* trap on every access to a debug register */
#define DR7_IO      2u                   /* kind of breakpoint: a port */

/* 4 and 5 are other names of 6 and 7 unless CR4.DE takes them away; 8 if there is no such one. */
static unsigned int real_number(const struct vcpu *vcpu, unsigned int number)
{
    if (number == 4 || number == 5) {
        number = (vcpu->pv.cr4 & CR4_DE) != 0 ? 8 : number + 2;
    }
    return MIN(number, 8u);
}

/* Ports are not watched for guests: in and out do not reach the CPU as the guest's. */
static bool control_ok(uint64_t value)
{
    if (value > UINT32_MAX || (value & DR7_GENERAL) != 0) {
        return false;
    }
    for (unsigned int i = 0; i < 4; i++) {
        if ((value >> (2 * i) & 3) != 0 && (value >> (16 + 4 * i) & 3) == DR7_IO) {
            return false;
        }
    }
    return true;
}

void pv_debug_registers_load(const struct vcpu *vcpu)
{
    write_dr7(DR7_ONES);
    if ((vcpu->pv.debug[7] & DR7_ENABLED) == 0) {
        return;
    }
    write_dr0(vcpu->pv.debug[0]);
    write_dr1(vcpu->pv.debug[1]);
    write_dr2(vcpu->pv.debug[2]);
    write_dr3(vcpu->pv.debug[3]);
    write_dr6(DR6_ONES);
    write_dr7(vcpu->pv.debug[7]);
}

long pv_debug_register_set(struct vcpu *vcpu, unsigned int number, uint64_t value, bool live)
{
    uint64_t enabled = vcpu->pv.debug[7];

    number = real_number(vcpu, number);
    switch (number) {
    case 0:
    case 1:
    case 2:
    case 3:
        if (!address_canonical(value) || !guest_address_ok(value)) {
            return -XEN_EPERM;
        }
        break;
    case 6:
        if (value > UINT32_MAX) {
            return -XEN_EPERM;
        }
        value = (value & DR6_KEPT) | DR6_ONES;
        break;
    case 7:
        if (!control_ok(value)) {
            return -XEN_EPERM;
        }
        value = (value & ~DR7_ZEROES) | DR7_ONES;
        enabled |= value;
        break;
    default:
        return -XEN_ENODEV;
    }
    vcpu->pv.debug[number] = value;
    if (live && number != 6 && (enabled & DR7_ENABLED) != 0) {
        pv_debug_registers_load(vcpu);
    }
    return 0;
}

bool pv_debug_register_get(const struct vcpu *vcpu, unsigned int number, uint64_t *value)
{
    number = real_number(vcpu, number);
    if (number == 8) {
        return false;
    }
    *value = vcpu->pv.debug[number];
    return true;
}

long hypercall_set_debugreg(uint64_t number, uint64_t value)
{
    return number > 7 ? -XEN_ENODEV
                      : pv_debug_register_set(current, (unsigned int)number, value, true);
}

long hypercall_get_debugreg(uint64_t number)
{
    uint64_t value;

    if (number > 7 || !pv_debug_register_get(current, (unsigned int)number, &value)) {
        return -XEN_ENODEV;
    }
    return (long)value;
}
