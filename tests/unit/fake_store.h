/* SPDX-License-Identifier: MIT */
/*
 * libvmctl/store_client.h over a table in memory: link it in place of
 * store_client.c.  There is one store; every client sees it.
 */
#ifndef TESTS_UNIT_FAKE_STORE_H
#define TESTS_UNIT_FAKE_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "libvmctl/store_client.h"

void fake_store_reset(void);

/* As another client would; parents come by themselves. */
void fake_store_set(const char *path, const char *value);
/* With all below it. */
void fake_store_drop(const char *path);
/* NULL: not there. */
const char *fake_store_get(const char *path);

/* Somebody removes this just before the next write. */
void fake_store_drop_before_write(const char *path);

/* How many requests clients have made. */
size_t fake_store_requests(void);

/* All requests fail with this from now on; 0: none. */
void fake_store_fail(int code);

#endif
