/* SPDX-License-Identifier: MIT */
/*
 * Small hypercalls: xen_version, vm_assist, console_io, and one that is refused.
 */
#include "guest-pv-headers/version.h"
#include "hypervisor/drivers/console.h"
#include "hypervisor/event/event.h"
#include "hypervisor/lib/string.h"
#include "hypervisor/mm/guest_access.h"
#include "hypervisor/x86/panic_dump.h"

#define ABI_VERSION ((4 << 16) | 17) /* docs/architecture.md, D1 */

static int give_text(uint64_t argument, const char *text, size_t size)
{
    static const char zeroes[XEN_CAPABILITIES_INFO_LEN];
    size_t length = strnlen(text, size - 1);
    int error = copy_array_to_guest(guest_pointer(char, argument), text, length);

    return error != 0
               ? error
               : copy_array_to_guest(guest_pointer(char, argument + length), zeroes, size - length);
}

static long compile_info(uint64_t argument)
{
    static const struct xen_compile_info info = {
        .compiler = "cc " __VERSION__,
        .compile_by = "paravane",
        .compile_domain = "",
        .compile_date = "reproducible build",
    };

    return put_argument(argument, &info);
}

static uint32_t features(const struct domain *domain)
{
    uint32_t bits = (1u << XENFEAT_mmu_pt_update_preserve_ad) | (1u << XENFEAT_highmem_assist) |
                    (1u << XENFEAT_gnttab_map_avail_bits) |
                    (1u << XENFEAT_memory_op_vnode_supported) | (1u << XENFEAT_direct_mapped);

    if (domain->privileged) {
        bits |= 1u << XENFEAT_dom0;
    }
    if (vm_assisted(domain, VMASST_TYPE_pae_extended_cr3) || domain->privileged) {
        bits |= 1u << XENFEAT_pae_pgdir_above_4gb;
    }
    return bits;
}

static long get_features(uint64_t argument)
{
    struct xen_feature_info info;
    int error = get_argument(&info, argument);

    if (error != 0) {
        return error;
    }
    if (info.submap_idx >= XENFEAT_NR_SUBMAPS) {
        return -XEN_EINVAL;
    }
    info.submap = features(current->domain);
    return put_argument(argument, &info);
}

static long get_build_id(uint64_t argument)
{
    struct xen_build_id __guest *place = guest_pointer(struct xen_build_id, argument);
    size_t size;
    const uint8_t *id = build_id(&size);
    uint32_t room;
    int error;

    if (size == 0) {
        return -XEN_ENODATA;
    }
    if (argument == 0) {
        return (long)size;
    }
    error = get_argument(&room, argument);
    if (error != 0) {
        return error;
    }
    if (room < size) {
        return room == 0 ? -XEN_EINVAL : -XEN_ENOBUFS;
    }
    error = copy_array_to_guest((uint8_t __guest *)place->buf, id, size);
    return error != 0 ? error : (long)size;
}

long hypercall_xen_version(uint64_t command, uint64_t argument)
{
    static const struct xen_platform_parameters parameters = { .virt_start = CORE_START };

    switch ((uint32_t)command) { /* an int in the ABI */
    case XENVER_version:
        return ABI_VERSION;
    case XENVER_extraversion:
        return give_text(argument, ".0-paravane", XEN_EXTRAVERSION_LEN);
    case XENVER_compile_info:
        return compile_info(argument);
    case XENVER_capabilities:
        return give_text(argument, "xen-3.0-x86_64 ", XEN_CAPABILITIES_INFO_LEN);
    case XENVER_changeset:
        return give_text(argument, "unavailable", XEN_CHANGESET_INFO_LEN);
    case XENVER_platform_parameters:
        return put_argument(argument, &parameters);
    case XENVER_get_features:
        return get_features(argument);
    case XENVER_pagesize:
        return argument != 0 ? -XEN_EINVAL : (long)PAGE_SIZE;
    case XENVER_guest_handle:
        return copy_array_to_guest(guest_pointer(uint8_t, argument), current->domain->handle,
                                   sizeof(current->domain->handle));
    case XENVER_commandline:
        return current->domain->privileged
                   ? give_text(argument, core_command_line, XEN_CAPABILITIES_INFO_LEN)
                   : give_text(argument, "<denied>", XEN_CAPABILITIES_INFO_LEN);
    case XENVER_build_id:
        /* It tells where everything in the core is. */
        return current->domain->privileged ? get_build_id(argument) : -XEN_EPERM;
    default:
        return -XEN_ENOSYS;
    }
}

long hypercall_vm_assist(uint64_t command, uint64_t type)
{
    struct domain *domain = current->domain;
    uint64_t bit;

    if (type >= 64 || (VM_ASSIST_KNOWN >> type & 1) == 0) {
        return -XEN_EINVAL;
    }
    bit = UINT64_C(1) << type;
    switch (command) {
    case VMASST_CMD_enable:
        atomic_fetch_or(&domain->vm_assist, bit);
        return 0;
    case VMASST_CMD_disable:
        atomic_fetch_and(&domain->vm_assist, ~bit);
        return 0;
    default:
        return -XEN_ENOSYS;
    }
}

/* Performance counters are not virtualised: the answer guests get where they are switched off. */
long hypercall_xenpmu_op(uint64_t operation, uint64_t argument)
{
    (void)operation;
    (void)argument;
    return -XEN_EOPNOTSUPP;
}

/*
 * console_io.  Other domains than the control domain get -XEN_EPERM: their console is a ring
 * that dom0 serves, and what they print cannot flood the host.
 */

/* One unit of progress: what a serial line takes some 20 ms for. */
#define CHUNK 256u

static long console_write(uint32_t count, uint64_t buffer)
{
    char text[CHUNK];

    while (count > 0) {
        uint32_t part = MIN(count, CHUNK);

        if (copy_array_from_guest(text, guest_pointer(const char, buffer), part) != 0) {
            return -XEN_EFAULT;
        }
        console_write_guest(text, part);
        buffer += part;
        count -= part;
        if (count > 0 && preempt_pending()) {
            return hypercall_continue(__HYPERVISOR_console_io, 3, CONSOLEIO_write, count, buffer,
                                      0);
        }
    }
    return 0;
}

/* What is taken out of the queue is lost if the guest's buffer faults; so is it with the peer. */
static long console_read(uint32_t count, uint64_t buffer)
{
    char text[CHUNK];
    size_t got = console_read_guest(text, MIN(count, CHUNK));

    return copy_array_to_guest(guest_pointer(char, buffer), text, got) != 0 ? -XEN_EFAULT
                                                                            : (long)got;
}

long hypercall_console_io(uint64_t operation, uint64_t count, uint64_t buffer)
{
    if (!current->domain->privileged) {
        return -XEN_EPERM;
    }
    switch ((uint32_t)operation) {
    case CONSOLEIO_write:
        return console_write((uint32_t)count, buffer);
    case CONSOLEIO_read:
        return (uint32_t)count > INT32_MAX ? -XEN_E2BIG : console_read((uint32_t)count, buffer);
    default:
        return -XEN_ENOSYS;
    }
}

void console_log_grew(void)
{
    event_send_global_virq(VIRQ_CON_RING);
}

void console_input_ready(void)
{
    if (dom0 != NULL) {
        event_send_global_virq(VIRQ_CONSOLE);
    }
}
