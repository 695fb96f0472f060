/* SPDX-License-Identifier: MIT */
/* Granted pages: see gntdev.h. */
#include "libvmctl/gntdev.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libvmctl/file.h"

#define PAGE 4096u

struct grant_request {
    uint32_t count;
    uint32_t pad;
    uint64_t offset; /* out: for mmap(2) */
    uint32_t domain;
    uint32_t ref;
};

struct release_request {
    uint64_t offset;
    uint32_t count;
    uint32_t pad;
};

struct offset_request {
    uint64_t address;
    uint64_t offset; /* out */
    uint32_t count;  /* out */
    uint32_t pad;
};

#define REQUEST_MAP     _IOC(_IOC_NONE, 'G', 0, sizeof(struct grant_request))
#define REQUEST_RELEASE _IOC(_IOC_NONE, 'G', 1, sizeof(struct release_request))
#define REQUEST_OFFSET  _IOC(_IOC_NONE, 'G', 2, sizeof(struct offset_request))

int gntdev_open(struct vmctl_error *error)
{
    return file_open_device("/dev/xen/gntdev", O_RDWR, "xen-gntdev", error);
}

static void release(int fd, uint64_t offset)
{
    struct release_request request = { .offset = offset, .count = 1 };

    (void)ioctl(fd, REQUEST_RELEASE, &request);
}

void *gntdev_map(int fd, uint32_t domid, uint32_t ref, int prot, struct vmctl_error *error)
{
    struct grant_request request = { .count = 1, .domain = domid, .ref = ref };
    void *page;
    int cause;

    if (ioctl(fd, REQUEST_MAP, &request) < 0) {
        vmctl_fail(error, -errno, "mapping grant %u of domain %u: %s", ref, domid, strerror(errno));
        return NULL;
    }
    page = mmap(NULL, PAGE, prot, MAP_SHARED, fd, (off_t)request.offset);
    if (page == MAP_FAILED) {
        cause = errno;
        release(fd, request.offset);
        vmctl_fail(error, -cause, "mapping grant %u of domain %u: %s", ref, domid, strerror(cause));
        return NULL;
    }
    return page;
}

int gntdev_unmap(int fd, void *page)
{
    struct offset_request request = { .address = (uint64_t)(uintptr_t)page };

    if (ioctl(fd, REQUEST_OFFSET, &request) < 0) {
        return -errno;
    }
    if (munmap(page, PAGE) < 0) {
        return -errno;
    }
    release(fd, request.offset);
    return 0;
}
