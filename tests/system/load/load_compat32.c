/* SPDX-License-Identifier: MIT */
/*
 * A 32-bit program, without a C library so that no 32-bit headers are needed:
 * system calls by int $0x80 and by the vDSO (sysenter or syscall), threads'
 * segments in the GDT, signals, fork, and a context switch between all of it.
 */
#include <stdint.h>

#define NR_exit            1
#define NR_fork            2
#define NR_write           4
#define NR_waitpid         7
#define NR_getpid          20
#define NR_kill            37
#define NR_munmap          91
#define NR_sched_yield     158
#define NR_rt_sigaction    174
#define NR_mmap2           192
#define NR_set_thread_area 243

#define SIGUSR1    10
#define AT_SYSINFO 32

void start_32bit(uint32_t *stack);

struct user_desc32 {
    uint32_t entry_number;
    uint32_t base_address;
    uint32_t limit;
    uint32_t flags;
};

struct action32 {
    uint32_t handler;
    uint32_t flags;
    uint32_t restorer;
    uint32_t mask[2];
};

static uint32_t vdso_entry;
static volatile int signals;

static int32_t call_int80(uint32_t number, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    int32_t result;

    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "0"(number), "b"(a), "c"(b), "d"(c), "S"(d)
                     : "memory");
    return result;
}

static int32_t call_vdso(uint32_t number, uint32_t a, uint32_t b, uint32_t c)
{
    int32_t result;

    __asm__ volatile("call *%5"
                     : "=a"(result)
                     : "0"(number), "b"(a), "c"(b), "d"(c), "m"(vdso_entry)
                     : "memory");
    return result;
}

static void end(uint32_t status)
{
    for (;;) {
        (void)call_int80(NR_exit, status, 0, 0, 0);
    }
}

static void check(int good, const char *what, uint32_t length)
{
    if (!good) {
        (void)call_int80(NR_write, 1, (uint32_t)what, length, 0);
        end(1);
    }
}

#define CHECK(condition) \
    check((condition), "not so: " #condition "\n", sizeof("not so: " #condition))

static void on_signal(int number)
{
    signals += number == SIGUSR1;
}

/* A segment of our own, as threads have; its base must survive the switches. */
static void use_segment(uint32_t seed)
{
    static uint32_t block[4];
    struct user_desc32 entry = { UINT32_MAX, (uint32_t)block, 0xfffff, 0x51 };
    uint32_t seen;

    block[1] = seed;
    CHECK(call_int80(NR_set_thread_area, (uint32_t)&entry, 0, 0, 0) == 0);
    __asm__ volatile("mov %w0, %%gs" : : "r"(entry.entry_number << 3 | 3));
    for (int i = 0; i < 50; i++) {
        (void)call_int80(NR_sched_yield, 0, 0, 0, 0);
        __asm__ volatile("mov %%gs:4, %0" : "=r"(seen));
        CHECK(seen == seed);
    }
}

static void use_memory(uint32_t seed)
{
    const uint32_t size = 1u << 20;
    const uint32_t anonymous_private = 0x22;
    int32_t got;
    volatile uint32_t *memory;

    /* mmap2 has six arguments; the last two, in EDI and EBP, are no file. */
    __asm__ volatile("push %%ebp; xor %%ebp, %%ebp; int $0x80; pop %%ebp"
                     : "=a"(got)
                     : "0"(NR_mmap2), "b"(0), "c"(size), "d"(3), "S"(anonymous_private), "D"(-1)
                     : "memory");
    CHECK((uint32_t)got < UINT32_MAX - 4096);
    memory = (volatile uint32_t *)got;
    for (uint32_t i = 0; i < size / 4; i += 1024) {
        memory[i] = seed + i;
    }
    for (uint32_t i = 0; i < size / 4; i += 1024) {
        CHECK(memory[i] == seed + i);
    }
    CHECK(call_int80(NR_munmap, (uint32_t)got, size, 0, 0) == 0);
}

static void work(uint32_t seed)
{
    struct action32 action = { .handler = (uint32_t)on_signal };
    int32_t me = call_int80(NR_getpid, 0, 0, 0, 0);

    CHECK(me > 0);
    CHECK(call_int80(NR_rt_sigaction, SIGUSR1, (uint32_t)&action, 0, 8) == 0);
    for (int round = 0; round < 200; round++) {
        CHECK(call_int80(NR_getpid, 0, 0, 0, 0) == me);
        CHECK(vdso_entry == 0 || call_vdso(NR_getpid, 0, 0, 0) == me);
        signals = 0;
        CHECK(call_int80(NR_kill, (uint32_t)me, SIGUSR1, 0, 0) == 0);
        CHECK(signals == 1);
    }
    use_segment(seed);
    use_memory(seed);
}

static void find_vdso(uint32_t *stack)
{
    uint32_t *at = stack + 1 + stack[0] + 1; /* behind argc, argv and its NULL */

    while (*at++ != 0) {
    }
    for (; at[0] != 0; at += 2) {
        if (at[0] == AT_SYSINFO) {
            vdso_entry = at[1];
        }
    }
}

__attribute__((used)) void start_32bit(uint32_t *stack)
{
    find_vdso(stack);
    CHECK(vdso_entry != 0);
    for (uint32_t child = 1; child <= 6; child++) {
        int32_t id = call_int80(NR_fork, 0, 0, 0, 0);

        CHECK(id >= 0);
        if (id == 0) {
            work(child << 20);
            end(0);
        }
    }
    for (uint32_t child = 1; child <= 6; child++) {
        uint32_t status = 1;

        CHECK(call_int80(NR_waitpid, UINT32_MAX, (uint32_t)&status, 0, 0) > 0);
        CHECK(status == 0);
    }
    end(0);
}

__asm__(".globl _start\n"
        "_start:\n"
        "    mov %esp, %eax\n"
        "    and $-16, %esp\n"
        "    sub $12, %esp\n"
        "    push %eax\n"
        "    call start_32bit\n");
