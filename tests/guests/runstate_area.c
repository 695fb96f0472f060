/* SPDX-License-Identifier: MIT */
/*
 * Runstate: how long a vCPU ran, waited, slept; by question and in a registered area.
 *
 * The area is guest memory that the hypervisor writes at every switch: it may be unmapped by then,
 * or read-only, or the page may be another one. None of that may hurt anybody.
 * Source: public vcpu.h; watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static long get(unsigned int vcpu, struct vcpu_runstate_info *info)
{
    return hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_get_runstate_info, vcpu, info);
}

static long place(unsigned int vcpu, void *address)
{
    struct vcpu_register_runstate_memory_area area = { .addr.p = (uint64_t)address };

    return hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_register_runstate_memory_area, vcpu, &area);
}

static void sleep(uint64_t time)
{
    struct sched_poll request = { .timeout = now() + time };

    hypercall2(__HYPERVISOR_sched_op, SCHEDOP_poll, &request);
}

static uint64_t total(const struct vcpu_runstate_info *info)
{
    return info->time[0] + info->time[1] + info->time[2] + info->time[3];
}

static void check_question(void)
{
    struct vcpu_runstate_info before, after;

    expect_eq(get(0, &before), 0, "ask");
    expect_eq(before.state, RUNSTATE_running, "we run");
    sleep(20 * MILLISECOND);
    expect_eq(get(0, &after), 0, "ask again");
    expect(after.time[RUNSTATE_blocked] - before.time[RUNSTATE_blocked] >= 15 * MILLISECOND,
           "the sleep is counted as blocked");
    expect(total(&after) > total(&before), "time goes on");
    expect(total(&after) - total(&before) >= 20 * MILLISECOND, "and adds up");

    expect_eq(get(1, &after), 0, "ask about the other vCPU");
    expect_eq(after.state, RUNSTATE_offline, "which is down");
    expect_eq(get(99, &after), -XEN_ENOENT, "no such vCPU");
    expect_eq(get(0, BAD_UNMAPPED), -XEN_EFAULT, "bad pointer");
    expect_eq(get(0, BAD_HYPERVISOR), -XEN_EFAULT, "bad pointer");
}

static void check_area(void)
{
    volatile struct vcpu_runstate_info *area = page_alloc();
    unsigned long frame = va_mfn(area);

    expect_eq(place(0, (void *)(uintptr_t)area), 0, "register");
    expect_eq(area->state, RUNSTATE_running, "filled in at once");
    sleep(5 * MILLISECOND);
    expect(area->time[RUNSTATE_blocked] >= 4 * MILLISECOND, "updated at a switch");
    expect_eq(area->state, RUNSTATE_running, "we run");
    expect_eq(area->state_entry_time & XEN_RUNSTATE_UPDATE, 0, "no update under way");

    /* Taken away under the hypervisor, and made read-only. */
    expect_eq(update_va(area, 0, UVMF_INVLPG), 0, "unmap");
    sleep(2 * MILLISECOND);
    expect_eq(update_va(area, pte(frame, PTE_READ_ONLY), UVMF_INVLPG), 0, "read-only");
    sleep(2 * MILLISECOND);
    expect_eq(update_va(area, pte(frame, PTE_READ_WRITE), UVMF_INVLPG), 0, "as before");
    sleep(2 * MILLISECOND);
    expect_eq(area->state, RUNSTATE_running, "goes on");
    expect_eq(place(0, NULL), 0, "no more");
}

static void check_refused(void)
{
    uint8_t *pages = page_alloc();

    page_alloc();
    /* Across a page boundary is allowed: it is a virtual address. */
    expect_eq(place(0, pages + PAGE_SIZE - 16), 0, "across pages");
    sleep(2 * MILLISECOND);
    expect_eq(((struct vcpu_runstate_info *)(void *)(pages + PAGE_SIZE - 16))->state,
              RUNSTATE_running, "works");
    /* Refused, or dropped at the first write: not written with the hypervisor's rights. */
    place(0, BAD_HYPERVISOR);
    sleep(2 * MILLISECOND);
    place(0, (void *)kernel_l4);
    sleep(2 * MILLISECOND);
    expect_eq(kernel_l4[0] | kernel_l4[1], 0, "the page table is unharmed");
    place(0, BAD_UNMAPPED);
    sleep(2 * MILLISECOND);
    place(0, BAD_NONCANONICAL);
    sleep(2 * MILLISECOND);
    place(0, NULL);
    expect_eq(
        hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_register_runstate_memory_area, 0, BAD_UNMAPPED),
        -XEN_EFAULT, "bad argument");
}

void test_main(void)
{
    check_question();
    check_area();
    check_refused();
}
