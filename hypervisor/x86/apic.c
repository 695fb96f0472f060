/* SPDX-License-Identifier: MIT */
/*
 * The local APIC.  SDM volume 3A, chapter 10.
 *
 * One mode for all CPUs, chosen once: x2APIC (registers are MSRs) where CPUID
 * has it or the firmware left it on, else xAPIC (registers are memory).
 * Interrupts are off in the core, so the two-part command register of xAPIC
 * needs no lock; NMI handlers use it only when the machine is going down.
 */
#include "hypervisor/x86/apic.h"

#include "hypervisor/lib/log.h"
#include "hypervisor/lib/panic.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/features.h"
#include "hypervisor/x86/paging.h"
#include "hypervisor/x86/percpu.h"
#include "hypervisor/x86/smp.h"

#define APIC_ID              0x020
#define APIC_TPR             0x080
#define APIC_EOI             0x0b0
#define APIC_SPURIOUS        0x0f0
#define APIC_ESR             0x280
#define APIC_ICR             0x300
#define APIC_ICR_HIGH        0x310
#define APIC_LVT_TIMER       0x320
#define APIC_LVT_THERMAL     0x330
#define APIC_LVT_PERFORMANCE 0x340
#define APIC_LVT_LINT0       0x350
#define APIC_LVT_LINT1       0x360
#define APIC_LVT_ERROR       0x370
#define APIC_TIMER_COUNT     0x380
#define APIC_TIMER_CURRENT   0x390
#define APIC_TIMER_DIVIDE    0x3e0

#define BASE_ENABLED UINT64_C(0x800)
#define BASE_X2APIC  UINT64_C(0x400)
#define BASE_ADDRESS UINT64_C(0x000ffffffffff000)

#define SPURIOUS_ENABLE 0x100u
#define ICR_PENDING     0x1000u
#define ICR_ASSERT      0x4000u
#define LVT_NMI         0x0400u
#define LVT_MASKED      0x10000u
#define DIVIDE_BY_1     0xbu

#define CALIBRATIONS_PER_SECOND 50 /* one takes this part of a second */

static bool x2apic;
static volatile uint32_t *registers; /* xAPIC */

/* Timer ticks for TSC ticks: (ticks * timer_mul) >> 32, timer_mul < 2^32 in practice. */
static uint64_t timer_mul;
static uint64_t timer_max_tsc; /* what the 32-bit counter can hold, in TSC ticks */

static always_inline uint32_t read_register(uint32_t offset)
{
    if (x2apic) {
        return (uint32_t)read_msr(MSR_X2APIC + (offset >> 4));
    }
    return registers[offset / 4];
}

static always_inline void write_register(uint32_t offset, uint32_t value)
{
    if (x2apic) {
        write_msr(MSR_X2APIC + (offset >> 4), value);
    } else {
        registers[offset / 4] = value;
    }
}

void apic_setup(void)
{
    uint64_t base = read_msr(MSR_APIC_BASE);

    x2apic = cpu_features.x2apic || (base & BASE_X2APIC) != 0;
    if (!x2apic) {
        registers = map_device(maddr(base & BASE_ADDRESS), PAGE_SIZE);
        if (registers == NULL) {
            panic("no room to map the local APIC");
        }
    }
    log_info("apic: %s mode\n", x2apic ? "x2APIC" : "xAPIC");
}

