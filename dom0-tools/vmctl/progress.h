/* SPDX-License-Identifier: MIT */
/* One line on standard error that says what is being done, once that takes more than a second. */
#ifndef DOM0_TOOLS_VMCTL_PROGRESS_H
#define DOM0_TOOLS_VMCTL_PROGRESS_H

#include <stdbool.h>

/* From here on seconds count; `shown` on a terminal only. */
void progress_begin(bool shown);

/* A vmctl_progress_fn.  The line stays, and its seconds go on, until the next step. */
void progress_step(void *context, const char *step, int percent);

/* Take the line off the terminal, before anything else is printed. */
void progress_clear(void);

unsigned int progress_seconds(void);

#endif
