/* SPDX-License-Identifier: MIT */
/*
 * Domains and their virtual CPUs: what every subsystem shares.
 *
 * A subsystem's own state hangs off a pointer here (events, grants) and is
 * defined in that subsystem.  Fields are grouped by what guards them.
 *
 * Life: domain_create -> vcpu_create -> domain_unpause -> ... ->
 * domain_kill (preemptible) -> last domain_put().
 */
#pragma once

#include "guest-pv-headers/callback.h"
#include "guest-pv-headers/errno.h"
#include "guest-pv-headers/vcpu.h"
#include "hypervisor/domain/hypercall.h"
#include "hypervisor/lib/cpumask.h"
#include "hypervisor/lib/list.h"
#include "hypervisor/mm/page.h"
#include "hypervisor/time/timer.h"
#include "hypervisor/x86/percpu.h"

#define DOMAIN_LIMIT 0x7ff0u /* ids 0 to this less one; DOMID_FIRST_RESERVED */
#define VCPU_LIMIT   8192u   /* of one domain */
#define LEGACY_VCPUS 32u     /* have a vcpu_info in the shared info page */

struct event_channels; /* event/event.h */
struct grant_table;    /* grant/grant.h */
struct domain_pirqs;   /* pv/pirq.h */
struct cpu_policy;     /* pv/cpu_policy.h */
struct io_permissions; /* domain/io_permissions.h */
struct fpu_state;      /* x86/fpu.h */

#define SHUTDOWN_CODE_NONE UINT32_MAX

/* What a domain is made with.  Of the grant table's limits, 0 stands for the default. */
struct domain_config {
    bool privileged; /* dom0: runs as soon as it is unpaused, and may have all memory */
    uint32_t max_vcpus;
    uint32_t max_event_port;
    uint32_t max_grant_frames, max_track_frames;
    bool grants_v1_only;
    uint32_t ssidref;
    uint8_t handle[16];
};

enum domain_state {
    DOMAIN_ALIVE,
    DOMAIN_DYING, /* being taken apart; new hypercalls on it fail */
    DOMAIN_DEAD,  /* waits for its last reference */
};

struct domain {
    domid_t id;
    bool privileged; /* the control domain: may use domctl, foreign mappings, devices */
    uint32_t max_vcpus;
    struct vcpu **vcpu; /* max_vcpus entries; NULL until created */

    _Atomic uint32_t references;
    _Atomic uint32_t pause_count; /* > 0: none of its vCPUs runs */
    _Atomic enum domain_state state;
    _Atomic bool shutting_down;      /* a shutdown code was set; its vCPUs are paused */
    _Atomic bool being_changed;      /* domain_change_begin(): one control operation, who owns: */
    uint8_t kill_stage;              /* how far domain_kill() got */
    struct page *visited;            /* by it, with a reference, while its uses are ended */
    bool has_run;                    /* its CPUID may not change any more */
    _Atomic uint32_t control_pauses; /* of pause_count, those of the toolstack */
    uint32_t shutdown_code; /* SHUTDOWN_*; set, or latched for later, unless SHUTDOWN_CODE_NONE */

    struct shared_info *shared_info; /* the core's mapping of the guest's page */
    _Atomic uint64_t vm_assist;      /* VMASST_TYPE_* bits */
    struct cpumask dirty_cpus;       /* CPUs that may hold its translations (atomic bits) */
    _Atomic uint64_t upper_changes;  /* of its page tables, where an upper entry was present */

    struct event_channels *events;
    struct grant_table *grants;
    bool grants_v1_only;        /* it may not choose version 2 */
    struct domain_pirqs *pirqs; /* NULL unless it has devices */
    struct cpu_policy *cpu_policy;
    struct io_permissions *io;

    struct spinlock page_lock; /* RANK_PAGE_LIST: down to the blank line */
    uint32_t page_list;        /* head of its frames, through struct page; 0 if none */
    uint32_t dying_pages;      /* head of those its end has visited */
    uint64_t pages;            /* frames it owns, the core's lent ones not counted */
    uint64_t max_pages;        /* its limit; UINT64_MAX for none */

    struct spinlock lock; /* RANK_DOMAIN: vCPUs' life, pirqs, watchdogs, next line */
    struct xen_memory_map_copy *memory_map; /* XENMEM_set_memory_map (domain/memory_map.h) */

    uint32_t poll_count; /* vCPUs in SCHEDOP_poll (atomic adds; event/ reads it) */
    uint8_t handle[16];  /* the uuid the toolstack gave; as the next by a control operation */
    uint32_t ssidref;

    int64_t time_offset_seconds; /* XEN_DOMCTL_settimeoffset */
    uint64_t created_ns;         /* system time */

    struct timer watchdog[2]; /* SCHEDOP_watchdog */
    uint32_t watchdog_used;
};

