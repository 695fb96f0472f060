/* SPDX-License-Identifier: MIT */
/*
 * hypervisor/event/fifo.c against a guest that takes its queues apart as the ABI
 * says, at any pace, and against one that writes nonsense everywhere.
 */
#include "tests/unit/events_world.h"

#define PENDING (1u << EVTCHN_FIFO_PENDING)
#define MASKED  (1u << EVTCHN_FIFO_MASKED)
#define LINKED  (1u << EVTCHN_FIFO_LINKED)
#define PAIRS   24u

/* Domain 2 is the guest with queues, domain 1 sends. */
static struct page *array_page[2], *control_page;
static uint32_t *words;
static long here[PAIRS], there[PAIRS];

/* The guest's side of one vCPU. */
static struct consumer {
    struct evtchn_fifo_control_block *control;
    uint32_t head[EVTCHN_FIFO_MAX_QUEUES];
    uint32_t ready;
} consumers[VCPUS];

static unsigned int handled[2 * WORDS_PER_PAGE];
static uint32_t order[256];
static unsigned int order_count;

static void control_blocks(void)
{
    as(2, 0);
    for (unsigned int i = 0; i < VCPUS; i++) {
        ck_assert_int_eq(init_control(control_page, i * 128, i), 0);
        consumers[i].control = (void *)((uint8_t *)page_address(control_page) + i * 128);
    }
}

static void fifo_setup(void)
{
    world_setup();
    memset(consumers, 0, sizeof(consumers));
    memset(handled, 0, sizeof(handled));
    order_count = 0;
    control_page = fake_page_new(dom[2]);
    for (unsigned int i = 0; i < ARRAY_SIZE(array_page); i++) {
        array_page[i] = fake_page_new(dom[2]);
    }
    words = page_address(array_page[0]);
}

/* All set up, pairs connected, nothing pending. */
static void fifo_ready(void)
{
    fifo_setup();
    control_blocks();
    ck_assert_int_eq(expand_array(array_page[0]), 0);
    for (unsigned int i = 0; i < PAIRS; i++) {
        connect_ports(1, 2, &there[i], &here[i]);
    }
    for (unsigned int i = 0; i < VCPUS; i++) {
        consumers[i].control->ready = 0;
        memset(consumers[i].control->head, 0, sizeof(consumers[i].control->head));
    }
    for (unsigned int i = 0; i < PAIRS; i++) {
        words[here[i]] = 0;
    }
    as(1, 0);
}

static void handle_port(uint32_t port)
{
    if ((words[port] & (PENDING | MASKED)) == PENDING) {
        words[port] &= ~PENDING;
        handled[port]++;
        if (order_count < ARRAY_SIZE(order)) {
            order[order_count++] = port;
        }
    }
}

/* Take one port off the most urgent queue that is ready; false if none is. */
static bool consume_one(struct consumer *consumer)
{
    uint32_t port, word;
    unsigned int queue;

    consumer->ready |= atomic_swap(&consumer->control->ready, 0);
    if (consumer->ready == 0) {
        return false;
    }
    queue = (unsigned int)__builtin_ctz(consumer->ready);
    port = consumer->head[queue];
    if (port == 0) {
        port = consumer->control->head[queue];
    }
    word = words[port];
    ck_assert_msg((word & LINKED) != 0, "port %u is in a queue and not linked", port);
    words[port] = word & ~(LINKED | EVTCHN_FIFO_LINK_MASK);
    consumer->head[queue] = word & EVTCHN_FIFO_LINK_MASK;
    if (consumer->head[queue] == 0) {
        consumer->ready &= ~(1u << queue);
    }
    handle_port(port);
    return true;
}

/* Only when told: a vCPU whose flag is clear does not look. */
static void take_all(unsigned int vcpu)
{
    struct vcpu_info *info = dom[2]->vcpu[vcpu]->info;

    while (info->evtchn_upcall_pending != 0 || consumers[vcpu].ready != 0) {
        info->evtchn_upcall_pending = 0;
        while (consume_one(&consumers[vcpu])) {
        }
    }
}

