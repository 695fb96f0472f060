/* SPDX-License-Identifier: MIT */
/* The store's loop: see wires.h. */
#include "dom0-tools/store/wires.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "dom0-tools/daemons/frame.h"
#include "dom0-tools/daemons/report.h"

#define EVENTS           64
#define SENDS            64 /* connections sent to before the next look at who asks */
#define JOURNAL_RETRY_MS 1000

static int add(const struct wires *wires, int fd, const int *which)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = (void *)(uintptr_t)which };

    return epoll_ctl(wires->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int wires_open(struct wires *wires, struct stored *stored, struct vmctl_error *error)
{
    wires->stored = stored;
    wires->pending_end = &wires->pending;
    wires->epoll = epoll_create1(EPOLL_CLOEXEC);
    wires->signals = frame_open_signals();
    if (wires->epoll < 0 || wires->signals < 0 || add(wires, wires->signals, &wires->signals) < 0) {
        return vmctl_fail(error, -errno, "epoll: %s", strerror(errno));
    }
    return 0;
}

/* The directory of the socket, if only the last part of it is missing. */
static void make_directory(const char *path)
{
    char directory[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
    char *slash;

    (void)snprintf(directory, sizeof(directory), "%s", path);
    slash = strrchr(directory, '/');
    if (slash != NULL && slash != directory) {
        *slash = '\0';
        (void)mkdir(directory, 0755);
    }
}

int wires_listen(struct wires *wires, const char *path, struct vmctl_error *error)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    mode_t mask;
    int r;

    if (strlen(path) >= sizeof(address.sun_path)) {
        return vmctl_fail(error, -ENAMETOOLONG, "%s: too long for a socket", path);
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    make_directory(path);
    wires->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (wires->listener < 0) {
        return vmctl_fail(error, -errno, "socket: %s", strerror(errno));
    }
    /* Who can connect speaks for dom0: root alone, from the first moment on. */
    (void)unlink(path);
    mask = umask(0177);
    r = bind(wires->listener, (const struct sockaddr *)&address, sizeof(address));
    (void)umask(mask);
    if (r < 0 || listen(wires->listener, 128) < 0 ||
        add(wires, wires->listener, &wires->listener) < 0) {
        return vmctl_fail(error, -errno, "%s: %s", path, strerror(errno));
    }
    wires->socket_path = strdup(path);
    if (wires->evtchn >= 0 && add(wires, wires->evtchn, &wires->evtchn) < 0) {
        return vmctl_fail(error, -errno, "epoll: %s", strerror(errno));
    }
    return 0;
}

void wires_close(struct wires *wires)
{
    struct stored *stored = wires->stored;

    for (struct store_connection *connection = stored == NULL ? NULL : stored->sockets;
         connection != NULL; connection = connection->next) {
        (void)close(connection->fd);
    }
    if (wires->socket_path != NULL) {
        (void)unlink(wires->socket_path);
        free(wires->socket_path);
    }
    if (wires->listener >= 0) {
        (void)close(wires->listener);
    }
    if (wires->signals >= 0) {
        (void)close(wires->signals);
    }
    if (wires->epoll >= 0) {
        (void)close(wires->epoll);
    }
}

bool wires_send(struct wires *wires)
{
    struct store_connection *connection;

    journal_commit(wires->stored->journal); /* nothing is said that could be forgotten */
    for (unsigned int i = 0; i < SENDS; i++) {
        connection = stored_next_ready(wires->stored);
        if (connection == NULL) {
            return false;
        }
        if (connection->ring) {
            domains_send(wires, connection);
        } else {
            sockets_send(wires, connection);
        }
    }
    return true;
}

static bool handle(struct wires *wires, const struct epoll_event *event)
{
    if (event->data.ptr == &wires->signals) {
        return false;
    }
    if (event->data.ptr == &wires->listener) {
        sockets_accept(wires);
    } else if (event->data.ptr == &wires->evtchn) {
        domains_events(wires);
    } else {
        sockets_event(wires, event->data.ptr, event->events);
    }
    return true;
}

int64_t wires_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A journal without room is tried again now and then, and its trouble is told once. */
static void keep_journal(struct wires *wires)
{
    int r;

    if (!journal_is_long(wires->stored->journal)) {
        wires->journal_failed = false;
        return;
    }
    if (wires->journal_failed && wires_now() < wires->journal_retry) {
        return;
    }
    r = stored_compact(wires->stored);
    if (r < 0) {
        if (!wires->journal_failed) {
            report("the journal cannot be written (%s); until it can, a restart would lose what "
                   "changes now",
                   strerror(-r));
        }
        wires->journal_retry = wires_now() + JOURNAL_RETRY_MS;
    } else if (wires->journal_failed) {
        report("the journal is written again");
    }
    wires->journal_failed = r < 0;
}

static int patience(struct wires *wires)
{
    const int held = domains_wait(wires);

    if (wires->journal_failed && (held < 0 || held > JOURNAL_RETRY_MS)) {
        return JOURNAL_RETRY_MS;
    }
    return held;
}

int wires_run(struct wires *wires, struct vmctl_error *error)
{
    struct epoll_event events[EVENTS];
    bool more = true; /* at first, look at all */

    for (;;) {
        const int wait = patience(wires);
        int count = epoll_wait(wires->epoll, events, EVENTS, more ? 0 : wait);

        if (count < 0 && errno != EINTR) {
            return vmctl_fail(error, -errno, "epoll: %s", strerror(errno));
        }
        for (int i = 0; i < count; i++) {
            if (!handle(wires, &events[i])) {
                return 0;
            }
        }
        more = domains_work(wires);
        more |= wires_send(wires);
        keep_journal(wires);
    }
}
