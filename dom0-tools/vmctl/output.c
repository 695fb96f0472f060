/* SPDX-License-Identifier: MIT */
/* Output of vmctl: see output.h. */
#include "dom0-tools/vmctl/output.h"

#include <string.h>

/* --- JSON ----------------------------------------------------------------------- */

/* Length of the UTF-8 sequence at `at`, 0 where there is none. */
static size_t utf8_length(const unsigned char *at, size_t left)
{
    size_t length = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    size_t i;

    if (length > left || at[0] > 0xf4) {
        return 0;
    }
    for (i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
        (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f)) {
        return 0;
    }
    return length;
}

static void put_string(struct json *json, const char *bytes, size_t length)
{
    const unsigned char *at = (const unsigned char *)bytes;
    const unsigned char *end = at + length;

    (void)fputc('"', json->file);
    while (at < end) {
        size_t step = utf8_length(at, (size_t)(end - at));

        if (step == 1 && (*at == '"' || *at == '\\')) {
            (void)fprintf(json->file, "\\%c", *at);
        } else if (step == 1 && *at == '\n') {
            (void)fputs("\\n", json->file);
        } else if (step == 0 || *at < ' ' || *at == 0x7f) {
            (void)fprintf(json->file, "\\u%04x", *at);
        } else {
            (void)fwrite(at, 1, step, json->file);
        }
        at += step == 0 ? 1 : step;
    }
    (void)fputc('"', json->file);
}

static void put_key(struct json *json, const char *key)
{
    if (json->follows) {
        (void)fputc(',', json->file);
    }
    if (json->depth > 0) {
        (void)fprintf(json->file, "\n%*s", (int)json->depth * 2, "");
    }
    if (key != NULL) {
        put_string(json, key, strlen(key));
        (void)fputs(": ", json->file);
    }
    json->follows = true;
}

void json_begin(struct json *json, const char *key, char bracket)
{
    put_key(json, key);
    (void)fputc(bracket, json->file);
    json->depth++;
    json->follows = false;
}

void json_end(struct json *json, char bracket)
{
    json->depth--;
    if (json->follows) {
        (void)fprintf(json->file, "\n%*s", (int)json->depth * 2, "");
    }
    (void)fputc(bracket, json->file);
    json->follows = json->depth > 0;
    if (json->depth == 0) {
        (void)fputc('\n', json->file);
    }
}

void json_bytes(struct json *json, const char *key, const char *bytes, size_t length)
{
    put_key(json, key);
    put_string(json, bytes, length);
}

void json_text(struct json *json, const char *key, const char *text)
{
    if (text == NULL) {
        put_key(json, key);
        (void)fputs("null", json->file);
    } else {
        json_bytes(json, key, text, strlen(text));
    }
}

void json_number(struct json *json, const char *key, uint64_t number)
{
    put_key(json, key);
    (void)fprintf(json->file, "%llu", (unsigned long long)number);
}

void json_bool(struct json *json, const char *key, bool value)
{
    put_key(json, key);
    (void)fputs(value ? "true" : "false", json->file);
}

static void part(struct json *json, const char *key, const char *text)
{
    json_text(json, key, text[0] == '\0' ? NULL : text);
}

void json_error(struct json *json, const char *key, const struct vmctl_error *error)
{
    json_begin(json, key, '{');
    json_text(json, "reason", vmctl_reason_name(error->reason));
    json_number(json, "code", (uint64_t)exit_code(error));
    json_text(json, "message", error->message);
    part(json, "what", error->what);
    part(json, "object", error->object);
    part(json, "cause", error->cause);
    part(json, "limit", error->limit);
    part(json, "holder", error->holder);
    part(json, "remedy", error->remedy);
    json_end(json, '}');
}

/* --- for people ------------------------------------------------------------------- */

const char *colour_on(bool colours, enum colour colour)
{
    static const char *const sequences[] = {
        [COLOUR_NONE] = "",          [COLOUR_BOLD] = "\033[1m",    [COLOUR_RED] = "\033[31m",
        [COLOUR_GREEN] = "\033[32m", [COLOUR_YELLOW] = "\033[33m",
    };

    return colours ? sequences[colour] : "";
}

const char *colour_off(bool colours)
{
    return colours ? "\033[0m" : "";
}

void format_kib(uint64_t kib, char *text, size_t size)
{
    static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
    uint64_t scale = 1;
    size_t unit = 0;

    while (unit < 3 && kib / scale >= 1024) {
        scale *= 1024;
        unit++;
    }
    if (kib % scale == 0 || kib / scale >= 100) {
        (void)snprintf(text, size, "%llu %s", (unsigned long long)(kib / scale), units[unit]);
    } else {
        (void)snprintf(text, size, "%llu.%llu %s", (unsigned long long)(kib / scale),
                       (unsigned long long)(kib % scale * 10 / scale), units[unit]);
    }
}

void put_safely(FILE *file, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        (void)fputc(c < ' ' || c == 0x7f || (c >= 0x80 && c < 0xa0) ? '?' : c, file);
    }
}

void put_error(FILE *file, const struct vmctl_error *error)
{
    (void)fputs("vmctl: ", file);
    put_safely(file, error->message);
    if (error->remedy[0] != '\0') {
        (void)fputs("\n       hint: ", file);
        put_safely(file, error->remedy);
    }
    (void)fputc('\n', file);
}

int exit_code(const struct vmctl_error *error)
{
    if (error == NULL || error->code == 0) {
        return 0;
    }
    return error->reason == VMCTL_NO_REASON ? VMCTL_INTERNAL : (int)error->reason;
}
