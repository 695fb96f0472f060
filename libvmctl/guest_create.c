/* SPDX-License-Identifier: MIT */
/*
 * Making a guest, as a whole or not at all.
 *
 * All that a guest has hangs on its domain id, so undoing takes no list of what
 * was done: the domain is destroyed, and everything that dom0 has under its id
 * removed (guest_forget), whether it was there already or not.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "libvmctl/builder.h"
#include "libvmctl/devices.h"
#include "libvmctl/domain.h"
#include "libvmctl/guest.h"
#include "libvmctl/guest_store.h"
#include "libvmctl/kernel_cache.h"
#include "libvmctl/making.h"

struct creation {
    struct vmctl *handle;
    struct store_client *store;
    const struct guest_config *config;
    struct vmctl_error *error;
    int kernel_fd;
    int initrd_fd;
    uint64_t initrd_size;
    struct elf_kernel kernel;
    uint32_t domid;
    struct builder_result built;
};

static int open_kernel(struct creation *creation)
{
    const struct kernel_cache cache = { KERNEL_CACHE_DIRECTORY, KERNEL_CACHE_LIMIT };
    const char *path = creation->config->kernel;
    bool unpacked = false;
    int r;

    handle_progress(creation->handle, "unpacking the kernel", -1);
    r = kernel_cache_open(&cache, path, &creation->kernel_fd, &unpacked, creation->error);
    if (r < 0) {
        return r;
    }
    r = elf_kernel_parse(creation->kernel_fd, &creation->kernel, creation->error);
    if (r < 0) {
        vmctl_error_object(creation->error, "kernel %s", path);
    }
    return r;
}

static int open_initrd(struct creation *creation)
{
    const char *path = creation->config->initrd;
    struct stat status;
    int r = 0;

    if (path == NULL) {
        return 0;
    }
    creation->initrd_fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (creation->initrd_fd < 0 || fstat(creation->initrd_fd, &status) < 0) {
        r = vmctl_fail(creation->error, -errno, "%s", strerror(errno));
    } else if (!S_ISREG(status.st_mode)) {
        r = vmctl_fail(creation->error, -EINVAL, "it is not a regular file");
    } else {
        creation->initrd_size = (uint64_t)status.st_size;
    }
    if (r < 0) {
        vmctl_error_object(creation->error, "initrd %s", path);
    }
    return r;
}

static int claim(struct creation *creation)
{
    struct guest_claim claim = {
        .name = creation->config->name,
        .uuid = creation->config->uuid,
        .domid = creation->domid,
        .privcmd = &creation->handle->privcmd,
    };

    return guest_store_claim(creation->store, &claim, creation->error);
}

static bool any_bit(const struct guest_cpuset *set)
{
    uint64_t bits = 0;

    for (size_t i = 0; i < sizeof(set->bits) / sizeof(set->bits[0]); i++) {
        bits |= set->bits[i];
    }
    return bits != 0;
}

static int bind(struct creation *creation, uint32_t vcpu, const struct guest_cpuset *set)
{
    struct privcmd *privcmd = &creation->handle->privcmd;
    struct xen_sysctl_physinfo machine;
    int r = domain_set_affinity(privcmd, creation->domid, vcpu, set->bits,
                                sizeof(set->bits) / sizeof(set->bits[0]), creation->error);

    if (r == -EINVAL && domain_physinfo(privcmd, &machine, NULL) == 0) {
        vmctl_fail(creation->error, r, "none of the CPUs it may run on is there");
        vmctl_error_object(creation->error, "vCPU %u", vcpu);
        vmctl_error_limit(creation->error, "CPUs 0 to %u", machine.max_cpu_id);
        vmctl_error_remedy(creation->error, "correct the cpuset in its description");
    }
    return r;
}

static int schedule(struct creation *creation)
{
    const struct guest_config *config = creation->config;
    struct privcmd *privcmd = &creation->handle->privcmd;
    int r = 0;

    for (uint32_t i = 0; i < config->vcpus && r == 0; i++) {
        const struct guest_cpuset *set = &config->cpus;

        if (config->pins != NULL && config->pins[i] != NULL) {
            set = config->pins[i];
        }
        if (any_bit(set)) {
            r = bind(creation, i, set);
        }
    }
    if (r == 0 && config->weight != 0) {
        r = domain_set_weight(privcmd, creation->domid, config->weight, creation->error);
    }
    return r;
}

/* Seconds to add to UTC. */
static int64_t clock_offset(const struct guest_config *config)
{
    time_t now = time(NULL);
    struct tm local;

    if (config->clock != GUEST_CLOCK_LOCALTIME || localtime_r(&now, &local) == NULL) {
        return config->clock_offset;
    }
    return config->clock_offset + local.tm_gmtoff;
}

