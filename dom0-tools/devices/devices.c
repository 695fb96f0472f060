/* SPDX-License-Identifier: MIT */
/*
 * What the store wants of back ends, done: see devices.h.
 *
 * A watch fires for each node that changes; which value it had does not matter,
 * what is there now does.  So everything can be derived again at any time: by
 * this program started anew, or after the store was.
 */
#include "dom0-tools/devices/devices.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dom0-tools/devices/private.h"

#define DOMID_LIMIT 0x7ff0u

/* --- one device ---------------------------------------------------------------------- */

static void forget(struct devices *devices, struct device *device)
{
    if (device->state == DEVICE_CONNECTED) {
        say(devices, "guest %u: %s %u is gone", device->key.domid,
            device->key.class == DEVICE_VBD ? "disk" : "network card", device->key.handle);
    }
    stop_waiting(devices, device, DEVICE_FOREIGN);
    table_drop(&devices->table, device);
}

/* Whether the table already says what the node says; a node made anew has no answer yet. */
static bool is_settled(const struct device *device, const struct node *node)
{
    switch (device->state) {
    case DEVICE_FOREIGN:
        return !node->ours;
    case DEVICE_INCOMPLETE:
    case DEVICE_WAITING:
        return false;
    case DEVICE_CONNECTED:
        return node->ours && node->has_status && !node->has_error;
    case DEVICE_FAILED:
        return node->ours && node->has_error;
    }
    return false;
}

static void look_at(struct devices *devices, const struct device_key *key)
{
    struct device *device = table_find(&devices->table, key);
    struct vmctl_error error = { .code = 0 };
    struct node node;
    int r = node_read(devices, key, &node, &error);

    if (device != NULL) {
        device->round = devices->round;
    }
    if (r < 0 && r != -ENOENT) {
        say(devices, "guest %u: %s", key->domid, error.message);
        return;
    }
    if (device != NULL && r == 0 && is_settled(device, &node)) {
        return;
    }
    if (device != NULL) {
        forget(devices, device);
    }
    if (r == -ENOENT) {
        return;
    }
    device = table_add(&devices->table, key);
    if (device == NULL) {
        say(devices, "guest %u: no memory for its devices", key->domid);
        return;
    }
    device->round = devices->round;
    if (!node.ours) {
        device->state = DEVICE_FOREIGN;
        sweep_domain(devices, key->class, key->domid);
    } else if (node.has_error) {
        device->state = DEVICE_FAILED;
    } else if (!node.complete) {
        device->state = DEVICE_INCOMPLETE;
    } else {
        device->answered = node.has_status;
        set_up_device(devices, device, &node);
    }
}

/* --- all devices ------------------------------------------------------------------------ */

/* A number and where it ends; false if there is none, or it is not below `limit`. */
static bool parse_number(const char *text, uint32_t limit, uint32_t *number, const char **end)
{
    unsigned long value;
    char *stop;

    if (isdigit((unsigned char)text[0]) == 0) {
        return false;
    }
    errno = 0;
    value = strtoul(text, &stop, 10);
    *end = stop;
    *number = (uint32_t)value;
    return errno == 0 && value < limit;
}

/* Forget those of a guest (or of all) that the listing under way did not have. */
static void sweep(struct devices *devices, enum device_class class, const uint32_t *domid)
{
    for (uint32_t bucket = 0; bucket < DEVICE_BUCKETS; bucket++) {
        struct device *device = table_bucket(&devices->table, domid != NULL ? *domid : bucket);

        while (device != NULL) {
            struct device *next = device->next;

            if (device->key.class == class && device->round != devices->round &&
                (domid == NULL || device->key.domid == *domid)) {
                forget(devices, device);
            }
            device = next;
        }
        if (domid != NULL) {
            return;
        }
    }
}

/* The numbers that are children of `path`; to be freed.  What is not there has none. */
static int list_numbers(struct devices *devices, const char *path, uint32_t limit,
                        uint32_t **numbers, size_t *count)
{
    struct vmctl_error error = { .code = 0 };
    char **names = NULL;
    const char *end;
    uint32_t *made;
    size_t listed = 0;
    int r;

    *numbers = NULL;
    *count = 0;
    r = store_list(devices->store, STORE_NO_TRANSACTION, path, &names, &listed, &error);
    if (r < 0) {
        if (r != -ENOENT) {
            say(devices, "cannot list %s: %s", path, error.message);
        }
        return r == -ENOENT ? 0 : r;
    }
    made = calloc(listed + 1, sizeof(*made));
    if (made == NULL) {
        say(devices, "cannot list %s: no memory", path);
        free(names);
        return -ENOMEM;
    }
    for (size_t i = 0; i < listed; i++) {
        if (parse_number(names[i], limit, &made[*count], &end) && *end == '\0') {
            (*count)++;
        }
    }
    free(names);
    *numbers = made;
    return 0;
}

static int list_guest(struct devices *devices, enum device_class class, uint32_t domid)
{
    struct device_key key = { .class = class, .domid = domid };
    char path[NODE_SIZE];
    uint32_t *handles;
    size_t count;
    int r;

    (void)snprintf(path, sizeof(path), BACKENDS "/%s/%u", device_class_name(class), domid);
    r = list_numbers(devices, path, UINT32_MAX, &handles, &count);
    for (size_t i = 0; i < count; i++) {
        key.handle = handles[i];
        look_at(devices, &key);
    }
    free(handles);
    return r;
}

