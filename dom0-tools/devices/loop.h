/* SPDX-License-Identifier: MIT */
/*
 * Loop devices: an image file as a block device for the kernel's back end.
 *
 * Each is bound with autoclear, so it ends when its last user closes it,
 * whatever became of this program.  The tag written into it says whose it is.
 */
#ifndef DOM0_TOOLS_DEVICES_LOOP_H
#define DOM0_TOOLS_DEVICES_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "libvmctl/error.h"

#define LOOP_TAG_SIZE 64u

struct loop {
    int fd; /* while it is open, the device stays */
    unsigned int major;
    unsigned int minor;
    char name[32]; /* "loop3" */
};

/* Bind a free loop device to the open file `image`. */
int loop_attach(int image, bool readonly, const char *tag, struct loop *loop,
                struct vmctl_error *error);

/*
 * Take over the device a back end has been told of: bound with this tag, or
 * bound to nothing (then it is bound now).  -EBUSY: it is somebody else's.
 */
int loop_adopt(dev_t device, int image, bool readonly, const char *tag, struct loop *loop,
               struct vmctl_error *error);

void loop_close(struct loop *loop);

#endif