/* As a guest does it: alone if nothing waits, else through the core. */
static void guest_unmask(long port)
{
    if ((words[port] & PENDING) == 0) {
        words[port] &= ~MASKED;
        return;
    }
    as(2, 0);
    ck_assert_int_eq(port_unmask(port), 0);
    as(1, 0);
}

START_TEST(events_come_in_the_order_they_were_sent)
{
    for (unsigned int i = 0; i < PAIRS; i++) {
        ck_assert_int_eq(port_send(there[(i * 7) % PAIRS]), 0);
    }
    ck_assert_uint_eq(consumers[0].control->ready, 1u << EVTCHN_FIFO_PRIORITY_DEFAULT);
    ck_assert_uint_eq(dom[2]->vcpu[0]->info->evtchn_upcall_pending, 1);
    take_all(0);
    ck_assert_uint_eq(order_count, PAIRS);
    for (unsigned int i = 0; i < PAIRS; i++) {
        ck_assert_uint_eq(order[i], (uint32_t)here[(i * 7) % PAIRS]);
        ck_assert_uint_eq(words[here[i]], 0);
    }
}
END_TEST

START_TEST(urgent_events_come_first)
{
    as(2, 0);
    for (unsigned int i = 0; i < 16; i++) {
        ck_assert_int_eq(set_priority(here[i], 15 - i), 0);
    }
    as(1, 0);
    for (unsigned int i = 0; i < 16; i++) {
        ck_assert_int_eq(port_send(there[i]), 0);
    }
    ck_assert_uint_eq(consumers[0].control->ready, 0xffff);
    take_all(0);
    for (unsigned int i = 0; i < 16; i++) {
        ck_assert_uint_eq(order[i], (uint32_t)here[15 - i]);
    }
}
END_TEST

START_TEST(a_port_is_queued_once_and_one_upcall_is_enough)
{
    memset(&fake, 0, sizeof(fake));
    for (unsigned int i = 0; i < 5; i++) {
        ck_assert_int_eq(port_send(there[0]), 0);
        ck_assert_int_eq(port_send(there[1]), 0);
    }
    ck_assert_uint_eq(fake.kicks, 1);
    take_all(0);
    ck_assert_uint_eq(order_count, 2);
}
END_TEST

START_TEST(the_word_of_port_0_is_the_guests)
{
    words[0] = LINKED | 5;
    for (unsigned int i = 0; i < 2;
         i++) { /* to a queue that has a last port, and to an empty one */
        ck_assert_int_eq(port_send(there[0]), 0);
        ck_assert_uint_eq(words[0], LINKED | 5);
        take_all(0);
        ck_assert_uint_eq(handled[here[0]], i + 1);
    }
}
END_TEST

START_TEST(the_port_that_was_last_can_be_sent_again)
{
    for (unsigned int i = 0; i < 10; i++) {
        ck_assert_int_eq(port_send(there[0]), 0);
        take_all(0);
        ck_assert_uint_eq(handled[here[0]], i + 1);
    }
    /* Sent while its word is off the queue but the queue's tail is remembered. */
    ck_assert_int_eq(port_send(there[0]), 0);
    take_all(0);
    ck_assert_int_eq(port_send(there[1]), 0);
    ck_assert_int_eq(port_send(there[0]), 0);
    take_all(0);
    ck_assert_uint_eq(handled[here[0]], 12);
    ck_assert_uint_eq(handled[here[1]], 1);
}
END_TEST

