/* SPDX-License-Identifier: MIT */
/* The supervisor's work on guests, through libvmctl: what the overseer ordered. */
#ifndef DOM0_TOOLS_SUPERVISOR_ACTIONS_H
#define DOM0_TOOLS_SUPERVISOR_ACTIONS_H

#include "dom0-tools/supervisor/overseer.h"
#include "libvmctl/vmctl.h"

/*
 * Do `job` with a handle of the caller's thread and fill in what came of it.
 * What was begun by a run that was killed is carried to its end.
 */
void action_run(struct vmctl *handle, struct job *job);

#endif
