/* SPDX-License-Identifier: MIT */
/* What follows when a guest ends: rules without state. */
#ifndef DOM0_TOOLS_SUPERVISOR_POLICY_H
#define DOM0_TOOLS_SUPERVISOR_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "libvmctl/guest_config.h"

enum guest_end {
    GUEST_POWERED_OFF,
    GUEST_REBOOTED,
    GUEST_SUSPENDED,
    GUEST_CRASHED,
};

/* From the hypervisor's code; one that nobody knows is a crash. */
enum guest_end policy_end(unsigned int code);

/* "has crashed" */
const char *policy_end_words(enum guest_end end);

/* The node that says what then: "on_crash"; NULL: the guest is left alone. */
const char *policy_node(enum guest_end end);

/* It had no time to do anything useful, so doing it again at once may not help. */
bool policy_was_quick(enum guest_end end, int64_t seconds);

/* Seconds to wait after so many quick ends, or failures, in a row. */
unsigned int policy_delay(unsigned int in_a_row);

#endif
