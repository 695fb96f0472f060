/* SPDX-License-Identifier: MIT */
/* A queue of bytes: see bytes.h. */
#include "dom0-tools/store/bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SMALLEST 512
#define KEPT     16384 /* an empty queue gives more than this back */

int bytes_reserve(struct bytes *bytes, size_t more)
{
    const size_t size = bytes_size(bytes);
    size_t room = bytes->room == 0 ? SMALLEST : bytes->room;
    char *data;

    if (bytes->room - bytes->end >= more) {
        return 0;
    }
    /* Moving is worth it only when it makes much room, or each addition might move all. */
    if (bytes->start >= bytes->room / 2 && bytes->room - size >= more) {
        memmove(bytes->data, bytes_front(bytes), size);
        bytes->start = 0;
        bytes->end = size;
        return 0;
    }
    while (room - size < more) {
        room *= 2;
    }
    data = malloc(room);
    if (data == NULL) {
        return -ENOMEM;
    }
    if (size != 0) {
        memcpy(data, bytes_front(bytes), size);
    }
    free(bytes->data);
    *bytes = (struct bytes){ .data = data, .end = size, .room = room };
    return 0;
}

void bytes_add(struct bytes *bytes, const void *data, size_t size)
{
    if (size != 0) {
        memcpy(bytes->data + bytes->end, data, size);
        bytes->end += size;
    }
}

void bytes_take(struct bytes *bytes, size_t size)
{
    bytes->start += size;
    if (bytes->start == bytes->end) {
        bytes->start = 0;
        bytes->end = 0;
        if (bytes->room > KEPT) {
            bytes_free(bytes);
        }
    }
}

void bytes_free(struct bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct bytes){ .data = NULL };
}
