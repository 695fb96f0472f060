/* SPDX-License-Identifier: MIT */
/*
 * What guests do: each step is decoded from a few bytes of input, with numbers that
 * are likely to mean something.  The table of hypercalls says what each argument is.
 */
#include "tests/attack/world.h"

#include <string.h>

#include "guest-pv-headers/domctl.h"
#include "guest-pv-headers/event_channel.h"
#include "guest-pv-headers/grant_table.h"
#include "guest-pv-headers/mca.h"
#include "guest-pv-headers/memory.h"
#include "guest-pv-headers/nmi.h"
#include "guest-pv-headers/physdev.h"
#include "guest-pv-headers/platform.h"
#include "guest-pv-headers/sched.h"
#include "guest-pv-headers/sysctl.h"
#include "guest-pv-headers/version.h"
#include "hypervisor/event/channels.h"
#include "hypervisor/pv/debug_registers.h"
#include "hypervisor/x86/entry.h"
#include "hypervisor/x86/pte.h"
#include "hypervisor/x86/selectors.h"

#define CALL_RIP      (GUEST_ENTRY + 0x10) /* behind the hypercall instruction */
#define CONTINUE_RIP  (CALL_RIP - 2)
#define CONTINUATIONS 3000u
#define HOSTILE       2u /* of a step's ways: its memory changes while it is read */

