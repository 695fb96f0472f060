/* SPDX-License-Identifier: MIT */
/*
 * A doubly linked ring with the head as one of its links.
 */
#pragma once

#include "hypervisor/lib/types.h"

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *head)
{
    head->next = head;
    head->prev = head;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

/* Put `link` in front of `place`: before an entry, or at the end of a head's list. */
static inline void list_insert_before(struct list *place, struct list *link)
{
    link->prev = place->prev;
    link->next = place;
    place->prev->next = link;
    place->prev = link;
}

/* Take `link` out; it becomes an empty list, so that taking it out again is harmless. */
static inline void list_remove(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

#define FOR_EACH_LINK(link, head) \
    for ((link) = (head)->next; (link) != (head); (link) = (link)->next)
