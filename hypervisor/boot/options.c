/* SPDX-License-Identifier: MIT */
/*
 * One table of options, one parser.
 */
#include "hypervisor/boot/options.h"

#include "hypervisor/lib/cpumask.h"
#include "hypervisor/lib/string.h"

struct options options = { .console = { 1, 115200, false },
                           .log_level = LOG_INFO,
                           .maxcpus = CPU_LIMIT };

/* Each returns NULL, the value being in *to, or why it is refused. */
typedef const char *option_reader(const char *value, void *to);

static const char *read_console(const char *value, void *to)
{
    struct console_port port = { 0, 115200, false };
    uint64_t baud = 0;

    if (strncmp(value, "com1", 4) == 0 || strncmp(value, "com2", 4) == 0) {
        port.com = (unsigned int)(value[3] - '0');
        value += 4;
        if (*value == ',') {
            baud = parse_size(value + 1, &value);
            if (baud == 0 || baud > 115200) {
                return "has a rate of at most 115200 behind the first comma";
            }
            port.baud = (unsigned int)baud;
        }
        /* What users of Xen write behind the rate is what we use anyway. */
        value += strncmp(value, ",8n1", 4) == 0 ? 4 : 0;
        port.polled = strcmp(value, ",poll") == 0;
    }
    if (port.com == 0 ? strcmp(value, "none") != 0 : *value != '\0' && !port.polled) {
        return "must be com1, com2 or none; a rate and poll may follow";
    }
    *(struct console_port *)to = port;
    return NULL;
}

static const char *read_log_level(const char *value, void *to)
{
    static const char *const names[] = { "error", "warning", "info", "debug" };

    for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(value, names[i]) == 0) {
            *(enum log_level *)to = (enum log_level)i;
            return NULL;
        }
    }
    return "must be error, warning, info or debug";
}

static const char *read_dom0_mem(const char *value, void *to)
{
    const char *end;
    uint64_t size = parse_size(value, &end);

    /* "512M,max:512M" is what users of Xen write: the first number counts. */
    if (end == value || (*end != '\0' && strncmp(end, ",max:", 5) != 0)) {
        return "must be a size such as 1024M or 2G";
    }
    if (size != 0 && size < UINT64_C(1) << 20) {
        return "is in bytes unless a letter follows: write 1024M or 2G";
    }
    *(uint64_t *)to = size;
    return NULL;
}

static const char *read_count(const char *value, void *to)
{
    const char *end;
    uint64_t number = parse_size(value, &end);

    if (end == value || *end != '\0' || number == 0 || number > CPU_LIMIT) {
        return "must be a number from 1 to 256";
    }
    *(uint32_t *)to = (uint32_t)number;
    return NULL;
}

static const char *read_flag(const char *value, void *to)
{
    if (*value != '\0' && strcmp(value, "0") != 0 && strcmp(value, "1") != 0) {
        return "takes no value, 0 or 1";
    }
    *(bool *)to = *value != '0';
    return NULL;
}

/* Also what the option help shows, and, by tests/make_options_doc.py, docs/user/options.md. */
static const struct option {
    const char *name, *argument, *help;
    option_reader *read;
    void *to;
} table[] = {
    { "console", "com1|com2|none[,BAUD[,poll]]",
      "Serial port of the console; poll: without its interrupt. Default com1,115200.", read_console,
      &options.console },
    { "loglvl", "error|warning|info|debug", "Least urgent message that is shown. Default info.",
      read_log_level, &options.log_level },
    { "dom0_mem", "SIZE",
      "Memory of the control domain. Default: all but a reserve of 1/16, at most 128M, at least "
      "1/64.",
      read_dom0_mem, &options.dom0_mem },
    { "dom0_max_vcpus", "N", "vCPUs of the control domain. Default: one for each CPU.", read_count,
      &options.dom0_max_vcpus },
    { "maxcpus", "N", "CPUs to start, the first included.", read_count, &options.maxcpus },
    { "nosmp", "", "The same as maxcpus=1.", read_flag, &options.nosmp },
    { "noreboot", "", "Halt where the machine would reboot: panic, crash or reboot of dom0.",
      read_flag, &options.noreboot },
    { "help", "", "Show these options on the console, and start.", read_flag, &options.help },
};

static const char *apply(char *word)
{
    char *value = strchr(word, '=');

    for (unsigned int i = 0; i < ARRAY_SIZE(table); i++) {
        size_t length = value == NULL ? strlen(word) : (size_t)(value - word);

        if (strlen(table[i].name) == length && strncmp(word, table[i].name, length) == 0) {
            if (value == NULL && table[i].argument[0] != '\0') {
                return "needs a value";
            }
            return table[i].read(value == NULL ? "" : value + 1, table[i].to);
        }
    }
    return "unknown (help shows all)";
}

void options_parse(const char *text, bool show)
{
    char word[128];

    while (*text != '\0') {
        size_t length = 0;
        const char *reason;

        while (text[length] != '\0' && text[length] != ' ') {
            length++;
        }
        strlcpy(word, text, MIN(length + 1, sizeof(word)));
        if (length > 0) {
            reason = length >= sizeof(word) ? "too long" : apply(word);
            if (reason != NULL && show) {
                log_warning("option %s: %s; ignored\n", word, reason);
            }
        }
        text += length;
        while (*text == ' ') {
            text++;
        }
    }
    for (unsigned int i = 0; show && options.help && i < ARRAY_SIZE(table); i++) {
        log_error("option %s%s%s: %s\n", table[i].name, table[i].argument[0] == '\0' ? "" : "=",
                  table[i].argument, table[i].help);
    }
}
