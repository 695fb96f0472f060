/* SPDX-License-Identifier: MIT */
/* vmctl rename, set-*, attach-*, detach-*: changes to a running guest. */
#include "dom0-tools/vmctl/commands.h"
#include "dom0-tools/vmctl/program.h"

#include "libvmctl/config_values.h"

#include <stdio.h>

/* Nothing to say but that it was done. */
static int done(struct program *program, int r, const char *who, uint32_t domid)
{
    progress_clear();
    if (r == 0 && program->json) {
        json_begin(&program->out, NULL, '{');
        json_text(&program->out, "guest", who);
        json_number(&program->out, "domid", domid);
        json_end(&program->out, '}');
    }
    return r;
}

static int run_rename(struct program *program, char **operands, size_t count,
                      struct vmctl_error *error)
{
    uint32_t domid = 0;
    int r = program_find(program, operands[0], &domid, error);

    (void)count;
    if (r == 0) {
        r = vmctl_rename(program->handle, domid, operands[1], error);
    }
    return done(program, r, operands[1], domid);
}

const struct command command_rename = {
    .name = "rename",
    .operands = "GUEST NAME",
    .least = 2,
    .most = 2,
    .completes = COMPLETES_GUESTS,
    .summary = "Give a guest another name.",
    .run = run_rename,
};

static int run_set_memory(struct program *program, char **operands, size_t count,
                          struct vmctl_error *error)
{
    uint64_t kib = 0;
    uint32_t domid = 0;
    int r = size_parse(operands[1], &kib, error);

    (void)count;
    if (r == 0) {
        r = program_find(program, operands[0], &domid, error);
    }
    if (r == 0) {
        r = vmctl_set_memory(program->handle, domid, kib, error);
    }
    return done(program, r, operands[0], domid);
}

const struct command command_set_memory = {
    .name = "set-memory",
    .operands = "GUEST SIZE",
    .least = 2,
    .most = 2,
    .completes = COMPLETES_GUESTS,
    .summary = "Ask a guest to use so much memory, such as 512M.",
    .details = "It may be anything up to the maximum in its description. The guest's balloon "
               "driver does it, in its own time.",
    .run = run_set_memory,
};

static int run_set_vcpus(struct program *program, char **operands, size_t count,
                         struct vmctl_error *error)
{
    int64_t vcpus = 0;
    uint32_t domid = 0;
    int r = value_number(operands[1], 1, GUEST_VCPUS_MAX, &vcpus, error);

    (void)count;
    if (r == 0) {
        r = program_find(program, operands[0], &domid, error);
    }
    if (r == 0) {
        r = vmctl_set_vcpus(program->handle, domid, (uint32_t)vcpus, error);
    }
    return done(program, r, operands[0], domid);
}

const struct command command_set_vcpus = {
    .name = "set-vcpus",
    .operands = "GUEST COUNT",
    .least = 2,
    .most = 2,
    .completes = COMPLETES_GUESTS,
    .summary = "Ask a guest to use so many of its vCPUs.",
    .run = run_set_vcpus,
};

/* --- disks --------------------------------------------------------------------------- */

static bool readonly;

static const struct option_spec disk_options[] = {
    { .name = "readonly",
      .letter = 'r',
      .help = "The guest can read, but not write.",
      .flag = &readonly },
    { .name = NULL },
};

static int run_attach_disk(struct program *program, char **operands, size_t count,
                           struct vmctl_error *error)
{
    struct vmctl_disk disk = {
        .source = operands[1],
        .target = count > 2 ? operands[2] : NULL,
        .readonly = readonly,
    };
    uint32_t domid = 0;
    int r = program_find(program, operands[0], &domid, error);

    if (r == 0) {
        r = vmctl_attach_disk(program->handle, domid, &disk, error);
    }
    return done(program, r, operands[0], domid);
}

const struct command command_attach_disk = {
    .name = "attach-disk",
    .operands = "GUEST PATH [TARGET]",
    .least = 2,
    .most = 3,
    .completes = COMPLETES_GUESTS,
    .summary = "Give a running guest a disk: a raw image or a block device.",
    .details = "TARGET is its name in the guest, such as xvdb; without one it is the next that is "
               "free.",
    .options = disk_options,
    .run = run_attach_disk,
};

static int run_detach_disk(struct program *program, char **operands, size_t count,
                           struct vmctl_error *error)
{
    uint32_t domid = 0;
    int r = program_find(program, operands[0], &domid, error);

    (void)count;
    if (r == 0) {
        r = vmctl_detach_disk(program->handle, domid, operands[1], error);
    }
    return done(program, r, operands[0], domid);
}

const struct command command_detach_disk = {
    .name = "detach-disk",
    .operands = "GUEST TARGET",
    .least = 2,
    .most = 2,
    .completes = COMPLETES_GUESTS,
    .summary = "Take a disk away from a running guest.",
    .details = "TARGET is its name in the guest, or the path of its source.",
    .run = run_detach_disk,
};

/* --- network cards ----------------------------------------------------------------------- */

static const char *mac;
static const char *interface;
static uint64_t rate;

static const struct option_spec network_options[] = {
    { .name = "mac",
      .argument = "ADDRESS",
      .help = "MAC address; made up if it is not given.",
      .text = &mac },
    { .name = "name",
      .argument = "INTERFACE",
      .help = "Name of the interface in the control domain; default vifN.M.",
      .text = &interface },
    { .name = "rate",
      .argument = "KIB",
      .help = "The guest may send so many KiB a second.",
      .number = &rate },
    { .name = NULL },
};

static int run_attach_network(struct program *program, char **operands, size_t count,
                              struct vmctl_error *error)
{
    struct vmctl_network network = {
        .bridge = operands[1],
        .mac = mac,
        .target = interface,
        .rate_kib = rate,
    };
    uint32_t domid = 0;
    int r = program_find(program, operands[0], &domid, error);

    (void)count;
    if (r == 0) {
        r = vmctl_attach_network(program->handle, domid, &network, error);
    }
    return done(program, r, operands[0], domid);
}

const struct command command_attach_network = {
    .name = "attach-network",
    .operands = "GUEST BRIDGE",
    .least = 2,
    .most = 2,
    .completes = COMPLETES_GUESTS,
    .summary = "Give a running guest a network card on a bridge.",
    .options = network_options,
    .run = run_attach_network,
};

static int run_detach_network(struct program *program, char **operands, size_t count,
                              struct vmctl_error *error)
{
    uint32_t domid = 0;
    int r = program_find(program, operands[0], &domid, error);

    (void)count;
    if (r == 0) {
        r = vmctl_detach_network(program->handle, domid, operands[1], error);
    }
    return done(program, r, operands[0], domid);
}

const struct command command_detach_network = {
    .name = "detach-network",
    .operands = "GUEST CARD",
    .least = 2,
    .most = 2,
    .completes = COMPLETES_GUESTS,
    .summary = "Take a network card away from a running guest.",
    .details = "CARD is its MAC address, or its number.",
    .run = run_detach_network,
};
