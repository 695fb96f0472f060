/* SPDX-License-Identifier: MIT */
/* What viewers look at: see stream.h. */
#include "dom0-tools/console/stream.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define INPUT_PIECE 256u

static bool may_type(const struct viewer *viewer)
{
    const struct stream *stream = viewer->stream;

    if (stream->give == NULL || viewer->file) {
        return false;
    }
    return stream->writer == viewer || (stream->writer == NULL && !viewer->socket);
}

static void wait_for(struct viewer *viewer, uint32_t events)
{
    if (loop_watch(viewer->stream->loop, &viewer->source, events) != 0) {
        viewer->source.events = events; /* no memory in the kernel: nothing to be done here */
    }
}

static uint32_t wanted_input(const struct viewer *viewer)
{
    /* Without room the bytes stay where they are; of others the end is of interest. */
    if (may_type(viewer) && viewer->stream->room(viewer->stream) == 0) {
        return 0;
    }
    return EPOLLIN;
}

/* A pseudo-terminal's reader cannot ask again for what was overwritten. */
static void tell_gap(const struct viewer *viewer, uint64_t lost)
{
    char words[64];
    int length =
        snprintf(words, sizeof(words), "\r\n[paravane: %" PRIu64 " bytes left out]\r\n", lost);

    if (write(viewer->source.fd, words, (size_t)length) < 0) {
        return; /* it is full: then the words are missing as well */
    }
}

/* 1: all sent; 0: would block; -1: the viewer is to leave. */
static int send_history(struct viewer *viewer)
{
    const struct history *history = &viewer->stream->history;
    const uint8_t *bytes;
    uint64_t before = viewer->position;
    size_t count = history_at(history, &viewer->position, &bytes);

    if (viewer->position != before) {
        if (viewer->socket) {
            return -1; /* it will attach again where it is, and learn of the gap */
        }
        tell_gap(viewer, viewer->position - before);
    }
    while (count > 0) {
        ssize_t sent = write(viewer->source.fd, bytes, count);

        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0 && errno == EAGAIN) {
            return 0;
        }
        if (sent <= 0) {
            return -1;
        }
        viewer->position += (uint64_t)sent;
        count = history_at(history, &viewer->position, &bytes);
    }
    return viewer->no_follow ? -1 : 1;
}

void viewer_serve(struct viewer *viewer)
{
    int sent;

    if (viewer->asleep) {
        wait_for(viewer, 0);
        return;
    }
    sent = send_history(viewer);
    if (viewer->file) {
        return; /* a full disk is tried again when there is more */
    }
    if (sent >= 0) {
        wait_for(viewer, wanted_input(viewer) | (sent == 0 ? EPOLLOUT : 0));
    } else if (viewer->socket) {
        stream_leave(viewer);
    } else {
        viewer->asleep = true;
        wait_for(viewer, 0);
    }
}

/* False when the other end is gone. */
static bool take_input(struct viewer *viewer)
{
    struct stream *stream = viewer->stream;
    uint8_t bytes[INPUT_PIECE];
    bool typed = may_type(viewer);
    size_t room = typed ? stream->room(stream) : sizeof(bytes);
    ssize_t count;

    if (room == 0) {
        return true;
    }
    if (room > sizeof(bytes)) {
        room = sizeof(bytes);
    }
    count = read(viewer->source.fd, bytes, room);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return true;
    }
    if (count > 0 && typed) {
        stream->give(stream, bytes, (size_t)count);
    }
    return count > 0;
}

static void ready(struct source *source, uint32_t events)
{
    struct viewer *viewer = (struct viewer *)source;
    bool alive = true;

    if (events & EPOLLIN) {
        alive = take_input(viewer);
    } else if (events & (EPOLLHUP | EPOLLERR)) {
        alive = false;
    }
    if (alive) {
        viewer_serve(viewer);
    } else if (viewer->socket) {
        stream_leave(viewer);
    } else {
        viewer->asleep = true;
        viewer_serve(viewer);
    }
}

void stream_join(struct stream *stream, struct viewer *viewer)
{
    viewer->source.ready = ready;
    viewer->stream = stream;
    viewer->next = stream->viewers;
    stream->viewers = viewer;
}

void stream_leave(struct viewer *viewer)
{
    struct stream *stream = viewer->stream;
    struct viewer **link = &stream->viewers;

    while (*link != viewer) {
        link = &(*link)->next;
    }
    *link = viewer->next;
    if (stream->writer == viewer) {
        stream->writer = NULL;
    }
    wait_for(viewer, 0);
    if (viewer->socket) {
        (void)close(viewer->source.fd);
        free(viewer);
    }
}

void stream_end(struct stream *stream)
{
    struct viewer *viewer = stream->viewers;

    while (viewer != NULL) {
        struct viewer *next = viewer->next;

        if (!viewer->asleep) {
            (void)send_history(viewer);
        }
        stream_leave(viewer);
        viewer = next;
    }
}

static void serve_all(struct stream *stream)
{
    struct viewer *viewer = stream->viewers;

    while (viewer != NULL) {
        struct viewer *next = viewer->next;

        viewer_serve(viewer);
        viewer = next;
    }
}

void stream_add(struct stream *stream, const uint8_t *bytes, size_t count)
{
    history_add(&stream->history, bytes, count);
    serve_all(stream);
}

void stream_has_room(struct stream *stream)
{
    for (struct viewer *viewer = stream->viewers; viewer != NULL; viewer = viewer->next) {
        if (!viewer->asleep && may_type(viewer)) {
            wait_for(viewer, viewer->source.events | EPOLLIN);
        }
    }
}
