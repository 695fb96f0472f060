/* SPDX-License-Identifier: MIT */
/* Limits of a domain: see store_quota.h. */
#include "dom0-tools/store/store_quota.h"

#include <errno.h>
#include <string.h>

static const struct {
    const char *name;
    uint64_t limit;
    int error;
} quotas[QUOTA_COUNT] = {
#define X(constant, text, most, code) [constant] = { .name = text, .limit = most, .error = code },
    QUOTA_LIST(X)
#undef X
};

const char *quota_name(enum quota what)
{
    return quotas[what].name;
}

int quota_find(const char *name, enum quota *what)
{
    for (enum quota i = QUOTA_NODES; i < QUOTA_COUNT; i++) {
        if (strcmp(quotas[i].name, name) == 0) {
            *what = i;
            return 0;
        }
    }
    return -EINVAL;
}

void quota_defaults(struct quota_limits *limits)
{
    for (enum quota i = QUOTA_NODES; i < QUOTA_COUNT; i++) {
        limits->limit[i] = quotas[i].limit;
    }
}

int quota_check(struct quota_use *use, const struct quota_limits *limits, enum quota what,
                uint64_t amount)
{
    if (use->used[what] <= limits->limit[what] && amount <= limits->limit[what] - use->used[what]) {
        return 0;
    }
    use->hits[what]++;
    return -quotas[what].error;
}
