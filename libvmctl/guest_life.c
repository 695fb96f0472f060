/* SPDX-License-Identifier: MIT */
/* What is done to a guest while it lives, and its end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libvmctl/devices.h"
#include "libvmctl/domain.h"
#include "libvmctl/guest.h"
#include "libvmctl/guest_store.h"
#include "libvmctl/state_file.h"

#define POLL_MS      20   /* how often an ending is looked for */
#define LET_GO_MS    5000 /* for back ends to unmap what they have of a dead guest */
#define RENAME_TRIES 64

char *guest_name_of(struct store_client *store, uint32_t domid)
{
    char path[64];
    char index[GUEST_PATH_SIZE];
    char *name = NULL;
    uint64_t holder = 0;

    (void)snprintf(path, sizeof(path), "/paravane/guest/%u/name", domid);
    if (store_read(store, STORE_NO_TRANSACTION, path, &name, NULL, NULL) == 0) {
        return name;
    }
    /* Not announced: it is being made, or its maker was killed. */
    (void)snprintf(path, sizeof(path), "/local/domain/%u/name", domid);
    if (store_read(store, STORE_NO_TRANSACTION, path, &name, NULL, NULL) < 0) {
        return NULL;
    }
    if (guest_name_check(name, NULL) == 0) {
        guest_store_name_path(name, index);
        if (guest_store_read_number(store, STORE_NO_TRANSACTION, index, &holder, NULL) == 0 &&
            holder == domid) {
            return name;
        }
    }
    free(name);
    return NULL;
}

int guest_forget(struct vmctl *handle, uint32_t domid, const char *name, const uint8_t uuid[16],
                 struct vmctl_error *error)
{
    struct node_list list = NODE_LIST_EMPTY;
    struct store_client *store = handle_store(handle, error);
    struct vmctl_error words = { .code = 0 };
    int r;

    state_file_remove(domid);
    if (store == NULL) {
        return error != NULL ? error->code : -EIO;
    }
    guest_store_remove(&list, domid, name, uuid);
    r = node_list_send(&list, store, STORE_NO_TRANSACTION, &words);
    if (r < 0 && error != NULL) {
        *error = words;
    }
    return r;
}

static int no_such_domain(uint32_t domid, struct vmctl_error *error)
{
    vmctl_fail(error, -ESRCH, "there is no such domain");
    vmctl_error_object(error, "domain %u", domid);
    return -ESRCH;
}

/* A domain that may be meddled with: it exists and is not dom0. */
static int check_guest(struct vmctl *handle, uint32_t domid, struct xen_domctl_getdomaininfo *info,
                       struct vmctl_error *error)
{
    int r;

    if (domid == 0) {
        vmctl_fail(error, -EPERM, "this is dom0, not a guest");
        vmctl_error_object(error, "domain 0");
        return -EPERM;
    }
    if (domid >= DOMID_FIRST_RESERVED) {
        return no_such_domain(domid, error);
    }
    r = domain_info(&handle->privcmd, domid, info, error);
    if (r == -ESRCH) {
        return no_such_domain(domid, error);
    }
    if (r == 0 && info->domain != domid) {
        return no_such_domain(domid, error);
    }
    return r;
}

static void sleep_ms(long ms)
{
    const struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

    (void)nanosleep(&time, NULL);
}

/* Does the guest have devices, whose back ends have mapped memory of it? */
static bool has_backends(struct store_client *store, uint32_t domid)
{
    static const char *const classes[] = { "vbd", "vif" };
    bool any = false;

    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        char path[64];
        char **names = NULL;
        size_t count = 0;

        (void)snprintf(path, sizeof(path), "/local/domain/0/backend/%s/%u", classes[i], domid);
        if (store_list(store, STORE_NO_TRANSACTION, path, &names, &count, NULL) == 0) {
            any = any || count != 0;
            free(names);
        }
    }
    return any;
}

static bool gone(struct vmctl *handle, uint32_t domid)
{
    struct xen_domctl_getdomaininfo info;

    return domain_info(&handle->privcmd, domid, &info, NULL) < 0 || info.domain != domid;
}

