/* SPDX-License-Identifier: MIT */
/*
 * Attaching devices to a running guest, and detaching them.
 *
 * The guest's description is changed first when attaching and last when detaching:
 * it has every device that is there, and who is killed in between can detach.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libvmctl/devices.h"
#include "libvmctl/guest.h"
#include "libvmctl/guest_store.h"
#include "libvmctl/state_file.h"

#define CONNECT_TIMEOUT 3000  /* ms that a guest has to connect before it is asked to let go */
#define DETACH_TIMEOUT  10000 /* ms for the guest to let a device go */

struct change {
    struct vmctl *handle;
    struct store_client *store;
    uint32_t domid;
    struct guest_config *config;
    struct vmctl_error *error;
    int lock;
};

/* The guest and its description; only guests of ours have one. */
static int begin(struct change *change)
{
    char path[64];
    char *state = NULL;
    int r;

    change->store = handle_store(change->handle, change->error);
    if (change->store == NULL) {
        return change->error->code < 0 ? change->error->code : -EIO;
    }
    (void)snprintf(path, sizeof(path), "/paravane/guest/%u/name", change->domid);
    r = store_read(change->store, STORE_NO_TRANSACTION, path, &state, NULL, change->error);
    free(state);
    if (r == -ENOENT) {
        r = vmctl_fail(change->error, -ESRCH, "there is no such guest of this toolstack");
        vmctl_error_object(change->error, "domain %u", change->domid);
    }
    r = r < 0 ? r : state_file_lock(change->domid, &change->lock, change->error);
    return r < 0 ? r : state_file_read(change->domid, &change->config, change->error);
}

static int end(struct change *change, int r, const char *what)
{
    guest_config_free(change->config);
    if (change->lock >= 0) {
        (void)close(change->lock);
    }
    return r < 0 ? vmctl_context(change->error, r, "%s", what) : 0;
}

/* The device that was added last. */
static void remove_from_description(struct change *change, enum device_class class)
{
    if (class == DEVICE_VBD) {
        guest_config_remove_disk(change->config, change->config->disk_count - 1);
    } else {
        guest_config_remove_nic(change->config, change->config->nic_count - 1);
    }
    (void)state_file_write(change->domid, change->config, NULL);
}

/*
 * Send the nodes of a new device, wait for devd; on failure nothing is left.
 * Both ends look at once for the other, and give up if it is not there: so the
 * nodes appear all together.
 */
static int attach(struct change *change, struct node_list *list, const struct device *device)
{
    struct node_list undo = NODE_LIST_EMPTY;
    char proof[DEVICE_PATH_SIZE];
    char name[GUEST_HOME_NAME_SIZE];
    int r = state_file_write(change->domid, change->config, change->error);

    if (r < 0) {
        node_list_free(list);
        return r;
    }
    handle_progress(change->handle, "setting up the device", -1);
    device_frontend_path(device, proof);
    guest_store_home_name(change->domid, name);
    list->needs = name;
    r = node_list_commit(list, change->store, proof, change->error);
    if (r == -ESRCH) {
        state_file_remove(change->domid);
        return r;
    }
    r = r < 0 ? r : device_wait_set_up(change->store, device, 1, change->error);
    if (r < 0) {
        device_remove(&undo, device);
        (void)node_list_send(&undo, change->store, STORE_NO_TRANSACTION, NULL);
        remove_from_description(change, device->class);
    }
    return r;
}

static bool target_used(const struct guest_config *config, const char *target)
{
    for (size_t i = 0; i < config->disk_count; i++) {
        if (strcmp(config->disks[i].target, target) == 0) {
            return true;
        }
    }
    return false;
}

/* "xvda" to "xvdz", the first that is free. */
static bool free_target(const struct guest_config *config, char target[8])
{
    for (int letter = 'a'; letter <= 'z'; letter++) {
        (void)snprintf(target, 8, "xvd%c", letter);
        if (!target_used(config, target)) {
            return true;
        }
    }
    return false;
}

