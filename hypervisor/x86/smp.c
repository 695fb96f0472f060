/* SPDX-License-Identifier: MIT */
/*
 * Starting and stopping CPUs, and calls across them.
 */
#include "hypervisor/x86/smp.h"

#include "hypervisor/drivers/acpi.h"
#include "hypervisor/lib/log.h"
#include "hypervisor/lib/panic.h"
#include "hypervisor/lib/string.h"
#include "hypervisor/sched/sched.h"
#include "hypervisor/time/clock.h"
#include "hypervisor/x86/apic.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/descriptors.h"
#include "hypervisor/x86/entry.h"
#include "hypervisor/x86/features.h"
#include "hypervisor/x86/paging.h"
#include "hypervisor/x86/tlb.h"

struct cpu cpus[CPU_LIMIT];
unsigned int cpu_count;
struct cpumask cpus_online;

extern const uint8_t trampoline[], trampoline_end[];
extern uint64_t ap_cr3, ap_stack;
void smp_cpu_main(void);

static _Atomic unsigned int started; /* the CPU that has come up, + 1 */

#define PATIENCE 10000000u /* with CPUs that are to stop, in looks: about a second */

static _Atomic uint32_t stopper; /* the CPU that stops the machine, + 1; 0: none does */

void cpu_send(unsigned int cpu, uint8_t vector)
{
    apic_send(cpus[cpu].apic_id, vector);
}

void smp_stop_if_told(void)
{
    uint32_t by = atomic_load_explicit(&stopper, memory_order_relaxed);

    if (unlikely(by != 0 && by != cpu_id() + 1)) {
        cpumask_remove(&cpus_online, cpu_id());
        cpu_halt_forever();
    }
}

void smp_stop_others(void)
{
    unsigned int self = cpu_id(), cpu;
    uint32_t nobody = 0;

    (void)atomic_compare_exchange_strong(&stopper, &nobody, self + 1);
    smp_stop_if_told(); /* another one was first */
    FOR_EACH_CPU(cpu, &cpus_online)
    {
        if (cpu != self) {
            cpu_send(cpu, VECTOR_STOP);
        }
    }
    for (unsigned int i = 0; i < PATIENCE && (cpumask_next(&cpus_online, 0) < self ||
                                              cpumask_next(&cpus_online, self + 1) < CPU_LIMIT);
         i++) {
        spin_wait();
    }
}

/* A started CPU's first C: on its own stack and the core's tables already. */
void smp_cpu_main(void)
{
    unsigned int cpu = cpu_id();

    features_enable();
    descriptors_load();
    apic_setup_cpu();
    clock_setup_cpu();
    timer_setup_cpu();
    sched_setup_cpu();
    tlb_flush_local();
    cpumask_add(&cpus_online, cpu);
    atomic_store(&started, cpu + 1);
    cpu_idle(this_cpu());
}

/* Once for each number, even if the first CPU that was to have it did not start. */
static void prepare(unsigned int cpu)
{
    static unsigned int prepared;

    if (cpu != prepared && (!descriptors_create_cpu(cpu) || !sched_create_idle(cpu))) {
        panic("no memory to start CPU %u", cpu);
    }
    prepared = cpu;
}

static bool start_one(unsigned int cpu, uint8_t page)
{
    prepare(cpu);
    ap_cr3 = (uint64_t)core_l4 - CORE_IMAGE;
    ap_stack = (uint64_t)cpu_info_of(cpu);
    memory_barrier();

    apic_send(cpus[cpu].apic_id, APIC_INIT);
    clock_delay_us(10000);
    for (int attempt = 0; attempt < 2; attempt++) {
        apic_send(cpus[cpu].apic_id, APIC_STARTUP | page);
        for (int wait = 0; wait < 2000; wait++) {
            if (atomic_load(&started) == cpu + 1) {
                return true;
            }
            clock_serve_cpu();
            tlb_serve();
            clock_delay_us(100);
        }
    }
    apic_send(cpus[cpu].apic_id, APIC_INIT); /* nor later, on the stack of the next */
    log_error("CPU %u (APIC id %u) does not start; left out\n", cpu, cpus[cpu].apic_id);
    return false;
}

void smp_start(unsigned int limit)
{
    uint64_t size = (uint64_t)(trampoline_end - trampoline);

    if (smp_trampoline_frame == 0) {
        log_warning("no free page below 1 MiB: other CPUs are not started\n");
        return;
    }
    memcpy(direct_map(maddr(smp_trampoline_frame << PAGE_SHIFT)), trampoline, size);
    for (unsigned int i = 0; i < acpi.cpu_count && cpu_count < MIN(limit, CPU_LIMIT); i++) {
        if (acpi.cpus[i].apic_id == cpus[0].apic_id) {
            continue;
        }
        cpus[cpu_count].apic_id = acpi.cpus[i].apic_id;
        cpus[cpu_count].acpi_id = acpi.cpus[i].acpi_id;
        if (start_one(cpu_count, (uint8_t)smp_trampoline_frame)) {
            cpu_count++;
        }
    }
    log_info("%u CPU%s running\n", cpu_count, cpu_count == 1 ? "" : "s");
}
