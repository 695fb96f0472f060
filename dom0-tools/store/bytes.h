/* SPDX-License-Identifier: MIT */
/* A queue of bytes: added at the end, taken from the front. */
#ifndef DOM0_TOOLS_STORE_BYTES_H
#define DOM0_TOOLS_STORE_BYTES_H

#include <stddef.h>

struct bytes {
    char *data;
    size_t start; /* of what is in it */
    size_t end;
    size_t room;
};

static inline size_t bytes_size(const struct bytes *bytes)
{
    return bytes->end - bytes->start;
}

static inline char *bytes_front(const struct bytes *bytes)
{
    return bytes->data + bytes->start;
}

/* Room for `more` behind the end, or -ENOMEM and nothing has changed. */
int bytes_reserve(struct bytes *bytes, size_t more);

/* As far as bytes_reserve() went. */
void bytes_add(struct bytes *bytes, const void *data, size_t size);
void bytes_take(struct bytes *bytes, size_t size);

/* Empty, and without memory. */
void bytes_free(struct bytes *bytes);

#endif
