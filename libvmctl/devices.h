/* SPDX-License-Identifier: MIT */
/*
 * Disks and network devices of guests: their nodes in the store, both ends.
 *
 * Nodes marked `paravane` are set up by paravane-devd, which answers with
 * hotplug-status or hotplug-error beside them.
 */
#ifndef LIBVMCTL_DEVICES_H
#define LIBVMCTL_DEVICES_H

#include "libvmctl/guest_config.h"
#include "libvmctl/node_list.h"

enum device_class {
    DEVICE_VBD,
    DEVICE_VIF,
};

struct device {
    enum device_class class;
    uint32_t domid;
    uint32_t number; /* vdev of a disk, handle of a network device */
};

#define DEVICE_PATH_SIZE 96

void device_backend_path(const struct device *device, char path[DEVICE_PATH_SIZE]);
void device_frontend_path(const struct device *device, char path[DEVICE_PATH_SIZE]);

/*
 * Does dom0's kernel still have it?  A driver that is about to let go would take
 * new nodes of the same number for its own.
 */
bool device_is_driven(const struct device *device);
/* For tests: another place than /sys/bus/xen-backend/devices. */
void device_set_backends(const char *where);

struct device device_of_disk(uint32_t domid, const struct guest_disk *disk);

void device_add_disk(struct node_list *list, uint32_t domid, const struct guest_disk *disk);
void device_add_nic(struct node_list *list, uint32_t domid, uint32_t number,
                    const struct guest_nic *nic);

/* Both ends gone, whatever the guest thinks. */
void device_remove(struct node_list *list, const struct device *device);

/*
 * Wait until devd has set up all of `devices`, or the first error, which names
 * the device by what it is made of.
 */
int device_wait_set_up(struct store_client *store, const struct device *devices, size_t count,
                       struct vmctl_error *error);

/*
 * Wait, at most `milliseconds`, for two halves that are about to connect.  Linux's blkfront stops
 * its kernel (a BUG) if the back end's state goes from closing to connected.
 */
void device_let_connect(struct store_client *store, const struct device *device, int milliseconds);

/* Ask the guest to let go of a device that has not closed. */
int device_ask_to_close(struct store_client *store, const struct device *device,
                        struct vmctl_error *error);

/*
 * Wait until a backend that was asked has closed, at most `milliseconds`; how long
 * it took, or -ETIMEDOUT.
 */
int device_wait_closed(struct store_client *store, const struct device *device, int milliseconds,
                       struct vmctl_error *error);

#endif
