/* SPDX-License-Identifier: MIT */
/* What every command of vmctl has to work with. */
#ifndef DOM0_TOOLS_VMCTL_PROGRAM_H
#define DOM0_TOOLS_VMCTL_PROGRAM_H

#include "dom0-tools/vmctl/options.h"
#include "dom0-tools/vmctl/output.h"

#include <time.h>

struct program {
    struct vmctl *handle; /* NULL until program_open() */
    bool json;
    bool colours;
    struct json out; /* on stdout, one document */
    /* Progress, shown on stderr if that is a terminal and it takes long. */
    bool shows_progress;
    bool progress_shown;
    struct timespec started;
};

/* Connects, once. */
int program_open(struct program *program, struct vmctl_error *error);

/* program_open(), then the guest that is called `who`. */
int program_find(struct program *program, const char *who, uint32_t *domid,
                 struct vmctl_error *error);

/* A vmctl_progress_fn; `context` is the program. */
void program_progress(void *context, const char *step, int percent);
/* Take the line of progress off the terminal, before anything else is printed. */
void program_clear_progress(struct program *program);

unsigned int program_seconds(const struct program *program);

#endif