START_TEST(a_masked_port_waits_for_unmask)
{
    words[here[0]] |= MASKED;
    ck_assert_int_eq(port_send(there[0]), 0);
    ck_assert_uint_eq(words[here[0]], PENDING | MASKED);
    ck_assert_uint_eq(consumers[0].control->ready, 0);
    guest_unmask(here[0]);
    ck_assert_uint_eq(words[here[0]], PENDING | LINKED);
    take_all(0);
    ck_assert_uint_eq(handled[here[0]], 1);

    /* Masked while it is in a queue: taken off, not handled, comes back. */
    ck_assert_int_eq(port_send(there[0]), 0);
    words[here[0]] |= MASKED;
    take_all(0);
    ck_assert_uint_eq(handled[here[0]], 1);
    guest_unmask(here[0]);
    take_all(0);
    ck_assert_uint_eq(handled[here[0]], 2);
    as(2, 0);
    ck_assert_int_eq(port_unmask(here[0]), 0); /* nothing waits: nothing happens */
    ck_assert_uint_eq(words[here[0]], 0);
}
END_TEST

START_TEST(a_port_that_moves_leaves_the_old_queue_intact)
{
    ck_assert_int_eq(port_send(there[0]), 0);
    ck_assert_int_eq(port_send(there[1]), 0);
    take_all(0);
    /* here[1] was the last of vCPU 0's queue; now it goes to vCPU 1. */
    as(2, 0);
    ck_assert_int_eq(bind_vcpu(here[1], 1), 0);
    ck_assert_int_eq(set_priority(here[1], 3), 0);
    as(1, 0);
    ck_assert_int_eq(port_send(there[1]), 0);
    ck_assert_int_eq(port_send(there[0]), 0);
    ck_assert_uint_eq(words[here[1]] & EVTCHN_FIFO_LINK_MASK, 0);
    take_all(0);
    ck_assert_uint_eq(handled[here[0]], 2);
    ck_assert_uint_eq(handled[here[1]], 1);
    take_all(1);
    ck_assert_uint_eq(handled[here[1]], 2);

    /* Moved while it is queued: it is delivered where it is, the next time elsewhere. */
    ck_assert_int_eq(port_send(there[0]), 0);
    as(2, 0);
    ck_assert_int_eq(bind_vcpu(here[0], 1), 0);
    as(1, 0);
    ck_assert_int_eq(port_send(there[0]), 0);
    take_all(1);
    ck_assert_uint_eq(handled[here[0]], 2);
    take_all(0);
    ck_assert_uint_eq(handled[here[0]], 3);
    ck_assert_int_eq(port_send(there[0]), 0);
    take_all(1);
    ck_assert_uint_eq(handled[here[0]], 4);
}
END_TEST

START_TEST(pollers_are_woken_masked_or_not)
{
    struct vcpu *vcpu = dom[2]->vcpu[1];

    words[here[0]] |= MASKED;
    vcpu_poll_begin(vcpu, (uint32_t)here[0]);
    ck_assert_int_eq(event_port_pending(dom[2], (uint32_t)here[0]), 0);
    ck_assert_int_eq(port_send(there[0]), 0);
    ck_assert_int_eq(event_port_pending(dom[2], (uint32_t)here[0]), 1);
    ck_assert_uint_eq(vcpu->blocked, 0);

    /* It was pending already: a poll for any port has seen that. */
    vcpu_poll_begin(vcpu, 0);
    ck_assert_int_eq(port_send(there[0]), 0);
    ck_assert_uint_eq(vcpu->blocked, VCPU_BLOCKED | VCPU_POLLING);
}
END_TEST

