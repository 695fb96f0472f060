/* SPDX-License-Identifier: MIT */
/*
 * How much a guest's console may cost: a bucket of tokens, one a byte.
 *
 * Each time a guest is served it pays for at least RATE_VISIT bytes, since an
 * event with little behind it costs dom0 as much.  A guest without tokens is
 * left alone until it has some again; its event stays masked meanwhile.
 */
#ifndef DOM0_TOOLS_CONSOLE_RATE_H
#define DOM0_TOOLS_CONSOLE_RATE_H

#include <stdbool.h>
#include <stdint.h>

#define RATE_PER_SECOND UINT64_C(262144)
#define RATE_BURST      INT64_C(524288)
#define RATE_VISIT      UINT64_C(128)
#define RATE_PAUSE_MS   10 /* how long a guest without tokens waits at least */

struct rate {
    int64_t tokens; /* may be a little below zero: a visit is paid for afterwards */
    uint64_t stamp; /* ns, when tokens were last added */
};

static inline void rate_start(struct rate *rate, uint64_t now)
{
    *rate = (struct rate){ .tokens = RATE_BURST, .stamp = now };
}

/* Whether the guest may be served now. */
static inline bool rate_allows(struct rate *rate, uint64_t now)
{
    const uint64_t second = UINT64_C(1000000000);
    uint64_t passed = now - rate->stamp;
    uint64_t earned =
        passed >= 4 * second ? 4 * RATE_PER_SECOND : passed * RATE_PER_SECOND / second;

    if (earned > 0) {
        rate->tokens += (int64_t)earned;
        rate->stamp = now;
    }
    if (rate->tokens > RATE_BURST) {
        rate->tokens = RATE_BURST;
    }
    return rate->tokens > 0;
}

static inline void rate_pay(struct rate *rate, uint64_t bytes)
{
    rate->tokens -= (int64_t)(bytes < RATE_VISIT ? RATE_VISIT : bytes);
}

#endif
