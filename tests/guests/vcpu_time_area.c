/* SPDX-License-Identifier: MIT */
/*
 * A second copy of the clock, for user space, at an address of the guest's choice.
 *
 * Like the runstate area it is written by the hypervisor through the guest's mapping, so it must
 * tolerate that the mapping went away.
 * Source: public vcpu.h (register_vcpu_time_memory_area); watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static long place(unsigned int vcpu, const volatile void *address)
{
    struct vcpu_register_time_memory_area area = { .addr.p = (uint64_t)address };

    return hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_time_memory_area, vcpu, &area);
}

static void let_time_pass(void)
{
    struct sched_poll request = { .timeout = now() + 5 * MILLISECOND };

    hypercall2(__HYPERVISOR_sched_op, SCHEDOP_poll, &request);
}

void test_main(void)
{
    volatile struct vcpu_time_info *copy = page_alloc();
    unsigned long frame = va_mfn(copy);
    long result = place(0, copy);

    if (result == -XEN_ENOSYS) {
        test_skip("not offered");
    }
    expect_eq(result, 0, "register");
    expect(copy->version != 0 && (copy->version & 1) == 0, "filled in");
    expect_eq(copy->tsc_to_system_mul, this_cpu()->info->time.tsc_to_system_mul, "the same rate");
    expect_eq(copy->system_time, this_cpu()->info->time.system_time, "the same time");
    expect_eq(copy->tsc_timestamp, this_cpu()->info->time.tsc_timestamp, "at the same moment");

    expect_eq(update_va(copy, 0, UVMF_INVLPG), 0, "unmap");
    let_time_pass();
    expect_eq(update_va(copy, pte(frame, PTE_READ_WRITE), UVMF_INVLPG), 0, "map");
    let_time_pass();
    place(0, BAD_HYPERVISOR);
    let_time_pass();
    place(0, kernel_l4);
    let_time_pass();
    expect_eq(kernel_l4[0] | kernel_l4[1], 0, "the page table is unharmed");
    place(0, BAD_UNMAPPED);
    let_time_pass();
    expect_eq(place(0, NULL), 0, "no more");
    expect_eq(place(99, copy), -XEN_ENOENT, "no such vCPU");
    expect_eq(
        hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_time_memory_area, 0, BAD_UNMAPPED),
        -XEN_EFAULT, "bad argument");
}
