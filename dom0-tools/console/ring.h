/* SPDX-License-Identifier: MIT */
/*
 * A guest's console page, as dom0 sees it.
 *
 * The guest may write anything anywhere in the page at any moment.  Our two
 * indices are kept in private memory and only published; each of the guest's is
 * read once, then checked; bytes are copied out before anybody looks at them.
 */
#ifndef DOM0_TOOLS_CONSOLE_RING_H
#define DOM0_TOOLS_CONSOLE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest-pv-headers/io/console.h"

#define RING_OUTPUT 2048u /* bytes from the guest that fit in the page */
#define RING_INPUT  1024u /* bytes to the guest */

struct ring {
    struct xencons_interface *shared;
    uint32_t taken; /* of the guest's output; published as out_cons */
    uint32_t given; /* of its input; published as in_prod */
};

/* Start where the page says that its last user left off. */
void ring_attach(struct ring *ring, struct xencons_interface *shared);

/* Output is taken from `index` on instead; false if the page cannot hold that. */
bool ring_resume(struct ring *ring, uint32_t index);

/*
 * Copy what there is and leave it in the page.  A count, or -EPROTO if the
 * guest's index is absurd: everything up to that index is then given up.
 */
int ring_peek(struct ring *ring, uint8_t bytes[RING_OUTPUT]);

/* Give `count` bytes of room back.  True if the guest may be waiting for it. */
bool ring_take(struct ring *ring, uint32_t count);

/* How much input fits; 0 also if the guest's index is absurd. */
size_t ring_room(const struct ring *ring);
/* What did not fit is not counted. */
size_t ring_give(struct ring *ring, const uint8_t *bytes, size_t count);

#endif
