/* SPDX-License-Identifier: MIT */
/*
 * A second vCPU: initialised with a context, up, running with exactly that context, down, up again
 * where it stopped.
 *
 * Source: public vcpu.h and struct vcpu_guest_context; errors watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static volatile unsigned int steps;
static volatile uint8_t mask_seen;
static volatile uint64_t gs_seen;
static uint64_t gs_data = 0x5555;

static long vcpu_op(unsigned int operation, unsigned int vcpu, void *argument)
{
    return hypercall3(__HYPERVISOR_vcpu_op, operation, vcpu, argument);
}

static void other(void *unused)
{
    uint64_t word;

    (void)unused;
    mask_seen = shared->vcpu_info[1].evtchn_upcall_mask;
    __asm__ volatile("movq %%gs:0, %0" : "=r"(word));
    gs_seen = word;
    steps = 1;
    vcpu_op(VCPUOP_down, 1, NULL);
    steps = 2;
}

void test_main(void)
{
    struct vcpu_guest_context *context = cpu_context(1);

    context->gs_base_kernel = (uint64_t)&gs_data;
    expect_eq(vcpu_op(VCPUOP_is_up, 0, NULL), 1, "we are up");
    expect_eq(vcpu_op(VCPUOP_is_up, 1, NULL), 0, "the other is not");
    expect_eq(vcpu_op(VCPUOP_is_up, 2, NULL), -XEN_ENOENT, "a third does not exist");
    expect_eq(vcpu_op(VCPUOP_is_up, 8191, NULL), -XEN_ENOENT, "nor the last Linux asks for");
    expect_eq(vcpu_op(VCPUOP_is_up, 0xffffffff, NULL), -XEN_ENOENT, "nor any");
    expect_eq(vcpu_op(VCPUOP_up, 1, NULL), -XEN_EINVAL, "up before initialise");
    expect_eq(vcpu_op(VCPUOP_initialise, 1, BAD_UNMAPPED), -XEN_EFAULT, "bad pointer");
    expect_eq(cpu_initialise(99, context), -XEN_ENOENT, "no such vCPU");
    expect_eq(cpu_initialise(0, context), -XEN_EEXIST, "one that runs");

    cpu_of(1)->function = other;
    expect_eq(cpu_initialise(1, context), 0, "initialise");
    expect_eq(cpu_initialise(1, context), -XEN_EEXIST, "twice");
    expect_eq(vcpu_op(VCPUOP_is_up, 1, NULL), 0, "not up by itself");
    expect_eq(vcpu_op(VCPUOP_up, 1, NULL), 0, "up");
    expect(wait_for(steps == 1, 2000UL), "it runs");
    expect_eq(mask_seen, 1, "with events masked");
    expect_eq(gs_seen, 0x5555, "with its gs");
    expect(wait_for(vcpu_op(VCPUOP_is_up, 1, NULL) == 0, 2000UL), "it went down");
    expect(!wait_for(steps != 1, 10UL), "and stays there");
    expect_eq(vcpu_op(VCPUOP_up, 1, NULL), 0, "up again");
    expect(wait_for(steps == 2, 2000UL), "goes on where it was");
    expect_eq(vcpu_op(VCPUOP_up, 1, NULL), 0, "up while up");
    expect_eq(vcpu_op(VCPUOP_down, 1, NULL), 0, "down from outside");
    expect(wait_for(vcpu_op(VCPUOP_is_up, 1, NULL) == 0, 2000UL), "is down");
    expect_eq(vcpu_op(VCPUOP_down, 1, NULL), 0, "down while down");
}
