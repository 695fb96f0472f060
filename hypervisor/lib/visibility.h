/* SPDX-License-Identifier: MIT */
/*
 * Forced into every file of the core (-include): each symbol is reached
 * relative to the instruction pointer, never through a global offset table.
 */
#pragma GCC visibility push(hidden)
