/* SPDX-License-Identifier: MIT */
/*
 * console_io: lengths, pointers and bytes of all kinds; output must not harm the hypervisor.
 *
 * Source: public console_io; errors watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static long output(unsigned long count, const void *buffer)
{
    return hypercall3(__HYPERVISOR_console_io, CONSOLEIO_write, count, buffer);
}

void test_main(void)
{
    static char text[5000];
    char *page = page_alloc();
    char *next = page_alloc();

    expect_eq(output(0, text), 0, "nothing");
    expect_eq(output(0, BAD_UNMAPPED), 0, "nothing from nowhere");
    memset(text, 'x', sizeof(text));
    for (unsigned int i = 79; i < sizeof(text); i += 80) {
        text[i] = '\n';
    }
    expect_eq(output(1, "\n"), 0, "a byte");
    expect_eq(output(1600, text), 0, "a long text");
    /* All bytes there are; a terminal may blink, nothing more. */
    for (unsigned int i = 0; i < 256; i++) {
        text[i] = (char)(i == 27 ? ' ' : i);
    }
    text[256] = '\n';
    expect_eq(output(257, text), 0, "every byte");

    expect_eq(output(5, BAD_UNMAPPED), -XEN_EFAULT, "unmapped");
    expect_eq(output(5, BAD_HYPERVISOR), -XEN_EFAULT, "the hypervisor's memory");
    expect_eq(output(5, BAD_NONCANONICAL), -XEN_EFAULT, "nowhere");
    memset(page, '.', PAGE_SIZE);
    expect_eq(update_va(next, 0, UVMF_INVLPG), 0, "unmap");
    expect_eq(output(20, page + PAGE_SIZE - 10), -XEN_EFAULT, "over the end of a page");
    expect_eq(output(1, "\n"), 0, "end of the line");

    expect(hypercall3(__HYPERVISOR_console_io, CONSOLEIO_read, 10, text) == 0, "no input waits");
    expect_eq(hypercall3(__HYPERVISOR_console_io, CONSOLEIO_read, 0, text), 0, "no room");
    expect(hypercall3(__HYPERVISOR_console_io, CONSOLEIO_read, 10, BAD_HYPERVISOR) <= 0,
           "input into the hypervisor");
    expect_eq(hypercall3(__HYPERVISOR_console_io, 2, 0, 0), -XEN_ENOSYS, "no such command");
}
