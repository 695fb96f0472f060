/* SPDX-License-Identifier: MIT */
/*
 * libvmctl without a hypervisor, for tests of the vmctl program on any machine.
 *
 * Two guests run here: web (1) and db (2).  What is asked of them is written to
 * the file that $FAKE_CALLS names.  $FAKE_FAIL names a function that fails, as
 * "vmctl_create:5" with the reason's number; $FAKE_SLOW makes things take long.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "libvmctl/console_client.h"
#include "libvmctl/error.h"
#include "libvmctl/guest_config.h"
#include "libvmctl/vmctl.h"

struct vmctl {
    vmctl_progress_fn *progress;
    void *context;
    vmctl_ready_fn *ready;
    void *ready_context;
    unsigned int looks;
};

static void called(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void called(const char *format, ...)
{
    const char *path = getenv("FAKE_CALLS");
    FILE *file = path == NULL ? NULL : fopen(path, "a");
    va_list words;

    if (file == NULL) {
        return;
    }
    va_start(words, format);
    (void)vfprintf(file, format, words);
    va_end(words);
    (void)fputc('\n', file);
    (void)fclose(file);
}

/* 0, or what the test wants `function` to fail with. */
static int result(const char *function, struct vmctl_error *error)
{
    const char *wanted = getenv("FAKE_FAIL");
    size_t length = strlen(function);

    if (wanted == NULL || strncmp(wanted, function, length) != 0 || wanted[length] != ':') {
        return 0;
    }
    (void)vmctl_fail(error, -EIO, "the test \"wants\" it");
    vmctl_error_reason(error, (enum vmctl_reason)strtol(wanted + length + 1, NULL, 10));
    vmctl_error_object(error, "thing \033[31m");
    vmctl_error_limit(error, "3 things");
    vmctl_error_holder(error, "guest 'db'");
    vmctl_error_remedy(error, "do not want it");
    return vmctl_context(error, -EIO, "%s", function);
}

const char *vmctl_version(void)
{
    return "9.9";
}

int vmctl_open(struct vmctl **handle, struct vmctl_error *error)
{
    int r = result("vmctl_open", error);

    *handle = r == 0 ? calloc(1, sizeof(**handle)) : NULL;
    return r;
}

void vmctl_close(struct vmctl *handle)
{
    free(handle);
}

void vmctl_set_progress(struct vmctl *handle, vmctl_progress_fn *function, void *context)
{
    handle->progress = function;
    handle->context = context;
}

void vmctl_set_ready(struct vmctl *handle, vmctl_ready_fn *function, void *context)
{
    handle->ready = function;
    handle->ready_context = context;
}

int vmctl_find(struct vmctl *handle, const char *who, uint32_t *domid, struct vmctl_error *error)
{
    (void)handle;
    if (strcmp(who, "web") == 0 || strcmp(who, "1") == 0) {
        *domid = 1;
    } else if (strcmp(who, "db") == 0 || strcmp(who, "2") == 0) {
        *domid = 2;
    } else {
        (void)vmctl_fail(error, -ENOENT, "there is no such guest");
        vmctl_error_object(error, "guest '%s'", who);
        return -ENOENT;
    }
    return 0;
}

static void fill(struct vmctl *handle, struct vmctl_guest *guest, uint32_t domid)
{
    static const char *const names[] = { "Domain-0", "web", "db", "" };

    memset(guest, 0, sizeof(*guest));
    guest->domid = domid;
    (void)snprintf(guest->name, sizeof(guest->name), "%s", names[domid]);
    (void)snprintf(guest->uuid, sizeof(guest->uuid), "00000000-0000-0000-0000-00000000000%u",
                   domid);
    guest->state = domid == 0 ? VMCTL_RUNNING : domid == 1 ? VMCTL_BLOCKED : VMCTL_SHUTDOWN;
    guest->shutdown_reason = domid < 2    ? VMCTL_SHUTDOWN_NONE
                             : domid == 2 ? VMCTL_SHUTDOWN_CRASH
                                          : VMCTL_SHUTDOWN_POWEROFF;
    guest->ours = domid == 1;
    guest->vcpus_online = domid + 1;
    guest->vcpus_max = 4;
    guest->memory_kib = 524288 * (domid + 1);
    guest->memory_max_kib = 4 << 20;
    guest->memory_target_kib = domid == 1 ? 1 << 20 : 0;
    guest->cpu_time_ns =
        UINT64_C(12345678901) * (domid + 1) + handle->looks * UINT64_C(250000000) * (domid == 1);
}

