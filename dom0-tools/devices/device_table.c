/* SPDX-License-Identifier: MIT */
/* The devices devd knows: see device_table.h. */
#include "dom0-tools/devices/device_table.h"

#include <stdlib.h>

static size_t image_bucket(dev_t device, ino_t inode)
{
    return (size_t)((inode * 31 + device) % DEVICE_BUCKETS);
}

const char *device_class_name(enum device_class class)
{
    return class == DEVICE_VBD ? "vbd" : "vif";
}

struct device *table_bucket(const struct device_table *table, uint32_t domid)
{
    return table->by_guest[domid % DEVICE_BUCKETS];
}

struct device *table_find(const struct device_table *table, const struct device_key *key)
{
    struct device *device = table_bucket(table, key->domid);

    while (device != NULL && (device->key.class != key->class || device->key.domid != key->domid ||
                              device->key.handle != key->handle)) {
        device = device->next;
    }
    return device;
}

struct device *table_add(struct device_table *table, const struct device_key *key)
{
    struct device **bucket = &table->by_guest[key->domid % DEVICE_BUCKETS];
    struct device *device = calloc(1, sizeof(*device));

    if (device != NULL) {
        device->key = *key;
        device->disk.fd = -1;
        device->next = *bucket;
        *bucket = device;
    }
    return device;
}

static void release_claim(struct device_table *table, struct device *device)
{
    struct device **link =
        &table->by_image[image_bucket(device->image_device, device->image_inode)];

    while (*link != NULL && *link != device) {
        link = &(*link)->next_image;
    }
    if (*link != NULL) {
        *link = device->next_image;
    }
    device->claims = false;
}

void nic_texts_free(struct nic_texts *texts)
{
    free(texts->bridge);
    free(texts->name);
    free(texts->mtu);
    free(texts->rate);
    *texts = (struct nic_texts){ .bridge = NULL };
}

void table_drop(struct device_table *table, struct device *device)
{
    struct device **link = &table->by_guest[device->key.domid % DEVICE_BUCKETS];

    while (*link != device) {
        link = &(*link)->next;
    }
    *link = device->next;
    if (device->claims) {
        release_claim(table, device);
    }
    disk_close(&device->disk);
    nic_texts_free(&device->texts);
    free(device);
}

static bool excludes(const struct device *one, const struct device *other)
{
    bool both_read = one->readonly && other->readonly;
    bool both_share = one->shareable && other->shareable;

    return !both_read && !both_share;
}

struct device *table_conflict(const struct device_table *table, const struct device *device,
                              const struct disk_image *image)
{
    struct device *other = table->by_image[image_bucket(image->device, image->inode)];

    while (other != NULL && (other == device || other->image_device != image->device ||
                             other->image_inode != image->inode || !excludes(device, other))) {
        other = other->next_image;
    }
    return other;
}

void table_claim(struct device_table *table, struct device *device, const struct disk_image *image)
{
    struct device **bucket = &table->by_image[image_bucket(image->device, image->inode)];

    if (device->claims) {
        release_claim(table, device);
    }
    device->claims = true;
    device->image_device = image->device;
    device->image_inode = image->inode;
    device->next_image = *bucket;
    *bucket = device;
}
