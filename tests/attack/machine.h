/* SPDX-License-Identifier: MIT */
/*
 * A machine for the core to run on as a program: memory is an array, a CPU is a
 * structure, and one thread is all CPUs in turn (docs/attack.md).
 */
#ifndef TESTS_ATTACK_MACHINE_H
#define TESTS_ATTACK_MACHINE_H

#include "hypervisor/domain/domain.h"

#define CPUS 6u

/* Frames: devices, low RAM, a hole that is nobody's, RAM above 16 MiB (another zone of the heap).
 */
#define DEVICE_FRAMES 64u
#define LOW_END       192u
#define HIGH_START    4096u
#define FRAMES        5120u
#define RAM_FRAMES    (LOW_END - DEVICE_FRAMES + FRAMES - HIGH_START)

#define FOR_EACH_RAM_FRAME(number)                         \
    for (uint64_t number = DEVICE_FRAMES; number < FRAMES; \
         number = number + 1 == LOW_END ? HIGH_START : number + 1)

static inline bool frame_is_ram(uint64_t number)
{
    return (number >= DEVICE_FRAMES && number < LOW_END) ||
           (number >= HIGH_START && number < FRAMES);
}

/* Memory and tables; before any code of the core runs. */
void machine_setup(void);

/* The core up to where it would build dom0: clock, timers, scheduler, on all CPUs. */
void machine_boot(void);

/* The instant at which everything is as it was, from then on; and back to it. */
void machine_keep(void);
void machine_restore(void);

/* From here on this thread is that CPU, in the core. */
void machine_enter(unsigned int cpu);

/* The way out of the core: soft interrupts, an upcall if one is due; then the CPU runs a guest. */
void machine_leave(void);

/* Whatever interrupts are under way are taken on all CPUs that run guests or idle. */
void machine_settle(void);

/* The CPU on which a vCPU is loaded; CPUS if there is none. */
unsigned int machine_cpu_of(const struct vcpu *vcpu);

/* What is loaded on a CPU; the idle vCPU counts as one. */
struct vcpu *machine_vcpu_on(unsigned int cpu);

void machine_pass_time(uint64_t ns);

/* preempt_pending() finds something at every n-th question; 0: it does not. */
void machine_preempt_every(unsigned int n);

/* Do idle CPUs clear free frames? */
void machine_idle_clears(bool clears);

/* A write to CR3 by any CPU, told to the model of the TLB (check.c). */
void check_tlb_loaded(unsigned int cpu, uint64_t value);
uint64_t machine_cr3(unsigned int cpu);

/* The linear address of the last page fault. */
void machine_set_cr2(uint64_t address);

/*
 * What the MMU makes of an address in the tables at cr3: NULL if it faults.  *fault is
 * the error code.  The guest's own access, ring 3; or the core's.
 */
void *machine_translate(uint64_t cr3, uint64_t address, bool write, bool user, uint32_t *fault);

/* Of this CPU's guest: how many bytes were not reached. */
size_t guest_write(uint64_t address, const void *from, size_t size);
size_t guest_read(uint64_t address, void *to, size_t size);

/* What happens, to the standard error, if ATTACK_LOG is in the environment. */
void machine_tell(const char *format, ...) printf_like(1, 2);

/* Does not return: dom0 is gone, and the machine with it. */
void never_returns machine_ended(void);

/* Somebody is wrong: what, and how the machine came there; the process dies. */
void never_returns finding(const char *format, ...) printf_like(1, 2);

#endif
