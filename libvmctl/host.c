/* SPDX-License-Identifier: MIT */
/* The machine and its hypervisor. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest-pv-headers/version.h"
#include "libvmctl/domain.h"
#include "libvmctl/handle.h"

#define LOG_CHUNK (16u << 10)
#define LOG_LIMIT (4u << 20)

/* xen_version(command), whose answer is a structure. */
static long version(struct vmctl *handle, unsigned int command, void *answer, size_t size)
{
    struct privcmd *privcmd = &handle->privcmd;
    const uint64_t arguments[5] = { command, (uint64_t)(uintptr_t)privcmd->scratch };

    return privcmd_call_with(privcmd, __HYPERVISOR_xen_version, arguments, answer, size);
}

/* A text answer, cut to fit. */
static void version_text(struct vmctl *handle, unsigned int command, char *to, size_t size)
{
    char text[1024] = "";

    if (version(handle, command, text, sizeof(text)) >= 0) {
        text[sizeof(text) - 1] = '\0';
        (void)snprintf(to, size, "%s", text);
    }
}

static void ask_versions(struct vmctl *handle, struct vmctl_host *host)
{
    const uint64_t arguments[5] = { XENVER_version };
    struct xen_compile_info compile = { .compiler = "" };
    long number = privcmd_hypercall(&handle->privcmd, __HYPERVISOR_xen_version, arguments);

    if (number >= 0) {
        host->version_major = (uint32_t)number >> 16;
        host->version_minor = (uint32_t)number & 0xffff;
    }
    version_text(handle, XENVER_extraversion, host->version_extra, sizeof(host->version_extra));
    version_text(handle, XENVER_capabilities, host->capabilities, sizeof(host->capabilities));
    version_text(handle, XENVER_commandline, host->command_line, sizeof(host->command_line));
    if (version(handle, XENVER_compile_info, &compile, sizeof(compile)) >= 0) {
        (void)snprintf(host->compiler, sizeof(host->compiler), "%.*s",
                       (int)strnlen((const char *)compile.compiler, sizeof(compile.compiler)),
                       (const char *)compile.compiler);
    }
    (void)snprintf(host->hypervisor, sizeof(host->hypervisor), "%s",
                   strstr(host->version_extra, "paravane") != NULL ||
                           strstr(host->version_extra, "Paravane") != NULL
                       ? "Paravane"
                       : "Xen");
}

int vmctl_host(struct vmctl *handle, struct vmctl_host *host, struct vmctl_error *error)
{
    struct xen_sysctl_physinfo info;
    int r = domain_physinfo(&handle->privcmd, &info, error);

    if (r < 0) {
        return r;
    }
    *host = (struct vmctl_host){
        .cpus = info.nr_cpus,
        .nodes = info.nr_nodes,
        .cores_per_socket = info.cores_per_socket,
        .threads_per_core = info.threads_per_core,
        .cpu_khz = info.cpu_khz,
        .memory_kib = info.total_pages * 4,
        .memory_free_kib = (info.free_pages + info.scrub_pages) * 4,
    };
    ask_versions(handle, host);
    return 0;
}

/* Append what the hypervisor gives at a time; how much, or a negative errno. */
static int read_log(struct vmctl *handle, char *buffer, uint32_t *position,
                    struct vmctl_error *error)
{
    struct xen_sysctl request = {
        .cmd = XEN_SYSCTL_readconsole,
        .u.readconsole = {
            .incremental = 1,
            .index = *position,
            .buffer = buffer,
            .count = LOG_CHUNK,
        },
    };
    int r = privcmd_sysctl(&handle->privcmd, &request);

    if (r < 0) {
        return vmctl_fail(error, r, "reading the hypervisor's log: %s", strerror(-r));
    }
    *position = request.u.readconsole.index;
    return request.u.readconsole.count < LOG_CHUNK ? (int)request.u.readconsole.count
                                                   : (int)LOG_CHUNK;
}

int vmctl_log(struct vmctl *handle, uint32_t *position, char **text, size_t *length,
              struct vmctl_error *error)
{
    char *buffer = privcmd_buffer(&handle->privcmd, LOG_CHUNK);
    char *made = NULL;
    size_t used = 0;
    int r = buffer != NULL ? 1 : vmctl_fail(error, -ENOMEM, "no memory for hypercalls");

    while (r > 0 && used < LOG_LIMIT) {
        r = read_log(handle, buffer, position, error);
        if (r >= 0) {
            char *grown = realloc(made, used + (size_t)r + 1);

            if (grown == NULL) {
                r = vmctl_fail(error, -ENOMEM, "no memory for the hypervisor's log");
            } else {
                memcpy(grown + used, buffer, (size_t)r); /* NOLINT: there is a buffer */
                made = grown;
                used += (size_t)r;
            }
        }
    }
    privcmd_buffer_free(&handle->privcmd, buffer, LOG_CHUNK);
    if (r < 0) {
        free(made);
        return r;
    }
    *text = made;
    *length = used;
    return 0;
}
