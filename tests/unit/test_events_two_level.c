/* SPDX-License-Identifier: MIT */
/*
 * hypervisor/event/event.c with the 2-level scheme, and what follows when a vCPU has something to
 * look at: upcall flag, wake-up, kick, poll.
 */
#include "tests/unit/events_world.h"

static long here, there; /* domain 2's port, domain 1's port */

static struct vcpu *target(unsigned int vcpu)
{
    return dom[2]->vcpu[vcpu];
}

static void connected(void)
{
    world_setup();
    connect_ports(1, 2, &there, &here);
    as(1, 0);
    memset(&fake, 0, sizeof(fake));
}

START_TEST(a_send_sets_pending_selector_and_upcall_once)
{
    ck_assert_int_eq(port_send(there), 0);
    ck_assert(pending_bit(2, here));
    ck_assert_uint_eq(target(0)->info->evtchn_pending_sel, UINT64_C(1) << (here / 64));
    ck_assert_uint_eq(target(0)->info->evtchn_upcall_pending, 1);
    ck_assert_uint_eq(fake.kicks, 1);
    ck_assert_ptr_eq(fake.last_kicked, target(0));
    for (unsigned int i = 0; i < 5; i++) {
        ck_assert_int_eq(port_send(there), 0);
    }
    ck_assert_uint_eq(fake.kicks, 1);
    ck_assert(!pending_bit(1, there));
    /* Who found the port pending leaves the rest to the one who made it so. */
    (void)take_upcall(2, 0);
    target(0)->info->evtchn_pending_sel = 0;
    (void)bit_test_and_set(dom[2]->shared_info->evtchn_pending, (unsigned int)here);
    ck_assert_int_eq(port_send(there), 0);
    ck_assert_uint_eq(target(0)->info->evtchn_pending_sel, 0);
    ck_assert_uint_eq(target(0)->info->evtchn_upcall_pending, 0);
}
END_TEST

START_TEST(a_masked_port_gets_its_pending_bit_and_nothing_else)
{
    mask_port(2, here);
    ck_assert_int_eq(port_send(there), 0);
    ck_assert(pending_bit(2, here));
    ck_assert_uint_eq(target(0)->info->evtchn_pending_sel, 0);
    ck_assert_uint_eq(target(0)->info->evtchn_upcall_pending, 0);
    ck_assert_uint_eq(fake.kicks, 0);
}
END_TEST

START_TEST(unmask_delivers_what_waited_and_only_that)
{
    as(2, 1);
    mask_port(2, here);
    ck_assert_int_eq(port_unmask(here), 0);
    ck_assert_uint_eq(target(0)->info->evtchn_upcall_pending, 0);
    ck_assert(!port_bit(dom[2], (uint32_t)here, EVTCHN_FIFO_MASKED));

    mask_port(2, here);
    as(1, 0);
    ck_assert_int_eq(port_send(there), 0);
    as(2, 1);
    ck_assert_int_eq(port_unmask(here), 0);
    ck_assert_uint_eq(target(0)->info->evtchn_pending_sel, UINT64_C(1) << (here / 64));
    ck_assert_uint_eq(target(0)->info->evtchn_upcall_pending, 1);
    ck_assert_uint_eq(fake.kicks, 1);

    /* It was not masked: nothing to do. */
    (void)take_upcall(2, 0);
    ck_assert_int_eq(port_unmask(here), 0);
    ck_assert_uint_eq(target(0)->info->evtchn_upcall_pending, 0);
}
END_TEST

START_TEST(the_event_goes_to_the_vcpu_the_port_was_moved_to)
{
    as(2, 0);
    ck_assert_int_eq(bind_vcpu(here, 1), 0);
    as(1, 0);
    ck_assert_int_eq(port_send(there), 0);
    ck_assert_uint_eq(target(0)->info->evtchn_upcall_pending, 0);
    ck_assert_uint_eq(target(1)->info->evtchn_upcall_pending, 1);
    ck_assert_ptr_eq(fake.last_kicked, target(1));
}
END_TEST

START_TEST(a_selector_that_is_set_tells_nobody_again)
{
    target(0)->info->evtchn_pending_sel = UINT64_C(1) << (here / 64);
    ck_assert_int_eq(port_send(there), 0);
    ck_assert(pending_bit(2, here));
    ck_assert_uint_eq(target(0)->info->evtchn_upcall_pending, 0);
}
END_TEST

