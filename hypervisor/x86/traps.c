/* SPDX-License-Identifier: MIT */
/*
 * Exceptions and interrupts: whose they are, and who handles them.
 */
#include "hypervisor/domain/domain.h"
#include "hypervisor/lib/log.h"
#include "hypervisor/lib/string.h"
#include "hypervisor/time/timer.h"
#include "hypervisor/x86/apic.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/entry.h"
#include "hypervisor/x86/extable.h"
#include "hypervisor/x86/irq.h"
#include "hypervisor/x86/panic_dump.h"
#include "hypervisor/x86/smp.h"
#include "hypervisor/x86/tlb.h"

extern const struct extable_entry _extable_start[], _extable_end[];

/* Where to go on after a fault at `rip`; 0 if it was not foreseen.  A hundred entries, looked at
 * only after a fault: no index. */
static uint64_t extable_find(uint64_t rip)
{
    for (const struct extable_entry *entry = _extable_start; entry < _extable_end; entry++) {
        if ((uint64_t)&entry->from + (uint64_t)entry->from == rip) {
            return (uint64_t)&entry->to + (uint64_t)entry->to;
        }
    }
    return 0;
}

static void interrupt(uint32_t vector)
{
    if (vector < VECTOR_DEVICE_FIRST) {
        log_guest("CPU %u: spurious interrupt, vector %u\n", cpu_id(), vector);
        return;
    }
    if (vector <= VECTOR_DEVICE_LAST) {
        irq_interrupt((uint8_t)vector);
        return;
    }
    if (vector != VECTOR_SPURIOUS) {
        apic_end_of_interrupt();
    }
    switch (vector) {
    case VECTOR_APIC_TIMER:
        timer_interrupt();
        break;
    case VECTOR_TLB_FLUSH:
        tlb_serve();
        break;
    case VECTOR_STOP:
        smp_stop_if_told();
        break;
    case VECTOR_APIC_ERROR:
        apic_error_interrupt();
        break;
    default: /* VECTOR_WAKE: to have come back to the way out is all */
        break;
    }
}

static void nmi_or_machine_check(const struct cpu_regs *regs)
{
    if (regs->vector == VECTOR_MC) {
        log_error("CPU %u: machine check\n", cpu_id());
        panic_registers(regs);
    }
    if (panic_in_progress()) {
        panic_stop_here(regs);
    }
    nmi_received(regs);
}

void trap_from_guest(struct cpu_regs *regs)
{
    if (likely(regs->vector < 32 || regs->vector == VECTOR_SYSTEM_CALL)) {
        pv_exception(regs, current);
    } else {
        interrupt(regs->vector);
    }
}

void trap_from_guest_own_stack(struct cpu_regs *regs)
{
    if (regs->vector == VECTOR_DB) {
        pv_exception(regs, current);
    } else {
        nmi_or_machine_check(regs);
    }
}

void trap_from_core(struct cpu_regs *regs)
{
    uint64_t next;

    if (regs->vector >= 32) {
        interrupt(regs->vector);
        return;
    }
    if (regs->vector == VECTOR_NMI || regs->vector == VECTOR_MC) {
        nmi_or_machine_check(regs);
        return;
    }
    if (regs->vector == VECTOR_DB) {
        /* A guest's breakpoint hit in an entry: nothing of ours uses them. */
        write_dr6(0xffff0ff0);
        regs->rflags &= ~(uint64_t)RFLAGS_TF;
        return;
    }
    if (regs->rip == (uint64_t)iret_to_guest) {
        pv_iret_failed(regs, current);
        cpu_enter_guest(this_cpu());
    }
    next = extable_find(regs->rip);
    if (next != 0 && regs->vector != VECTOR_DF) {
        regs->rip = next;
        return;
    }
    panic_registers(regs);
}

struct cpu_regs *trap_to_main_stack(const struct cpu_regs *regs)
{
    struct cpu_info *info = this_cpu();

    memcpy(&info->regs, regs, sizeof(*regs));
    return &info->regs;
}
