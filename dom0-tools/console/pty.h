/* SPDX-License-Identifier: MIT */
/*
 * A pseudo-terminal for each guest: what `xl console` opens.
 *
 * Nothing is sent while nobody has it open, so that whoever opens it gets the
 * history and not what filled a kernel buffer at boot.  inotify tells who comes.
 */
#ifndef DOM0_TOOLS_CONSOLE_PTY_H
#define DOM0_TOOLS_CONSOLE_PTY_H

#include "dom0-tools/console/stream.h"
#include "libvmctl/error.h"

struct pty {
    struct viewer viewer; /* the master; first */
    struct pty *next;
    int watch; /* of inotify */
    char name[32];
};

/* All of a daemon's, and their inotify descriptor. */
struct pty_set {
    struct source source; /* first */
    struct pty *first;
};

int pty_set_open(struct pty_set *set, struct loop *loop, struct vmctl_error *error);
void pty_set_close(struct pty_set *set, struct loop *loop);

/* pty->name is then the terminal to open. */
int pty_open(struct pty *pty, struct pty_set *set, struct stream *stream,
             struct vmctl_error *error);
void pty_close(struct pty *pty, struct pty_set *set);

#endif
