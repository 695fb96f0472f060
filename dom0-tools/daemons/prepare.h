/* SPDX-License-Identifier: MIT */
/* What dom0's kernel must offer before a daemon can work. */
#ifndef DOM0_TOOLS_DAEMONS_PREPARE_H
#define DOM0_TOOLS_DAEMONS_PREPARE_H

#include "libvmctl/error.h"

/* Modules, /proc/xen, device files.  Done again, it does no harm. */
int prepare_dom0(struct vmctl_error *error);

#endif
