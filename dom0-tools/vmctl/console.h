/* SPDX-License-Identifier: MIT */
/* Viewing a guest's console, for `vmctl console` and `vmctl create --console`. */
#ifndef DOM0_TOOLS_VMCTL_CONSOLE_H
#define DOM0_TOOLS_VMCTL_CONSOLE_H

#include "dom0-tools/vmctl/program.h"

/* Until the escape key is struck or the guest is gone.  `start`: unpause it once attached. */
int console_view(struct program *program, uint32_t domid, bool start, struct vmctl_error *error);

#endif
