/* SPDX-License-Identifier: MIT */
/*
 * What a process pays for the kernel's services, in TSC ticks: bare, and in dom0.
 *
 * It is its own init (rdinit=/bench_user): the first tick it sees is the end of booting.  Results
 * are kept and printed at the end, so that the console's work falls into no figure.
 */
#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/measure.h"

#define RUNS          9
#define SELF          "/bench_user"
#define PAGE          4096UL
#define AREA          (16 * PAGE)
#define FAULT_AREA    (512 * PAGE)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static uint8_t *map_area(size_t size)
{
    void *area = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    must(area != MAP_FAILED, "mmap");
    return area;
}

static void touch(volatile uint8_t *area, size_t size)
{
    for (size_t at = 0; at < size; at += PAGE) {
        area[at] = 1;
    }
}

/* ---- System calls -------------------------------------------------------------------------- */

static void empty(unsigned int n)
{
    while (n-- > 0) {
        __asm__ volatile("" : : : "memory");
    }
}

/* Ten million instructions of nothing: what is above that is the timer's tick. */
static void spin_10ms(unsigned int n)
{
    empty(n * 5000000);
}

static void getpid_call(unsigned int n)
{
    while (n-- > 0) {
        syscall(SYS_getpid);
    }
}

static int null_file, zero_file;

static void write_devnull(unsigned int n)
{
    while (n-- > 0) {
        must(write(null_file, "x", 1) == 1, "write");
    }
}

static void read_zero_4k(unsigned int n)
{
    static char buffer[PAGE];

    while (n-- > 0) {
        must(read(zero_file, buffer, sizeof(buffer)) == (ssize_t)sizeof(buffer), "read");
    }
}

static void yield(unsigned int n)
{
    while (n-- > 0) {
        must(sched_yield() == 0, "sched_yield");
    }
}

static void clock_vdso(unsigned int n)
{
    struct timespec time;

    while (n-- > 0) {
        must(clock_gettime(CLOCK_MONOTONIC, &time) == 0, "clock_gettime");
    }
}

static void clock_syscall(unsigned int n)
{
    struct timespec time;

    while (n-- > 0) {
        must(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &time) == 0, "clock_gettime");
    }
}

static void nanosleep_100us(unsigned int n)
{
    const struct timespec time = { .tv_nsec = 100000 };

    while (n-- > 0) {
        must(nanosleep(&time, NULL) == 0, "nanosleep");
    }
}

/* ---- Signals ------------------------------------------------------------------------------- */

static volatile sig_atomic_t signals;
static uint8_t *guarded;

static void count_signal(int number)
{
    (void)number;
    signals++;
}

static void open_page(int number)
{
    (void)number;
    signals++;
    if (mprotect(guarded, PAGE, PROT_READ | PROT_WRITE) != 0) {
        _exit(EXIT_FAILURE);
    }
}

static void on_signal(int number, void (*handler)(int))
{
    struct sigaction action = { .sa_handler = handler };

    must(sigaction(number, &action, NULL) == 0, "sigaction");
}

static void signal_self(unsigned int n)
{
    pid_t self = getpid();

    signals = 0;
    for (unsigned int i = 0; i < n; i++) {
        kill(self, SIGUSR1);
    }
    must((unsigned int)signals == n, "a signal is missing");
}

static void segv_begin(void)
{
    guarded = map_area(PAGE);
    guarded[0] = 1;
    on_signal(SIGSEGV, open_page);
}

static void segv_handler(unsigned int n)
{
    signals = 0;
    for (unsigned int i = 0; i < n; i++) {
        must(mprotect(guarded, PAGE, PROT_READ) == 0, "mprotect");
        *(volatile uint8_t *)guarded = 1;
    }
    must((unsigned int)signals == n, "a fault is missing");
}

static void segv_end(void)
{
    on_signal(SIGSEGV, SIG_DFL);
    munmap(guarded, PAGE);
}

/* ---- Processes ------------------------------------------------------------------------------ */

static int there[2], back[2];
static pid_t partner;

static void wait_for(pid_t process)
{
    int status = -1;

    must(process > 0 && waitpid(process, &status, 0) == process && status == 0, "child");
}

static void pipe_begin(void)
{
    char byte;

    must(pipe(there) == 0 && pipe(back) == 0, "pipe");
    partner = fork();
    if (partner == 0) {
        close(there[1]);
        while (read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1) {
        }
        _exit(0);
    }
    close(there[0]);
    close(back[1]);
}

static void pipe_pingpong(unsigned int n)
{
    char byte = 'x';

    while (n-- > 0) {
        must(write(there[1], &byte, 1) == 1, "write");
        must(read(back[0], &byte, 1) == 1, "read");
    }
}

static void pipe_end(void)
{
    close(there[1]);
    close(back[0]);
    wait_for(partner);
}

static void fork_exit_wait(unsigned int n)
{
    while (n-- > 0) {
        pid_t child = fork();

        if (child == 0) {
            _exit(0);
        }
        wait_for(child);
    }
}

static void run_nothing(void)
{
    execl(SELF, SELF, "nothing", (char *)NULL);
    _exit(EXIT_FAILURE);
}

static void fork_exec(unsigned int n)
{
    while (n-- > 0) {
        pid_t child = fork();

        if (child == 0) {
            run_nothing();
        }
        wait_for(child);
    }
}

