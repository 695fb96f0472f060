/* SPDX-License-Identifier: MIT */
/*
 * The devices devd knows: found by guest, and by the image they use.
 *
 * Both ways are hashed, so that a guest costs the same however many there are.
 */
#ifndef DOM0_TOOLS_DEVICES_DEVICE_TABLE_H
#define DOM0_TOOLS_DEVICES_DEVICE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0-tools/devices/disk.h"

#define DEVICE_BUCKETS 256u

enum device_class {
    DEVICE_VBD,
    DEVICE_VIF,
};

enum device_state {
    DEVICE_FOREIGN,    /* another toolstack's */
    DEVICE_INCOMPLETE, /* not all of its node is written yet */
    DEVICE_WAITING,    /* cannot be set up yet (waiting.c) */
    DEVICE_CONNECTED,  /* set up */
    DEVICE_FAILED,     /* said so in the store */
};

struct device_key {
    enum device_class class;
    uint32_t domid;
    uint32_t handle;
};

/* What the store says of a network card; kept while it waits. */
struct nic_texts {
    char *bridge;
    char *name;
    char *mtu;
    char *rate;
};

struct device {
    struct device *next; /* in the bucket of its guest */
    struct device_key key;
    enum device_state state;
    bool answered;      /* by an earlier run: its guest may be running */
    unsigned int round; /* of the last listing that had it */

    /* A disk. */
    struct disk disk;
    struct device *next_image; /* in the bucket of its image */
    bool claims;               /* has an image, which: */
    dev_t image_device;
    ino_t image_inode;
    bool readonly;
    bool shareable;

    /* A network card. */
    struct nic_texts texts;
    int64_t deadline; /* milliseconds, while it waits */
};

struct device_table {
    struct device *by_guest[DEVICE_BUCKETS];
    struct device *by_image[DEVICE_BUCKETS];
};

/* The classes' names in the store. */
const char *device_class_name(enum device_class class);

struct device *table_find(const struct device_table *table, const struct device_key *key);
/* NULL: no memory. */
struct device *table_add(struct device_table *table, const struct device_key *key);
/* Releases everything it holds. */
void table_drop(struct device_table *table, struct device *device);

/* All devices of a guest are in this bucket, with others. */
struct device *table_bucket(const struct device_table *table, uint32_t domid);

/*
 * Who uses the image already in a way that excludes `device` (whose readonly
 * and shareable are set)?  NULL: nobody.
 */
struct device *table_conflict(const struct device_table *table, const struct device *device,
                              const struct disk_image *image);
void table_claim(struct device_table *table, struct device *device, const struct disk_image *image);

void nic_texts_free(struct nic_texts *texts);

#endif
