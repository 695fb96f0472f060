/* SPDX-License-Identifier: MIT */
/*
 * Formatted text: one pass over the format, each directive laid out as it is read.
 */
#include "hypervisor/lib/printf.h"

#include "hypervisor/lib/string.h"

struct output {
    char *buffer;
    size_t size;
    size_t length; /* of the whole text, whether it fitted or not */
};

struct directive {
    bool left, zeros;
    unsigned int width;
};

/* Wide enough for 64 bits in decimal with a sign; zeros are put in front up to this. */
#define DIGITS_MAX 24u

/* A width or precision beyond this is a mistake, not a layout. */
#define FIELD_MAX 4096u

static void put(struct output *out, char c)
{
    if (out->length + 1 < out->size) {
        out->buffer[out->length] = c;
    }
    out->length++;
}

static void put_field(struct output *out, const struct directive *how, const char *text,
                      size_t length)
{
    size_t padding = how->width > length ? how->width - length : 0;

    for (size_t i = 0; i < padding && !how->left; i++) {
        put(out, ' ');
    }
    for (size_t i = 0; i < length; i++) {
        put(out, text[i]);
    }
    for (size_t i = 0; i < padding && how->left; i++) {
        put(out, ' ');
    }
}

static void put_number(struct output *out, const struct directive *how, uint64_t value,
                       unsigned int base, bool negative)
{
    unsigned int wanted = how->zeros && !how->left ? MIN(how->width, DIGITS_MAX) : 0;
    unsigned int start = DIGITS_MAX;
    char digits[DIGITS_MAX];

    do {
        digits[--start] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0 || DIGITS_MAX - start + negative < wanted);
    if (negative) {
        digits[--start] = '-';
    }
    put_field(out, how, &digits[start], DIGITS_MAX - start);
}

static const char *read_number(const char *format, unsigned int *number)
{
    *number = 0;
    for (; *format >= '0' && *format <= '9'; format++) {
        *number = MIN(*number * 10 + (unsigned int)(*format - '0'), FIELD_MAX);
    }
    return format;
}

/* One directive, from behind its '%'; returns what follows it. */
static const char *put_directive(struct output *out, const char *format, va_list *arguments)
{
    struct directive how = { .left = *format == '-' };
    unsigned int precision = FIELD_MAX;
    const char *text;
    int64_t number;
    bool is_long;
    char c;

    format += how.left;
    how.zeros = *format == '0';
    format = read_number(format, &how.width);
    if (*format == '.') {
        format = read_number(format + 1, &precision);
    }
    is_long = *format == 'l';
    format += is_long;

    switch (*format) {
    case 'd':
        number = is_long ? va_arg(*arguments, long) : va_arg(*arguments, int);
        put_number(out, &how, number < 0 ? -(uint64_t)number : (uint64_t)number, 10, number < 0);
        break;
    case 'u':
    case 'x':
        put_number(out, &how,
                   is_long ? va_arg(*arguments, unsigned long) : va_arg(*arguments, unsigned int),
                   *format == 'u' ? 10 : 16, false);
        break;
    case 's':
        text = va_arg(*arguments, const char *);
        text = text == NULL ? "(null)" : text;
        put_field(out, &how, text, strnlen(text, precision));
        break;
    case 'c':
        c = (char)va_arg(*arguments, int);
        put_field(out, &how, &c, 1);
        break;
    case '%':
        put(out, '%');
        break;
    case '\0':
        return format;
    default: /* not known: shown as it is, so that the mistake is seen */
        put(out, '%');
        put(out, *format);
        break;
    }
    return format + 1;
}

int vsnprintf(char *buffer, size_t size, const char *format, va_list arguments)
{
    struct output out = { .buffer = buffer, .size = size };
    va_list rest;

    va_copy(rest, arguments);
    while (*format != '\0') {
        if (*format == '%') {
            format = put_directive(&out, format + 1, &rest);
        } else {
            put(&out, *format++);
        }
    }
    va_end(rest);

    if (size > 0) {
        buffer[MIN(out.length, size - 1)] = '\0';
    }
    return (int)out.length;
}

int snprintf(char *buffer, size_t size, const char *format, ...)
{
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(buffer, size, format, arguments);
    va_end(arguments);
    return length;
}