static int set_clock(struct creation *creation)
{
    int64_t offset = clock_offset(creation->config);

    if (offset == 0) {
        return 0;
    }
    return domain_set_time_offset(&creation->handle->privcmd, creation->domid, offset,
                                  creation->error);
}

static int build(struct creation *creation)
{
    const struct guest_config *config = creation->config;
    const struct builder_request request = {
        .domid = creation->domid,
        .vcpus = config->vcpus,
        .memory_kib = config->target_kib,
        .memory_max_kib = config->memory_kib,
        .kernel = &creation->kernel,
        .kernel_fd = creation->kernel_fd,
        .initrd_fd = creation->initrd_fd,
        .initrd_size = creation->initrd_size,
        .cmdline = config->cmdline,
        .progress = creation->handle->progress,
        .progress_context = creation->handle->progress_context,
    };
    int r = builder_build(&creation->handle->privcmd, &request, &creation->built, creation->error);

    if (r < 0 && creation->error->reason == VMCTL_NO_GUEST_MEMORY) {
        char holders[sizeof(creation->error->holder)];
        struct xen_sysctl_physinfo machine;

        if (domain_physinfo(&creation->handle->privcmd, &machine, NULL) == 0) {
            vmctl_error_limit(creation->error, "%llu MiB wanted, %llu MiB free",
                              (unsigned long long)config->target_kib >> 10,
                              (unsigned long long)(machine.free_pages + machine.scrub_pages) >> 8);
        }
        guest_name_memory_holders(creation->handle, holders, sizeof(holders));
        vmctl_error_holder(creation->error, "%s", holders);
        vmctl_error_remedy(creation->error, "give this or other guests less memory, or dom0");
    }
    return r;
}

static int add_nodes(struct creation *creation)
{
    const struct guest_config *config = creation->config;
    struct node_list list = NODE_LIST_EMPTY;
    char proof[48];
    int r;

    guest_store_add(&list, config, creation->domid, &creation->built);
    for (size_t i = 0; i < config->disk_count; i++) {
        device_add_disk(&list, creation->domid, &config->disks[i]);
    }
    for (size_t i = 0; i < config->nic_count; i++) {
        device_add_nic(&list, creation->domid, (uint32_t)i, &config->nics[i]);
    }
    (void)snprintf(proof, sizeof(proof), "/local/domain/%u/domid", creation->domid);
    r = node_list_commit(&list, creation->store, proof, creation->error);
    return r < 0 ? r
                 : store_introduce(creation->store, creation->domid, creation->built.store_frame,
                                   creation->built.store_port, creation->error);
}

static int wait_for_devices(struct creation *creation)
{
    const struct guest_config *config = creation->config;
    size_t count = config->disk_count + config->nic_count;
    struct device *devices;
    int r;

    if (count == 0) {
        return 0;
    }
    devices = calloc(count, sizeof(*devices));
    if (devices == NULL) {
        return vmctl_fail(creation->error, -ENOMEM, "no memory for a list of devices");
    }
    for (size_t i = 0; i < config->disk_count; i++) {
        devices[i] = device_of_disk(creation->domid, &config->disks[i]);
    }
    for (size_t i = 0; i < config->nic_count; i++) {
        devices[config->disk_count + i] = (struct device){
            .class = DEVICE_VIF,
            .domid = creation->domid,
            .number = (uint32_t)i,
        };
    }
    handle_progress(creation->handle, "setting up devices", -1);
    r = device_wait_set_up(creation->store, devices, count, creation->error);
    free(devices);
    return r;
}

static int announce(struct creation *creation)
{
    struct node_list list = NODE_LIST_EMPTY;

    guest_store_announce(&list, creation->config, creation->domid);
    return node_list_send(&list, creation->store, STORE_NO_TRANSACTION, creation->error);
}

