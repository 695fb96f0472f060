/* SPDX-License-Identifier: MIT */
/*
 * A guest's nodes in the store (docs/toolstack/builder.md has the list).
 */
#ifndef LIBVMCTL_GUEST_STORE_H
#define LIBVMCTL_GUEST_STORE_H

#include "libvmctl/builder.h"
#include "libvmctl/guest_config.h"
#include "libvmctl/node_list.h"

#define GUEST_PATH_SIZE 320 /* /paravane/name/ and an escaped name fit */

struct guest_claim {
    const char *name;
    const uint8_t *uuid;
    uint32_t domid;
    struct privcmd *privcmd;
};

/*
 * Take the name and the uuid for a domain, or -EEXIST and who has them.  A
 * holder that is no more does not count.
 */
int guest_store_claim(struct store_client *store, struct guest_claim *claim,
                      struct vmctl_error *error);

/* 0 if nobody else has the claim's name; else -EEXIST and who has it. */
int guest_store_check_name(struct store_client *store, uint32_t transaction,
                           const struct guest_claim *claim, struct vmctl_error *error);

/* What a guest finds in its home, which its claim has made, but the devices. */
void guest_store_add(struct node_list *list, const struct guest_config *config, uint32_t domid,
                     const struct builder_result *built);

/* What tells the daemons of it: the last thing before it runs. */
void guest_store_announce(struct node_list *list, const struct guest_config *config,
                          uint32_t domid);

/* The name under which the domain is in our index, for free(3); NULL if it is in none. */
int guest_store_name_of(struct store_client *store, uint32_t transaction, uint32_t domid,
                        char **name, struct vmctl_error *error);

/*
 * Everything of a guest, but for a name or a uuid that is another's by now: a store_step,
 * `context` points to the domain's id.
 */
int guest_store_remove(struct store_client *store, uint32_t transaction, void *context,
                       struct vmctl_error *error);

/* The name in the domain's home, which is there from the guest's claim to its end. */
#define GUEST_HOME_NAME_SIZE 32
void guest_store_home_name(uint32_t domid, char path[GUEST_HOME_NAME_SIZE]);

/* The index node of a name. */
void guest_store_name_path(const char *name, char path[GUEST_PATH_SIZE]);

/* A number in a node; -ENOENT, or -EINVAL if something else is there. */
int guest_store_read_number(struct store_client *store, uint32_t transaction, const char *path,
                            uint64_t *number, struct vmctl_error *error);

#endif
