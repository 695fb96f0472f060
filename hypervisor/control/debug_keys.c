/* SPDX-License-Identifier: MIT */
/*
 * Keys on the serial console while its input goes to the core (Ctrl-A three
 * times): look at the machine without any help from dom0.
 *
 * A key is acted upon in the UART's interrupt, or for dom0's sysctl, with no lock held on this CPU;
 * what other CPUs change meanwhile may show half changed.
 */
#include "hypervisor/drivers/console.h"
#include "hypervisor/drivers/reset.h"
#include "hypervisor/event/event.h"
#include "hypervisor/grant/grant.h"
#include "hypervisor/mm/heap.h"
#include "hypervisor/sched/sched.h"
#include "hypervisor/time/clock.h"
#include "hypervisor/x86/irq.h"
#include "hypervisor/x86/panic_dump.h"
#include "hypervisor/x86/percpu.h"
#include "hypervisor/x86/smp.h"

static void show_vcpu(const struct vcpu *vcpu)
{
    uint32_t blocked = atomic_load(&vcpu->blocked);

    log_error("  v%u: cpu %u%s%s%s, upcall pending %u mask %u%s\n", vcpu->id, vcpu->cpu,
              atomic_load(&vcpu->running) ? " running" : "",
              (blocked & VCPU_DOWN) != 0 ? " down" : "",
              (blocked & VCPU_BLOCKED) != 0 ? " blocked" : "", vcpu->info->evtchn_upcall_pending,
              (unsigned int)vcpu->info->evtchn_upcall_mask,
              (blocked & VCPU_POLLING) != 0 ? ", polling" : "");
    if (!atomic_load(&vcpu->running)) {
        log_error("      rip %lx rsp %lx cr3 %lx %s\n", vcpu->regs.rip, vcpu->regs.rsp,
                  vcpu->pv.kernel_mode ? vcpu->pv.kernel_cr3 : vcpu->pv.user_cr3,
                  vcpu->pv.kernel_mode ? "kernel" : "user");
    }
}

static void show_domain(const struct domain *domain)
{
    static const char *const states[] = {
        [DOMAIN_ALIVE] = "alive", [DOMAIN_DYING] = "dying", [DOMAIN_DEAD] = "dead"
    };
    struct vcpu *vcpu;

    log_error("d%u: %s%s%s, references %u, paused %u, %lu of %lu pages\n", domain->id,
              states[atomic_load(&domain->state)], domain->privileged ? " privileged" : "",
              atomic_load(&domain->shutting_down) ? " shut down" : "",
              atomic_load(&domain->references), atomic_load(&domain->pause_count), domain->pages,
              domain->max_pages);
    FOR_EACH_VCPU(domain, vcpu)
    {
        show_vcpu(vcpu);
    }
}

static uint64_t domain_pages;

static void add_pages(const struct domain *domain)
{
    log_error("d%u: %lu pages, limit %lu\n", domain->id, domain->pages, domain->max_pages);
    domain_pages += domain->pages;
}

static void key_memory(void)
{
    uint64_t total = heap_total_count(), unused = heap_free_count();

    domain_pages = 0;
    domain_for_each(add_pages);
    log_error("%lu pages: %lu free, %lu of domains, %lu of the core\n", total, unused, domain_pages,
              total - unused - domain_pages);
}

/* Every other CPU by NMI, so that one that hangs shows itself as well. */
static void key_registers(void)
{
    unsigned int cpu;

    log_error("CPU %u, domain %u vCPU %u, which runs here:\n", cpu_id(), current->domain->id,
              current->id);
    if (!current->is_idle) {
        registers_dump(&this_cpu()->regs);
    }
    FOR_EACH_CPU(cpu, &cpus_online)
    {
        if (cpu != cpu_id()) {
            registers_request(cpu);
        }
    }
}

static void key_time(void)
{
    uint64_t seconds;
    uint32_t nanoseconds;

    clock_wall_get(&seconds, &nanoseconds);
    log_error("system time %lu ns, TSC %lu Hz%s, %lu.%09u s since 1970 at its start\n", clock_now(),
              clock_tsc_hz(), clock_tsc_stable() ? ", stable" : "", seconds, nanoseconds);
}

static void key_crash(void)
{
    panic("asked for on the console");
}

static void key_help(void);

static const struct key {
    char key;
    void (*act)(void);                         /* NULL: */
    void (*show)(const struct domain *domain); /* each of them */
    const char *help;
} keys[] = {
    { 'C', key_crash, NULL, "crash the machine" },
    { 'R', machine_reboot, NULL, "reboot the machine" },
    { 'd', key_registers, NULL, "registers of all CPUs" },
    { 'e', NULL, events_dump, "event channels" },
    { 'g', NULL, grant_dump, "grant tables" },
    { 'h', key_help, NULL, "this help" },
    { 'i', irq_dump, NULL, "interrupt lines" },
    { 'm', key_memory, NULL, "memory accounting" },
    { 'q', NULL, show_domain, "domains and vCPUs" },
    { 'r', sched_dump, NULL, "run queues" },
    { 't', key_time, NULL, "clocks" },
};

static void key_help(void)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(keys); i++) {
        log_error("%c: %s\n", keys[i].key, keys[i].help);
    }
}

void debug_key(char key)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(keys); i++) {
        if (keys[i].key == key) {
            log_error("-- %s, CPU %u, at %lu ns\n", keys[i].help, cpu_id(), clock_now());
            if (keys[i].act != NULL) {
                keys[i].act();
            } else {
                domain_for_each(keys[i].show);
            }
            return;
        }
    }
    if (key != '\r' && key != '\n') {
        log_error("no such key: h for help\n");
    }
}
