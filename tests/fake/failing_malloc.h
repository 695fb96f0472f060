/* SPDX-License-Identifier: MIT */
/*
 * Every allocation fails once.  A test that includes this is linked with
 * $(failing_malloc_ldflags), which sends malloc(), calloc(), realloc() and
 * strdup() of the objects linked in (not of libraries) through here.
 */
#ifndef TESTS_FAKE_FAILING_MALLOC_H
#define TESTS_FAKE_FAILING_MALLOC_H

#include <stdbool.h>

/* The allocation with this number, counted from now, fails; 0: none does. */
void fail_allocation(unsigned long number);

/* Whether the one that should fail was reached. */
bool allocation_failed(void);

/*
 * Run `operation` with its first allocation failing, then its second, and so on
 * until it gets by without a failure.  The operation returns 0 or -ENOMEM and
 * must give back what it took (LeakSanitizer sees to that).  It must not use
 * ck_assert, which allocates too.  Returns how many allocations there were, or 0
 * if a run ended otherwise.
 */
unsigned long survive_failing_allocations(int (*operation)(void *context), void *context);

#endif
