/* SPDX-License-Identifier: MIT */
/*
 * What viewers look at: a guest's console, or the hypervisor's log.
 *
 * Every viewer is a position in the history.  At most one of them writes.  A
 * pseudo-terminal (for `xl console`) is a viewer too; what is typed on it counts
 * only while no other viewer writes.
 */
#ifndef DOM0_TOOLS_CONSOLE_STREAM_H
#define DOM0_TOOLS_CONSOLE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0-tools/console/history.h"
#include "dom0-tools/daemons/loop.h"

struct stream;

struct viewer {
    struct source source;
    struct viewer *next;
    struct stream *stream;
    uint64_t position;
    uint32_t process; /* at the other end */
    bool socket;      /* made for a connection: freed when that ends */
    bool asleep;      /* a pseudo-terminal that nobody has open */
    bool no_follow;
    bool file; /* what it is given it takes at once, or never */
};

struct stream {
    struct loop *loop;
    struct history history;
    struct viewer *viewers;
    struct viewer *writer;
    uint8_t handle[16];
    /* Both NULL where nothing can be typed. */
    size_t (*room)(struct stream *stream);
    void (*give)(struct stream *stream, const uint8_t *bytes, size_t count);
};

/* `viewer` has its descriptor (not blocking) and position. */
void stream_join(struct stream *stream, struct viewer *viewer);
/* Also frees one that was made for a connection. */
void stream_leave(struct viewer *viewer);
/* All leave, after they were given what their descriptors would take. */
void stream_end(struct stream *stream);

/* New output: to all viewers. */
void stream_add(struct stream *stream, const uint8_t *bytes, size_t count);
/* There is room for input again. */
void stream_has_room(struct stream *stream);

/* Send what the descriptor takes, and say what to wait for.  The viewer may leave. */
void viewer_serve(struct viewer *viewer);

#endif
