/* SPDX-License-Identifier: MIT */
/*
 * Virtual disks: requests and responses on a ring (ring.h).
 *
 * In the store, the backend says: sectors, sector-size, physical-sector-size,
 * info (VDISK_*), mode, max-ring-page-order, multi-queue-max-queues, and as
 * 0 or 1 feature-barrier, feature-flush-cache, feature-discard (with
 * discard-granularity, discard-alignment, discard-secure),
 * feature-persistent; feature-max-indirect-segments as a number.  The
 * frontend says: ring-ref (or ring-page-order and ring-ref0 ...),
 * event-channel, protocol, feature-persistent; with more than one queue
 * multi-queue-num-queues and a folder queue-N for each.
 *
 * Sectors are 512 bytes unless the frontend says feature-large-sector-size.
 */
#ifndef GUEST_PV_HEADERS_IO_BLKIF_H
#define GUEST_PV_HEADERS_IO_BLKIF_H

#include "guest-pv-headers/grant_table.h"
#include "guest-pv-headers/io/ring.h"

typedef uint16_t blkif_vdev_t; /* the device's number in the store */
typedef uint64_t blkif_sector_t;

#define BLKIF_OP_READ            0
#define BLKIF_OP_WRITE           1
#define BLKIF_OP_WRITE_BARRIER   2 /* a write, ordered after all before and before all after it */
#define BLKIF_OP_FLUSH_DISKCACHE 3 /* what was answered before is on stable storage */
#define BLKIF_OP_RESERVED_1      4
#define BLKIF_OP_DISCARD         5 /* blkif_request_discard */
#define BLKIF_OP_INDIRECT        6 /* blkif_request_indirect */

#define BLKIF_MAX_SEGMENTS_PER_REQUEST       11
#define BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST 8

#define BLKIF_RSP_OKAY       0
#define BLKIF_RSP_ERROR      (-1)
#define BLKIF_RSP_EOPNOTSUPP (-2)

/* Bits of the "info" node. */
#define VDISK_CDROM     0x1
#define VDISK_REMOVABLE 0x2
#define VDISK_READONLY  0x4

/* A part of one granted page, in sectors of that page, both ends included. */
struct blkif_request_segment {
    grant_ref_t gref;
    uint8_t first_sect;
    uint8_t last_sect;
    uint16_t hole;
};

/* Reading, writing, flushing (a flush may have no segments). */
struct blkif_request {
    uint8_t operation; /* BLKIF_OP_* */
    uint8_t nr_segments;
    blkif_vdev_t handle;
    uint32_t hole;
    uint64_t id; /* the frontend's, repeated in the response */
    blkif_sector_t sector_number;
    struct blkif_request_segment seg[BLKIF_MAX_SEGMENTS_PER_REQUEST];
};

/* Contents of these sectors are no longer needed. */
struct blkif_request_discard {
    uint8_t operation;
    uint8_t flag; /* BLKIF_DISCARD_SECURE */
    blkif_vdev_t handle;
    uint32_t hole;
    uint64_t id;
    blkif_sector_t sector_number;
    uint64_t nr_sectors;
};
#define BLKIF_DISCARD_SECURE 0x1 /* and nobody may ever read them again */

/* As blkif_request, with its segments in granted pages of their own. */
struct blkif_request_indirect {
    uint8_t operation;
    uint8_t indirect_op; /* BLKIF_OP_READ or BLKIF_OP_WRITE */
    uint16_t nr_segments;
    uint32_t hole0;
    uint64_t id;
    blkif_sector_t sector_number;
    blkif_vdev_t handle;
    uint16_t hole1;
    grant_ref_t indirect_grefs[BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST];
    uint32_t hole2;
};

struct blkif_response {
    uint64_t id;
    uint8_t operation;
    uint8_t hole0;
    int16_t status; /* BLKIF_RSP_* */
    uint32_t hole1;
};

DEFINE_RING_TYPES(blkif, struct blkif_request, struct blkif_response);

#endif
