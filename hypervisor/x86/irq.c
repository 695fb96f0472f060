/* SPDX-License-Identifier: MIT */
/*
 * Interrupt lines and vectors.
 *
 * A vector leads to its line through a table for each CPU, read without a lock;
 * the line's own lock covers the rest of the way.  The local APIC is told at
 * once that the interrupt is over, so that no guest can hold others back; a
 * level-triggered pin is masked first, until its user has dealt with the device.
 */
#include "hypervisor/x86/irq.h"

#include "hypervisor/lib/log.h"
#include "hypervisor/x86/apic.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/percpu.h"
#include "hypervisor/x86/smp.h"

#define VECTORS (VECTOR_DEVICE_LAST - VECTOR_DEVICE_FIRST + 1)

struct irq_line irq_lines[IRQ_LINE_LIMIT];

static uint32_t gsi_count;

/* Line number + 1; 0: the vector is free on that CPU. */
static uint16_t vector_lines[CPU_LIMIT][VECTORS];

/* Covers handing out: vectors, and the kind of a message line. */
static struct spinlock alloc_lock = SPINLOCK_INIT(RANK_DEVICE);

static uint64_t strays;

uint32_t irq_gsi_count(void)
{
    return gsi_count;
}

void irq_setup(uint32_t gsis)
{
    gsi_count = MIN(gsis, IRQ_GSI_LIMIT);
    for (uint32_t i = 0; i < IRQ_LINE_LIMIT; i++) {
        spinlock_init(&irq_lines[i].lock, RANK_IRQ);
        irq_lines[i].masked = true;
    }
}

static uint16_t *vector_slot(unsigned int cpu, uint8_t vector)
{
    return &vector_lines[cpu][vector - VECTOR_DEVICE_FIRST];
}

void irq_interrupt(uint8_t vector)
{
    uint32_t slot = read_once(*vector_slot(cpu_id(), vector));
    struct irq_line *line;
    void (*handler)(void);

    if (unlikely(slot == 0)) {
        /* Nobody's vector: sent before its line was released, or by broken hardware. */
        apic_end_of_interrupt();
        if (strays++ < 10) {
            log_warning("irq: CPU %u: stray interrupt, vector 0x%x\n", cpu_id(), vector);
        }
        return;
    }

    line = &irq_lines[slot - 1];
    spin_lock(&line->lock);
    line->count++;
    if (line->kind == IRQ_LEVEL) {
        line->masked = line->handler == NULL;
        ioapic_mask(slot - 1);
    }
    apic_end_of_interrupt();
    if (likely(line->domain != NULL)) {
        pirq_interrupt(line);
        spin_unlock(&line->lock);
        return;
    }
    handler = line->handler;
    spin_unlock(&line->lock);
    if (handler == NULL) { /* a message that was not bound yet */
        return;
    }
    handler();
    if (line->kind == IRQ_LEVEL) {
        ioapic_unmask(slot - 1);
    }
}

uint32_t irq_message_alloc(void)
{
    uint32_t found = IRQ_NONE;

    spin_lock(&alloc_lock);
    for (uint32_t i = gsi_count; i < IRQ_LINE_LIMIT && found == IRQ_NONE; i++) {
        if (irq_lines[i].kind == IRQ_UNUSED) {
            irq_lines[i].kind = IRQ_MESSAGE;
            found = i;
        }
    }
    spin_unlock(&alloc_lock);
    return found;
}

void irq_message_free(uint32_t number)
{
    spin_lock(&alloc_lock);
    irq_lines[number].kind = IRQ_UNUSED;
    spin_unlock(&alloc_lock);
}

static bool free_everywhere(uint8_t vector)
{
    unsigned int cpu;

    FOR_EACH_CPU(cpu, &cpus_online)
    {
        if (*vector_slot(cpu, vector) != 0) {
            return false;
        }
    }
    return true;
}

/* A vector that is free on every CPU, so that the line can move; else one free on this. */
static uint8_t choose_vector(unsigned int cpu)
{
    uint8_t here = 0;

    for (unsigned int i = 0; i < VECTORS; i++) {
        uint8_t vector = (uint8_t)(VECTOR_DEVICE_FIRST + i);

        if (vector == VECTOR_SYSTEM_CALL) {
            continue;
        }
        if (free_everywhere(vector)) {
            return vector;
        }
        if (here == 0 && *vector_slot(cpu, vector) == 0) {
            here = vector;
        }
    }
    return here;
}

bool irq_vector_assign(struct irq_line *line, unsigned int cpu)
{
    uint8_t vector;

    if (line->vector != 0) {
        return true;
    }
    spin_lock(&alloc_lock);
    vector = choose_vector(cpu);
    if (vector != 0) {
        line->vector = vector;
        line->cpu = (uint16_t)cpu;
        line->old_cpu = (uint16_t)cpu;
        write_once(*vector_slot(cpu, vector), (uint16_t)(irq_number(line) + 1));
    }
    spin_unlock(&alloc_lock);
    return vector != 0;
}

bool irq_vector_move(struct irq_line *line, unsigned int cpu)
{
    uint16_t me = (uint16_t)(irq_number(line) + 1);
    bool moved = false;

    if (line->vector == 0 || cpu == line->cpu) {
        return line->vector != 0;
    }
    spin_lock(&alloc_lock);
    if (*vector_slot(cpu, line->vector) == me || *vector_slot(cpu, line->vector) == 0) {
        /* Interrupts on their way to the CPU before still find the line there. */
        if (line->old_cpu != line->cpu && line->old_cpu != cpu) {
            write_once(*vector_slot(line->old_cpu, line->vector), 0);
        }
        write_once(*vector_slot(cpu, line->vector), me);
        line->old_cpu = line->cpu;
        line->cpu = (uint16_t)cpu;
        moved = true;
    }
    spin_unlock(&alloc_lock);
    return moved;
}

void irq_vector_release(struct irq_line *line)
{
    if (line->vector == 0) {
        return;
    }
    spin_lock(&alloc_lock);
    write_once(*vector_slot(line->cpu, line->vector), 0);
    write_once(*vector_slot(line->old_cpu, line->vector), 0);
    line->vector = 0;
    spin_unlock(&alloc_lock);
}

bool irq_request_isa(unsigned int isa_irq, void (*handler)(void))
{
    uint32_t gsi = ioapic_gsi_of_isa(isa_irq);
    struct irq_line *line;
    bool done = false;

    if (gsi >= gsi_count) {
        return false;
    }
    line = &irq_lines[gsi];
    spin_lock(&line->lock);
    if (line->kind != IRQ_UNUSED && line->domain == NULL && line->handler == NULL &&
        irq_vector_assign(line, 0)) {
        line->handler = handler;
        line->masked = false;
        ioapic_program(gsi, line);
        done = true;
    }
    spin_unlock(&line->lock);
    return done;
}

void irq_dump(void)
{
    static const char *const kinds[] = { [IRQ_UNUSED] = "unused",
                                         [IRQ_EDGE] = "edge",
                                         [IRQ_LEVEL] = "level",
                                         [IRQ_MESSAGE] = "message" };

    for (uint32_t i = 0; i < IRQ_LINE_LIMIT; i++) {
        const struct irq_line *line = &irq_lines[i];

        if (line->vector != 0) {
            log_error("irq %4u: %-7s vector %02x cpu %u%s %s port %u, %lu taken\n", i,
                      kinds[line->kind], line->vector, line->cpu, line->masked ? " masked" : "",
                      line->domain != NULL ? "guest" : "core", line->port, line->count);
        }
    }
    log_error("irq: %lu strays\n", strays);
}