static int attach_disk(struct change *change, const struct vmctl_disk *disk)
{
    struct node_list list = NODE_LIST_EMPTY;
    char target[8];
    struct guest_disk wish = {
        .type = strncmp(disk->source, "/dev/", 5) == 0 ? GUEST_DISK_BLOCK : GUEST_DISK_FILE,
        .source = disk->source,
        .target = disk->target,
        .readonly = disk->readonly,
    };
    struct device device;
    int r = begin(change);

    if (r == 0 && wish.target == NULL) {
        wish.target = target;
        if (!free_target(change->config, target)) {
            r = vmctl_fail(change->error, -ENOSPC, "all names from xvda to xvdz are taken");
        }
    }
    r = r < 0 ? r : guest_config_add_disk(change->config, &wish, change->error);
    if (r < 0) {
        return r;
    }
    wish = change->config->disks[change->config->disk_count - 1];
    device = device_of_disk(change->domid, &wish);
    device_add_disk(&list, change->domid, &wish);
    return attach(change, &list, &device);
}

int vmctl_attach_disk(struct vmctl *handle, uint32_t domid, const struct vmctl_disk *disk,
                      struct vmctl_error *error)
{
    struct vmctl_error words = { .code = 0 };
    struct change change = { handle, NULL, domid, NULL, error != NULL ? error : &words, -1 };

    return end(&change, attach_disk(&change, disk), "attach disk");
}

/* The number of a network device is its place among those in the store. */
static bool nic_number_used(struct change *change, uint32_t number)
{
    const struct device device = { .class = DEVICE_VIF, .domid = change->domid, .number = number };
    char path[DEVICE_PATH_SIZE];
    char *text = NULL;

    device_frontend_path(&device, path);
    if (store_read(change->store, STORE_NO_TRANSACTION, path, &text, NULL, NULL) < 0) {
        return device_is_driven(&device);
    }
    free(text);
    return true;
}

static int attach_network(struct change *change, const struct vmctl_network *network)
{
    struct node_list list = NODE_LIST_EMPTY;
    struct guest_nic wish = {
        .bridge = network->bridge,
        .target = network->target,
        .rate_kib = network->rate_kib,
    };
    struct device device = { .class = DEVICE_VIF, .domid = change->domid };
    int r = begin(change);

    if (r == 0 && network->mac != NULL) {
        r = guest_mac_parse(network->mac, wish.mac, change->error);
    }
    r = r < 0 ? r : guest_config_add_nic(change->config, &wish, change->error);
    if (r < 0) {
        return r;
    }
    while (device.number < GUEST_NICS_MAX && nic_number_used(change, device.number)) {
        device.number++;
    }
    if (device.number == GUEST_NICS_MAX) {
        return vmctl_fail(change->error, -EBUSY, "back ends still hold cards that were detached");
    }
    wish = change->config->nics[change->config->nic_count - 1];
    device_add_nic(&list, change->domid, device.number, &wish);
    return attach(change, &list, &device);
}

int vmctl_attach_network(struct vmctl *handle, uint32_t domid, const struct vmctl_network *network,
                         struct vmctl_error *error)
{
    struct vmctl_error words = { .code = 0 };
    struct change change = { handle, NULL, domid, NULL, error != NULL ? error : &words, -1 };

    return end(&change, attach_network(&change, network), "attach network device");
}

/*
 * Detaching: ask the guest by the back end's state, wait for it, remove both ends.
 * What an earlier try has done is no trouble, wherever it was cut short.
 */
static int detach(struct change *change, const struct device *device)
{
    struct node_list list = NODE_LIST_EMPTY;
    int r, took;

    device_let_connect(change->store, device, CONNECT_TIMEOUT);
    r = device_ask_to_close(change->store, device, change->error);
    handle_progress(change->handle, "waiting for the guest to let go", -1);
    took = r < 0 ? r : device_wait_closed(change->store, device, DETACH_TIMEOUT, change->error);
    if (took < 0) {
        return took;
    }
    device_remove(&list, device);
    r = node_list_send(&list, change->store, STORE_NO_TRANSACTION, change->error);
    if (r < 0) {
        return r;
    }
    /* A guest that has not seen the node gone takes the next one there for the same device. */
    (void)poll(NULL, 0, took);
    return state_file_write(change->domid, change->config, change->error);
}

