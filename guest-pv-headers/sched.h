/* SPDX-License-Identifier: MIT */
/*
 * sched_op(command, argument): giving up the CPU, waiting, and the end of a domain.
 */
#ifndef GUEST_PV_HEADERS_SCHED_H
#define GUEST_PV_HEADERS_SCHED_H

#include "guest-pv-headers/event_channel.h"

#define SCHEDOP_yield           0 /* null */
#define SCHEDOP_block           1 /* null; clears evtchn_upcall_mask, returns if events wait */
#define SCHEDOP_shutdown        2 /* sched_shutdown */
#define SCHEDOP_poll            3 /* sched_poll */
#define SCHEDOP_remote_shutdown 4 /* sched_remote_shutdown */
#define SCHEDOP_shutdown_code   5 /* sched_shutdown: only remember the reason for later */
#define SCHEDOP_watchdog        6 /* sched_watchdog */
#define SCHEDOP_pin_override    7 /* sched_pin_override; dom0 only */

/* Why a domain stopped; what follows is up to the toolstack. */
#define SHUTDOWN_poweroff   0
#define SHUTDOWN_reboot     1
#define SHUTDOWN_suspend    2 /* third argument: mfn of start_info */
#define SHUTDOWN_crash      3
#define SHUTDOWN_watchdog   4
#define SHUTDOWN_soft_reset 5 /* keep memory and vCPUs, forget everything else */
#define SHUTDOWN_MAX        5

/* Stops all vCPUs of the caller's domain.  A suspend returns 1 if it was cancelled, 0 if resumed.
 */
struct sched_shutdown {
    uint32_t reason; /* SHUTDOWN_* */
};

/* Waits until one of the ports is pending, masked or not, or the time has come. */
struct sched_poll {
    evtchn_port_t __guest *ports;
    uint32_t nr_ports; /* at most 128 */
    uint32_t hole;
    uint64_t timeout; /* system time in ns; 0: none */
};

/* The same as SCHEDOP_shutdown for a domain the caller controls. */
struct sched_remote_shutdown {
    domid_t domain_id;
    uint16_t hole;
    uint32_t reason; /* SHUTDOWN_* */
};

/*
 * A timer that shuts the domain down (SHUTDOWN_watchdog) unless set again.
 * id 0: a new one, its id is returned; timeout 0: no longer; else: from now on.
 */
struct sched_watchdog {
    uint32_t id;
    uint32_t timeout; /* s */
};

/* Ties the calling vCPU to one CPU until undone with a negative number. */
struct sched_pin_override {
    int32_t pcpu;
};

#endif
