/* SPDX-License-Identifier: MIT */
/*
 * The description of each running guest, /run/paravane/guests/<domid>.xml: for
 * dumpxml and for starting it again.
 */
#ifndef LIBVMCTL_STATE_FILE_H
#define LIBVMCTL_STATE_FILE_H

#include "libvmctl/guest_config.h"

/* On failure the description that was there stays. */
int state_file_write(uint32_t domid, const struct guest_config *config, struct vmctl_error *error);
int state_file_read(uint32_t domid, struct guest_config **config, struct vmctl_error *error);
void state_file_remove(uint32_t domid);

/*
 * Who reads a description in order to write it holds the lock meanwhile; it waits for
 * others.  *lock is a file, to be closed.
 */
int state_file_lock(uint32_t domid, int *lock, struct vmctl_error *error);
/* In place of a number, and none's: the machine's free memory. */
#define STATE_LOCK_MEMORY 0x7ff0U

/* Where it is; for daemons. */
#define STATE_FILE_SIZE 96
void state_file_path(uint32_t domid, char path[STATE_FILE_SIZE]);

/* Files of other folders beside it, which state_open() makes with O_CREAT; a negative errno. */
void state_path(const char *folder, const char *name, char path[STATE_FILE_SIZE]);
int state_make_folder(const char *folder);
int state_open(const char *folder, const char *name, int flags);
void state_unlink(const char *folder, const char *name);

/* For tests: another place than /run/paravane. */
void state_file_set_root(const char *where);

#endif
