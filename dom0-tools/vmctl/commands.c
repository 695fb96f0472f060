/* SPDX-License-Identifier: MIT */
/* The table of commands: see commands.h. */
#include "dom0-tools/vmctl/commands.h"

const struct command *const commands[] = {
    &command_create,
    &command_list,
    &command_info,
    &command_console,
    &command_shutdown,
    &command_reboot,
    &command_destroy,
    &command_pause,
    &command_unpause,
    &command_rename,
    &command_set_memory,
    &command_set_vcpus,
    &command_attach_disk,
    &command_detach_disk,
    &command_attach_network,
    &command_detach_network,
    &command_check,
    &command_dumpxml,
    &command_top,
    &command_log,
    &command_version,
    &command_help,
    NULL,
};