/* It was announced: somebody else may have let it run. */
static int let_run(struct creation *creation)
{
    struct privcmd *privcmd = &creation->handle->privcmd;
    struct xen_domctl_getdomaininfo info;
    struct vmctl_error words = { .code = 0 };
    int r = domain_unpause(privcmd, creation->domid, &words);

    if (r < 0 && domain_info(privcmd, creation->domid, &info, NULL) == 0 &&
        info.domain == creation->domid && (info.flags & XEN_DOMINF_paused) == 0) {
        return 0;
    }
    if (r < 0) {
        *creation->error = words;
    }
    return r;
}

/* Everything between a domain that exists and one that runs. */
static int furnish(struct creation *creation, unsigned int flags)
{
    struct vmctl *handle = creation->handle;
    int r = claim(creation);

    r = r < 0 ? r : schedule(creation);
    r = r < 0 ? r : set_clock(creation);
    r = r < 0 ? r : build(creation);
    r = r < 0 ? r : state_file_write(creation->domid, creation->config, creation->error);
    r = r < 0 ? r : add_nodes(creation);
    r = r < 0 ? r : wait_for_devices(creation);
    r = r < 0 ? r : announce(creation);
    if (r == 0 && handle->ready != NULL) {
        r = handle->ready(handle->ready_context, creation->domid, creation->error);
    }
    if (r == 0 && (flags & VMCTL_CREATE_PAUSED) == 0) {
        r = let_run(creation);
    }
    return r;
}

/* The error that is there already is the one that counts; false: something is left. */
static bool undo(struct creation *creation)
{
    bool introduced = creation->built.store_frame != 0;
    int r = domain_destroy(&creation->handle->privcmd, creation->domid, NULL);

    if (introduced) {
        (void)store_release(creation->store, creation->domid, NULL);
    }
    return guest_forget(creation->handle, creation->domid, NULL) == 0 && (r == 0 || r == -ESRCH);
}

static int make(struct creation *creation, unsigned int flags)
{
    const struct guest_config *config = creation->config;
    struct domain_limits limits = {
        .vcpus = config->vcpus,
        .memory_kib = config->memory_kib,
    };
    bool paused = (flags & VMCTL_CREATE_PAUSED) != 0;
    struct making making;
    int r = making_begin(&making, creation->handle, config->uuid, paused, creation->error);

    if (r < 0) {
        return r;
    }
    memcpy(limits.uuid, config->uuid, sizeof(limits.uuid));
    r = domain_create(&creation->handle->privcmd, &limits, &creation->domid, creation->error);
    if (r < 0) {
        struct vmctl_error words;

        making_end(&making, false);
        (void)making_recover(creation->handle, config->uuid, &words);
        return r;
    }
    r = making_note(&making, creation->domid, creation->error);
    r = r < 0 ? r : furnish(creation, flags);
    making_end(&making, r == 0 || undo(creation));
    return r;
}

static int create(struct creation *creation, unsigned int flags)
{
    int r = open_kernel(creation);

    r = r < 0 ? r : open_initrd(creation);
    if (r < 0) {
        return r;
    }
    creation->store = handle_store(creation->handle, creation->error);
    return creation->store == NULL ? creation->error->code : make(creation, flags);
}

int vmctl_create(struct vmctl *handle, const struct guest_config *config, unsigned int flags,
                 uint32_t *domid, struct vmctl_error *error)
{
    struct vmctl_error words = { .code = 0 };
    struct creation creation = {
        .handle = handle,
        .config = config,
        .error = error != NULL ? error : &words,
        .kernel_fd = -1,
        .initrd_fd = -1,
    };
    int r = (flags & ~(unsigned int)VMCTL_CREATE_PAUSED) == 0
                ? create(&creation, flags)
                : vmctl_fail(creation.error, -EINVAL, "flags 0x%x are not known", flags);

    if (creation.kernel_fd >= 0) {
        (void)close(creation.kernel_fd);
    }
    if (creation.initrd_fd >= 0) {
        (void)close(creation.initrd_fd);
    }
    if (r < 0) {
        return vmctl_context(creation.error, r, "create guest %s", config->name);
    }
    *domid = creation.domid;
    return 0;
}