static int no_such_device(struct change *change, const char *what, const char *which)
{
    vmctl_fail(change->error, -ENOENT, "the guest has no such device");
    vmctl_error_object(change->error, "%s %.128s", what, which);
    return -ENOENT;
}

static int detach_disk(struct change *change, const char *target)
{
    int r = begin(change);

    if (r < 0) {
        return r;
    }
    for (size_t i = 0; i < change->config->disk_count; i++) {
        const struct guest_disk *disk = &change->config->disks[i];

        if (strcmp(disk->target, target) == 0 || strcmp(disk->source, target) == 0) {
            const struct device device = device_of_disk(change->domid, disk);

            guest_config_remove_disk(change->config, i);
            return detach(change, &device);
        }
    }
    return no_such_device(change, "disk", target);
}

int vmctl_detach_disk(struct vmctl *handle, uint32_t domid, const char *target,
                      struct vmctl_error *error)
{
    struct vmctl_error words = { .code = 0 };
    struct change change = { handle, NULL, domid, NULL, error != NULL ? error : &words, -1 };

    return end(&change, detach_disk(&change, target), "detach disk");
}

/* The MAC address of the network device with this number, if there is one. */
static bool read_mac(struct change *change, uint32_t number, uint8_t mac[6])
{
    const struct device device = { .class = DEVICE_VIF, .domid = change->domid, .number = number };
    char path[DEVICE_PATH_SIZE + 8];
    char backend[DEVICE_PATH_SIZE];
    char *text = NULL;
    bool found;

    device_backend_path(&device, backend);
    (void)snprintf(path, sizeof(path), "%s/mac", backend);
    found = store_read(change->store, STORE_NO_TRANSACTION, path, &text, NULL, NULL) == 0 &&
            guest_mac_parse(text, mac, NULL) == 0;
    free(text);
    return found;
}

/* The number of the network device with this MAC address. */
static bool number_of_mac(struct change *change, const uint8_t mac[6], uint32_t *number)
{
    for (*number = 0; *number < GUEST_NICS_MAX; (*number)++) {
        uint8_t have[6];

        if (read_mac(change, *number, have) && memcmp(have, mac, sizeof(have)) == 0) {
            return true;
        }
    }
    return false;
}

/* The MAC address that `which` means: itself, or that of the device with this number. */
static bool mac_of(struct change *change, const char *which, uint8_t mac[6])
{
    if (strchr(which, ':') != NULL) {
        return guest_mac_parse(which, mac, NULL) == 0;
    }
    return which[0] >= '0' && which[0] <= '9' &&
           read_mac(change, (uint32_t)strtoul(which, NULL, 10), mac);
}

static int detach_network(struct change *change, const char *which)
{
    struct device device = { .class = DEVICE_VIF, .domid = change->domid };
    uint8_t mac[6] = { 0 };
    bool described = false;
    bool there;
    int r = begin(change);

    if (r < 0) {
        return r;
    }
    if (!mac_of(change, which, mac)) {
        return no_such_device(change, "network device", which);
    }
    for (size_t i = 0; i < change->config->nic_count && !described; i++) {
        described = memcmp(change->config->nics[i].mac, mac, sizeof(mac)) == 0;
        if (described) {
            guest_config_remove_nic(change->config, i);
        }
    }
    there = number_of_mac(change, mac, &device.number);
    if (!there && !described) {
        return no_such_device(change, "network device", which);
    }
    return there ? detach(change, &device)
                 : state_file_write(change->domid, change->config, change->error);
}

int vmctl_detach_network(struct vmctl *handle, uint32_t domid, const char *which,
                         struct vmctl_error *error)
{
    struct vmctl_error words = { .code = 0 };
    struct change change = { handle, NULL, domid, NULL, error != NULL ? error : &words, -1 };

    return end(&change, detach_network(&change, which), "detach network device");
}
