/* SPDX-License-Identifier: MIT */
/*
 * callback_op and the older set_callbacks: what can be registered, where, and taken back.
 *
 * Attack: a callback at an address that is not canonical makes the hypervisor's IRET or SYSRET
 * fault in ring 0.
 * Source: public callback.h and nmi.h; errors watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static volatile unsigned int nmis;

static long set(unsigned int type, unsigned long address)
{
    struct callback_register request = {
        .type = (uint16_t)type,
        .flags = CALLBACKF_mask_events,
        .address = address,
    };

    return hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_register, &request);
}

static long unset(unsigned int type)
{
    struct callback_unregister request = { .type = (uint16_t)type };

    return hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_unregister, &request);
}

static bool note_nmi(struct regs *regs)
{
    if (regs->vector != VECTOR_NMI) {
        return false;
    }
    nmis++;
    return true;
}

static void check_types(void)
{
    static const struct {
        unsigned int type;
        const char *name;
        const void *entry;
    } types[] = {
        { CALLBACKTYPE_event, "event", upcall_entry },
        { CALLBACKTYPE_failsafe, "failsafe", failsafe_entry },
        { CALLBACKTYPE_syscall, "syscall", syscall_entry },
        { CALLBACKTYPE_syscall32, "syscall32", syscall32_entry },
        { CALLBACKTYPE_sysenter, "sysenter", sysenter_entry },
        { CALLBACKTYPE_nmi, "nmi", nmi_entry },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(types); i++) {
        expect_eq(set(types[i].type, (unsigned long)types[i].entry), 0, types[i].name);
        expect_eq(set(types[i].type, 0x0000900000000000UL), -XEN_EINVAL, "not canonical");
        expect_eq(set(types[i].type, 0x8000000000000000UL), -XEN_EINVAL, "not canonical");
        expect_eq(set(types[i].type, (unsigned long)types[i].entry), 0, "again");
    }
    expect_eq(set(6, (unsigned long)upcall_entry), -XEN_ENOSYS, "type 6");
    expect_eq(set(8, (unsigned long)upcall_entry), -XEN_ENOSYS, "type 8");
    expect_eq(set(0xffff, (unsigned long)upcall_entry), -XEN_ENOSYS, "type 0xffff");

    expect_eq(unset(CALLBACKTYPE_event), -XEN_EINVAL, "event can only be replaced");
    expect_eq(unset(CALLBACKTYPE_failsafe), -XEN_EINVAL, "so can failsafe");
    expect_eq(unset(CALLBACKTYPE_syscall), -XEN_EINVAL, "and syscall");
    expect_eq(unset(CALLBACKTYPE_nmi), 0, "nmi can be taken back");
    expect_eq(unset(99), -XEN_ENOSYS, "type 99");

    expect_eq(hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_register, BAD_UNMAPPED), -XEN_EFAULT,
              "bad pointer");
    expect_eq(hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_unregister, BAD_HYPERVISOR),
              -XEN_EFAULT, "bad pointer");
}

static void check_nmi(void)
{
    trap_hook = note_nmi;
    expect_eq(set(CALLBACKTYPE_nmi, (unsigned long)nmi_entry), 0, "register");
    expect_eq(hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_send_nmi, 0, 0), 0, "send");
    expect(wait_for(nmis == 1, 1000UL), "delivered, with events masked");
    expect_eq(hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_send_nmi, 0, 0), 0, "send again");
    expect(wait_for(nmis == 2, 1000UL), "and again: iret ended the first");
    expect_eq(unset(CALLBACKTYPE_nmi), 0, "unregister");
    expect_eq(hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_send_nmi, 99, 0), -XEN_ENOENT, "no vCPU");
    trap_hook = NULL;
}

/* Linux has its handler in the trap table, and registers no callback. */
static void check_nmi_by_trap_table(void)
{
    evtchn_port_t timer;
    uint64_t start;

    trap_hook = note_nmi;
    set_trap(2, 4, nmi_entry);
    expect_eq(hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_send_nmi, 0, 0), 0, "send");
    expect(wait_for(nmis == 3, 1000UL), "delivered");
    expect_eq(unset(CALLBACKTYPE_nmi), 0, "that is the same handler");
    expect_eq(hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_send_nmi, 0, 0), 0, "send to nobody");

    expect_eq(bind_virq(VIRQ_TIMER, 0, &timer), 0, "timer");
    hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_stop_periodic_timer, 0, 0);
    clear_port(timer);
    unmask_port(timer);
    this_cpu()->events_wanted = true;
    start = now();
    expect_eq(hypercall1(__HYPERVISOR_set_timer_op, start + 10 * MILLISECOND), 0, "timer");
    expect_eq(hypercall2(__HYPERVISOR_sched_op, SCHEDOP_block, 0), 0, "block");
    expect(now() >= start + 10 * MILLISECOND, "an NMI without a handler keeps nobody awake");
    expect_eq(nmis, 3, "and is lost");
    events_off();
    trap_hook = NULL;
}

static void check_set_callbacks(void)
{
    unsigned int there;
    unsigned int here = loop_ports(&there);

    expect_eq(hypercall3(__HYPERVISOR_set_callbacks, upcall_entry, failsafe_entry, syscall_entry),
              0, "all three at once");
    unmask_port(here);
    events_on();
    expect_eq(port_send(there), 0, "send");
    expect_eq(port_count[here], 1, "an event comes");
    events_off();
    /* Refused, or (in Debian's Xen) ignored without a word; the old one stays. */
    expect(hypercall3(__HYPERVISOR_set_callbacks, 0x0000900000000000UL, failsafe_entry,
                      syscall_entry) <= 0,
           "not canonical");
    events_on();
    expect_eq(port_send(there), 0, "send");
    expect_eq(port_count[here], 2, "events still come");
    events_off();
}

void test_main(void)
{
    check_types();
    check_nmi();
    check_nmi_by_trap_table();
    check_set_callbacks();
}
