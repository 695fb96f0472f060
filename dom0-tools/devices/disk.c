/* SPDX-License-Identifier: MIT */
/* Images and block devices for guests' disks: see disk.h. */
#include "dom0-tools/devices/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "dom0-tools/devices/holders.h"
#include "dom0-tools/devices/loop.h"

#define SECTOR 512

static const char *remedy(int code)
{
    switch (code) {
    case -ENOENT:
    case -ENOTDIR:
        return "create it, or correct the path";
    case -EACCES:
    case -EPERM:
        return "root must be able to open it: look at its file system and attributes";
    case -EROFS:
        return "make the disk <readonly/>, or the file system writable";
    case -ETXTBSY:
        return "it is a running program or a swap file";
    default:
        return "";
    }
}

static int open_failed(const struct disk_request *request, int code, struct vmctl_error *error)
{
    (void)vmctl_fail(error, code, "cannot open %s: %s", request->path, strerror(-code));
    vmctl_error_remedy(error, "%s", remedy(code));
    return code;
}

static int check_kind(const struct disk_request *request, mode_t mode, struct vmctl_error *error)
{
    bool block = S_ISBLK(mode);

    if (!block && !S_ISREG(mode)) {
        return vmctl_fail(error, -EINVAL, "%s is %s, not an image file or a block device",
                          request->path, S_ISDIR(mode) ? "a directory" : "something else");
    }
    if (request->type == NULL || strcmp(request->type, block ? "phy" : "file") == 0) {
        return 0;
    }
    (void)vmctl_fail(error, -EINVAL, "%s is %s", request->path,
                     block ? "a block device" : "a file");
    vmctl_error_remedy(error, "say <disk type='%s'>", block ? "block" : "file");
    return -EINVAL;
}

static int busy(const struct disk_request *request, dev_t device, struct vmctl_error *error)
{
    char holder[256];

    holders_describe(request->sys, request->proc, device, holder, sizeof(holder));
    (void)vmctl_fail(error, -EBUSY, "%s is busy: %s", request->path,
                     holder[0] != '\0' ? holder : "another program holds it");
    vmctl_error_remedy(error, "free it first: the guest would write behind dom0's back");
    return -EBUSY;
}

static int check_block(const struct disk_request *request, int fd, struct vmctl_error *error)
{
    int readonly = 0;

    if (!request->readonly && ioctl(fd, BLKROGET, &readonly) == 0 && readonly != 0) {
        (void)vmctl_fail(error, -EROFS, "%s is read-only", request->path);
        vmctl_error_remedy(error, "make the disk <readonly/>");
        return -EROFS;
    }
    return 0;
}

static int check_file(const struct disk_request *request, off_t size, struct vmctl_error *error)
{
    if (size < SECTOR) {
        return vmctl_fail(error, -EINVAL, "%s has %lld bytes: not even one sector (%d)",
                          request->path, (long long)size, SECTOR);
    }
    return 0;
}

/*
 * A block device that is written is claimed for as long as it is held: dom0 can
 * neither mount it nor stack anything upon it meanwhile, nor had it before.  Of
 * a file it has to be seen first who else writes it (make_writable()).
 */
static int open_flags(const struct disk_request *request, mode_t mode)
{
    int flags = O_CLOEXEC | O_NONBLOCK | O_LARGEFILE;

    if (!S_ISBLK(mode) || request->readonly) {
        return flags | O_RDONLY;
    }
    return request->shareable ? flags | O_RDWR : flags | O_RDWR | O_EXCL;
}

/* The same file, whatever the path leads to by now. */
static int make_writable(const struct disk_request *request, struct disk_image *image,
                         struct vmctl_error *error)
{
    char path[64];
    int fd;

    if (image->block || request->readonly) {
        return 0;
    }
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", image->fd);
    fd = open(path, O_RDWR | O_CLOEXEC | O_LARGEFILE);
    if (fd < 0) {
        return open_failed(request, -errno, error);
    }
    (void)close(image->fd);
    image->fd = fd;
    return 0;
}

/*
 * The kernel grants a lease for reading only while nobody has the file open for
 * writing; asking costs nothing that grows with the number of loop devices.
 */
int disk_image_check_writers(const struct disk_request *request, const struct disk_image *image,
                             struct vmctl_error *error)
{
    char holder[256];
    int r;

