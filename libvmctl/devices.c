/* SPDX-License-Identifier: MIT */
/* Devices of guests in the store: see devices.h. */
#include "libvmctl/devices.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "guest-pv-headers/io/xenbus.h"

#define SET_UP_TIMEOUT 20000 /* ms */
#define CREDIT_PERIOD  50    /* ms in which a limited device gets its next bytes, at least */
#define CREDIT_LONGEST 3600000
#define WATCH_TOKEN    "set-up"

static const char *class_name(enum device_class class)
{
    return class == DEVICE_VBD ? "vbd" : "vif";
}

void device_backend_path(const struct device *device, char path[DEVICE_PATH_SIZE])
{
    (void)snprintf(path, DEVICE_PATH_SIZE, "/local/domain/0/backend/%s/%u/%u",
                   class_name(device->class), device->domid, device->number);
}

static const char *backends = "/sys/bus/xen-backend/devices";

void device_set_backends(const char *where)
{
    backends = where;
}

bool device_is_driven(const struct device *device)
{
    char path[DEVICE_PATH_SIZE];

    (void)snprintf(path, sizeof(path), "%s/%s-%u-%u", backends, class_name(device->class),
                   device->domid, device->number);
    return access(path, F_OK) == 0;
}

void device_frontend_path(const struct device *device, char path[DEVICE_PATH_SIZE])
{
    (void)snprintf(path, DEVICE_PATH_SIZE, "/local/domain/%u/device/%s/%u", device->domid,
                   class_name(device->class), device->number);
}

struct device device_of_disk(uint32_t domid, const struct guest_disk *disk)
{
    return (struct device){ .class = DEVICE_VBD, .domid = domid, .number = disk->vdev };
}

/* What both ends of every device have; the paths are left for more. */
static void add_ends(struct node_list *list, const struct device *device,
                     char backend[DEVICE_PATH_SIZE], char frontend[DEVICE_PATH_SIZE])
{
    device_backend_path(device, backend);
    device_frontend_path(device, frontend);
    node_list_directory(list, frontend, device->domid, 0);
    node_list_write(list, frontend, "backend", "%s", backend);
    node_list_write(list, frontend, "backend-id", "0");
    node_list_write(list, frontend, "state", "%d", XenbusStateInitialising);
    node_list_directory(list, backend, 0, device->domid);
    node_list_write(list, backend, "frontend", "%s", frontend);
    node_list_write(list, backend, "frontend-id", "%u", device->domid);
    node_list_write(list, backend, "online", "1");
    node_list_write(list, backend, "paravane", "1");
}

/* The backend's state comes last: it makes the driver look at the rest. */
static void add_state(struct node_list *list, const char *backend)
{
    node_list_write(list, backend, "state", "%d", XenbusStateInitialising);
}

void device_add_disk(struct node_list *list, uint32_t domid, const struct guest_disk *disk)
{
    const struct device device = device_of_disk(domid, disk);
    const char *type = disk->cdrom ? "cdrom" : "disk";
    char backend[DEVICE_PATH_SIZE];
    char frontend[DEVICE_PATH_SIZE];

    add_ends(list, &device, backend, frontend);
    node_list_write(list, frontend, "virtual-device", "%u", disk->vdev);
    node_list_write(list, frontend, "device-type", "%s", type);
    node_list_write(list, backend, "removable", "%d", disk->cdrom);
    node_list_write(list, backend, "dev", "%s", disk->target);
    node_list_write(list, backend, "type", "%s", disk->type == GUEST_DISK_FILE ? "file" : "phy");
    node_list_write(list, backend, "mode", "%s", disk->readonly ? "r" : "w");
    node_list_write(list, backend, "device-type", "%s", type);
    node_list_write(list, backend, "shareable", "%d", disk->shareable);
    node_list_write(list, backend, "params", "%s", disk->source);
    add_state(list, backend);
}

/* As netback wants it: bytes for each period, and the period in us.  A burst is one period's. */
static void add_rate(struct node_list *list, const char *backend, const struct guest_nic *nic)
{
    uint64_t period = CREDIT_PERIOD;
    uint64_t bytes;

    if (nic->rate_kib == 0) {
        return;
    }
    if (nic->burst_kib * 1000 / nic->rate_kib > period) {
        period = nic->burst_kib * 1000 / nic->rate_kib;
    }
    period = period < CREDIT_LONGEST ? period : CREDIT_LONGEST;
    bytes = nic->rate_kib * 1024 * period / 1000;
    bytes = bytes < UINT32_MAX ? bytes : UINT32_MAX;
    node_list_write(list, backend, "rate", "%llu,%llu", (unsigned long long)bytes,
                    (unsigned long long)period * 1000);
}

