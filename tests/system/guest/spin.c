/* SPDX-License-Identifier: MIT */
/* A guest that takes all CPU time it is given, and does nothing with it. */
#include "tests/guests/lib/guest.h"

void test_main(void)
{
    for (;;) {
        barrier();
    }
}
