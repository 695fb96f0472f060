/* SPDX-License-Identifier: MIT */
/* Pseudo-terminals: see pty.h. */
#include "dom0-tools/console/pty.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <termios.h>
#include <unistd.h>

static bool is_open(const struct pty *pty)
{
    struct pollfd master = { .fd = pty->viewer.source.fd, .events = 0 };

    return poll(&master, 1, 0) == 0 || (master.revents & POLLHUP) == 0;
}

/* Somebody opened it: what its last reader left is not for him, the history is. */
static void wake(struct pty *pty)
{
    struct termios raw;

    /* Echo would come back as input of the guest: rather nothing than that. */
    if (tcgetattr(pty->viewer.source.fd, &raw) != 0) {
        return;
    }
    cfmakeraw(&raw);
    if (tcsetattr(pty->viewer.source.fd, TCSANOW, &raw) != 0) {
        return;
    }
    (void)tcflush(pty->viewer.source.fd, TCOFLUSH);
    pty->viewer.asleep = false;
    pty->viewer.position = pty->viewer.stream->history.first;
    viewer_serve(&pty->viewer);
}

static void look(struct pty *pty)
{
    bool open = is_open(pty);

    if (open && pty->viewer.asleep) {
        wake(pty);
    } else if (!open && !pty->viewer.asleep) {
        pty->viewer.asleep = true;
        (void)tcflush(pty->viewer.source.fd, TCIFLUSH);
        viewer_serve(&pty->viewer);
    }
}

static void ready(struct source *source, uint32_t events)
{
    const struct pty_set *set = (struct pty_set *)source;
    union {
        struct inotify_event event;
        char bytes[1024];
    } news;
    ssize_t count = read(source->fd, &news, sizeof(news));
    size_t at = 0;

    (void)events;
    while (count > 0 && at + sizeof(struct inotify_event) <= (size_t)count) {
        struct inotify_event event;

        memcpy(&event, news.bytes + at, sizeof(event));
        for (struct pty *pty = set->first; pty != NULL; pty = pty->next) {
            if (pty->watch == event.wd || (event.mask & IN_Q_OVERFLOW) != 0) {
                look(pty);
            }
        }
        at += sizeof(event) + event.len;
    }
}

int pty_set_open(struct pty_set *set, struct loop *loop, struct vmctl_error *error)
{
    int code = 0;

    *set = (struct pty_set){
        .source = { .ready = ready, .fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK) },
    };
    if (set->source.fd < 0) {
        code = -errno;
    } else {
        code = loop_watch(loop, &set->source, EPOLLIN);
    }
    return code == 0 ? 0 : vmctl_fail(error, code, "inotify: %s", strerror(-code));
}

void pty_set_close(struct pty_set *set, struct loop *loop)
{
    if (set->source.fd >= 0) {
        (void)loop_watch(loop, &set->source, 0);
        (void)close(set->source.fd);
        set->source.fd = -1;
    }
}

int pty_open(struct pty *pty, struct pty_set *set, struct stream *stream, struct vmctl_error *error)
{
    int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    int code = 0;

    *pty = (struct pty){ .viewer = { .source = { .fd = fd }, .asleep = true }, .watch = -1 };
    if (fd < 0 || unlockpt(fd) != 0 || ptsname_r(fd, pty->name, sizeof(pty->name)) != 0) {
        code = -errno;
    } else {
        pty->watch = inotify_add_watch(set->source.fd, pty->name, IN_OPEN | IN_CLOSE);
        code = pty->watch < 0 ? -errno : 0;
    }
    if (code != 0) {
        if (fd >= 0) {
            (void)close(fd);
        }
        pty->viewer.source.fd = -1;
        return vmctl_fail(error, code, "pseudo-terminal: %s", strerror(-code));
    }
    stream_join(stream, &pty->viewer);
    pty->next = set->first;
    set->first = pty;
    return 0;
}

void pty_close(struct pty *pty, struct pty_set *set)
{
    struct pty **link = &set->first;

    if (pty->viewer.source.fd < 0) {
        return;
    }
    while (*link != pty) {
        link = &(*link)->next;
    }
    *link = pty->next;
    (void)inotify_rm_watch(set->source.fd, pty->watch);
    (void)close(pty->viewer.source.fd);
    pty->viewer.source.fd = -1;
}
