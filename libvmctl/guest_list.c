/* SPDX-License-Identifier: MIT */
/* Which guests there are, and how they are. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest-pv-headers/sched.h"
#include "libvmctl/domain.h"
#include "libvmctl/guest.h"
#include "libvmctl/guest_store.h"

#define BATCH 64u /* domains asked for at a time */

static enum vmctl_guest_state state_of(uint32_t flags)
{
    static const struct {
        uint32_t flag;
        enum vmctl_guest_state state;
    } rows[] = {
        { XEN_DOMINF_dying, VMCTL_DYING },     { XEN_DOMINF_shutdown, VMCTL_SHUTDOWN },
        { XEN_DOMINF_paused, VMCTL_PAUSED },   { XEN_DOMINF_running, VMCTL_RUNNING },
        { XEN_DOMINF_blocked, VMCTL_BLOCKED },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if ((flags & rows[i].flag) != 0) {
            return rows[i].state;
        }
    }
    return VMCTL_RUNNABLE;
}

static enum vmctl_shutdown_reason shutdown_reason_of(uint32_t flags)
{
    uint32_t code = flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask;

    if ((flags & XEN_DOMINF_shutdown) == 0) {
        return VMCTL_SHUTDOWN_NONE;
    }
    return code <= SHUTDOWN_watchdog ? (enum vmctl_shutdown_reason)code : VMCTL_SHUTDOWN_CRASH;
}

/* What the hypervisor knows of a domain. */
static void from_info(const struct xen_domctl_getdomaininfo *info, struct vmctl_guest *guest)
{
    *guest = (struct vmctl_guest){
        .domid = info->domain,
        .state = state_of(info->flags),
        .shutdown_reason = shutdown_reason_of(info->flags),
        .vcpus_online = info->nr_online_vcpus,
        .vcpus_max = info->max_vcpu_id == XEN_INVALID_MAX_VCPU_ID ? 0 : info->max_vcpu_id + 1,
        .memory_kib = info->tot_pages * 4,
        .memory_max_kib = info->max_pages * 4,
        .cpu_time_ns = info->cpu_time,
    };
    guest_uuid_format(info->handle, guest->uuid);
}

/* 1 and the name as the store has it, 0 if there is none. */
static int read_name(struct store_client *store, const char *prefix, uint32_t domid,
                     char name[VMCTL_NAME_SIZE], struct vmctl_error *error)
{
    char path[64];
    char *text = NULL;
    int r;

    (void)snprintf(path, sizeof(path), "%s/%u/name", prefix, domid);
    r = store_read(store, STORE_NO_TRANSACTION, path, &text, NULL, error);
    if (r < 0) {
        return r == -ENOENT ? 0 : r;
    }
    (void)snprintf(name, VMCTL_NAME_SIZE, "%s", text);
    free(text);
    return 1;
}

/* What the store knows; an error if it does not answer. */
static int from_store(struct store_client *store, struct vmctl_guest *guest,
                      struct vmctl_error *error)
{
    int r = read_name(store, "/paravane/guest", guest->domid, guest->name, error);

    guest->ours = r > 0;
    if (r == 0) {
        r = read_name(store, "/local/domain", guest->domid, guest->name, error);
    }
    if (guest->name[0] == '\0' && guest->domid == 0) {
        (void)snprintf(guest->name, sizeof(guest->name), "Domain-0");
    }
    return r < 0 ? r : 0;
}

/* All domains into a list that grows; `buffer` is for one call. */
static int collect(struct vmctl *handle, struct xen_domctl_getdomaininfo *buffer,
                   struct vmctl_guest **guests, size_t *count, struct vmctl_error *error)
{
    uint32_t next = 0;
    int got;

    do {
        struct vmctl_guest *grown;

        got = domain_list(&handle->privcmd, next, buffer, BATCH, error);
        if (got < 0) {
            return got;
        }
        grown = realloc(*guests, (*count + (size_t)got + 1) * sizeof(*grown));
        if (grown == NULL) {
            return vmctl_fail(error, -ENOMEM, "no memory for a list of guests");
        }
        *guests = grown;
        for (int i = 0; i < got; i++) {
            from_info(&buffer[i], &grown[(*count)++]);
            next = buffer[i].domain + 1U;
        }
    } while (got == (int)BATCH);
    return 0;
}

