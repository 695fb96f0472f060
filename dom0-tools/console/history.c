/* SPDX-License-Identifier: MIT */
/* The last bytes of a stream: see history.h. */
#include "dom0-tools/console/history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HISTORY_FIRST_SIZE 2048u

int history_open(struct history *history, uint64_t position)
{
    *history = (struct history){
        .bytes = malloc(HISTORY_FIRST_SIZE),
        .size = HISTORY_FIRST_SIZE,
        .first = position,
        .end = position,
    };
    return history->bytes == NULL ? -ENOMEM : 0;
}

void history_close(struct history *history)
{
    free(history->bytes);
    *history = (struct history){ .bytes = NULL };
}

static void put(struct history *history, const uint8_t *bytes, size_t count)
{
    size_t at = (size_t)history->end & (history->size - 1);
    size_t piece = history->size - at < count ? history->size - at : count;

    memcpy(history->bytes + at, bytes, piece);
    memcpy(history->bytes, bytes + piece, count - piece);
    history->end += count;
    if (history->end - history->first > history->size) {
        history->first = history->end - history->size;
    }
}

/* Room for `wanted` bytes if that can be had; else what is there has to do. */
static void grow(struct history *history, uint64_t wanted)
{
    struct history larger = *history;
    const uint8_t *piece;
    uint64_t position = history->first;
    size_t count;

    while (larger.size < wanted && larger.size < HISTORY_LIMIT) {
        larger.size *= 2;
    }
    if (larger.size == history->size) {
        return;
    }
    larger.bytes = malloc(larger.size);
    if (larger.bytes == NULL) {
        return;
    }
    larger.end = larger.first;
    while ((count = history_at(history, &position, &piece)) > 0) {
        put(&larger, piece, count);
        position += count;
    }
    free(history->bytes);
    *history = larger;
}

void history_add(struct history *history, const uint8_t *bytes, size_t count)
{
    grow(history, history->end - history->first + count);
    if (count > history->size) {
        history->end += count - history->size;
        history->first = history->end;
        bytes += count - history->size;
        count = history->size;
    }
    put(history, bytes, count);
}

size_t history_at(const struct history *history, uint64_t *position, const uint8_t **bytes)
{
    uint64_t left;
    size_t at;

    if (*position < history->first || *position > history->end) {
        *position = history->first;
    }
    left = history->end - *position;
    at = (size_t)*position & (history->size - 1);
    *bytes = history->bytes + at;
    return left < history->size - at ? (size_t)left : history->size - at;
}
