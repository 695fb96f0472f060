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

enum int_size { SIZE_CHAR, SIZE_SHORT, SIZE_INT, SIZE_LONG };

struct directive {
    bool left, zeros, plus, space, alternate;
    bool has_precision;
    unsigned int width;
    unsigned int precision;
    enum int_size size;
};

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

static void put_field(struct output *out, const struct directive *how, const char *text,
                      size_t length)
{
    size_t padding = how->width > length ? how->width - length : 0;

    if (!how->left) {
        put_many(out, ' ', padding);
    }
    put_text(out, text, length);
    if (how->left) {
        put_many(out, ' ', padding);
    }
}

/* The digits of `value`, at the end of `digits`; returns where they begin. */
static size_t make_digits(char digits[DIGITS_MAX], uint64_t value, unsigned int base, bool upper)
{
    const char *alphabet = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    size_t start = DIGITS_MAX;

    for (; value != 0; value /= base) {
        digits[--start] = alphabet[value % base];
    }
    return start;
}

static void put_number(struct output *out, const struct directive *how, const char *prefix,
                       const char *digits, size_t count)
{
    size_t prefix_length = strlen(prefix);
    size_t wanted = how->has_precision ? how->precision : 1;
    size_t zeros = wanted > count ? wanted - count : 0;
    size_t total = prefix_length + zeros + count;
    size_t padding = how->width > total ? how->width - total : 0;

    if (padding > 0 && how->zeros && !how->left && !how->has_precision) {
        zeros += padding;
        padding = 0;
    }
    if (!how->left) {
        put_many(out, ' ', padding);
    }
    put_text(out, prefix, prefix_length);
    put_many(out, '0', zeros);
    put_text(out, digits, count);
    if (how->left) {
        put_many(out, ' ', padding);
    }
}

static void put_signed(struct output *out, const struct directive *how, int64_t value)
{
    char digits[DIGITS_MAX];
    uint64_t size = value < 0 ? -(uint64_t)value : (uint64_t)value;
    size_t start = make_digits(digits, size, 10, false);
    const char *sign = value < 0 ? "-" : how->plus ? "+" : how->space ? " " : "";

    put_number(out, how, sign, &digits[start], DIGITS_MAX - start);
}

static void put_unsigned(struct output *out, const struct directive *how, uint64_t value, char form)
{
    char digits[DIGITS_MAX];
    unsigned int base = form == 'u' ? 10 : form == 'o' ? 8 : 16;
    size_t start = make_digits(digits, value, base, form == 'X');
    const char *prefix = "";

    if (how->alternate && value != 0 && base != 10) {
        prefix = form == 'X' ? "0X" : form == 'o' ? "0" : "0x";
    }
    put_number(out, how, prefix, &digits[start], DIGITS_MAX - start);
}

static void put_string(struct output *out, const struct directive *how, const char *text)
{
    if (text == NULL) {
        text = "(null)";
    }
    put_field(out, how, text, how->has_precision ? strnlen(text, how->precision) : strlen(text));
}

static const char *read_flags(const char *format, struct directive *how)
{
    for (;; format++) {
        switch (*format) {
        case '-':
            how->left = true;
            break;
        case '0':
            how->zeros = true;
            break;
        case '+':
            how->plus = true;
            break;
        case ' ':
            how->space = true;
            break;
        case '#':
            how->alternate = true;
            break;
        default:
            return format;
        }
    }
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
    how->size = SIZE_INT;
    switch (*format) {
    case 'h':
        how->size = format[1] == 'h' ? SIZE_CHAR : SIZE_SHORT;
        return format + (how->size == SIZE_CHAR ? 2 : 1);
    case 'l':
        how->size = SIZE_LONG;
        return format + (format[1] == 'l' ? 2 : 1);
    case 'z':
    case 't':
    case 'j':
        how->size = SIZE_LONG;
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
        how->left = how->left || given < 0;
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

static int64_t signed_argument(enum int_size size, va_list *arguments)
{
    switch (size) {
    case SIZE_CHAR:
        return (signed char)va_arg(*arguments, int);
    case SIZE_SHORT:
        return (short)va_arg(*arguments, int);
    case SIZE_LONG:
        return va_arg(*arguments, long);
    case SIZE_INT:
        break;
    }
    return va_arg(*arguments, int);
}

static uint64_t unsigned_argument(enum int_size size, va_list *arguments)
{
    switch (size) {
    case SIZE_CHAR:
        return (unsigned char)va_arg(*arguments, unsigned int);
    case SIZE_SHORT:
        return (unsigned short)va_arg(*arguments, unsigned int);
    case SIZE_LONG:
        return va_arg(*arguments, unsigned long);
    case SIZE_INT:
        break;
    }
    return va_arg(*arguments, unsigned int);
}

/* One directive, from behind its '%'; returns what follows it. */
static const char *put_directive(struct output *out, const char *format, va_list *arguments)
{
    struct directive how = { 0 };
    char c;

    format = read_flags(format, &how);
    format = read_field(format, &how, arguments);
    format = read_size(format, &how);

    switch (*format) {
    case 'd':
    case 'i':
        put_signed(out, &how, signed_argument(how.size, arguments));
        break;
    case 'u':
    case 'o':
    case 'x':
    case 'X':
        put_unsigned(out, &how, unsigned_argument(how.size, arguments), *format);
        break;
    case 'p':
        how.alternate = true;
        put_unsigned(out, &how, (uintptr_t)va_arg(*arguments, void *), 'x');
        break;
    case 's':
        put_string(out, &how, va_arg(*arguments, const char *));
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
