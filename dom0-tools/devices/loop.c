/* SPDX-License-Identifier: MIT */
/* Loop devices by ioctl: see loop.h. */
#include "dom0-tools/devices/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SECTOR         512u /* what a disk promises its guest, whatever lies below */
#define MOST_TRIES     64   /* others may take the free device we were told of */
#define MAJOR_OF_LOOPS 7u

static int open_device(const char *name, bool readonly, struct loop *loop,
                       struct vmctl_error *error)
{
    char path[sizeof(loop->name) + 8];
    struct stat facts;
    int fd;

    (void)snprintf(path, sizeof(path), "/dev/%s", name);
    fd = open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    if (fd < 0) {
        return vmctl_fail(error, -errno, "cannot open %s: %s", path, strerror(errno));
    }
    if (fstat(fd, &facts) < 0 || !S_ISBLK(facts.st_mode)) {
        (void)close(fd);
        return vmctl_fail(error, -ENODEV, "%s is not a block device", path);
    }
    *loop = (struct loop){
        .fd = fd,
        .major = major(facts.st_rdev),
        .minor = minor(facts.st_rdev),
    };
    (void)snprintf(loop->name, sizeof(loop->name), "%s", name);
    return 0;
}

/*
 * Direct I/O first: no second copy of each block in dom0's memory.  A kernel
 * uses it where the file system can; one that refuses instead is asked again
 * without.
 */
static int bind_image(int fd, int image, bool readonly, const char *tag)
{
    struct loop_config config = {
        .fd = (uint32_t)image,
        .block_size = SECTOR,
        .info = { .lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO |
                              (readonly ? LO_FLAGS_READ_ONLY : 0) },
    };

    (void)snprintf((char *)config.info.lo_file_name, LOOP_TAG_SIZE, "%s", tag);
    if (ioctl(fd, LOOP_CONFIGURE, &config) == 0) {
        return 0;
    }
    if (errno != EINVAL) {
        return -errno;
    }
    config.info.lo_flags &= ~(uint32_t)LO_FLAGS_DIRECT_IO;
    return ioctl(fd, LOOP_CONFIGURE, &config) == 0 ? 0 : -errno;
}

static int try_free_device(int control, int image, bool readonly, const char *tag,
                           struct loop *loop, struct vmctl_error *error)
{
    char name[sizeof(loop->name)];
    int number = ioctl(control, LOOP_CTL_GET_FREE);
    int r;

    if (number < 0) {
        return vmctl_fail(error, -errno, "no free loop device: %s", strerror(errno));
    }
    (void)snprintf(name, sizeof(name), "loop%d", number);
    r = open_device(name, readonly, loop, error);
    if (r < 0) {
        return r;
    }
    r = bind_image(loop->fd, image, readonly, tag);
    if (r < 0) {
        loop_close(loop);
        return vmctl_fail(error, r, "cannot bind /dev/%s: %s", name, strerror(-r));
    }
    return 0;
}

int loop_attach(int image, bool readonly, const char *tag, struct loop *loop,
                struct vmctl_error *error)
{
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    int r = -EBUSY;

    if (control < 0) {
        r = -errno;
        (void)vmctl_fail(error, r, "cannot open /dev/loop-control: %s", strerror(-r));
        vmctl_error_remedy(error, "modprobe loop");
        return r;
    }
    for (int tries = 0; r == -EBUSY && tries < MOST_TRIES; tries++) {
        r = try_free_device(control, image, readonly, tag, loop, error);
    }
    (void)close(control);
    return r;
}

/* "loop3" of 7:3, which is /sys/dev/block's to say: with partitions minors are not numbers. */
static int device_name(dev_t device, char *name, size_t room)
{
    char path[64];
    char target[256];
    const char *last;
    ssize_t length;

    (void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(device), minor(device));
    length = readlink(path, target, sizeof(target) - 1);
    if (length < 0) {
        return -errno;
    }
    target[length] = '\0';
    last = strrchr(target, '/');
    last = last == NULL ? target : last + 1;
    if (strncmp(last, "loop", 4) != 0 || strlen(last) >= room) {
        return -ENODEV;
    }
    memcpy(name, last, strlen(last) + 1);
    return 0;
}

static int take_over(struct loop *loop, int image, bool readonly, const char *tag,
                     struct vmctl_error *error)
{
    struct loop_info64 info = { .lo_number = 0 };
    int r;

    if (ioctl(loop->fd, LOOP_GET_STATUS64, &info) == 0) {
        info.lo_file_name[LO_NAME_SIZE - 1] = '\0';
        if (strcmp((const char *)info.lo_file_name, tag) == 0) {
            return 0;
        }
        return vmctl_fail(error, -EBUSY, "/dev/%s has been bound to something else", loop->name);
    }
    if (errno != ENXIO) {
        return vmctl_fail(error, -errno, "/dev/%s: %s", loop->name, strerror(errno));
    }
    r = bind_image(loop->fd, image, readonly, tag);
    if (r < 0) {
        return vmctl_fail(error, r, "cannot bind /dev/%s again: %s", loop->name, strerror(-r));
    }
    return 0;
}

int loop_adopt(dev_t device, int image, bool readonly, const char *tag, struct loop *loop,
               struct vmctl_error *error)
{
    char name[sizeof(loop->name)];
    int r = -ENODEV;

    if (major(device) == MAJOR_OF_LOOPS) {
        r = device_name(device, name, sizeof(name));
    }
    if (r < 0) {
        return vmctl_fail(error, r, "block device %x:%x is no loop device", major(device),
                          minor(device));
    }
    r = open_device(name, readonly, loop, error);
    if (r < 0) {
        return r;
    }
    r = take_over(loop, image, readonly, tag, error);
    if (r < 0) {
        loop_close(loop);
    }
    return r;
}

void loop_close(struct loop *loop)
{
    if (loop->fd >= 0) {
        (void)close(loop->fd);
        loop->fd = -1;
    }
}
