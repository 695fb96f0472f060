/* SPDX-License-Identifier: MIT */
/* Event channels of a process: see evtchn.h. */
#include "libvmctl/evtchn.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "libvmctl/file.h"

struct remote_port {
    uint32_t domain;
    uint32_t port;
};

#define REQUEST_BIND_VIRQ        _IOC(_IOC_NONE, 'E', 0, sizeof(uint32_t))
#define REQUEST_BIND_INTERDOMAIN _IOC(_IOC_NONE, 'E', 1, sizeof(struct remote_port))
#define REQUEST_UNBIND           _IOC(_IOC_NONE, 'E', 3, sizeof(uint32_t))
#define REQUEST_NOTIFY           _IOC(_IOC_NONE, 'E', 4, sizeof(uint32_t))

int evtchn_open(struct vmctl_error *error)
{
    return file_open_device("/dev/xen/evtchn", O_RDWR | O_NONBLOCK, "xen-evtchn", error);
}

static int request(int fd, unsigned long number, void *argument)
{
    int result = ioctl(fd, number, argument);

    return result < 0 ? -errno : result;
}

int evtchn_bind_interdomain(int fd, uint32_t domid, uint32_t remote_port)
{
    struct remote_port remote = { .domain = domid, .port = remote_port };

    return request(fd, REQUEST_BIND_INTERDOMAIN, &remote);
}

int evtchn_bind_virq(int fd, uint32_t virq)
{
    return request(fd, REQUEST_BIND_VIRQ, &virq);
}

int evtchn_unbind(int fd, uint32_t port)
{
    return request(fd, REQUEST_UNBIND, &port);
}

int evtchn_notify(int fd, uint32_t port)
{
    return request(fd, REQUEST_NOTIFY, &port);
}

int evtchn_pending(int fd, uint32_t *ports, size_t room)
{
    ssize_t got = read(fd, ports, room * sizeof(*ports));

    return got < 0 ? -errno : (int)((size_t)got / sizeof(*ports));
}

int evtchn_unmask(int fd, uint32_t port)
{
    ssize_t put = write(fd, &port, sizeof(port));

    if (put == (ssize_t)sizeof(port)) {
        return 0;
    }
    return put < 0 ? -errno : -EIO;
}