void device_add_nic(struct node_list *list, uint32_t domid, uint32_t number,
                    const struct guest_nic *nic)
{
    const struct device device = { .class = DEVICE_VIF, .domid = domid, .number = number };
    const uint8_t *mac = nic->mac;
    char backend[DEVICE_PATH_SIZE];
    char frontend[DEVICE_PATH_SIZE];
    char text[18];

    (void)snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
                   mac[3], mac[4], mac[5]);
    add_ends(list, &device, backend, frontend);
    node_list_write(list, frontend, "handle", "%u", number);
    node_list_write(list, frontend, "mac", "%s", text);
    node_list_write(list, backend, "handle", "%u", number);
    node_list_write(list, backend, "mac", "%s", text);
    node_list_write(list, backend, "bridge", "%s", nic->bridge);
    node_list_write(list, backend, "type", "%s", "vif");
    /* netback insists on the node, though nobody runs a script. */
    node_list_write(list, backend, "script", "%s", "");
    if (nic->target != NULL) {
        node_list_write(list, backend, "vifname", "%s", nic->target);
    }
    if (nic->mtu != 0) {
        node_list_write(list, frontend, "mtu", "%u", nic->mtu);
        node_list_write(list, backend, "mtu", "%u", nic->mtu);
    }
    add_rate(list, backend, nic);
    add_state(list, backend);
}

void device_remove(struct node_list *list, const struct device *device)
{
    char path[DEVICE_PATH_SIZE];

    device_frontend_path(device, path);
    node_list_remove(list, "%s", path);
    device_backend_path(device, path);
    node_list_remove(list, "%s", path);
}

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The text of backend/name in *text, for free(3); NULL if there is none. */
static int read_backend(struct store_client *store, const struct device *device, const char *name,
                        char **text, struct vmctl_error *error)
{
    char path[DEVICE_PATH_SIZE + 32];
    char backend[DEVICE_PATH_SIZE];
    int r;

    *text = NULL;
    device_backend_path(device, backend);
    (void)snprintf(path, sizeof(path), "%s/%s", backend, name);
    r = store_read(store, STORE_NO_TRANSACTION, path, text, NULL, error);
    return r == -ENOENT ? 0 : r;
}

/* The same for words in an error, which can do without. */
static char *backend_text(struct store_client *store, const struct device *device, const char *name)
{
    char *text = NULL;

    (void)read_backend(store, device, name, &text, NULL);
    return text;
}

static void name_device(struct store_client *store, const struct device *device,
                        struct vmctl_error *error)
{
    char *what = backend_text(store, device, device->class == DEVICE_VBD ? "params" : "bridge");
    char *target = backend_text(store, device, device->class == DEVICE_VBD ? "dev" : "mac");

    vmctl_error_object(error, "%s %s (%s)", device->class == DEVICE_VBD ? "disk" : "bridge",
                       what != NULL ? what : "?", target != NULL ? target : "?");
    free(target);
    free(what);
}

/* 1 if it is set up, 0 if not yet. */
static int look(struct store_client *store, const struct device *device, struct vmctl_error *error)
{
    char *text = NULL;
    bool connected;
    int r = read_backend(store, device, "hotplug-status", &text, error);

    connected = text != NULL && strcmp(text, "connected") == 0;
    free(text);
    if (r < 0 || connected) {
        return r < 0 ? r : 1;
    }
    r = read_backend(store, device, "hotplug-error", &text, error);
    if (r < 0 || text == NULL) {
        return r;
    }
    vmctl_fail(error, -ENODEV, "%s", text);
    vmctl_error_reason(error, VMCTL_DEVICE_FAILED);
    name_device(store, device, error);
    free(text);
    text = backend_text(store, device, "hotplug-holder");
    if (text != NULL) {
        vmctl_error_holder(error, "%s", text);
        free(text);
    }
    text = backend_text(store, device, "hotplug-remedy");
    if (text != NULL) {
        vmctl_error_remedy(error, "%s", text);
        free(text);
    }
    return -ENODEV;
}

/* Sleep until the store has something to say, or the deadline. */
static int wait_event(struct store_client *store, int64_t deadline, struct vmctl_error *error)
{
    struct pollfd wait = { .fd = store_fd(store), .events = POLLIN };
    const char *path = NULL;
    const char *token = NULL;
    bool any = false;

    for (;;) {
        int64_t left = deadline - now_ms();
        int r = left <= 0 ? -ETIMEDOUT : store_next_event(store, &path, &token, error);

        if (r < 0) {
            return r;
        }
        any = any || r > 0;
        if (r == 0 && any) {
            return 0;
        }
        if (r == 0) {
            (void)poll(&wait, 1, (int)left);
        }
    }
}

static int wait_one(struct store_client *store, const struct device *device, int64_t deadline,
                    struct vmctl_error *error)
{
    int r = look(store, device, error);

    while (r == 0) {
        int waited = wait_event(store, deadline, error);

        if (waited == -ETIMEDOUT) {
            vmctl_fail(error, -ETIMEDOUT, "it was not set up in time");
            vmctl_error_limit(error, "%d s", SET_UP_TIMEOUT / 1000);
            vmctl_error_remedy(error, "see that paravane-devd runs, and its log");
            name_device(store, device, error);
            return -ETIMEDOUT;
        }
        r = waited < 0 ? waited : look(store, device, error);
    }
    return r < 0 ? r : 0;
}

