/* SPDX-License-Identifier: MIT */
/*
 * Event channels with senders, guests and closers on CPUs of their own (threads).
 *
 * Two promises: after a port is closed nothing arrives at its number, though
 * sending takes no lock; and a vCPU that blocks is woken by every event.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/events_world.h"

#define PENDING (1u << EVTCHN_FIFO_PENDING)
#define MASKED  (1u << EVTCHN_FIFO_MASKED)
#define LINKED  (1u << EVTCHN_FIFO_LINKED)

static atomic_bool stop;
static long here[2], there[2];

static void give_way(void)
{
    (void)syscall(SYS_sched_yield);
}

static atomic_bool somebody_waits;

/* In place of the fake: the other thread may need this thread's host CPU. */
void spin_wait(void)
{
    atomic_store(&somebody_waits, true);
    give_way();
}

static bool too_late(time_t end)
{
    return time(NULL) > end;
}

static atomic_bool slow_get;

/* In place of the fake: called when a closer has found its peer and not yet locked it. */
void domain_get(struct domain *domain)
{
    const struct timespec pause = { .tv_nsec = 20000000 };

    domain->references++;
    if (atomic_load(&slow_get)) {
        nanosleep(&pause, NULL);
    }
}

/* ---- Closing against sending ---------------------------------------------------------------- */

static void *send_for_ever(void *unused)
{
    (void)unused;
    fake_cpu_use(1, dom[1]->vcpu[0]);
    while (!atomic_load(&stop)) {
        (void)port_send(there[0]);
    }
    return NULL;
}

static void close_and_look(unsigned int rounds, bool (*arrived)(long port))
{
    pthread_t sender;
    unsigned int late = 0;

    cpu_count = 2;
    atomic_store(&stop, false);
    ck_assert_int_eq(pthread_create(&sender, NULL, send_for_ever, NULL), 0);
    as(2, 0);
    for (unsigned int i = 0; i < rounds; i++) {
        ck_assert_int_eq(port_close(here[0]), 0);
        for (unsigned int look = 0; look < 100; look++) {
            late += arrived(here[0]);
        }
        here[0] = bind_interdomain(1, there[0]);
        ck_assert_int_gt(here[0], 0);
    }
    atomic_store(&stop, true);
    ck_assert_int_eq(pthread_join(sender, NULL), 0);
    ck_assert_uint_eq(late, 0);
    fake_cpu_use(0, dom[2]->vcpu[0]);
}

static bool arrived_two_level(long port)
{
    return pending_bit(2, port);
}

START_TEST(nothing_arrives_at_a_closed_port)
{
    connect_ports(1, 2, &there[0], &here[0]);
    close_and_look(30000, arrived_two_level);
}
END_TEST

static uint32_t *words;

static bool arrived_fifo(long port)
{
    return (__atomic_load_n(&words[port], __ATOMIC_SEQ_CST) & PENDING) != 0;
}

static struct evtchn_fifo_control_block *controls[VCPUS];

static void fifo_start(void)
{
    struct page *control = fake_page_new(dom[2]);
    struct page *array = fake_page_new(dom[2]);

    as(2, 0);
    for (unsigned int i = 0; i < VCPUS; i++) {
        ck_assert_int_eq(init_control(control, i * 128, i), 0);
        controls[i] = (void *)((uint8_t *)page_address(control) + i * 128);
    }
    ck_assert_int_eq(expand_array(array), 0);
    words = page_address(array);
}

START_TEST(nothing_arrives_at_a_closed_port_with_fifo)
{
    fifo_start();
    connect_ports(1, 2, &there[0], &here[0]);
    __atomic_fetch_or(&words[here[0]], MASKED, __ATOMIC_SEQ_CST);
    close_and_look(30000, arrived_fifo);
}
END_TEST

static void *send_virqs(void *unused)
{
    (void)unused;
    fake_cpu_use(1, dom[1]->vcpu[0]);
    while (!atomic_load(&stop)) {
        event_send_vcpu_virq(dom[2]->vcpu[1], VIRQ_TIMER);
    }
    return NULL;
}

START_TEST(no_virq_arrives_at_a_closed_port)
{
    pthread_t sender;
    unsigned int late = 0;

    cpu_count = 2;
    atomic_store(&stop, false);
    as(2, 0);
    here[0] = bind_virq(VIRQ_TIMER, 1);
    ck_assert_int_eq(pthread_create(&sender, NULL, send_virqs, NULL), 0);
    for (unsigned int i = 0; i < 30000; i++) {
        ck_assert_int_eq(port_close(here[0]), 0);
        for (unsigned int look = 0; look < 100; look++) {
            late += pending_bit(2, here[0]);
        }
        ck_assert_int_eq(bind_virq(VIRQ_TIMER, 1), here[0]);
    }
    atomic_store(&stop, true);
    ck_assert_int_eq(pthread_join(sender, NULL), 0);
    ck_assert_uint_eq(late, 0);
}
END_TEST

