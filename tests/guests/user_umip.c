/* SPDX-License-Identifier: MIT */
/*
 * Where the CPU has UMIP, ring 3 is not told where descriptor tables are: SGDT, SIDT, SLDT, STR and
 * SMSW are a #GP in the guest's kernel, for programs and for the kernel itself.
 *
 * Attack: SIDT names an address of the hypervisor to anybody who asks.
 * PEER: differs: Xen leaves UMIP off for PV guests
 */
#include "tests/guests/lib/guest.h"

#define UMIP (1u << 2) /* leaf 7, ecx */

static unsigned char place[16];

#define INSTRUCTION(name)                                                   \
    static unsigned long do_##name(unsigned long unused)                    \
    {                                                                       \
        (void)unused;                                                       \
        __asm__ volatile(#name " %0" : "=m"(*(unsigned char(*)[16])place)); \
        return 0;                                                           \
    }
INSTRUCTION(sgdt)
INSTRUCTION(sidt)
INSTRUCTION(sldt)
INSTRUCTION(str)
INSTRUCTION(smsw)

static const struct {
    const char *name;
    unsigned long (*function)(unsigned long);
} instructions[] = {
    { "sgdt", do_sgdt }, { "sidt", do_sidt }, { "sldt", do_sldt },
    { "str", do_str },   { "smsw", do_smsw },
};

static void call(void *index)
{
    (void)instructions[(unsigned long)index].function(0);
}

void test_main(void)
{
    uint32_t eax = 7, ebx, ecx = 0, edx;

    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    if ((ecx & UMIP) == 0) {
        printf("this CPU has no UMIP\n");
        return;
    }
    for (unsigned long i = 0; i < sizeof(instructions) / sizeof(instructions[0]); i++) {
        struct trap trap = user_run(instructions[i].function, 0);

        expect_eq(trap.vector, VECTOR_GP, instructions[i].name);
        trap = try_call_trap(call, (void *)i);
        expect_eq(trap.vector, VECTOR_GP, instructions[i].name);
    }
}
