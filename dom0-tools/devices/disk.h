/* SPDX-License-Identifier: MIT */
/*
 * A guest's disk on the host's side: an image file behind a loop device, or a
 * block device itself, held open for as long as the guest has it.
 */
#ifndef DOM0_TOOLS_DEVICES_DISK_H
#define DOM0_TOOLS_DEVICES_DISK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "libvmctl/error.h"

/* What is asked for, and under which roots to look (for words and checks). */
struct disk_request {
    const char *path;
    const char *type; /* "file", "phy", or NULL: whatever it is */
    const char *tag;  /* unique to this disk of this guest */
    const char *sys;
    const char *proc;
    bool readonly;
    bool shareable;
};

/* The file or device a path leads to; the same for all paths that lead there. */
struct disk_image {
    int fd; /* a file's is only for reading until it is attached */
    bool block;
    dev_t device; /* of the file system, or the block device itself */
    ino_t inode;  /* 0 for a block device */
};

struct disk {
    int fd; /* of the block device, while the guest has it; -1: none */
    unsigned int major;
    unsigned int minor;
    char name[32]; /* "loop3", or empty */
};

/* Open and check what `request->path` leads to.  -EBUSY: dom0 itself uses it. */
int disk_image_open(const struct disk_request *request, struct disk_image *image,
                    struct vmctl_error *error);
void disk_image_close(struct disk_image *image);

/*
 * Does anybody else write the file?  -EBUSY: a program of dom0.  -EAGAIN: a loop
 * device; one of a guest that has just ended goes by itself.  Where the file
 * system cannot tell: 0.
 */
int disk_image_check_writers(const struct disk_request *request, const struct disk_image *image,
                             struct vmctl_error *error);

/* Make it a block device for the back end.  Takes over or closes image->fd. */
int disk_attach(const struct disk_request *request, struct disk_image *image, struct disk *disk,
                struct vmctl_error *error);

/* The same when a back end has been told of a device by an earlier run of this program. */
int disk_adopt(const struct disk_request *request, struct disk_image *image, dev_t told,
               struct disk *disk, struct vmctl_error *error);

void disk_close(struct disk *disk);

#endif
