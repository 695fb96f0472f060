/* SPDX-License-Identifier: MIT */
/* Populating a new guest's memory: see frame_map.h. */
#include "libvmctl/frame_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libvmctl/domain.h"

/* Extents asked for in one call. */
#define BATCH (FRAME_BUFFER_SIZE / sizeof(uint64_t))

struct populate {
    struct frame_map *map;
    const struct frame_place *place;
    uint64_t *buffer;
    struct vmctl_error *error;
};

static int no_memory(struct vmctl_error *error, long code)
{
    vmctl_fail(error, (int)code, "the machine has too little free memory");
    if (code == -ENOMEM) {
        vmctl_error_reason(error, VMCTL_NO_GUEST_MEMORY);
    }
    return (int)code;
}

/* 2 MiB extents from number `first` on; how many could be had. */
static uint64_t populate_large(const struct populate *populate, uint64_t first, uint64_t count)
{
    uint64_t done = 0;

    while (done < count) {
        uint64_t want = count - done < BATCH ? count - done : BATCH;
        long got;

        for (uint64_t i = 0; i < want; i++) {
            populate->buffer[i] = (first + done + i) << FRAME_EXTENT_ORDER;
        }
        got = domain_populate(populate->place->privcmd, populate->place->domid, populate->buffer,
                              (size_t)want, FRAME_EXTENT_ORDER);
        for (long i = 0; i < got; i++) {
            populate->map->extents[first + done + (uint64_t)i].base = populate->buffer[i];
        }
        done += got > 0 ? (uint64_t)got : 0;
        if (got < (long)want) {
            break;
        }
    }
    return done;
}

/* Extent `number` page by page; `pages` of it. */
static int populate_small(const struct populate *populate, uint64_t number, uint64_t pages)
{
    struct frame_extent *extent = &populate->map->extents[number];
    long got;

    extent->frames = calloc(FRAME_EXTENT, sizeof(*extent->frames));
    if (extent->frames == NULL) {
        return vmctl_fail(populate->error, -ENOMEM, "no memory for a list of frames");
    }
    for (uint64_t i = 0; i < pages; i++) {
        populate->buffer[i] = (number << FRAME_EXTENT_ORDER) + i;
    }
    got = domain_populate(populate->place->privcmd, populate->place->domid, populate->buffer,
                          (size_t)pages, 0);
    if (got != (long)pages) {
        return no_memory(populate->error, got < 0 ? got : -ENOMEM);
    }
    memcpy(extent->frames, populate->buffer, (size_t)pages * sizeof(*extent->frames));
    return 0;
}

static int populate_all(const struct populate *populate, uint64_t pages)
{
    uint64_t whole = pages >> FRAME_EXTENT_ORDER;
    uint64_t rest = pages % FRAME_EXTENT;
    uint64_t number = populate_large(populate, 0, whole);
    int r = 0;

    for (; number < whole && r == 0; number++) {
        r = populate_small(populate, number, FRAME_EXTENT);
    }
    if (r == 0 && rest != 0) {
        r = populate_small(populate, whole, rest);
    }
    return r;
}

int frame_map_claim(const struct frame_place *place, uint64_t pages, struct vmctl_error *error)
{
    int r = domain_claim(place->privcmd, place->domid, pages, error);

    return r == -ENOMEM ? no_memory(error, r) : r;
}

int frame_map_populate(struct frame_map *map, const struct frame_place *place, uint64_t pages,
                       struct vmctl_error *error)
{
    size_t extents = (size_t)((pages + FRAME_EXTENT - 1) >> FRAME_EXTENT_ORDER);
    const struct populate populate = {
        .map = map,
        .place = place,
        .buffer = place->buffer,
        .error = error,
    };
    int r;

    *map = (struct frame_map){ .extents = calloc(extents, sizeof(*map->extents)), .pages = pages };
    if (map->extents == NULL) {
        return vmctl_fail(error, -ENOMEM, "no memory for a list of frames");
    }
    r = populate_all(&populate, pages);
    /* All of it is used now, or the domain will be destroyed, and the claim with it. */
    (void)domain_claim(place->privcmd, place->domid, 0, NULL);
    if (r < 0) {
        frame_map_free(map);
    }
    return r;
}

void frame_map_free(struct frame_map *map)
{
    uint64_t extents = (map->pages + FRAME_EXTENT - 1) >> FRAME_EXTENT_ORDER;

    for (uint64_t i = 0; map->extents != NULL && i < extents; i++) {
        free(map->extents[i].frames);
    }
    free(map->extents);
    *map = (struct frame_map){ .extents = NULL };
}

void frame_map_copy(const struct frame_map *map, uint64_t pfn, size_t count, uint64_t *to)
{
    while (count > 0) {
        const struct frame_extent *extent = &map->extents[pfn >> FRAME_EXTENT_ORDER];
        size_t within = (size_t)(pfn % FRAME_EXTENT);
        size_t here = FRAME_EXTENT - within < count ? FRAME_EXTENT - within : count;

        if (extent->frames != NULL) {
            memcpy(to, extent->frames + within, here * sizeof(*to));
        } else {
            for (size_t i = 0; i < here; i++) {
                to[i] = extent->base + within + i;
            }
        }
        pfn += here;
        to += here;
        count -= here;
    }
}
