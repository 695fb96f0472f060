/* SPDX-License-Identifier: MIT */
/*
 * Floating-point and vector state under context switch: more processes than
 * CPUs, each with values of its own in every register, which must stay through
 * preemption, system calls and signal handlers that use the registers too.
 */
#include <cpuid.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "tests/system/load/check.h"

#define PROCESSES 10
#define ROUNDS    4000

static volatile double noise = 1.5;

static void on_tick(int signal_number)
{
    (void)signal_number;
    noise = noise * 1.0001 + 0.5;
    __asm__ volatile("pxor %%xmm0, %%xmm0; pxor %%xmm7, %%xmm7; fld1; fstp %%st(0)"
                     :
                     :
                     : "xmm0", "xmm7");
}

static int has_avx(void)
{
    unsigned int a, b, c, d;

    return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_OSXSAVE) != 0 && (c & bit_AVX) != 0;
}

/* Load 16 registers, spin and let others run, store them, compare. */
static void keep_sse(uint8_t *in, uint8_t *out)
{
    __asm__ volatile("movdqu 0(%0), %%xmm0; movdqu 16(%0), %%xmm1; movdqu 32(%0), %%xmm2\n"
                     "movdqu 48(%0), %%xmm3; movdqu 64(%0), %%xmm8; movdqu 80(%0), %%xmm15\n"
                     "mov $20000, %%ecx\n"
                     "1: dec %%ecx; jnz 1b\n"
                     "mov $24, %%eax; syscall\n" /* sched_yield */
                     "movdqu %%xmm0, 0(%1); movdqu %%xmm1, 16(%1); movdqu %%xmm2, 32(%1)\n"
                     "movdqu %%xmm3, 48(%1); movdqu %%xmm8, 64(%1); movdqu %%xmm15, 80(%1)\n"
                     :
                     : "r"(in), "r"(out)
                     : "rax", "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm8",
                       "xmm15");
    CHECK(memcmp(in, out, 96) == 0);
}

__attribute__((target("avx"))) static void keep_avx(uint8_t *in, uint8_t *out)
{
    __asm__ volatile("vmovdqu 0(%0), %%ymm4; vmovdqu 32(%0), %%ymm5; vmovdqu 64(%0), %%ymm14\n"
                     "mov $20000, %%ecx\n"
                     "1: dec %%ecx; jnz 1b\n"
                     "mov $24, %%eax; syscall\n"
                     "vmovdqu %%ymm4, 0(%1); vmovdqu %%ymm5, 32(%1); vmovdqu %%ymm14, 64(%1)\n"
                     "vzeroupper\n"
                     :
                     : "r"(in), "r"(out)
                     : "rax", "rcx", "r11", "memory", "xmm4", "xmm5", "xmm14");
    CHECK(memcmp(in, out, 96) == 0);
}

static void keep_x87(int64_t value, uint32_t mxcsr)
{
    int64_t kept[3] = { 0, 0, 0 };
    int64_t loaded[3] = { value, value + 1, value + 2 };
    uint32_t mxcsr_kept = 0;

    __asm__ volatile("ldmxcsr %5\n"
                     "fildll %6; fildll %7; fildll %8\n"
                     "mov $20000, %%ecx\n"
                     "1: dec %%ecx; jnz 1b\n"
                     "mov $24, %%eax; syscall\n"
                     "fistpll %2; fistpll %1; fistpll %0\n"
                     "stmxcsr %3\n"
                     "ldmxcsr %4\n"
                     : "=m"(kept[0]), "=m"(kept[1]), "=m"(kept[2]), "=m"(mxcsr_kept)
                     : "m"(*(const uint32_t[]){ 0x1f80 }), "m"(mxcsr), "m"(loaded[0]),
                       "m"(loaded[1]), "m"(loaded[2])
                     : "rax", "rcx", "r11", "memory");
    CHECK(memcmp(kept, loaded, sizeof(kept)) == 0);
    CHECK(mxcsr_kept == mxcsr);
}

static void child(unsigned int number)
{
    struct itimerval often = { .it_interval = { 0, 3000 }, .it_value = { 0, 3000 } };
    const int avx = has_avx();
    uint8_t in[96];
    uint8_t out[96];

    CHECK(signal(SIGALRM, on_tick) != SIG_ERR);
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    for (unsigned int round = 0; round < ROUNDS / PROCESSES; round++) {
        for (size_t i = 0; i < sizeof(in); i++) {
            in[i] = (uint8_t)(number * 37 + round + i);
        }
        keep_sse(in, out);
        if (avx) {
            keep_avx(in, out);
        }
        /* Rounding mode differs from process to process; exceptions stay masked. */
        keep_x87((int64_t)number << 40 | round, 0x1f80u | (number & 3u) << 13);
    }
    _exit(0);
}

int main(void)
{
    for (unsigned int number = 1; number <= PROCESSES; number++) {
        pid_t id = fork();

        CHECK(id >= 0);
        if (id == 0) {
            child(number);
        }
    }
    for (unsigned int number = 1; number <= PROCESSES; number++) {
        int status;

        CHECK(wait(&status) > 0 && status == 0);
    }
    return 0;
}
