/* SPDX-License-Identifier: MIT */
/*
 * The last bytes of a stream, for viewers that come late or read slowly.
 *
 * Bytes are numbered from 0, the guest's first.  A viewer is a number: where it
 * has got to.  So no viewer needs a buffer, and none can hold up another.
 */
#ifndef DOM0_TOOLS_CONSOLE_HISTORY_H
#define DOM0_TOOLS_CONSOLE_HISTORY_H

#include <stddef.h>
#include <stdint.h>

#define HISTORY_LIMIT 65536u

struct history {
    uint8_t *bytes;
    size_t size; /* a power of two; grows up to HISTORY_LIMIT */
    uint64_t first;
    uint64_t end; /* bytes [first, end) are there */
};

/* 0 or -ENOMEM.  The first byte added will have number `position`. */
int history_open(struct history *history, uint64_t position);
void history_close(struct history *history);

void history_add(struct history *history, const uint8_t *bytes, size_t count);

/*
 * What follows byte `*position`, as far as it is in one piece; 0 at the end.  A
 * position that is no longer there moves to the first that is.
 */
size_t history_at(const struct history *history, uint64_t *position, const uint8_t **bytes);

#endif
