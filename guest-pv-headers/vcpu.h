/* SPDX-License-Identifier: MIT */
/*
 * vcpu_op(command, vcpu, argument): a domain's own vCPUs: starting and stopping
 * them, their timers, and where they put what the core tells them.
 *
 * -ENOENT for a vCPU that does not exist.  Timers can be set by the vCPU itself only.
 */
#ifndef GUEST_PV_HEADERS_VCPU_H
#define GUEST_PV_HEADERS_VCPU_H

#include "guest-pv-headers/xen.h"

/* Life.  The argument is null except for the first. */
#define VCPUOP_initialise 0 /* vcpu_guest_context; once only: -EEXIST */
#define VCPUOP_up         1 /* -EINVAL before VCPUOP_initialise */
#define VCPUOP_down       2 /* may return before the vCPU has stopped, unless it is the caller */
#define VCPUOP_is_up      3 /* returns 1 or 0 */
#define VCPUOP_send_nmi   11

/* Timers; all raise VIRQ_TIMER. */
#define VCPUOP_set_periodic_timer    6 /* vcpu_set_periodic_timer */
#define VCPUOP_stop_periodic_timer   7
#define VCPUOP_set_singleshot_timer  8 /* vcpu_set_singleshot_timer */
#define VCPUOP_stop_singleshot_timer 9

/* Information and where to put it. */
#define VCPUOP_get_runstate_info              4  /* vcpu_runstate_info */
#define VCPUOP_register_runstate_memory_area  5  /* vcpu_register_runstate_memory_area */
#define VCPUOP_register_vcpu_info             10 /* vcpu_register_vcpu_info */
#define VCPUOP_get_physid                     12 /* vcpu_get_physid; only while pinned */
#define VCPUOP_register_vcpu_time_memory_area 13 /* vcpu_register_time_memory_area */

/* What a vCPU is doing. */
#define RUNSTATE_running  0
#define RUNSTATE_runnable 1 /* wants to run, but the CPU is another's: stolen time */
#define RUNSTATE_blocked  2 /* idle */
#define RUNSTATE_offline  3 /* down or paused */

/* How long a vCPU was in each state.  Times in ns; those of all states add up to its life. */
struct vcpu_runstate_info {
    int32_t state; /* RUNSTATE_* */
    uint32_t hole;
    uint64_t state_entry_time; /* system time, and XEN_RUNSTATE_UPDATE */
    uint64_t time[4];          /* indexed by RUNSTATE_* */
};

/* Set in state_entry_time during an update, with VMASST_TYPE_runstate_update_flag. */
#define XEN_RUNSTATE_UPDATE 0x8000000000000000u

/* Has the core keep a copy of the vCPU's runstate in guest memory.  Null ends it. */
struct vcpu_register_runstate_memory_area {
    union {
        struct vcpu_runstate_info __guest *h;
        struct vcpu_runstate_info __guest *v;
        uint64_t p;
    } addr; /* virtual */
};

/* Has the core keep a copy of the vCPU's clock in guest memory, e.g. to show it to user space. */
struct vcpu_register_time_memory_area {
    union {
        struct vcpu_time_info __guest *h;
        struct vcpu_time_info __guest *v;
        uint64_t p;
    } addr; /* virtual */
};

/* Moves the vCPU's vcpu_info to a place inside one page.  Once only: -EINVAL. */
struct vcpu_register_vcpu_info {
    uint64_t mfn;
    uint32_t offset;
    uint32_t rsvd;
};

/* At least 1 ms. */
struct vcpu_set_periodic_timer {
    uint64_t period_ns;
};

struct vcpu_set_singleshot_timer {
    uint64_t timeout_abs_ns; /* system time */
    uint32_t flags;          /* VCPU_SSHOTTMR_* */
    uint32_t hole;
};
#define _VCPU_SSHOTTMR_future 0
#define VCPU_SSHOTTMR_future  0x1u /* -ETIME if it has passed already, instead of an event */

struct vcpu_get_physid {
    uint64_t phys_id; /* APIC id in 31:0, ACPI id in 63:32 */
};
#define xen_vcpu_physid_to_x86_apicid(physid) ((uint32_t)(physid))
#define xen_vcpu_physid_to_x86_acpiid(physid) ((uint32_t)((physid) >> 32))

#endif
