/* SPDX-License-Identifier: MIT */
/* vmctl list, info, dumpxml, log. */
#include "dom0-tools/vmctl/commands.h"
#include "dom0-tools/vmctl/program.h"
#include "dom0-tools/vmctl/states.h"

#include "libvmctl/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* --- list ---------------------------------------------------------------------------- */

static bool names_only;

static const struct option_spec list_options[] = {
    { .name = "names", .help = "Print the names only, one a line.", .flag = &names_only },
    { .name = NULL },
};

/* `why` there are guests without names, if there are. */
static void list_as_json(struct json *out, const struct vmctl_guest *guests, size_t count,
                         const struct vmctl_error *why)
{
    size_t i;

    json_begin(out, NULL, '{');
    json_begin(out, "guests", '[');
    for (i = 0; i < count; i++) {
        json_begin(out, NULL, '{');
        json_guest(out, &guests[i]);
        json_end(out, '}');
    }
    json_end(out, ']');
    if (why->code != 0) {
        json_error(out, "error", why);
    }
    json_end(out, '}');
}

static void list_as_table(const struct program *program, const struct vmctl_guest *guests,
                          size_t count)
{
    char label[VMCTL_NAME_SIZE + 16];
    int width = 4;
    size_t i;

    for (i = 0; i < count; i++) {
        guest_label(&guests[i], label, sizeof(label));
        width = (int)strlen(label) > width ? (int)strlen(label) : width;
    }
    (void)printf("%s%5s  %-*s  %-15s %5s %10s %12s%s\n", colour_on(program->colours, COLOUR_BOLD),
                 "ID", width, "NAME", "STATE", "VCPUS", "MEMORY", "CPU TIME",
                 colour_off(program->colours));
    for (i = 0; i < count; i++) {
        const struct vmctl_guest *guest = &guests[i];
        char memory[32];

        guest_label(guest, label, sizeof(label));
        format_kib(guest->memory_kib, memory, sizeof(memory));
        (void)printf("%5u  ", guest->domid);
        put_safely(stdout, label);
        (void)printf("%*s  %s%-15s%s %5u %10s %10llu.%llu\n", width - (int)strlen(label), "",
                     colour_on(program->colours, state_colour(guest)), state_words(guest),
                     colour_off(program->colours), guest->vcpus_online, memory,
                     (unsigned long long)(guest->cpu_time_ns / 1000000000),
                     (unsigned long long)(guest->cpu_time_ns / 100000000 % 10));
    }
}

static int run_list(struct program *program, char **operands, size_t count,
                    struct vmctl_error *error)
{
    struct vmctl_guest *guests = NULL;
    size_t number = 0;
    size_t i;
    int r = program_open(program, error);

    (void)operands;
    (void)count;
    if (r == 0) {
        r = vmctl_list(program->handle, &guests, &number, error);
    }
    if (r < 0) {
        return r;
    }
    if (program->json) {
        list_as_json(&program->out, guests, number, error);
    } else if (names_only) {
        for (i = 0; i < number; i++) {
            if (guests[i].name[0] != '\0') {
                put_safely(stdout, guests[i].name);
                (void)fputc('\n', stdout);
            }
        }
    } else {
        list_as_table(program, guests, number);
    }
    if (error->code != 0 && !program->json) {
        put_error(stderr, error); /* why there are guests without names */
    }
    free(guests);
    return 0;
}

const struct command command_list = {
    .name = "list",
    .summary = "Show the guests, the control domain first.",
    .options = list_options,
    .run = run_list,
};

/* --- info ------------------------------------------------------------------------------ */

static void put_field(const char *name, const char *value)
{
    (void)printf("%-14s ", name);
    put_safely(stdout, value);
    (void)fputc('\n', stdout);
}

static void put_kib(const char *name, uint64_t kib)
{
    char text[32];

    format_kib(kib, text, sizeof(text));
    put_field(name, text);
}

