/* SPDX-License-Identifier: MIT */
/* Back ends of network cards: from the node to a port of a bridge. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static int finish_nic(struct devices *devices, struct device *device, const struct node *node,
                      struct vmctl_error *error)
{
    struct store_change change;
    char path[PATH_SIZE];
    int r;

    stop_waiting(devices, device, DEVICE_CONNECTED);
    change = write_of(path, node, "hotplug-status", "connected");
    r = device->answered ? 0 : node_write(devices, &device->key, &change, 1, error);
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
    int r = 0;

    if (device->state != DEVICE_WAITING) {
        r = read_nic(devices, node, &device->texts, error);
    }
    if (r == 0) {
        r = try_nic(devices, device, error);
    }
    return r == 0 ? finish_nic(devices, device, node, error) : r;
}

/* The kernel leaves its words in a node of their own when a back end fails. */
int nic_gave_up(struct devices *devices, const struct device *device, struct vmctl_error *error)
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
