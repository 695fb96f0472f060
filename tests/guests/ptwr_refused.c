/* SPDX-License-Identifier: MIT */
/*
 * Stores into page tables that must not succeed: bad entries into an L1, anything into an L2, L3
 * or L4, from user mode at all; each becomes a page fault of the guest's.
 *
 * Attack: the emulator writes with the hypervisor's rights. What it lets through was never checked.
 * Source: abi-use section 8.5; watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static volatile uint64_t *slot;

struct write {
    volatile uint64_t *to;
    uint64_t value;
};

static void store(void *argument)
{
    const struct write *write = argument;

    *write->to = write->value;
}

static void exchange(void *argument)
{
    struct write *write = argument;

    __atomic_exchange_n(write->to, write->value, __ATOMIC_SEQ_CST);
}

static void compare_exchange(void *argument)
{
    struct write *write = argument;
    uint64_t old = *write->to;

    __atomic_compare_exchange_n(write->to, &old, write->value, false, __ATOMIC_SEQ_CST,
                                __ATOMIC_SEQ_CST);
}

/* 16 bytes over two entries. */
static void compare_exchange_16(void *argument)
{
    struct write *write = argument;

    __asm__ volatile("lock cmpxchg16b %0"
                     : "+m"(*(volatile unsigned __int128 *)(volatile void *)write->to)
                     : "a"(write->to[0]), "d"(write->to[1]), "b"(write->value), "c"(write->value)
                     : "memory");
}

static void store_across(void *argument)
{
    const struct write *write = argument;

    *(volatile uint64_t *)((uintptr_t)write->to + 4) = write->value;
}

static unsigned long user_store(unsigned long value)
{
    *slot = value;
    return 0;
}

static void refuse(void (*function)(void *), volatile uint64_t *to, uint64_t value,
                   const char *what)
{
    struct write write = { .to = to, .value = value };
    uint64_t before = *to;
    struct trap trap = try_call_trap(function, &write);

    if (!expect_eq(trap.vector, VECTOR_PF, what) || !expect_eq((long)trap.error, 3, "error code")) {
        return;
    }
    expect_eq((long)*to, (long)before, "unchanged");
}

static void check_values(void)
{
    static const struct {
        const char *name;
        void (*function)(void *);
    } ways[] = { { "mov", store }, { "xchg", exchange }, { "cmpxchg", compare_exchange } };

    for (unsigned int i = 0; i < ARRAY_SIZE(ways); i++) {
        refuse(ways[i].function, slot, pte(va_mfn(kernel_l4), PTE_READ_WRITE), ways[i].name);
        refuse(ways[i].function, slot, pte(0x100000000UL, PTE_READ_WRITE), ways[i].name);
        refuse(ways[i].function, slot, pte(va_mfn(page_alloc()), PTE_READ_WRITE | BIT(51)),
               ways[i].name);
    }
    refuse(compare_exchange_16, (volatile uint64_t *)((uintptr_t)slot & ~15UL),
           pte(va_mfn(kernel_l4), PTE_READ_WRITE), "cmpxchg16b");
}

static void check_levels(void)
{
    for (unsigned int level = 2; level <= 4; level++) {
        volatile uint64_t *entry = entry_of((const void *)(uintptr_t)slot, level);

        refuse(store, entry, *entry, "a store of the same value");
        refuse(store, entry, 0, "a store of 0");
        refuse(exchange, entry, 0, "an exchange");
    }
}

void test_main(void)
{
    struct trap trap;

    expect_eq(
        hypercall2(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_writable_pagetables), 0,
        "enable");
    slot = entry_of(spare_va(), 1);
    check_values();
    check_levels();

    /* Half of one entry, half of the next. */
    {
        struct write write = { .to = slot, .value = 0 };
        uint64_t before[2] = { slot[0], slot[1] };

        trap = try_call_trap(store_across, &write);
        expect_trap(&trap, VECTOR_PF, 3);
        expect_eq((long)slot[0], (long)before[0], "unchanged");
        expect_eq((long)slot[1], (long)before[1], "unchanged");
    }
    trap = user_run(user_store, 0);
    expect_trap(&trap, VECTOR_PF, 7);

    /* A plain read-only page is no table: the guest sees its own fault. */
    {
        uint64_t *page = page_alloc();

        make_read_only(page);
        refuse(store, page, 1, "a read-only page");
    }
}