START_TEST(what_was_pending_before_the_switch_comes_after_it)
{
    long port, peer, quiet, quiet_peer;

    connect_ports(1, 2, &peer, &port);
    connect_ports(1, 2, &quiet_peer, &quiet);
    (void)bit_test_and_set(dom[2]->shared_info->evtchn_pending, 200); /* no port */
    as(1, 0);
    ck_assert_int_eq(port_send(peer), 0);
    ck_assert(pending_bit(2, port));
    (void)take_upcall(2, 0);
    control_blocks();
    ck_assert_uint_eq(dom[2]->vcpu[0]->info->evtchn_upcall_pending, 0); /* nothing to see yet */
    ck_assert_int_eq(event_port_pending(dom[2], (uint32_t)quiet), 0);
    ck_assert_int_eq(event_port_pending(dom[2], (uint32_t)port), 1);
    ck_assert_uint_eq(consumers[0].control->ready, 0);
    ck_assert_int_eq(expand_array(array_page[0]), 0);
    ck_assert_uint_eq(words[port], PENDING | LINKED);
    ck_assert_uint_eq(words[quiet], 0);
    ck_assert_uint_eq(words[200], 0);
    take_all(0);
    ck_assert_uint_eq(handled[port], 1);
}
END_TEST

START_TEST(what_is_sent_before_there_is_a_word_comes_when_there_is)
{
    long port, peer;

    control_blocks();
    connect_ports(1, 2, &peer, &port);
    as(1, 0);
    ck_assert_int_eq(port_send(peer), 0);
    ck_assert_int_eq(event_port_pending(dom[2], (uint32_t)port), 1);
    ck_assert(!port_bit(dom[2], (uint32_t)port, EVTCHN_FIFO_MASKED));
    as(2, 0);
    ck_assert_int_eq(port_unmask(port), 0);
    ck_assert_int_eq(expand_array(array_page[0]), 0);
    take_all(0);
    ck_assert_uint_eq(handled[port], 1);
    ck_assert_int_eq(event_port_pending(dom[2], (uint32_t)port), 0);
}
END_TEST

START_TEST(a_port_closed_before_it_had_a_word_leaves_nothing_behind)
{
    long port, peer;

    control_blocks();
    connect_ports(1, 2, &peer, &port);
    as(2, 0);
    ck_assert_int_eq(port_close(port), 0);
    ck_assert_int_eq(expand_array(array_page[0]), 0);
    ck_assert_uint_eq(words[port], 0);
}
END_TEST

START_TEST(what_is_sent_before_there_is_a_control_block_comes_when_there_is)
{
    long port, peer;

    as(2, 0);
    ck_assert_int_eq(init_control(control_page, 0, 0), 0);
    ck_assert_int_eq(expand_array(array_page[0]), 0);
    connect_ports(1, 2, &peer, &port);
    as(2, 0);
    ck_assert_int_eq(bind_vcpu(port, 1), 0);
    words[port] = 0;
    as(1, 0);
    ck_assert_int_eq(port_send(peer), 0);
    ck_assert_uint_eq(words[port], PENDING | LINKED);
    dom[2]->vcpu[1]->info->evtchn_upcall_pending = 0; /* its upcall found no control block */
    as(2, 1);
    ck_assert_int_eq(init_control(control_page, 128, 1), 0);
    consumers[1].control = (void *)((uint8_t *)page_address(control_page) + 128);
    ck_assert_uint_eq(dom[2]->vcpu[1]->info->evtchn_upcall_pending, 1);
    take_all(1);
    ck_assert_uint_eq(handled[port], 1);
}
END_TEST

