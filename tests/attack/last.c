/* SPDX-License-Identifier: MIT */
/* Linked behind the core: see machine_keep(). */
#include <stdint.h>

extern uint8_t attack_data_end[], attack_bss_end[], *attack_kept;
_Alignas(64) uint8_t attack_data_end[64] = { 1 };
_Alignas(64) uint8_t attack_bss_end[64];
uint8_t *attack_kept;
