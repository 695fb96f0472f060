/* SPDX-License-Identifier: MIT */
/*
 * Included before anything else in the hosted core (-include): the instructions of
 * hypervisor/x86/cpu.h that a program may not execute, or that would not be the same
 * in two runs, become functions of tests/attack/machine.c.
 */
#ifndef TESTS_ATTACK_CPU_H
#define TESTS_ATTACK_CPU_H

/* The real ones get another name, and nobody calls them. */
#define cpuid                  real_cpuid
#define read_msr               real_read_msr
#define write_msr              real_write_msr
#define read_cr0               real_read_cr0
#define write_cr0              real_write_cr0
#define read_cr2               real_read_cr2
#define write_cr2              real_write_cr2
#define read_cr3               real_read_cr3
#define write_cr3              real_write_cr3
#define read_cr4               real_read_cr4
#define write_cr4              real_write_cr4
#define read_dr6               real_read_dr6
#define write_dr0              real_write_dr0
#define write_dr1              real_write_dr1
#define write_dr2              real_write_dr2
#define write_dr3              real_write_dr3
#define write_dr6              real_write_dr6
#define write_dr7              real_write_dr7
#define clear_task_switched    real_clear_task_switched
#define swap_gs                real_swap_gs
#define flush_caches           real_flush_caches
#define read_tsc               real_read_tsc
#define read_tsc_ordered       real_read_tsc_ordered
#define invlpg                 real_invlpg
#define cpu_pause              real_cpu_pause
#define interrupts_poll        real_interrupts_poll
#define cpu_wait_for_interrupt real_cpu_wait_for_interrupt
#define in8                    real_in8
#define out8                   real_out8
#define in16                   real_in16
#define out16                  real_out16
#define in32                   real_in32
#define out32                  real_out32

#include "hypervisor/x86/cpu.h"

#undef cpuid
#undef read_msr
#undef write_msr
#undef read_cr0
#undef write_cr0
#undef read_cr2
#undef write_cr2
#undef read_cr3
#undef write_cr3
#undef read_cr4
#undef write_cr4
#undef read_dr6
#undef write_dr0
#undef write_dr1
#undef write_dr2
#undef write_dr3
#undef write_dr6
#undef write_dr7
#undef clear_task_switched
#undef swap_gs
#undef flush_caches
#undef read_tsc
#undef read_tsc_ordered
#undef invlpg
#undef cpu_pause
#undef interrupts_poll
#undef cpu_wait_for_interrupt
#undef in8
#undef out8
#undef in16
#undef out16
#undef in32
#undef out32

struct cpuid_regs cpuid(uint32_t leaf, uint32_t subleaf);
uint64_t read_msr(uint32_t msr);
void write_msr(uint32_t msr, uint64_t value);
uint64_t read_cr2(void);
uint64_t read_cr3(void);
void write_cr3(uint64_t value);
uint64_t read_tsc(void);
void cpu_pause(void);
void interrupts_poll(void);
void never_returns cpu_wait_for_interrupt(void);

/* Registers that decide nothing here. */
#define read_cr0()            UINT64_C(0x80010033)
#define write_cr0(value)      ((void)(value))
#define write_cr2(value)      ((void)(value))
#define read_cr4()            UINT64_C(0x20)
#define write_cr4(value)      ((void)(value))
#define read_dr6()            UINT64_C(0xffff0ff0)
#define write_dr0(value)      ((void)(value))
#define write_dr1(value)      ((void)(value))
#define write_dr2(value)      ((void)(value))
#define write_dr3(value)      ((void)(value))
#define write_dr6(value)      ((void)(value))
#define write_dr7(value)      ((void)(value))
#define clear_task_switched() ((void)0)
#define swap_gs()             ((void)0)
#define flush_caches()        ((void)0)
#define read_tsc_ordered()    read_tsc()
#define invlpg(address)       ((void)(address)) /* the model of the TLB forgets by full flushes only */

/* No device answers. */
#define in8(port)          ((void)(port), (uint8_t)0xff)
#define in16(port)         ((void)(port), (uint16_t)0xffff)
#define in32(port)         ((void)(port), UINT32_MAX)
#define out8(port, value)  ((void)(port), (void)(value))
#define out16(port, value) ((void)(port), (void)(value))
#define out32(port, value) ((void)(port), (void)(value))

#endif