START_TEST(control_blocks_are_checked)
{
    as(2, 0);
    ck_assert_int_eq(expand_array(array_page[0]), -XEN_EOPNOTSUPP);
    ck_assert_int_eq(expand_array(frame_table + FAKE_FRAMES), -XEN_EOPNOTSUPP);
    ck_assert_int_eq(init_control(control_page, 0, VCPUS), -XEN_ENOENT);
    ck_assert_int_eq(init_control(control_page, 4, 0), -XEN_EINVAL);
    ck_assert_int_eq(init_control(control_page, PAGE_SIZE - 64, 0), -XEN_EINVAL);
    ck_assert_int_eq(init_control(control_page, PAGE_SIZE, 0), -XEN_EINVAL);
    ck_assert_int_eq(init_control(control_page, 0xfffffff8, 0), -XEN_EINVAL);
    ck_assert_int_eq(init_control(fake_page_new(dom[1]), 0, 0), -XEN_EINVAL);
    ck_assert_int_eq(init_control(frame_table + FAKE_FRAMES, 0, 0), -XEN_EINVAL);
    ck_assert_int_eq(init_control(frame_table - 1, 0, 0), -XEN_EINVAL);
    fake_answers.page_type_result = -XEN_EINVAL;
    ck_assert_int_eq(init_control(control_page, 0, 0), -XEN_EINVAL);
    fake_answers.page_type_result = -XEN_ERESTART;
    ck_assert_int_eq(init_control(control_page, 0, 0), -XEN_ERESTART);
    ck_assert_uint_eq(fake.continuations, 1);
    fake_answers.page_type_result = 0;
    fake_answers.fail_allocation = 1;
    ck_assert_int_eq(init_control(control_page, 0, 0), -XEN_ENOMEM);
    ck_assert_ptr_null(dom[2]->events->fifo);
    ck_assert_uint_eq(fake_page_refs(control_page), 1);
    ck_assert_uint_eq(fake_page_uses(control_page), 0);

    memset(page_address(control_page), 0x5a, PAGE_SIZE);
    ck_assert_int_eq(init_control(control_page, 0, 1), 0);
    ck_assert_uint_eq(((uint8_t *)page_address(control_page))[71], 0);
    ck_assert_uint_eq(((uint8_t *)page_address(control_page))[72], 0x5a); /* what is behind it */
    ck_assert_int_eq(init_control(control_page, PAGE_SIZE - 72, 0), 0);
    ck_assert_int_eq(init_control(control_page, 0, 0), -XEN_EINVAL);
    ck_assert_uint_eq(fake_page_refs(control_page), 3);
    ck_assert_uint_eq(fake_page_uses(control_page), 2);
}
END_TEST

START_TEST(array_pages_are_checked)
{
    control_blocks();
    ck_assert_int_eq(expand_array(fake_page_new(dom[1])), -XEN_EINVAL);
    ck_assert_int_eq(expand_array(frame_table + FAKE_FRAMES), -XEN_EINVAL);
    fake_answers.page_type_result = -XEN_EINVAL;
    ck_assert_int_eq(expand_array(array_page[0]), -XEN_EINVAL);
    fake_answers.page_type_result = 0;
    ck_assert_uint_eq(fake_page_refs(array_page[0]), 1);
    for (unsigned int i = 0; i < ARRAY_PAGES; i++) {
        ck_assert_int_eq(expand_array(array_page[0]), 0); /* one page many times: its own fault */
    }
    ck_assert_uint_eq(fake_page_uses(array_page[0]), ARRAY_PAGES);
    ck_assert_int_eq(expand_array(array_page[1]), -XEN_ENOSPC);
    ck_assert_uint_eq(fake_page_refs(array_page[1]), 1);
}
END_TEST

START_TEST(priorities_are_checked)
{
    as(2, 0);
    ck_assert_int_eq(set_priority(here[0], EVTCHN_FIFO_PRIORITY_MIN), 0);
    ck_assert_int_eq(set_priority(here[0], EVTCHN_FIFO_PRIORITY_MIN + 1), -XEN_EINVAL);
    ck_assert_int_eq(set_priority(here[0], 0xffffffff), -XEN_EINVAL);
    ck_assert_int_eq(set_priority(0, 3), -XEN_EACCES);
    ck_assert_int_eq(set_priority(200, 33), -XEN_EACCES);
    ck_assert_int_eq(set_priority(70000, 3), -XEN_EINVAL);
    /* Not inherited by the next owner of the number. */
    ck_assert_int_eq(port_close(here[0]), 0);
    ck_assert_int_eq(alloc_unbound(DOMID_SELF, 1), here[0]);
    ck_assert_uint_eq(channel_find(dom[2]->events, (uint32_t)here[0])->queue & CHANNEL_PRIORITY,
                      EVTCHN_FIFO_PRIORITY_DEFAULT);
}
END_TEST

