/* SPDX-License-Identifier: MIT */
/*
 * A guest's canonical XML: every default written out, the same order always,
 * readable by libvirt as well as by guest_config_parse().
 */
#include "libvmctl/config_values.h"
#include "libvmctl/guest_config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A text that grows; once memory has run out it stays as it is. */
struct output {
    char *text;
    size_t used;
    size_t size;
    bool failed;
};

static void put(struct output *output, const char *text, size_t length)
{
    if (output->failed) {
        return;
    }
    if (output->used + length >= output->size) {
        size_t size = 2 * (output->used + length) + 1024;
        char *grown = realloc(output->text, size);

        if (grown == NULL) {
            output->failed = true;
            return;
        }
        output->text = grown;
        output->size = size;
    }
    memcpy(output->text + output->used, text, length);
    output->used += length;
    output->text[output->used] = '\0';
}

static void put_line(struct output *output, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What is printed here never needs more: strings of the config go through put_escaped(). */
static void put_line(struct output *output, const char *format, ...)
{
    char line[256];
    va_list values;
    int length;

    va_start(values, format);
    length = vsnprintf(line, sizeof(line), format, values);
    va_end(values);
    put(output, line, length < 0 ? 0 : (size_t)length);
}

static void put_escaped(struct output *output, const char *text)
{
    for (;;) {
        size_t plain = strcspn(text, "<>&'\"\r\n\t");
        char reference[8];

        put(output, text, plain);
        text += plain;
        switch (*text) {
        case '\0':
            return;
        case '<':
            put_line(output, "&lt;");
            break;
        case '>':
            put_line(output, "&gt;");
            break;
        case '&':
            put_line(output, "&amp;");
            break;
        default:
            (void)snprintf(reference, sizeof(reference), "&#%d;", *text);
            put_line(output, "%s", reference);
            break;
        }
        text++;
    }
}

/* BEFORE text AFTER; nothing at all for NULL. */
static void put_text(struct output *output, const char *before, const char *text, const char *after)
{
    if (text != NULL) {
        put(output, before, strlen(before));
        put_escaped(output, text);
        put(output, after, strlen(after));
    }
}

static void put_cpus(struct output *output, const struct guest_cpuset *set)
{
    char text[GUEST_CPUS_MAX * 5];

    value_cpuset_format(set, text, sizeof(text));
    put_text(output, " cpuset='", text, "'");
}

static void put_vcpus(struct output *output, const struct guest_config *config)
{
    size_t i;

    put_line(output, "  <vcpu placement='static'");
    if (!value_cpuset_is_any(&config->cpus)) {
        put_cpus(output, &config->cpus);
    }
    if (config->vcpus_online != config->vcpus) {
        put_line(output, " current='%u'", config->vcpus_online);
    }
    put_line(output, ">%u</vcpu>\n", config->vcpus);
    if (config->weight == 0 && config->pins == NULL) {
        return;
    }
    put_line(output, "  <cputune>\n");
    if (config->weight != 0) {
        put_line(output, "    <shares>%u</shares>\n", config->weight);
    }
    for (i = 0; config->pins != NULL && i < config->vcpus; i++) {
        if (config->pins[i] != NULL) {
            put_line(output, "    <vcpupin vcpu='%zu'", i);
            put_cpus(output, config->pins[i]);
            put_line(output, "/>\n");
        }
    }
    put_line(output, "  </cputune>\n");
}

static void put_clock(struct output *output, const struct guest_config *config)
{
    const char *basis = config->clock == GUEST_CLOCK_LOCALTIME ? "localtime" : "utc";

    if (config->clock_offset == 0) {
        put_line(output, "  <clock offset='%s'/>\n", basis);
    } else {
        put_line(output, "  <clock offset='variable' adjustment='%lld' basis='%s'/>\n",
                 (long long)config->clock_offset, basis);
    }
}

static void put_disk(struct output *output, const struct guest_disk *disk)
{
    bool block = disk->type == GUEST_DISK_BLOCK;

    put_line(output, "    <disk type='%s' device='%s'>\n", block ? "block" : "file",
             disk->cdrom ? "cdrom" : "disk");
    put_line(output, "      <driver name='%s' type='raw'/>\n", block ? "phy" : "file");
    put_text(output, block ? "      <source dev='" : "      <source file='", disk->source, "'/>\n");
    put_text(output, "      <target dev='", disk->target, "' bus='xen'/>\n");
    if (disk->readonly) {
        put_line(output, "      <readonly/>\n");
    }
    if (disk->shareable) {
        put_line(output, "      <shareable/>\n");
    }
    put_line(output, "    </disk>\n");
}

static void put_nic(struct output *output, const struct guest_nic *nic)
{
    const uint8_t *mac = nic->mac;

    put_line(output, "    <interface type='bridge'>\n");
    put_line(output, "      <mac address='%02x:%02x:%02x:%02x:%02x:%02x'/>\n", mac[0], mac[1],
             mac[2], mac[3], mac[4], mac[5]);
    put_text(output, "      <source bridge='", nic->bridge, "'/>\n");
    put_text(output, "      <target dev='", nic->target, "'/>\n");
    if (nic->mtu != 0) {
        put_line(output, "      <mtu size='%u'/>\n", nic->mtu);
    }
    if (nic->rate_kib != 0) {
        put_line(output, "      <bandwidth>\n        <outbound average='%llu'",
                 (unsigned long long)nic->rate_kib);
        if (nic->burst_kib != 0) {
            put_line(output, " burst='%llu'", (unsigned long long)nic->burst_kib);
        }
        put_line(output, "/>\n      </bandwidth>\n");
    }
    put_line(output, "    </interface>\n");
}

static void put_console(struct output *output, const struct guest_config *config)
{
    bool file = config->console == GUEST_CONSOLE_FILE;

    put_line(output, "    <console type='%s'>\n", file ? "file" : "pty");
    if (config->console_file != NULL) {
        put_text(output, file ? "      <source path='" : "      <log file='", config->console_file,
                 "'");
        put_line(output, " append='%s'/>\n", config->console_append ? "on" : "off");
    }
    put_line(output, "      <target type='xen' port='0'/>\n    </console>\n");
}

static void put_config(struct output *output, const struct guest_config *config)
{
    char uuid[37];
    size_t i;

    guest_uuid_format(config->uuid, uuid);
    put_line(output, "<domain type='xen'>\n");
    put_text(output, "  <name>", config->name, "</name>\n");
    put_line(output, "  <uuid>%s</uuid>\n", uuid);
    put_text(output, "  <title>", config->title, "</title>\n");
    put_text(output, "  <description>", config->description, "</description>\n");
    put_line(output, "  <memory unit='KiB'>%llu</memory>\n",
             (unsigned long long)config->memory_kib);
    put_line(output, "  <currentMemory unit='KiB'>%llu</currentMemory>\n",
             (unsigned long long)config->target_kib);
    put_vcpus(output, config);
    put_line(output, "  <os>\n    <type arch='x86_64' machine='xenpv'>linux</type>\n");
    put_text(output, "    <kernel>", config->kernel, "</kernel>\n");
    put_text(output, "    <initrd>", config->initrd, "</initrd>\n");
    put_text(output, "    <cmdline>", config->cmdline, "</cmdline>\n");
    put_line(output, "  </os>\n");
    put_clock(output, config);
    put_line(output, "  <on_poweroff>%s</on_poweroff>\n", guest_action_name(config->on_poweroff));
    put_line(output, "  <on_reboot>%s</on_reboot>\n", guest_action_name(config->on_reboot));
    put_line(output, "  <on_crash>%s</on_crash>\n", guest_action_name(config->on_crash));
    put_line(output, "  <devices>\n");
    for (i = 0; i < config->disk_count; i++) {
        put_disk(output, &config->disks[i]);
    }
    for (i = 0; i < config->nic_count; i++) {
        put_nic(output, &config->nics[i]);
    }
    put_console(output, config);
    put_line(output, "  </devices>\n</domain>\n");
}

int guest_config_write(const struct guest_config *config, char **text, size_t *length,
                       struct vmctl_error *error)
{
    struct output output = { .text = NULL };

    put_config(&output, config);
    if (output.failed) {
        free(output.text);
        return vmctl_fail(error, -ENOMEM, "no memory to write down a guest");
    }
    *text = output.text;
    *length = output.used;
    return 0;
}
