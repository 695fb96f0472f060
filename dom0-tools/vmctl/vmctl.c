/* SPDX-License-Identifier: MIT */
/*
 * vmctl: guests, from the command line.
 *
 * Each command is a row of `commands` and a function in a cmd_*.c.  Commands
 * print what they have to say and return; errors are printed here, and only
 * here, so that they look the same everywhere.
 */
#include "dom0-tools/vmctl/commands.h"
#include "dom0-tools/vmctl/help.h"
#include "dom0-tools/vmctl/program.h"

#include "libvmctl/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool json;
static bool help;
static bool version;
static const char *colour_choice = "auto";

const struct option_spec global_options[] = {
    { .name = "json",
      .letter = 'j',
      .help = "Print one JSON document instead of text.",
      .flag = &json },
    { .name = "color",
      .argument = "WHEN",
      .help = "Colours: auto (on a terminal), always or never.",
      .text = &colour_choice },
    { .name = "help", .letter = 'h', .help = "Show what a command does.", .flag = &help },
    { .name = "version", .letter = 'V', .help = "Show the version.", .flag = &version },
    { .name = NULL },
};

int program_open(struct program *program, struct vmctl_error *error)
{
    int r;

    if (program->handle != NULL) {
        return 0;
    }
    r = vmctl_open(&program->handle, error);
    if (r == 0) {
        vmctl_set_progress(program->handle, progress_step, NULL);
    }
    return r;
}

int program_find(struct program *program, const char *who, uint32_t *domid,
                 struct vmctl_error *error)
{
    int r = program_open(program, error);

    return r < 0 ? r : vmctl_find(program->handle, who, domid, error);
}

static int set_up(struct program *program, struct vmctl_error *error)
{
    const char *terminal = getenv("TERM");
    const char *none = getenv("NO_COLOR");
    bool able = terminal != NULL && strcmp(terminal, "dumb") != 0;

    progress_begin(able && !json && isatty(STDERR_FILENO) == 1);
    program->json = json;
    program->out.file = stdout;
    if (strcmp(colour_choice, "always") == 0) {
        program->colours = true;
    } else if (strcmp(colour_choice, "auto") == 0) {
        program->colours = able && (none == NULL || none[0] == '\0') && isatty(STDOUT_FILENO) == 1;
    } else if (strcmp(colour_choice, "never") != 0) {
        return vmctl_fail(error, -EINVAL, "--color: '%.20s': expected auto, always or never",
                          colour_choice);
    }
    return 0;
}

static int run(int argc, char **argv, struct program *program, struct vmctl_error *error)
{
    struct parsed parsed;
    int r = options_parse(argc, argv, &parsed, error);

    if (r == 0) {
        r = set_up(program, error);
    }
    if (r < 0) {
        program->json = json;
        return r;
    }
    if (help) {
        help_command(stdout, parsed.command);
        return 0;
    }
    if (version) {
        return command_version.run(program, NULL, 0, error);
    }
    if (parsed.command == NULL) {
        r = vmctl_fail(error, -EINVAL, "which command?");
        vmctl_error_remedy(error, "see 'vmctl help'");
        return r;
    }
    r = operands_check(&parsed, error);
    return r < 0 ? r : parsed.command->run(program, parsed.operands, parsed.count, error);
}

/* A command that has begun its document reports its errors inside of it. */
static void report(struct program *program, const struct vmctl_error *error)
{
    if (!program->json) {
        (void)fflush(stdout);
        put_error(stderr, error);
        return;
    }
    if (program->out.depth > 0 || program->out.follows) {
        return;
    }
    program->out.file = stdout;
    json_begin(&program->out, NULL, '{');
    json_error(&program->out, "error", error);
    json_end(&program->out, '}');
}

int main(int argc, char **argv)
{
    struct program program = { .handle = NULL };
    struct vmctl_error error = { .code = 0 };
    int r = run(argc, argv, &program, &error);

    progress_clear();
    if (r < 0) {
        if (error.code == 0) {
            (void)vmctl_fail(&error, r, "%s", strerror(-r));
        }
        if (error.message[0] != '\0') {
            report(&program, &error);
        }
    }
    vmctl_close(program.handle);
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        if (!program.json) {
            (void)fprintf(stderr, "vmctl: cannot write: %s\n", strerror(errno));
        }
        return r < 0 ? exit_code(&error) : VMCTL_IO;
    }
    return r < 0 ? exit_code(&error) : 0;
}
