/* SPDX-License-Identifier: MIT */
/*
 * The machine under a unit test: memory is an array, a CPU is a structure, and
 * what a subsystem asks of its neighbours is written down.
 *
 * Everything in fake.c is weak: a test that links a real file gets the real
 * functions.  A guest's virtual address is the address in the test's process.
 * Each thread is a CPU of its own (fake_cpu_use), CPU 0 unless it says otherwise.
 */
#ifndef TESTS_FAKE_FAKE_H
#define TESTS_FAKE_FAKE_H

#include "hypervisor/domain/domain.h"
#include "hypervisor/x86/percpu.h"

#define FAKE_FRAMES 2048u /* frame 0 is never given out */
#define FAKE_CPUS   8u

/* What the code under test did to its neighbours since fake_reset(). */
struct fake_record {
    unsigned int logs, guest_logs;
    unsigned int spins;
    unsigned int wakes, sleeps, kicks, yields, blocks, descheduled;
    struct vcpu *last_woken, *last_kicked;
    unsigned int crashes, shutdowns;
    uint32_t shutdown_code;
    unsigned int pauses, unpauses; /* of domains */
    unsigned int continuations;
    unsigned int continued_number, continued_count;
    uint64_t continued[4];
    unsigned int preempt_asked;
    unsigned int tlb_flushes, tlb_flushes_all; /* requests; those that named no address */
    uint64_t tlb_last_address;
    struct cpumask tlb_last_mask;
    unsigned int ipis;
    uint8_t last_ipi_vector;
    unsigned int timer_sets, timer_stops;
    unsigned int softirqs_elsewhere;
    unsigned int pages_released, pages_gone;
    unsigned int pirq_binds, pirq_unbinds, pirq_affinities;
    uint32_t last_pirq;
    unsigned int last_pirq_cpu;
    unsigned int virqs, global_virqs; /* while event.c is not linked */
    uint32_t last_virq;
    struct vcpu *last_virq_vcpu;
};

extern struct fake_record fake;

/* What the neighbours answer; all zero after fake_reset(). */
struct fake_answers {
    const void *fault_start;       /* guest memory that cannot be reached ... */
    size_t fault_size;             /* ... and how much of it */
    const void *write_fault_start; /* ... that can be read but not written */
    size_t write_fault_size;
    unsigned int fail_allocation; /* the n-th heap_alloc/heap_frames from now fails, once */
    unsigned int preempt_after;   /* preempt_pending() is true from the n-th question on */
    int pirq_bind_result;
    int page_type_result; /* of page_type_get(); 0: by the frame's fake use word */
    bool panic_expected;  /* a panic exits with 99 instead of aborting */
};

extern struct fake_answers fake_answers;
extern uint64_t fake_now;             /* clock_now() */
extern _Atomic long fake_heap_live;   /* objects of heap_alloc() not freed yet */
extern _Atomic long fake_frames_live; /* frames of heap_frames() not freed yet */

/* To the start: records, answers, frames, domain list, clock; `current` is NULL. */
void fake_reset(void);

/* This thread is CPU `id` from now on; `vcpu` is loaded on it. */
void fake_cpu_use(unsigned int id, struct vcpu *vcpu);
void fake_set_current(struct vcpu *vcpu);

/*
 * A domain with `vcpus` vCPUs, alive, found by domain_find(), one reference;
 * shared_info is a fake frame of its own.  vCPUs run (blocked 0) and have their
 * vcpu_info in it, or for number 32 on in a page of their own.  No subsystem
 * state is made.
 */
struct domain *fake_domain_new(domid_t id, unsigned int vcpus, bool privileged);
void fake_domain_free(struct domain *domain);

/* A frame of memory that belongs to the domain: the owner's reference, no type; M2P set. */
struct page *fake_page_new(struct domain *owner);
uint64_t fake_page_refs(const struct page *page);
uint64_t fake_page_uses(const struct page *page); /* of page_type_get() */

/*
 * Run operation() with the first, second, ... allocation failing until it
 * returns true although none failed.  False if something stayed allocated
 * after a run that failed.
 */
bool fake_survives_failed_allocations(bool (*operation)(void));

/* Is it held by anybody? */
static inline bool spin_is_locked(const struct spinlock *lock)
{
    return atomic_load(&lock->serving) != atomic_load(&lock->next);
}

#endif
