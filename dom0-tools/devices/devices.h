/* SPDX-License-Identifier: MIT */
/*
 * Back ends of guests' disks and network cards: from nodes in the store to
 * block devices and bridge ports (docs/toolstack/devices.md).
 *
 * Only nodes under /local/domain/0/backend are read, which dom0 alone can
 * write; a guest's own nodes are never looked at.
 */
#ifndef DOM0_TOOLS_DEVICES_DEVICES_H
#define DOM0_TOOLS_DEVICES_DEVICES_H

#include <stdint.h>

#include "libvmctl/error.h"
#include "libvmctl/store_client.h"

struct devices;

struct devices_settings {
    const char *sys;           /* "/sys" */
    const char *proc;          /* "/proc" */
    int64_t patience;          /* milliseconds the back end has to make an interface */
    void (*say)(const char *); /* gets each line for the log */
    int64_t (*now)(void);      /* milliseconds, never going back */
};

/* Sets watches; the first events then lead to everything that is there. */
int devices_open(struct store_client *store, const struct devices_settings *settings,
                 struct devices **devices, struct vmctl_error *error);
/* Forgets all.  What guests have in use stays as it is. */
void devices_close(struct devices *devices);

/* A watch fired at `path`. */
void devices_changed(struct devices *devices, const char *path);

/* Readable when devices_retry() is due; -1 while nothing waits. */
int devices_link_fd(const struct devices *devices);
/* Milliseconds until devices_retry() is due in any case; -1: never. */
int devices_timeout(const struct devices *devices);
void devices_retry(struct devices *devices);

#endif