int vmctl_info(struct vmctl *handle, uint32_t domid, struct vmctl_guest *guest,
               struct vmctl_error *error)
{
    fill(handle, guest, domid);
    return result("vmctl_info", error);
}

int vmctl_list(struct vmctl *handle, struct vmctl_guest **guests, size_t *count,
               struct vmctl_error *error)
{
    int r = result("vmctl_list", error);

    if (r < 0) {
        return r;
    }
    *count = 4;
    *guests = calloc(*count, sizeof(**guests));
    for (uint32_t i = 0; *guests != NULL && i < *count; i++) {
        fill(handle, &(*guests)[i], i);
    }
    handle->looks++;
    if (getenv("FAKE_STORELESS") != NULL) {
        (void)vmctl_fail(error, -ENOENT, "no names");
    }
    return *guests == NULL ? -ENOMEM : 0;
}

int vmctl_vcpus(struct vmctl *handle, uint32_t domid, struct vmctl_vcpu **vcpus, size_t *count,
                struct vmctl_error *error)
{
    (void)handle;
    (void)error;
    *count = domid + 1;
    *vcpus = calloc(*count, sizeof(**vcpus));
    for (uint32_t i = 0; *vcpus != NULL && i < *count; i++) {
        (*vcpus)[i] = (struct vmctl_vcpu){
            .id = i, .online = i == 0, .running = domid == 0, .blocked = true, .cpu = i + 2
        };
    }
    return *vcpus == NULL ? -ENOMEM : 0;
}

int vmctl_create(struct vmctl *handle, const struct guest_config *config, unsigned int flags,
                 uint32_t *domid, struct vmctl_error *error)
{
    if (getenv("FAKE_SLOW") != NULL) {
        struct timespec left = { .tv_sec = 2 };

        handle->progress(handle->context, "setting up devices", -1);
        while (nanosleep(&left, &left) < 0) {
        }
        handle->progress(handle->context, "unpacking the kernel", 40);
    }
    called("create %s %u", config->name, flags);
    if (handle->ready != NULL) {
        int r = handle->ready(handle->ready_context, 7, error);

        if (r < 0) {
            return r;
        }
        called("whole");
    }
    *domid = 7;
    return result("vmctl_create", error);
}

static int act(const char *what, uint32_t domid, struct vmctl_error *error)
{
    char function[40];

    called("%s %u", what, domid);
    (void)snprintf(function, sizeof(function), "vmctl_%s", what);
    return result(function, error);
}

int vmctl_destroy(struct vmctl *handle, uint32_t domid, struct vmctl_error *error)
{
    (void)handle;
    return act("destroy", domid, error);
}

int vmctl_shutdown(struct vmctl *handle, uint32_t domid, struct vmctl_error *error)
{
    (void)handle;
    return act("shutdown", domid, error);
}

int vmctl_reboot(struct vmctl *handle, uint32_t domid, struct vmctl_error *error)
{
    (void)handle;
    return act("reboot", domid, error);
}

int vmctl_pause(struct vmctl *handle, uint32_t domid, struct vmctl_error *error)
{
    (void)handle;
    return act("pause", domid, error);
}

int vmctl_unpause(struct vmctl *handle, uint32_t domid, struct vmctl_error *error)
{
    (void)handle;
    return act("unpause", domid, error);
}

int vmctl_wait_ended(struct vmctl *handle, uint32_t domid, int timeout_ms,
                     struct vmctl_error *error)
{
    (void)handle;
    called("wait %u %d", domid, timeout_ms);
    if (getenv("FAKE_SLOW") == NULL) {
        return 0;
    }
    (void)usleep((unsigned int)timeout_ms * 1000);
    return vmctl_fail(error, -ETIMEDOUT, "still there");
}

int vmctl_rename(struct vmctl *handle, uint32_t domid, const char *name, struct vmctl_error *error)
{
    (void)handle;
    called("rename %u %s", domid, name);
    return result("vmctl_rename", error);
}

