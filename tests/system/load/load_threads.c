/* SPDX-License-Identifier: MIT */
/*
 * Threads: locks and futexes across CPUs, thread-local storage (the FS base),
 * the GS base, and mappings that one thread removes while others use theirs.
 */
#include <asm/prctl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "tests/system/load/check.h"

#define THREADS 12
#define ROUNDS  3000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn = PTHREAD_COND_INITIALIZER;
static unsigned long counter;
static unsigned int whose;
static __thread uintptr_t own;
static pthread_barrier_t all_here;

static void check_bases(uintptr_t *gs_block)
{
    uintptr_t seen;

    __asm__ volatile("mov %%gs:0, %0" : "=r"(seen));
    CHECK(seen == *gs_block);
    CHECK(own == *gs_block);
}

static void *count(void *argument)
{
    uintptr_t gs_block = (uintptr_t)argument + 1000;

    own = gs_block;
    CHECK(syscall(SYS_arch_prctl, ARCH_SET_GS, &gs_block) == 0);
    (void)pthread_barrier_wait(&all_here);
    for (int i = 0; i < ROUNDS; i++) {
        CHECK(pthread_mutex_lock(&lock) == 0);
        counter++;
        CHECK(pthread_mutex_unlock(&lock) == 0);
        if (i % 64 == 0) {
            CHECK(sched_yield() == 0);
            check_bases(&gs_block);
        }
    }
    return NULL;
}

/* Every thread waits for its turn: a wake-up that gets lost hangs the test. */
static void *take_turns(void *argument)
{
    unsigned int me = (unsigned int)(uintptr_t)argument;

    CHECK(pthread_mutex_lock(&lock) == 0);
    for (int i = 0; i < 40; i++) {
        while (whose != me) {
            CHECK(pthread_cond_wait(&turn, &lock) == 0);
        }
        whose = (whose + 1) % THREADS;
        CHECK(pthread_cond_broadcast(&turn) == 0);
    }
    CHECK(pthread_mutex_unlock(&lock) == 0);
    return NULL;
}

/* Mapping and unmapping in one address space: stale TLB entries would show. */
static void *churn(void *argument)
{
    uintptr_t me = (uintptr_t)argument;

    for (uintptr_t i = 0; i < 150; i++) {
        uintptr_t *memory =
            mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        CHECK(memory != MAP_FAILED);
        for (size_t word = 0; word < 16384 / sizeof(*memory); word += 64) {
            CHECK(memory[word] == 0);
            memory[word] = me << 32 | i;
        }
        CHECK(mprotect(memory, 4096, PROT_READ) == 0);
        for (size_t word = 0; word < 16384 / sizeof(*memory); word += 64) {
            CHECK(memory[word] == (me << 32 | i));
        }
        CHECK(munmap(memory, 16384) == 0);
    }
    return NULL;
}

static void run(void *(*body)(void *))
{
    pthread_t threads[THREADS];

    for (uintptr_t i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, body, (void *)i) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
}

int main(void)
{
    CHECK(pthread_barrier_init(&all_here, NULL, THREADS) == 0);
    run(count);
    CHECK(counter == (unsigned long)THREADS * ROUNDS);
    run(take_turns);
    run(churn);
    return 0;
}
