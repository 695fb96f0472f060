/* SPDX-License-Identifier: MIT */
/* Whether a loop device has a file: what the kernel says, for tests that need real ones. */
#ifndef TESTS_UNIT_LOOP_STATE_H
#define TESTS_UNIT_LOOP_STATE_H

#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

static inline bool bound(unsigned int minor)
{
    char path[96];

    (void)snprintf(path, sizeof(path), "/sys/dev/block/7:%u/loop/backing_file", minor);
    return access(path, F_OK) == 0;
}

/* The kernel clears a loop device a moment after its last user has closed it. */
static inline bool bound_for_long(unsigned int minor)
{
    for (int i = 0; i < 200 && bound(minor); i++) {
        (void)usleep(10000);
    }
    return bound(minor);
}

#endif