/* ---- Changes that wait for senders under way ------------------------------------------------ */

static atomic_bool entered, leaving;

static void *send_slowly(void *unused)
{
    const struct timespec pause = { .tv_nsec = 30000000 };
    uint32_t before;

    (void)unused;
    fake_cpu_use(1, dom[1]->vcpu[0]);
    before = senders_enter();
    atomic_store(&entered, true);
    nanosleep(&pause, NULL);
    atomic_store(&leaving, true);
    senders_leave(before);
    return NULL;
}

/* Begin a send on another CPU; the change that is made next must not return before its end. */
static pthread_t slow_send(void)
{
    pthread_t sender;

    cpu_count = 2;
    atomic_store(&entered, false);
    atomic_store(&leaving, false);
    ck_assert_int_eq(pthread_create(&sender, NULL, send_slowly, NULL), 0);
    while (!atomic_load(&entered)) {
        give_way();
    }
    return sender;
}

static void slow_send_is_over(pthread_t sender)
{
    ck_assert(atomic_load(&leaving));
    ck_assert_int_eq(pthread_join(sender, NULL), 0);
}

START_TEST(what_senders_use_changes_only_when_they_are_through)
{
    struct page *page = fake_page_new(dom[2]);
    pthread_t sender;

    as(2, 0);
    sender = slow_send();
    events_vcpu_info_moved(dom[2]->vcpu[0]);
    slow_send_is_over(sender);

    sender = slow_send();
    ck_assert_int_eq(init_control(page, 0, 0), 0); /* the first: to FIFO */
    slow_send_is_over(sender);

    sender = slow_send();
    ck_assert_int_eq(reset(DOMID_SELF), 0); /* no port, but pages */
    slow_send_is_over(sender);

    ck_assert_int_eq(event_set_virq_handler(dom[2], VIRQ_DOM_EXC), 0);
    sender = slow_send();
    ck_assert_int_eq(event_set_virq_handler(dom[1], VIRQ_DOM_EXC), 0);
    slow_send_is_over(sender);
    sender = slow_send();
    world_close(1);
    slow_send_is_over(sender);
}
END_TEST

START_TEST(nobody_waits_for_himself)
{
    uint32_t before = senders_enter();

    senders_wait();
    senders_leave(before);
}
END_TEST

START_TEST(nobody_waits_for_a_cpu_that_is_not_there)
{
    cpu_info_of(cpu_count)->event_sends = 1;
    senders_wait();
    cpu_info_of(cpu_count)->event_sends = 0;
}
END_TEST

/* ---- Both ends closed at once --------------------------------------------------------------- */

static void *close_other_end(void *unused)
{
    (void)unused;
    fake_cpu_use(1, dom[1]->vcpu[0]);
    for (unsigned int i = 0; i < 30000; i++) {
        long port = alloc_unbound(DOMID_SELF, 2);

        atomic_store((_Atomic long *)&there[0], port);
        give_way();
        if (port <= 0 || port_close(port) != 0) {
            return &stop;
        }
    }
    return NULL;
}

START_TEST(both_ends_may_be_closed_at_once)
{
    pthread_t other;
    void *wrong;

    cpu_count = 2;
    there[0] = 0;
    as(2, 0);
    ck_assert_int_eq(pthread_create(&other, NULL, close_other_end, NULL), 0);
    for (unsigned int i = 0; i < 30000; i++) {
        long port = bind_interdomain(1, atomic_load((_Atomic long *)&there[0]));

        if (port > 0) {
            ck_assert_int_eq(port_close(port), 0);
        } else {
            ck_assert_int_eq(port, -XEN_EINVAL);
        }
    }
    ck_assert_int_eq(pthread_join(other, &wrong), 0);
    ck_assert_ptr_null(wrong);
    fake_cpu_use(0, dom[1]->vcpu[0]);
    ck_assert_uint_eq(dom[1]->events->open, 0);
    ck_assert_uint_eq(dom[2]->events->open, 0);
}
END_TEST

static void *close_first(void *unused)
{
    (void)unused;
    fake_cpu_use(1, dom[1]->vcpu[0]);
    return port_close(there[0]) == 0 ? NULL : &stop;
}