START_TEST(who_was_told_is_not_told_again)
{
    as(2, 0);
    for (uint32_t port = 2; port <= 64; port++) { /* up to one of another selector */
        ck_assert_int_eq(bind_ipi(0), port);
    }
    as(1, 0);
    ck_assert_int_eq(port_send(there), 0);
    as(2, 1);
    ck_assert_int_eq(port_send(64), 0);
    ck_assert_uint_eq(target(0)->info->evtchn_pending_sel, 3);
    ck_assert_uint_eq(fake.kicks, 1);
}
END_TEST

START_TEST(a_blocked_vcpu_is_woken_and_a_running_one_kicked)
{
    target(0)->blocked = VCPU_BLOCKED;
    ck_assert_int_eq(port_send(there), 0);
    ck_assert_uint_eq(target(0)->blocked, 0);
    ck_assert_uint_eq(fake.wakes, 1);
    ck_assert_ptr_eq(fake.last_woken, target(0));
    ck_assert_uint_eq(fake.kicks, 0);

    clear_pending(2, here);
    (void)take_upcall(2, 0);
    ck_assert_int_eq(port_send(there), 0);
    ck_assert_uint_eq(fake.wakes, 1);
    ck_assert_uint_eq(fake.kicks, 1);
}
END_TEST

START_TEST(a_vcpu_that_is_down_stays_down)
{
    target(0)->blocked = VCPU_DOWN;
    ck_assert_int_eq(port_send(there), 0);
    ck_assert_uint_eq(target(0)->blocked, VCPU_DOWN);
    ck_assert_uint_eq(fake.wakes, 0);
    ck_assert_uint_eq(target(0)->info->evtchn_upcall_pending, 1);
}
END_TEST

START_TEST(the_upcall_mask_does_not_keep_the_kick_away)
{
    target(0)->info->evtchn_upcall_mask = 1;
    ck_assert_int_eq(port_send(there), 0);
    ck_assert_uint_eq(fake.kicks, 1);
    ck_assert(!event_upcall_due(target(0)));
    target(0)->info->evtchn_upcall_mask = 0;
    ck_assert(event_upcall_due(target(0)));
}
END_TEST

START_TEST(who_sends_to_himself_needs_no_kick)
{
    long self_there = alloc_unbound(DOMID_SELF, DOMID_SELF);
    long self_here = bind_interdomain(DOMID_SELF, self_there);

    clear_pending(1, self_here);
    (void)take_upcall(1, 0);
    memset(&fake, 0, sizeof(fake));
    ck_assert_int_eq(port_send(self_there), 0);
    ck_assert_uint_eq(fake.kicks, 0);
    ck_assert_uint_eq(fake.wakes, 0);
    ck_assert(event_upcall_due(dom[1]->vcpu[0]));

    /* It has asked to be blocked, and is still loaded. */
    clear_pending(1, self_here);
    (void)take_upcall(1, 0);
    dom[1]->vcpu[0]->blocked = VCPU_BLOCKED;
    ck_assert_int_eq(port_send(self_there), 0);
    ck_assert_uint_eq(dom[1]->vcpu[0]->blocked, 0);
    ck_assert_uint_eq(fake.wakes, 1);
}
END_TEST

static void start_poll(unsigned int vcpu, long port)
{
    vcpu_poll_begin(target(vcpu), (uint32_t)port);
}

START_TEST(a_poller_is_woken_by_its_port_masked_or_not)
{
    mask_port(2, here);
    start_poll(1, here);
    ck_assert_int_eq(port_send(there), 0);
    ck_assert_uint_eq(target(1)->blocked, 0);
    ck_assert_uint_eq(dom[2]->poll_count, 0);
    ck_assert_uint_eq(fake.wakes, 1);
    ck_assert_int_eq(event_port_pending(dom[2], (uint32_t)here), 1);
    ck_assert(!vcpu_wait_end(target(1)));
    ck_assert_uint_eq(dom[2]->poll_count, 0);
    clear_pending(2, here);
    ck_assert_int_eq(event_port_pending(dom[2], (uint32_t)here), 0);
}
END_TEST

START_TEST(a_poll_ends_no_other_vcpus_sleep)
{
    mask_port(2, here);
    target(0)->blocked = VCPU_BLOCKED;
    start_poll(1, here);
    ck_assert_int_eq(port_send(there), 0);
    ck_assert_uint_eq(target(1)->blocked, 0);
    ck_assert_uint_eq(target(0)->blocked, VCPU_BLOCKED);
}
END_TEST

