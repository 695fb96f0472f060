/* SPDX-License-Identifier: MIT */
/* The event loop of a daemon: see loop.h. */
#include "dom0-tools/daemons/loop.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS UINT64_C(1000000)

uint64_t loop_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 * NS_PER_MS + (uint64_t)now.tv_nsec;
}

int loop_open(struct loop *loop)
{
    *loop = (struct loop){ .fd = epoll_create1(EPOLL_CLOEXEC) };
    return loop->fd < 0 ? -errno : 0;
}

void loop_close(struct loop *loop)
{
    if (loop->fd >= 0) {
        (void)close(loop->fd);
        loop->fd = -1;
    }
}

int loop_watch(struct loop *loop, struct source *source, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = source };
    int command = EPOLL_CTL_MOD;

    if (events == source->events) {
        return 0;
    }
    if (source->events == 0) {
        command = EPOLL_CTL_ADD;
    } else if (events == 0) {
        command = EPOLL_CTL_DEL;
    }
    if (epoll_ctl(loop->fd, command, source->fd, &event) != 0) {
        return -errno;
    }
    source->events = events;
    return 0;
}

void loop_clear_timer(struct loop *loop, struct timer *timer)
{
    struct timer **link = &loop->timers;

    if (!timer->armed) {
        return;
    }
    while (*link != NULL && *link != timer) {
        link = &(*link)->next;
    }
    if (*link == timer) {
        *link = timer->next;
    }
    timer->armed = false;
}

void loop_set_timer(struct loop *loop, struct timer *timer, uint64_t milliseconds)
{
    loop_clear_timer(loop, timer);
    timer->due = loop_now() + milliseconds * NS_PER_MS;
    timer->armed = true;
    timer->next = loop->timers;
    loop->timers = timer;
}

static struct timer *first_due(const struct loop *loop)
{
    struct timer *first = loop->timers;

    for (struct timer *timer = first; timer != NULL; timer = timer->next) {
        if (timer->due < first->due) {
            first = timer;
        }
    }
    return first;
}

/* Milliseconds until the first timer, rounded up: it is never served early. */
static int time_left(const struct loop *loop, int limit)
{
    const struct timer *first = first_due(loop);
    uint64_t now = loop_now();
    uint64_t left = 0;

    if (first == NULL) {
        return limit;
    }
    if (first->due > now) {
        left = (first->due - now + NS_PER_MS - 1) / NS_PER_MS;
    }
    if (limit >= 0 && left > (uint64_t)limit) {
        return limit;
    }
    return left > INT_MAX ? INT_MAX : (int)left;
}

int loop_turn(struct loop *loop, int milliseconds)
{
    struct epoll_event event;
    struct source *source;
    struct timer *timer;
    int count = epoll_wait(loop->fd, &event, 1, time_left(loop, milliseconds));

    if (count < 0 && errno != EINTR) {
        return -errno;
    }
    if (count > 0) {
        source = event.data.ptr;
        source->ready(source, event.events);
    }
    timer = first_due(loop);
    if (timer != NULL && timer->due <= loop_now()) {
        loop_clear_timer(loop, timer);
        timer->fire(timer);
    }
    return 0;
}

int loop_run(struct loop *loop)
{
    int error = 0;

    while (!loop->stop && error == 0) {
        error = loop_turn(loop, -1);
    }
    return error;
}
