/* SPDX-License-Identifier: MIT */
/*
 * A store for tests: libvmctl/store_client.h over a table in this process, in
 * place of store_client.c.  There is one store; every client sees it.  It plays
 * devd and the back ends' drivers too: they answer at once.
 */
#ifndef TESTS_FAKE_FAKE_STORE_H
#define TESTS_FAKE_FAKE_STORE_H

#include "libvmctl/store_client.h"

/* Empty, nothing fails. */
void fake_store_reset(void);

/* As another client would; parents come by themselves. */
void fake_store_set(const char *path, const char *value);
/* With all below it. */
void fake_store_drop(const char *path);
/* NULL: not there. */
const char *fake_store_get(const char *path);
/* Nodes that were written, without the parents that came by themselves. */
size_t fake_store_count(void);
/* How many requests clients have made. */
size_t fake_store_requests(void);

/* All requests fail with this from now on; 0: none. */
void fake_store_fail(int code);
/* Request number `number` from now fails with `code`; 0: none. */
void fake_store_fail_at(unsigned long number, int code);
bool fake_store_failed(void);
/* Asked at each request whether the client has been killed: then all of them fail. */
void fake_store_ask_death(bool (*asked)(void));
/* Its clients have lost it and hear of nothing; once it is back, every watch fires. */
void fake_store_away(bool is);
/* So many transactions end with -EAGAIN first. */
void fake_store_upset(unsigned int transactions);
/* Asked once, when a client has heard of everything and would wait: what happens meanwhile. */
void fake_store_when_idle(void (*happens)(void));
/* Somebody removes this just before the next write. */
void fake_store_drop_before_write(const char *path);
/* What devd says of the next devices; NULL: that all is well. */
void fake_store_refuse_devices(const char *words);

/* The next back end to be asked to close is about to connect, and closes just before it is asked
 * again. */
void fake_store_connect_late(void);

/* Domains that were introduced and not released; open clients, watches and transactions. */
unsigned int fake_store_introduced(void);
unsigned int fake_store_leaks(void);

#endif
