/* SPDX-License-Identifier: MIT */
/*
 * Where the CPU has UMIP, ring 3 is not told where descriptor tables are: SGDT and SIDT give empty
 * ones, SLDT and STR no selector, SMSW what the kernel sees in CR0; to programs as to the kernel.
 * They fault like other stores.
 *
 * Attack: SIDT names an address of the hypervisor to anybody who asks.
 * ALSO: bochs
 * PEER: differs: Xen leaves UMIP off for PV guests
 */
#include "tests/guests/lib/guest.h"

#define UMIP       (1u << 2) /* leaf 7, ecx */
#define UNTOUCHED  0xa5
#define PF_PRESENT 1u
#define PF_WRITE   2u
#define PF_USER    4u

static unsigned char place[16];

#define INSTRUCTION(name)                                            \
    static unsigned long do_##name(unsigned long address)            \
    {                                                                \
        __asm__ volatile(#name " (%0)" : : "r"(address) : "memory"); \
        return 0;                                                    \
    }                                                                \
    static void call_##name(void *address)                           \
    {                                                                \
        (void)do_##name((unsigned long)address);                     \
    }
INSTRUCTION(sgdt)
INSTRUCTION(sidt)
INSTRUCTION(sldt)
INSTRUCTION(str)
INSTRUCTION(smsw)

static const struct {
    const char *name;
    unsigned long (*program)(unsigned long);
    void (*kernel)(void *);
    unsigned int bytes, first;
} stores[] = {
    { "sgdt", do_sgdt, call_sgdt, 10, 0 },   { "sidt", do_sidt, call_sidt, 10, 0 },
    { "sldt", do_sldt, call_sldt, 2, 0 },    { "str", do_str, call_str, 2, 0 },
    { "smsw", do_smsw, call_smsw, 2, 0x33 },
};

static void expect_stored(unsigned int i)
{
    expect_eq(place[0], stores[i].first, stores[i].name);
    for (unsigned int byte = 1; byte < sizeof(place); byte++) {
        expect_eq(place[byte], byte < stores[i].bytes ? 0 : UNTOUCHED, stores[i].name);
    }
    memset(place, UNTOUCHED, sizeof(place));
}

void test_main(void)
{
    uint32_t eax = 7, ebx, ecx = 0, edx;
    void *absent = page_alloc(), *read_only = page_alloc();

    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    if ((ecx & UMIP) == 0) {
        test_skip("this CPU has no UMIP");
    }
    expect_eq(update_va(absent, 0, UVMF_INVLPG), 0, "a page that is not there");
    make_read_only(read_only);
    memset(place, UNTOUCHED, sizeof(place));
    for (unsigned int i = 0; i < sizeof(stores) / sizeof(stores[0]); i++) {
        struct trap trap = user_run(stores[i].program, (unsigned long)place);

        expect(came_home(&trap), stores[i].name);
        expect_stored(i);
        expect_eq(try_call_trap(stores[i].kernel, place).vector, NO_TRAP, stores[i].name);
        expect_stored(i);
        trap = user_run(stores[i].program, (unsigned long)absent);
        expect_eq(trap.vector, VECTOR_PF, stores[i].name);
        expect_eq(trap.error, PF_USER | PF_WRITE, stores[i].name);
        trap = user_run(stores[i].program, (unsigned long)read_only);
        expect_eq(trap.error, PF_USER | PF_WRITE | PF_PRESENT, stores[i].name);
        expect_eq(try_call_trap(stores[i].kernel, absent).vector, VECTOR_PF, stores[i].name);
    }
}