    if (image->block) {
        return 0;
    }
    if (fcntl(image->fd, F_SETLEASE, F_RDLCK) == 0) {
        (void)fcntl(image->fd, F_SETLEASE, F_UNLCK);
        return 0;
    }
    if (errno != EAGAIN) {
        return 0;
    }
    r = holders_describe_file(request->sys, request->proc, image->device, image->inode, holder,
                              sizeof(holder))
            ? -EAGAIN
            : -EBUSY;
    (void)vmctl_fail(error, r, "%s is being written by somebody else", request->path);
    vmctl_error_holder(error, "%s", holder);
    vmctl_error_remedy(error, "end that, or make both <shareable/>");
    return r;
}

int disk_image_open(const struct disk_request *request, struct disk_image *image,
                    struct vmctl_error *error)
{
    struct stat facts;
    int fd;
    int r;

    if (request->path[0] != '/') {
        return vmctl_fail(error, -EINVAL, "'%s' is not an absolute path", request->path);
    }
    if (stat(request->path, &facts) < 0) {
        return open_failed(request, -errno, error);
    }
    r = check_kind(request, facts.st_mode, error);
    if (r < 0) {
        return r;
    }
    fd = open(request->path, open_flags(request, facts.st_mode));
    if (fd < 0) {
        r = -errno;
        return r == -EBUSY && S_ISBLK(facts.st_mode) ? busy(request, facts.st_rdev, error)
                                                     : open_failed(request, r, error);
    }
    r = fstat(fd, &facts) < 0 ? open_failed(request, -errno, error)
                              : check_kind(request, facts.st_mode, error);
    if (r == 0) {
        r = S_ISBLK(facts.st_mode) ? check_block(request, fd, error)
                                   : check_file(request, facts.st_size, error);
    }
    if (r < 0) {
        (void)close(fd);
        return r;
    }
    *image = (struct disk_image){
        .fd = fd,
        .block = S_ISBLK(facts.st_mode),
        .device = S_ISBLK(facts.st_mode) ? facts.st_rdev : facts.st_dev,
        .inode = S_ISBLK(facts.st_mode) ? 0 : facts.st_ino,
    };
    return 0;
}

void disk_image_close(struct disk_image *image)
{
    if (image->fd >= 0) {
        (void)close(image->fd);
        image->fd = -1;
    }
}

static void keep_block(struct disk_image *image, struct disk *disk)
{
    *disk = (struct disk){
        .fd = image->fd,
        .major = major(image->device),
        .minor = minor(image->device),
    };
    image->fd = -1;
}

static int keep_loop(const struct disk_request *request, struct disk_image *image, int r,
                     const struct loop *loop, struct disk *disk, struct vmctl_error *error)
{
    disk_image_close(image); /* the loop device has a reference of its own */
    if (r < 0) {
        return vmctl_context(error, r, "%s", request->path);
    }
    *disk = (struct disk){ .fd = loop->fd, .major = loop->major, .minor = loop->minor };
    memcpy(disk->name, loop->name, sizeof(disk->name));
    return 0;
}

int disk_attach(const struct disk_request *request, struct disk_image *image, struct disk *disk,
                struct vmctl_error *error)
{
    struct loop loop = { .fd = -1 };
    int r;

    if (image->block) {
        keep_block(image, disk);
        return 0;
    }
    r = make_writable(request, image, error);
    if (r < 0) {
        disk_image_close(image);
        return r;
    }
    r = loop_attach(image->fd, request->readonly, request->tag, &loop, error);
    return keep_loop(request, image, r, &loop, disk, error);
}

int disk_adopt(const struct disk_request *request, struct disk_image *image, dev_t told,
               struct disk *disk, struct vmctl_error *error)
{
    struct loop loop = { .fd = -1 };
    int r;

    r = make_writable(request, image, error);
    if (r < 0) {
        disk_image_close(image);
        return r;
    }
    if (!image->block) {
        r = loop_adopt(told, image->fd, request->readonly, request->tag, &loop, error);
        return keep_loop(request, image, r, &loop, disk, error);
    }
    if (image->device != told) {
        disk_image_close(image);
        return vmctl_fail(error, -EBUSY, "%s is now another device than the guest has (%x:%x)",
                          request->path, major(told), minor(told));
    }
    keep_block(image, disk);
    return 0;
}

void disk_close(struct disk *disk)
{
    if (disk->fd >= 0) {
        (void)close(disk->fd);
        disk->fd = -1;
    }
}