static void guest_changed(struct devices *devices, enum device_class class, uint32_t domid)
{
    devices->round++;
    if (list_guest(devices, class, domid) == 0) {
        sweep(devices, class, &domid);
    }
}

/* Of all domains that are no more. */
static void sweep_class(struct devices *devices, enum device_class class, const char *root)
{
    char path[NODE_SIZE];
    uint32_t *domids;
    size_t count;

    (void)snprintf(path, sizeof(path), "%s/%s", root, device_class_name(class));
    (void)list_numbers(devices, path, DOMID_LIMIT, &domids, &count);
    for (size_t i = 0; i < count; i++) {
        sweep_domain(devices, class, domids[i]);
    }
    free(domids);
}

static void class_changed(struct devices *devices, enum device_class class)
{
    char path[NODE_SIZE];
    uint32_t *domids;
    size_t count;
    int r;

    devices->round++;
    (void)snprintf(path, sizeof(path), BACKENDS "/%s", device_class_name(class));
    r = list_numbers(devices, path, DOMID_LIMIT, &domids, &count);
    for (size_t i = 0; i < count; i++) {
        int listed = list_guest(devices, class, domids[i]);

        r = listed < 0 ? listed : r;
    }
    free(domids);
    if (r == 0) {
        sweep(devices, class, NULL);
    }
    sweep_class(devices, class, BACKENDS);
}

/*
 * Below a known device nodes change all the time, as back and front end talk;
 * only what can make it ours, or complete, is of interest.
 */
static bool is_of_interest(const struct device *device, const char *leaf)
{
    return *leaf == '\0' || (device->state == DEVICE_FOREIGN && strcmp(leaf, "/paravane") == 0) ||
           (device->state == DEVICE_INCOMPLETE && strcmp(leaf, "/state") == 0);
}

static void device_changed(struct devices *devices, const struct device_key *key, const char *leaf)
{
    const struct device *device = table_find(&devices->table, key);

    if (device == NULL || is_of_interest(device, leaf)) {
        look_at(devices, key);
    }
}

static void changed_in_class(struct devices *devices, enum device_class class, const char *rest)
{
    struct device_key key = { .class = class };

    if (*rest == '\0') {
        class_changed(devices, class);
        return;
    }
    if (*rest != '/' || !parse_number(rest + 1, DOMID_LIMIT, &key.domid, &rest)) {
        return;
    }
    if (*rest == '\0') {
        guest_changed(devices, class, key.domid);
        return;
    }
    if (*rest == '/' && parse_number(rest + 1, UINT32_MAX, &key.handle, &rest) &&
        (*rest == '\0' || *rest == '/')) {
        device_changed(devices, &key, rest);
    }
}

/* What the kernel says of a back end that failed stays until its domain is gone. */
static void error_said(struct devices *devices, enum device_class class, const char *rest)
{
    uint32_t domid;

    if (*rest == '\0') {
        sweep_class(devices, class, ERRORS);
    } else if (*rest == '/' && parse_number(rest + 1, DOMID_LIMIT, &domid, &rest)) {
        sweep_domain(devices, class, domid);
    }
}

/* What of `path` is below root/class; NULL: it is not. */
static const char *below(const char *path, const char *root, enum device_class class)
{
    char start[NODE_SIZE];
    int length = snprintf(start, sizeof(start), "%s/%s", root, device_class_name(class));

    return strncmp(path, start, (size_t)length) == 0 ? path + length : NULL;
}

void devices_changed(struct devices *devices, const char *path)
{
    for (enum device_class class = DEVICE_VBD; class <= DEVICE_VIF; class ++) {
        const char *rest = below(path, BACKENDS, class);

        if (rest != NULL) {
            changed_in_class(devices, class, rest);
        }
        rest = below(path, ERRORS, class);
        if (rest != NULL) {
            error_said(devices, class, rest);
        }
    }
}

/* --- life ----------------------------------------------------------------------------------- */

int devices_open(struct store_client *store, const struct devices_settings *settings,
                 struct devices **devices, struct vmctl_error *error)
{
    static const char *const watched[] = { BACKENDS "/vbd", BACKENDS "/vif", ERRORS "/vbd",
                                           ERRORS "/vif" };
    struct devices *made = calloc(1, sizeof(*made));
    int r;

    if (made == NULL) {
        return vmctl_fail(error, -ENOMEM, "no memory");
    }
    made->store = store;
    made->settings = *settings;
    made->link_fd = -1;
    r = netlink_open(&made->netlink, error);
    if (r < 0) {
        free(made);
        return r;
    }
    for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]) && r == 0; i++) {
        r = store_watch(store, watched[i], "devd", error);
    }
    if (r < 0) {
        devices_close(made);
        return r;
    }
    *devices = made;
    return 0;
}

void devices_close(struct devices *devices)
{
    if (devices == NULL) {
        return;
    }
    for (uint32_t bucket = 0; bucket < DEVICE_BUCKETS; bucket++) {
        while (devices->table.by_guest[bucket] != NULL) {
            table_drop(&devices->table, devices->table.by_guest[bucket]);
        }
    }
    if (devices->link_fd >= 0) {
        (void)close(devices->link_fd);
    }
    netlink_close(&devices->netlink);
    free(devices);
}