START_TEST(a_poller_of_any_port_is_woken_and_one_of_another_port_is_not)
{
    mask_port(2, here);
    start_poll(0, here + 1);
    start_poll(1, 0);
    ck_assert_int_eq(port_send(there), 0);
    ck_assert_uint_eq(target(1)->blocked, 0);
    ck_assert_uint_eq(target(0)->blocked, VCPU_BLOCKED | VCPU_POLLING);
    ck_assert_uint_eq(dom[2]->poll_count, 1);
    ck_assert(vcpu_wait_end(target(0)));
    ck_assert_uint_eq(dom[2]->poll_count, 0);
}
END_TEST

START_TEST(an_upcall_ends_a_poll_as_well)
{
    start_poll(0, here + 1);
    ck_assert_int_eq(port_send(there), 0);
    ck_assert_uint_eq(target(0)->blocked, 0);
    ck_assert_uint_eq(dom[2]->poll_count, 0);
}
END_TEST

START_TEST(after_vcpu_info_has_moved_everything_is_looked_at_there)
{
    struct vcpu_info *moved = page_address(fake_page_new(dom[2]));

    ck_assert_int_eq(port_send(there), 0);
    *moved = *target(0)->info;
    moved->evtchn_upcall_pending = 0; /* a sender wrote to the old one after the copy */
    moved->evtchn_pending_sel = 0;
    target(0)->info = moved;
    target(0)->blocked = VCPU_BLOCKED;
    events_vcpu_info_moved(target(0));
    ck_assert_uint_eq(moved->evtchn_pending_sel, UINT64_MAX);
    ck_assert_uint_eq(moved->evtchn_upcall_pending, 1);
    ck_assert_uint_eq(target(0)->blocked, 0);

    ck_assert_uint_eq(take_upcall(2, 0), UINT64_MAX);
    clear_pending(2, here);
    ck_assert_int_eq(port_send(there), 0);
    ck_assert_uint_eq(moved->evtchn_upcall_pending, 1);
}
END_TEST

START_TEST(every_port_has_its_own_bits)
{
    as(1, 0);
    for (uint32_t port = 2; port < EVTCHN_2L_NR_CHANNELS; port++) {
        uint64_t word;

        ck_assert_int_eq(bind_ipi(0), port);
        ck_assert_int_eq(port_send(port), 0);
        word = dom[1]->shared_info->evtchn_pending[port / 64];
        ck_assert_uint_eq(word, UINT64_C(1) << (port % 64));
        ck_assert_uint_eq(take_upcall(1, 0), UINT64_C(1) << (port / 64));
        clear_pending(1, port);
    }
}
END_TEST

START_TEST(sends_nest)
{
    uint32_t before = senders_enter();

    event_send_global_virq(VIRQ_CON_RING);                  /* such as a line of log makes */
    ck_assert_uint_eq(this_cpu()->event_sends, before + 1); /* as if nothing had been */
    senders_leave(before);
    ck_assert_uint_eq(this_cpu()->event_sends & 1, 0);
    ck_assert_uint_ne(this_cpu()->event_sends, before);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("2-level");

    tcase_add_test(cases, a_send_sets_pending_selector_and_upcall_once);
    tcase_add_test(cases, a_masked_port_gets_its_pending_bit_and_nothing_else);
    tcase_add_test(cases, unmask_delivers_what_waited_and_only_that);
    tcase_add_test(cases, the_event_goes_to_the_vcpu_the_port_was_moved_to);
    tcase_add_test(cases, a_selector_that_is_set_tells_nobody_again);
    tcase_add_test(cases, who_was_told_is_not_told_again);
    tcase_add_test(cases, a_blocked_vcpu_is_woken_and_a_running_one_kicked);
    tcase_add_test(cases, a_vcpu_that_is_down_stays_down);
    tcase_add_test(cases, the_upcall_mask_does_not_keep_the_kick_away);
    tcase_add_test(cases, who_sends_to_himself_needs_no_kick);
    tcase_add_test(cases, a_poller_is_woken_by_its_port_masked_or_not);
    tcase_add_test(cases, a_poll_ends_no_other_vcpus_sleep);
    tcase_add_test(cases, a_poller_of_any_port_is_woken_and_one_of_another_port_is_not);
    tcase_add_test(cases, an_upcall_ends_a_poll_as_well);
    tcase_add_test(cases, after_vcpu_info_has_moved_everything_is_looked_at_there);
    tcase_add_test(cases, every_port_has_its_own_bits);
    tcase_add_test(cases, sends_nest);
    return run_cases("event delivery, 2-level", cases, connected);
}