void apic_setup_cpu(void)
{
    uint64_t base = read_msr(MSR_APIC_BASE) | BASE_ENABLED;

    write_msr(MSR_APIC_BASE, base);
    if (x2apic) { /* only from enabled xAPIC mode, hence in two steps */
        write_msr(MSR_APIC_BASE, base | BASE_X2APIC);
    }

    write_register(APIC_TPR, 0);
    write_register(APIC_LVT_LINT0, LVT_MASKED);
    write_register(APIC_LVT_LINT1, LVT_NMI);
    write_register(APIC_LVT_PERFORMANCE, LVT_MASKED);
    write_register(APIC_LVT_THERMAL, LVT_MASKED);
    write_register(APIC_LVT_TIMER, VECTOR_APIC_TIMER);
    write_register(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
    write_register(APIC_TIMER_COUNT, 0);
    write_register(APIC_ESR, 0);
    write_register(APIC_LVT_ERROR, VECTOR_APIC_ERROR);
    write_register(APIC_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
}

uint32_t apic_id(void)
{
    uint32_t id = read_register(APIC_ID);

    return x2apic ? id : id >> 24;
}

void apic_end_of_interrupt(void)
{
    write_register(APIC_EOI, 0);
}

void apic_error_interrupt(void)
{
    static uint32_t reported;
    uint32_t status;

    write_register(APIC_ESR, 0);
    status = read_register(APIC_ESR);
    if ((status & ~reported) != 0) { /* each kind once: it may come in floods */
        reported |= status;
        log_warning("apic: CPU %u: error 0x%x\n", cpu_id(), status);
    }
}

void apic_send(uint32_t target_id, uint32_t message)
{
    uint32_t command = ICR_ASSERT | message;

    if (x2apic) {
        /* An MSR write is no barrier: what the receiver shall see comes first. */
        __asm__ volatile("mfence; lfence" : : : "memory");
        write_msr(MSR_X2APIC + (APIC_ICR >> 4), (uint64_t)target_id << 32 | command);
        return;
    }
    /* At most a moment: an IPI that is not accepted must not hang the sender. */
    for (unsigned int i = 0; i < 1000000 && (registers[APIC_ICR / 4] & ICR_PENDING) != 0; i++) {
        cpu_pause();
    }
    registers[APIC_ICR_HIGH / 4] = target_id << 24;
    registers[APIC_ICR / 4] = command;
}

/* The timer's count and the TSC at one instant: of several tries the one that was quickest. */
static uint32_t read_both(uint64_t *tsc)
{
    uint64_t best = UINT64_MAX;
    uint32_t count = 0;

    for (unsigned int i = 0; i < 10; i++) {
        uint64_t before = read_tsc_ordered();
        uint32_t now = read_register(APIC_TIMER_CURRENT);
        uint64_t took = read_tsc_ordered() - before;

        if (took < best) {
            best = took;
            *tsc = before + took / 2;
            count = now;
        }
    }
    return count;
}

void apic_timer_calibrate(uint64_t tsc_hz)
{
    uint64_t start, end;
    uint32_t first, last;

    write_register(APIC_LVT_TIMER, LVT_MASKED | VECTOR_APIC_TIMER);
    write_register(APIC_TIMER_COUNT, UINT32_MAX);
    first = read_both(&start);
    while (read_tsc_ordered() - start < tsc_hz / CALIBRATIONS_PER_SECOND) {
        cpu_pause();
    }
    last = read_both(&end);
    write_register(APIC_TIMER_COUNT, 0);
    write_register(APIC_LVT_TIMER, VECTOR_APIC_TIMER);

    if (first == last) {
        panic("the local APIC's timer does not count");
    }
    timer_mul = ((uint64_t)(first - last) << 32) / (end - start);
    timer_max_tsc = ((uint64_t)UINT32_MAX << 32) / timer_mul;
    log_info("apic: timer runs at %lu kHz\n", (timer_mul * (tsc_hz / 1000)) >> 32);
}

void apic_timer_set(uint64_t deadline)
{
    uint64_t now, ticks;

    now = read_tsc();
    if (deadline <= now) {
        ticks = 1;
    } else {
        /* Too far away: it fires early and is set again. */
        ticks = MIN(deadline - now, timer_max_tsc);
        ticks =
            MIN((uint64_t)(((unsigned __int128)ticks * timer_mul) >> 32) + 1, (uint64_t)UINT32_MAX);
    }
    write_register(APIC_TIMER_COUNT, (uint32_t)ticks);
}
