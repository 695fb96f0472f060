/* SPDX-License-Identifier: MIT */
/*
 * Which guests there are: from the store and the hypervisor's list of domains.
 *
 * A new guest costs the same however many there are.  vmctl's are announced by
 * number; for others the store says that there is one, and the hypervisor's list
 * is read from the last number known.  All of it is read only at the start and
 * some time after something was seen to end.
 */
#ifndef DOM0_TOOLS_CONSOLE_DISCOVERY_H
#define DOM0_TOOLS_CONSOLE_DISCOVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "dom0-tools/console/guest.h"
#include "libvmctl/store_client.h"

/* What is to be asked of the store when a domain is looked at. */
enum {
    WANT_PLACE = 1, /* its console's page and port */
    WANT_NAME = 2,
    WANT_LIMIT = 4,
    WANT_FILE = 8,
    WANT_ALL = 15,
};

/* A domain, whether it has a console yet or not. */
struct known {
    struct known *next_dirty;
    uint32_t domid;
    uint32_t seen; /* the last sweep that found it */
    unsigned int failures;
    unsigned int wants;
    bool dirty;
    bool ours; /* of vmctl: its nodes are whole when it is announced, and need no watch */
    bool watched;
    bool announced; /* a name that comes now is another than it began with */
    uint8_t handle[16];
};

struct discovery {
    struct source source; /* the store's events; first */
    struct consoles *consoles;
    struct store_client *store;                /* NULL until it could be reached */
    struct known *table[DOMID_FIRST_RESERVED]; /* pages that no number touched cost nothing */
    uint32_t highest;                          /* number that was seen */
    struct known *dirty;                       /* to be looked at, first come first */
    struct known **dirty_end;
    struct timer look;
    struct timer introduced; /* when to look for who was introduced */
    struct timer sweep;
    struct timer retry; /* of the store */
    uint32_t sweeps;
    int strangers; /* introductions since the last look for who was, without those of ours */
    bool settled;  /* what was there at the start has its console */
    bool waiting;  /* for the store, and have said so */
    void *list;    /* what the hypervisor fills */
};

/* The caller has set `consoles`.  The store need not be there yet. */
int discovery_open(struct discovery *discovery, struct vmctl_error *error);

/* The domain exists, so its console may come yet. */
bool discovery_expects(struct discovery *discovery, uint32_t domid);

void discovery_close(struct discovery *discovery);

#endif