START_TEST(a_port_still_in_a_queue_is_not_given_out_again)
{
    ck_assert_int_eq(port_send(there[0]), 0);
    as(2, 0);
    ck_assert_int_eq(port_close(here[0]), 0);
    ck_assert_uint_eq(words[here[0]], LINKED);
    ck_assert_int_ne(alloc_unbound(DOMID_SELF, 1), here[0]);
    take_all(0);
    ck_assert_uint_eq(handled[here[0]], 0);
    ck_assert_int_eq(alloc_unbound(DOMID_SELF, 1), here[0]);
}
END_TEST

START_TEST(there_are_131071_ports)
{
    long port, refusal, last = 0, next;

    control_blocks();
    while ((port = bind_ipi(0)) > 0) {
        last = port;
    }
    refusal = port;
    ck_assert_int_eq(refusal, -XEN_ENOSPC);
    ck_assert_int_eq(last, EVTCHN_FIFO_NR_CHANNELS - 1);
    ck_assert_int_eq(port_send(last), 0);
    ck_assert_int_eq(port_send(EVTCHN_FIFO_NR_CHANNELS), -XEN_EINVAL);
    for (unsigned int i = 0; i < ARRAY_PAGES; i++) {
        ck_assert_int_eq(expand_array(array_page[i == ARRAY_PAGES - 1]), 0);
    }
    ck_assert_uint_eq(((uint32_t *)page_address(array_page[1]))[WORDS_PER_PAGE - 1],
                      PENDING | LINKED);
    fake_answers.preempt_after = 1;
    do {
        next = reset(DOMID_SELF);
    } while (next == -XEN_ERESTART);
    ck_assert_int_eq(next, 0);
    /* The channels stay, their ports are beyond what 2 levels have. */
    ck_assert_int_eq(event_port_pending(dom[2], (uint32_t)last), 0);
    ck_assert_int_eq(port_send(last), -XEN_EINVAL);
    ck_assert_int_eq(port_unmask(last), 0);
    ck_assert_int_eq(bind_ipi(0), 1);
}
END_TEST

START_TEST(memory_for_many_ports_can_run_out)
{
    control_blocks();
    for (uint32_t port = 1; port < EVTCHN_2L_NR_CHANNELS; port++) {
        ck_assert_int_eq(bind_ipi(0), port);
    }
    fake_answers.fail_allocation = 1;
    ck_assert_int_eq(bind_ipi(0), -XEN_ENOMEM);
    fake_answers.fail_allocation = 2;
    ck_assert_int_eq(bind_ipi(0), -XEN_ENOMEM);
    ck_assert_int_eq(bind_ipi(0), EVTCHN_2L_NR_CHANNELS);
    ck_assert_int_eq(port_send(1), 0);
}
END_TEST

START_TEST(reset_goes_back_to_2_levels_and_gives_the_pages_back)
{
    ck_assert_int_eq(port_send(there[0]), 0);
    as(2, 0);
    ck_assert_int_eq(reset(DOMID_SELF), 0);
    ck_assert_ptr_null(dom[2]->events->fifo);
    ck_assert_uint_eq(fake_page_refs(control_page), 1);
    ck_assert_uint_eq(fake_page_uses(control_page), 0);
    ck_assert_uint_eq(fake_page_refs(array_page[0]), 1);
    ck_assert_uint_eq(fake_page_uses(array_page[0]), 0);
    ck_assert_int_eq(expand_array(array_page[0]), -XEN_EOPNOTSUPP);

    connect_ports(1, 2, &there[0], &here[0]);
    as(1, 0);
    ck_assert_int_eq(port_send(there[0]), 0);
    ck_assert(pending_bit(2, here[0]));
    /* And once more to FIFO, with queues that remember nothing. */
    clear_pending(2, here[0]);
    memset(words, 0, PAGE_SIZE);
    memset(consumers, 0, sizeof(consumers));
    control_blocks();
    ck_assert_int_eq(expand_array(array_page[0]), 0);
    as(1, 0);
    ck_assert_int_eq(port_send(there[0]), 0);
    take_all(0);
    ck_assert_uint_eq(handled[here[0]], 1);
}
END_TEST