static void host_as_json(struct json *out, const struct vmctl_host *host)
{
    json_begin(out, NULL, '{');
    json_text(out, "hypervisor", host->hypervisor);
    json_number(out, "version_major", host->version_major);
    json_number(out, "version_minor", host->version_minor);
    json_text(out, "version_extra", host->version_extra);
    json_text(out, "compiler", host->compiler);
    json_text(out, "capabilities", host->capabilities);
    json_text(out, "command_line", host->command_line);
    json_number(out, "cpus", host->cpus);
    json_number(out, "nodes", host->nodes);
    json_number(out, "cores_per_socket", host->cores_per_socket);
    json_number(out, "threads_per_core", host->threads_per_core);
    json_number(out, "cpu_khz", host->cpu_khz);
    json_number(out, "memory_kib", host->memory_kib);
    json_number(out, "memory_free_kib", host->memory_free_kib);
    json_end(out, '}');
}

static int info_host(struct program *program, struct vmctl_error *error)
{
    struct vmctl_host host = { .cpus = 0 };
    char text[128];
    int r = program_open(program, error);

    if (r == 0) {
        r = vmctl_host(program->handle, &host, error);
    }
    if (r < 0) {
        return r;
    }
    if (program->json) {
        host_as_json(&program->out, &host);
        return 0;
    }
    put_field("hypervisor", host.hypervisor);
    (void)snprintf(text, sizeof(text), "%u.%u%s", host.version_major, host.version_minor,
                   host.version_extra);
    put_field("interface", text);
    put_field("capabilities", host.capabilities);
    put_field("command line", host.command_line);
    (void)snprintf(text, sizeof(text), "%u of %u.%03u GHz", host.cpus, host.cpu_khz / 1000000,
                   host.cpu_khz / 1000 % 1000);
    put_field("CPUs", text);
    put_kib("memory", host.memory_kib);
    put_kib("free memory", host.memory_free_kib);
    return 0;
}

static void guest_as_json(struct json *out, const struct vmctl_guest *guest,
                          const struct vmctl_vcpu *vcpus, size_t count)
{
    size_t i;

    json_begin(out, NULL, '{');
    json_guest(out, guest);
    json_begin(out, "vcpus", '[');
    for (i = 0; i < count; i++) {
        json_begin(out, NULL, '{');
        json_number(out, "id", vcpus[i].id);
        json_bool(out, "online", vcpus[i].online);
        json_bool(out, "blocked", vcpus[i].blocked);
        json_bool(out, "running", vcpus[i].running);
        json_number(out, "cpu", vcpus[i].cpu);
        json_number(out, "cpu_time_ns", vcpus[i].cpu_time_ns);
        json_end(out, '}');
    }
    json_end(out, ']');
    json_end(out, '}');
}

static void put_guest(const struct program *program, const struct vmctl_guest *guest,
                      const struct vmctl_vcpu *vcpus, size_t count)
{
    char text[96];
    size_t i;

    guest_label(guest, text, sizeof(text));
    put_field("name", text);
    (void)printf("%-14s %u\n", "domain id", guest->domid);
    put_field("UUID", guest->uuid);
    (void)printf("%-14s %s%s%s\n", "state", colour_on(program->colours, state_colour(guest)),
                 state_words(guest), colour_off(program->colours));
    put_field("made by", guest->ours ? "vmctl" : "another toolstack, or the hypervisor");
    put_kib("memory", guest->memory_kib);
    put_kib("memory maximum", guest->memory_max_kib);
    if (guest->memory_target_kib != 0) {
        put_kib("memory target", guest->memory_target_kib);
    }
    (void)snprintf(text, sizeof(text), "%u of %u", guest->vcpus_online, guest->vcpus_max);
    put_field("vCPUs", text);
    for (i = 0; i < count; i++) {
        (void)snprintf(text, sizeof(text), "%s on CPU %u, %llu.%llu s",
                       !vcpus[i].online   ? "offline, last"
                       : vcpus[i].running ? "running"
                       : vcpus[i].blocked ? "idle, last"
                                          : "ready, last",
                       vcpus[i].cpu, (unsigned long long)(vcpus[i].cpu_time_ns / 1000000000),
                       (unsigned long long)(vcpus[i].cpu_time_ns / 100000000 % 10));
        (void)printf("  vCPU %-7u %s\n", vcpus[i].id, text);
    }
}

