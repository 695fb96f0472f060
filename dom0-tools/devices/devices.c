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
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dom0-tools/devices/device_table.h"
#include "dom0-tools/devices/nic.h"

#define BACKENDS    "/local/domain/0/backend"
#define NODE_SIZE   96u
#define PATH_SIZE   (NODE_SIZE + 32u)
#define DOMID_LIMIT 0x7ff0u

struct devices {
    struct store_client *store;
    struct devices_settings settings;
    struct netlink netlink;
    struct device_table table;
    int link_fd;    /* -1 while nothing waits */
    size_t waiting; /* devices in DEVICE_WAITING */
    unsigned int round;
};

/* The names of a node's children that matter here. */
struct node {
    char path[NODE_SIZE];
    bool ours;
    bool has_status;
    bool has_error;
    bool has_physical;
};

static void say(const struct devices *devices, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(const struct devices *devices, const char *format, ...)
{
    char line[512];
    va_list words;

    va_start(words, format);
    (void)vsnprintf(line, sizeof(line), format, words);
    va_end(words);
    devices->settings.say(line);
}

static void node_path(const struct device_key *key, char path[NODE_SIZE])
{
    (void)snprintf(path, NODE_SIZE, BACKENDS "/%s/%u/%u", device_class_name(key->class), key->domid,
                   key->handle);
}

/* --- reading the store ------------------------------------------------------- */

/* *text is NULL where there is no such node; only other failures are errors. */
static int read_leaf(struct devices *devices, const struct node *node, const char *leaf,
                     char **text, struct vmctl_error *error)
{
    char path[PATH_SIZE];
    int r;

    *text = NULL;
    (void)snprintf(path, sizeof(path), "%s/%s", node->path, leaf);
    r = store_read(devices->store, STORE_NO_TRANSACTION, path, text, NULL, error);
    return r == -ENOENT ? 0 : r;
}

static int read_node(struct devices *devices, const struct device_key *key, struct node *node,
                     struct vmctl_error *error)
{
    char **names = NULL;
    size_t count = 0;
    int r;

    *node = (struct node){ .ours = false };
    node_path(key, node->path);
    r = store_list(devices->store, STORE_NO_TRANSACTION, node->path, &names, &count, error);
    if (r < 0) {
        return r;
    }
    for (size_t i = 0; i < count; i++) {
        node->ours |= strcmp(names[i], "paravane") == 0;
        node->has_status |= strcmp(names[i], "hotplug-status") == 0;
        node->has_error |= strcmp(names[i], "hotplug-error") == 0;
        node->has_physical |= strcmp(names[i], "physical-device") == 0;
    }
    free(names);
    return 0;
}

/* --- answers ------------------------------------------------------------------ */

static struct store_change write_of(char path[PATH_SIZE], const struct node *node, const char *leaf,
                                    const char *text)
{
    (void)snprintf(path, PATH_SIZE, "%s/%s", node->path, leaf);
    return (struct store_change){
        .kind = STORE_CHANGE_WRITE,
        .path = path,
        .value = text,
        .length = strlen(text),
    };
}

/* The guest's name as far as it can be shown; who asks knows the number anyway. */
static void guest_name(struct devices *devices, uint32_t domid, char *name, size_t room)
{
    char path[NODE_SIZE];
    char *text = NULL;

    (void)snprintf(path, sizeof(path), "/local/domain/%u/name", domid);
    if (store_read(devices->store, STORE_NO_TRANSACTION, path, &text, NULL, NULL) < 0) {
        text = NULL;
    }
    (void)snprintf(name, room, "%s", text != NULL ? text : "?");
    free(text);
    for (char *at = name; *at != '\0'; at++) {
        if (isprint((unsigned char)*at) == 0) {
            *at = '?';
        }
    }
}

/* "disk xvda", "network card 0". */
static void device_words(struct devices *devices, const struct device_key *key, char *words,
                         size_t room)
{
    struct node node;
    char *name = NULL;

    if (key->class == DEVICE_VIF) {
        (void)snprintf(words, room, "network card %u", key->handle);
        return;
    }
    node_path(key, node.path);
    if (read_leaf(devices, &node, "dev", &name, NULL) < 0 || name == NULL) {
        (void)snprintf(words, room, "disk %u", key->handle);
    } else {
        (void)snprintf(words, room, "disk %.32s", name);
    }
    free(name);
}

static void answer_failed(struct devices *devices, struct device *device, const struct node *node,
                          const struct vmctl_error *error)
{
    char text[sizeof(error->message) + 64];
    struct store_change changes[2];
    char paths[2][PATH_SIZE];
    char words[48];
    int r;

    device_words(devices, &device->key, words, sizeof(words));
    (void)snprintf(text, sizeof(text), "%s: %s", words, error->message);
    say(devices, "guest %u: %s", device->key.domid, text);
    device->state = DEVICE_FAILED;
    changes[0] = write_of(paths[0], node, "hotplug-error", text);
    changes[1] = write_of(paths[1], node, "hotplug-status", "error");
    r = store_write_many(devices->store, STORE_NO_TRANSACTION, changes, 2, NULL, NULL);
    if (r < 0) {
        say(devices, "guest %u: %s: cannot say so in the store: %s", device->key.domid, words,
            strerror(-r));
    }
}

static int answer_disk(struct devices *devices, const struct device *device,
                       const struct node *node, struct vmctl_error *error)
{
    struct store_change changes[2];
    char paths[2][PATH_SIZE];
    char number[32];

    (void)snprintf(number, sizeof(number), "%x:%x", device->disk.major, device->disk.minor);
    changes[0] = write_of(paths[0], node, "physical-device", number);
    changes[1] = write_of(paths[1], node, "hotplug-status", "connected");
    return store_write_many(devices->store, STORE_NO_TRANSACTION, changes, 2, NULL, error);
}

/* --- disks --------------------------------------------------------------------- */

struct disk_texts {
    char *path;
    char *type;
    char *mode;
    char *shareable;
    char *physical;
    char tag[64];
};

static void disk_texts_free(struct disk_texts *texts)
{
    free(texts->path);
    free(texts->type);
    free(texts->mode);
    free(texts->shareable);
    free(texts->physical);
}

static int read_disk(struct devices *devices, const struct node *node, struct disk_texts *texts,
                     struct vmctl_error *error)
{
    int r = read_leaf(devices, node, "params", &texts->path, error);

    if (r == 0) {
        r = read_leaf(devices, node, "type", &texts->type, error);
    }
    if (r == 0) {
        r = read_leaf(devices, node, "mode", &texts->mode, error);
    }
    if (r == 0) {
        r = read_leaf(devices, node, "shareable", &texts->shareable, error);
    }
    if (r == 0 && node->has_physical) {
        r = read_leaf(devices, node, "physical-device", &texts->physical, error);
    }
    if (r == 0 && texts->path == NULL) {
        r = vmctl_fail(error, -EINVAL, "no image is named (<source file='...'/>)");
    }
    return r;
}

static int conflict(struct devices *devices, const struct device *device,
                    const struct device *other, const char *path, struct vmctl_error *error)
{
    char words[48];
    char name[80];

    device_words(devices, &other->key, words, sizeof(words));
    guest_name(devices, other->key.domid, name, sizeof(name));
    if (other->key.domid == device->key.domid) {
        return vmctl_fail(error, -EBUSY, "%s is already %s of this guest", path, words);
    }
    return vmctl_fail(error, -EBUSY,
                      "%s is in use: %s of guest %s (%u)%s; detach it there, or make both "
                      "<readonly/> or both <shareable/>",
                      path, words, name, other->key.domid,
                      other->readonly ? " reads it" : " may write it");
}

static bool physical_numbers(const char *text, unsigned int *major, unsigned int *minor)
{
    char *end;
    unsigned long first;
    unsigned long second;

    if (text == NULL) {
        return false;
    }
    first = strtoul(text, &end, 16);
    if (end == text || *end != ':') {
        return false;
    }
    text = end + 1;
    second = strtoul(text, &end, 16);
    if (end == text || *end != '\0' || first > 0xfff || second > 0xfffff) {
        return false;
    }
    *major = (unsigned int)first;
    *minor = (unsigned int)second;
    return true;
}

static bool exists(const char *root, const char *rest)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/%s", root, rest);
    return access(path, F_OK) == 0;
}

