/* SPDX-License-Identifier: MIT */
/*
 * The core under attack: libFuzzer's and AFL++'s entry (docs/attack.md).
 */
#include "tests/attack/world.h"

#include <setjmp.h>

#define STEPS 64u

static jmp_buf end;

void machine_ended(void)
{
    longjmp(end, 1);
}

static void play(struct input *input)
{
    unsigned int steps = 0;

    if (setjmp(end) != 0) {
        return; /* dom0 switched the machine off: in the midst of anything */
    }
    while (steps++ < STEPS && step(input)) {
        check_all();
        waits_check();
        check_tlb_fill();
    }
    world_end();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    struct input input = { .at = data, .end = data + size };

    if (!ready) {
        machine_setup();
        machine_boot();
        world_make();
        check_all();
        check_tlb_fill();
        ready = true;
        machine_keep();
    }
    play(&input);
    machine_restore();
    return 0;
}
