/* SPDX-License-Identifier: MIT */
/* The hypervisor's own log, in a file and for viewers like a guest's console. */
#ifndef DOM0_TOOLS_CONSOLE_HYPERVISOR_LOG_H
#define DOM0_TOOLS_CONSOLE_HYPERVISOR_LOG_H

#include "dom0-tools/console/guest.h"

struct hypervisor_log {
    struct stream stream; /* first */
    struct consoles *consoles;
    struct transcript transcript; /* its index is the hypervisor's count of bytes */
    struct timer timer;
    char *buffer; /* what the hypervisor fills; NULL: not open */
};

int hypervisor_log_open(struct hypervisor_log *log, struct consoles *consoles,
                        struct vmctl_error *error);
void hypervisor_log_close(struct hypervisor_log *log);

#endif