static int wait_let_go(struct vmctl *handle, uint32_t domid, struct vmctl_error *error)
{
    for (int waited = 0; waited < LET_GO_MS; waited += POLL_MS) {
        if (gone(handle, domid)) {
            return 0;
        }
        sleep_ms(POLL_MS);
    }
    vmctl_fail(error, -EBUSY, "the guest has ended, but its memory is still in use");
    vmctl_error_object(error, "domain %u", domid);
    vmctl_error_holder(error, "a back end of dom0");
    vmctl_error_remedy(error, "see dom0's kernel log for the device that does not let go");
    return -EBUSY;
}

static int destroy(struct vmctl *handle, struct store_client *store, uint32_t domid,
                   const struct xen_domctl_getdomaininfo *info, struct vmctl_error *error)
{
    bool devices = has_backends(store, domid);
    char *name = guest_name_of(store, domid);
    int r = domain_destroy(&handle->privcmd, domid, error);

    if (r == 0 || r == -ESRCH) {
        r = guest_forget(handle, domid, name, info->handle, error);
        /* The store may have noticed by itself. */
        (void)store_release(store, domid, NULL);
    }
    free(name);
    if (r == 0 && devices) {
        r = wait_let_go(handle, domid, error);
    }
    return r;
}

int vmctl_destroy(struct vmctl *handle, uint32_t domid, struct vmctl_error *error)
{
    struct vmctl_error words = { .code = 0 };
    struct vmctl_error *out = error != NULL ? error : &words;
    struct xen_domctl_getdomaininfo info;
    struct store_client *store;
    int r = check_guest(handle, domid, &info, out);

    if (r == 0) {
        store = handle_store(handle, out);
        r = store == NULL ? out->code : destroy(handle, store, domid, &info, out);
    }
    return r < 0 ? vmctl_context(out, r, "destroy guest") : 0;
}

/* Write a node below the guest's home. */
static int write_home(struct vmctl *handle, uint32_t domid, const char *name, const char *text,
                      struct vmctl_error *error)
{
    struct vmctl_error words = { .code = 0 };
    struct vmctl_error *out = error != NULL ? error : &words;
    struct store_client *store = handle_store(handle, out);
    char path[96];

    if (store == NULL) {
        return out->code;
    }
    (void)snprintf(path, sizeof(path), "/local/domain/%u/%s", domid, name);
    return store_write_text(store, STORE_NO_TRANSACTION, path, text, out);
}

static int check_running(struct vmctl *handle, uint32_t domid, struct vmctl_error *error)
{
    struct xen_domctl_getdomaininfo info;
    int r = check_guest(handle, domid, &info, error);

    if (r == 0 && (info.flags & (XEN_DOMINF_dying | XEN_DOMINF_shutdown)) != 0) {
        vmctl_fail(error, -EINVAL, "the guest has ended already");
        vmctl_error_object(error, "domain %u", domid);
        vmctl_error_reason(error, VMCTL_WRONG_STATE);
        r = -EINVAL;
    }
    return r;
}

static int ask(struct vmctl *handle, uint32_t domid, const char *word, struct vmctl_error *error)
{
    int r = check_running(handle, domid, error);

    return r < 0 ? r : write_home(handle, domid, "control/shutdown", word, error);
}

int vmctl_shutdown(struct vmctl *handle, uint32_t domid, struct vmctl_error *error)
{
    int r = ask(handle, domid, "poweroff", error);

    return r < 0 ? vmctl_context(error, r, "shut guest down") : 0;
}

int vmctl_reboot(struct vmctl *handle, uint32_t domid, struct vmctl_error *error)
{
    int r = ask(handle, domid, "reboot", error);

    return r < 0 ? vmctl_context(error, r, "reboot guest") : 0;
}

int vmctl_wait_ended(struct vmctl *handle, uint32_t domid, int timeout_ms,
                     struct vmctl_error *error)
{
    struct xen_domctl_getdomaininfo info;

    for (int waited = 0; timeout_ms < 0 || waited <= timeout_ms; waited += POLL_MS) {
        if (domain_info(&handle->privcmd, domid, &info, NULL) < 0 || info.domain != domid ||
            (info.flags & (XEN_DOMINF_dying | XEN_DOMINF_shutdown)) != 0) {
            return 0;
        }
        sleep_ms(POLL_MS);
    }
    vmctl_fail(error, -ETIMEDOUT, "the guest has not ended");
    vmctl_error_object(error, "domain %u", domid);
    vmctl_error_limit(error, "%d ms", timeout_ms);
    return -ETIMEDOUT;
}

