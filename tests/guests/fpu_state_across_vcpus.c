/* SPDX-License-Identifier: MIT */
/*
 * Two vCPUs on one CPU, both with their own values in the SSE registers.
 *
 * A hypervisor that forgets to switch the state, or one corner of it, gives one vCPU the other's
 * registers.
 * Source: CPU manuals; design facts about QEMU 7.2 (its AVX ignores CR0.TS).
 * QEMU: smp=1
 * HV: dom0_max_vcpus=2
 */
#include "tests/guests/lib/guest.h"

#define ROUNDS 200

static void load(uint64_t value)
{
    __asm__ volatile("movq %0, %%xmm0\n\tmovq %0, %%xmm7\n\tmovq %0, %%xmm15\n\t"
                     "fninit\n\tpushq %0\n\tfildq (%%rsp)\n\taddq $8, %%rsp"
                     :
                     : "r"(value)
                     : "memory");
}

static bool same(uint64_t value)
{
    uint64_t low, middle, high, x87;

    __asm__ volatile("movq %%xmm0, %0\n\tmovq %%xmm7, %1\n\tmovq %%xmm15, %2\n\t"
                     "subq $8, %%rsp\n\tfld %%st(0)\n\tfistpq (%%rsp)\n\tpopq %3"
                     : "=r"(low), "=r"(middle), "=r"(high), "=r"(x87)
                     :
                     : "memory");
    return low == value && middle == value && high == value && x87 == value;
}

static volatile unsigned int wrong;

static void work(void *argument)
{
    uint64_t value = (uint64_t)argument;

    for (unsigned int i = 0; i < ROUNDS; i++) {
        load(value + i);
        for (unsigned int j = 0; j < 3; j++) {
            hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
            if (!same(value + i)) {
                __atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
            }
        }
    }
}

void test_main(void)
{
    cpu_start(1, work, (void *)0x1000000UL);
    work((void *)0x2000000UL);
    cpu_wait(1);
    expect_eq(wrong, 0, "registers that changed under us");
}
