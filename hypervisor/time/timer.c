/* SPDX-License-Identifier: MIT */
/*
 * Timers: one pairing heap a CPU, its first entry in the APIC's one-shot timer.
 *
 * The links are in the timers, so arming never fails and allocates nothing.  A
 * timer is in one heap at most; timer.cpu says in whose, and changes only under
 * the lock (RANK_TIMER) of the heap it names.  Stopping does not touch the
 * APIC: an interrupt too many finds nothing due and arms for what is left.
 */
#include "hypervisor/time/timer.h"

#include "hypervisor/lib/cpumask.h"
#include "hypervisor/lib/lock.h"
#include "hypervisor/time/clock.h"
#include "hypervisor/x86/apic.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/percpu.h"

#define NOT_PROGRAMMED 0

struct timer_queue {
    struct spinlock lock;
    struct timer *first;   /* root of the heap: the earliest */
    struct timer *running; /* its handler is being called */
    uint64_t programmed;   /* the deadline the APIC has, or NOT_PROGRAMMED */
    uint64_t round_ns;     /* expire() is at work on what was due then, and will program; or 0 */
} __attribute__((aligned(64)));

static struct timer_queue queues[CPU_LIMIT];

/* Make the later of two heaps a child of the earlier one. */
static struct timer *merge(struct timer *a, struct timer *b)
{
    if (b->deadline < a->deadline) {
        struct timer *later = a;

        a = b;
        b = later;
    }
    b->previous = a;
    b->next = a->child;
    if (a->child != NULL) {
        a->child->previous = b;
    }
    a->child = b;
    return a;
}

/* One heap of a row of brothers: in pairs from the left, then all from the right. */
static struct timer *merge_row(struct timer *row)
{
    struct timer *pairs = NULL;
    struct timer *heap = NULL;

    while (row != NULL) {
        struct timer *a = row;
        struct timer *b = a->next;

        row = b == NULL ? NULL : b->next;
        if (b != NULL) {
            a = merge(a, b);
        }
        a->next = pairs;
        pairs = a;
    }
    while (pairs != NULL) {
        struct timer *pair = pairs;

        pairs = pair->next;
        heap = heap == NULL ? pair : merge(heap, pair);
    }
    return heap;
}

static always_inline void insert(struct timer_queue *queue, struct timer *timer)
{
    timer->child = NULL;
    timer->next = NULL;
    timer->armed = true;
    if (queue->first == NULL) {
        queue->first = timer;
        return;
    }
    queue->first = merge(queue->first, timer);
    queue->first->next = NULL;
}

static void take_out(struct timer_queue *queue, struct timer *timer)
{
    struct timer *rest = timer->child == NULL ? NULL : merge_row(timer->child);

    if (queue->first == timer) {
        queue->first = rest;
    } else {
        if (timer->previous->child == timer) {
            timer->previous->child = timer->next;
        } else {
            timer->previous->next = timer->next;
        }
        if (timer->next != NULL) {
            timer->next->previous = timer->previous;
        }
        if (rest != NULL) {
            queue->first = merge(queue->first, rest);
        }
    }
    if (queue->first != NULL) {
        queue->first->next = NULL;
    }
    timer->armed = false;
}

/* Have this CPU interrupted for its first timer. */
static always_inline void program(struct timer_queue *queue)
{
    uint64_t deadline = queue->first->deadline;
    uint64_t tsc;

    if (deadline == queue->programmed) {
        return;
    }
    tsc = clock_tsc_of(deadline);
    if (unlikely(tsc <= read_tsc())) {
        softirq_raise(SOFTIRQ_TIMER);
        return;
    }
    queue->programmed = deadline;
    apic_timer_set(tsc);
}

static struct timer_queue *lock_queue_of(const struct timer *timer) NO_LOCK_ANALYSIS
{
    for (;;) {
        uint32_t cpu = read_once(timer->cpu);

        spin_lock(&queues[cpu].lock);
        if (likely(read_once(timer->cpu) == cpu)) {
            return &queues[cpu];
        }
        spin_unlock(&queues[cpu].lock);
    }
}

void timer_init(struct timer *timer, void (*handler)(void *argument), void *argument)
{
    *timer = (struct timer){ .handler = handler, .argument = argument, .cpu = cpu_id() };
}

