/* SPDX-License-Identifier: MIT */
/*
 * Interrupt lines of devices, and the vectors that stand for them.
 *
 * A line is a pin of an I/O APIC (its number is the GSI) or a message of a PCI
 * device (numbers from irq_gsi_count() up).  It has one vector, on one CPU at a
 * time, and at most one user: the core itself or one domain's pirq.
 * docs/hypervisor/interrupts.md.
 */
#pragma once

#include "hypervisor/lib/lock.h"

#define IRQ_LINE_LIMIT 1024u
#define IRQ_GSI_LIMIT  512u
#define IRQ_NONE       UINT32_MAX

struct domain;

enum irq_kind {
    IRQ_UNUSED, /* a GSI without a pin, or a message not handed out */
    IRQ_EDGE,
    IRQ_LEVEL,
    IRQ_MESSAGE,
};

struct irq_line {
    struct spinlock lock;  /* RANK_IRQ: all below */
    uint8_t kind;          /* enum irq_kind */
    uint8_t vector;        /* 0: none */
    bool active_low;       /* pin */
    bool masked;           /* in the hardware: it has no user, or waits for its guest's EOI */
    uint16_t cpu;          /* where the vector is sent */
    uint16_t old_cpu;      /* where it was sent before a move; else the same */
    uint32_t pirq;         /* the domain's name for it, ... */
    uint32_t port;         /* and where it sees it */
    struct domain *domain; /* that it is bound to; NULL if to none */
    void (*handler)(void); /* the core's own device */
    uint64_t count;        /* interrupts taken */
};

extern struct irq_line irq_lines[IRQ_LINE_LIMIT];

static inline uint32_t irq_number(const struct irq_line *line)
{
    return (uint32_t)(line - irq_lines);
}

/* How many GSIs there are; drivers/ioapic.c tells, once. */
uint32_t irq_gsi_count(void);
void irq_setup(uint32_t gsis);

/* A device interrupt, VECTOR_DEVICE_FIRST to VECTOR_DEVICE_LAST. */
void irq_interrupt(uint8_t vector);

/* A free message line, or IRQ_NONE; and back. */
uint32_t irq_message_alloc(void);
void irq_message_free(uint32_t number);

/* Give the line a vector on a CPU.  False if that CPU has no more. */
bool must_check irq_vector_assign(struct irq_line *line, unsigned int cpu) REQUIRES(line->lock);

/*
 * Have the same vector on another CPU.  False, and nothing changed, if it is in
 * use there.  The old place keeps leading to the line until the next move.
 */
bool must_check irq_vector_move(struct irq_line *line, unsigned int cpu) REQUIRES(line->lock);
void irq_vector_release(struct irq_line *line) REQUIRES(line->lock);

/* Have `handler` called when an ISA interrupt fires.  False if it cannot be. */
bool must_check irq_request_isa(unsigned int isa_irq, void (*handler)(void));

/* Lines in use and their counts, on the console. */
void irq_dump(void);

/* Provided by drivers/ioapic.c: one pin.  Program it (masked), mask it, let it through. */
void ioapic_mask(uint32_t gsi);
void ioapic_unmask(uint32_t gsi);
void ioapic_program(uint32_t gsi, const struct irq_line *line);
uint32_t ioapic_gsi_of_isa(unsigned int isa_irq);

/* Provided by pv/pirq.c: the line fired and is bound to a domain. */
void pirq_interrupt(struct irq_line *line) REQUIRES(line->lock);