/* Why a vCPU does not run: bits of vcpu.blocked. */
#define VCPU_DOWN    0x1u /* not brought up, or VCPUOP_down */
#define VCPU_BLOCKED 0x2u /* SCHEDOP_block or _poll; woken by an event */
#define VCPU_POLLING 0x4u /* with BLOCKED: SCHEDOP_poll, and counted in domain.poll_count */

struct vcpu {
    struct domain *domain;
    uint32_t id;
    uint32_t cpu; /* where it runs or ran last (RANK_SCHEDULER of that CPU) */
    bool is_idle;
    bool initialised; /* VCPUOP_initialise or the builder gave it a context */

    _Atomic uint32_t blocked; /* VCPU_*: runs when this and the domain's pause count are 0 */
    _Atomic bool running;     /* its state is loaded on `cpu` (cleared after it is saved) */

    struct vcpu_info *info;       /* where the guest sees its events; never NULL */
    struct page *info_page;       /* reference, when registered by VCPUOP_register_vcpu_info */
    struct vcpu_info *first_info; /* where `info` was first, and is again when its domain dies */
    struct vcpu_sched *sched;     /* sched/sched.c */
    struct vcpu_time *time;       /* time/vcpu_time.c: timers, pvclock, runstate */
    struct vcpu_events *events;   /* event/channels.h: VIRQ bindings, FIFO queues */
    struct fpu_state *fpu;        /* x86/fpu.c */
    _Atomic uint32_t poll_port;   /* SCHEDOP_poll: the one port waited for; 0 any of several */

    /* The saved registers while it is not loaded; see pv/context.c. */
    struct cpu_regs regs;
    struct pv_vcpu {
        bool kernel_mode; /* runs its kernel: hypercalls are allowed */
        bool nmi_pending, nmi_masked;
        bool selectors_failed;         /* at the last load; the failsafe callback is due */
        mfn_t kernel_l4, user_l4;      /* references and types held; user_l4 0 if none */
        uint64_t kernel_cr3, user_cr3; /* as loaded */
        uint64_t kernel_sp, kernel_ss; /* stack_switch */
        struct pv_callback {
            uint64_t address; /* 0: none */
            bool masks_events;
        } callbacks[CALLBACKTYPE_syscall32 + 1]; /* by CALLBACKTYPE_* */
        uint64_t iopl;                           /* in RFLAGS' position */
        uint64_t cr0_ts;                         /* CR0_TS as the guest set it */
        uint64_t cr2, cr4;
        uint64_t fs_base, gs_base_kernel, gs_base_user; /* valid while it is not loaded */
        uint16_t ds, es, fs, gs;                        /* likewise */
        uint32_t tsc_aux;  /* MSR TSC_AUX, what RDTSCP tells; loaded with the vCPU */
        uint64_t debug[8]; /* dr0-3, 6, 7 */
        struct descriptor_table {
            uint64_t base; /* of the LDT: where the guest has it */
            uint32_t entries;
            mfn_t frames[16]; /* the first DIV_ROUND_UP(entries, 512), with a segment type each */
        } gdt, ldt;
        struct {
            mfn_t top;           /* the table that was walked; */
            uint64_t region;     /* address / 2 MiB; */
            uint64_t changes;    /* upper_changes before the walk; */
            struct page *l1;     /* what it found */
        } walked;                /* by pt_find_l1(); top is 0 if it does not hold any more */
        struct page *unfinished; /* a table whose invalidation was preempted */
        struct trap_info traps[256];
        uint64_t io_bitmap; /* guest's own (PHYSDEVOP_set_iobitmap), virtual address */
        uint32_t io_bitmap_ports;
    } pv;
};

/* The control domain, once built, and the core's command line, for it. */
extern struct domain *dom0;
extern const char *core_command_line;

/* NULL if there is no such domain (or it is dead); otherwise domain_put() it. */
struct domain *domain_find(domid_t id);

/* domain_find() that knows DOMID_SELF. */
struct domain *domain_find_or_self(domid_t id);

/*
 * The domain a caller names that it may act on: itself, or any if it is the control
 * domain.  NULL with -XEN_EPERM or -XEN_ESRCH in *error; else domain_release() it.
 */
static inline struct domain *domain_reach(domid_t id, int *error)
{
    struct domain *caller = current->domain, *domain = caller;

    if (unlikely(id != DOMID_SELF) && id != caller->id) {
        domain = caller->privileged ? domain_find(id) : NULL;
        if (domain == NULL) {
            *error = caller->privileged ? -XEN_ESRCH : -XEN_EPERM;
        }
    }
    return domain;
}

struct domain *domain_find_next(domid_t from); /* the first with id >= from */
void domain_for_each(void (*act)(const struct domain *domain));
void domain_get(struct domain *domain); /* one more, to one you hold */
void domain_put(struct domain *domain); /* NULL does nothing */

