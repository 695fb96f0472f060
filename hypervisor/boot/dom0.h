/* SPDX-License-Identifier: MIT */
/*
 * Building the control domain from the boot loader's modules.
 */
#pragma once

/* Build it, paused; panics, naming the cause, if it cannot be. */
void dom0_build(void);
