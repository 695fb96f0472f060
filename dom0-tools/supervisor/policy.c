/* SPDX-License-Identifier: MIT */
/* Rules for guests that have ended: see policy.h. */
#include "dom0-tools/supervisor/policy.h"

#include <stddef.h>

#include "guest-pv-headers/sched.h"

#define QUICK_CRASH  60  /* seconds */
#define QUICK_REBOOT 10  /* a kernel alone takes a few to come up */
#define LONGEST_WAIT 300 /* seconds */

enum guest_end policy_end(unsigned int code)
{
    switch (code) {
    case SHUTDOWN_poweroff:
        return GUEST_POWERED_OFF;
    case SHUTDOWN_reboot:
        return GUEST_REBOOTED;
    case SHUTDOWN_suspend:
        return GUEST_SUSPENDED;
    default:
        return GUEST_CRASHED;
    }
}

const char *policy_end_words(enum guest_end end)
{
    switch (end) {
    case GUEST_POWERED_OFF:
        return "has powered off";
    case GUEST_REBOOTED:
        return "wants to reboot";
    case GUEST_SUSPENDED:
        return "has suspended itself";
    case GUEST_CRASHED:
        break;
    }
    return "has crashed";
}

const char *policy_node(enum guest_end end)
{
    switch (end) {
    case GUEST_POWERED_OFF:
        return "on_poweroff";
    case GUEST_REBOOTED:
        return "on_reboot";
    case GUEST_SUSPENDED:
        return NULL; /* whoever asked for it goes on */
    case GUEST_CRASHED:
        break;
    }
    return "on_crash";
}

bool policy_was_quick(enum guest_end end, int64_t seconds)
{
    return seconds < (end == GUEST_REBOOTED ? QUICK_REBOOT : QUICK_CRASH);
}

unsigned int policy_delay(unsigned int in_a_row)
{
    unsigned int seconds = 1;

    if (in_a_row == 0) {
        return 0;
    }
    while (--in_a_row > 0 && seconds < LONGEST_WAIT) {
        seconds *= 2;
    }
    return seconds < LONGEST_WAIT ? seconds : LONGEST_WAIT;
}