START_TEST(queues_forget_their_tails_with_the_array)
{
    as(2, 0);
    ck_assert_int_eq(expand_array(array_page[1]), 0);
    for (long port = 1; port <= WORDS_PER_PAGE;) {
        port = bind_ipi(0);
        ck_assert_int_gt(port, 0);
    }
    ck_assert_int_eq(port_send(WORDS_PER_PAGE), 0); /* the first in the second page is last now */
    ck_assert_int_eq(reset(DOMID_SELF), 0);
    memset(words, 0, PAGE_SIZE);
    control_blocks();
    ck_assert_int_eq(expand_array(array_page[0]), 0);
    ck_assert_int_eq(bind_ipi(0), 1);
    ck_assert_int_eq(port_send(1), 0);
    ck_assert_uint_eq(consumers[0].control->head[EVTCHN_FIFO_PRIORITY_DEFAULT], 1);
}
END_TEST

START_TEST(a_link_left_in_a_word_is_not_believed)
{
    words[here[0]] = (uint32_t)here[5];
    ck_assert_int_eq(port_send(there[0]), 0);
    ck_assert_uint_eq(words[here[0]], PENDING | LINKED);
    ck_assert_int_eq(port_send(there[1]), 0);
    take_all(0);
    ck_assert_uint_eq(order_count, 2);
    ck_assert_uint_eq(order[1], (uint32_t)here[1]);
}
END_TEST

START_TEST(a_dying_domain_gives_its_pages_back)
{
    world_close(2);
    ck_assert_uint_eq(fake_page_refs(control_page), 1);
    ck_assert_uint_eq(fake_page_refs(array_page[0]), 1);
    as(2, 0);
    ck_assert_int_eq(init_control(control_page, 0, 0), -XEN_EINVAL);
    ck_assert_uint_eq(fake_page_refs(control_page), 1);
}
END_TEST

static uint32_t random_below(uint32_t limit)
{
    static uint64_t state = 88172645463325252u;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 20) % limit;
}

/* One thing a guest or its peer may do at any time. */
static void random_step(void)
{
    unsigned int i = random_below(PAIRS);

    as(2, random_below(VCPUS));
    switch (random_below(10)) {
    case 0:
        words[here[i]] |= MASKED;
        break;
    case 1:
    case 2:
        guest_unmask(here[i]);
        break;
    case 3:
        ck_assert_int_eq(set_priority(here[i], random_below(16)), 0);
        break;
    case 4:
        ck_assert_int_eq(bind_vcpu(here[i], random_below(VCPUS)), 0);
        break;
    case 5:
    case 6:
        (void)consume_one(&consumers[random_below(VCPUS)]);
        break;
    default:
        as(1, 0);
        ck_assert_int_eq(port_send(there[i]), 0);
        break;
    }
}

START_TEST(no_event_is_lost_whatever_the_order_of_things)
{
    for (unsigned int round = 0; round < 3000; round++) {
        for (unsigned int step = random_below(60); step > 0; step--) {
            random_step();
        }
        for (unsigned int i = 0; i < PAIRS; i++) {
            guest_unmask(here[i]);
        }
        take_all(0);
        take_all(1);
        for (unsigned int i = 0; i < PAIRS; i++) {
            ck_assert_msg(words[here[i]] == 0, "round %u: port %ld is %x", round, here[i],
                          words[here[i]]);
        }
    }
}
END_TEST

static bool can_scribble(uint32_t index)
{
    /* Those of ports that are free keep the allocator busy, no more: leave them some. */
    return index < 64;
}

