/* SPDX-License-Identifier: MIT */
/*
 * The wire under store_client.h: the socket, requests queued and sent in one
 * go, answers told from events, and connecting again when the store restarts.
 */
#ifndef LIBVMCTL_STORE_LINK_H
#define LIBVMCTL_STORE_LINK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "guest-pv-headers/io/xs_wire.h"
#include "libvmctl/error.h"
#include "libvmctl/store_client.h"

#define STORE_OPEN_TRANSACTIONS 32

struct store_bytes {
    char *data;
    size_t size;
    size_t room;
};

struct store_link_watch {
    struct store_link_watch *next;
    char *token; /* in `path`'s allocation */
    char path[];
};

struct store_client {
    int socket;  /* -1: not connected */
    int poll_fd; /* -1: store_fd() was never called */
    int timer;   /* in poll_fd: when to try to connect again */
    unsigned int patience_ms;
    char *socket_path; /* NULL: the usual places */
    uint32_t next_request;
    uint32_t next_transaction;
    /* The user's number, and the store's, 0 in `handle` where unused. */
    struct {
        uint32_t handle;
        uint32_t id;
    } transactions[STORE_OPEN_TRANSACTIONS];
    struct store_link_watch *watches;
    struct store_bytes out;    /* requests of this exchange, kept until all are answered */
    struct store_bytes in;     /* received, not looked at yet */
    size_t in_used;            /* of `in`, looked at */
    struct store_bytes events; /* payloads of watch events: length, then bytes */
    size_t events_used;
    struct xsd_sockmsg answer;
    char payload[XENSTORE_PAYLOAD_MAX + 1]; /* of the last answer, zero-terminated */
    char event[XENSTORE_PAYLOAD_MAX + 2];
};

/* Adds to an error why: there is no store; returns `code`. */
int store_link_missing(struct vmctl_error *error, int code);

int store_link_connect(struct store_client *client, struct vmctl_error *error);
void store_link_disconnect(struct store_client *client);

/* Forget what an exchange before left behind. */
void store_link_begin(struct store_client *client);

/* Add a request whose payload is `parts` in a row. */
int store_link_queue(struct store_client *client, enum xsd_sockmsg_type type, uint32_t transaction,
                     const struct iovec *parts, unsigned int count);

/*
 * Send what is queued and wait for `count` answers; the last is left in
 * client->answer and payload.  The error is the first one among them, *failed
 * (may be NULL) its index.
 */
int store_link_exchange(struct store_client *client, size_t count, size_t *failed);

/* Take what the socket has, without waiting. */
int store_link_poll(struct store_client *client);

/* The next event into client->event; 1, or 0 if there is none. */
int store_link_next_event(struct store_client *client);

#endif
