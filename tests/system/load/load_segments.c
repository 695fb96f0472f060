/* SPDX-License-Identifier: MIT */
/*
 * Segments in a 64-bit process: LDT entries made, used, switched with the
 * process and removed; and I/O ports opened, used and closed again.
 */
#include <asm/ldt.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/system/load/check.h"

#define ENTRIES 600 /* more than one page of them */

static sigjmp_buf back;

static void on_fault(int signal_number)
{
    (void)signal_number;
    siglongjmp(back, 1);
}

static void set_entry(unsigned int number, const void *base)
{
    struct user_desc entry = {
        .entry_number = number,
        .base_addr = (unsigned int)(uintptr_t)base,
        .limit = 4095,
        .seg_32bit = 1,
        .useable = 1,
    };

    CHECK(syscall(SYS_modify_ldt, 0x11, &entry, sizeof(entry)) == 0);
}

static uint32_t read_through(unsigned int number)
{
    uint16_t selector = (uint16_t)(number << 3 | 7);
    uint16_t kept;
    uint32_t value;

    __asm__ volatile("mov %%gs, %1\n"
                     "mov %2, %%gs\n"
                     "mov %%gs:0, %0\n"
                     "mov %1, %%gs\n"
                     : "=&r"(value), "=&r"(kept)
                     : "r"(selector));
    return value;
}

static void descriptors(uint32_t seed)
{
    uint32_t *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    struct user_desc empty = { .read_exec_only = 1, .seg_not_present = 1 };

    CHECK(page != MAP_FAILED);
    page[0] = seed;
    for (unsigned int number = 0; number < ENTRIES; number += 97) {
        set_entry(number, page);
        CHECK(read_through(number) == seed);
        CHECK(sched_yield() == 0);
        CHECK(read_through(number) == seed);
    }
    empty.entry_number = 97;
    CHECK(syscall(SYS_modify_ldt, 0x11, &empty, sizeof(empty)) == 0);
    if (sigsetjmp(back, 1) == 0) {
        (void)read_through(97);
        FAIL("a removed descriptor was usable");
    }
    CHECK(munmap(page, 4096) == 0);
}

static void ports(void)
{
    const unsigned short post_code = 0x80;

    if (sigsetjmp(back, 1) == 0) {
        outb(1, post_code);
        FAIL("a port was open before it was asked for");
    }
    CHECK(ioperm(post_code, 1, 1) == 0);
    for (int i = 0; i < 100; i++) {
        outb((unsigned char)i, post_code);
        CHECK(sched_yield() == 0);
    }
    if (sigsetjmp(back, 1) == 0) {
        outb(1, post_code + 1);
        FAIL("the next port was open too");
    }
    CHECK(ioperm(post_code, 1, 0) == 0);
    if (sigsetjmp(back, 1) == 0) {
        outb(1, post_code);
        FAIL("a closed port was open");
    }
}

int main(void)
{
    CHECK(signal(SIGSEGV, on_fault) != SIG_ERR);
    for (uint32_t child = 1; child <= 4; child++) {
        pid_t id = fork();

        CHECK(id >= 0);
        if (id == 0) {
            for (uint32_t round = 0; round < 10; round++) {
                descriptors(child << 16 | round);
            }
            ports();
            _exit(0);
        }
    }
    for (int child = 0; child < 4; child++) {
        int status;

        CHECK(wait(&status) > 0 && status == 0);
    }
    return 0;
}
