/* SPDX-License-Identifier: MIT */
/*
 * A new guest's frames, by pfn.  They come in extents of 2 MiB as long as there
 * are any, so most of the map is one number for 512 pages.
 */
#ifndef LIBVMCTL_FRAME_MAP_H
#define LIBVMCTL_FRAME_MAP_H

#include "libvmctl/privcmd.h"

#define FRAME_EXTENT_ORDER 9
#define FRAME_EXTENT       (1u << FRAME_EXTENT_ORDER)

struct frame_extent {
    uint64_t base;    /* mfn of the first page, if `frames` is NULL */
    uint64_t *frames; /* FRAME_EXTENT mfns */
};

struct frame_map {
    struct frame_extent *extents;
    uint64_t pages;
};

/* Where to populate, and memory of privcmd_buffer() to do it with. */
#define FRAME_BUFFER_SIZE 8192u
struct frame_place {
    struct privcmd *privcmd;
    uint32_t domid;
    void *buffer;
};

/*
 * Set memory aside for the domain until frame_map_populate() has taken it.
 * -ENOMEM of the machine has the reason VMCTL_NO_GUEST_MEMORY.
 */
int frame_map_claim(const struct frame_place *place, uint64_t pages, struct vmctl_error *error);

/*
 * Give the domain `pages` pages and note which.  -ENOMEM of the machine has the
 * reason VMCTL_NO_GUEST_MEMORY.  On failure the map is empty.
 */
int frame_map_populate(struct frame_map *map, const struct frame_place *place, uint64_t pages,
                       struct vmctl_error *error);
void frame_map_free(struct frame_map *map);

/* `count` mfns from `pfn` on. */
void frame_map_copy(const struct frame_map *map, uint64_t pfn, size_t count, uint64_t *to);

static inline uint64_t frame_map_get(const struct frame_map *map, uint64_t pfn)
{
    const struct frame_extent *extent = &map->extents[pfn >> FRAME_EXTENT_ORDER];
    uint64_t within = pfn % FRAME_EXTENT;

    return extent->frames != NULL ? extent->frames[within] : extent->base + within;
}

#endif