uint32_t domain_count(void);
domid_t domain_free_id(void); /* one that is not taken now; DOMID_INVALID if all are */

/* Of domain_reach(): the caller itself runs, so that it needs no reference. */
static inline void domain_release(struct domain *domain)
{
    if (unlikely(domain != current->domain)) {
        domain_put(domain);
    }
}

/*
 * Make a domain without memory or vCPUs, paused once.  -XEN_EEXIST if the id is
 * taken, -XEN_EINVAL, -XEN_ENOMEM.  vcpu_create: likewise, in order of ids.
 */
int must_check domain_create(domid_t id, const struct domain_config *config, struct domain **out);
int must_check vcpu_create(struct domain *domain, uint32_t id);

/* Stop it from running, wait until it is off its CPUs; counted. */
void domain_pause(struct domain *domain);
void domain_unpause(struct domain *domain);

/* The guest shut down (SHUTDOWN_*): pause it, tell the toolstack; for dom0 the machine follows. */
void domain_shutdown(struct domain *domain, uint32_t reason);

/* Undo that: it goes on where it stopped. */
void domain_resume(struct domain *domain);

/*
 * The guest cannot go on: note why (log, rate limited), stop all its vCPUs.
 * Returns; the caller unwinds and its vCPU does not enter the guest again.
 */
void domain_crash(struct domain *domain, const char *format, ...) printf_like(2, 3);

/*
 * One control operation on a domain at a time: false if another is under way.
 * It ends with the hypercall that began it.
 */
static inline bool must_check domain_change_begin(struct domain *domain)
{
    return !atomic_exchange(&domain->being_changed, true);
}

static inline void domain_change_end(struct domain *domain)
{
    atomic_store(&domain->being_changed, false);
}

/* Take a domain apart, as a control operation: 0 when done, -XEN_ERESTART to be called again. */
int must_check domain_kill(struct domain *domain);

/* Frames. */
/*
 * Fresh frames on the domain's list, the guest's numbers from `number` in the machine-to-physical
 * table unless that is M2P_NONE.  NULL with -XEN_ENOMEM or -XEN_ENOSPC in *error.
 */
struct page *domain_take_frames(struct domain *domain, unsigned int order,
                                unsigned int address_bits, pfn_t number, int *error);

/*
 * Take a frame away from its owner: only if nothing but the ownership refers to it.  It is the
 * core's then, with one reference, out of the domain's list, and stays counted: it, or another in
 * its place, is to be given back.
 */
bool must_check domain_steal_page(struct domain *domain, struct page *page);

/* Hand a frame of the core to a domain: on its list, counted if it is not yet, owner's reference.
 */
void domain_give_page(struct domain *domain, struct page *page, bool counted);

/* The shutdown code that counts: what the guest latched before, else `reason` from now on. */
static inline uint32_t domain_latch_code(struct domain *domain, uint32_t reason)
{
    uint32_t latched = SHUTDOWN_CODE_NONE;

    return atomic_compare_swap(&domain->shutdown_code, &latched, reason) ? reason : latched;
}

static inline bool domain_is_dying(const struct domain *domain)
{
    return atomic_load_explicit(&domain->state, memory_order_relaxed) != DOMAIN_ALIVE;
}

static inline bool vm_assisted(const struct domain *domain, unsigned int type)
{
    return ((atomic_load_explicit(&domain->vm_assist, memory_order_relaxed) >> type) & 1) != 0;
}

/* NULL if the id is out of range or the vCPU was not created. */
static inline struct vcpu *domain_vcpu(const struct domain *domain, uint64_t id)
{
    return id < domain->max_vcpus ? domain->vcpu[id] : NULL;
}

/* May a vCPU run: not blocked, its domain not paused? */
static inline bool vcpu_runnable(const struct vcpu *vcpu)
{
    return (atomic_load(&vcpu->blocked) | atomic_load(&vcpu->domain->pause_count)) == 0;
}

/* The assists a guest may ask for. */
#define VM_ASSIST_KNOWN                                 \
    ((UINT64_C(1) << VMASST_TYPE_4gb_segments) |        \
     (UINT64_C(1) << VMASST_TYPE_4gb_segments_notify) | \
     (UINT64_C(1) << VMASST_TYPE_writable_pagetables) | \
     (UINT64_C(1) << VMASST_TYPE_pae_extended_cr3) |    \
     (UINT64_C(1) << VMASST_TYPE_architectural_iopl) |  \
     (UINT64_C(1) << VMASST_TYPE_runstate_update_flag) | (UINT64_C(1) << VMASST_TYPE_m2p_strict))

#define FOR_EACH_VCPU(domain_, vcpu_)                                  \
    for (uint32_t index_ = 0; index_ < (domain_)->max_vcpus; index_++) \
        if (((vcpu_) = (domain_)->vcpu[index_]) != NULL)