static int list_domains(struct vmctl *handle, struct vmctl_guest **guests, size_t *count,
                        struct vmctl_error *error)
{
    const size_t size = BATCH * sizeof(struct xen_domctl_getdomaininfo);
    struct xen_domctl_getdomaininfo *buffer = privcmd_buffer(&handle->privcmd, size);
    int r;

    *guests = NULL;
    *count = 0;
    if (buffer == NULL) {
        return vmctl_fail(error, -ENOMEM, "no memory for hypercalls");
    }
    r = collect(handle, buffer, guests, count, error);
    privcmd_buffer_free(&handle->privcmd, buffer, size);
    if (r < 0) {
        free(*guests);
        *guests = NULL;
    }
    return r;
}

static int name_all(struct vmctl *handle, struct vmctl_guest *guests, size_t count,
                    struct vmctl_error *error)
{
    struct vmctl_error words = { .code = 0 };
    struct store_client *store = handle_store(handle, &words);
    int r = store != NULL ? 0 : words.code;

    for (size_t i = 0; r == 0 && i < count; i++) {
        r = from_store(store, &guests[i], &words);
    }
    if (r < 0 && error != NULL) {
        *error = words;
    }
    return r;
}

int vmctl_list(struct vmctl *handle, struct vmctl_guest **guests, size_t *count,
               struct vmctl_error *error)
{
    int r = list_domains(handle, guests, count, error);

    if (r < 0) {
        return vmctl_context(error, r, "list guests");
    }
    (void)name_all(handle, *guests, *count, error);
    return 0;
}

int vmctl_info(struct vmctl *handle, uint32_t domid, struct vmctl_guest *guest,
               struct vmctl_error *error)
{
    struct xen_domctl_getdomaininfo info = { .domain = 0 };
    struct store_client *store;
    char path[64];
    int r = -ESRCH;

    if (domid < DOMID_FIRST_RESERVED) {
        r = domain_info(&handle->privcmd, domid, &info, error);
    }
    if (r == -ESRCH || (r == 0 && info.domain != domid)) {
        r = vmctl_fail(error, -ESRCH, "there is no such domain");
        vmctl_error_object(error, "domain %u", domid);
    }
    if (r < 0) {
        return r;
    }
    from_info(&info, guest);
    store = handle_store(handle, NULL);
    if (store != NULL) {
        (void)snprintf(path, sizeof(path), "/local/domain/%u/memory/target", domid);
        if (from_store(store, guest, NULL) == 0) {
            (void)guest_store_read_number(store, STORE_NO_TRANSACTION, path,
                                          &guest->memory_target_kib, NULL);
        }
    }
    return 0;
}

int vmctl_vcpus(struct vmctl *handle, uint32_t domid, struct vmctl_vcpu **vcpus, size_t *count,
                struct vmctl_error *error)
{
    struct vmctl_guest guest;
    struct vmctl_vcpu *made;
    int r = vmctl_info(handle, domid, &guest, error);

    if (r < 0) {
        return r;
    }
    made = calloc(guest.vcpus_max + 1U, sizeof(*made));
    if (made == NULL) {
        return vmctl_fail(error, -ENOMEM, "no memory for a list of vCPUs");
    }
    *count = 0;
    for (uint32_t i = 0; i < guest.vcpus_max; i++) {
        struct xen_domctl request = {
            .cmd = XEN_DOMCTL_getvcpuinfo,
            .domain = (domid_t)domid,
            .u.getvcpuinfo.vcpu = i,
        };
        const struct xen_domctl_getvcpuinfo *info = &request.u.getvcpuinfo;

        if (privcmd_domctl(&handle->privcmd, &request) == 0) {
            made[(*count)++] = (struct vmctl_vcpu){
                .id = i,
                .online = info->online != 0,
                .blocked = info->blocked != 0,
                .running = info->running != 0,
                .cpu = info->cpu,
                .cpu_time_ns = info->cpu_time,
            };
        }
    }
    *vcpus = made;
    return 0;
}

/*
 * Finding.
 */

