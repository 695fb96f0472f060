/* SPDX-License-Identifier: MIT */
/* What dom0's kernel must offer: see prepare.h. */
#include "dom0-tools/daemons/prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dom0-tools/daemons/report.h"

static const struct module {
    const char *name;
    const char *proof; /* that it is there, built in or loaded */
    const char *without;
} modules[] = {
    { "xenfs", "/proc/xen/capabilities", NULL },
    { "xen-evtchn", "/dev/xen/evtchn", "no daemon can work" },
    { "xen-gntdev", "/dev/xen/gntdev", "guests' pages are mapped as foreign memory" },
    { "xen-gntalloc", "/dev/xen/gntalloc", NULL },
    { "xen-privcmd", "/dev/xen/privcmd", "no daemon can work" },
    { "xen-blkback", "/sys/bus/xen-backend/drivers/vbd", "guests get no disks" },
    { "xen-netback", "/sys/bus/xen-backend/drivers/vif", "guests get no network" },
    { "loop", "/dev/loop-control", "guests get no disks from files" },
};

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static void load(const char *name)
{
    char program[] = "modprobe";
    char quiet[] = "-q";
    char module[32];
    char *const words[] = { program, quiet, module, NULL };
    pid_t child;
    pid_t ended;

    (void)snprintf(module, sizeof(module), "%s", name);
    if (posix_spawnp(&child, program, NULL, NULL, words, environ) != 0) {
        return;
    }
    do {
        ended = waitpid(child, NULL, 0);
    } while (ended < 0 && errno == EINTR);
}

static void load_modules(void)
{
    for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
        if (exists(modules[i].proof)) {
            continue;
        }
        load(modules[i].name);
        if (modules[i].without != NULL && !exists(modules[i].proof)) {
            report("kernel module %s cannot be loaded: %s", modules[i].name, modules[i].without);
        }
    }
}

static int mount_xenfs(struct vmctl_error *error)
{
    if (exists("/proc/xen/capabilities")) {
        return 0;
    }
    if (mount("xenfs", "/proc/xen", "xenfs", 0, NULL) == 0) {
        return 0;
    }
    if (!exists("/proc/xen")) {
        return vmctl_fail(error, -ENODEV, "this kernel does not run on Paravane or Xen");
    }
    return vmctl_fail(error, -errno, "cannot mount /proc/xen: %s", strerror(errno));
}

static int check_control_domain(struct vmctl_error *error)
{
    char words[128] = "";
    int fd = open("/proc/xen/capabilities", O_RDONLY | O_CLOEXEC);
    ssize_t count = -1;

    if (fd >= 0) {
        count = read(fd, words, sizeof(words) - 1);
        (void)close(fd);
    }
    if (count < 0 || strstr(words, "control_d") == NULL) {
        return vmctl_fail(error, -EPERM, "this is not the control domain (/proc/xen/capabilities)");
    }
    return 0;
}

int prepare_dom0(struct vmctl_error *error)
{
    static const char *const needed[] = { "/dev/xen/evtchn", "/dev/xen/privcmd" };
    int code;

    load_modules();
    code = mount_xenfs(error);
    if (code == 0) {
        code = check_control_domain(error);
    }
    for (size_t i = 0; code == 0 && i < sizeof(needed) / sizeof(needed[0]); i++) {
        if (!exists(needed[i])) {
            code = vmctl_fail(error, -ENODEV, "there is no %s; is its kernel module installed?",
                              needed[i]);
        }
    }
    return code;
}
