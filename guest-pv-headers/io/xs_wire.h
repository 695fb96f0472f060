/* SPDX-License-Identifier: MIT */
/*
 * The store's protocol: messages over a socket, or over the two byte rings of a
 * guest's store page.  A message is a header and up to XENSTORE_PAYLOAD_MAX bytes.
 *
 * An answer repeats type, req_id and tx_id of its request; an error has type
 * XS_ERROR and the name of an errno value ("ENOENT") as its payload.
 */
#ifndef GUEST_PV_HEADERS_IO_XS_WIRE_H
#define GUEST_PV_HEADERS_IO_XS_WIRE_H

#include <stdint.h>

/* Payload: | is a zero byte, * repeats; then the answer's, "OK|" where not given. */
enum xsd_sockmsg_type {
    XS_CONTROL = 0,           /* command|parameter* ; privileged */
    XS_DIRECTORY = 1,         /* path| ; (name|)* */
    XS_READ = 2,              /* path| ; value */
    XS_GET_PERMS = 3,         /* path| ; (permission|)* */
    XS_WATCH = 4,             /* path|token| */
    XS_UNWATCH = 5,           /* path|token| */
    XS_TRANSACTION_START = 6, /* | ; id| */
    XS_TRANSACTION_END = 7,   /* T| or F| ; EAGAIN: do it all again */
    XS_INTRODUCE = 8,         /* domid|mfn|port| ; privileged */
    XS_RELEASE = 9,           /* domid| ; privileged */
    XS_GET_DOMAIN_PATH = 10,  /* domid| ; path| */
    XS_WRITE = 11,            /* path|value */
    XS_MKDIR = 12,            /* path| */
    XS_RM = 13,               /* path| */
    XS_SET_PERMS = 14,        /* path|(permission|)* : the first is the owner's */
    XS_WATCH_EVENT = 15,      /* from the server: path|token| */
    XS_ERROR = 16,
    XS_IS_DOMAIN_INTRODUCED = 17, /* domid| ; T| or F| */
    XS_RESUME = 18,               /* domid| ; privileged */
    XS_SET_TARGET = 19,           /* domid|target| ; privileged */
    XS_RESET_WATCHES = 21,        /* | ; also ends transactions */
    XS_DIRECTORY_PART = 22,       /* path|offset| ; generation|(name|)*, empty name: the end */
    XS_TYPE_COUNT = 23,
    XS_INVALID = 0xffff
};
#define XS_DEBUG XS_CONTROL

#define XS_WRITE_NONE        "NONE"
#define XS_WRITE_CREATE      "CREATE"
#define XS_WRITE_CREATE_EXCL "CREATE|EXCL"

struct xsd_sockmsg {
    uint32_t type;
    uint32_t req_id; /* the client's; 0 in watch events */
    uint32_t tx_id;  /* 0: outside of transactions */
    uint32_t len;    /* of the payload, bytes */
};

/* Order of the parts of a watch event. */
enum xs_watch_type { XS_WATCH_PATH = 0, XS_WATCH_TOKEN = 1 };

/* A longer payload ends the connection; a longer path is an error. */
#define XENSTORE_PAYLOAD_MAX  4096
#define XENSTORE_ABS_PATH_MAX 3072
#define XENSTORE_REL_PATH_MAX 2048

/* The store page of a guest (start_info.store_mfn). */
#define XENSTORE_RING_SIZE 1024
typedef uint32_t XENSTORE_RING_IDX;
#define MASK_XENSTORE_IDX(idx) ((idx) & (XENSTORE_RING_SIZE - 1))

struct xenstore_domain_interface {
    char req[XENSTORE_RING_SIZE]; /* to the store */
    char rsp[XENSTORE_RING_SIZE]; /* to the guest: answers and watch events */
    XENSTORE_RING_IDX req_cons;
    XENSTORE_RING_IDX req_prod; /* written by the guest */
    XENSTORE_RING_IDX rsp_cons; /* written by the guest */
    XENSTORE_RING_IDX rsp_prod;
    uint32_t server_features; /* XENSTORE_SERVER_FEATURE_* */
    uint32_t connection;      /* XENSTORE_CONNECTED; the guest asks with XENSTORE_RECONNECT */
    uint32_t error;           /* XENSTORE_ERROR_*: why the store gave up on this ring */
};

#define XENSTORE_SERVER_FEATURE_RECONNECTION 1
#define XENSTORE_SERVER_FEATURE_ERROR        2

#define XENSTORE_CONNECTED 0
#define XENSTORE_RECONNECT 1

#define XENSTORE_ERROR_NONE    0
#define XENSTORE_ERROR_COMM    1
#define XENSTORE_ERROR_RINGIDX 2 /* an index is impossible */
#define XENSTORE_ERROR_PROTO   3 /* e.g. too long a payload */

#endif
