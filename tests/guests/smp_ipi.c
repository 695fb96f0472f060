/* SPDX-License-Identifier: MIT */
/*
 * IPIs between vCPUs, as Linux uses them: one port per target, sent back and forth; every one
 * arrives, also when the target sleeps.
 *
 * Source: public event_channel.h (bind_ipi).
 */
#include "tests/guests/lib/guest.h"

#define ROUNDS 200

static unsigned int to_first, to_second;
static volatile bool finished;

static void answer(void *unused)
{
    (void)unused;
    events_on();
    for (unsigned int i = 1; i <= ROUNDS; i++) {
        sleep_until(port_count[to_second] >= i);
        port_send(to_first);
    }
    events_off();
    finished = true;
}

/* Half of them sleeping, half of them spinning. */
static bool answered(unsigned int round)
{
    if (round % 2 == 0) {
        sleep_until(port_count[to_first] >= round);
    }
    return wait_for(port_count[to_first] >= round, 3000UL);
}

void test_main(void)
{
    expect_eq(bind_ipi(0, &to_first), 0, "port to vCPU 0");
    expect_eq(bind_ipi(1, &to_second), 0, "port to vCPU 1");
    unmask_port(to_first);
    unmask_port(to_second);
    cpu_start(1, answer, NULL);
    events_on();
    for (unsigned int i = 1; i <= ROUNDS; i++) {
        expect_eq(port_send(to_second), 0, "send");
        if (!expect(answered(i), "answered")) {
            break;
        }
    }
    events_off();
    expect(wait_for(finished, 3000UL), "the other vCPU saw them all");
    expect_eq(port_count[to_second], ROUNDS, "no more than were sent");
    expect(cpu_of(0)->upcalls > 0 && cpu_of(1)->upcalls > 0, "each on its own vCPU");
}
