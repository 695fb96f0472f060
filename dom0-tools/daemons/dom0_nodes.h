/* SPDX-License-Identifier: MIT */
/* Dom0's own nodes in the store, without which Debian's tools do not list it. */
#ifndef DOM0_TOOLS_DAEMONS_DOM0_NODES_H
#define DOM0_TOOLS_DAEMONS_DOM0_NODES_H

#include "libvmctl/error.h"

/* Waits for the store, at most `milliseconds`.  Nodes that are there stay. */
int dom0_nodes_write(unsigned int milliseconds, struct vmctl_error *error);

#endif
