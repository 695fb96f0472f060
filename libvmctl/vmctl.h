/* SPDX-License-Identifier: MIT */
/*
 * libvmctl: guests of a Paravane (or Xen 4.17) host, made and managed from dom0.
 *
 * A function returns 0 or a negative errno, and takes `struct vmctl_error *`
 * last (NULL if the words are not wanted).  Nothing here prints, exits, forks
 * or touches signal handlers.  A handle serves one thread at a time; threads
 * take one each.  What a call allocates for the caller is freed by the
 * function named beside it.
 */
#ifndef VMCTL_H
#define VMCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Errors.
 */

/* Why, in numbers that never change their meaning. */
enum vmctl_reason {
    VMCTL_NO_REASON = 0,
    VMCTL_INTERNAL = 1,        /* a fault of libvmctl or of the hypervisor */
    VMCTL_INVALID = 2,         /* what was asked for is not valid */
    VMCTL_NOT_FOUND = 3,       /* no such guest, file, device, bridge */
    VMCTL_EXISTS = 4,          /* a guest with this name or uuid, a device with this name */
    VMCTL_NO_GUEST_MEMORY = 5, /* the machine has too little free memory */
    VMCTL_BAD_KERNEL = 6,      /* the kernel image cannot be used */
    VMCTL_DEVICE_FAILED = 7,   /* a disk or network device could not be set up */
    VMCTL_WRONG_STATE = 8,     /* not while the guest is in this state */
    VMCTL_NOT_PERMITTED = 9,
    VMCTL_NO_HYPERVISOR = 10, /* not running in dom0 */
    VMCTL_NO_DAEMON = 11,     /* a daemon of the toolstack does not answer */
    VMCTL_TIMED_OUT = 12,
    VMCTL_LIMIT = 13, /* a limit is reached; `limit` says which */
    VMCTL_UNSUPPORTED = 14,
    VMCTL_NO_MEMORY = 15, /* of this process */
    VMCTL_BUSY = 16,      /* somebody else has it; `holder` says who */
    VMCTL_IO = 17,
};

/* Strings are empty where there is nothing to say. */
struct vmctl_error {
    int code; /* negative errno, as returned */
    enum vmctl_reason reason;
    char what[96];     /* what was being done: "create guest web" */
    char object[192];  /* with which thing: "disk /srv/web.img" */
    char cause[256];   /* what went wrong with it */
    char limit[64];    /* which limit stands in the way */
    char holder[256];  /* who has it instead */
    char remedy[160];  /* what would help */
    char message[768]; /* all of it but the remedy, one line without newline */
};

const char *vmctl_reason_name(enum vmctl_reason reason); /* "not-found" */

/*
 * A connection to the hypervisor and, once needed, to the store.
 */

struct vmctl;

int vmctl_open(struct vmctl **handle, struct vmctl_error *error);
void vmctl_close(struct vmctl *handle); /* NULL is fine */

/* Called now and then by what may take more than a second; `percent` is -1 where unknown. */
typedef void vmctl_progress_fn(void *context, const char *step, int percent);
void vmctl_set_progress(struct vmctl *handle, vmctl_progress_fn *function, void *context);

const char *vmctl_version(void);

/*
 * Descriptions of guests (guest.xml).
 */

struct guest_config; /* opaque outside of libvmctl and its daemons */

int vmctl_config_read(const char *path, struct guest_config **config, struct vmctl_error *error);
int vmctl_config_parse(const char *xml, size_t length, const char *name,
                       struct guest_config **config, struct vmctl_error *error);
/* Canonical XML in *xml, for free(3). */
int vmctl_config_write(const struct guest_config *config, char **xml, struct vmctl_error *error);
const char *vmctl_config_name(const struct guest_config *config);
void vmctl_config_free(struct guest_config *config); /* NULL is fine */

/*
 * Guests.
 */

enum vmctl_guest_state {
    VMCTL_RUNNING, /* on a CPU now */
    VMCTL_BLOCKED, /* waits for an event */
    VMCTL_RUNNABLE,
    VMCTL_PAUSED,
    VMCTL_SHUTDOWN, /* ended; see `shutdown_reason` */
    VMCTL_DYING,    /* destroyed, but somebody still holds memory of it */
};

enum vmctl_shutdown_reason {
    VMCTL_SHUTDOWN_NONE = -1,
    VMCTL_SHUTDOWN_POWEROFF = 0,
    VMCTL_SHUTDOWN_REBOOT = 1,
    VMCTL_SHUTDOWN_SUSPEND = 2,
    VMCTL_SHUTDOWN_CRASH = 3,
    VMCTL_SHUTDOWN_WATCHDOG = 4,
};

#define VMCTL_NAME_SIZE 64 /* with the terminating zero */
#define VMCTL_UUID_SIZE 37

struct vmctl_guest {
    uint32_t domid;
    char name[VMCTL_NAME_SIZE]; /* empty if the store has none */
    char uuid[VMCTL_UUID_SIZE];
    enum vmctl_guest_state state;
    enum vmctl_shutdown_reason shutdown_reason;
    bool ours; /* made by libvmctl, not by another toolstack */
    uint32_t vcpus_online;
    uint32_t vcpus_max;
    uint64_t memory_kib;        /* what it has */
    uint64_t memory_max_kib;    /* what it may have */
    uint64_t memory_target_kib; /* what it was asked to have; 0 if unknown */
    uint64_t cpu_time_ns;
};

