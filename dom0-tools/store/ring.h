/* SPDX-License-Identifier: MIT */
/*
 * A domain's store page: requests out of it, answers into it.
 *
 * The page is the domain's to scribble on.  The indices that are ours are kept
 * in the connection and only published; the domain's are read once and checked;
 * requests are copied before they are looked at.
 *
 * A request stays in the ring until the journal has its effects and its answer,
 * and only then is the index published: killed in between, the store finds
 * either the request untouched or all it led to.
 */
#ifndef DOM0_TOOLS_STORE_RING_H
#define DOM0_TOOLS_STORE_RING_H

#include <stdbool.h>

#include "dom0-tools/store/stored.h"

/* The page is there: take up where the journal (or, at first, the page) says. */
void ring_begin(struct store_connection *connection);

/* Do at most `budget` requests; true if there may be more to do at once. */
bool ring_receive(struct store_connection *connection, unsigned int budget);

/* Put what fits into the ring; true if the domain has to be told of anything. */
bool ring_send(struct store_connection *connection);

#endif
