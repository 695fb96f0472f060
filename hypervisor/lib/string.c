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

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    if (size <= 32) {
        copy_short(to, from, size);
    } else {
        copy_long(to, from, size);
    }
    return to;
}

void *memmove(void *to, const void *from, size_t size)
{
    uint8_t *end = (uint8_t *)to + size;
    const uint8_t *from_end = (const uint8_t *)from + size;

    if (size <= 32) {
        copy_short(to, from, size);
        return to;
    }
    if ((uintptr_t)to - (uintptr_t)from >= size) {
        copy_long(to, from, size);
        return to;
    }
    /* Overlapping upwards: from the end down, the first word last. */
    uint64_t first = load64(from);

    for (size_t words = (size - 1) / 8; words > 0; words--) {
        end -= 8;
        from_end -= 8;
        store64(end, load64(from_end));
    }
    store64(to, first);
    return to;
}

void *memset(void *place, int byte, size_t size)
{
    uint8_t *to = place;
    uint64_t word = (uint8_t)byte * UINT64_C(0x0101010101010101);

    if (size >= 8) {
        words_fill(to, word, (size - 1) / 8);
        store64(to + size - 8, word);
    } else if (size >= 4) {
        *(word32 *)to = (uint32_t)word;
        *(word32 *)(to + size - 4) = (uint32_t)word;
    } else if (size >= 2) {
        *(word16 *)to = (uint16_t)word;
        *(word16 *)(to + size - 2) = (uint16_t)word;
    } else if (size == 1) {
        *to = (uint8_t)byte;
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

static unsigned int digit_value(char c)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    const char *found = c == '\0' ? NULL : strchr(digits, c);

    if (found == NULL) {
        return UINT32_MAX;
    }
    return (unsigned int)(found - digits) - (c >= 'A' && c <= 'F' ? 6 : 0);
}

static unsigned int unit_shift(char c)
{
    static const char units[] = "KkMmGgTt";
    const char *found = c == '\0' ? NULL : strchr(units, c);

    return found == NULL ? 0 : 10 * ((unsigned int)(found - units) / 2 + 1);
}

uint64_t parse_size(const char *text, const char **end)
{
    const char *at = text;
    unsigned int base = 10;
    unsigned int shift;
    uint64_t value = 0;

    *end = text;
    if (at[0] == '0' && (at[1] == 'x' || at[1] == 'X') && digit_value(at[2]) < 16) {
        base = 16;
        at += 2;
    }
    if (digit_value(*at) >= base) {
        return 0;
    }
    for (; digit_value(*at) < base; at++) {
        if (__builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, digit_value(*at), &value)) {
            return 0;
        }
    }
    shift = unit_shift(*at);
    if (shift != 0) {
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
