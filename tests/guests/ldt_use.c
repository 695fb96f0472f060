/* SPDX-License-Identifier: MIT */
/*
 * An LDT: set, used, faulted in, replaced, taken away; and the ones that are refused.
 *
 * The hypervisor maps a guest's LDT pages only when the CPU first needs them: the fault happens in
 * its own area on behalf of a selector the guest loaded.
 * Attack: an LDT page with a TSS descriptor; an LDT that is writable; one that lies in the
 * hypervisor. Source: public MMUEXT_SET_LDT; CPU manuals; watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

#define DATA32 0x00cff3000000ffffUL
#define TSS    0x0000e9000010ffffUL
/* #GP names the selector without its RPL. */
#define ERROR(n)    ((long)(n) << 3 | 4)
#define SELECTOR(n) ((unsigned long)(n) << 3 | 7)

static uint64_t *ldt;

static long set_ldt(const void *base, unsigned int entries)
{
    struct mmuext_op request = {
        .cmd = MMUEXT_SET_LDT,
        .arg1.linear_addr = (unsigned long)base,
        .arg2.nr_ents = entries,
    };

    return hypercall4(__HYPERVISOR_mmuext_op, &request, 1, 0, DOMID_SELF);
}

static void load_es(void *selector)
{
    __asm__ volatile("movl %0, %%es" : : "r"((uint32_t)(unsigned long)selector));
}

static struct trap try_es(unsigned long selector)
{
    struct trap trap = try_call_trap(load_es, (void *)selector);

    load_es(NULL);
    return trap;
}

static void check_use(void)
{
    struct trap trap = try_es(SELECTOR(1));

    expect_trap(&trap, VECTOR_GP, ERROR(1));
    expect_eq(set_ldt(ldt, 1024), 0, "two pages of LDT");
    expect_eq(try_es(SELECTOR(1)).vector, NO_TRAP, "first page");
    expect_eq(try_es(SELECTOR(600)).vector, NO_TRAP, "second page");
    trap = try_es(SELECTOR(2));
    expect_trap(&trap, VECTOR_GP, ERROR(2));
    trap = try_es(SELECTOR(1024));
    expect_trap(&trap, VECTOR_GP, ERROR(1024));

    expect(update_va(ldt, pte(va_mfn(ldt), PTE_READ_WRITE), UVMF_INVLPG) != 0,
           "a page in use does not become writable");
    expect_eq(hypercall2(__HYPERVISOR_update_descriptor, va_maddr(&ldt[2]), DATA32), 0, "update");
    expect_eq(try_es(SELECTOR(2)).vector, NO_TRAP, "works at once");
    expect_eq(hypercall2(__HYPERVISOR_update_descriptor, va_maddr(&ldt[2]), TSS), -XEN_EINVAL,
              "no TSS");

    expect_eq(set_ldt(NULL, 0), 0, "no LDT");
    trap = try_es(SELECTOR(1));
    expect_trap(&trap, VECTOR_GP, ERROR(1));
    make_writable(ldt);
    ldt[3] = TSS;
}

/* Set without being looked at, refused when the CPU asks for it. */
static void check_refused(void)
{
    struct trap trap;

    /* Looked at when named (-EINVAL) or when first used; never used. */
    expect(set_ldt(ldt, 512) <= 0, "naming a writable LDT");
    trap = try_es(SELECTOR(1));
    expect(trap.vector == VECTOR_GP || trap.vector == VECTOR_PF, "but not used");
    make_read_only(ldt);
    set_ldt(ldt, 512);
    trap = try_es(SELECTOR(1));
    expect(trap.vector == VECTOR_GP || trap.vector == VECTOR_PF, "nor one with a TSS");
    printf("LDT with a TSS: vector %d error %lx cr2 %lx\n", trap.vector, trap.error, trap.cr2);
    expect_eq(set_ldt(NULL, 0), 0, "no LDT");
    make_writable(ldt);
    ldt[3] = 0;
    make_read_only(ldt);

    expect(set_ldt(BAD_UNMAPPED, 512) <= 0, "naming an unmapped LDT");
    trap = try_es(SELECTOR(1));
    expect(trap.vector == VECTOR_GP || trap.vector == VECTOR_PF, "but not used");
    printf("unmapped LDT: vector %d error %lx cr2 %lx\n", trap.vector, trap.error, trap.cr2);

    expect_eq(set_ldt((char *)ldt + 8, 512), -XEN_EINVAL, "not page-aligned");
    expect_eq(set_ldt(BAD_HYPERVISOR, 512), -XEN_EINVAL, "in the hypervisor");
    expect_eq(set_ldt(BAD_NONCANONICAL, 512), -XEN_EINVAL, "not canonical");
    expect_eq(set_ldt(ldt, 8193), -XEN_EINVAL, "too many entries");
    expect_eq(set_ldt(ldt, 0xffffffff), -XEN_EINVAL, "far too many entries");
    /* Across the hole: refused, or its far end is never used. */
    set_ldt((void *)0x00007ffffffff000UL, 8192);
    trap = try_es(SELECTOR(600));
    expect(trap.vector == VECTOR_GP || trap.vector == VECTOR_PF, "not used");
}

void test_main(void)
{
    uint64_t *second;

    ldt = page_alloc();
    second = page_alloc();
    expect(second == ldt + 512, "pages in a row");
    ldt[1] = DATA32;
    ldt[600] = DATA32;
    make_read_only(ldt);
    make_read_only(second);
    check_use();
    check_refused();
}