START_TEST(of_two_closers_one_finds_that_the_other_was_faster)
{
    pthread_t other;
    void *wrong;

    cpu_count = 2;
    connect_ports(1, 2, &there[0], &here[0]);
    atomic_store(&slow_get, true);
    ck_assert_int_eq(pthread_create(&other, NULL, close_first, NULL), 0);
    ck_assert_int_eq(port_close(here[0]), 0);
    ck_assert_int_eq(pthread_join(other, &wrong), 0);
    atomic_store(&slow_get, false);
    ck_assert_ptr_null(wrong);
    ck_assert_uint_eq(dom[1]->events->open, 0);
    ck_assert_uint_eq(dom[2]->events->open, 0);
    ck_assert_uint_eq(dom[1]->references, references_before[1]);
    ck_assert_uint_eq(dom[2]->references, references_before[2]);
}
END_TEST

static void *send_once(void *unused)
{
    (void)unused;
    fake_cpu_use(1, dom[1]->vcpu[0]);
    return port_send(there[0]) == 0 ? NULL : &stop;
}

/* Between its look at the port's queue and its lock, others queue the port elsewhere. */
START_TEST(who_comes_too_late_to_queue_a_port_leaves_it)
{
    struct vcpu_events *first, *second;
    struct channel *channel;
    pthread_t sender;
    void *wrong;

    fifo_start();
    connect_ports(1, 2, &there[0], &here[0]);
    first = dom[2]->vcpu[0]->events;
    second = dom[2]->vcpu[1]->events;
    channel = channel_find(dom[2]->events, (uint32_t)here[0]);
    words[here[0]] = 0;

    spin_lock(&first->lock);
    atomic_store(&somebody_waits, false);
    ck_assert_int_eq(pthread_create(&sender, NULL, send_once, NULL), 0);
    while (!atomic_load(&somebody_waits)) {
        give_way();
    }
    /* It was put on the other vCPU's queue, and taken off there. */
    first->tail[EVTCHN_FIFO_PRIORITY_DEFAULT] = 0;
    second->tail[3] = (uint32_t)here[0];
    channel->queue = queue_of(1, 3) << CHANNEL_QUEUE_SHIFT | EVTCHN_FIFO_PRIORITY_DEFAULT;
    spin_unlock(&first->lock);
    ck_assert_int_eq(pthread_join(sender, &wrong), 0);
    ck_assert_ptr_null(wrong);
    ck_assert_uint_eq(words[here[0]], PENDING);
    ck_assert_uint_eq(first->tail[EVTCHN_FIFO_PRIORITY_DEFAULT], 0);
}
END_TEST

/* ---- Waking -------------------------------------------------------------------------------- */

/* Block as SCHEDOP_block does: say so, then look, then sleep until unblocked. */
static void block(struct vcpu *vcpu)
{
    atomic_fetch_or(&vcpu->blocked, VCPU_BLOCKED);
    if (atomic_load((_Atomic uint8_t *)&vcpu->info->evtchn_upcall_pending) != 0) {
        atomic_fetch_and(&vcpu->blocked, ~VCPU_BLOCKED);
        return;
    }
    while ((atomic_load(&vcpu->blocked) & VCPU_BLOCKED) != 0 && !atomic_load(&stop)) {
        give_way();
    }
}

static atomic_uint got[2];

static void scan_two_level(struct vcpu *vcpu)
{
    uint64_t selected = atomic_swap(&vcpu->info->evtchn_pending_sel, 0);

    for (unsigned int i = 0; i < 2; i++) {
        uint64_t word = (uint64_t)here[i] / 64;

        if ((selected >> word & 1) != 0 &&
            bit_test_and_clear(vcpu->domain->shared_info->evtchn_pending, (unsigned int)here[i])) {
            atomic_fetch_add(&got[i], 1);
        }
    }
}

static void handle_fifo(uint32_t port)
{
    for (unsigned int i = 0; i < 2; i++) {
        if (port == (uint32_t)here[i] &&
            (__atomic_fetch_and(&words[port], ~PENDING, __ATOMIC_SEQ_CST) & PENDING) != 0) {
            atomic_fetch_add(&got[i], 1);
        }
    }
}

static _Thread_local uint32_t heads[EVTCHN_FIFO_MAX_QUEUES];