static int info_guest(struct program *program, const char *who, struct vmctl_error *error)
{
    struct vmctl_guest guest = { .domid = 0 };
    struct vmctl_vcpu *vcpus = NULL;
    size_t count = 0;
    uint32_t domid = 0;
    int r = program_find(program, who, &domid, error);

    if (r == 0) {
        r = vmctl_info(program->handle, domid, &guest, error);
    }
    if (r == 0) {
        r = vmctl_vcpus(program->handle, domid, &vcpus, &count, error);
    }
    if (r < 0) {
        return r;
    }
    if (program->json) {
        guest_as_json(&program->out, &guest, vcpus, count);
    } else {
        put_guest(program, &guest, vcpus, count);
    }
    free(vcpus);
    return 0;
}

static int run_info(struct program *program, char **operands, size_t count,
                    struct vmctl_error *error)
{
    return count == 0 ? info_host(program, error) : info_guest(program, operands[0], error);
}

const struct command command_info = {
    .name = "info",
    .operands = "[GUEST]",
    .most = 1,
    .completes = COMPLETES_GUESTS,
    .summary = "Show all about a guest or, without one, about the host.",
    .run = run_info,
};

/* --- dumpxml ------------------------------------------------------------------------------ */

static int run_dumpxml(struct program *program, char **operands, size_t count,
                       struct vmctl_error *error)
{
    char *xml = NULL;
    uint32_t domid = 0;
    int r = program_find(program, operands[0], &domid, error);

    (void)count;
    if (r == 0) {
        r = vmctl_dumpxml(program->handle, domid, &xml, error);
    }
    if (r < 0) {
        return r;
    }
    if (program->json) {
        json_begin(&program->out, NULL, '{');
        json_number(&program->out, "domid", domid);
        json_text(&program->out, "xml", xml);
        json_end(&program->out, '}');
    } else {
        (void)fputs(xml, stdout);
    }
    free(xml);
    return 0;
}

const struct command command_dumpxml = {
    .name = "dumpxml",
    .operands = "GUEST",
    .least = 1,
    .most = 1,
    .completes = COMPLETES_GUESTS,
    .summary = "Print a guest's description as it runs, every default written out.",
    .run = run_dumpxml,
};

/* --- log -------------------------------------------------------------------------------------- */

static bool follow;

static const struct option_spec log_options[] = {
    { .name = "follow", .letter = 'f', .help = "Go on with what comes later.", .flag = &follow },
    { .name = NULL },
};

static int run_log(struct program *program, char **operands, size_t count,
                   struct vmctl_error *error)
{
    const struct timespec pause = { .tv_nsec = 250000000 };
    uint32_t position = 0;
    int r = 0;

    (void)operands;
    (void)count;
    if (program->json && follow) {
        return vmctl_fail(error, -EINVAL, "--json and --follow do not go together");
    }
    r = program_open(program, error);
    while (r == 0) {
        size_t length = 0;
        char *text = NULL;

        r = vmctl_log(program->handle, &position, &text, &length, error);
        if (r == 0 && program->json) {
            json_begin(&program->out, NULL, '{');
            json_bytes(&program->out, "log", text, length);
            json_end(&program->out, '}');
        } else if (r == 0) {
            (void)fwrite(text, 1, length, stdout);
        }
        free(text);
        if (!follow || fflush(stdout) != 0) {
            break;
        }
        (void)nanosleep(&pause, NULL);
    }
    return r;
}

const struct command command_log = {
    .name = "log",
    .summary = "Print the hypervisor's log.",
    .options = log_options,
    .run = run_log,
};