/* 1 and the domain of the index node, 0 if there is none. */
static int find_index(struct vmctl *handle, struct store_client *store, const char *path,
                      uint32_t *domid, struct vmctl_error *error)
{
    uint64_t number = 0;
    int r = guest_store_read_number(store, STORE_NO_TRANSACTION, path, &number, error);

    if (r < 0) {
        return r == -ENOENT || r == -EINVAL ? 0 : r;
    }
    *domid = (uint32_t)number;
    return domain_exists(&handle->privcmd, number);
}

static int find_name(struct vmctl *handle, struct store_client *store, const char *who,
                     uint32_t *domid, struct vmctl_error *error)
{
    char path[GUEST_PATH_SIZE];

    if (guest_name_check(who, NULL) < 0) {
        return 0;
    }
    guest_store_name_path(who, path);
    return find_index(handle, store, path, domid, error);
}

static int find_uuid(struct vmctl *handle, struct store_client *store, const char *who,
                     uint32_t *domid, struct vmctl_error *error)
{
    char path[GUEST_PATH_SIZE];

    if (strlen(who) != VMCTL_UUID_SIZE - 1) {
        return 0;
    }
    (void)snprintf(path, sizeof(path), "/paravane/uuid/%s", who);
    return find_index(handle, store, path, domid, error);
}

/* Guests of other toolstacks are in no index: look at all of them. */
static int find_by_looking(struct vmctl *handle, const char *who, uint32_t *domid,
                           struct vmctl_error *error)
{
    struct vmctl_guest *guests = NULL;
    size_t count = 0;
    int found = 0;
    int r = list_domains(handle, &guests, &count, error);

    if (r < 0) {
        return r;
    }
    r = name_all(handle, guests, count, error);
    for (size_t i = 0; i < count && found == 0; i++) {
        if (strcmp(guests[i].name, who) == 0 || strcasecmp(guests[i].uuid, who) == 0) {
            *domid = guests[i].domid;
            found = 1;
        }
    }
    free(guests);
    return found > 0 ? found : r;
}

static bool find_number(struct vmctl *handle, const char *who, uint32_t *domid)
{
    char *end = NULL;
    unsigned long number;

    if (who[0] < '0' || who[0] > '9') {
        return false;
    }
    number = strtoul(who, &end, 10);
    if (*end != '\0' || !domain_exists(&handle->privcmd, number)) {
        return false;
    }
    *domid = (uint32_t)number;
    return true;
}

/* Without the store only numbers are known: who is not found then may be there. */
int vmctl_find(struct vmctl *handle, const char *who, uint32_t *domid, struct vmctl_error *error)
{
    struct vmctl_error words = { .code = 0 };
    struct vmctl_error *out = error != NULL ? error : &words;
    struct store_client *store = handle_store(handle, out);
    int r = store != NULL ? find_name(handle, store, who, domid, out) : 0;

    if (r <= 0 && find_number(handle, who, domid)) {
        return 0;
    }
    if (r == 0 && store != NULL) {
        r = find_uuid(handle, store, who, domid, out);
    }
    r = r == 0 ? find_by_looking(handle, who, domid, out) : r;
    if (r > 0) {
        return 0;
    }
    if (r == 0) {
        r = vmctl_fail(out, -ESRCH, "there is no such guest");
    }
    vmctl_error_object(out, "%.64s", who);
    return r;
}

static int more_memory_first(const void *left, const void *right)
{
    const struct vmctl_guest *a = left;
    const struct vmctl_guest *b = right;

    return (a->memory_kib < b->memory_kib) - (a->memory_kib > b->memory_kib);
}

void guest_name_memory_holders(struct vmctl *handle, char *text, size_t size)
{
    struct vmctl_guest *guests = NULL;
    size_t count = 0;
    size_t used = 0;

    text[0] = '\0';
    if (vmctl_list(handle, &guests, &count, NULL) < 0 || guests == NULL) {
        return;
    }
    qsort(guests, count, sizeof(*guests), more_memory_first);
    for (size_t i = 0; i < count && used + 1 < size; i++) {
        int put = snprintf(text + used, size - used, "%s%s (%u) %llu MiB", i == 0 ? "" : ", ",
                           guests[i].name[0] != '\0' ? guests[i].name : "?", guests[i].domid,
                           (unsigned long long)guests[i].memory_kib >> 10);

        if (put < 0 || (size_t)put >= size - used) {
            text[used] = '\0';
            break;
        }
        used += (size_t)put;
    }
    free(guests);
}
