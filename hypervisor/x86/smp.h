/* SPDX-License-Identifier: MIT */
/*
 * The CPUs of the machine and how they talk to each other.
 */
#pragma once

#include "hypervisor/lib/cpumask.h"

/* Vectors of the core's own interrupts; device interrupts get 0x30 to 0xef but 0x80. */
#define VECTOR_DEVICE_FIRST 0x30
#define VECTOR_DEVICE_LAST  0xef
#define VECTOR_APIC_TIMER   0xf0
#define VECTOR_WAKE         0xf1 /* look at your soft interrupts and your vCPU's events */
#define VECTOR_TLB_FLUSH    0xf2
#define VECTOR_STOP         0xf3
#define VECTOR_APIC_ERROR   0xfe
#define VECTOR_SPURIOUS     0xff

struct cpu {
    uint32_t apic_id;
    uint32_t acpi_id;
};

extern struct cpu cpus[CPU_LIMIT]; /* in order of start; cpus[0] is the boot CPU */
extern unsigned int cpu_count;     /* started */
extern struct cpumask cpus_online;

/* A frame below 1 MiB for the start-up code; 0 if there is none (boot/memory.c). */
extern uint64_t smp_trampoline_frame;

/* The handler of VECTOR_STOP: does not return if another CPU stops the machine. */
void smp_stop_if_told(void);

/* Interrupt one CPU.  To oneself it works as well. */
void cpu_send(unsigned int cpu, uint8_t vector);

/* Start all CPUs of the MADT, at most `limit`; the boot CPU is running already. */
void smp_start(unsigned int limit);

/* Stop all other CPUs for good: before reboot, power-off and in panic(). */
void smp_stop_others(void);