int vmctl_dumpxml(struct vmctl *handle, uint32_t domid, char **xml, struct vmctl_error *error)
{
    (void)handle;
    (void)error;
    *xml = strdup(domid == 1 ? "<domain type='xen'>\n</domain>\n" : "");
    return *xml == NULL ? -ENOMEM : 0;
}

int vmctl_set_memory(struct vmctl *handle, uint32_t domid, uint64_t kib, struct vmctl_error *error)
{
    (void)handle;
    called("set-memory %u %llu", domid, (unsigned long long)kib);
    return result("vmctl_set_memory", error);
}

int vmctl_set_vcpus(struct vmctl *handle, uint32_t domid, uint32_t count, struct vmctl_error *error)
{
    (void)handle;
    called("set-vcpus %u %u", domid, count);
    return result("vmctl_set_vcpus", error);
}

int vmctl_attach_disk(struct vmctl *handle, uint32_t domid, const struct vmctl_disk *disk,
                      struct vmctl_error *error)
{
    (void)handle;
    called("attach-disk %u %s %s%s", domid, disk->source,
           disk->target == NULL ? "(next)" : disk->target, disk->readonly ? " ro" : "");
    return result("vmctl_attach_disk", error);
}

int vmctl_detach_disk(struct vmctl *handle, uint32_t domid, const char *target,
                      struct vmctl_error *error)
{
    (void)handle;
    called("detach-disk %u %s", domid, target);
    return result("vmctl_detach_disk", error);
}

int vmctl_attach_network(struct vmctl *handle, uint32_t domid, const struct vmctl_network *network,
                         struct vmctl_error *error)
{
    (void)handle;
    called("attach-network %u %s %s %s %llu", domid, network->bridge,
           network->mac == NULL ? "(mac)" : network->mac,
           network->target == NULL ? "(name)" : network->target,
           (unsigned long long)network->rate_kib);
    return result("vmctl_attach_network", error);
}

int vmctl_detach_network(struct vmctl *handle, uint32_t domid, const char *which,
                         struct vmctl_error *error)
{
    (void)handle;
    called("detach-network %u %s", domid, which);
    return result("vmctl_detach_network", error);
}

int vmctl_host(struct vmctl *handle, struct vmctl_host *host, struct vmctl_error *error)
{
    (void)handle;
    *host = (struct vmctl_host){
        .hypervisor = "Paravane 9.9",
        .version_major = 4,
        .version_minor = 17,
        .version_extra = ".0",
        .capabilities = "xen-3.0-x86_64",
        .command_line = "console=com1",
        .cpus = 2,
        .cpu_khz = 2345678,
        .memory_kib = 1 << 20,
        .memory_free_kib = 300000,
    };
    return result("vmctl_host", error);
}

int vmctl_log(struct vmctl *handle, uint32_t *position, char **text, size_t *length,
              struct vmctl_error *error)
{
    static const char log[] = "(core) first line\n(core) \"second\" \x1b \xff\n";

    (void)handle;
    *length = *position == 0 ? sizeof(log) - 1 : 0;
    *text = malloc(sizeof(log));
    if (*text == NULL) {
        return -ENOMEM;
    }
    memcpy(*text, log, sizeof(log));
    *position = sizeof(log);
    return result("vmctl_log", error);
}

int console_attach(struct console *console, uint32_t domid, const struct console_options *options,
                   struct vmctl_error *error)
{
    called("console %u%s%s%s", domid, options->write ? " write" : "",
           options->take_over ? " take-over" : "", options->no_follow ? " dump" : "");
    console->domid = domid;
    if (getenv("FAKE_BUSY") != NULL && options->write && !options->take_over) {
        return vmctl_fail(error, -EBUSY, "process 99 types there");
    }
    return result("console_attach", error);
}

int console_run_terminal(struct console *console, int input, int output, enum console_end *end,
                         struct vmctl_error *error)
{
    (void)error;
    (void)input;
    (void)dprintf(output, "login on %u: ", console->domid);
    *end = CONSOLE_END_GUEST;
    return 0;
}

void console_detach(struct console *console)
{
    (void)console;
}
