/* SPDX-License-Identifier: MIT */
/*
 * What one domain may make the store hold, and how often it was told no.
 *
 * Dom0 has no limits.  What dom0 itself writes into a guest's nodes counts as
 * the guest's use but is never refused.
 */
#ifndef DOM0_TOOLS_STORE_QUOTA_H
#define DOM0_TOOLS_STORE_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(constant, name for xenstore-control, limit, error) */
/* clang-format off */
#define QUOTA_LIST(X)                                                \
    X(QUOTA_NODES,             "nodes",             1000,    ENOSPC) \
    X(QUOTA_NODE_SIZE,         "node-size",         2048,    ENOSPC) \
    X(QUOTA_PERMISSIONS,       "permissions",       5,       ENOSPC) \
    X(QUOTA_WATCHES,           "watches",           128,     E2BIG)  \
    X(QUOTA_TRANSACTIONS,      "transactions",      10,      ENOSPC) \
    X(QUOTA_TRANSACTION_NODES, "transaction-nodes", 1024,    ENOSPC) \
    X(QUOTA_OUTSTANDING,       "outstanding",       65536,   ENOSPC) \
    X(QUOTA_PATH,              "path-max",          2048,    EINVAL) \
    X(QUOTA_MEMORY,            "memory",            2097152, ENOSPC)
/* clang-format on */

enum quota {
#define X(constant, name, limit, error) constant,
    QUOTA_LIST(X)
#undef X
        QUOTA_COUNT
};

struct quota_use {
    uint64_t used[QUOTA_COUNT]; /* of those that add up */
    uint64_t hits[QUOTA_COUNT];
};

struct quota_limits {
    uint64_t limit[QUOTA_COUNT];
};

const char *quota_name(enum quota what);
/* -EINVAL: no such name. */
int quota_find(const char *name, enum quota *what);
void quota_defaults(struct quota_limits *limits);

/* 0 if `amount` more is allowed, else the error for the client, counted. */
int quota_check(struct quota_use *use, const struct quota_limits *limits, enum quota what,
                uint64_t amount);

#endif
