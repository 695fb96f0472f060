/* SPDX-License-Identifier: MIT */
/* The interface of dom0's kernel to the hypervisor: see privcmd.h. */
#include "libvmctl/privcmd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest-pv-headers/memory.h"
#include "libvmctl/file.h"

struct hypercall_request {
    uint64_t op;
    uint64_t arguments[5];
};

struct map_batch_request {
    uint32_t count;
    uint16_t domain;
    uint64_t address;
    const uint64_t *frames;
    int *errors; /* one for each frame, negative errno */
};

struct map_resource_request {
    uint16_t domain;
    uint32_t type;
    uint32_t id;
    uint32_t first;
    uint64_t count;
    uint64_t address;
};

#define REQUEST_HYPERCALL    _IOC(_IOC_NONE, 'P', 0, sizeof(struct hypercall_request))
#define REQUEST_MAP_BATCH    _IOC(_IOC_NONE, 'P', 4, sizeof(struct map_batch_request))
#define REQUEST_MAP_RESOURCE _IOC(_IOC_NONE, 'P', 7, sizeof(struct map_resource_request))

static uint64_t address_of(const void *memory)
{
    return (uint64_t)(uintptr_t)memory;
}

static size_t whole_pages(size_t size)
{
    return (size + PRIVCMD_PAGE - 1) & ~(size_t)(PRIVCMD_PAGE - 1);
}

int privcmd_open(struct privcmd *privcmd, struct vmctl_error *error)
{
    int r;

    *privcmd = PRIVCMD_CLOSED;
    privcmd->fd = file_open_device("/dev/xen/privcmd", O_RDWR, "xen-privcmd", error);
    if (privcmd->fd < 0) {
        return privcmd->fd;
    }
    privcmd->buffer_fd = file_open_device("/dev/xen/hypercall", O_RDWR, "xen-privcmd", error);
    if (privcmd->buffer_fd < 0) {
        r = privcmd->buffer_fd;
    } else {
        privcmd->scratch = privcmd_buffer(privcmd, PRIVCMD_PAGE);
        r = privcmd->scratch != NULL ? 0 : vmctl_fail(error, -ENOMEM, "no memory for hypercalls");
    }
    if (r < 0) {
        privcmd_close(privcmd);
    }
    return r;
}

void privcmd_close(struct privcmd *privcmd)
{
    int saved = errno;

    if (privcmd->scratch != NULL) {
        privcmd_buffer_free(privcmd, privcmd->scratch, PRIVCMD_PAGE);
    }
    if (privcmd->buffer_fd >= 0) {
        (void)close(privcmd->buffer_fd);
    }
    if (privcmd->fd >= 0) {
        (void)close(privcmd->fd);
    }
    *privcmd = PRIVCMD_CLOSED;
    errno = saved;
}

long privcmd_hypercall(struct privcmd *privcmd, unsigned int op, const uint64_t arguments[5])
{
    struct hypercall_request request = { .op = op };
    long result;

    memcpy(request.arguments, arguments, sizeof(request.arguments));
    /* Not ioctl(): it would cut results to 32 bits. */
    result = syscall(SYS_ioctl, privcmd->fd, REQUEST_HYPERCALL, &request);
    return result == -1 ? -errno : result;
}

int privcmd_domctl(struct privcmd *privcmd, struct xen_domctl *request)
{
    const uint64_t arguments[5] = { address_of(privcmd->scratch) };

    request->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    return (int)privcmd_call_with(privcmd, __HYPERVISOR_domctl, arguments, request,
                                  sizeof(*request));
}

int privcmd_sysctl(struct privcmd *privcmd, struct xen_sysctl *request)
{
    const uint64_t arguments[5] = { address_of(privcmd->scratch) };

    request->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    return (int)privcmd_call_with(privcmd, __HYPERVISOR_sysctl, arguments, request,
                                  sizeof(*request));
}

long privcmd_memory_op(struct privcmd *privcmd, unsigned int command, void *argument, size_t size)
{
    const uint64_t arguments[5] = { command, address_of(privcmd->scratch) };

    return privcmd_call_with(privcmd, __HYPERVISOR_memory_op, arguments, argument, size);
}

