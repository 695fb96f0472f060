/* SPDX-License-Identifier: MIT */
/* Directories of daemons: nobody but root looks into them. */
#ifndef DOM0_TOOLS_DAEMONS_DIRECTORIES_H
#define DOM0_TOOLS_DAEMONS_DIRECTORIES_H

#include "libvmctl/error.h"

/* `path` and what leads to it, mode 0700 if it is made here. */
int make_directories(const char *path, struct vmctl_error *error);

#endif