/* Whether the kernel's back end has opened a block device for this disk. */
static bool opened(const struct devices *devices, const struct device_key *key)
{
    char rest[80];

    (void)snprintf(rest, sizeof(rest), "bus/xen-backend/devices/vbd-%u-%u/physical_device",
                   key->domid, key->handle);
    return exists(devices->settings.sys, rest);
}

/*
 * Told of a device before, by an earlier run: take that one over.  Where the
 * answer was not complete and the back end has not opened it, begin again.
 */
static int attach(struct devices *devices, struct device *device, const struct node *node,
                  const struct disk_request *request, const char *physical,
                  struct disk_image *image, struct vmctl_error *error)
{
    unsigned int major;
    unsigned int minor;
    int r;

    if (!physical_numbers(physical, &major, &minor)) {
        return disk_attach(request, image, &device->disk, error);
    }
    r = disk_adopt(request, image, major, minor, &device->disk, error);
    if (r == 0 || node->has_status || opened(devices, &device->key)) {
        return r;
    }
    r = disk_image_open(request, image, error);
    return r < 0 ? r : disk_attach(request, image, &device->disk, error);
}

static int use_disk(struct devices *devices, struct device *device, const struct node *node,
                    const struct disk_texts *texts, struct vmctl_error *error)
{
    struct disk_request request = {
        .path = texts->path,
        .type = texts->type,
        .tag = texts->tag,
        .sys = devices->settings.sys,
        .proc = devices->settings.proc,
        .readonly = texts->mode == NULL || strchr(texts->mode, 'w') == NULL,
        .shareable = texts->shareable != NULL && strcmp(texts->shareable, "1") == 0,
    };
    const struct device *other;
    struct disk_image image;
    int r = disk_image_open(&request, &image, error);

    if (r < 0) {
        return r;
    }
    device->readonly = request.readonly;
    device->shareable = request.shareable;
    other = device_conflict(&devices->table, device, &image);
    if (other != NULL && !node->has_status) {
        disk_image_close(&image);
        return conflict(devices, device, other, texts->path, error);
    }
    device_claim(&devices->table, device, &image);
    return attach(devices, device, node, &request, texts->physical, &image, error);
}

