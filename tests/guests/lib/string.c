/* SPDX-License-Identifier: MIT */
/* The memory and string functions that the compiler and the tests need. */
#include "tests/guests/lib/guest.h"

void *memset(void *to, int value, size_t length)
{
    void *start = to;

    __asm__ volatile("rep stosb" : "+D"(to), "+c"(length) : "a"(value) : "memory");
    return start;
}

void *memcpy(void *to, const void *from, size_t length)
{
    void *start = to;

    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(length) : : "memory");
    return start;
}

int memcmp(const void *left, const void *right, size_t length)
{
    const uint8_t *l = left;
    const uint8_t *r = right;

    for (; length > 0; length--, l++, r++) {
        if (*l != *r) {
            return *l - *r;
        }
    }
    return 0;
}

size_t strlen(const char *string)
{
    size_t length = 0;

    while (string[length] != '\0') {
        length++;
    }
    return length;
}

int strncmp(const char *left, const char *right, size_t length)
{
    for (; length > 0; length--, left++, right++) {
        if (*left != *right || *left == '\0') {
            return *left - *right;
        }
    }
    return 0;
}
