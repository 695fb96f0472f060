/* SPDX-License-Identifier: MIT */
/*
 * Output: a line at a time to the hypervisor's console by console_io, so that lines of several
 * vCPUs do not mix.  The second domain (second.h), which may not do that, fills its console page.
 */
#include <stdarg.h>

#include "guest-pv-headers/io/console.h"
#include "tests/guests/lib/second.h"

#define LINE_LENGTH 256

struct line {
    char text[LINE_LENGTH];
    size_t used;
};

static void flush_to_page(const struct line *line)
{
    struct xencons_interface *ring = mfn_to_va(start_info->console.domU.mfn);

    for (size_t i = 0; i < line->used && ring->out_prod < sizeof(ring->out); i++) {
        ring->out[ring->out_prod++] = line->text[i];
    }
}

static void flush(struct line *line)
{
    if (start_info != NULL && in_second()) {
        flush_to_page(line);
        line->used = 0;
        return;
    }
    hypercall3(__HYPERVISOR_console_io, CONSOLEIO_write, line->used, line->text);
    line->used = 0;
}

static void put(struct line *line, char c)
{
    line->text[line->used++] = c;
    if (line->used == LINE_LENGTH || c == '\n') {
        flush(line);
    }
}

static void put_number(struct line *line, unsigned long value, unsigned int base)
{
    char digits[24];
    size_t used = 0;

    do {
        digits[used++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    while (used > 0) {
        put(line, digits[--used]);
    }
}

static void put_signed(struct line *line, long value)
{
    unsigned long magnitude = (unsigned long)value;

    if (value < 0) {
        put(line, '-');
        magnitude = 0 - magnitude;
    }
    put_number(line, magnitude, 10);
}

static void put_string(struct line *line, const char *string)
{
    while (*string != '\0') {
        put(line, *string++);
    }
}

void printf_guest(const char *format, ...)
{
    struct line line = { .used = 0 };
    va_list arguments;

    va_start(arguments, format);
    for (; *format != '\0'; format++) {
        bool is_long = false;

        if (*format != '%') {
            put(&line, *format);
            continue;
        }
        format++;
        if (*format == 'l') {
            is_long = true;
            format++;
        }
        switch (*format) {
        case 'd':
            put_signed(&line, is_long ? va_arg(arguments, long) : va_arg(arguments, int));
            break;
        case 'u':
        case 'x':
            put_number(&line,
                       is_long ? va_arg(arguments, unsigned long) : va_arg(arguments, unsigned int),
                       *format == 'u' ? 10 : 16);
            break;
        case 's':
            put_string(&line, va_arg(arguments, const char *));
            break;
        case 'c':
            put(&line, (char)va_arg(arguments, int));
            break;
        default:
            put(&line, *format);
            break;
        }
    }
    va_end(arguments);
    if (line.used > 0) {
        flush(&line);
    }
}
