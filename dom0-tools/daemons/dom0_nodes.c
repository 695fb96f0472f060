/* SPDX-License-Identifier: MIT */
/* Dom0's own nodes in the store: see dom0_nodes.h. */
#include "dom0-tools/daemons/dom0_nodes.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libvmctl/store_client.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define PAUSE_MS          10u

static const struct node {
    const char *path;
    const char *text;
} nodes[] = {
    { "/local/domain/0/name", "Domain-0" },
    { "/local/domain/0/domid", "0" },
    { "/local/pool/0/name", "Pool-0" },
    { "/tool/xenstored", "" },
    /* The kernel makes these with its first words about a device, and nobody removes them. */
    { "/local/domain/0/backend/vbd", "" },
    { "/local/domain/0/backend/vif", "" },
    { "/local/domain/0/error/backend/vbd", "" },
    { "/local/domain/0/error/backend/vif", "" },
};

/* A store that answers, not just a socket. */
static int reach(unsigned int milliseconds, struct store_client **store, struct vmctl_error *error)
{
    const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };
    unsigned int waited = 0;
    int code;

    while ((code = store_open(NULL, store, error)) != 0 && waited < milliseconds) {
        (void)nanosleep(&pause, NULL);
        waited += PAUSE_MS;
    }
    if (code == 0) {
        store_set_patience(*store, milliseconds);
    }
    return code;
}

static int write_missing(struct store_client *store, struct vmctl_error *error)
{
    struct store_change changes[ARRAY_SIZE(nodes)];
    size_t missing = 0;

    for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
        char *text = NULL;

        if (store_read(store, STORE_NO_TRANSACTION, nodes[i].path, &text, NULL, NULL) != 0) {
            changes[missing++] = (struct store_change){
                .kind = STORE_CHANGE_WRITE,
                .path = nodes[i].path,
                .value = nodes[i].text,
                .length = strlen(nodes[i].text),
            };
        }
        free(text);
    }
    if (missing == 0) {
        return 0;
    }
    return store_write_many(store, STORE_NO_TRANSACTION, changes, missing, NULL, error);
}

int dom0_nodes_write(unsigned int milliseconds, struct vmctl_error *error)
{
    struct store_client *store = NULL;
    int code = reach(milliseconds, &store, error);

    if (code == 0) {
        code = write_missing(store, error);
    }
    store_close(store);
    return code;
}
