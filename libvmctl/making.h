/* SPDX-License-Identifier: MIT */
/*
 * Guests being made: /run/paravane/making/<uuid>, locked by their maker from
 * before there is a domain until it runs.  The kernel unlocks the file of a
 * maker that was killed: then what it began is finished or removed.
 */
#ifndef LIBVMCTL_MAKING_H
#define LIBVMCTL_MAKING_H

#include "libvmctl/state_file.h"

struct making {
    int fd; /* has the lock */
    bool paused;
    char path[STATE_FILE_SIZE];
};

/* What an earlier maker of this guest left is recovered first. */
int making_begin(struct making *making, struct vmctl *handle, const uint8_t uuid[16], bool paused,
                 struct vmctl_error *error);
/* There is a domain now. */
int making_note(const struct making *making, uint32_t domid, struct vmctl_error *error);
/* `done`: whole or gone; else the supervisor will see to it. */
void making_end(struct making *making, bool done);

/*
 * Of a guest whose maker is no more: one that was announced runs, of another
 * nothing is left.  -EBUSY: its maker lives.
 */
int making_recover(struct vmctl *handle, const uint8_t uuid[16], struct vmctl_error *error);

/* Guests whose makers are no more; for free(). */
int making_abandoned(uint8_t (**uuids)[16], size_t *count, struct vmctl_error *error);

/* A descriptor that is readable when a maker has ended in whichever way. */
int making_watch(struct vmctl_error *error);
/* Empties it; true if one of them left its file. */
bool making_changed(int fd);

#endif
