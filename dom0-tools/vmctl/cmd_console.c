/* SPDX-License-Identifier: MIT */
/* vmctl console: a guest's console, by way of the console daemon. */
#include "dom0-tools/vmctl/commands.h"
#include "dom0-tools/vmctl/console.h"
#include "dom0-tools/vmctl/program.h"

#include "libvmctl/console_client.h"
#include "libvmctl/error.h"

#include <errno.h>
#include <unistd.h>

static bool watch;
static bool take_over;
static bool dump;

static const struct option_spec console_options[] = {
    { .name = "watch",
      .letter = 'w',
      .help = "Only look; one viewer at a time can type, but any number can watch.",
      .flag = &watch },
    { .name = "take-over",
      .help = "Type, even if another viewer does; that one only watches from then on.",
      .flag = &take_over },
    { .name = "dump", .help = "Print what there is already, and end.", .flag = &dump },
    { .name = NULL },
};

static void tell_end(enum console_end end)
{
    switch (end) {
    case CONSOLE_END_ESCAPE:
        (void)fputs("\n", stderr);
        break;
    case CONSOLE_END_GUEST:
        (void)fputs(dump ? "" : "\nvmctl: the guest is gone\n", stderr);
        break;
    case CONSOLE_END_SIGNAL:
    case CONSOLE_END_OUTPUT:
        break;
    }
}

int console_open(struct console *console, uint32_t domid, struct vmctl_error *error)
{
    const struct console_options options = {
        .write = !watch && !dump,
        .take_over = take_over,
        .no_follow = dump,
        .history = CONSOLE_HISTORY,
    };
    int r;

    *console = CONSOLE_DETACHED;
    r = console_attach(console, domid, &options, error);
    if (r == -EBUSY) {
        vmctl_error_remedy(error, "--watch only looks, --take-over types instead of it");
    }
    return r;
}

int console_view(struct console *console, struct vmctl_error *error)
{
    enum console_end end = CONSOLE_END_SIGNAL;
    int input = watch || dump ? -1 : STDIN_FILENO;
    int r = console_run_terminal(console, input, STDOUT_FILENO, &end, error);

    console_detach(console);
    if (r == 0) {
        tell_end(end);
    } else {
        (void)fputs("\n", stderr); /* the guest's line may not have ended */
    }
    return r;
}

static int run_console(struct program *program, char **operands, size_t count,
                       struct vmctl_error *error)
{
    struct console console;
    uint32_t domid = 0;
    int r;

    (void)count;
    if (program->json) {
        return vmctl_fail(error, -EINVAL, "--json: a console's bytes are no JSON document");
    }
    if (watch && take_over) {
        return vmctl_fail(error, -EINVAL, "--watch and --take-over do not go together");
    }
    r = program_find(program, operands[0], &domid, error);
    r = r < 0 ? r : console_open(&console, domid, error);
    return r < 0 ? r : console_view(&console, error);
}

const struct command command_console = {
    .name = "console",
    .operands = "GUEST",
    .least = 1,
    .most = 1,
    .completes = COMPLETES_GUESTS,
    .summary = "Show a guest's console; control-] leaves it.",
    .details = "What the guest printed before is shown first.",
    .options = console_options,
    .run = run_console,
};