static void scan_fifo(struct vcpu *vcpu)
{
    struct evtchn_fifo_control_block *control = controls[vcpu->id];
    uint32_t ready = 0;

    while ((ready |= atomic_swap(&control->ready, 0)) != 0) {
        unsigned int queue = (unsigned int)__builtin_ctz(ready);
        uint32_t port = heads[queue], old;

        if (port == 0) {
            port = __atomic_load_n(&control->head[queue], __ATOMIC_SEQ_CST);
        }
        old = __atomic_load_n(&words[port], __ATOMIC_SEQ_CST);
        while (!__atomic_compare_exchange_n(&words[port], &old,
                                            old & ~(LINKED | EVTCHN_FIFO_LINK_MASK), false,
                                            __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        }
        heads[queue] = old & EVTCHN_FIFO_LINK_MASK;
        if (heads[queue] == 0) {
            ready &= ~(1u << queue);
        }
        handle_fifo(port);
    }
}

static void (*scan)(struct vcpu *vcpu);

static void *guest_vcpu(void *which)
{
    struct vcpu *vcpu = which;

    fake_cpu_use(2 + vcpu->id, vcpu);
    while (!atomic_load(&stop)) {
        if (atomic_swap(&vcpu->info->evtchn_upcall_pending, 0) != 0) {
            scan(vcpu);
        } else {
            block(vcpu);
        }
    }
    return NULL;
}

/* Send, and wait until it was handled; NULL if each was. */
static void *send_and_wait(void *which)
{
    uintptr_t i = (uintptr_t)which;
    time_t end = time(NULL) + 60;

    fake_cpu_use(4 + (unsigned int)i, dom[1]->vcpu[i]);
    for (unsigned int n = 0; n < 20000; n++) {
        unsigned int before = atomic_load(&got[i]);

        (void)port_send(there[i]);
        while (atomic_load(&got[i]) == before) {
            if (too_late(end)) {
                return &stop;
            }
            give_way();
        }
    }
    return NULL;
}

static void every_send_wakes(bool move)
{
    pthread_t senders[2], guests[VCPUS];
    bool lost = false;

    cpu_count = 6;
    atomic_store(&stop, false);
    for (unsigned int i = 0; i < 2; i++) {
        atomic_store(&got[i], 0);
        ck_assert_int_eq(pthread_create(&guests[i], NULL, guest_vcpu, dom[2]->vcpu[i]), 0);
        ck_assert_int_eq(pthread_create(&senders[i], NULL, send_and_wait, (void *)(uintptr_t)i), 0);
    }
    as(2, 0);
    for (unsigned int n = 0; move && n < 20000; n++) {
        ck_assert_int_eq(bind_vcpu(here[n % 2], n / 3 % VCPUS), 0);
        ck_assert_int_eq(set_priority(here[n % 2], n % 16), 0);
        give_way();
    }
    for (unsigned int i = 0; i < 2; i++) {
        void *result;

        ck_assert_int_eq(pthread_join(senders[i], &result), 0);
        lost = lost || result != NULL;
    }
    atomic_store(&stop, true);
    for (unsigned int i = 0; i < VCPUS; i++) {
        ck_assert_int_eq(pthread_join(guests[i], NULL), 0);
    }
    ck_assert(!lost);
}

START_TEST(every_send_wakes_a_blocked_vcpu)
{
    connect_ports(1, 2, &there[0], &here[0]);
    connect_ports(1, 2, &there[1], &here[1]);
    scan = scan_two_level;
    every_send_wakes(false);
}
END_TEST

START_TEST(every_send_wakes_with_fifo_while_ports_change_queues)
{
    fifo_start();
    connect_ports(1, 2, &there[0], &here[0]);
    connect_ports(1, 2, &there[1], &here[1]);
    scan = scan_fifo;
    atomic_store((_Atomic uint8_t *)&dom[2]->vcpu[0]->info->evtchn_upcall_pending, 1);
    every_send_wakes(true);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("threads");

    tcase_set_timeout(cases, 120);
    tcase_add_test(cases, nothing_arrives_at_a_closed_port);
    tcase_add_test(cases, nothing_arrives_at_a_closed_port_with_fifo);
    tcase_add_test(cases, no_virq_arrives_at_a_closed_port);
    tcase_add_test(cases, what_senders_use_changes_only_when_they_are_through);
    tcase_add_test(cases, nobody_waits_for_himself);
    tcase_add_test(cases, nobody_waits_for_a_cpu_that_is_not_there);
    tcase_add_test(cases, of_two_closers_one_finds_that_the_other_was_faster);
    tcase_add_test(cases, who_comes_too_late_to_queue_a_port_leaves_it);
    tcase_add_test(cases, both_ends_may_be_closed_at_once);
    tcase_add_test(cases, every_send_wakes_a_blocked_vcpu);
    tcase_add_test(cases, every_send_wakes_with_fifo_while_ports_change_queues);
    return run_cases("events on several CPUs", cases, world_setup);
}
