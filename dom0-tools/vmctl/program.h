/* SPDX-License-Identifier: MIT */
/* What every command of vmctl has to work with. */
#ifndef DOM0_TOOLS_VMCTL_PROGRAM_H
#define DOM0_TOOLS_VMCTL_PROGRAM_H

#include "dom0-tools/vmctl/options.h"
#include "dom0-tools/vmctl/output.h"
#include "dom0-tools/vmctl/progress.h"

struct program {
    struct vmctl *handle; /* NULL until program_open() */
    bool json;
    bool colours;
    struct json out; /* on stdout, one document */
};

/* Connects, once. */
int program_open(struct program *program, struct vmctl_error *error);

/* program_open(), then the guest that is called `who`. */
int program_find(struct program *program, const char *who, uint32_t *domid,
                 struct vmctl_error *error);

#endif
