/* SPDX-License-Identifier: MIT */
/*
 * Memory and text.
 *
 * Sizes up to 32 bytes are moved by a few loads and stores that may overlap;
 * longer ones by the CPU's string instructions in words of 8 bytes, the last
 * word again overlapping.  No loop over bytes anywhere on a hot path.
 */
#include "hypervisor/lib/string.h"

#include "hypervisor/lib/frame.h"

/* Memory of any type and alignment, in pieces. */
typedef uint64_t __attribute__((may_alias, aligned(1))) word64;
typedef uint32_t __attribute__((may_alias, aligned(1))) word32;
typedef uint16_t __attribute__((may_alias, aligned(1))) word16;

static always_inline uint64_t load64(const uint8_t *place)
{
    return *(const word64 *)place;
}

static always_inline void store64(uint8_t *place, uint64_t value)
{
    *(word64 *)place = value;
}

static always_inline void words_forward(void *to, const void *from, size_t words)
{
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
}

static always_inline void words_fill(void *to, uint64_t value, size_t words)
{
    __asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(value) : "memory");
}

/* Up to 32 bytes; everything is read before anything is written. */
static always_inline void copy_short(uint8_t *to, const uint8_t *from, size_t size)
{
    if (size > 16) {
        uint64_t a = load64(from), b = load64(from + 8);
        uint64_t c = load64(from + size - 16), d = load64(from + size - 8);

        store64(to, a);
        store64(to + 8, b);
        store64(to + size - 16, c);
        store64(to + size - 8, d);
    } else if (size >= 8) {
        uint64_t a = load64(from), b = load64(from + size - 8);

        store64(to, a);
        store64(to + size - 8, b);
    } else if (size >= 4) {
        uint32_t a = *(const word32 *)from, b = *(const word32 *)(from + size - 4);

        *(word32 *)to = a;
        *(word32 *)(to + size - 4) = b;
    } else if (size >= 2) {
        uint16_t a = *(const word16 *)from, b = *(const word16 *)(from + size - 2);

        *(word16 *)to = a;
        *(word16 *)(to + size - 2) = b;
    } else if (size == 1) {
        *to = *from;
    }
}

/* More than 32 bytes, `to` not inside the source or in front of it. */
static always_inline void copy_long(uint8_t *to, const uint8_t *from, size_t size)
{
    uint64_t last = load64(from + size - 8);

    words_forward(to, from, (size - 1) / 8);
    store64(to + size - 8, last);
}

static always_inline void copy(uint8_t *to, const uint8_t *from, size_t size)
{
    if (size <= 32) {
        copy_short(to, from, size);
    } else {
        copy_long(to, from, size);
    }
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    copy(to, from, size);
    return to;
}

void *memmove(void *destination, const void *source, size_t size)
{
    uint8_t *to = destination;
    const uint8_t *from = source;

    if (size <= 32 || (uintptr_t)to - (uintptr_t)from >= size) {
        copy(to, from, size);
    } else {
        /* Overlapping upwards: from the end down, the first word last. */
        uint64_t first = load64(from);

        for (size_t left = size; left > 8; left -= 8) {
            store64(to + left - 8, load64(from + left - 8));
        }
        store64(to, first);
    }
    return to;
}

void *memset(void *place, int byte, size_t size)
{
    uint8_t *to = place;
    uint64_t word = (uint8_t)byte * UINT64_C(0x0101010101010101);

    if (size >= 8) {
        words_fill(to, word, (size - 1) / 8);
        store64(to + size - 8, word);
    } else {
        while (size-- > 0) {
            to[size] = (uint8_t)byte;
        }
    }
    return place;
}

int memcmp(const void *a, const void *b, size_t size)
{
    const uint8_t *x = a, *y = b;

    for (; size >= 8 && load64(x) == load64(y); size -= 8) {
        x += 8;
        y += 8;
    }
    for (; size > 0; size--, x++, y++) {
        if (*x != *y) {
            return *x - *y;
        }
    }
    return 0;
}

size_t strnlen(const char *text, size_t limit)
{
    size_t length = 0;

    while (length < limit && text[length] != '\0') {
        length++;
    }
    return length;
}

size_t strlen(const char *text)
{
    return strnlen(text, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t limit)
{
    for (size_t i = 0; i < limit; i++) {
        if (a[i] != b[i]) {
            return (unsigned char)a[i] - (unsigned char)b[i];
        }
        if (a[i] == '\0') {
            return 0;
        }
    }
    return 0;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, SIZE_MAX);
}

char *strchr(const char *text, int c)
{
    for (; *text != (char)c; text++) {
        if (*text == '\0') {
            return NULL;
        }
    }
    return (char *)(uintptr_t)text;
}

size_t strlcpy(char *to, const char *from, size_t size)
{
    size_t length = strlen(from);

    if (size > 0) {
        size_t part = MIN(length, size - 1);

        memcpy(to, from, part);
        to[part] = '\0';
    }
    return length;
}

uint64_t parse_size(const char *text, const char **end)
{
    static const char units[] = "KkMmGgTt";
    const char *at = text, *unit;
    uint64_t value = 0;

    *end = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *at - '0', &value)) {
            return 0;
        }
    }
    unit = at == text || *at == '\0' ? NULL : strchr(units, *at);
    if (unit != NULL) {
        unsigned int shift = 10 * ((unsigned int)(unit - units) / 2 + 1);

        if (value > UINT64_MAX >> shift) {
            return 0;
        }
        value <<= shift;
        at++;
    }
    *end = at;
    return value;
}

void page_copy(void *to, const void *from)
{
    words_forward(to, from, PAGE_SIZE / 8);
}

void page_clear(void *page)
{
    words_fill(page, 0, PAGE_SIZE / 8);
}
