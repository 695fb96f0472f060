/* SPDX-License-Identifier: MIT */
/*
 * A viewer of a guest's console, at the console daemon's socket.
 *
 * One request of fixed size goes in, one reply of fixed size comes back; after a
 * reply with result 0 the connection carries the console's bytes, raw, both
 * ways.  Bytes from the guest are numbered from 0, its first: a viewer whose
 * connection ends (the daemon was restarted, or the viewer was too slow for what
 * is kept) attaches again at the number it has got to and misses nothing that is
 * still there.  The connection of a guest that is gone ends, and attaching again
 * fails with -ESRCH.
 */
#ifndef LIBVMCTL_CONSOLE_CLIENT_H
#define LIBVMCTL_CONSOLE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "libvmctl/error.h"

#define CONSOLE_SOCKET      "/run/paravane/console.sock"
#define CONSOLE_HISTORY     65536u  /* no more than this is kept for viewers */
#define CONSOLE_HYPERVISOR  0x7FF2u /* in place of a guest's number: the core's log */
#define CONSOLE_ESCAPE      0x1d    /* control-] */
#define CONSOLE_PATIENCE_MS 5000u   /* with a daemon that does not answer */

/* --- the protocol --------------------------------------------------------- */

#define CONSOLE_MAGIC "PVCON01" /* eight bytes with the last zero */

enum {
    CONSOLE_FLAG_WRITE = 1,         /* bytes sent are typed; one viewer at a time may */
    CONSOLE_FLAG_TAKE_OVER = 2,     /* from the present writer, who then only watches */
    CONSOLE_FLAG_FROM_POSITION = 4, /* of the guest with this handle */
    CONSOLE_FLAG_NO_FOLLOW = 8,     /* end after what there is already */
};

struct console_request {
    char magic[8];
    uint32_t domid;
    uint32_t flags;
    uint32_t history; /* bytes of the past that are wanted */
    uint32_t reserved;
    uint64_t position;
    uint8_t handle[16];
};

struct console_reply {
    char magic[8];
    int32_t result;     /* 0, or a negative errno and a message */
    uint32_t writer;    /* with -EBUSY: the process that may write */
    uint64_t position;  /* of the first byte that follows */
    uint8_t handle[16]; /* of the guest */
    char message[88];
};

/* --- for programs --------------------------------------------------------- */

struct console_options {
    const char *socket; /* NULL: CONSOLE_SOCKET */
    bool write;
    bool take_over;
    bool no_follow;
    uint32_t history;
    unsigned int patience_ms; /* 0: CONSOLE_PATIENCE_MS */
};

struct console {
    int fd; /* poll it; read with console_read(), write(2) to type */
    uint32_t domid;
    uint64_t position; /* of the next byte */
    uint8_t handle[16];
    struct console_options options;
};

#define CONSOLE_DETACHED ((struct console){ .fd = -1 })

/*
 * Waits up to 5 s for the console of a guest that exists.
 * -ESRCH: no console of such a guest; -EBUSY: another process writes (the error
 * names it); -ECONNREFUSED: there is no console daemon, or it does not answer.
 */
int console_attach(struct console *console, uint32_t domid, const struct console_options *options,
                   struct vmctl_error *error);

/* Go on where the connection ended; *lost bytes are not kept any more.  -ESTALE: another guest. */
int console_reattach(struct console *console, uint64_t *lost, struct vmctl_error *error);
void console_detach(struct console *console);

/* A count; 0 when the connection has ended; a negative errno. */
ssize_t console_read(struct console *console, void *bytes, size_t size);

enum console_end {
    CONSOLE_END_ESCAPE, /* the escape key was struck */
    CONSOLE_END_GUEST,  /* the guest is gone, or (no_follow) this was all */
    CONSOLE_END_SIGNAL, /* SIGINT, SIGTERM or SIGHUP */
    CONSOLE_END_OUTPUT, /* nobody reads our output any more */
};

/*
 * Connect an attached console to a terminal: `input` (-1 for none) in raw mode
 * while this runs, if it is a terminal.  Returns 0 and why it ended, or the error
 * of a daemon that was lost and did not answer again for a minute (12 times the
 * patience), with the terminal as it was before.  The three signals are held
 * back meanwhile.
 */
int console_run_terminal(struct console *console, int input, int output, enum console_end *end,
                         struct vmctl_error *error);

#endif