static void vfork_exec(unsigned int n)
{
    while (n-- > 0) {
        pid_t child = vfork(); // NOLINT(clang-analyzer-security.insecureAPI.vfork)

        if (child == 0) {
            run_nothing();
        }
        wait_for(child);
    }
}

/* ---- Memory -------------------------------------------------------------------------------- */

static uint8_t *area;

/* One operation is one page; n is a multiple of the area's. */
static void page_fault(unsigned int n)
{
    for (unsigned int done = 0; done < n; done += FAULT_AREA / PAGE) {
        uint8_t *fresh = map_area(FAULT_AREA);

        must(madvise(fresh, FAULT_AREA, MADV_NOHUGEPAGE) == 0, "madvise");
        touch(fresh, FAULT_AREA);
        munmap(fresh, FAULT_AREA);
    }
}

static void mmap_munmap(unsigned int n)
{
    while (n-- > 0) {
        munmap(map_area(AREA), AREA);
    }
}

static void mmap_touch16_munmap(unsigned int n)
{
    while (n-- > 0) {
        uint8_t *fresh = map_area(AREA);

        touch(fresh, AREA);
        munmap(fresh, AREA);
    }
}

static void area_begin(void)
{
    area = map_area(AREA);
    touch(area, AREA);
}

static void mprotect_16p_x2(unsigned int n)
{
    while (n-- > 0) {
        must(mprotect(area, AREA, PROT_READ) == 0, "mprotect");
        must(mprotect(area, AREA, PROT_READ | PROT_WRITE) == 0, "mprotect");
    }
}

static void area_end(void)
{
    munmap(area, AREA);
}

/* ---- The list ------------------------------------------------------------------------------- */

static const struct row {
    const char *name;
    void (*function)(unsigned int n);
    unsigned int n;
    void (*begin)(void);
    void (*end)(void);
} rows[] = {
    { "empty", empty, 10000, NULL, NULL },
    { "spin_10ms", spin_10ms, 2, NULL, NULL },
    { "getpid", getpid_call, 5000, NULL, NULL },
    { "write_devnull", write_devnull, 5000, NULL, NULL },
    { "read_zero_4k", read_zero_4k, 2000, NULL, NULL },
    { "sched_yield", yield, 5000, NULL, NULL },
    { "clock_gettime", clock_vdso, 5000, NULL, NULL },
    { "clock_gettime_syscall", clock_syscall, 5000, NULL, NULL },
    { "signal_self", signal_self, 2000, NULL, NULL },
    { "segv_handler", segv_handler, 500, segv_begin, segv_end },
    { "pipe_pingpong", pipe_pingpong, 1000, pipe_begin, pipe_end },
    { "fork_exit_wait", fork_exit_wait, 50, NULL, NULL },
    { "fork_exec", fork_exec, 20, NULL, NULL },
    { "vfork_exec", vfork_exec, 20, NULL, NULL },
    { "page_fault", page_fault, 2048, NULL, NULL },
    { "mmap_munmap", mmap_munmap, 1000, NULL, NULL },
    { "mmap_touch16_munmap", mmap_touch16_munmap, 100, NULL, NULL },
    { "mprotect_16p_x2", mprotect_16p_x2, 200, area_begin, area_end },
    { "nanosleep_100us", nanosleep_100us, 50, NULL, NULL },
};

static uint64_t results[ARRAY_SIZE(rows)][RUNS];

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

static void measure(const struct row *row, uint64_t ticks[RUNS])
{
    if (row->begin != NULL) {
        row->begin();
    }
    row->function(row->n < 50 ? row->n : 50);
    for (unsigned int run = 0; run < RUNS; run++) {
        uint64_t start = read_tsc();

        row->function(row->n);
        ticks[run] = read_tsc() - start;
    }
    if (row->end != NULL) {
        row->end();
    }
    qsort(ticks, RUNS, sizeof(ticks[0]), compare);
}

static void print(const char *name, unsigned int n, const uint64_t ticks[RUNS])
{
    printf("BENCH %s n=%u min=%lu median=%lu max=%lu\n", name, n, ticks[0], ticks[RUNS / 2],
           ticks[RUNS - 1]);
}

static int run_all(void)
{
    null_file = open("/dev/null", O_WRONLY | O_CLOEXEC);
    zero_file = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    must(null_file >= 0 && zero_file >= 0, "/dev/null, /dev/zero");
    on_signal(SIGUSR1, count_signal);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        measure(&rows[i], results[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        print(rows[i].name, rows[i].n, results[i]);
    }
    printf("BENCH-END\n");
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    uint64_t up = read_tsc();
    pid_t child;

    if (argc > 1 && strcmp(argv[1], "nothing") == 0) {
        return EXIT_SUCCESS;
    }
    if (getpid() != 1) {
        return run_all();
    }
    printf("BENCH boot_to_init n=1 min=%lu median=%lu max=%lu\n", up, up, up);
    fflush(stdout);
    child = fork();
    if (child == 0) {
        execl(SELF, SELF, "run", (char *)NULL);
        _exit(EXIT_FAILURE);
    }
    waitpid(child, NULL, 0);
    reboot(RB_POWER_OFF);
    return EXIT_FAILURE;
}