void *privcmd_buffer(struct privcmd *privcmd, size_t size)
{
    void *buffer =
        mmap(NULL, whole_pages(size), PROT_READ | PROT_WRITE, MAP_SHARED, privcmd->buffer_fd, 0);

    return buffer == MAP_FAILED ? NULL : buffer;
}

void privcmd_buffer_free(struct privcmd *privcmd, void *buffer, size_t size)
{
    (void)privcmd;
    if (buffer != NULL) {
        (void)munmap(buffer, whole_pages(size));
    }
}

static int map_batch(struct privcmd *privcmd, struct map_batch_request *request,
                     struct vmctl_error *error)
{
    int result = ioctl(privcmd->fd, REQUEST_MAP_BATCH, request);

    /* Some kernels report a frame's error only in its place. */
    for (uint32_t i = 0; i < request->count; i++) {
        if (request->errors[i] != 0) {
            return vmctl_fail(error, request->errors[i], "mapping frame %#llx of domain %u: %s",
                              (unsigned long long)request->frames[i], request->domain,
                              strerror(-request->errors[i]));
        }
    }
    if (result < 0) {
        return vmctl_fail(error, -errno, "mapping memory of domain %u: %s", request->domain,
                          strerror(errno));
    }
    return 0;
}

static void *reserve_addresses(struct privcmd *privcmd, int prot, size_t count,
                               struct vmctl_error *error)
{
    void *pages = mmap(NULL, count * PRIVCMD_PAGE, prot, MAP_SHARED, privcmd->fd, 0);

    if (pages == MAP_FAILED) {
        vmctl_fail(error, -errno, "reserving addresses for %zu pages: %s", count, strerror(errno));
        return NULL;
    }
    return pages;
}

void *privcmd_map_foreign(struct privcmd *privcmd, uint32_t domid, int prot, const uint64_t *frames,
                          size_t count, struct vmctl_error *error)
{
    int few[64] = { 0 };
    int *errors = few;
    void *pages;

    if (count == 0 || count > UINT32_MAX || domid > UINT16_MAX) {
        vmctl_fail(error, -EINVAL, "cannot map %zu frames of domain %u", count, domid);
        return NULL;
    }
    if (count > sizeof(few) / sizeof(few[0])) {
        errors = calloc(count, sizeof(*errors));
        if (errors == NULL) {
            vmctl_fail(error, -ENOMEM, "no memory to map %zu frames", count);
            return NULL;
        }
    }
    pages = reserve_addresses(privcmd, prot, count, error);
    if (pages != NULL) {
        struct map_batch_request request = {
            .count = (uint32_t)count,
            .domain = (uint16_t)domid,
            .address = address_of(pages),
            .frames = frames,
            .errors = errors,
        };

        if (map_batch(privcmd, &request, error) < 0) {
            privcmd_unmap(pages, count);
            pages = NULL;
        }
    }
    if (errors != few) {
        free(errors);
    }
    return pages;
}

void *privcmd_map_resource(struct privcmd *privcmd, const struct privcmd_resource *resource,
                           struct vmctl_error *error)
{
    struct map_resource_request request = {
        .domain = (uint16_t)resource->domid,
        .type = resource->type,
        .id = resource->id,
        .first = resource->first,
        .count = resource->count,
    };
    void *pages = reserve_addresses(privcmd, PROT_READ | PROT_WRITE, resource->count, error);

    if (pages == NULL) {
        return NULL;
    }
    request.address = address_of(pages);
    if (ioctl(privcmd->fd, REQUEST_MAP_RESOURCE, &request) < 0) {
        vmctl_fail(error, -errno, "mapping resource %u of domain %u: %s", resource->type,
                   resource->domid, strerror(errno));
        privcmd_unmap(pages, resource->count);
        return NULL;
    }
    return pages;
}

void privcmd_unmap(void *pages, size_t count)
{
    if (pages != NULL) {
        (void)munmap(pages, count * PRIVCMD_PAGE);
    }
}