static int set_up_disk(struct devices *devices, struct device *device, const struct node *node,
                       struct vmctl_error *error)
{
    struct disk_texts texts = { .path = NULL };
    int r;

    if (!exists(devices->settings.sys, "bus/xen-backend/drivers/vbd")) {
        return vmctl_fail(error, -ENODEV,
                          "dom0's kernel has no back end for disks (modprobe xen-blkback)");
    }
    (void)snprintf(texts.tag, sizeof(texts.tag), "paravane vbd/%u/%u", device->key.domid,
                   device->key.handle);
    r = read_disk(devices, node, &texts, error);
    if (r == 0) {
        r = use_disk(devices, device, node, &texts, error);
    }
    if (r == 0) {
        device->state = DEVICE_CONNECTED;
        r = answer_disk(devices, device, node, error);
    }
    if (r == 0) {
        say(devices, "guest %u: disk %u is %s (%x:%x)%s", device->key.domid, device->key.handle,
            texts.path, device->disk.major, device->disk.minor,
            device->readonly ? ", read-only" : "");
    }
    disk_texts_free(&texts);
    return r;
}

/* --- network cards ---------------------------------------------------------------- */

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

static void stop_waiting(struct devices *devices, struct device *device, enum device_state state)
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
    r = store_write_many(devices->store, STORE_NO_TRANSACTION, &change, 1, NULL, error);
    if (r == 0) {
        say(devices, "guest %u: network card %u is on bridge %s", device->key.domid,
            device->key.handle, device->texts.bridge);
    }
    nic_texts_free(&device->texts);
    return r;
}