START_TEST(a_guest_that_writes_nonsense_hurts_nobody_else)
{
    long quiet_here, quiet_there;

    connect_ports(1, 0, &quiet_there, &quiet_here);
    for (unsigned int round = 0; round < 20000; round++) {
        uint32_t index = random_below(WORDS_PER_PAGE);
        unsigned int i = random_below(PAIRS);
        struct consumer *consumer = &consumers[random_below(VCPUS)];

        if (can_scribble(index)) {
            words[index] = random_below(2) * LINKED | random_below(2) * PENDING |
                           random_below(2) * MASKED | (random_below(UINT32_MAX) & 0x1fffffffu);
        }
        consumer->control->ready = random_below(UINT32_MAX);
        consumer->control->head[random_below(16)] = random_below(UINT32_MAX);
        as(2, 0);
        switch (random_below(6)) {
        case 0:
            ck_assert_int_eq(port_unmask(here[i]), 0);
            break;
        case 1:
            ck_assert_int_eq(set_priority(here[i], random_below(16)), 0);
            break;
        case 2:
            ck_assert_int_eq(bind_vcpu(here[i], random_below(VCPUS)), 0);
            break;
        case 3:
            ck_assert_int_eq(port_close(here[i]), 0);
            here[i] = bind_interdomain(1, there[i]);
            ck_assert_int_gt(here[i], 0);
            break;
        default:
            as(1, 0);
            ck_assert_int_eq(port_send(there[i]), 0);
            break;
        }
    }
    as(1, 0);
    ck_assert_int_eq(port_send(quiet_there), 0);
    ck_assert(pending_bit(0, quiet_here));
}
END_TEST

int main(void)
{
    TCase *start = tcase_create("start");
    TCase *running = tcase_create("running");
    int failed;

    tcase_set_timeout(start, 60);
    tcase_set_timeout(running, 60);
    tcase_add_test(start, what_was_pending_before_the_switch_comes_after_it);
    tcase_add_test(start, what_is_sent_before_there_is_a_word_comes_when_there_is);
    tcase_add_test(start, a_port_closed_before_it_had_a_word_leaves_nothing_behind);
    tcase_add_test(start, what_is_sent_before_there_is_a_control_block_comes_when_there_is);
    tcase_add_test(start, control_blocks_are_checked);
    tcase_add_test(start, array_pages_are_checked);
    tcase_add_test(start, there_are_131071_ports);
    tcase_add_test(start, memory_for_many_ports_can_run_out);
    tcase_add_test(running, events_come_in_the_order_they_were_sent);
    tcase_add_test(running, urgent_events_come_first);
    tcase_add_test(running, a_port_is_queued_once_and_one_upcall_is_enough);
    tcase_add_test(running, the_word_of_port_0_is_the_guests);
    tcase_add_test(running, the_port_that_was_last_can_be_sent_again);
    tcase_add_test(running, a_masked_port_waits_for_unmask);
    tcase_add_test(running, a_port_that_moves_leaves_the_old_queue_intact);
    tcase_add_test(running, pollers_are_woken_masked_or_not);
    tcase_add_test(running, priorities_are_checked);
    tcase_add_test(running, a_port_still_in_a_queue_is_not_given_out_again);
    tcase_add_test(running, reset_goes_back_to_2_levels_and_gives_the_pages_back);
    tcase_add_test(running, queues_forget_their_tails_with_the_array);
    tcase_add_test(running, a_link_left_in_a_word_is_not_believed);
    tcase_add_test(running, a_dying_domain_gives_its_pages_back);
    tcase_add_test(running, no_event_is_lost_whatever_the_order_of_things);
    tcase_add_test(running, a_guest_that_writes_nonsense_hurts_nobody_else);
    failed = run_cases("event delivery, FIFO: start", start, fifo_setup);
    return run_cases("event delivery, FIFO", running, fifo_ready) | failed;
}
