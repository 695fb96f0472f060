/* SPDX-License-Identifier: MIT */
/* Back ends of disks: from the node to a block device that is the guest's alone. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "dom0-tools/devices/private.h"

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
        r = vmctl_fail(error, -EINVAL, "no image is named");
        vmctl_error_remedy(error, "say <source file='...'/>");
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
    (void)vmctl_fail(error, -EBUSY, "%s is in use", path);
    vmctl_error_holder(error, "%s of guest %s (%u), which %s it", words, name, other->key.domid,
                       other->readonly ? "reads" : "may write");
    vmctl_error_remedy(error, "detach it there, or make both <readonly/> or both <shareable/>");
    return -EBUSY;
}

/* "7:3", hexadecimal; false: nothing was said yet. */
static bool parse_device(const char *text, dev_t *device)
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
    *device = makedev((unsigned int)first, (unsigned int)second);
    return true;
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
static int attach(struct devices *devices, struct device *device,
                  const struct disk_request *request, const char *physical,
                  struct disk_image *image, struct vmctl_error *error)
{
    dev_t told;
    int r;

    if (!parse_device(physical, &told)) {
        return disk_attach(request, image, &device->disk, error);
    }
    r = disk_adopt(request, image, told, &device->disk, error);
    if (r == 0 || device->answered || opened(devices, &device->key)) {
        return r;
    }
    r = disk_image_open(request, image, error);
    return r < 0 ? r : disk_attach(request, image, &device->disk, error);
}

static int use_disk(struct devices *devices, struct device *device, const struct disk_texts *texts,
                    struct vmctl_error *error)
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
    other = table_conflict(&devices->table, device, &image);
    if (other != NULL && !device->answered) {
        disk_image_close(&image);
        return conflict(devices, device, other, texts->path, error);
    }
    if (texts->physical == NULL && !request.shareable) {
        r = disk_image_check_writers(&request, &image, error);
    }
    if (r < 0) {
        disk_image_close(&image);
        return r;
    }
    table_claim(&devices->table, device, &image);
    return attach(devices, device, &request, texts->physical, &image, error);
}

static int answer_disk(struct devices *devices, const struct device *device,
                       const struct node *node, const char *physical, struct vmctl_error *error)
{
    struct store_change changes[2];
    char paths[2][PATH_SIZE];
    char number[32];

    (void)snprintf(number, sizeof(number), "%x:%x", device->disk.major, device->disk.minor);
    if (device->answered && physical != NULL && strcmp(physical, number) == 0) {
        return 0; /* an earlier run has said so */
    }
    changes[0] = write_of(paths[0], node, "physical-device", number);
    changes[1] = write_of(paths[1], node, "hotplug-status", "connected");
    return node_write(devices, &device->key, changes, 2, error);
}

int set_up_disk(struct devices *devices, struct device *device, const struct node *node,
                struct vmctl_error *error)
{
    struct disk_texts texts = { .path = NULL };
    int r;

    if (!exists(devices->settings.sys, "bus/xen-backend/drivers/vbd")) {
        return no_driver("disks", "xen-blkback", error);
    }
    (void)snprintf(texts.tag, sizeof(texts.tag), "paravane vbd/%u/%u", device->key.domid,
                   device->key.handle);
    r = read_disk(devices, node, &texts, error);
    if (r == 0) {
        r = use_disk(devices, device, &texts, error);
    }
    if (r == 0) {
        stop_waiting(devices, device, DEVICE_CONNECTED);
        r = answer_disk(devices, device, node, texts.physical, error);
    }
    if (r == 0) {
        say(devices, "guest %u: disk %u is %s (%x:%x)%s", device->key.domid, device->key.handle,
            texts.path, device->disk.major, device->disk.minor,
            device->readonly ? ", read-only" : "");
    }
    disk_texts_free(&texts);
    return r;
}
