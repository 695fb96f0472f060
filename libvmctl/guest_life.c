/* SPDX-License-Identifier: MIT */
/* What is done to a guest while it lives, and its end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "libvmctl/config_values.h"
#include "libvmctl/devices.h"
#include "libvmctl/domain.h"
#include "libvmctl/guest.h"
#include "libvmctl/guest_store.h"
#include "libvmctl/state_file.h"

#define POLL_MS    20   /* how often an ending is looked for */
#define LET_GO_MS  5000 /* for back ends to unmap what they have of a dead guest */
#define REMOVED_MS 3000 /* the supervisor destroys who ended, and frees its name */

int guest_forget(struct vmctl *handle, uint32_t domid, struct vmctl_error *error)
{
    struct vmctl_error words = { .code = 0 };
    struct vmctl_error *out = error != NULL ? error : &words;
    struct store_client *store = handle_store(handle, out);
    int r =
        store == NULL ? out->code : store_transaction_run(store, guest_store_remove, &domid, out);

    if (r == 0) {
        state_file_remove(domid);
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

/* Does the guest have devices, whose back ends have mapped memory of it?  1, 0 or an error. */
static int has_devices(struct store_client *store, uint32_t domid, struct vmctl_error *error)
{
    char path[64];
    char **names = NULL;
    size_t count = 0;
    int r;

    (void)snprintf(path, sizeof(path), "/local/domain/%u/device", domid);
    r = store_list(store, STORE_NO_TRANSACTION, path, &names, &count, error);
    free(names);
    if (r < 0) {
        return r == -ENOENT ? 0 : r;
    }
    return count != 0;
}

static int wait_let_go(struct vmctl *handle, uint32_t domid, struct vmctl_error *error)
{
    handle_progress(handle, "waiting for back ends to let go", -1);
    for (int waited = 0; waited < LET_GO_MS; waited += POLL_MS) {
        if (!domain_exists(&handle->privcmd, domid)) {
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
                   struct vmctl_error *error)
{
    int devices = has_devices(store, domid, error);
    int r;

    if (devices < 0) {
        return devices;
    }
    r = domain_destroy(&handle->privcmd, domid, error);
    if (r == 0 || r == -ESRCH) {
        r = guest_forget(handle, domid, error);
        /* The store may have noticed by itself. */
        (void)store_release(store, domid, NULL);
    }
    if (r == 0 && devices != 0) {
        r = wait_let_go(handle, domid, error);
    }
    return r;
}

/* A guest that is gone, but not from the store: its end was cut short. */
static int clean_up(struct vmctl *handle, struct store_client *store, uint32_t domid,
                    struct vmctl_error *error)
{
    char *name = NULL;
    int r = 0;

    if (domid < DOMID_FIRST_RESERVED) {
        r = guest_store_name_of(store, STORE_NO_TRANSACTION, domid, &name, error);
    }
    if (r == 0) {
        r = name != NULL ? guest_forget(handle, domid, error) : no_such_domain(domid, error);
    }
    free(name);
    return r;
}

int vmctl_destroy(struct vmctl *handle, uint32_t domid, struct vmctl_error *error)
{
    struct vmctl_error words = { .code = 0 };
    struct vmctl_error *out = error != NULL ? error : &words;
    struct store_client *store = handle_store(handle, out);
    struct xen_domctl_getdomaininfo info;
    int r = store == NULL ? out->code : check_guest(handle, domid, &info, out);

    if (r == 0) {
        r = destroy(handle, store, domid, out);
    } else if (r == -ESRCH) {
        r = clean_up(handle, store, domid, out);
    }
    return r < 0 ? vmctl_context(out, r, "destroy guest") : 0;
}

int guest_destroy(struct vmctl *handle, uint32_t domid, struct vmctl_error *error)
{
    int r = vmctl_destroy(handle, domid, error);

    return r == -EBUSY || r == -ESRCH ? 0 : r;
}

/* Write a node below the guest's home; not into that of one which has ended. */
static int write_home(struct vmctl *handle, uint32_t domid, const char *name, const char *text,
                      struct vmctl_error *error)
{
    struct vmctl_error words = { .code = 0 };
    struct vmctl_error *out = error != NULL ? error : &words;
    struct store_client *store = handle_store(handle, out);
    char guest_name[GUEST_HOME_NAME_SIZE];
    struct node_list list = { .needs = guest_name };
    char home[32];

    if (store == NULL) {
        return out->code;
    }
    guest_store_home_name(domid, guest_name);
    (void)snprintf(home, sizeof(home), "/local/domain/%u", domid);
    node_list_write(&list, home, name, "%s", text);
    return node_list_commit(&list, store, NULL, out);
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
    int since = -1; /* it ended */

    for (int waited = 0; timeout_ms < 0 || since >= 0 || waited <= timeout_ms; waited += POLL_MS) {
        if (domain_info(&handle->privcmd, domid, &info, NULL) < 0 || info.domain != domid) {
            return 0;
        }
        if (since < 0 && (info.flags & (XEN_DOMINF_dying | XEN_DOMINF_shutdown)) != 0) {
            since = waited;
        }
        if (since >= 0 && waited - since >= REMOVED_MS) {
            return 0; /* it is kept */
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
    struct guest_claim claim; /* of the new name; its uuid is not asked for */
    char uuid[VMCTL_UUID_SIZE];
};

static int add_new_name(struct store_client *store, uint32_t transaction,
                        const struct renaming *renaming, const char *old_name,
                        struct vmctl_error *error)
{
    const struct guest_claim *claim = &renaming->claim;
    struct node_list list = NODE_LIST_EMPTY;
    char path[GUEST_PATH_SIZE];
    int r = guest_store_check_name(store, transaction, claim, error);

    if (r < 0) {
        return r;
    }
    guest_store_name_path(claim->name, path);
    node_list_write(&list, path, "", "%u", claim->domid);
    guest_store_name_path(old_name, path);
    node_list_remove(&list, "%s", path);
    (void)snprintf(path, sizeof(path), "/local/domain/%u", claim->domid);
    node_list_write(&list, path, "name", "%s", claim->name);
    (void)snprintf(path, sizeof(path), "/vm/%s", renaming->uuid);
    node_list_write(&list, path, "name", "%s", claim->name);
    (void)snprintf(path, sizeof(path), "/paravane/guest/%u", claim->domid);
    node_list_write(&list, path, "name", "%s", claim->name);
    return node_list_send(&list, store, transaction, error);
}

/* The old name is asked for within the transaction, so that a guest that ends is not given a new
 * one. */
static int rename_nodes(struct store_client *store, uint32_t transaction, void *context,
                        struct vmctl_error *error)
{
    const struct renaming *renaming = context;
    char *old_name = NULL;
    int r = guest_store_name_of(store, transaction, renaming->claim.domid, &old_name, error);

    if (r == 0 && old_name == NULL) {
        r = vmctl_fail(error, -EOPNOTSUPP, "the guest was made by another toolstack");
    } else if (r == 0 && strcmp(old_name, renaming->claim.name) != 0) {
        r = add_new_name(store, transaction, renaming, old_name, error);
    }
    free(old_name);
    return r;
}

/* The description follows, so that a restart has the new name. */
static int rename_description(const struct renaming *renaming, struct vmctl_error *error)
{
    struct guest_config *config = NULL;
    const char *copy;
    int r = state_file_read(renaming->claim.domid, &config, error);

    if (r < 0) {
        return r;
    }
    copy = guest_config_text(config, renaming->claim.name, strlen(renaming->claim.name));
    if (copy == NULL) {
        r = vmctl_fail(error, -ENOMEM, "no memory for a name");
    } else {
        config->name = copy;
        r = state_file_write(renaming->claim.domid, config, error);
    }
    guest_config_free(config);
    return r;
}

static int rename_guest(struct vmctl *handle, uint32_t domid, const char *name,
                        struct vmctl_error *error)
{
    struct renaming renaming = {
        .claim = { .name = name, .domid = domid, .privcmd = &handle->privcmd },
    };
    struct xen_domctl_getdomaininfo info;
    struct store_client *store;
    int lock = -1;
    int r = guest_name_check(name, error);

    r = r < 0 ? r : check_guest(handle, domid, &info, error);
    if (r < 0) {
        return r;
    }
    store = handle_store(handle, error);
    if (store == NULL) {
        return error->code;
    }
    guest_uuid_format(info.handle, renaming.uuid);
    r = state_file_lock(domid, &lock, error);
    r = r < 0 ? r : store_transaction_run(store, rename_nodes, &renaming, error);
    /* Even if it has the name already: an earlier try may not have come to this. */
    r = r < 0 ? r : rename_description(&renaming, error);
    if (lock >= 0) {
        (void)close(lock);
    }
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

/* In the description too, so that a restart has it; 0: as it was. */
static int describe_targets(uint32_t domid, uint64_t kib, uint32_t vcpus, struct vmctl_error *error)
{
    struct guest_config *config = NULL;
    int lock = -1;
    int r = state_file_lock(domid, &lock, error);

    r = r < 0 ? r : state_file_read(domid, &config, error);
    if (r == 0) {
        config->target_kib = kib != 0 ? kib : config->target_kib;
        config->vcpus_online = vcpus != 0 ? vcpus : config->vcpus_online;
        r = state_file_write(domid, config, error);
    } else if (r == -ENOENT) {
        r = 0; /* another toolstack's guest */
    }
    guest_config_free(config);
    if (lock >= 0) {
        (void)close(lock);
    }
    return r;
}

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
        r = r < 0 ? r : describe_targets(domid, kib, 0, out);
    }
    return r < 0 ? vmctl_context(out, r, "set memory of guest") : 0;
}

int vmctl_set_vcpus(struct vmctl *handle, uint32_t domid, uint32_t count, struct vmctl_error *error)
{
    struct xen_domctl_getdomaininfo info = { .domain = 0 };
    struct vmctl_error words = { .code = 0 };
    struct vmctl_error *out = error != NULL ? error : &words;
    char guest_name[GUEST_HOME_NAME_SIZE];
    struct node_list list = { .needs = guest_name };
    struct store_client *store = handle_store(handle, out);
    int r = store == NULL ? out->code : check_guest(handle, domid, &info, out);

    guest_store_home_name(domid, guest_name);
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
        r = node_list_commit(&list, store, NULL, out);
        r = r < 0 ? r : describe_targets(domid, 0, count, out);
    }
    return r < 0 ? vmctl_context(out, r, "set vCPUs of guest") : 0;
}
