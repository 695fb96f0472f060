/* SPDX-License-Identifier: MIT */
/*
 * Time never goes back, on any CPU and between them; sleepers wake not before
 * their time, and not long after.
 */
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "tests/system/load/check.h"

static int64_t now(clockid_t clock)
{
    struct timespec time;

    CHECK(clock_gettime(clock, &time) == 0);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void monotonic(void)
{
    const int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
    int64_t last = now(CLOCK_MONOTONIC);

    for (int round = 0; round < 200; round++) {
        cpu_set_t set;

        CPU_ZERO(&set);
        CPU_SET((size_t)(round % cpus), &set);
        CHECK(sched_setaffinity(0, sizeof(set), &set) == 0);
        CHECK(sched_getcpu() == round % cpus);
        for (int i = 0; i < 500; i++) {
            int64_t time = now(CLOCK_MONOTONIC);

            CHECK(time >= last);
            last = time;
        }
    }
}

static void sleeps(void)
{
    for (int64_t wanted = 100000; wanted <= 100000000; wanted *= 10) {
        struct timespec time = { .tv_nsec = wanted };
        int64_t before = now(CLOCK_MONOTONIC);
        int64_t took;

        CHECK(nanosleep(&time, NULL) == 0);
        took = now(CLOCK_MONOTONIC) - before;
        CHECK(took >= wanted);
        CHECK(took < wanted + 2000000000);
    }
}

int main(void)
{
    const int64_t first_of_2020 = 1577836800;

    CHECK(now(CLOCK_REALTIME) / 1000000000 > first_of_2020);
    monotonic();
    sleeps();
    return 0;
}