int vmctl_pause(struct vmctl *handle, uint32_t domid, struct vmctl_error *error)
{
    struct xen_domctl_getdomaininfo info;
    int r = check_guest(handle, domid, &info, error);

    /* Pauses count in the hypervisor, but not for people. */
    if (r == 0 && (info.flags & XEN_DOMINF_paused) == 0) {
        r = domain_pause(&handle->privcmd, domid, error);
    }
    return r < 0 ? vmctl_context(error, r, "pause guest") : 0;
}

int vmctl_unpause(struct vmctl *handle, uint32_t domid, struct vmctl_error *error)
{
    struct xen_domctl_getdomaininfo info;
    int r = check_guest(handle, domid, &info, error);

    if (r == 0 && (info.flags & XEN_DOMINF_paused) == 0) {
        vmctl_fail(error, -EINVAL, "the guest is not paused");
        vmctl_error_object(error, "domain %u", domid);
        vmctl_error_reason(error, VMCTL_WRONG_STATE);
        r = -EINVAL;
    }
    r = r < 0 ? r : domain_unpause(&handle->privcmd, domid, error);
    return r < 0 ? vmctl_context(error, r, "unpause guest") : 0;
}

/*
 * Rename: the index, the nodes that show the name, the description.
 */

struct renaming {
    struct vmctl *handle;
    struct store_client *store;
    uint32_t domid;
    const char *old_name;
    const char *name;
    char uuid[VMCTL_UUID_SIZE];
};

static int rename_nodes(const struct renaming *renaming, uint32_t transaction,
                        struct vmctl_error *error)
{
    struct node_list list = NODE_LIST_EMPTY;
    char path[GUEST_PATH_SIZE];
    uint64_t holder = 0;

    guest_store_name_path(renaming->name, path);
    if (guest_store_read_number(renaming->store, transaction, path, &holder, NULL) == 0 &&
        holder != renaming->domid && holder <= UINT16_MAX &&
        !gone(renaming->handle, (uint32_t)holder)) {
        vmctl_fail(error, -EEXIST, "there is a guest with the name %s already", renaming->name);
        vmctl_error_holder(error, "domain %u", (unsigned int)holder);
        return -EEXIST;
    }
    node_list_write(&list, path, "", "%u", renaming->domid);
    guest_store_name_path(renaming->old_name, path);
    node_list_remove(&list, "%s", path);
    (void)snprintf(path, sizeof(path), "/local/domain/%u", renaming->domid);
    node_list_write(&list, path, "name", "%s", renaming->name);
    (void)snprintf(path, sizeof(path), "/vm/%s", renaming->uuid);
    node_list_write(&list, path, "name", "%s", renaming->name);
    (void)snprintf(path, sizeof(path), "/paravane/guest/%u", renaming->domid);
    node_list_write(&list, path, "name", "%s", renaming->name);
    return node_list_send(&list, renaming->store, transaction, error);
}

static int rename_in_store(const struct renaming *renaming, struct vmctl_error *error)
{
    int r = -EAGAIN;

    for (int i = 0; i < RENAME_TRIES && r == -EAGAIN; i++) {
        uint32_t transaction = STORE_NO_TRANSACTION;

        r = store_transaction_start(renaming->store, &transaction, error);
        if (r < 0) {
            return r;
        }
        r = rename_nodes(renaming, transaction, error);
        if (r < 0) {
            (void)store_transaction_end(renaming->store, transaction, false, NULL);
        } else {
            r = store_transaction_end(renaming->store, transaction, true, error);
        }
    }
    return r;
}

/* The description follows, so that a restart has the new name. */
static int rename_description(const struct renaming *renaming, struct vmctl_error *error)
{
    struct guest_config *config = NULL;
    const char *copy;
    int r = state_file_read(renaming->domid, &config, error);

    if (r < 0) {
        return r;
    }
    copy = guest_config_text(config, renaming->name, strlen(renaming->name));
    if (copy == NULL) {
        r = vmctl_fail(error, -ENOMEM, "no memory for a name");
    } else {
        config->name = copy;
        r = state_file_write(renaming->domid, config, error);
    }
    guest_config_free(config);
    return r;
}

static int rename_guest(struct vmctl *handle, uint32_t domid, const char *name,
                        struct vmctl_error *error)
{
    struct renaming renaming = { .handle = handle, .domid = domid, .name = name };
    struct xen_domctl_getdomaininfo info;
    char *old_name;
    int r = guest_name_check(name, error);

