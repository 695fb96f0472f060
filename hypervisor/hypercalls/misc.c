/* SPDX-License-Identifier: MIT */
/*
 * Small hypercalls: multicall, xen_version, vm_assist, and one that is refused.
 */
#include "guest-pv-headers/errno.h"
#include "guest-pv-headers/features.h"
#include "guest-pv-headers/physdev.h"
#include "guest-pv-headers/version.h"
#include "guest-pv-headers/xen.h"
#include "hypervisor/domain/continuation.h"
#include "hypervisor/domain/domain.h"
#include "hypervisor/hypercalls/hypercall.h"
#include "hypervisor/lib/string.h"
#include "hypervisor/mm/guest_access.h"
#include "hypervisor/x86/panic_dump.h"
#include "hypervisor/x86/percpu.h"
#include "hypervisor/x86/softirq.h"

#define ABI_VERSION ((4 << 16) | 17) /* docs/architecture.md, D1 */

/* One entry; -XEN_ERESTART with its arguments replaced if it wants to be continued. */
static inline int run_entry(struct multicall_entry __guest *at)
{
    uint64_t base = guest_address(at);
    uint64_t words[6]; /* number, place of the result, arguments */
    uint64_t result = (uint64_t)-XEN_EINVAL;

    if (unlikely(guest_read_words(base, words, 6) != 0)) {
        return -XEN_EFAULT;
    }
    if (likely(words[0] != __HYPERVISOR_multicall)) { /* no nesting */
        result = (uint64_t)hypercall_dispatch(words[0], words[2], words[3], words[4], words[5]);
    }
    if (unlikely(result == (uint64_t)-XEN_ERESTART)) {
        uint64_t args[4] = { words[2], words[3], words[4], words[5] };

        return hypercall_continued(args) &&
                       copy_array_to_guest((uint64_t __guest *)at->args, args, 4) == 0
                   ? -XEN_ERESTART
                   : -XEN_EFAULT;
    }
    guest_access_begin();
    guest_write_word(base + 8, result, fault);
    guest_access_end();
    return 0;
fault:
    guest_access_end();
    return -XEN_EFAULT;
}

long hypercall_multicall(uint64_t calls, uint64_t count)
{
    struct multicall_entry __guest *entries = guest_pointer(struct multicall_entry, calls);
    int error = 0;

    count = (uint32_t)count;
    hypercall_in_multicall(true);
    for (uint64_t i = 0; i < count && error == 0; i++) {
        if (i > 0 && preempt_pending()) {
            error = -XEN_ERESTART;
        } else {
            error = run_entry(&entries[i]);
        }
        if (error == -XEN_ERESTART) {
            calls = guest_address(&entries[i]);
            count -= i;
        }
        if (unlikely(atomic_load_explicit(&current->domain->shutting_down, memory_order_relaxed))) {
            break;
        }
    }
    hypercall_in_multicall(false);
    if (error == -XEN_ERESTART) {
        return hypercall_continue(__HYPERVISOR_multicall, 2, calls, count, 0, 0);
    }
    return error;
}

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

    return copy_to_guest(guest_pointer(struct xen_compile_info, argument), &info);
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
    struct xen_feature_info __guest *place = guest_pointer(struct xen_feature_info, argument);
    struct xen_feature_info info;
    int error = copy_from_guest(&info, (const struct xen_feature_info __guest *)place);

    if (error != 0) {
        return error;
    }
    if (info.submap_idx >= XENFEAT_NR_SUBMAPS) {
        return -XEN_EINVAL;
    }
    info.submap = features(current->domain);
    return copy_to_guest(place, &info);
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
    error = copy_from_guest(&room, guest_pointer(const uint32_t, argument));
    if (error != 0) {
        return error;
    }
    if (room == 0) {
        return -XEN_EINVAL;
    }
    if (room < size) {
        return -XEN_ENOBUFS;
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
        return copy_to_guest(guest_pointer(struct xen_platform_parameters, argument), &parameters);
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
        return get_build_id(argument);
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

long hypercall_physdev_op_compat(uint64_t argument)
{
    uint32_t command;
    int error = copy_from_guest(&command, guest_pointer(const uint32_t, argument));

    if (error != 0) {
        return error;
    }
    /* Only the commands that existed then; the argument lies behind the command. */
    return command > PHYSDEVOP_free_irq_vector
               ? -XEN_ENOSYS
               : hypercall_physdev_op(command, argument + offsetof(struct physdev_op, u));
}

/* Performance counters are not virtualised: the answer guests get where they are switched off. */
long hypercall_xenpmu_op(uint64_t operation, uint64_t argument)
{
    (void)operation;
    (void)argument;
    return -XEN_EOPNOTSUPP;
}
