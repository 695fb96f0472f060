/* SPDX-License-Identifier: MIT */
/*
 * mmap, mremap, mprotect, madvise, copy on write: mappings come, move, change
 * their rights and go, and memory must hold what was put there, nothing else.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "tests/system/load/check.h"

#define PAGE  4096ul
#define PAGES 512ul

static sigjmp_buf back;
static volatile uintptr_t fault_address;

static void on_fault(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number;
    (void)context;
    fault_address = (uintptr_t)info->si_addr;
    siglongjmp(back, 1);
}

static int faults(volatile char *at, int writing)
{
    fault_address = 0;
    if (sigsetjmp(back, 1) != 0) {
        CHECK(fault_address == (uintptr_t)at);
        return 1;
    }
    if (writing) {
        *at = 1;
    } else {
        (void)*at;
    }
    return 0;
}

static char *map(size_t pages)
{
    char *memory =
        mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(memory != MAP_FAILED);
    return memory;
}

static void fill(char *memory, size_t pages, uint64_t seed)
{
    for (size_t i = 0; i < pages; i++) {
        uint64_t mark = seed + i;

        memcpy(memory + i * PAGE + 8 * (i % 500), &mark, sizeof(mark));
    }
}

static void expect_from(const char *memory, size_t first, size_t pages, uint64_t seed)
{
    for (size_t i = first; i < pages; i++) {
        uint64_t mark;

        memcpy(&mark, memory + i * PAGE + 8 * (i % 500), sizeof(mark));
        CHECK(mark == seed + i);
    }
}

static void expect(const char *memory, size_t pages, uint64_t seed)
{
    expect_from(memory, 0, pages, seed);
}

static void rights(void)
{
    char *memory = map(PAGES);

    fill(memory, PAGES, 100);
    for (size_t i = 0; i < PAGES; i += 7) {
        CHECK(mprotect(memory + i * PAGE, PAGE, PROT_READ) == 0);
        CHECK(faults(memory + i * PAGE, 1) && !faults(memory + i * PAGE, 0));
        CHECK(mprotect(memory + i * PAGE, PAGE, PROT_NONE) == 0);
        CHECK(faults(memory + i * PAGE, 0));
        CHECK(mprotect(memory + i * PAGE, PAGE, PROT_READ | PROT_WRITE) == 0);
    }
    expect(memory, PAGES, 100);
    CHECK(munmap(memory, PAGES * PAGE) == 0);
    CHECK(faults(memory, 0));
}

static void no_execute(void)
{
    char *memory = map(1);
    const char code[] = "\xb8\x2a\x00\x00\x00\xc3"; /* return 42 */
    int (*function)(void);

    memcpy(memory, code, sizeof(code));
    memcpy(&function, &memory, sizeof(memory));
    if (sigsetjmp(back, 1) == 0) {
        (void)function();
        FAIL("data was executed");
    }
    CHECK(fault_address == (uintptr_t)memory);
    CHECK(mprotect(memory, PAGE, PROT_READ | PROT_EXEC) == 0);
    CHECK(function() == 42);
    CHECK(munmap(memory, PAGE) == 0);
}

static void moves(void)
{
    char *memory = map(PAGES);

    fill(memory, PAGES, 200);
    for (size_t factor = 2; factor <= 8; factor *= 2) {
        char *moved =
            mremap(memory, PAGES * PAGE * factor / 2, PAGES * PAGE * factor, MREMAP_MAYMOVE);

        CHECK(moved != MAP_FAILED);
        memory = moved;
        expect(memory, PAGES, 200);
    }
    CHECK(madvise(memory, PAGES * PAGE / 2, MADV_DONTNEED) == 0);
    for (size_t i = 0; i < PAGES * PAGE / 2; i += 8) {
        CHECK(memory[i] == 0);
    }
    expect_from(memory, PAGES / 2, PAGES, 200);
    CHECK(munmap(memory, PAGES * PAGE * 8) == 0);
}

/* Each process sees its own writes and the others' never. */
static void copies(void)
{
    char *memory = map(PAGES);

    fill(memory, PAGES, 300);
    for (uint64_t child = 1; child <= 6; child++) {
        pid_t id = fork();

        CHECK(id >= 0);
        if (id == 0) {
            for (int round = 0; round < 20; round++) {
                expect(memory, PAGES, round == 0 ? 300 : child << 32);
                fill(memory, PAGES, child << 32);
            }
            _exit(0);
        }
        expect(memory, PAGES, 300);
    }
    for (int child = 0; child < 6; child++) {
        int status;

        CHECK(wait(&status) > 0 && status == 0);
    }
    expect(memory, PAGES, 300);
    CHECK(munmap(memory, PAGES * PAGE) == 0);
}

/* One page in each of many gigabytes: page tables at every level. */
static void sparse(void)
{
    const size_t gigabyte = 1ul << 30;
    const size_t size = 64 * gigabyte;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    CHECK(memory != MAP_FAILED);
    for (size_t at = 0; at < size; at += gigabyte / 4) {
        memory[at] = (char)(at >> 28);
    }
    for (size_t at = 0; at < size; at += gigabyte / 4) {
        CHECK(memory[at] == (char)(at >> 28));
    }
    CHECK(munmap(memory, size) == 0);
}

static int deep(int depth)
{
    volatile char frame[8192];

    frame[0] = (char)depth;
    return depth == 0 ? 0 : deep(depth - 1) + (frame[0] == (char)depth);
}

int main(void)
{
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    for (int round = 0; round < 3; round++) {
        rights();
        no_execute();
        moves();
        copies();
        sparse();
    }
    CHECK(deep(500) == 500);
    return 0;
}
