/* SPDX-License-Identifier: MIT */
/*
 * Port I/O: the control domain's kernel reaches device ports, not those the hypervisor drives
 * itself; user code only what IOPL or the port bitmap give it.
 *
 * Attack: reprogram the interrupt controllers or the timer under the hypervisor; user code that
 * uses a bitmap read past its end.
 * Source: public physdev_op; abi-use section 8.4; watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

struct access {
    uint16_t port;
    unsigned int size;
    uint32_t value;
};

static void do_in(void *argument)
{
    struct access *access = argument;

    switch (access->size) {
    case 1: {
        uint8_t value;

        __asm__ volatile("inb %w1, %0" : "=a"(value) : "Nd"(access->port));
        access->value = value;
        break;
    }
    case 2: {
        uint16_t value;

        __asm__ volatile("inw %w1, %0" : "=a"(value) : "Nd"(access->port));
        access->value = value;
        break;
    }
    default:
        __asm__ volatile("inl %w1, %0" : "=a"(access->value) : "Nd"(access->port));
        break;
    }
}

static void do_out(void *argument)
{
    const struct access *access = argument;

    __asm__ volatile("outb %b0, %w1" : : "a"(access->value), "Nd"(access->port));
}

static uint32_t in(uint16_t port, unsigned int size)
{
    struct access access = { .port = port, .size = size, .value = 0x12345678 };

    expect_eq(try_call_trap(do_in, &access).vector, NO_TRAP, "in");
    return access.value;
}

static void out(uint16_t port, uint8_t value)
{
    struct access access = { .port = port, .size = 1, .value = value };

    expect_eq(try_call_trap(do_out, &access).vector, NO_TRAP, "out");
}

static unsigned long user_in(unsigned long port)
{
    struct access access = { .port = (uint16_t)port, .size = 1 };

    do_in(&access);
    return access.value;
}

static bool user_may(uint16_t port)
{
    struct trap trap = user_run(user_in, port);

    expect(came_home(&trap) || trap.vector == VECTOR_GP, "in of the user");
    return came_home(&trap);
}

static long set_iobitmap(const void *bitmap, unsigned int ports)
{
    struct physdev_set_iobitmap request = {
        .bitmap = (uint8_t *)(uintptr_t)bitmap,
        .nr_ports = ports,
    };

    return hypercall2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iobitmap, &request);
}

static long set_iopl(unsigned int iopl)
{
    struct physdev_set_iopl request = { .iopl = iopl };

    return hypercall2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &request);
}

static void check_kernel(void)
{
    expect_eq(set_iopl(1), 0, "IOPL for the kernel");
    /* The keyboard controller is a device of dom0's; the interrupt controllers are not. */
    printf("ports: 64 %x, 20 %x, 21 %x, a1 %x, 40 %x, 43 %x, cf8 %x, 3f8+5 %x\n", in(0x64, 1),
           in(0x20, 1), in(0x21, 1), in(0xa1, 1), in(0x40, 1), in(0x43, 1), in(0xcf8, 4),
           in(0x3fd, 1));
    expect_eq(in(0x21, 1), 0xff, "the interrupt controller cannot be seen");
    out(0x21, 0);
    out(0x20, 0x11);
    expect_eq(in(0x21, 1), 0xff, "nor changed");
    expect_eq(in(0x3fd, 1), 0xff, "the hypervisor's serial port is not ours");
    /* PCI configuration goes through the hypervisor but works. */
    __asm__ volatile("outl %0, %w1" : : "a"(0x80000000), "Nd"(0xcf8));
    expect_eq(in(0xcfc, 4), 0x12378086, "host bridge of this machine");
    expect_eq(in(0xcfe, 2), 0x1237, "a part of the register");
    expect_eq(in(0xcfc, 1), 0x86, "a smaller part");
}

static void check_user(void)
{
    uint8_t *bitmap = page_alloc();
    uint8_t *second = page_alloc();

    expect(!user_may(0x64), "nothing without IOPL or bitmap");
    expect_eq(set_iopl(3), 0, "IOPL 3");
    expect(user_may(0x64), "IOPL 3 gives all");
    expect_eq(set_iopl(1), 0, "back");
    expect(!user_may(0x64), "nothing again");

    memset(bitmap, 0xff, PAGE_SIZE);
    memset(second, 0xff, PAGE_SIZE);
    bitmap[0x64 / 8] = (uint8_t) ~(1U << (0x64 % 8));
    expect_eq(set_iobitmap(bitmap, 0x65), 0, "bitmap up to 0x64");
    expect(user_may(0x64), "allowed by the bitmap");
    expect(!user_may(0x60), "not allowed by it");
    expect(!user_may(0x65), "behind its end");
    expect(!user_may(0xffff), "far behind its end");
    expect_eq(set_iobitmap(bitmap, 65536), 0, "a full bitmap");
    expect(user_may(0x64), "allowed by the bitmap");
    expect(!user_may(0xffff), "last port, forbidden");
    expect_eq(set_iobitmap(bitmap, 65537), -XEN_EINVAL, "too many ports");
    expect_eq(set_iobitmap(bitmap, 0xffffffff), -XEN_EINVAL, "far too many ports");

    /* The bitmap is read when needed: half of it unmapped must read as forbidden. */
    expect_eq(update_va(second, 0, UVMF_INVLPG), 0, "unmap the second half");
    memset(bitmap, 0, PAGE_SIZE);
    expect(user_may(0x64), "first half");
    expect(!user_may(0x8000 + 8), "unmapped half");
    set_iobitmap(BAD_UNMAPPED, 65536);
    expect(!user_may(0x64), "unmapped bitmap");
    set_iobitmap(BAD_HYPERVISOR, 65536);
    expect(!user_may(0x64), "bitmap in the hypervisor");
    expect_eq(set_iobitmap(NULL, 0), 0, "no bitmap");
    expect(!user_may(0x64), "nothing");
}

void test_main(void)
{
    check_kernel();
    check_user();
}
