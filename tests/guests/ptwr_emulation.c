/* SPDX-License-Identifier: MIT */
/*
 * Stores into an L1 table in use: the page fault is fixed up by the hypervisor as if the store had
 * been an mmu_update, for every form of instruction a kernel uses.
 *
 * Linux writes its L1 entries this way (abi-use section 8.5). The attack is in the details: a
 * partial store that changes half an entry, a locked one between check and write.
 * Source: abi-use section 8.5; VMASST_TYPE_writable_pagetables; watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static volatile uint64_t *slot;
static uint8_t *window;
static uint64_t first, second;
static unsigned long faults;

static bool count_faults(struct regs *regs)
{
    faults += regs->vector == VECTOR_PF;
    return false;
}

/* Bits the hypervisor may add to what was written. */
#define ADDED (PTE_US | PTE_G | BIT(52))

static void expect_entry(uint64_t want, const char *what)
{
    expect_eq((long)(*slot & ~ADDED), (long)(want & ~ADDED), what);
}

static void store(void *value)
{
    *slot = (uint64_t)value;
}

static void exchange(void *value)
{
    uint64_t old = (uint64_t)value;

    __asm__ volatile("xchgq %0, %1" : "+r"(old), "+m"(*slot));
    expect_eq((long)(old & ~ADDED), (long)(first & ~ADDED), "xchg returns the old entry");
}

static void compare_exchange(void *value)
{
    uint64_t old = *slot;

    expect(__atomic_compare_exchange_n(slot, &old, (uint64_t)value, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST),
           "cmpxchg of the right value");
}

static void compare_exchange_wrong(void *value)
{
    uint64_t old = 0x1234;

    expect(!__atomic_compare_exchange_n(slot, &old, (uint64_t)value, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST),
           "cmpxchg of the wrong value");
    expect_eq((long)(old & ~ADDED), (long)(first & ~ADDED), "and it returns the right one");
}

static void clear_rw_byte(void *unused)
{
    (void)unused;
    __asm__ volatile("lock andb $0xfd, %0" : "+m"(*(volatile uint8_t *)slot));
}

static void set_rw_byte(void *unused)
{
    (void)unused;
    __asm__ volatile("lock orb $2, %0" : "+m"(*(volatile uint8_t *)slot));
}

static void bit_reset(void *unused)
{
    (void)unused;
    __asm__ volatile("lock btrq $6, %0" : "+m"(*slot));
}

static void bit_set(void *unused)
{
    (void)unused;
    __asm__ volatile("lock btsq $6, %0" : "+m"(*slot));
}

static void and_quad(void *unused)
{
    (void)unused;
    __asm__ volatile("lock andq %1, %0" : "+m"(*slot) : "r"(~PTE_D));
}

static void store_low_half(void *value)
{
    *(volatile uint32_t *)slot = (uint32_t)(uint64_t)value;
}

static void store_byte(void *value)
{
    *(volatile uint8_t *)slot = (uint8_t)(uint64_t)value;
}

static void store_immediate(void *unused)
{
    (void)unused;
    __asm__ volatile("movq $0, %0" : "=m"(*slot));
}

static void store_string(void *value)
{
    void *to = (void *)(uintptr_t)slot;
    uint64_t count = 1;

    __asm__ volatile("rep stosq" : "+D"(to), "+c"(count) : "a"(value) : "memory");
}

struct form {
    const char *name;
    void (*function)(void *);
    uint64_t value; /* handed to it */
    uint64_t want;  /* what must stand there afterwards */
    bool needed;    /* Linux counts on it; others may also become a fault for the guest */
};

static void check_form(const struct form *form)
{
    struct trap trap;

    expect_eq(mmu_update_one(va_maddr(slot), first), 0, "start entry");
    trap = try_call_trap(form->function, (void *)form->value);
    if (trap.vector == NO_TRAP) {
        expect_entry(form->want, form->name);
    } else {
        expect(!form->needed, form->name);
        expect_trap(&trap, VECTOR_PF, 3);
        expect_eq(trap.cr2 & ~7UL, (uint64_t)slot, "cr2");
        expect_entry(first, "unchanged");
        printf("%s is not emulated\n", form->name);
    }
}

static void check_forms(void)
{
    uint64_t half = (first & ~0xffffffffUL) | (second & 0xffffffffUL);
    const struct form forms[] = {
        { "mov 8 bytes", store, second, second, true },
        { "mov 8 bytes of 0", store, 0, 0, true },
        { "mov immediate", store_immediate, 0, 0, true },
        { "xchg", exchange, second, second, true },
        { "lock cmpxchg", compare_exchange, second, second, true },
        { "lock cmpxchg, not equal", compare_exchange_wrong, second, first, true },
        { "lock and byte", clear_rw_byte, 0, first & ~PTE_RW, true },
        { "lock or byte", set_rw_byte, 0, first | PTE_RW, false },
        { "lock btr", bit_reset, 0, first & ~PTE_D, true },
        { "lock bts", bit_set, 0, first | PTE_D, true },
        { "lock and 8 bytes", and_quad, 0, first & ~PTE_D, true },
        { "mov 4 bytes", store_low_half, half, half, false },
        { "mov 1 byte", store_byte, 0, first & ~0xffUL, false },
        { "stos", store_string, second, second, false },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(forms); i++) {
        check_form(&forms[i]);
    }
}

static void check_effect(void)
{
    uint64_t *pages[2] = { page_alloc(), page_alloc() };

    pages[0][0] = 1;
    pages[1][0] = 2;
    *slot = pte(va_mfn(pages[0]), PTE_READ_WRITE);
    expect_eq(mmuext_linear(MMUEXT_INVLPG_LOCAL, window), 0, "flush");
    expect_eq(*(volatile uint64_t *)(volatile void *)window, 1, "mapped by a store");
    *slot = pte(va_mfn(pages[1]), PTE_READ_WRITE);
    expect_eq(mmuext_linear(MMUEXT_INVLPG_LOCAL, window), 0, "flush");
    expect_eq(*(volatile uint64_t *)(volatile void *)window, 2, "and another");
    *slot = 0;
    expect_eq(mmuext_linear(MMUEXT_INVLPG_LOCAL, window), 0, "flush");
    expect_eq(try_read(window).vector, VECTOR_PF, "unmapped by a store");
}

void test_main(void)
{
    expect_eq(
        hypercall2(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_writable_pagetables), 0,
        "enable");
    window = spare_va();
    slot = entry_of(window, 1);
    first = pte(va_mfn(page_alloc()), PTE_READ_WRITE);
    second = pte(va_mfn(page_alloc()), PTE_READ_ONLY);
    trap_hook = count_faults;
    check_forms();
    check_effect();
    expect(faults < 20, "the faults were the hypervisor's to handle");
}
