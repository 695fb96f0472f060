/* SPDX-License-Identifier: MIT */
/* Destroying, renaming and making guests again: see actions.h. */
#include "dom0-tools/supervisor/actions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#include "dom0-tools/supervisor/keep.h"
#include "libvmctl/guest.h"
#include "libvmctl/making.h"
#include "libvmctl/node_list.h"
#include "libvmctl/state_file.h"

#define MOST_NAMES 100 /* web-1 to web-99 */

static int save_and_destroy(struct vmctl *handle, struct job *job, struct vmctl_error *error)
{
    struct guest_config *config = NULL;
    int r = state_file_read(job->domid, &config, error);

    if (r == 0) {
        r = keep_write(config, KEEP_KIND_XML, error);
    }
    if (r == 0) {
        memcpy(job->uuid, config->uuid, sizeof(job->uuid));
        r = guest_destroy(handle, job->domid, error);
    }
    guest_config_free(config);
    return r;
}

/* --- a guest that keeps its corpse ---------------------------------------------------- */

/* The first of name-1, name-2, ... that is free. */
static int rename_old(struct vmctl *handle, uint32_t domid, const char *name,
                      struct vmctl_error *error)
{
    int r = -EEXIST;

    for (unsigned int i = 1; i < MOST_NAMES && r == -EEXIST; i++) {
        char wanted[GUEST_NAME_MAX + 1];

        (void)snprintf(wanted, sizeof(wanted), "%.*s-%u", GUEST_NAME_MAX - 4, name, i);
        r = vmctl_rename(handle, domid, wanted, error);
    }
    return r;
}

static int set_handle(struct vmctl *handle, uint32_t domid, const uint8_t uuid[16],
                      struct vmctl_error *error)
{
    struct xen_domctl request = { .cmd = XEN_DOMCTL_setdomainhandle };
    int r;

    request.domain = (domid_t)domid;
    memcpy(request.u.setdomainhandle.handle, uuid, 16);
    r = privcmd_domctl(&handle->privcmd, &request);
    return r < 0
               ? vmctl_fail(error, r, "cannot give guest %u another uuid: %s", domid, strerror(-r))
               : 0;
}

/* From now on the old domain is a guest of its own, that stays as it is. */
static void add_identity(struct node_list *list, uint32_t domid, const struct guest_config *config,
                         const uint8_t old_uuid[16])
{
    static const char *const policies[] = { "on_poweroff", "on_reboot", "on_crash" };
    char old_text[37];
    char text[37];
    char path[64];

    guest_uuid_format(old_uuid, old_text);
    guest_uuid_format(config->uuid, text);
    (void)snprintf(path, sizeof(path), "/vm/%s", text);
    node_list_directory(list, path, 0, domid);
    node_list_write(list, path, "uuid", "%s", text);
    node_list_write(list, path, "name", "%s", config->name);
    (void)snprintf(path, sizeof(path), "/local/domain/%u", domid);
    node_list_write(list, path, "vm", "/vm/%s", text);
    node_list_write(list, "/paravane/uuid", text, "%u", domid);
    node_list_remove(list, "/paravane/uuid/%s", old_text);
    node_list_remove(list, "/vm/%s", old_text);
    (void)snprintf(path, sizeof(path), "/paravane/guest/%u", domid);
    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        node_list_write(list, path, policies[i], "%s", guest_action_name(GUEST_ACTION_PRESERVE));
    }
}

/*
 * `config` is the old domain's description and still has the guest's own uuid.
 * The transaction is the point of no return: a run killed before it begins
 * again, after it the kept description is all that counts.
 */
static int give_identity(struct vmctl *handle, uint32_t domid, struct guest_config *config,
                         struct vmctl_error *error)
{
    struct store_client *store = handle_store(handle, error);
    struct node_list list = NODE_LIST_EMPTY;
    uint8_t old_uuid[16];
    int r;

    if (store == NULL) {
        return error->code;
    }
    memcpy(old_uuid, config->uuid, sizeof(old_uuid));
    uuid_generate(config->uuid);
    config->on_poweroff = GUEST_ACTION_PRESERVE;
    config->on_reboot = GUEST_ACTION_PRESERVE;
    config->on_crash = GUEST_ACTION_PRESERVE;
    r = set_handle(handle, domid, config->uuid, error);
    if (r == 0) {
        add_identity(&list, domid, config, old_uuid);
        r = node_list_commit(&list, store, NULL, error);
    }
    if (r == 0) {
        (void)state_file_write(domid, config, NULL);
    }
    return r;
}

/* The guest as it is to be made again; kept from the first try on. */
static int original(const struct guest_config *current, struct guest_config **config,
                    struct vmctl_error *error)
{
    int r = keep_read(current->uuid, KEEP_KIND_RENAMING, config, error);

    if (r == -ENOENT) {
        r = keep_write(current, KEEP_KIND_RENAMING, error);
        r = r < 0 ? r : keep_read(current->uuid, KEEP_KIND_RENAMING, config, error);
    }
    return r;
}

static int save_and_rename(struct vmctl *handle, struct job *job, struct vmctl_error *error)
{
    struct guest_config *current = NULL;
    struct guest_config *config = NULL;
    int r = state_file_read(job->domid, &current, error);

    r = r < 0 ? r : original(current, &config, error);
    if (r == 0 && strcmp(current->name, config->name) == 0) {
        r = rename_old(handle, job->domid, config->name, error);
        guest_config_free(current);
        current = NULL;
        r = r < 0 ? r : state_file_read(job->domid, &current, error);
    }
    r = r < 0 ? r : give_identity(handle, job->domid, current, error);
    if (r == 0) {
        memcpy(job->uuid, config->uuid, sizeof(job->uuid));
        r = keep_turn(job->uuid, KEEP_KIND_RENAMING, KEEP_KIND_XML, error);
    }
    guest_config_free(current);
    guest_config_free(config);
    return r;
}

/* --- a guest made again ------------------------------------------------------------------ */

static int create(struct vmctl *handle, struct job *job, struct vmctl_error *error)
{
    struct guest_config *config = NULL;
    int r = keep_read(job->uuid, KEEP_KIND_XML, &config, error);

    r = r < 0 ? r : vmctl_create(handle, config, 0, &job->made, error);
    guest_config_free(config);
    return r;
}

void action_run(struct vmctl *handle, struct job *job)
{
    struct vmctl_error error = { .code = 0 };

    switch (job->kind) {
    case JOB_DESTROY:
        job->result = guest_destroy(handle, job->domid, &error);
        break;
    case JOB_SAVE_AND_DESTROY:
        job->result = save_and_destroy(handle, job, &error);
        break;
    case JOB_SAVE_AND_RENAME:
        job->result = save_and_rename(handle, job, &error);
        break;
    case JOB_CREATE:
        job->result = create(handle, job, &error);
        break;
    case JOB_REAP:
        job->result = guest_forget(handle, job->domid, &error);
        break;
    case JOB_FINISH:
        job->result = making_recover(handle, job->uuid, &error);
        break;
    }
    (void)snprintf(job->words, sizeof(job->words), "%s", error.message);
}
