/* SPDX-License-Identifier: MIT */
/* vmctl destroy, shutdown, reboot, pause, unpause: one guest or several. */
#include "dom0-tools/vmctl/commands.h"
#include "dom0-tools/vmctl/program.h"

#include "libvmctl/error.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

typedef int act_fn(struct program *program, uint32_t domid, struct vmctl_error *error);

struct outcome {
    uint32_t domid;
    int result;
    struct vmctl_error error;
};

static void act_on(struct program *program, const char *who, act_fn *act, struct outcome *outcome)
{
    outcome->result = program_find(program, who, &outcome->domid, &outcome->error);
    if (outcome->result == 0) {
        outcome->result = act(program, outcome->domid, &outcome->error);
    }
    progress_clear();
}

static void tell(struct program *program, const char *who, const struct outcome *outcome)
{
    struct json *out = &program->out;

    if (program->json) {
        json_begin(out, NULL, '{');
        json_text(out, "guest", who);
        if (outcome->result == 0) {
            json_number(out, "domid", outcome->domid);
        } else {
            json_error(out, "error", &outcome->error);
        }
        json_end(out, '}');
    } else if (outcome->result < 0) {
        put_error(stderr, &outcome->error);
    }
}

/*
 * `act` on all of them, then `after` (may be NULL) on each, even if one fails;
 * the first failure is the command's.
 */
static int act_on_each(struct program *program, char **operands, size_t count, act_fn *act,
                       act_fn *after, struct vmctl_error *error)
{
    struct outcome *outcomes = calloc(count, sizeof(*outcomes));
    int result = 0;

    if (outcomes == NULL) {
        return vmctl_fail(error, -ENOMEM, "no memory for %zu guests", count);
    }
    for (size_t i = 0; i < count; i++) {
        act_on(program, operands[i], act, &outcomes[i]);
    }
    if (program->json) {
        json_begin(&program->out, NULL, '{');
        json_begin(&program->out, "results", '[');
    }
    for (size_t i = 0; i < count; i++) {
        struct outcome *outcome = &outcomes[i];

        if (after != NULL && outcome->result == 0) {
            outcome->result = after(program, outcome->domid, &outcome->error);
            progress_clear();
        }
        tell(program, operands[i], outcome);
        if (outcome->result < 0 && result == 0) {
            result = outcome->result;
            *error = outcome->error;
            error->message[0] = '\0'; /* it has been told */
        }
    }
    if (program->json) {
        json_end(&program->out, ']');
        json_end(&program->out, '}');
    }
    free(outcomes);
    return result;
}

static int act_destroy(struct program *program, uint32_t domid, struct vmctl_error *error)
{
    return vmctl_destroy(program->handle, domid, error);
}

static int run_destroy(struct program *program, char **operands, size_t count,
                       struct vmctl_error *error)
{
    return act_on_each(program, operands, count, act_destroy, NULL, error);
}

const struct command command_destroy = {
    .name = "destroy",
    .operands = "GUEST...",
    .least = 1,
    .most = OPERANDS_MANY,
    .completes = COMPLETES_GUESTS,
    .summary = "End a guest at once, as if its power failed.",
    .details = "The guest is not asked; what it has not written to its disks is lost.",
    .run = run_destroy,
};

/* --- shutdown, reboot --------------------------------------------------------------- */

static bool wait;
static uint64_t timeout = 300;

static const struct option_spec wait_options[] = {
    { .name = "wait",
      .letter = 'w',
      .help = "Return when the guest has ended, not when it has been asked.",
      .flag = &wait },
    { .name = "timeout",
      .argument = "SECONDS",
      .help = "Wait no longer than this; default 300.",
      .number = &timeout },
    { .name = NULL },
};

/* Several are waited for together: the time counts from the command's beginning. */
static int wait_ended(struct program *program, uint32_t domid, struct vmctl_error *error)
{
    int limit = timeout < INT_MAX / 1000 ? (int)timeout * 1000 : INT_MAX;
    int gone = (int)progress_seconds() * 1000;
    int r;

    progress_step(NULL, "waiting for the guest to end", -1);
    r = vmctl_wait_ended(program->handle, domid, limit > gone ? limit - gone : 0, error);
    if (r != -ETIMEDOUT) {
        return r;
    }
    (void)vmctl_fail(error, r, "it has not ended within %d s", limit / 1000);
    vmctl_error_remedy(error, "'vmctl destroy' ends a guest without asking it");
    return vmctl_context(error, r, "shut down guest %u", domid);
}

static int act_shutdown(struct program *program, uint32_t domid, struct vmctl_error *error)
{
    return vmctl_shutdown(program->handle, domid, error);
}

static int run_shutdown(struct program *program, char **operands, size_t count,
                        struct vmctl_error *error)
{
    return act_on_each(program, operands, count, act_shutdown, wait ? wait_ended : NULL, error);
}

const struct command command_shutdown = {
    .name = "shutdown",
    .operands = "GUEST...",
    .least = 1,
    .most = OPERANDS_MANY,
    .completes = COMPLETES_GUESTS,
    .summary = "Ask a guest to shut down.",
    .options = wait_options,
    .run = run_shutdown,
};

static int act_reboot(struct program *program, uint32_t domid, struct vmctl_error *error)
{
    return vmctl_reboot(program->handle, domid, error);
}

static int run_reboot(struct program *program, char **operands, size_t count,
                      struct vmctl_error *error)
{
    return act_on_each(program, operands, count, act_reboot, NULL, error);
}

const struct command command_reboot = {
    .name = "reboot",
    .operands = "GUEST...",
    .least = 1,
    .most = OPERANDS_MANY,
    .completes = COMPLETES_GUESTS,
    .summary = "Ask a guest to restart.",
    .details = "What follows is what its description says in <on_reboot>.",
    .run = run_reboot,
};

/* --- pause, unpause ------------------------------------------------------------------- */

static int act_pause(struct program *program, uint32_t domid, struct vmctl_error *error)
{
    return vmctl_pause(program->handle, domid, error);
}

static int run_pause(struct program *program, char **operands, size_t count,
                     struct vmctl_error *error)
{
    return act_on_each(program, operands, count, act_pause, NULL, error);
}

const struct command command_pause = {
    .name = "pause",
    .operands = "GUEST...",
    .least = 1,
    .most = OPERANDS_MANY,
    .completes = COMPLETES_GUESTS,
    .summary = "Stop a guest's vCPUs.",
    .run = run_pause,
};

static int act_unpause(struct program *program, uint32_t domid, struct vmctl_error *error)
{
    return vmctl_unpause(program->handle, domid, error);
}

static int run_unpause(struct program *program, char **operands, size_t count,
                       struct vmctl_error *error)
{
    return act_on_each(program, operands, count, act_unpause, NULL, error);
}

const struct command command_unpause = {
    .name = "unpause",
    .operands = "GUEST...",
    .least = 1,
    .most = OPERANDS_MANY,
    .completes = COMPLETES_GUESTS,
    .summary = "Let a paused guest go on.",
    .run = run_unpause,
};
