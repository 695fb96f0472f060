/* SPDX-License-Identifier: MIT */
/*
 * Descriptors and descriptor tables that a guest may not have.
 *
 * Attack: a call gate to ring 0, a conforming or DPL 0 code segment, a TSS or LDT descriptor of the
 * guest's making: each is a way out of ring 3.  Gates and system segments are refused, or stored
 * so that ring 3 cannot use them (type 0; a call gate of DPL 0, as Debian's Xen does); privilege
 * levels that are too good are refused or made 3.  Also: frames of others, frames that are page
 * tables, more entries than fit below the hypervisor's.
 * Source: public description of set_gdt and update_descriptor; CPU manuals; watched on Debian's
 * Xen.
 */
#include "tests/guests/lib/guest.h"

#define P         BIT(47)
#define S         BIT(44)
#define DPL3      (3UL << 45)
#define TYPE(t)   ((uint64_t)(t) << 40)
#define LIMIT     0x00cf00000000ffffUL
#define LONG_CODE 0x00af00000000ffffUL

static uint64_t *gdt;
static unsigned long frame;

static long update(uint64_t value)
{
    return hypercall2(__HYPERVISOR_update_descriptor, va_maddr(&gdt[8]), value);
}

/* Never may a descriptor that gives more than ring 3 end up in the table. */
static void check_privileged(uint64_t value, const char *what)
{
    long result = update(value);
    uint64_t got = gdt[8];

    if (result == 0) {
        expect_eq(got & (DPL3 | S), DPL3 | S, what);
        /* Conforming code would let ring 3 run a segment of less. */
        expect((got & TYPE(0xc)) != TYPE(0xc) || (got & DPL3) == DPL3, what);
    } else {
        expect_eq(result, -XEN_EINVAL, what);
        expect_eq(got, 0, "nothing written");
    }
    expect_eq(update(0), 0, "clear");
}

/* A gate or system segment is useless to ring 3 if its type is 0, or a call gate of DPL 0. */
static bool harmless(uint64_t descriptor)
{
    uint64_t type = descriptor & TYPE(15);

    return type == 0 || (type == TYPE(12) && (descriptor & DPL3) == 0);
}

static void check_system(uint64_t value, const char *what)
{
    long result = update(value);

    if (result == 0) {
        expect(harmless(gdt[8]), what);
    } else {
        expect_eq(result, -XEN_EINVAL, what);
        expect_eq(gdt[8], 0, "nothing written");
    }
    expect_eq(update(0), 0, "clear");
}

static void check_descriptors(void)
{
    static const char *const system_types[16] = {
        "reserved 0",       "16-bit TSS",  "LDT",         "busy 16-bit TSS",
        "16-bit call gate", "task gate",   "16-bit int",  "16-bit trap",
        "reserved 8",       "64-bit TSS",  "reserved 10", "busy 64-bit TSS",
        "64-bit call gate", "reserved 13", "64-bit int",  "64-bit trap",
    };

    for (unsigned int type = 0; type < 16; type++) {
        check_system(P | DPL3 | TYPE(type) | LIMIT, system_types[type]);
        check_system(P | TYPE(type) | LIMIT, system_types[type]);
    }
    check_privileged(P | S | TYPE(0xb) | LONG_CODE, "DPL 0 code");
    check_privileged(P | S | TYPE(0xf) | LONG_CODE, "DPL 0 conforming code");
    check_privileged(P | S | TYPE(3) | LIMIT, "DPL 0 data");
    check_privileged(P | S | 1UL << 45 | TYPE(0xb) | LONG_CODE, "DPL 1 code");
    check_privileged(P | S | 2UL << 45 | TYPE(3) | LIMIT, "DPL 2 data");
    check_privileged(P | S | DPL3 | TYPE(0xb) | 0x00ef00000000ffffUL, "code both L and D");
}

static long set_gdt(const unsigned long *frames, unsigned int entries)
{
    return hypercall2(__HYPERVISOR_set_gdt, frames, entries);
}