    r = r < 0 ? r : check_guest(handle, domid, &info, error);
    if (r < 0) {
        return r;
    }
    renaming.store = handle_store(handle, error);
    if (renaming.store == NULL) {
        return error->code;
    }
    old_name = guest_name_of(renaming.store, domid);
    if (old_name == NULL) {
        r = vmctl_fail(error, -EOPNOTSUPP, "the guest was made by another toolstack");
    } else if (strcmp(old_name, name) != 0) {
        renaming.old_name = old_name;
        guest_uuid_format(info.handle, renaming.uuid);
        r = rename_in_store(&renaming, error);
        r = r < 0 ? r : rename_description(&renaming, error);
    }
    free(old_name);
    return r;
}

int vmctl_rename(struct vmctl *handle, uint32_t domid, const char *name, struct vmctl_error *error)
{
    struct vmctl_error words = { .code = 0 };
    struct vmctl_error *out = error != NULL ? error : &words;
    int r = rename_guest(handle, domid, name, out);

    return r < 0 ? vmctl_context(out, r, "rename guest") : 0;
}

int vmctl_dumpxml(struct vmctl *handle, uint32_t domid, char **xml, struct vmctl_error *error)
{
    struct xen_domctl_getdomaininfo info;
    struct guest_config *config = NULL;
    size_t length = 0;
    int r = check_guest(handle, domid, &info, error);

    if (r == 0) {
        r = state_file_read(domid, &config, error);
        if (r == -ENOENT) {
            r = vmctl_fail(error, -ENOENT, "the guest was made by another toolstack");
        }
    }
    r = r < 0 ? r : guest_config_write(config, xml, &length, error);
    guest_config_free(config);
    return r < 0 ? vmctl_context(error, r, "describe guest") : 0;
}

/*
 * Targets: what the guest is asked to have.
 */

int vmctl_set_memory(struct vmctl *handle, uint32_t domid, uint64_t kib, struct vmctl_error *error)
{
    struct xen_domctl_getdomaininfo info;
    struct vmctl_error words = { .code = 0 };
    struct vmctl_error *out = error != NULL ? error : &words;
    struct store_client *store = handle_store(handle, out);
    uint64_t most = 0;
    char path[64];
    int r = store == NULL ? out->code : check_guest(handle, domid, &info, out);

    (void)snprintf(path, sizeof(path), "/local/domain/%u/memory/static-max", domid);
    r = r < 0 ? r : guest_store_read_number(store, STORE_NO_TRANSACTION, path, &most, out);
    if (r == 0 && (kib > most || kib < 1024)) {
        r = vmctl_fail(out, -EINVAL, "%llu KiB cannot be had", (unsigned long long)kib);
        vmctl_error_object(out, "domain %u", domid);
        vmctl_error_limit(out, "1024 KiB to %llu KiB", (unsigned long long)most);
    }
    if (r == 0) {
        char text[24];

        (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)kib);
        r = write_home(handle, domid, "memory/target", text, out);
    }
    return r < 0 ? vmctl_context(out, r, "set memory of guest") : 0;
}

int vmctl_set_vcpus(struct vmctl *handle, uint32_t domid, uint32_t count, struct vmctl_error *error)
{
    struct xen_domctl_getdomaininfo info;
    struct vmctl_error words = { .code = 0 };
    struct vmctl_error *out = error != NULL ? error : &words;
    struct node_list list = NODE_LIST_EMPTY;
    struct store_client *store = handle_store(handle, out);
    int r = store == NULL ? out->code : check_guest(handle, domid, &info, out);

    if (r == 0 && (count == 0 || count > info.max_vcpu_id + 1)) {
        r = vmctl_fail(out, -EINVAL, "%u vCPUs cannot be had", count);
        vmctl_error_object(out, "domain %u", domid);
        vmctl_error_limit(out, "1 to %u", info.max_vcpu_id + 1);
    }
    for (uint32_t i = 0; r == 0 && i <= info.max_vcpu_id; i++) {
        char path[64];

        (void)snprintf(path, sizeof(path), "/local/domain/%u/cpu/%u", domid, i);
        node_list_write(&list, path, "availability", "%s", i < count ? "online" : "offline");
    }
    if (r == 0) {
        r = node_list_send(&list, store, STORE_NO_TRANSACTION, out);
    }
    return r < 0 ? vmctl_context(out, r, "set vCPUs of guest") : 0;
}
