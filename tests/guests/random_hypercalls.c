/* SPDX-License-Identifier: MIT */
/*
 * Attack without a plan: tens of thousands of hypercalls with numbers, pointers and counts drawn
 * from a list of nasty values, always in the same order, on one vCPU with events and timer going.
 *
 * What would end the guest by right (shutdown, taking its own vCPU down, its own mappings) is left
 * out. In the end the ordinary things must still work.
 * Source: design invariant 10.
 */
#include "tests/guests/lib/guest.h"

#define CALLS 60000

static uint64_t state = 0x123456789abcdef1UL;
static uint64_t *scratch;

/* Marsaglia's xorshift: the same numbers in every run. */
static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static unsigned long nasty(void)
{
    static const unsigned long values[] = {
        0,
        1,
        2,
        7,
        63,
        64,
        4095,
        4096,
        0x7ff0,
        0x7fff,
        0xffff,
        0x7fffffff,
        0x80000000UL,
        0xffffffffUL,
        0x100000000UL,
        0x00007ffffffff000UL,
        0x00007fffffffffffUL,
        0x0000800000000000UL,
        0xffff7fffffffffffUL,
        0xffff800000000000UL,
        0xffff830000000000UL,
        0xffff82d040200000UL,
        0xffff87fffffffff8UL,
        0xfffffffffffff000UL,
        ~0UL,
        1UL << 63,
    };
    uint64_t draw = next();

    switch (draw % 8) {
    case 0:
        return (unsigned long)scratch + (draw >> 8 & 0xff8);
    case 1:
        return (unsigned long)scratch + PAGE_SIZE - (draw >> 8 & 31);
    case 2:
        return draw >> 8 & 15;
    case 3:
        return va_mfn(scratch) + (draw >> 8 & 1);
    default:
        return values[(draw >> 8) % ARRAY_SIZE(values)];
    }
}

/* Would it be right to end the guest for this? */
static bool fatal(unsigned int number, const unsigned long *argument)
{
    unsigned int operation = (unsigned int)argument[0];

    switch (number) {
    case __HYPERVISOR_iret:
    case __HYPERVISOR_set_trap_table: /* null forgets all handlers */
    case __HYPERVISOR_set_callbacks:
    case __HYPERVISOR_callback_op:
    case __HYPERVISOR_nmi_op:
    case __HYPERVISOR_kexec_op:
    case __HYPERVISOR_update_va_mapping:
    case __HYPERVISOR_update_va_mapping_otherdomain:
    case __HYPERVISOR_multicall: /* of any of these */
    case __HYPERVISOR_platform_op:
    case __HYPERVISOR_arch_0: /* machine checks can be injected */
        return true;
    case __HYPERVISOR_sched_op:
    case __HYPERVISOR_sched_op_compat:
        return operation >= 1 && operation != SCHEDOP_poll;
    case __HYPERVISOR_vcpu_op:
        return operation == VCPUOP_down || operation == VCPUOP_send_nmi ||
               operation == VCPUOP_register_vcpu_info || operation == VCPUOP_up;
    case __HYPERVISOR_console_io:
        return operation == CONSOLEIO_write;
    case __HYPERVISOR_event_channel_op:
        return operation == EVTCHNOP_init_control || operation == EVTCHNOP_reset ||
               operation == EVTCHNOP_close;
    case __HYPERVISOR_memory_op:
        return (operation & 63) == XENMEM_decrease_reservation;
    default:
        return false;
    }
}

/* A random watch point on our own data does what it should. */
static bool disarm(struct regs *regs)
{
    if (regs->vector != VECTOR_DB) {
        return false;
    }
    hypercall2(__HYPERVISOR_set_debugreg, 7, 0);
    return true;
}

static void fill(void)
{
    for (unsigned int i = 0; i < 512; i++) {
        scratch[i] = nasty();
    }
}

void test_main(void)
{
    struct vcpu_set_periodic_timer timer = { .period_ns = 2 * MILLISECOND };
    unsigned int port, there, here, made = 0;
    uint8_t *guard;

    trap_hook = disarm;
    scratch = page_alloc();
    guard = page_alloc();
    expect_eq(update_va(guard, 0, UVMF_INVLPG), 0, "nothing behind the scratch page");
    expect_eq(bind_virq(VIRQ_TIMER, 0, &port), 0, "timer");
    unmask_port(port);
    hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_set_periodic_timer, 0, &timer);
    events_on();
    for (unsigned int i = 0; i < CALLS; i++) {
        unsigned int number = (unsigned int)(next() >> 8) % 64;
        unsigned long arguments[5];

        if (i % 16 == 0) {
            fill();
        }
        for (unsigned int j = 0; j < 5; j++) {
            arguments[j] = nasty();
        }
        if (!fatal(number, arguments)) {
            hypercall_raw(number, arguments);
            made++;
        }
    }
    events_off();
    hypercall1(__HYPERVISOR_fpu_taskswitch, 0);
    hypercall2(__HYPERVISOR_set_debugreg, 7, 0);
    hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_stop_periodic_timer, 0, 0);
    printf("%u calls made\n", made);
    expect(made > CALLS / 2, "most of them");

    expect_eq(hypercall2(__HYPERVISOR_xen_version, XENVER_version, 0), 4 << 16 | 17, "version");
    here = loop_ports(&there);
    unmask_port(here);
    events_on();
    expect_eq(port_send(there), 0, "send");
    expect_eq(port_count[here], 1, "events still come");
    events_off();
    expect_eq(update_va(guard, pte(va_mfn(scratch), PTE_READ_ONLY), UVMF_INVLPG), 0, "mapping");
}
