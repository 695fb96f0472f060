/* SPDX-License-Identifier: MIT */
/* Linked before the core: see machine_keep(). */
#include <stdint.h>

extern uint8_t attack_data_start[], attack_bss_start[];
_Alignas(64) uint8_t attack_data_start[64] = { 1 };
_Alignas(64) uint8_t attack_bss_start[64];
