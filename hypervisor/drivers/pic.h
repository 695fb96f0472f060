/* SPDX-License-Identifier: MIT */
/*
 * The PC's old interrupt controllers and timer, put to rest.
 */
#pragma once

/* Both 8259s: away from the exception vectors, every line masked. */
void pic_disable(void);

/* PIT channel 0: no more periodic interrupts. */
void pit_stop(void);