/* A timer of another CPU: take it out there and make it this CPU's.  True if it was armed. */
static cold_path bool fetch(struct timer *timer, unsigned int here) NO_LOCK_ANALYSIS
{
    bool was_armed = false;

    while (read_once(timer->cpu) != here) {
        struct timer_queue *queue = lock_queue_of(timer);
        bool busy = queue->running == timer;

        /* While its handler runs it stays, so that timer_stop() knows where to look. */
        if (!busy && timer->cpu != here) {
            if (timer->armed) {
                take_out(queue, timer);
                was_armed = true;
            }
            write_once(timer->cpu, here);
        }
        spin_unlock(&queue->lock);
        if (busy) {
            spin_wait();
        }
    }
    return was_armed;
}

/* Lock this CPU's queue, with the timer being this CPU's.  True if it was armed elsewhere. */
static always_inline bool lock_here(struct timer_queue *queue, struct timer *timer) NO_LOCK_ANALYSIS
{
    unsigned int here = (unsigned int)(queue - queues);
    bool was_armed = false;

    for (;;) {
        if (unlikely(read_once(timer->cpu) != here)) {
            was_armed = fetch(timer, here);
        }
        spin_lock(&queue->lock);
        if (likely(read_once(timer->cpu) == here)) {
            return was_armed;
        }
        spin_unlock(&queue->lock); /* another CPU fetched it in between */
    }
}

static always_inline void put(struct timer_queue *queue, struct timer *timer, uint64_t deadline)
    REQUIRES(queue->lock)
{
    if (timer->armed) {
        if (queue->first == timer && timer->child == NULL) {
            queue->first = NULL; /* alone: the usual case */
        } else {
            take_out(queue, timer);
        }
    }
    timer->deadline = deadline;
    if (likely(queue->round_ns == 0)) {
        insert(queue, timer);
        program(queue);
    } else {
        /* What a handler arms is for the next round, or rounds might have no end. */
        timer->deadline = MAX(deadline, queue->round_ns + 1);
        insert(queue, timer);
    }
}

void timer_set(struct timer *timer, uint64_t deadline_ns) NO_LOCK_ANALYSIS
{
    unsigned int here = cpu_id();
    struct timer_queue *queue = &queues[here];

    /* Only this CPU fires it, and it is not firing now. */
    if (timer->armed && timer->deadline == deadline_ns && timer->cpu == here) {
        return;
    }
    (void)lock_here(queue, timer);
    put(queue, timer, deadline_ns);
    spin_unlock(&queue->lock);
}

void timer_bring(struct timer *timer) NO_LOCK_ANALYSIS
{
    unsigned int here = cpu_id();
    struct timer_queue *queue = &queues[here];

    if (read_once(timer->cpu) == here || !read_once(timer->armed)) {
        return;
    }
    if (lock_here(queue, timer)) {
        put(queue, timer, timer->deadline);
    }
    spin_unlock(&queue->lock);
}

void timer_stop(struct timer *timer) NO_LOCK_ANALYSIS
{
    bool busy;

    /* A handler runs on the timer's CPU only: here, so on this CPU if at all. */
    if (!read_once(timer->armed) && read_once(timer->cpu) == cpu_id()) {
        return;
    }
    do {
        struct timer_queue *queue = lock_queue_of(timer);

        if (timer->armed) {
            take_out(queue, timer);
        }
        busy = queue->running == timer && queue != &queues[cpu_id()];
        spin_unlock(&queue->lock);
        if (busy) {
            spin_wait();
        }
    } while (busy);
}

/* Call the handlers of what is due now. */
static void expire(void)
{
    struct timer_queue *queue = &queues[cpu_id()];
    uint64_t now = clock_now();
    struct timer *timer;

    spin_lock(&queue->lock);
    queue->round_ns = now;
    while ((timer = queue->first) != NULL && timer->deadline <= now) {
        take_out(queue, timer);
        queue->running = timer;
        spin_unlock(&queue->lock);

        timer->handler(timer->argument);

        spin_lock(&queue->lock);
        queue->running = NULL;
    }
    queue->round_ns = 0;
    if (queue->first != NULL) {
        program(queue);
    }
    spin_unlock(&queue->lock);
}

void timer_setup_cpu(void)
{
    unsigned int cpu = cpu_id();

    spinlock_init(&queues[cpu].lock, RANK_TIMER);
    if (cpu == 0) {
        softirq_register(SOFTIRQ_TIMER, expire);
    }
}

void timer_interrupt(void)
{
    queues[cpu_id()].programmed = NOT_PROGRAMMED;
    softirq_raise(SOFTIRQ_TIMER);
}
