/* SPDX-License-Identifier: MIT */
/*
 * The file that guest.xml wants a console in, beside the log.
 *
 * It is a viewer that begins with the guest's first byte.  A record of where in
 * the file that was lets the next instance go on where the last one ended.
 */
#ifndef DOM0_TOOLS_CONSOLE_CONSOLE_FILE_H
#define DOM0_TOOLS_CONSOLE_CONSOLE_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "dom0-tools/console/stream.h"
#include "libvmctl/error.h"

struct console_file {
    const char *path;
    bool append; /* else what it held is dropped when the guest begins */
    const char *record_directory;
    uint32_t domid;
};

/* `viewer` is then ready to join. */
int console_file_open(struct viewer *viewer, const struct console_file *file,
                      struct vmctl_error *error);
/* With a record directory, the record goes: the guest is gone for good. */
void console_file_close(struct viewer *viewer, const char *record_directory, uint32_t domid);

#endif
