/* SPDX-License-Identifier: MIT */
/*
 * The wires of the store: one loop over its socket's clients, the event
 * channels of the domains' rings, and signals.
 */
#ifndef DOM0_TOOLS_STORE_WIRES_H
#define DOM0_TOOLS_STORE_WIRES_H

#include "dom0-tools/store/stored.h"
#include "libvmctl/error.h"
#include "libvmctl/privcmd.h"

struct wires {
    struct stored *stored;
    int epoll;
    int listener;
    int signals;
    char *socket_path;
    /* Of domains; evtchn < 0: none are served. */
    int evtchn;
    int grants;
    struct privcmd privcmd;
    int virq; /* port of VIRQ_DOM_EXC */
    struct store_connection **by_port;
    size_t port_count;
    struct store_connection *pending; /* rings to be looked at, a queue */
    struct store_connection **pending_end;
    struct store_connection *held; /* rings to be looked at later */
    void *infos;                   /* hypercall memory for the list of domains */
    bool deaf;                     /* to new clients: no descriptor is left for one */
    bool journal_failed;
    int64_t journal_retry; /* ms */
};

#define WIRES_NONE                   \
    ((struct wires){ .epoll = -1,    \
                     .listener = -1, \
                     .signals = -1,  \
                     .evtchn = -1,   \
                     .grants = -1,   \
                     .privcmd = { .fd = -1, .buffer_fd = -1 } })

int wires_open(struct wires *wires, struct stored *stored, struct vmctl_error *error);
int wires_listen(struct wires *wires, const char *path, struct vmctl_error *error);
void wires_close(struct wires *wires);
/* Until a signal says to end. */
int wires_run(struct wires *wires, struct vmctl_error *error);
/* Send what is to be sent, a share of it; true if there is more. */
bool wires_send(struct wires *wires);

/* wires_domains.c: rings and the hypervisor. */
int domains_open(struct wires *wires, struct vmctl_error *error);
void domains_close(struct wires *wires);
/* Attach to those the journal knows, and to dom0's kernel; forget those that are no more. */
int domains_begin(struct wires *wires, struct vmctl_error *error);
void domains_events(struct wires *wires);
/* Do a share of the rings' requests; true if there is more. */
bool domains_work(struct wires *wires);
/* Milliseconds until a held ring is to be looked at; -1: none is held. */
int domains_wait(struct wires *wires);
void domains_send(struct wires *wires, struct store_connection *ring);
int domains_attach(void *context, struct store_connection *ring, uint64_t mfn, uint32_t port);
void domains_detach(void *context, struct store_connection *ring);
void domains_hold(void *context, struct store_connection *ring);

int64_t wires_now(void); /* ms */

/* wires_sockets.c */
void sockets_accept(struct wires *wires);
void sockets_event(struct wires *wires, struct store_connection *connection, uint32_t events);
/* Send what can be sent; a failed connection is freed. */
void sockets_send(struct wires *wires, struct store_connection *connection);

#endif