struct vmctl_vcpu {
    uint32_t id;
    bool online;
    bool blocked;
    bool running;
    uint32_t cpu; /* where it runs or ran last */
    uint64_t cpu_time_ns;
};

enum vmctl_create_flags {
    VMCTL_CREATE_PAUSED = 1,
};

/*
 * Called by vmctl_create() when the guest is whole but has not run; what fails
 * here fails the creation.
 */
typedef int vmctl_ready_fn(void *context, uint32_t domid, struct vmctl_error *error);
void vmctl_set_ready(struct vmctl *handle, vmctl_ready_fn *function, void *context);

/*
 * Make a guest and start it, as a whole: on failure nothing of it is left and
 * `error` says why.
 */
int vmctl_create(struct vmctl *handle, const struct guest_config *config, unsigned int flags,
                 uint32_t *domid, struct vmctl_error *error);

/* Pull the plug.  -EBUSY: gone for itself, but somebody holds memory of it; `holder` says who. */
int vmctl_destroy(struct vmctl *handle, uint32_t domid, struct vmctl_error *error);

/* Ask the guest's kernel; returns at once. */
int vmctl_shutdown(struct vmctl *handle, uint32_t domid, struct vmctl_error *error);
int vmctl_reboot(struct vmctl *handle, uint32_t domid, struct vmctl_error *error);

/* Wait, at most so long (-1: for ever), until it has ended; and if it has, some seconds for it to
   be gone and its name free, unless it is kept. */
int vmctl_wait_ended(struct vmctl *handle, uint32_t domid, int timeout_ms,
                     struct vmctl_error *error);

int vmctl_pause(struct vmctl *handle, uint32_t domid, struct vmctl_error *error);
int vmctl_unpause(struct vmctl *handle, uint32_t domid, struct vmctl_error *error);
int vmctl_rename(struct vmctl *handle, uint32_t domid, const char *name, struct vmctl_error *error);

/* `who` is a name, a domain id or a uuid, tried in this order. */
int vmctl_find(struct vmctl *handle, const char *who, uint32_t *domid, struct vmctl_error *error);

int vmctl_info(struct vmctl *handle, uint32_t domid, struct vmctl_guest *guest,
               struct vmctl_error *error);
/*
 * All domains, dom0 first, by id; *guests for free(3).  Without the store names
 * are missing; then `error` says why, though 0 is returned.
 */
int vmctl_list(struct vmctl *handle, struct vmctl_guest **guests, size_t *count,
               struct vmctl_error *error);
/* *vcpus for free(3). */
int vmctl_vcpus(struct vmctl *handle, uint32_t domid, struct vmctl_vcpu **vcpus, size_t *count,
                struct vmctl_error *error);

/* The canonical description of a running guest, for free(3). */
int vmctl_dumpxml(struct vmctl *handle, uint32_t domid, char **xml, struct vmctl_error *error);

/* The balloon's target, up to the maximum; how many vCPUs the guest should have online. */
int vmctl_set_memory(struct vmctl *handle, uint32_t domid, uint64_t kib, struct vmctl_error *error);
int vmctl_set_vcpus(struct vmctl *handle, uint32_t domid, uint32_t count,
                    struct vmctl_error *error);

/*
 * Devices of a running guest.
 */

struct vmctl_disk {
    const char *source; /* absolute path of a raw image or a block device */
    const char *target; /* "xvda"; NULL to attach: the next free one */
    bool readonly;
};

struct vmctl_network {
    const char *bridge;
    const char *mac;    /* "00:16:3e:12:34:56"; NULL: made up */
    const char *target; /* name of the interface in dom0; NULL: vifN.M */
    uint64_t rate_kib;  /* KiB a second, 0: no limit */
};

int vmctl_attach_disk(struct vmctl *handle, uint32_t domid, const struct vmctl_disk *disk,
                      struct vmctl_error *error);
/* `target` as above, or the source's path. */
int vmctl_detach_disk(struct vmctl *handle, uint32_t domid, const char *target,
                      struct vmctl_error *error);
int vmctl_attach_network(struct vmctl *handle, uint32_t domid, const struct vmctl_network *network,
                         struct vmctl_error *error);
/* By MAC address, or by device number. */
int vmctl_detach_network(struct vmctl *handle, uint32_t domid, const char *which,
                         struct vmctl_error *error);

/*
 * The host.
 */

struct vmctl_host {
    char hypervisor[32];    /* "Paravane 0.1" or "Xen" */
    uint32_t version_major; /* of the interface: 4.17 */
    uint32_t version_minor;
    char version_extra[32];
    char compiler[128];
    char capabilities[256];
    char command_line[256];
    uint32_t cpus;
    uint32_t nodes;
    uint32_t cores_per_socket;
    uint32_t threads_per_core;
    uint32_t cpu_khz;
    uint64_t memory_kib;
    uint64_t memory_free_kib;
};

int vmctl_host(struct vmctl *handle, struct vmctl_host *host, struct vmctl_error *error);

/*
 * The hypervisor's log, for free(3), not terminated by a zero.  From byte number
 * *position on (0: the oldest there is); *position is where to go on.
 */
int vmctl_log(struct vmctl *handle, uint32_t *position, char **text, size_t *length,
              struct vmctl_error *error);

#ifdef __cplusplus
}
#endif

#endif
