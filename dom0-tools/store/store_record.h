/* SPDX-License-Identifier: MIT */
/*
 * Records of the journal, in the store's words.  Numbers are as in the comment;
 * parts are p0, p1, p2.
 */
#ifndef DOM0_TOOLS_STORE_STORE_RECORD_H
#define DOM0_TOOLS_STORE_STORE_RECORD_H

#include "dom0-tools/store/stored.h"

enum store_record {
    RECORD_NODE = 1,        /* path, value, entries (none: the parent's); generation of entries */
    RECORD_VALUE = 2,       /* path, value */
    RECORD_PERMS = 3,       /* path, entries; generation */
    RECORD_REMOVE = 4,      /* path */
    RECORD_DOMAIN = 5,      /* domid introduced; mfn, port */
    RECORD_TARGET = 6,      /* domid; target */
    RECORD_SHUTDOWN = 7,    /* domid; 0 or 1 */
    RECORD_GONE = 8,        /* domid; generation */
    RECORD_RING = 9,        /* domid's ring begins; consumed, produced */
    RECORD_IN = 10,         /* domid; consumed */
    RECORD_PART_IN = 11,    /* domid, bytes; consumed */
    RECORD_OUT = 12,        /* domid, bytes; produced when added */
    RECORD_MISSED = 13,     /* domid; 0 or 1 */
    RECORD_WATCH = 14,      /* domid, path, token; depth, relative */
    RECORD_UNWATCH = 15,    /* domid, path as given, token */
    RECORD_BEGIN = 16,      /* domid; transaction */
    RECORD_END = 17,        /* domid; transaction */
    RECORD_RESET = 18,      /* domid: no watches, no transactions */
    RECORD_ENDED = 19,      /* domid's number was free at; generation */
    RECORD_SPECIAL = 20,    /* entries; generation, which */
    RECORD_QUOTA = 21,      /* name; limit */
    RECORD_GENERATION = 22, /* generation */
};

static inline void record_add(struct stored *stored, enum store_record type, uint32_t domid,
                              uint64_t first, uint64_t second)
{
    const struct journal_record record = { .type = type,
                                           .domid = domid,
                                           .numbers = { first, second } };

    journal_add(stored->journal, &record);
}

#endif
