/* SPDX-License-Identifier: MIT */
/*
 * Devices that cannot be set up yet: an interface that the kernel has not made,
 * an image that the back end of a guest just ended has not let go of.
 */
#include <errno.h>
#include <unistd.h>

#include "dom0-tools/devices/private.h"

#define DISK_PATIENCE 5000 /* ms */
#define DISK_RETRY    50   /* ms; nobody says when a loop device comes free */

static int start_waiting(struct devices *devices, struct device *device, struct vmctl_error *error)
{
    int64_t patience = DISK_PATIENCE;

    if (device->key.class == DEVICE_VIF) {
        patience = devices->settings.patience;
        if (devices->link_fd < 0) {
            int fd = netlink_listen(error);

            if (fd < 0) {
                return fd;
            }
            devices->link_fd = fd;
        }
    }
    device->state = DEVICE_WAITING;
    device->deadline = devices->settings.now() + patience;
    if (devices->waiting++ == 0) {
        devices->retry_at = devices->settings.now() + DISK_RETRY;
    }
    return 0;
}

void stop_waiting(struct devices *devices, struct device *device, enum device_state state)
{
    if (device->state == DEVICE_WAITING) {
        devices->waiting--;
    }
    if (devices->waiting == 0 && devices->link_fd >= 0) {
        (void)close(devices->link_fd);
        devices->link_fd = -1;
    }
    device->state = state;
}

static int try_once(struct devices *devices, struct device *device, const struct node *node,
                    struct vmctl_error *error)
{
    return device->key.class == DEVICE_VBD ? set_up_disk(devices, device, node, error)
                                           : set_up_nic(devices, device, node, error);
}

/* Once waiting it is tried again, for what came before the listening began. */
void set_up_device(struct devices *devices, struct device *device, const struct node *node)
{
    struct vmctl_error error = { .code = 0 };
    int r = try_once(devices, device, node, &error);

    if (r == -EAGAIN && device->state != DEVICE_WAITING) {
        r = start_waiting(devices, device, &error);
        r = r < 0 ? r : try_once(devices, device, node, &error);
    }
    if (r == -EAGAIN && devices->settings.now() >= device->deadline) {
        r = device->key.class == DEVICE_VIF ? nic_gave_up(devices, device, &error) : -EBUSY;
    }
    if (r == 0 || r == -EAGAIN) {
        return;
    }
    stop_waiting(devices, device, DEVICE_FAILED);
    disk_close(&device->disk);
    nic_texts_free(&device->texts);
    answer_failed(devices, device, node, &error);
}

int devices_link_fd(const struct devices *devices)
{
    return devices->link_fd;
}

static struct device *next_waiting(const struct devices *devices, const struct device *after)
{
    uint32_t bucket = after == NULL ? 0 : after->key.domid % DEVICE_BUCKETS;
    struct device *device = after == NULL ? table_bucket(&devices->table, 0) : after->next;

    for (;;) {
        while (device != NULL && device->state != DEVICE_WAITING) {
            device = device->next;
        }
        if (device != NULL || ++bucket == DEVICE_BUCKETS) {
            return device;
        }
        device = table_bucket(&devices->table, bucket);
    }
}

int devices_timeout(const struct devices *devices)
{
    int64_t now = devices->settings.now();
    int64_t least = INT64_MAX;

    if (devices->waiting == 0) {
        return -1;
    }
    for (const struct device *device = next_waiting(devices, NULL); device != NULL;
         device = next_waiting(devices, device)) {
        int64_t due = device->key.class == DEVICE_VBD ? devices->retry_at : device->deadline;

        least = due < least ? due : least;
    }
    return least <= now ? 0 : (int)(least - now);
}

void devices_retry(struct devices *devices)
{
    struct device *device = NULL;

    devices->retry_at = devices->settings.now() + DISK_RETRY;
    if (devices->link_fd >= 0) {
        netlink_drain(devices->link_fd);
    }
    while (devices->waiting > 0 && (device = next_waiting(devices, device)) != NULL) {
        struct node node = { .ours = true };

        node_path(&device->key, node.path);
        set_up_device(devices, device, &node);
    }
}
