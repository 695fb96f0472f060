/* SPDX-License-Identifier: MIT */
/* vmctl help, vmctl version. */
#include "dom0-tools/vmctl/commands.h"
#include "dom0-tools/vmctl/help.h"
#include "dom0-tools/vmctl/program.h"

static bool man;
static bool completion;

static const struct option_spec help_options[] = {
    { .name = "man", .help = "Print the man page.", .flag = &man },
    { .name = "completion", .help = "Print the completion for bash.", .flag = &completion },
    { .name = NULL },
};

static int run_help(struct program *program, char **operands, size_t count,
                    struct vmctl_error *error)
{
    const struct command *command = count == 0 ? NULL : command_find(operands[0]);

    (void)program;
    if (count > 0 && command == NULL) {
        return command_unknown(operands[0], error);
    }
    if (man) {
        help_man(stdout);
    } else if (completion) {
        help_completion(stdout);
    } else {
        help_command(stdout, command);
    }
    return 0;
}

const struct command command_help = {
    .name = "help",
    .operands = "[COMMAND]",
    .most = 1,
    .completes = COMPLETES_COMMANDS,
    .summary = "Show the commands, or what one of them does.",
    .options = help_options,
    .run = run_help,
};

static int run_version(struct program *program, char **operands, size_t count,
                       struct vmctl_error *error)
{
    struct vmctl_host host = { .cpus = 0 };
    bool connected;

    (void)operands;
    (void)count;
    /* Away from a host there is still a version to tell: no error then. */
    connected = program_open(program, error) == 0 && vmctl_host(program->handle, &host, error) == 0;
    if (program->json) {
        json_begin(&program->out, NULL, '{');
        json_text(&program->out, "vmctl", vmctl_version());
        json_text(&program->out, "hypervisor", connected ? host.hypervisor : NULL);
        if (connected) {
            json_number(&program->out, "interface_major", host.version_major);
            json_number(&program->out, "interface_minor", host.version_minor);
        }
        json_end(&program->out, '}');
        return 0;
    }
    (void)printf("vmctl %s\n", vmctl_version());
    if (connected) {
        (void)printf("hypervisor %s, interface %u.%u%s\n", host.hypervisor, host.version_major,
                     host.version_minor, host.version_extra);
    } else {
        (void)printf("hypervisor: none here\n");
    }
    return 0;
}

const struct command command_version = {
    .name = "version",
    .summary = "Show the version of vmctl and of the hypervisor.",
    .run = run_version,
};
