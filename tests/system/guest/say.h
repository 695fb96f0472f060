/* SPDX-License-Identifier: MIT */
/* The console of a guest made by the toolstack: the ring that paravane-consoled empties. */
#pragma once

#include "guest-pv-headers/io/console.h"
#include "tests/guests/lib/guest.h"

#define OUT_SIZE ((unsigned int)sizeof(console->out))

static volatile struct xencons_interface *console;

static void console_open(void)
{
    console = mfn_to_va(start_info->console.domU.mfn);
}

static void tell_console(void)
{
    barrier();
    (void)port_send(start_info->console.domU.evtchn);
}

static void say(const char *text)
{
    for (; *text != '\0'; text++) {
        if (!wait_for(console->out_prod - console->out_cons < OUT_SIZE, 10000)) {
            return;
        }
        console->out[MASK_XENCONS_IDX(console->out_prod, console->out)] = *text;
        barrier();
        console->out_prod++;
    }
    tell_console();
}

static void say_number(unsigned int number)
{
    char text[12];
    char *at = text + sizeof(text) - 1;

    *at = '\0';
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    say(at);
}