static uint8_t next(struct input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

static uint64_t next_many(struct input *input, unsigned int bytes)
{
    uint64_t value = 0;

    while (bytes-- > 0) {
        value = value << 8 | next(input);
    }
    return value;
}

/* ---- numbers -------------------------------------------------------------------------------- */

static uint64_t edge(uint8_t which)
{
    static const uint64_t edges[] = { 16,         17,         31,         32,         33,
                                      63,         64,         65,         127,        128,
                                      255,        256,        257,        511,        512,
                                      513,        1023,       1024,       2047,       2048,
                                      4095,       4096,       4097,       8192,       65535,
                                      65536,      131071,     131072,     0x7fffffff, 0x80000000,
                                      0x80000001, 0xfffffffe, 0xffffffff, 0x100000000 };

    return which % 64 < ARRAY_SIZE(edges) ? edges[which % 64] : UINT64_MAX - which % 4;
}

/* Small ones, or where something may turn over. */
static uint64_t number(struct input *input)
{
    uint8_t byte = next(input);

    return byte < 160 ? byte % 16 : byte < 250 ? edge(byte) : next_many(input, 8);
}

static uint64_t entry_of(const struct guest *guest, unsigned int slot)
{
    const uint64_t *table = direct_map_mfn(mfn(guest->frames[slot < 32 ? PFN_L1 : PFN_L1_MORE]));

    return read_once(table[slot % 32]);
}

static uint64_t special_frame(uint8_t which)
{
    static const uint64_t others[] = { 0,          1,           DEVICE_FRAMES, LOW_END,
                                       HIGH_START, FRAMES - 1,  FRAMES,        FRAMES + 1,
                                       0xfffffff,  0x100000000, UINT64_MAX,    UINT64_MAX >> 12 };
    const struct guest *guest = &guests[which % DOMAINS];

    switch (which / 4 % 3) {
    case 0:
        return guest->grants;
    case 1:
        return guest->shared;
    default:
        return others[which % ARRAY_SIZE(others)];
    }
}

/* Its own, another's, of no RAM; or what its tables map now, or its list names (answers). */
static uint64_t frame(struct input *input)
{
    const struct guest *own = &guests[current->domain->id % DOMAINS];
    uint8_t byte = next(input);
    uint64_t answer = 0;

    switch (byte >> 5) {
    case 0:
    case 1:
    case 2:
        return own->frames[byte % GUEST_FRAMES];
    case 3:
        return guests[1].frames[byte % 32 % GUEST_FRAMES];
    case 4:
        return guests[byte & 1 ? 2 : 0].frames[byte % 32 % GUEST_FRAMES];
    case 5:
        return special_frame(byte & 31);
    case 6:
        return pte_frame(entry_of(own, byte & 31)).number;
    default:
        (void)guest_read(ADDRESS(PFN_LIST) + (byte & 31) * UINT64_C(8), &answer, sizeof(answer));
        return answer;
    }
}

static uint64_t page_entry(struct input *input)
{
    static const uint64_t flags[] = {
        PTE_PRESENT | PTE_WRITABLE | PTE_USER | PTE_ACCESSED | PTE_DIRTY,
        PTE_PRESENT | PTE_USER,
        PTE_PRESENT | PTE_WRITABLE | PTE_USER,
        PTE_PRESENT | PTE_USER | PTE_ACCESSED,
        PTE_PRESENT | PTE_WRITABLE,
        PTE_PRESENT | PTE_USER | PTE_NO_EXECUTE,
        0,
        PTE_WRITABLE | PTE_USER,
        PTE_PRESENT | PTE_USER | PTE_PWT | PTE_PCD,
        PTE_PRESENT | PTE_USER | PTE_LARGE,
        PTE_PRESENT | PTE_WRITABLE | PTE_USER | PTE_GLOBAL,
        PTE_PRESENT | PTE_WRITABLE | PTE_USER | PTE_SOFTWARE,
        PTE_PRESENT | PTE_USER | UINT64_C(1) << 51,
    };
    uint64_t where = frame(input);
    uint8_t byte = next(input);

    return byte == 0xff ? 0 : (where << PAGE_SHIFT & PTE_FRAME) | flags[byte % ARRAY_SIZE(flags)];
}

/* Where an entry of a table is: machine address and, in its low bits, a command. */
static uint64_t entry_address(struct input *input)
{
    static const uint16_t borders[] = { 255, 256, 257, 263, 270, 271, 272, 511 };
    const struct guest *own = &guests[current->domain->id % DOMAINS];
    uint8_t byte = next(input), slot = next(input);
    uint64_t table = byte < 192 ? own->frames[byte % 8 % (PFN_USER_L4 + 1)] : frame(input);
    uint64_t index = slot < 192 ? slot % 40 : borders[slot % ARRAY_SIZE(borders)];
    uint64_t command = byte % 32 < 24 ? 0 : byte % 4;

    return table << PAGE_SHIFT | index * 8 | command;
}

static uint64_t address(struct input *input)
{
    static const uint64_t others[] = { 0,
                                       8,
                                       CORE_START,
                                       CORE_START - 8,
                                       CORE_END,
                                       CORE_END - 8,
                                       DIRECT_MAP,
                                       0x800000000000,
                                       UINT64_MAX - 7,
                                       GUEST_START - 8 };
    static const uint64_t offsets[] = { 0, 8, 0xff8, 0x7fc };
    uint8_t byte = next(input);
    uint64_t slot = byte & 63;

    if (byte > 0xf0) {
        return others[byte % ARRAY_SIZE(others)];
    }
    return GUEST_START + (slot < 32 ? slot : 512 + slot - 32) * PAGE_SIZE + offsets[byte >> 6];
}

/* A few places in the empty table, to be met again. */
static uint64_t mapping_address(struct input *input)
{
    if (input->at < input->end && *input->at < 200) {
        return GUEST_START + (512 + next(input) % 4u) * PAGE_SIZE;
    }
    return address(input);
}

static uint64_t mapping_flags(struct input *input)
{
    static const uint32_t flags[] = { GNTMAP_host_map,
                                      GNTMAP_host_map | GNTMAP_readonly,
                                      GNTMAP_host_map | GNTMAP_device_map,
                                      GNTMAP_device_map,
                                      GNTMAP_host_map | GNTMAP_contains_pte,
                                      GNTMAP_host_map | GNTMAP_application_map,
                                      GNTMAP_device_map | GNTMAP_readonly,
                                      0 };

    return flags[next(input) % ARRAY_SIZE(flags)];
}

static uint64_t domain_id(struct input *input)
{
    static const domid_t ids[] = { DOMID_SELF, DOMID_SELF, 0, 1,      1,          2,         2, 3,
                                   DOMID_IO,   DOMID_XEN,  4, 0x7fef, OWNER_CORE, OWNER_NONE };

    return ids[next(input) % ARRAY_SIZE(ids)];
}

static uint64_t grant_entry(struct input *input)
{
    static const uint16_t flags[] = { GTF_permit_access,
                                      GTF_permit_access | GTF_readonly,
                                      GTF_permit_access | GTF_sub_page,
                                      0,
                                      GTF_accept_transfer,
                                      GTF_permit_access | GTF_reading | GTF_writing };
    uint64_t what = flags[next(input) % ARRAY_SIZE(flags)];

    return what | domain_id(input) << 16 | frame(input) << 32;
}

/* ---- hypercalls ----------------------------------------------------------------------------- */

/*
 * `registers` has a letter for each argument, `memory` a letter and a size for each
 * field of what lies at A, and `list` of what lies at L, four times:
 *
 *   c command  A address of memory  L of the list  N count of elements in memory
 *   X address of a vCPU context     V interface version   _ nothing
 *   v address  m frame  M its machine address  p page-table entry  a address of one
 *   d domain   t two of them, for mmu_update   e, g, h, n number   o offset in a page
 *   f flags    G those of a mapping   w address where it may go   i vCPU
 *   k reference or frame   x anything
 */
static const struct row {
    uint8_t call;
    uint32_t command;
    const char *registers, *memory, *list;
} rows[] = {
#define MEMORY(command, memory, list)                                \
    {                                                                \
        __HYPERVISOR_memory_op, XENMEM_##command, "cA", memory, list \
    }
#define MMUEXT(command, memory)                                             \
    {                                                                       \
        __HYPERVISOR_mmuext_op, MMUEXT_##command, "AN_d", "c4_4" memory, "" \
    }
#define GRANT(command, memory, list)                                         \
    {                                                                        \
        __HYPERVISOR_grant_table_op, GNTTABOP_##command, "cAN", memory, list \
    }
#define EVENT(command, memory)                                              \
    {                                                                       \
        __HYPERVISOR_event_channel_op, EVTCHNOP_##command, "cA", memory, "" \
    }
#define SCHED(command, memory)                                       \
    {                                                                \
        __HYPERVISOR_sched_op, SCHEDOP_##command, "cA", memory, "e4" \
    }
#define VCPU(command, registers, memory)                              \
    {                                                                 \
        __HYPERVISOR_vcpu_op, VCPUOP_##command, registers, memory, "" \
    }
#define PHYSDEV(command, memory)                                       \
    {                                                                  \
        __HYPERVISOR_physdev_op, PHYSDEVOP_##command, "cA", memory, "" \
    }
#define DOMCTL(command, memory, list)                                           \
    {                                                                           \
        __HYPERVISOR_domctl, XEN_DOMCTL_##command, "A", "c4V4d2_6" memory, list \
    }
#define SYSCTL(command, memory)                                           \
    {                                                                     \
        __HYPERVISOR_sysctl, XEN_SYSCTL_##command, "A", "c4V4" memory, "" \
    }
#define PLATFORM(command, memory)                                         \
    {                                                                     \
        __HYPERVISOR_platform_op, XENPF_##command, "A", "c4V4" memory, "" \
    }
#define OTHER(name, registers, memory, list)            \
    {                                                   \
        __HYPERVISOR_##name, 0, registers, memory, list \
    }

    OTHER(mmu_update, "AN_t", "a8p8", ""),
    OTHER(mmu_update, "AN_t", "a8p8", ""),
    OTHER(mmu_update, "An_t", "a8p8", ""),
    OTHER(mmu_update, "ANvt", "a8x8", ""),
    OTHER(update_va_mapping, "vpf", "", ""),
    OTHER(update_va_mapping, "vpL", "", "x8"),
    OTHER(update_va_mapping_otherdomain, "vpfd", "", ""),
    MMUEXT(PIN_L1_TABLE, "m8x8"),
    MMUEXT(PIN_L2_TABLE, "m8x8"),
    MMUEXT(PIN_L3_TABLE, "m8x8"),
    MMUEXT(PIN_L4_TABLE, "m8x8"),
    MMUEXT(UNPIN_TABLE, "m8x8"),
    MMUEXT(UNPIN_TABLE, "m8x8"),
    MMUEXT(NEW_BASEPTR, "m8x8"),
    MMUEXT(NEW_USER_BASEPTR, "m8x8"),
    MMUEXT(TLB_FLUSH_LOCAL, "x8x8"),
    MMUEXT(INVLPG_LOCAL, "v8x8"),
    MMUEXT(TLB_FLUSH_MULTI, "x8v8"),
    MMUEXT(INVLPG_MULTI, "v8v8"),
    MMUEXT(TLB_FLUSH_ALL, "x8x8"),
    MMUEXT(INVLPG_ALL, "v8x8"),
    MMUEXT(FLUSH_CACHE, "x8x8"),
    MMUEXT(SET_LDT, "v8n8"),
    MMUEXT(CLEAR_PAGE, "m8x8"),
    MMUEXT(COPY_PAGE, "m8m8"),
    MMUEXT(MARK_SUPER, "m8x8"),

    MEMORY(increase_reservation, "L8n8n4n4d2_6", "m8"),
    MEMORY(decrease_reservation, "L8n8_4n4d2_6", "m8"),
    MEMORY(decrease_reservation, "L8n8n4n4d2_6", "m8"),
    MEMORY(populate_physmap, "L8n8n4n4d2_6", "n8"),
    MEMORY(exchange, "L8n8n4n4d2_6L8n8n4n4d2_6n8", "m8"),
    MEMORY(exchange, "L8N8_4_4d2_6L8N8_4n4d2_6_8", "m8"),
    MEMORY(maximum_ram_page, "", ""),
    MEMORY(current_reservation, "d2", ""),
    MEMORY(maximum_reservation, "d2", ""),
    MEMORY(maximum_gpfn, "d2", ""),
    MEMORY(machphys_mfn_list, "n4_4v8_8", ""),
    MEMORY(machphys_mapping, "", ""),
    MEMORY(memory_map, "n4_4v8", ""),
    MEMORY(machine_memory_map, "n4_4v8", ""),
    MEMORY(set_memory_map, "d2_6n4_4L8", "x8"),
    MEMORY(claim_pages, "_8n8_4_4d2_6", ""),
    MEMORY(acquire_resource, "d2n2n4n4_4n8L8", ""),
    MEMORY(add_to_physmap, "d2n2n4m8x8", ""),

    GRANT(map_grant_ref, "w8G4g4d2_2_4_8", ""),
    GRANT(map_grant_ref, "w8G4g4d2_2_4_8", ""),
    GRANT(map_grant_ref, "a8G4g4d2_2_4_8", ""),
    GRANT(unmap_grant_ref, "w8_8h4_4", ""),
    GRANT(unmap_grant_ref, "w8M8h4_4", ""),
    GRANT(unmap_and_replace, "w8w8h4_4", ""),
    GRANT(setup_table, "d2_2n4_8L8", ""),
    GRANT(copy, "k8d2o2_4k8d2o2_4n2f2_4", ""),
    GRANT(copy, "k8d2o2_4k8d2o2_4o2f2_4", ""),
    GRANT(query_size, "d2_6_8", ""),
    GRANT(set_version, "n4", ""),
    GRANT(set_version, "f4", ""),
    GRANT(get_status_frames, "n4d2_2L8", ""),
    GRANT(get_version, "d2_6", ""),
    GRANT(swap_grant_ref, "g4g4_8", ""),
    GRANT(cache_flush, "M8o2o2f4", ""),
    GRANT(transfer, "m8d2_2g4_4", ""),

    EVENT(alloc_unbound, "d2d2_4"),
    EVENT(alloc_unbound, "d2d2_4"),
    EVENT(bind_interdomain, "d2_2e4_4"),
    EVENT(bind_interdomain, "d2_2e4_4"),
    EVENT(bind_virq, "n4i4_4"),
    EVENT(bind_ipi, "i4_4"),
    EVENT(bind_pirq, "n4n4_4"),
    EVENT(close, "e4"),
    EVENT(send, "e4"),
    EVENT(send, "e4"),
    EVENT(status, "d2_2e4_8_8"),
    EVENT(bind_vcpu, "e4i4"),
    EVENT(unmask, "e4"),
    EVENT(reset, "d2"),
    EVENT(init_control, "m8o4i4_8"),
    EVENT(init_control, "m8_4i4_8"),
    EVENT(expand_array, "m8"),
    EVENT(set_priority, "e4n4"),
    OTHER(event_channel_op_compat, "A", "n4_4e4e4e4", ""),

    SCHED(yield, ""),
    SCHED(block, ""),
    SCHED(shutdown, "n4"),
    SCHED(poll, "L8n4_4n8"),
    SCHED(remote_shutdown, "d2_2n4"),
    SCHED(shutdown_code, "n4"),
    SCHED(watchdog, "n4n4"),
    SCHED(pin_override, "n4"),
    OTHER(sched_op_compat, "nA", "n4", ""),

    VCPU(initialise, "ciX", ""),
    VCPU(up, "ci_", ""),
    VCPU(down, "ci_", ""),
    VCPU(is_up, "ci_", ""),
    VCPU(get_runstate_info, "ciA", ""),
    VCPU(register_runstate_memory_area, "ciA", "v8"),
    VCPU(set_periodic_timer, "ciA", "n8"),
    VCPU(stop_periodic_timer, "ci_", ""),
    VCPU(set_singleshot_timer, "ciA", "n8f4"),
    VCPU(stop_singleshot_timer, "ci_", ""),
    VCPU(register_vcpu_info, "ciA", "m8o4_4"),
    VCPU(send_nmi, "ci_", ""),
    VCPU(get_physid, "ciA", ""),
    VCPU(register_vcpu_time_memory_area, "ciA", "v8"),
    OTHER(set_timer_op, "n", "", ""),

    OTHER(set_gdt, "Ln", "", "m8"),
    OTHER(set_gdt, "Ln", "", "m8"),
    OTHER(update_descriptor, "ax", "", ""),
    OTHER(update_descriptor, "Mx", "", ""),
    OTHER(set_trap_table, "L", "", "f1f1n2_4v8"),
    OTHER(stack_switch, "nv", "", ""),
    OTHER(set_callbacks, "vvv", "", ""),
    OTHER(callback_op, "nA", "n2f2_4v8", ""),
    OTHER(nmi_op, "nA", "v8", ""),
    OTHER(fpu_taskswitch, "n", "", ""),
    OTHER(set_segment_base, "nv", "", ""),
    OTHER(set_debugreg, "nx", "", ""),
    OTHER(set_debugreg, "nv", "", ""),
    OTHER(get_debugreg, "n", "", ""),
    OTHER(vm_assist, "nn", "", ""),
    OTHER(xen_version, "nv", "", ""),
    OTHER(xen_version, "nA", "n4", ""),
    OTHER(console_io, "nnv", "", ""),
    OTHER(xenpmu_op, "nv", "", ""),
    OTHER(mca, "A", "n4V4n8v8", ""),

    PHYSDEV(irq_status_query, "n4_4"),
    PHYSDEV(set_iopl, "n4"),
    PHYSDEV(set_iobitmap, "v8n4"),
    PHYSDEV(apic_read, "x8n4_4"),
    PHYSDEV(apic_write, "x8n4x4"),
    PHYSDEV(alloc_irq_vector, "n4_4"),
    PHYSDEV(eoi, "n4"),
    PHYSDEV(map_pirq, "d2_2n4n4n4n4n4n4x8"),
    PHYSDEV(map_pirq, "d2_2n4n4x4_8_8"),
    PHYSDEV(unmap_pirq, "d2_2n4"),
    PHYSDEV(pirq_eoi_gmfn_v1, "m8"),
    PHYSDEV(pirq_eoi_gmfn_v2, "m8"),
    PHYSDEV(setup_gsi, "n4n1n1"),
    PHYSDEV(get_free_pirq, "n4_4"),
    PHYSDEV(pci_device_add, "n2n1n1n4"),
    PHYSDEV(pci_device_remove, "n2n1n1"),
    OTHER(physdev_op_compat, "A", "n4_4n4n4", ""),

    DOMCTL(createdomain, "x4_8_8_4_4n4n4n4n4n4_8_8", ""),
    DOMCTL(createdomain, "_4_8_8_4_4N4n4N4N4N4_8_8", ""),
    DOMCTL(destroydomain, "", ""),
    DOMCTL(pausedomain, "", ""),
    DOMCTL(unpausedomain, "", ""),
    DOMCTL(unpausedomain, "", ""),
    DOMCTL(getdomaininfo, "", ""),
    DOMCTL(resumedomain, "", ""),
    DOMCTL(max_mem, "n8", ""),
    DOMCTL(max_vcpus, "n4", ""),
    DOMCTL(setvcpucontext, "i4_4X8", ""),
    DOMCTL(getvcpucontext, "i4_4v8", ""),
    DOMCTL(getvcpuinfo, "i4", ""),
    DOMCTL(setvcpuaffinity, "i4f4L8n4_4L8n4", "x1"),
    DOMCTL(getvcpuaffinity, "i4f4v8n4_4v8n4", ""),
    DOMCTL(scheduler_op, "n4n4n2n2", ""),
    DOMCTL(getpageframeinfo3, "n8L8", "m8"),
    DOMCTL(hypercall_init, "m8", ""),
    DOMCTL(set_virq_handler, "n4", ""),
    DOMCTL(iomem_permission, "n8n8c1", ""), /* never takes it away: what is mapped would stay */
    DOMCTL(ioport_permission, "n4n4f1", ""),
    DOMCTL(irq_permission, "n4f1", ""),
    DOMCTL(sendtrigger, "n4i4", ""),
    DOMCTL(get_cpu_policy, "n4n4v8v8", ""),
    DOMCTL(set_cpu_policy, "n4n4L8v8", "x8"),
    DOMCTL(settscinfo, "n4n4n4n4x8", ""),
    DOMCTL(settimeoffset, "n8", ""),

    SYSCTL(readconsole, "n4n4v8n4"),
    SYSCTL(physinfo, ""),
    SYSCTL(getdomaininfolist, "n2_6v8n4"),
    SYSCTL(getcpuinfo, "n4_4v8"),
    SYSCTL(availheap, "n4n4n4"),
    SYSCTL(cputopoinfo, "n4_4v8"),
    SYSCTL(numainfo, "n4_4v8v8"),
    SYSCTL(cpupool_op, "n4n4n4n4n4_4v8n4"),
    SYSCTL(scheduler_op, "n4n4n4n4n4"),
    SYSCTL(get_cpu_featureset, "n4n4v8"),
    SYSCTL(get_cpu_policy, "n4n4n4_4v8v8"),

    PLATFORM(settime64, "x8n4n4n8"),
    PLATFORM(firmware_info, "n4n4n8n8"),
    PLATFORM(get_cpuinfo, "n4"),
    PLATFORM(get_cpu_version, "n4"),
    PLATFORM(cpu_online, "n4"),
    PLATFORM(get_symbol, "n4n4v8"),
};

/* Where a call's memory is: those of a multicall each have a part of the page. */
struct place {
    uint64_t args;
    uint64_t count;
};

static uint64_t version_of(uint8_t call)
{
    return call == __HYPERVISOR_platform_op ? XENPF_INTERFACE_VERSION
           : call == __HYPERVISOR_mca       ? XEN_MCA_INTERFACE_VERSION
                                            : XEN_DOMCTL_INTERFACE_VERSION;
}

#define CONTEXT_ADDRESS ADDRESS(PFN_DATA)
#define FIFO_LONGEST    64u

static uint64_t make_context(struct input *input)
{
    static struct vcpu_guest_context context;
    uint8_t how = next(input);

    context = (struct vcpu_guest_context){ .flags = how & 7u, .kernel_sp = ADDRESS(PFN_STACK + 1) };
    context.ctrlreg[3] = frame(input) << PAGE_SHIFT;
    context.ctrlreg[1] = (how & 8) != 0 ? frame(input) << PAGE_SHIFT : how;
    context.gdt_ents = (how & 16) != 0 ? number(input) : 0;
    context.gdt_frames[0] = frame(input);
    context.ldt_base = (how & 32) != 0 ? address(input) : 0;
    context.ldt_ents = (how & 32) != 0 ? number(input) : 0;
    context.user_regs.rip = (how & 64) != 0 ? address(input) : GUEST_ENTRY;
    context.user_regs.cs = GUEST_CS64;
    context.user_regs.ss = GUEST_SS;
    context.event_callback_eip = GUEST_ENTRY + 0x100;
    context.debugreg[7] = (how & 128) != 0 ? number(input) : 0;
    (void)guest_write(CONTEXT_ADDRESS, &context, sizeof(context));
    return how == 0xff ? 0 : CONTEXT_ADDRESS;
}

static uint64_t value_of(struct input *input, char letter, const struct row *row,
                         const struct place *place)
{
    switch (letter) {
    case 'c':
        return row->command;
    case 'A':
        return place->args;
    case 'L':
        return ADDRESS(PFN_LIST);
    case 'N':
        return place->count;
    case 'X':
        return make_context(input);
    case 'V':
        return version_of(row->call);
    case 'v':
        return address(input);
    case 'm':
        return frame(input);
    case 'M':
        return frame(input) << PAGE_SHIFT;
    case 'p':
        return page_entry(input);
    case 'a':
        return entry_address(input);
    case 'd':
        return domain_id(input);
    case 't': {
        uint8_t byte = next(input);

        return byte < 200 ? DOMID_SELF
                          : domain_id(input) | (byte < 225 ? 0 : (byte % 4u + 1) << 16);
    }
    case 'o':
        return next(input) * UINT64_C(8) % (PAGE_SIZE + 64);
    case 'f':
        return next(input);
    case 'G':
        return mapping_flags(input);
    case 'w':
        return mapping_address(input);
    case 'i':
        return next(input) % 4;
    case 'k':
        return (next(input) & 1) != 0 ? frame(input) : number(input);
    case 'x':
        return next_many(input, 8);
    case '_':
        return 0;
    default:
        return number(input);
    }
}

/* The fields of one element, one behind the other, at an address of the guest's. */
static uint64_t write_fields(struct input *input, const char *fields, const struct row *row,
                             const struct place *place, uint64_t at)
{
    for (; *fields != '\0'; fields += 2) {
        uint64_t value = value_of(input, fields[0], row, place);
        size_t size = (size_t)(fields[1] - '0');

        (void)guest_write(at, &value, size);
        at += size;
    }
    return at;
}

/* Memory and list, then the arguments. */
static void prepare(struct input *input, const struct row *row, struct place *place,
                    uint64_t args[4])
{
    bool counted = strchr(row->registers, 'N') != NULL;
    uint64_t at = place->args, list = ADDRESS(PFN_LIST);

    place->count = next(input) % 4u + 1;
    for (uint64_t i = 0; i < (counted ? place->count : 1); i++) {
        at = write_fields(input, row->memory, row, place, at);
    }
    for (unsigned int i = 0; i < 4 && row->list[0] != '\0'; i++) {
        list = write_fields(input, row->list, row, place, list);
    }
    for (unsigned int i = 0; row->registers[i] != '\0'; i++) {
        args[i] = value_of(input, row->registers[i], row, place);
    }
}

static void prepare_call(struct input *input, struct cpu_regs *regs)
{
    const struct row *row = &rows[next(input) % ARRAY_SIZE(rows)];
    struct place place = { .args = ADDRESS(PFN_ARGS) };
    uint64_t args[4] = { 0 };

    prepare(input, row, &place, args);
    regs->rax = row->call;
    regs->rdi = args[0];
    regs->rsi = args[1];
    regs->rdx = args[2];
    regs->r10 = args[3];
}

static void prepare_multicall(struct input *input, struct cpu_regs *regs)
{
    uint64_t count = next(input) % 4 + 1;

    for (uint64_t i = 0; i < count; i++) {
        const struct row *row = &rows[next(input) % ARRAY_SIZE(rows)];
        struct place place = { .args = ADDRESS(PFN_ARGS) + i * 0x400 };
        struct multicall_entry entry = { .op = row->call };

        prepare(input, row, &place, entry.args);
        (void)guest_write(ADDRESS(PFN_CALLS) + i * sizeof(entry), &entry, sizeof(entry));
    }
    regs->rax = __HYPERVISOR_multicall;
    regs->rdi = ADDRESS(PFN_CALLS);
    regs->rsi = count;
}

/* Out of the core, and back for the same hypercall if it is to be continued. */
static bool goes_on(const struct vcpu *vcpu)
{
    unsigned int cpu;

    machine_leave();
    machine_settle();
    cpu = machine_cpu_of(vcpu);
    if (cpu == CPUS) {
        return false;
    }
    machine_enter(cpu);
    if (this_cpu()->regs.rip == CONTINUE_RIP && vcpu->pv.kernel_mode) {
        return true;
    }
    machine_leave();
    return false;
}

/* May it write to pages of the guest other than by a guest's address? */
static bool writes_pages(const struct cpu_regs *regs)
{
    uint32_t command = 0;

    (void)guest_read(regs->rdi, &command, sizeof(command));
    switch (regs->rax) {
    case __HYPERVISOR_mmuext_op:
        return command == MMUEXT_CLEAR_PAGE || command == MMUEXT_COPY_PAGE;
    case __HYPERVISOR_domctl:
        return command == XEN_DOMCTL_hypercall_init;
    case __HYPERVISOR_grant_table_op:
        return regs->rdi == GNTTABOP_copy;
    default:
        return regs->rax == __HYPERVISOR_multicall || regs->rax == __HYPERVISOR_mmu_update ||
               regs->rax == __HYPERVISOR_update_descriptor;
    }
}

/*
 * Not if the guest has one list where there may be two, or one bitmap for two flushes; and
 * a single flush is looked for first and, if it is none, read again as anything else.
 */
static bool reads_once(const struct cpu_regs *regs)
{
    uint32_t command = 0;

    switch (regs->rax) {
    case __HYPERVISOR_multicall:
    case __HYPERVISOR_mmuext_op:
        return false;
    case __HYPERVISOR_memory_op:
        return regs->rdi % 64 != XENMEM_exchange;
    case __HYPERVISOR_domctl:
        (void)guest_read(regs->rdi, &command, sizeof(command));
        return command != XEN_DOMCTL_setvcpuaffinity && command != XEN_DOMCTL_set_cpu_policy;
    default:
        return true;
    }
}

/* One entry: what is asked before and after.  `hostile`: how what it reads is written over. */
static void call_core(struct cpu_regs *regs, bool first, uint8_t hostile)
{
    bool writes = hostile != 0 || writes_pages(regs);

    if (first) {
        unchanged_begin(regs);
    }
    fetch_begin(reads_once(regs), hostile);
    hypercall_entry(regs);
    fetch_begin(false, 0);
    if (first && regs->rip == CALL_RIP) {
        unchanged_end(regs);
    }
    if (hostile == 0 && regs->rip == CALL_RIP) {
        reservation_end(regs);
    }
    if (writes) {
        waits_unknown();
    }
}

/*
 * A vCPU is known by number only from here on: the hypercall may end its domain.
 * Whoever is loaded and asks for a continuation gets it.
 */
static void enter_core(const struct vcpu *vcpu, uint8_t hostile)
{
    unsigned int calls = 0;

    reservation_begin(&this_cpu()->regs);

    do {
        struct cpu_regs *regs = &this_cpu()->regs;

        regs->rip = CALL_RIP;
        regs->vector = ENTRY_SYSCALL;
        machine_tell("d%uv%u: hypercall %lu (%lx, %lx, %lx, %lx)\n", current->domain->id,
                     current->id, regs->rax, regs->rdi, regs->rsi, regs->rdx, regs->r10);
        call_core(regs, calls == 0, hostile);
        machine_tell("    %s%ld\n", regs->rip == CONTINUE_RIP ? "to be continued as " : "",
                     (long)regs->rax);
        if (++calls == CONTINUATIONS) {
            machine_preempt_every(0);
        }
        if (calls > 2 * CONTINUATIONS) {
            finding("hypercall %lu is never done", regs->rax);
        }
    } while (goes_on(vcpu));
}

/* ---- what else a guest does ----------------------------------------------------------------- */

/* A store, by the guest's own instruction; what faults is the core's to look at. */
static void do_store(struct input *input)
{
    static const char *const stores[] = { "\x48\x89\x07",         /* mov %rax, (%rdi) */
                                          "\x48\x87\x07",         /* xchg */
                                          "\xf0\x48\x0f\xb1\x0f", /* lock cmpxchg %rcx */
                                          "\x89\x07",
                                          "\x88\x07",
                                          "\x48\xab",
                                          "\x48\x0f\xba\x2f\x01",
                                          "\xf0\x48\x0f\xc7\x0f" };
    struct cpu_regs *regs = &this_cpu()->regs;
    uint64_t where = address(input), value = page_entry(input), code;
    uint8_t which = next(input);
    const char *store = stores[which % ARRAY_SIZE(stores)];
    uint32_t fault;

    where += which / 16 * 8u;
    if (machine_translate(read_cr3(), where, true, true, &fault) != NULL) {
        machine_tell("d%uv%u: %lx = %lx\n", current->domain->id, current->id, where, value);
        (void)guest_write(where, &value, sizeof(value));
        machine_leave();
        return;
    }
    code = next_many(input, 8);
    if (which != 0xff) {
        memcpy(&code, store, strlen(store));
    }
    (void)guest_write(GUEST_ENTRY, &code, sizeof(code));
    regs->rip = GUEST_ENTRY;
    regs->rdi = where;
    regs->rax = value;
    regs->rcx = page_entry(input);
    regs->vector = VECTOR_PF;
    regs->error_code = fault;
    machine_set_cr2(where);
    machine_tell("d%uv%u: store of %lx to %lx\n", current->domain->id, current->id, value, where);
    pv_exception(regs, current);
    machine_leave();
}

/* An instruction that ring 3 may not execute. */
static void do_privileged(struct input *input)
{
    static const char *const codes[] = {
        "\x0f\x20\xc0", "\x0f\x20\xd8", "\x0f\x22\xc0", "\x0f\x22\xd8",
        "\x0f\x22\xe0", "\x0f\x30",     "\x0f\x32",     "\x0f\x06",
        "\xfa",         "\xfb",         "\xe4\x70",     "\xee",
        "\xef",         "\xec",         "\xed",         "\x0f\x23\xf8",
        "\x0f\x21\xf8", "\x0f\x09",     "\x0f\x01\xd1", "\xf4",
        "\x6c",         "\x6e",         "\x0f\x01\x07", "\x0f\x01\x0f",
        "\x0f\x01\x27", "\x0f\x00\x0f", "\xcd\x80",     "\x0f\x0bxen\x0f\xa2",
    };
    static const uint32_t msrs[] = { 0x40000000, 0x10,       0x1b,       0xc0000080, 0xc0000100,
                                     0xc0000101, 0xc0000102, 0xc0000103, 0x8b,       0x1a0 };
    struct cpu_regs *regs = &this_cpu()->regs;
    uint8_t which = next(input), register_number = next(input);
    const char *code = codes[which % ARRAY_SIZE(codes)];

    machine_tell("d%uv%u: instruction %u\n", current->domain->id, current->id,
                 which % (unsigned int)ARRAY_SIZE(codes));
    (void)guest_write(GUEST_ENTRY, code, strlen(code) + 1);
    regs->rip = GUEST_ENTRY;
    regs->rax = (which & 1) != 0 ? frame(input) << PAGE_SHIFT : number(input);
    regs->rcx = msrs[register_number % ARRAY_SIZE(msrs)];
    regs->rdx = number(input);
    regs->rdi = address(input);
    regs->rsi = address(input);
    regs->vector = which % ARRAY_SIZE(codes) == ARRAY_SIZE(codes) - 1 ? VECTOR_UD : VECTOR_GP;
    regs->error_code = which > 250 ? 0x80 * 8 + 2 : 0;
    pv_exception(regs, current);
    machine_leave();
}

static void do_iret(struct input *input)
{
    struct cpu_regs *regs = &this_cpu()->regs;
    struct iret_context frame_on_stack = { .rip = GUEST_ENTRY,
                                           .cs = next(input) % 2 != 0 ? GUEST_CS64 : 0xe030,
                                           .rflags = next(input) * UINT64_C(0x100),
                                           .rsp = ADDRESS(PFN_STACK + 1),
                                           .ss = GUEST_SS };

    regs->rsp = ADDRESS(PFN_STACK + 1) - sizeof(frame_on_stack);
    (void)guest_write(regs->rsp, &frame_on_stack, sizeof(frame_on_stack));
    regs->vector = ENTRY_SYSCALL;
    if (current->pv.kernel_mode) {
        hypercall_iret(regs, current);
    } else {
        pv_guest_syscall(regs, current);
    }
    machine_leave();
}

static void do_exception(struct input *input)
{
    static const uint8_t vectors[] = { VECTOR_DB, VECTOR_BP, VECTOR_NM, VECTOR_AC,
                                       VECTOR_UD, VECTOR_SS, 0x80 };
    struct cpu_regs *regs = &this_cpu()->regs;

    regs->vector = vectors[next(input) % ARRAY_SIZE(vectors)];
    regs->error_code = next(input);
    regs->rsp = address(input);
    pv_exception(regs, current);
    machine_leave();
}

/* Version 1 and 2 of an entry in the grant table, as far as it is mapped. */
static void do_grant(struct input *input)
{
    uint8_t byte = next(input);
    uint64_t entry = grant_entry(input);
    uint64_t place = ADDRESS(SLOT_GRANTS) + byte % 32 * UINT64_C(8);

    machine_tell("d%uv%u: grant %u is %lx\n", current->domain->id, current->id, byte, entry);
    if (byte < 224) {
        (void)guest_write(place, &entry, sizeof(entry));
    } else {
        uint64_t words[2] = { (entry & 0xffffffff) | next_many(input, 4) << 32, entry >> 32 };

        (void)guest_write(ADDRESS(SLOT_GRANTS) + byte % 16 * UINT64_C(16), words, sizeof(words));
    }
    machine_leave();
}

/* Let events in, or mask single ones: bytes of the shared info page. */
static void do_shared(struct input *input)
{
    uint8_t byte = next(input), value = next(input);
    uint64_t offset = (byte & 1) != 0 ? 1 + byte / 2 % 2 * UINT64_C(64) : byte * UINT64_C(16);

    (void)guest_write(ADDRESS(SLOT_SHARED) + offset, &value, 1);
    machine_leave();
}

/* What is pending is taken, and events are let in, as a kernel does it after an upcall. */
static void take_two_level(struct vcpu *vcpu)
{
    struct shared_info *shared = vcpu->domain->shared_info;
    uint64_t selected = __atomic_exchange_n(&vcpu->info->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);

    for (unsigned int i = 0; i < 64; i++) {
        if ((selected >> i & 1) != 0) {
            shared->evtchn_pending[i] &= shared->evtchn_mask[i];
        }
    }
}

static void take_fifo(const struct fifo *fifo, struct evtchn_fifo_control_block *control)
{
    uint32_t ready = __atomic_exchange_n(&control->ready, 0, __ATOMIC_SEQ_CST);

    for (unsigned int queue = 0; queue < EVTCHN_FIFO_MAX_QUEUES; queue++) {
        uint32_t port = (ready >> queue & 1) != 0 ? control->head[queue] : 0;

        for (unsigned int i = 0; port != 0 && i < FIFO_LONGEST; i++) {
            event_word_t *word;

            if (port / WORDS_PER_PAGE >= fifo->pages) {
                break;
            }
            word = &fifo->page[port / WORDS_PER_PAGE][port % WORDS_PER_PAGE];
            port = *word & EVTCHN_FIFO_LINK_MASK;
            *word &= ~(event_word_t)(EVTCHN_FIFO_LINK_MASK | 1u << EVTCHN_FIFO_LINKED |
                                     1u << EVTCHN_FIFO_PENDING);
            control->head[queue] = port;
        }
    }
}

static void do_take_events(void)
{
    struct vcpu *vcpu = current;

    machine_tell("d%uv%u: takes its events\n", vcpu->domain->id, vcpu->id);
    vcpu->info->evtchn_upcall_pending = 0;
    if (vcpu->domain->events->fifo == NULL) {
        take_two_level(vcpu);
    } else if (vcpu->events->control_page != NULL) {
        take_fifo(vcpu->domain->events->fifo, vcpu->events->control);
    }
    vcpu->info->evtchn_upcall_mask = 0;
    machine_leave();
}

/* A guest may always mask one of its ports. */
static void mask_port(uint32_t port)
{
    const struct domain *domain = current->domain;
    const struct fifo *fifo = domain->events->fifo;

    machine_tell("d%uv%u: masks port %u\n", domain->id, current->id, port);
    if (fifo == NULL) {
        domain->shared_info->evtchn_mask[port / 64] |= UINT64_C(1) << port % 64;
    } else if (fifo->pages != 0) {
        fifo->page[0][port] |= 1u << EVTCHN_FIFO_MASKED;
    }
}

static void do_hold(struct input *input)
{
    uint8_t byte = next(input);
    enum limit kind = byte % 4u;
    unsigned int left = byte / 4u % 4;

    if (kind > LIMIT_GRANT) {
        mask_port(next(input));
    } else if (kind == LIMIT_GRANT) {
        limits_hold_grant((domid_t)domain_id(input), next(input) % 32, left);
    } else {
        limits_hold_frame(kind, frame(input), left);
    }
    machine_leave();
}

static void do_other(struct input *input)
{
    switch (next(input) % 8) {
    case 0:
    case 1:
        do_privileged(input);
        break;
    case 2:
        do_iret(input);
        break;
    case 3:
        do_exception(input);
        break;
    case 4:
        machine_pass_time((number(input) & 0xffffff) * 100000);
        machine_leave();
        break;
    case 5:
        do_shared(input);
        break;
    case 6:
        do_take_events();
        break;
    default:
        if (next(input) % 2 != 0) {
            do_hold(input);
            break;
        }
        do_grant(input);
    }
}

bool step(struct input *input)
{
    static const struct {
        domid_t domain;
        uint32_t vcpu;
    } actors[] = { { 0, 0 }, { 1, 0 }, { 2, 0 }, { 0, 1 }, { 1, 1 } };
    static const uint8_t preemptions[] = { 0, 0, 0, 1, 2, 3, 9 };
    uint8_t what = next(input);
    unsigned int who = what / 8u % ARRAY_SIZE(actors), how = what / 8u / ARRAY_SIZE(actors);
    struct domain *domain = domain_find(actors[who].domain);
    struct vcpu *vcpu = domain == NULL ? NULL : domain->vcpu[actors[who].vcpu];
    unsigned int cpu = vcpu == NULL ? CPUS : machine_cpu_of(vcpu);
    uint8_t hostile;

    domain_put(domain);
    if (input->at >= input->end) {
        return false;
    }
    if (cpu == CPUS) {
        /* It is not running: time goes by. */
        machine_tell("time goes by\n");
        machine_pass_time(1000000);
        machine_settle();
        return true;
    }
    machine_enter(cpu);
    machine_preempt_every(preemptions[how % ARRAY_SIZE(preemptions)]);
    machine_idle_clears(how == 1);
    switch (what % 8) {
    case 5:
        do_store(input);
        break;
    case 6:
        do_grant(input);
        break;
    case 7:
        do_other(input);
        break;
    default:
        if (!vcpu->pv.kernel_mode) {
            do_iret(input);
            break;
        }
        hostile = how == HOSTILE ? next(input) : 0;
        if (what % 8 == 4) {
            prepare_multicall(input, &this_cpu()->regs);
        } else {
            prepare_call(input, &this_cpu()->regs);
        }
        enter_core(vcpu, hostile);
    }
    machine_preempt_every(0);
    machine_settle();
    return true;
}
