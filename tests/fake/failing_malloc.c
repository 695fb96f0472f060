/* SPDX-License-Identifier: MIT */
/* Allocations that fail: see failing_malloc.h. */
#include "tests/fake/failing_malloc.h"

#include <errno.h>
#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);

static unsigned long countdown;
static bool failed;

static bool fails_now(void)
{
    if (countdown == 0 || --countdown != 0) {
        return false;
    }
    failed = true;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails_now() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
    return fails_now() ? NULL : __real_strdup(text);
}

void fail_allocation(unsigned long number)
{
    countdown = number;
    failed = false;
}

bool allocation_failed(void)
{
    return failed;
}

unsigned long survive_failing_allocations(int (*operation)(void *context), void *context)
{
    unsigned long number;

    for (number = 1;; number++) {
        int r;

        fail_allocation(number);
        r = operation(context);
        if (!failed) {
            fail_allocation(0);
            return r == 0 ? number - 1 : 0;
        }
        if (r != -ENOMEM) {
            fail_allocation(0);
            return 0;
        }
    }
}
