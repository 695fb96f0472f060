/* SPDX-License-Identifier: MIT */
/*
 * For tests: those of the core's string functions that the C library may not
 * have, from the core's own file; the others stay the library's.
 */
#define memcpy  core_memcpy
#define memmove core_memmove
#define memset  core_memset
#define memcmp  core_memcmp
#define strlen  core_strlen
#define strnlen core_strnlen
#define strcmp  core_strcmp
#define strncmp core_strncmp
#define strchr  core_strchr
#include "hypervisor/lib/string.c"