static void check_tables(void)
{
    static unsigned long frames[16];
    uint64_t *bad = page_alloc();
    unsigned long shared_mfn = start_info->shared_info >> PAGE_SHIFT;

    for (unsigned int i = 0; i < 16; i++) {
        frames[i] = frame;
    }
    expect_eq(set_gdt(frames, FIRST_RESERVED_GDT_ENTRY), 0, "as many entries as there may be");
    expect_eq(set_gdt(frames, FIRST_RESERVED_GDT_ENTRY + 1), -XEN_EINVAL, "one more");
    expect_eq(set_gdt(frames, 0x80000000), -XEN_EINVAL, "many more");
    expect_eq(set_gdt(frames, 0xffffffff), -XEN_EINVAL, "many more");
    expect_eq(set_gdt(BAD_UNMAPPED, 8), -XEN_EFAULT, "unmapped list");
    expect_eq(set_gdt(BAD_HYPERVISOR, 8), -XEN_EFAULT, "list in the hypervisor");

    frames[0] = ~0UL;
    expect_eq(set_gdt(frames, 512), -XEN_EINVAL, "no such frame");
    frames[0] = 0x100000000UL;
    expect_eq(set_gdt(frames, 512), -XEN_EINVAL, "beyond the machine");
    frames[0] = 0;
    expect_eq(set_gdt(frames, 512), -XEN_EINVAL, "not ours");
    frames[0] = va_mfn(kernel_l4);
    expect_eq(set_gdt(frames, 512), -XEN_EINVAL, "a page table");
    frames[0] = shared_mfn;
    expect_eq(set_gdt(frames, 512), -XEN_EINVAL, "shared_info");

    /* Filled while it was ordinary memory: validation must find the TSS. */
    bad[7] = P | DPL3 | TYPE(9) | LIMIT;
    make_read_only(bad);
    frames[0] = va_mfn(bad);
    expect_eq(set_gdt(frames, 512), -XEN_EINVAL, "a table with a TSS");
    make_writable(bad);
    bad[7] = 0;
    bad[511] = P | DPL3 | TYPE(9) | LIMIT;
    make_read_only(bad);
    expect_eq(set_gdt(frames, 16), -XEN_EINVAL, "also behind the last entry used");
    make_writable(bad);
    bad[511] = 0;
    bad[7] = P | DPL3 | TYPE(12) | LIMIT;
    make_read_only(bad);
    expect(set_gdt(frames, 512) == -XEN_EINVAL || harmless(bad[7]), "a table with a call gate");
    expect_eq(set_gdt(NULL, 0), 0, "none");
}

static void check_update_addresses(void)
{
    static uint64_t plain;
    uint64_t value = P | S | DPL3 | TYPE(3) | LIMIT;

    expect_eq(hypercall2(__HYPERVISOR_update_descriptor, va_maddr(&gdt[8]) + 4, value), -XEN_EINVAL,
              "unaligned");
    expect_eq(hypercall2(__HYPERVISOR_update_descriptor, ~7UL, value), -XEN_EINVAL, "no frame");
    expect_eq(hypercall2(__HYPERVISOR_update_descriptor, 0, value), -XEN_EINVAL, "not ours");
    expect_eq(hypercall2(__HYPERVISOR_update_descriptor, va_maddr(kernel_l4), value), -XEN_EINVAL,
              "a page table");
    expect_eq(kernel_l4[0], 0, "which is unharmed");
    expect_eq(hypercall2(__HYPERVISOR_update_descriptor, va_maddr(&plain), value), 0,
              "plain memory is just written");
    expect_eq(plain, value, "written");
}

void test_main(void)
{
    gdt = page_alloc();
    frame = va_mfn(gdt);
    make_read_only(gdt);
    expect_eq(set_gdt(&frame, 512), 0, "a table");
    check_descriptors();
    check_tables();
    check_update_addresses();
}
