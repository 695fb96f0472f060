/* SPDX-License-Identifier: MIT */
/* What every load program needs: a check that says where it failed, and ends. */
#ifndef TESTS_SYSTEM_LOAD_CHECK_H
#define TESTS_SYSTEM_LOAD_CHECK_H

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static inline _Noreturn void check_failed(const char *file, int line, const char *condition)
{
    printf("%s:%d: not so: %s (errno: %s)\n", file, line, condition, strerror(errno));
    (void)fflush(stdout);
    _exit(1);
}

#define CHECK(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))

#define FAIL(words)                                       \
    do {                                                  \
        printf("%s:%d: %s\n", __FILE__, __LINE__, words); \
        (void)fflush(stdout);                             \
        _exit(1);                                         \
    } while (0)

#endif
