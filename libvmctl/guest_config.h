/* SPDX-License-Identifier: MIT */
/*
 * A guest as its guest.xml describes it: typed, checked, with every default
 * filled in (docs/user/guest-xml.md).
 *
 * All strings belong to the config and die with it; whoever puts one in takes
 * it from guest_config_text().  Values are in the range given at each field:
 * the parser has seen to that, nobody need check again.
 */
#ifndef LIBVMCTL_GUEST_CONFIG_H
#define LIBVMCTL_GUEST_CONFIG_H

#include "libvmctl/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUEST_NAME_MAX  63                       /* bytes */
#define GUEST_NODE_SIZE (3 * GUEST_NAME_MAX + 1) /* with the final NUL */
#define GUEST_VCPUS_MAX 128
#define GUEST_CPUS_MAX  1024 /* physical CPUs a cpuset can name */
#define GUEST_DISKS_MAX 64
#define GUEST_NICS_MAX  16
#define GUEST_RATE_MAX  2147483647u  /* KiB/s */
#define GUEST_BURST_MAX 4194304u     /* KiB */
#define GUEST_TEXT_MAX  (256u << 10) /* bytes of a guest.xml */

struct guest_cpuset {
    uint64_t bits[GUEST_CPUS_MAX / 64]; /* all zero: any CPU */
};

enum guest_action {
    GUEST_ACTION_DESTROY,
    GUEST_ACTION_RESTART,
    GUEST_ACTION_PRESERVE,
    GUEST_ACTION_RENAME_RESTART,
};

enum guest_clock {
    GUEST_CLOCK_UTC,
    GUEST_CLOCK_LOCALTIME,
};

/* What boots.  A kernel out of the guest's own disk will be another row. */
enum guest_boot {
    GUEST_BOOT_KERNEL,
};

enum guest_disk_type {
    GUEST_DISK_FILE,
    GUEST_DISK_BLOCK,
};

struct guest_disk {
    enum guest_disk_type type;
    const char *source; /* absolute path */
    const char *target; /* "xvda", "xvdb1" */
    uint32_t vdev;      /* the number of `target` in the store */
    bool readonly;
    bool cdrom; /* then also readonly */
    bool shareable;
};

struct guest_nic {
    const char *bridge;
    uint8_t mac[6];
    const char *target; /* name wanted for the host's end, or NULL */
    uint32_t mtu;       /* 0: the bridge's */
    uint64_t rate_kib;  /* KiB/s the guest may send, 0: no limit */
    uint64_t burst_kib; /* KiB that may go at once; 0: what comes of `rate_kib` */
};

enum guest_console_type {
    GUEST_CONSOLE_PTY,
    GUEST_CONSOLE_FILE,
};

struct guest_config {
    const char *name;  /* [A-Za-z0-9_][A-Za-z0-9_.+:-]* */
    uint8_t uuid[16];  /* in the order it is written in */
    const char *title; /* or NULL */
    const char *description;

    uint64_t memory_kib; /* most the guest may have; whole pages */
    uint64_t target_kib; /* what it starts with, <= memory_kib */

    uint32_t vcpus; /* most, 1 to GUEST_VCPUS_MAX */
    uint32_t vcpus_online;
    struct guest_cpuset cpus;   /* for vCPUs without a row in `pins` */
    struct guest_cpuset **pins; /* NULL, or GUEST_VCPUS_MAX, each may be NULL */
    uint32_t weight;            /* of the scheduler; 0: its default */

    enum guest_boot boot;
    const char *kernel;
    const char *initrd;  /* or NULL */
    const char *cmdline; /* never NULL */

    enum guest_action on_poweroff;
    enum guest_action on_reboot;
    enum guest_action on_crash;

    enum guest_clock clock;
    int64_t clock_offset; /* seconds added to it */

    struct guest_disk *disks;
    size_t disk_count;
    struct guest_nic *nics;
    size_t nic_count;

    enum guest_console_type console;
    const char *console_file; /* where a copy goes; set for GUEST_CONSOLE_FILE */
    bool console_append;

    struct guest_text *texts; /* owns the strings */
};

/*
 * Called for each line of guest.xml that has something wrong (`fatal`) or that
 * was understood but has no effect here.  `words` dies on return.
 */
typedef void guest_report_fn(void *context, unsigned int line, bool fatal, const char *words);

struct guest_reporter {
    guest_report_fn *report; /* or NULL */
    void *context;
};

/*
 * Read a guest.xml.  `*config` is set only on success.  `error` gets the first
 * thing that is wrong, with its line; `reporter` (may be NULL) gets them all.
 * `called` is how messages name the file, NULL: "guest.xml".
 */
int guest_config_parse(const char *text, size_t length, const char *called,
                       const struct guest_reporter *reporter, struct guest_config **config,
                       struct vmctl_error *error);
int guest_config_load(const char *path, const struct guest_reporter *reporter,
                      struct guest_config **config, struct vmctl_error *error);

/* The bytes of a guest.xml, size checked; to be freed by the caller. */
int guest_config_read_file(const char *path, char **text, size_t *length,
                           struct vmctl_error *error);

/* Hold a guest.xml against a RELAX NG schema.  Not in libvmctl: see config_validate.c. */
int guest_config_validate(const char *text, size_t length, const char *called, const char *schema,
                          const struct guest_reporter *reporter, struct vmctl_error *error);

/* Canonical guest.xml, to be freed by the caller; parses back to the same. */
int guest_config_write(const struct guest_config *config, char **text, size_t *length,
                       struct vmctl_error *error);

/* One vCPU, the usual actions, nothing else; NULL: no memory. */
struct guest_config *guest_config_new(void);
void guest_config_free(struct guest_config *config);

/* A copy of `length` bytes of `text` that lives as long as `config`; NULL: no memory. */
const char *guest_config_text(struct guest_config *config, const char *text, size_t length);
char *guest_config_buffer(struct guest_config *config, const char *text, size_t length);

/*
 * Append a copy of a device.  Checks what the parser would have checked and
 * fills in what it would have: `vdev` of a disk, an all-zero `mac`.
 */
int guest_config_add_disk(struct guest_config *config, const struct guest_disk *disk,
                          struct vmctl_error *error);
int guest_config_add_nic(struct guest_config *config, const struct guest_nic *nic,
                         struct vmctl_error *error);
void guest_config_remove_disk(struct guest_config *config, size_t index);
void guest_config_remove_nic(struct guest_config *config, size_t index);

/* The checks by themselves. */
int guest_name_check(const char *name, struct vmctl_error *error);
int guest_disk_target(const char *target, uint32_t *vdev, struct vmctl_error *error);
int guest_mac_parse(const char *text, uint8_t mac[6], struct vmctl_error *error);
int guest_size_parse(const char *number, const char *unit, uint64_t *kib,
                     struct vmctl_error *error);

/* `name` as one component of a store path, where fewer characters may stand. */
void guest_name_node(const char *name, char node[GUEST_NODE_SIZE]);

/* 36 characters and a NUL. */
void guest_uuid_format(const uint8_t uuid[16], char text[37]);

const char *guest_action_name(enum guest_action action);
int guest_action_parse(const char *name, enum guest_action *action, struct vmctl_error *error);

#endif
