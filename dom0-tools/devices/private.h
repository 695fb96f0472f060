/* SPDX-License-Identifier: MIT */
/* What the files of devd share; devices.h is for everybody else. */
#ifndef DOM0_TOOLS_DEVICES_PRIVATE_H
#define DOM0_TOOLS_DEVICES_PRIVATE_H

#include "dom0-tools/devices/device_table.h"
#include "dom0-tools/devices/devices.h"
#include "dom0-tools/devices/netlink.h"

#define BACKENDS  "/local/domain/0/backend"
#define ERRORS    "/local/domain/0/error/backend"
#define NODE_SIZE 96u
#define PATH_SIZE (NODE_SIZE + 32u)

struct devices {
    struct store_client *store;
    struct devices_settings settings;
    struct netlink netlink;
    struct device_table table;
    int link_fd;      /* -1 while nothing waits */
    size_t waiting;   /* devices in DEVICE_WAITING */
    int64_t retry_at; /* ms; when disks among them are tried again */
    unsigned int round;
};

/* A device's node, and which of its children that matter here there are. */
struct node {
    char path[NODE_SIZE];
    bool ours;
    bool complete; /* `state` is there, which is written last */
    bool has_status;
    bool has_error;
    bool has_physical;
};

/* --- node.c ------------------------------------------------------------------ */

void say(const struct devices *devices, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void node_path(const struct device_key *key, char path[NODE_SIZE]);
int node_read(struct devices *devices, const struct device_key *key, struct node *node,
              struct vmctl_error *error);

/* *text is NULL where there is no such node; only other failures are errors. */
int read_leaf(struct devices *devices, const struct node *node, const char *leaf, char **text,
              struct vmctl_error *error);

/* A change that sets `leaf`; `path` is room for its path and lives as long. */
struct store_change write_of(char path[PATH_SIZE], const struct node *node, const char *leaf,
                             const char *text);

/* Write into a node, which may have been removed meanwhile: then nothing is left of it. */
int node_write(struct devices *devices, const struct device_key *key,
               const struct store_change *changes, size_t count, struct vmctl_error *error);

/*
 * Remove what there is of a domain that has no home in the store, which whoever
 * makes a guest writes first and removes last: back ends, and what the kernel
 * said of them.
 */
void sweep_domain(struct devices *devices, enum device_class class, uint32_t domid);

/* "disk xvda", "network card 0". */
void device_words(struct devices *devices, const struct device_key *key, char *words, size_t room);
/* The guest's name as far as it can be shown. */
void guest_name(struct devices *devices, uint32_t domid, char *name, size_t room);

/*
 * Say in the store and in the log why `device` is not to be had.  A guest that
 * has it from an earlier run keeps it; then only the log hears of the trouble.
 */
void answer_failed(struct devices *devices, struct device *device, const struct node *node,
                   const struct vmctl_error *error);

/* Is there `rest` below `root`? */
bool exists(const char *root, const char *rest);
int no_driver(const char *devices, const char *module, struct vmctl_error *error);

/* --- waiting.c ----------------------------------------------------------------- */

/* Set it up, now or as soon as it can be, and say in the store what came of it. */
void set_up_device(struct devices *devices, struct device *device, const struct node *node);

/* The way out of DEVICE_WAITING; harmless in any other state. */
void stop_waiting(struct devices *devices, struct device *device, enum device_state state);

/* --- vbd.c, vif.c: set up what `node` asks for, and say so there -------------- */

/* Both: -EAGAIN, not yet. */
int set_up_disk(struct devices *devices, struct device *device, const struct node *node,
                struct vmctl_error *error);
int set_up_nic(struct devices *devices, struct device *device, const struct node *node,
               struct vmctl_error *error);

/* Why the wait for it was in vain; a negative errno. */
int nic_gave_up(struct devices *devices, const struct device *device, struct vmctl_error *error);

#endif
