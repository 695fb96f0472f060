/* SPDX-License-Identifier: MIT */
/* A network of the test's own: a namespace, and interfaces made in it. */
#ifndef TESTS_UNIT_NET_WORLD_H
#define TESTS_UNIT_NET_WORLD_H

#include <stdbool.h>

/* Whether this process may have a network of its own with bridges in it. */
bool net_world_possible(void);

/* From here on, this process is in a new network namespace. */
void net_world_enter(void);

/* `kind`: "bridge", or "veth" (its other end gets a name from the kernel). */
void net_world_add(const char *name, const char *kind);
void net_world_remove(const char *name);

#endif
