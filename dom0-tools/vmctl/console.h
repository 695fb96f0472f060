/* SPDX-License-Identifier: MIT */
/* Viewing a guest's console, for `vmctl console` and `vmctl create --console`. */
#ifndef DOM0_TOOLS_VMCTL_CONSOLE_H
#define DOM0_TOOLS_VMCTL_CONSOLE_H

#include "libvmctl/console_client.h"

int console_open(struct console *console, uint32_t domid, struct vmctl_error *error);
/* Until the escape key is struck or the guest is gone; then it is detached. */
int console_view(struct console *console, struct vmctl_error *error);

#endif
