/* SPDX-License-Identifier: MIT */
/* Every command of vmctl; commands.c lists them in the order of the help. */
#ifndef DOM0_TOOLS_VMCTL_COMMANDS_H
#define DOM0_TOOLS_VMCTL_COMMANDS_H

#include "dom0-tools/vmctl/options.h"

/* cmd_create.c */
extern const struct command command_create;
extern const struct command command_check;
/* cmd_life.c */
extern const struct command command_destroy;
extern const struct command command_shutdown;
extern const struct command command_reboot;
extern const struct command command_pause;
extern const struct command command_unpause;
/* cmd_show.c */
extern const struct command command_list;
extern const struct command command_info;
extern const struct command command_dumpxml;
extern const struct command command_log;
/* cmd_top.c */
extern const struct command command_top;
/* cmd_console.c */
extern const struct command command_console;
/* cmd_change.c */
extern const struct command command_rename;
extern const struct command command_set_memory;
extern const struct command command_set_vcpus;
extern const struct command command_attach_disk;
extern const struct command command_detach_disk;
extern const struct command command_attach_network;
extern const struct command command_detach_network;
/* cmd_help.c */
extern const struct command command_help;
extern const struct command command_version;

#endif
