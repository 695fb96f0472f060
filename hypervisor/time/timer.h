/* SPDX-License-Identifier: MIT */
/*
 * Software timers: a function to be called on a CPU at a system time.
 *
 * Handlers run from a soft interrupt on the timer's CPU with no lock held and
 * may arm the timer again.  Whoever arms or stops a timer holds no lock that
 * its handler takes (but for a timer of the same CPU): both may wait for the handler to return on
 * another CPU.
 */
#pragma once

#include "hypervisor/lib/types.h"

struct timer {
    uint64_t deadline; /* system time, ns; meaningful while armed */
    void (*handler)(void *argument);
    void *argument;
    struct timer *child;    /* the heap of its CPU: first of those due later, */
    struct timer *next;     /* the next that has the same parent,             */
    struct timer *previous; /* and the one before, or the parent              */
    uint32_t cpu;           /* whose heap it is in or was in last */
    bool armed;
};

void timer_init(struct timer *timer, void (*handler)(void *argument), void *argument);

/* Arm or re-arm, on the calling CPU.  A deadline that has passed fires at once. */
void timer_set(struct timer *timer, uint64_t deadline_ns);

/* If it is armed on another CPU, have it armed on the calling one instead. */
void timer_bring(struct timer *timer);

/* Disarm; returns after a handler that is running on another CPU has returned. */
void timer_stop(struct timer *timer);

/* Set up the calling CPU; register the soft interrupt (boot CPU first). */
void timer_setup_cpu(void);

/* The handler of VECTOR_APIC_TIMER. */
void timer_interrupt(void);
