/* SPDX-License-Identifier: MIT */
/*
 * Formatted text.  One pass over the format; a directive is decoded into a
 * struct and then laid out as prefix, zeros and body within its width.
 */
#include "hypervisor/lib/printf.h"

#include "hypervisor/lib/string.h"

struct output {
    char *buffer;
    size_t size;
    size_t length; /* of the whole text, whether it fitted or not */
};

struct directive {
    unsigned int flags; /* FLAG_* */
    bool has_precision;
    unsigned int width;
    unsigned int precision;
    unsigned int bits; /* of the argument, if it is a number */
};

/* In the order of their bits. */
static const char flag_characters[] = "-0+ #";
#define FLAG_LEFT      0x01u
#define FLAG_ZEROS     0x02u
#define FLAG_PLUS      0x04u
#define FLAG_SPACE     0x08u
#define FLAG_ALTERNATE 0x10u

/* Wide enough for 64 bits in octal, the longest form there is. */
#define DIGITS_MAX 24

/* A width or precision beyond this is a mistake, not a layout. */
#define FIELD_MAX 4096u

static void put(struct output *out, char c)
{
    if (out->length + 1 < out->size) {
        out->buffer[out->length] = c;
    }
    out->length++;
}

static void put_many(struct output *out, char c, size_t count)
{
    while (count-- > 0) {
        put(out, c);
    }
}

static void put_text(struct output *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        put(out, text[i]);
    }
}

/* Prefix, zeros and text, within the width. */
static void put_field(struct output *out, const struct directive *how, const char *prefix,
                      size_t zeros, const char *text, size_t length)
{
    size_t prefix_length = strlen(prefix), total = prefix_length + zeros + length;
    size_t padding = how->width > total ? how->width - total : 0;
    bool left = (how->flags & FLAG_LEFT) != 0;

    put_many(out, ' ', left ? 0 : padding);
    put_text(out, prefix, prefix_length);
    put_many(out, '0', zeros);
    put_text(out, text, length);
    put_many(out, ' ', left ? padding : 0);
}

static void put_number(struct output *out, const struct directive *how, const char *prefix,
                       uint64_t value, unsigned int base, bool upper)
{
    const char *alphabet = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char digits[DIGITS_MAX];
    size_t start = DIGITS_MAX, count, wanted = how->has_precision ? how->precision : 1;

    for (; value != 0; value /= base) {
        digits[--start] = alphabet[value % base];
    }
    count = DIGITS_MAX - start;
    if ((how->flags & (FLAG_ZEROS | FLAG_LEFT)) == FLAG_ZEROS && !how->has_precision) {
        wanted = MAX(wanted + strlen(prefix), (size_t)how->width) - strlen(prefix);
    }
    put_field(out, how, prefix, wanted > count ? wanted - count : 0, &digits[start], count);
}

static void put_signed(struct output *out, const struct directive *how, int64_t value)
{
    const char *sign = value < 0                        ? "-"
                       : (how->flags & FLAG_PLUS) != 0  ? "+"
                       : (how->flags & FLAG_SPACE) != 0 ? " "
                                                        : "";

    put_number(out, how, sign, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, false);
}

static void put_unsigned(struct output *out, const struct directive *how, uint64_t value, char form)
{
    unsigned int base = form == 'u' ? 10 : form == 'o' ? 8 : 16;
    const char *prefix = "";

    if ((how->flags & FLAG_ALTERNATE) != 0 && value != 0 && base != 10) {
        prefix = form == 'X' ? "0X" : form == 'o' ? "0" : "0x";
    }
    put_number(out, how, prefix, value, base, form == 'X');
}

static const char *read_flags(const char *format, struct directive *how)
{
    const char *flag;

    for (; *format != '\0' && (flag = strchr(flag_characters, *format)) != NULL; format++) {
        how->flags |= 1u << (flag - flag_characters);
    }
    return format;
}

static const char *read_number(const char *format, unsigned int *number)
{
    *number = 0;
    for (; *format >= '0' && *format <= '9'; format++) {
        *number = MIN(*number * 10 + (unsigned int)(*format - '0'), FIELD_MAX);
    }
    return format;
}

static const char *read_size(const char *format, struct directive *how)
{
    bool twice = format[0] != '\0' && format[1] == format[0];

    how->bits = 32;
    switch (*format) {
    case 'h':
        how->bits = twice ? 8 : 16;
        return format + (twice ? 2 : 1);
    case 'l':
        how->bits = 64;
        return format + (twice ? 2 : 1);
    case 'z':
    case 't':
    case 'j':
        how->bits = 64;
        return format + 1;
    default:
        return format;
    }
}

/* Width and precision; negative ones, from a `*`, mean "left" and "none". */
static const char *read_field(const char *format, struct directive *how, va_list *arguments)
{
    int given;

    if (*format == '*') {
        given = va_arg(*arguments, int);
        how->flags |= given < 0 ? FLAG_LEFT : 0;
        how->width = MIN(given < 0 ? 0u - (unsigned int)given : (unsigned int)given, FIELD_MAX);
        format++;
    } else {
        format = read_number(format, &how->width);
    }
    if (*format != '.') {
        return format;
    }
    format++;
    how->has_precision = true;
    if (*format == '*') {
        given = va_arg(*arguments, int);
        how->has_precision = given >= 0;
        how->precision = given < 0 ? 0 : MIN((unsigned int)given, FIELD_MAX);
        return format + 1;
    }
    return read_number(format, &how->precision);
}

/* A number of `bits`, in the upper ones of the result. */
static uint64_t upper_argument(unsigned int bits, va_list *arguments)
{
    uint64_t value =
        bits == 64 ? va_arg(*arguments, unsigned long) : va_arg(*arguments, unsigned int);

    return value << (64 - bits);
}

/* One directive, from behind its '%'; returns what follows it. */
static const char *put_directive(struct output *out, const char *format, va_list *arguments)
{
    struct directive how = { 0 };
    const char *text;
    char c;

    format = read_flags(format, &how);
    format = read_field(format, &how, arguments);
    format = read_size(format, &how);

    switch (*format) {
    case 'd':
    case 'i':
        put_signed(out, &how, (int64_t)upper_argument(how.bits, arguments) >> (64 - how.bits));
        break;
    case 'u':
    case 'o':
    case 'x':
    case 'X':
        put_unsigned(out, &how, upper_argument(how.bits, arguments) >> (64 - how.bits), *format);
        break;
    case 'p':
        how.flags |= FLAG_ALTERNATE;
        put_unsigned(out, &how, (uintptr_t)va_arg(*arguments, void *), 'x');
        break;
    case 's':
        text = va_arg(*arguments, const char *);
        text = text == NULL ? "(null)" : text;
        put_field(out, &how, "", 0, text,
                  strnlen(text, how.has_precision ? how.precision : SIZE_MAX));
        break;
    case 'c':
        c = (char)va_arg(*arguments, int);
        put_field(out, &how, "", 0, &c, 1);
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
