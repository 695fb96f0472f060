/* SPDX-License-Identifier: MIT */
/*
 * A store for the toolstack's tests: libvmctl/store_client.h over a table in
 * this process, and a devd that answers at once.
 */
#ifndef TESTS_FAKE_FAKE_STORE_H
#define TESTS_FAKE_FAKE_STORE_H

#include "libvmctl/store_client.h"

/* Empty, nothing fails. */
void fake_store_reset(void);

/* NULL if there is no such node. */
const char *fake_store_value(const char *path);
void fake_store_set(const char *path, const char *value);
size_t fake_store_count(void);

/* Request number `number` from now fails with `code`; 0: none. */
void fake_store_fail(unsigned long number, int code);
bool fake_store_failed(void);

/* So many transactions end with -EAGAIN first. */
void fake_store_upset(unsigned int transactions);

/* What devd says of the next devices; NULL: that all is well. */
void fake_store_refuse_devices(const char *words);

/* Domains that were introduced and not released; open clients and watches. */
unsigned int fake_store_introduced(void);
unsigned int fake_store_leaks(void);

#endif
