/* SPDX-License-Identifier: MIT */
/*
 * The part of C's string functions that the core needs; same contracts.
 */
#pragma once

#include "hypervisor/lib/types.h"

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *destination, const void *source, size_t size);
void *memset(void *place, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *text);
size_t strnlen(const char *text, size_t limit);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t limit);
char *strchr(const char *text, int c);

/* Copy as much as fits, always terminated; returns the length of `from`. */
size_t strlcpy(char *to, const char *from, size_t size);

/*
 * The number at the start of `text` (K, M, G or T after it multiplies by 1024
 * and so on), and where it ends in *end.  0 and *end == text if there is none or
 * it does not fit.
 */
uint64_t parse_size(const char *text, const char **end);

/* Whole 4 KiB pages; both pointers page aligned. */
void page_copy(void *to, const void *from);
void page_clear(void *page);
