/* SPDX-License-Identifier: MIT */
/* Help, the man page and shell completion, made from the tables of options.h. */
#ifndef DOM0_TOOLS_VMCTL_HELP_H
#define DOM0_TOOLS_VMCTL_HELP_H

#include "dom0-tools/vmctl/options.h"

#include <stdio.h>

/* Of one command, or of all for NULL. */
void help_command(FILE *file, const struct command *command);
void help_man(FILE *file);
void help_completion(FILE *file);

#endif
