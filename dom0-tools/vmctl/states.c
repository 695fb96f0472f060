/* SPDX-License-Identifier: MIT */
/* Guests in words: see states.h. */
#include "dom0-tools/vmctl/states.h"

/* For programs: what it is, in one word that stays. */
static const char *state_name(enum vmctl_guest_state state)
{
    switch (state) {
    case VMCTL_RUNNING:
        return "running";
    case VMCTL_BLOCKED:
        return "blocked";
    case VMCTL_RUNNABLE:
        return "runnable";
    case VMCTL_PAUSED:
        return "paused";
    case VMCTL_SHUTDOWN:
        return "shutdown";
    case VMCTL_DYING:
        return "dying";
    }
    return "unknown";
}

/* NULL: it has not ended. */
static const char *ending_name(enum vmctl_shutdown_reason reason)
{
    switch (reason) {
    case VMCTL_SHUTDOWN_NONE:
        return NULL;
    case VMCTL_SHUTDOWN_POWEROFF:
        return "poweroff";
    case VMCTL_SHUTDOWN_REBOOT:
        return "reboot";
    case VMCTL_SHUTDOWN_SUSPEND:
        return "suspend";
    case VMCTL_SHUTDOWN_CRASH:
        return "crash";
    case VMCTL_SHUTDOWN_WATCHDOG:
        return "watchdog";
    }
    return "unknown";
}

const char *state_words(const struct vmctl_guest *guest)
{
    if (guest->state != VMCTL_SHUTDOWN) {
        return guest->state == VMCTL_BLOCKED ? "idle" : state_name(guest->state);
    }
    switch (guest->shutdown_reason) {
    case VMCTL_SHUTDOWN_POWEROFF:
        return "powered off";
    case VMCTL_SHUTDOWN_REBOOT:
        return "rebooting";
    case VMCTL_SHUTDOWN_SUSPEND:
        return "suspended";
    case VMCTL_SHUTDOWN_CRASH:
        return "crashed";
    case VMCTL_SHUTDOWN_WATCHDOG:
        return "hung (watchdog)";
    case VMCTL_SHUTDOWN_NONE:
        break;
    }
    return "shut down";
}

enum colour state_colour(const struct vmctl_guest *guest)
{
    switch (guest->state) {
    case VMCTL_RUNNING:
    case VMCTL_BLOCKED:
    case VMCTL_RUNNABLE:
        return COLOUR_GREEN;
    case VMCTL_PAUSED:
        return COLOUR_YELLOW;
    case VMCTL_SHUTDOWN:
    case VMCTL_DYING:
        break;
    }
    return COLOUR_RED;
}

void guest_label(const struct vmctl_guest *guest, char *label, size_t size)
{
    if (guest->name[0] != '\0') {
        (void)snprintf(label, size, "%s", guest->name);
    } else {
        (void)snprintf(label, size, "(domain %u)", guest->domid);
    }
}

void json_guest(struct json *json, const struct vmctl_guest *guest)
{
    json_number(json, "domid", guest->domid);
    json_text(json, "name", guest->name[0] == '\0' ? NULL : guest->name);
    json_text(json, "uuid", guest->uuid);
    json_text(json, "state", state_name(guest->state));
    json_text(json, "shutdown_reason", ending_name(guest->shutdown_reason));
    json_bool(json, "ours", guest->ours);
    json_number(json, "vcpus_online", guest->vcpus_online);
    json_number(json, "vcpus_max", guest->vcpus_max);
    json_number(json, "memory_kib", guest->memory_kib);
    json_number(json, "memory_max_kib", guest->memory_max_kib);
    json_number(json, "memory_target_kib", guest->memory_target_kib);
    json_number(json, "cpu_time_ns", guest->cpu_time_ns);
}
