/* SPDX-License-Identifier: MIT */
/*
 * Virtual network interfaces: a ring for packets the guest sends (tx), one for
 * buffers it receives into (rx), and optionally a control ring (ctrl).
 *
 * In the store, the frontend says: tx-ring-ref, rx-ring-ref, event-channel (or
 * event-channel-tx and -rx), request-rx-copy, feature-rx-notify, ctrl-ring-ref,
 * event-channel-ctrl; with more than one queue multi-queue-num-queues and a
 * folder queue-N for each.  Both say feature-sg, feature-gso-tcpv4 and
 * -tcpv6, feature-no-csum-offload, feature-ipv6-csum-offload.  The backend
 * says multi-queue-max-queues, feature-split-event-channels,
 * feature-ctrl-ring, feature-multicast-control, carrier.
 */
#ifndef GUEST_PV_HEADERS_IO_NETIF_H
#define GUEST_PV_HEADERS_IO_NETIF_H

#include "guest-pv-headers/grant_table.h"
#include "guest-pv-headers/io/ring.h"

/* Slots of one packet that every backend takes, and the longest packet, bytes. */
#define XEN_NETIF_NR_SLOTS_MIN 18
#define XEN_NETIF_MAX_TX_SIZE  0xFFFF

/*
 * Status of a response.  In rx a positive one is the number of bytes.
 */
#define NETIF_RSP_NULL    1 /* the slot held an extra */
#define NETIF_RSP_OKAY    0
#define NETIF_RSP_ERROR   (-1)
#define NETIF_RSP_DROPPED (-2)

/*
 * A packet out: one request for each piece.  The first has the whole packet's
 * size, the others their own; extras, if any, come right after the first.
 */
struct netif_tx_request {
    grant_ref_t gref;
    uint16_t offset; /* bytes into the page */
    uint16_t flags;  /* NETTXF_* */
    uint16_t id;
    uint16_t size;
};
#define _NETTXF_csum_blank     0
#define _NETTXF_data_validated 1
#define _NETTXF_more_data      2
#define _NETTXF_extra_info     3
#define NETTXF_csum_blank      0x1u /* the checksum is still to be filled in */
#define NETTXF_data_validated  0x2u /* the data are known to be good */
#define NETTXF_more_data       0x4u /* another piece follows */
#define NETTXF_extra_info      0x8u /* an extra follows */

struct netif_tx_response {
    uint16_t id;
    int16_t status; /* NETIF_RSP_* */
};

/* A page to receive into. */
struct netif_rx_request {
    uint16_t id;
    uint16_t pad;
    grant_ref_t gref;
};

/* A packet in, or a piece of it. */
struct netif_rx_response {
    uint16_t id;
    uint16_t offset; /* bytes into the page */
    uint16_t flags;  /* NETRXF_* */
    int16_t status;  /* bytes, or NETIF_RSP_* */
};
#define _NETRXF_data_validated 0
#define _NETRXF_csum_blank     1
#define _NETRXF_more_data      2
#define _NETRXF_extra_info     3
#define _NETRXF_gso_prefix     4
#define NETRXF_data_validated  0x01u
#define NETRXF_csum_blank      0x02u
#define NETRXF_more_data       0x04u
#define NETRXF_extra_info      0x08u
#define NETRXF_gso_prefix      0x10u /* this slot only carries a segment size */