int device_wait_set_up(struct store_client *store, const struct device *devices, size_t count,
                       struct vmctl_error *error)
{
    int64_t deadline = now_ms() + SET_UP_TIMEOUT;
    char path[DEVICE_PATH_SIZE];
    size_t watched = 0;
    int r = 0;

    while (watched < count && r == 0) {
        device_backend_path(&devices[watched], path);
        r = store_watch(store, path, WATCH_TOKEN, error);
        watched += r == 0;
    }
    for (size_t i = 0; i < count && r == 0; i++) {
        r = wait_one(store, &devices[i], deadline, error);
    }
    while (watched > 0) {
        device_backend_path(&devices[--watched], path);
        (void)store_unwatch(store, path, WATCH_TOKEN, NULL);
    }
    return r;
}

/* What the back end says of itself, in *state; of one that is gone, that it has closed. */
static int read_state(struct store_client *store, uint32_t transaction, const char *backend,
                      long *state, struct vmctl_error *error)
{
    char path[DEVICE_PATH_SIZE + 8];
    char *text = NULL;
    int r;

    (void)snprintf(path, sizeof(path), "%s/state", backend);
    r = store_read(store, transaction, path, &text, NULL, error);
    *state = text == NULL ? XenbusStateClosed : strtol(text, NULL, 10);
    free(text);
    return r == -ENOENT ? 0 : r;
}

/* Not what has closed meanwhile: its driver may be gone, and nobody would answer. */
static int ask(struct store_client *store, uint32_t transaction, void *context,
               struct vmctl_error *error)
{
    const char *backend = context;
    struct node_list list = NODE_LIST_EMPTY;
    long state = XenbusStateClosed;
    int r = read_state(store, transaction, backend, &state, error);

    if (r < 0 || state == XenbusStateClosed) {
        return r;
    }
    node_list_write(&list, backend, "online", "0");
    node_list_write(&list, backend, "state", "%d", XenbusStateClosing);
    return node_list_send(&list, store, transaction, error);
}

int device_ask_to_close(struct store_client *store, const struct device *device,
                        struct vmctl_error *error)
{
    char backend[DEVICE_PATH_SIZE];

    device_backend_path(device, backend);
    return store_transaction_run(store, ask, backend, error);
}

/* The front end is the last to be connected. */
static bool is_about_to_connect(struct store_client *store, const char *backend,
                                const char *frontend)
{
    long state;

    if (read_state(store, STORE_NO_TRANSACTION, backend, &state, NULL) == 0 &&
        state == XenbusStateConnected) {
        return read_state(store, STORE_NO_TRANSACTION, frontend, &state, NULL) == 0 &&
               state == XenbusStateInitialised;
    }
    return state == XenbusStateInitWait || state == XenbusStateInitialised;
}

void device_let_connect(struct store_client *store, const struct device *device, int milliseconds)
{
    int64_t deadline = now_ms() + milliseconds;
    char backend[DEVICE_PATH_SIZE];
    char frontend[DEVICE_PATH_SIZE];

    device_backend_path(device, backend);
    device_frontend_path(device, frontend);
    if (store_watch(store, backend, WATCH_TOKEN, NULL) == 0 &&
        store_watch(store, frontend, WATCH_TOKEN, NULL) == 0) {
        while (is_about_to_connect(store, backend, frontend) &&
               wait_event(store, deadline, NULL) == 0) {
        }
    }
    (void)store_unwatch(store, frontend, WATCH_TOKEN, NULL);
    (void)store_unwatch(store, backend, WATCH_TOKEN, NULL);
}

/* If it was about to connect when it was asked to close, it has written over that: once more. */
static int has_closed(struct store_client *store, const struct device *device,
                      struct vmctl_error *error)
{
    char backend[DEVICE_PATH_SIZE];
    long state;
    int r;

    device_backend_path(device, backend);
    r = read_state(store, STORE_NO_TRANSACTION, backend, &state, error);
    if (r == 0 && state != XenbusStateClosed && state != XenbusStateClosing) {
        r = device_ask_to_close(store, device, error);
    }
    return r < 0 ? r : state == XenbusStateClosed;
}

int device_wait_closed(struct store_client *store, const struct device *device, int milliseconds,
                       struct vmctl_error *error)
{
    int64_t began = now_ms();
    char path[DEVICE_PATH_SIZE];
    int r;

    device_backend_path(device, path);
    r = store_watch(store, path, WATCH_TOKEN, error);
    if (r < 0) {
        return r;
    }
    while ((r = has_closed(store, device, error)) == 0) {
        r = wait_event(store, began + milliseconds, error);
        if (r == -ETIMEDOUT) {
            vmctl_fail(error, r, "the guest does not let go of it");
            vmctl_error_reason(error, VMCTL_TIMED_OUT);
            name_device(store, device, error);
        }
        if (r < 0) {
            break;
        }
    }
    (void)store_unwatch(store, path, WATCH_TOKEN, NULL);
    return r < 0 ? r : (int)(now_ms() - began);
}
