/* SPDX-License-Identifier: MIT */
/*
 * The console page of a guest (start_info.console.domU): two byte rings.
 *
 * Indices grow without bound and are masked on use.  The producer writes bytes,
 * then its index, then sends the event; so does the consumer after it made room.
 */
#ifndef GUEST_PV_HEADERS_IO_CONSOLE_H
#define GUEST_PV_HEADERS_IO_CONSOLE_H

#include <stdint.h>

typedef uint32_t XENCONS_RING_IDX;

#define MASK_XENCONS_IDX(idx, ring) ((idx) & (sizeof(ring) - 1))

struct xencons_interface {
    char in[1024];            /* to the guest */
    char out[2048];           /* from the guest */
    XENCONS_RING_IDX in_cons; /* written by the guest */
    XENCONS_RING_IDX in_prod;
    XENCONS_RING_IDX out_cons;
    XENCONS_RING_IDX out_prod; /* written by the guest */
};

#endif