/* An extra takes the place of a request or response in its ring. */
struct netif_extra_info {
    uint8_t type;  /* XEN_NETIF_EXTRA_TYPE_* */
    uint8_t flags; /* XEN_NETIF_EXTRA_FLAG_MORE */
    union {
        struct {
            uint16_t size; /* of the segments to cut into, bytes */
            uint8_t type;  /* XEN_NETIF_GSO_TYPE_* */
            uint8_t pad;
            uint16_t features; /* 0 */
        } gso;
        struct {
            uint8_t addr[6];
        } mcast; /* let this group through, or no longer */
        struct {
            uint8_t type;      /* bit number, _XEN_NETIF_CTRL_HASH_TYPE_* */
            uint8_t algorithm; /* XEN_NETIF_CTRL_HASH_ALGORITHM_* */
            uint8_t value[4];
        } hash;
        uint16_t pad[3];
    } u;
};
#define XEN_NETIF_EXTRA_TYPE_NONE      0
#define XEN_NETIF_EXTRA_TYPE_GSO       1
#define XEN_NETIF_EXTRA_TYPE_MCAST_ADD 2
#define XEN_NETIF_EXTRA_TYPE_MCAST_DEL 3
#define XEN_NETIF_EXTRA_TYPE_HASH      4
#define XEN_NETIF_EXTRA_TYPE_MAX       5
#define _XEN_NETIF_EXTRA_FLAG_MORE     0
#define XEN_NETIF_EXTRA_FLAG_MORE      0x1u /* another extra follows */
#define XEN_NETIF_GSO_TYPE_NONE        0
#define XEN_NETIF_GSO_TYPE_TCPV4       1
#define XEN_NETIF_GSO_TYPE_TCPV6       2

DEFINE_RING_TYPES(netif_tx, struct netif_tx_request, struct netif_tx_response);
DEFINE_RING_TYPES(netif_rx, struct netif_rx_request, struct netif_rx_response);

/*
 * The control ring: how packets are spread over queues, and pages that the
 * backend keeps mapped.
 */
struct xen_netif_ctrl_request {
    uint16_t id;
    uint16_t type; /* XEN_NETIF_CTRL_TYPE_* */
    uint32_t data[3];
};

struct xen_netif_ctrl_response {
    uint16_t id;
    uint16_t type;
    uint32_t status; /* XEN_NETIF_CTRL_STATUS_* */
    uint32_t data;
};

/* Types, and what data[] holds (page: a reference). */
#define XEN_NETIF_CTRL_TYPE_INVALID               0
#define XEN_NETIF_CTRL_TYPE_GET_HASH_FLAGS        1
#define XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS        2 /* hash types */
#define XEN_NETIF_CTRL_TYPE_SET_HASH_KEY          3 /* page, bytes */
#define XEN_NETIF_CTRL_TYPE_GET_HASH_MAPPING_SIZE 4
#define XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE 5  /* entries */
#define XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING      6  /* page, entries, first entry */
#define XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM    7  /* algorithm */
#define XEN_NETIF_CTRL_TYPE_GET_GREF_MAPPING_SIZE 8  /* queue */
#define XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING      9  /* queue, page of xen_netif_gref, entries */
#define XEN_NETIF_CTRL_TYPE_DEL_GREF_MAPPING      10 /* queue, page of xen_netif_gref, entries */

#define XEN_NETIF_CTRL_STATUS_SUCCESS           0
#define XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED     1
#define XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER 2
#define XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW   3 /* more than the backend has room for */

/* What is hashed: addresses, or addresses and TCP ports. */
#define _XEN_NETIF_CTRL_HASH_TYPE_IPV4         0
#define _XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP     1
#define _XEN_NETIF_CTRL_HASH_TYPE_IPV6         2
#define _XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP     3
#define XEN_NETIF_CTRL_HASH_TYPE_IPV4          0x1
#define XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP      0x2
#define XEN_NETIF_CTRL_HASH_TYPE_IPV6          0x4
#define XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP      0x8
#define XEN_NETIF_CTRL_HASH_ALGORITHM_NONE     0
#define XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ 1

struct xen_netif_gref {
    grant_ref_t ref;
    uint16_t flags;  /* XEN_NETIF_CTRLF_* */
    uint16_t status; /* out: XEN_NETIF_CTRL_STATUS_* */
};
#define _XEN_NETIF_CTRLF_GREF_readonly 0
#define XEN_NETIF_CTRLF_GREF_readonly  0x1u

DEFINE_RING_TYPES(xen_netif_ctrl, struct xen_netif_ctrl_request, struct xen_netif_ctrl_response);

#endif