static int set_up_nic(struct devices *devices, struct device *device, const struct node *node,
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

static void nic_failed(struct devices *devices, struct device *device, const struct node *node,
                       const struct vmctl_error *error)
{
    stop_waiting(devices, device, DEVICE_FAILED);
    nic_texts_free(&device->texts);
    answer_failed(devices, device, node, error);
}

static void retry_nic(struct devices *devices, struct device *device)
{
    struct vmctl_error error = { .code = 0 };
    struct node node;
    int r = try_nic(devices, device, &error);

    node_path(&device->key, node.path);
    if (r == 0) {
        r = finish_nic(devices, device, &node, &error);
    } else if (r == -EAGAIN && devices->settings.now() >= device->deadline) {
        r = exists(devices->settings.sys, "bus/xen-backend/drivers/vif")
                ? vmctl_context(&error, -ETIMEDOUT, "gave up waiting")
                : vmctl_fail(&error, -ENODEV,
                             "dom0's kernel has no back end for network cards (modprobe "
                             "xen-netback)");
    }
    if (r < 0 && r != -EAGAIN) {
        nic_failed(devices, device, &node, &error);
    }
}

/* --- one device ---------------------------------------------------------------------- */

static void forget(struct devices *devices, struct device *device)
{
    if (device->state == DEVICE_CONNECTED) {
        say(devices, "guest %u: %s %u is gone", device->key.domid,
            device->key.class == DEVICE_VBD ? "disk" : "network card", device->key.handle);
    }
    stop_waiting(devices, device, DEVICE_FOREIGN);
    device_remove(&devices->table, device);
}

/* A guest that runs keeps what it has; only the log hears of trouble then. */
static void set_up(struct devices *devices, struct device *device, const struct node *node)
{
    struct vmctl_error error = { .code = 0 };
    int r = device->key.class == DEVICE_VBD ? set_up_disk(devices, device, node, &error)
                                            : set_up_nic(devices, device, node, &error);

    if (r == 0 || r == -EAGAIN) {
        return;
    }
    if (device->key.class == DEVICE_VIF) {
        nic_failed(devices, device, node, &error);
        return;
    }
    disk_close(&device->disk);
    if (node->has_status) {
        device->state = DEVICE_CONNECTED;
        say(devices, "guest %u: disk %u stays as it is: %s", device->key.domid, device->key.handle,
            error.message);
    } else {
        answer_failed(devices, device, node, &error);
    }
}

/* Whether the table already says what the node says; a node made anew has no answer yet. */
static bool is_settled(const struct device *device, const struct node *node)
{
    switch (device->state) {
    case DEVICE_FOREIGN:
        return !node->ours;
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
    struct device *device = device_find(&devices->table, key);
    struct vmctl_error error = { .code = 0 };
    struct node node;
    int r = read_node(devices, key, &node, &error);

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
    device = device_add(&devices->table, key);
    if (device == NULL) {
        say(devices, "guest %u: no memory for its devices", key->domid);
        return;
    }
    device->round = devices->round;
    device->state = node.ours ? DEVICE_FAILED : DEVICE_FOREIGN;
    if (node.ours && !node.has_error) {
        set_up(devices, device, &node);
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
        struct device *device = device_bucket(&devices->table, domid != NULL ? *domid : bucket);

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
    size_t listed = 0;
    int r;

    *numbers = NULL;
    *count = 0;
    r = store_list(devices->store, STORE_NO_TRANSACTION, path, &names, &listed, &error);
    if (r == -ENOENT) {
        return 0;
    }
    if (r == 0) {
        *numbers = calloc(listed + 1, sizeof(**numbers));
        r = *numbers != NULL ? 0 : vmctl_fail(&error, -ENOMEM, "no memory");
    }
    for (size_t i = 0; r == 0 && i < listed; i++) {
        if (parse_number(names[i], limit, &(*numbers)[*count], &end) && *end == '\0') {
            (*count)++;
        }
    }
    free(names);
    if (r < 0) {
        say(devices, "cannot list %s: %s", path, error.message);
    }
    return r;
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
}

/*
 * Below a known device nodes change all the time, as back and front end talk;
 * only what can make it ours is of interest.
 */
static void device_changed(struct devices *devices, const struct device_key *key, const char *leaf)
{
    const struct device *device = device_find(&devices->table, key);

    if (device == NULL || *leaf == '\0' ||
        (device->state == DEVICE_FOREIGN && strcmp(leaf, "/paravane") == 0)) {
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

void devices_changed(struct devices *devices, const char *path)
{
    for (enum device_class class = DEVICE_VBD; class <= DEVICE_VIF; class ++) {
        char root[NODE_SIZE];
        int length = snprintf(root, sizeof(root), BACKENDS "/%s", device_class_name(class));

        if (strncmp(path, root, (size_t)length) == 0) {
            changed_in_class(devices, class, path + length);
        }
    }
}

/* --- waiting ------------------------------------------------------------------------------ */

int devices_link_fd(const struct devices *devices)
{
    return devices->link_fd;
}

static struct device *next_waiting(const struct devices *devices, struct device *after)
{
    uint32_t bucket = after == NULL ? 0 : after->key.domid % DEVICE_BUCKETS;
    struct device *device = after == NULL ? device_bucket(&devices->table, 0) : after->next;

    for (;;) {
        while (device != NULL && device->state != DEVICE_WAITING) {
            device = device->next;
        }
        if (device != NULL || ++bucket == DEVICE_BUCKETS) {
            return device;
        }
        device = device_bucket(&devices->table, bucket);
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
         device = next_waiting(devices, (struct device *)(uintptr_t)device)) {
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

/* --- life ----------------------------------------------------------------------------------- */

int devices_open(struct store_client *store, const struct devices_settings *settings,
                 struct devices **devices, struct vmctl_error *error)
{
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
    r = store_watch(store, BACKENDS "/vbd", "devd", error);
    if (r == 0) {
        r = store_watch(store, BACKENDS "/vif", "devd", error);
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
            device_remove(&devices->table, devices->table.by_guest[bucket]);
        }
    }
    if (devices->link_fd >= 0) {
        (void)close(devices->link_fd);
    }
    netlink_close(&devices->netlink);
    free(devices);
}
