/* SPDX-License-Identifier: MIT */
/* A viewer's end of the console socket: see console_client.h. */
#include "libvmctl/console_client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define RETRY_MS 20u
#define WAIT_MS  5000u /* for a guest that was only just made */

_Static_assert(sizeof(struct console_request) == 48, "layout of the protocol");
_Static_assert(sizeof(struct console_reply) == 128, "layout of the protocol");

static int no_daemon(struct vmctl_error *error, const char *path, int code)
{
    (void)vmctl_fail(error, -ECONNREFUSED, "%s", strerror(code));
    vmctl_error_object(error, "%s", path);
    vmctl_error_remedy(error, "start paravane-consoled (paravane.target, paravane-daemons)");
    return vmctl_context(error, -ECONNREFUSED, "cannot reach the console daemon");
}

/* How long connecting, sending and receiving may take; 0: for ever. */
static void set_patience(int fd, unsigned int milliseconds)
{
    const struct timeval limit = {
        .tv_sec = milliseconds / 1000,
        .tv_usec = milliseconds % 1000 * 1000L,
    };

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

static int connect_daemon(const char *path, unsigned int patience_ms, struct vmctl_error *error)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd;

    if (strlen(path) >= sizeof(address.sun_path)) {
        return vmctl_fail(error, -ENAMETOOLONG, "console socket %s: path too long", path);
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return vmctl_fail(error, -errno, "socket: %s", strerror(errno));
    }
    set_patience(fd, patience_ms);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        int code = errno == EAGAIN ? ETIMEDOUT : errno;

        (void)close(fd);
        return no_daemon(error, path, code);
    }
    return fd;
}

static int exchange(int fd, const struct console_request *request, struct console_reply *reply)
{
    size_t done = 0;

    if (send(fd, request, sizeof(*request), MSG_NOSIGNAL) != (ssize_t)sizeof(*request)) {
        return -ECONNREFUSED;
    }
    while (done < sizeof(*reply)) {
        ssize_t count = recv(fd, (char *)reply + done, sizeof(*reply) - done, 0);

        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0 && errno == EAGAIN) {
            return -ETIMEDOUT;
        }
        if (count <= 0) {
            return -ECONNREFUSED; /* it went away */
        }
        done += (size_t)count;
    }
    reply->message[sizeof(reply->message) - 1] = '\0';
    return memcmp(reply->magic, CONSOLE_MAGIC, sizeof(reply->magic)) == 0 && reply->result <= 0
               ? 0
               : -EPROTO;
}

static int refused(const struct console *console, const struct console_reply *reply,
                   struct vmctl_error *error)
{
    (void)vmctl_fail(error, reply->result, "%s", reply->message);
    if (console->domid == CONSOLE_HYPERVISOR) {
        vmctl_error_object(error, "the hypervisor's log");
    } else {
        vmctl_error_object(error, "domain %u", console->domid);
    }
    if (reply->result == -EBUSY) {
        vmctl_error_holder(error, "process %u", reply->writer);
        vmctl_error_remedy(error, "watch it read-only, or take it over");
    }
    return vmctl_context(error, reply->result, "cannot attach to the console");
}

static int attach(struct console *console, struct console_request *request,
                  struct console_reply *reply, struct vmctl_error *error)
{
    const char *path = console->options.socket == NULL ? CONSOLE_SOCKET : console->options.socket;
    unsigned int patience = console->options.patience_ms;
    int fd = connect_daemon(path, patience != 0 ? patience : CONSOLE_PATIENCE_MS, error);
    int code;

    if (fd < 0) {
        return fd;
    }
    memcpy(request->magic, CONSOLE_MAGIC, sizeof(request->magic));
    request->domid = console->domid;
    request->flags |= console->options.write ? CONSOLE_FLAG_WRITE : 0;
    request->flags |= console->options.no_follow ? CONSOLE_FLAG_NO_FOLLOW : 0;
    code = exchange(fd, request, reply);
    if (code != 0) {
        code = no_daemon(error, path, -code);
    } else if (reply->result != 0) {
        code = refused(console, reply, error);
    }
    if (code != 0) {
        (void)close(fd);
        return code;
    }
    set_patience(fd, 0);
    console_detach(console);
    console->fd = fd;
    console->position = reply->position;
    memcpy(console->handle, reply->handle, sizeof(console->handle));
    return 0;
}

int console_attach(struct console *console, uint32_t domid, const struct console_options *options,
                   struct vmctl_error *error)
{
    struct console made = { .fd = -1, .domid = domid, .options = *options };
    struct console_request request = {
        .flags = options->take_over ? CONSOLE_FLAG_TAKE_OVER : 0,
        .history = options->history,
    };
    const struct timespec pause = { .tv_nsec = RETRY_MS * 1000000L };
    struct console_reply reply = { .result = 0 };
    int code = attach(&made, &request, &reply, error);

    for (unsigned int waited = 0; code == -EAGAIN && waited < WAIT_MS; waited += RETRY_MS) {
        (void)nanosleep(&pause, NULL);
        code = attach(&made, &request, &reply, error);
    }
    if (code == 0) {
        *console = made;
    }
    return code;
}

int console_reattach(struct console *console, uint64_t *lost, struct vmctl_error *error)
{
    struct console_request request = {
        .flags = CONSOLE_FLAG_FROM_POSITION,
        .position = console->position,
    };
    struct console_reply reply = { .result = 0 };
    int code;

    memcpy(request.handle, console->handle, sizeof(request.handle));
    code = attach(console, &request, &reply, error);
    if (code == 0) {
        *lost = reply.position > request.position ? reply.position - request.position : 0;
    }
    return code;
}

void console_detach(struct console *console)
{
    if (console->fd >= 0) {
        (void)close(console->fd);
        console->fd = -1;
    }
}

ssize_t console_read(struct console *console, void *bytes, size_t size)
{
    ssize_t count;

    do {
        count = read(console->fd, bytes, size);
    } while (count < 0 && errno == EINTR);
    if (count < 0) {
        return errno == ECONNRESET ? 0 : -errno;
    }
    console->position += (uint64_t)count;
    return count;
}
