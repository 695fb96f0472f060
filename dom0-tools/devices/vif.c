/* SPDX-License-Identifier: MIT */
/*
 * Back ends of network cards: from the node to a port of a bridge.
 *
 * The kernel makes the interface when it likes; until then the device waits.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dom0-tools/devices/nic.h"
#include "dom0-tools/devices/private.h"

static int read_nic(struct devices *devices, const struct node *node, struct nic_texts *texts,
                    struct vmctl_error *error)
{
    int r = read_leaf(devices, node, "bridge", &texts->bridge, error);

    if (r == 0) {
        r = read_leaf(devices, node, "vifname", &texts->name, error);
    }
    if (r == 0) {
        r = read_leaf(devices, node, "mtu", &texts->mtu, error);
    }
    if (r == 0) {
        r = read_leaf(devices, node, "rate", &texts->rate, error);
    }
    return r;
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

static int try_nic(struct devices *devices, struct device *device, struct vmctl_error *error)
{
    struct nic_request request = {
        .domid = device->key.domid,
        .handle = device->key.handle,
        .bridge = device->texts.bridge,
        .name = device->texts.name,
        .mtu = device->texts.mtu,
        .rate = device->texts.rate,
        .sys = devices->settings.sys,
    };

    return nic_set_up(&request, &devices->netlink, error);
}

/* It is asked again after the listening began, for what came in between. */
static int wait_for_nic(struct devices *devices, struct device *device, struct vmctl_error *error)
{
    if (devices->link_fd < 0) {
        devices->link_fd = netlink_listen(error);
        if (devices->link_fd < 0) {
            int r = devices->link_fd;

            devices->link_fd = -1;
            return r;
        }
    }
    device->state = DEVICE_WAITING;
    device->deadline = devices->settings.now() + devices->settings.patience;
    devices->waiting++;
    return try_nic(devices, device, error);
}

static int finish_nic(struct devices *devices, struct device *device, const struct node *node,
                      struct vmctl_error *error)
{
    struct store_change change;
    char path[PATH_SIZE];
    int r;

    stop_waiting(devices, device, DEVICE_CONNECTED);
    change = write_of(path, node, "hotplug-status", "connected");
    r = device->answered ? 0 : node_write(devices, node, &change, 1, error);
    if (r == 0) {
        say(devices, "guest %u: network card %u is on bridge %s", device->key.domid,
            device->key.handle, device->texts.bridge);
    }
    nic_texts_free(&device->texts);
    return r;
}

int set_up_nic(struct devices *devices, struct device *device, const struct node *node,
               struct vmctl_error *error)
{
    int r = read_nic(devices, node, &device->texts, error);

    if (r == 0) {
        r = try_nic(devices, device, error);
    }
    if (r == -EAGAIN) {
        r = wait_for_nic(devices, device, error);
    }
    return r == 0 ? finish_nic(devices, device, node, error) : r;
}

void nic_failed(struct devices *devices, struct device *device, const struct node *node,
                const struct vmctl_error *error)
{
    stop_waiting(devices, device, DEVICE_FAILED);
    nic_texts_free(&device->texts);
    answer_failed(devices, device, node, error);
}

/* The kernel leaves its words in a node of their own when a back end fails. */
static int gave_up(struct devices *devices, const struct device *device, struct vmctl_error *error)
{
    char path[PATH_SIZE];
    char *words = NULL;
    int r;

    if (!exists(devices->settings.sys, "bus/xen-backend/drivers/vif")) {
        return no_driver("network cards", "xen-netback", error);
    }
    (void)snprintf(path, sizeof(path), "/local/domain/0/error/backend/vif/%u/%u/error",
                   device->key.domid, device->key.handle);
    r = store_read(devices->store, STORE_NO_TRANSACTION, path, &words, NULL, NULL);
    if (r < 0) {
        return vmctl_context(error, -ETIMEDOUT, "gave up waiting");
    }
    (void)vmctl_fail(error, -EIO, "dom0's kernel could not make the interface: %s", words);
    free(words);
    return -EIO;
}

static void retry_nic(struct devices *devices, struct device *device)
{
    struct vmctl_error error = { .code = 0 };
    struct node node = { .ours = true };
    int r = try_nic(devices, device, &error);

    node_path(&device->key, node.path);
    if (r == 0) {
        r = finish_nic(devices, device, &node, &error);
    } else if (r == -EAGAIN && devices->settings.now() >= device->deadline) {
        r = gave_up(devices, device, &error);
    }
    if (r < 0 && r != -EAGAIN) {
        nic_failed(devices, device, &node, &error);
    }
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
        least = device->deadline < least ? device->deadline : least;
    }
    return least <= now ? 0 : (int)(least - now);
}

void devices_retry(struct devices *devices)
{
    struct device *device = NULL;

    if (devices->link_fd >= 0) {
        netlink_drain(devices->link_fd);
    }
    while (devices->waiting > 0 && (device = next_waiting(devices, device)) != NULL) {
        retry_nic(devices, device);
    }
}
