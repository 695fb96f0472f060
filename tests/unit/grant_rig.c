/* SPDX-License-Identifier: MIT */
#include "tests/unit/grant_rig.h"

#include <check.h>
#include <string.h>

#include "hypervisor/x86/pte.h"
#include "hypervisor/x86/tlb.h"
#include "tests/fake/fake.h"

struct domain *granter, *mapper, *control;
uint64_t pt[PT_ENTRIES];
uint32_t pt_flags[PT_ENTRIES];
int pt_refuse;
void (*flush_hook)(void);
unsigned int flushes;
const void *read_only_start;
void (*answer_hook)(void);

void tlb_flush_mask(const struct cpumask *mask, uint64_t address_or_all)
{
    (void)mask;
    ck_assert_uint_eq(address_or_all, TLB_FLUSH_ALL);
    flushes++;
    if (flush_hook != NULL) {
        flush_hook();
    }
}

static bool overlap(const uint8_t *start, size_t size, const uint8_t *bad, size_t bad_size)
{
    return bad_size != 0 && start < bad + bad_size && start + size > bad;
}

size_t raw_copy_to_guest(void __guest *to, const void *from, size_t size)
{
    uint8_t *start = to;

    if (answer_hook != NULL) {
        answer_hook();
    }
    if (guest_address(to) >= CORE_START && guest_address(to) < CORE_END) {
        return size;
    }
    if ((read_only_start != NULL && start + size > (const uint8_t *)read_only_start) ||
        overlap(start, size, fake_answers.fault_start, fake_answers.fault_size) ||
        overlap(start, size, fake_answers.write_fault_start, fake_answers.write_fault_size)) {
        return size;
    }
    memcpy(to, from, size);
    return 0;
}

static uint64_t *slot_of(uint64_t address)
{
    uint64_t n = (address - PT_START) / PAGE_SIZE;

    return address % PAGE_SIZE != 0 || n >= PT_ENTRIES ? NULL : &pt[n];
}

int pv_grant_map(uint64_t host_addr, uint32_t flags, uint64_t entry)
{
    uint64_t *slot = slot_of(host_addr);

    if (slot == NULL || *slot != 0 || pt_refuse != 0) {
        return pt_refuse != 0 ? pt_refuse : GNTST_general_error;
    }
    *slot = entry;
    pt_flags[slot - pt] = flags;
    return 0;
}

int pv_grant_unmap(uint64_t host_addr, uint32_t flags, mfn_t frame, uint64_t new_host_addr)
{
    uint64_t *slot = slot_of(host_addr);
    uint64_t *from = new_host_addr == 0 ? NULL : slot_of(new_host_addr);

    if (slot == NULL || pt_refuse != 0 || (new_host_addr != 0 && from == NULL) ||
        (*slot & PTE_PRESENT) == 0 || pte_frame(*slot).number != frame.number ||
        ((*slot & PTE_WRITABLE) == 0) != ((flags & GNTMAP_readonly) != 0)) {
        return GNTST_general_error;
    }
    *slot = 0;
    if (from != NULL) {
        *slot = *from;
        *from = 0;
    }
    return 0;
}

static struct domain *domain_with_table(domid_t id, bool privileged)
{
    struct domain *domain = fake_domain_new(id, 1, privileged);

    ck_assert_int_eq(grant_table_create(domain, FRAMES, TRACKS), 0);
    return domain;
}

void rig_start(void)
{
    fake_reset();
    control = domain_with_table(0, true);
    granter = domain_with_table(GRANTER, false);
    mapper = domain_with_table(MAPPER, false);
    fake_set_current(mapper->vcpu[0]);
}

void rig_end(void)
{
    struct domain *all[] = { control, granter, mapper };

    fake_answers.preempt_after = 0;
    for (unsigned int i = 0; i < ARRAY_SIZE(all); i++) {
        ck_assert_int_eq(grant_table_release_mappings(all[i]), 0);
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(all); i++) {
        ck_assert_uint_eq(all[i]->references, 1);
        grant_table_destroy(all[i]);
        ck_assert_ptr_null(all[i]->grants);
        fake_domain_free(all[i]);
    }
    ck_assert_int_eq(fake_heap_live, 0);
    ck_assert_int_eq(fake_frames_live, 0);
}

void rig_use_version(struct domain *domain, uint32_t version)
{
    struct vcpu *before = current;
    struct gnttab_set_version op = { version };

    fake_set_current(domain->vcpu[0]);
    ck_assert_int_eq(rig_op(GNTTABOP_set_version, &op, 1), 0);
    fake_set_current(before);
}

void rig_grant_part(grant_ref_t ref, uint32_t flags, domid_t user, uint64_t frame, uint32_t range)
{
    struct grant_table *table = granter->grants;

    if (table->version == 1) {
        *grant_v1_word(table, ref) = flags | (uint64_t)user << 16 | frame << 32;
    } else {
        union grant_entry_v2 *entry = grant_v2_entry(table, ref);

        entry->full_page.frame = frame;
        entry->__spacer[1] = range;
        entry->full_page.hdr.domid = user;
        entry->full_page.hdr.flags = (uint16_t)flags;
    }
}

void rig_grant(grant_ref_t ref, uint32_t flags, domid_t user, uint64_t frame)
{
    rig_grant_part(ref, flags, user, frame, 0);
}

uint16_t rig_marks(grant_ref_t ref)
{
    struct grant_table *table = granter->grants;

    return (table->version == 1 ? (uint16_t)*grant_v1_word(table, ref)
                                : *grant_v2_status(table, ref)) &
           (GTF_reading | GTF_writing);
}

uint16_t rig_flags(grant_ref_t ref)
{
    struct grant_table *table = granter->grants;

    return table->version == 1 ? (uint16_t)*grant_v1_word(table, ref)
                               : grant_v2_entry(table, ref)->hdr.flags;
}

uint32_t rig_users(grant_ref_t ref)
{
    return grant_active_of(granter->grants, ref)->use & GRANT_USERS;
}

int rig_pin(domid_t user, grant_ref_t ref, unsigned int wanted, struct rig_extent *extent)
{
    const struct grant_active *pinned;
    int status = grant_pin(granter->grants, ref, user, wanted, &pinned);

    if (status == 0) {
        *extent = (struct rig_extent){ mfn(pinned->frame), pinned->start, pinned->end };
    }
    return status;
}

void rig_unpin(grant_ref_t ref, unsigned int wanted)
{
    grant_unpin(granter->grants, ref, wanted);
}

struct page *rig_page(struct domain *domain)
{
    return fake_page_new(domain);
}

uint64_t rig_frame(const struct page *page)
{
    return page_frame(page).number;
}

long rig_op_calls(uint32_t operation, void *argument, uint32_t count, unsigned int *calls)
{
    unsigned int before = fake.continuations;
    long result;

    fake.preempt_asked = 0;
    result = hypercall_grant_table_op(operation, (uint64_t)argument, count);

    *calls = 1;
    while (result == -XEN_ERESTART && fake.continuations != before) {
        ck_assert_uint_eq(fake.continuations, before + 1);
        ck_assert_uint_eq(fake.continued_number, __HYPERVISOR_grant_table_op);
        ck_assert_uint_ge(fake.continued_count, 3);
        before++;
        (*calls)++;
        fake.preempt_asked = 0;
        result = hypercall_grant_table_op(fake.continued[0], fake.continued[1], fake.continued[2]);
    }
    return result;
}

long rig_op(uint32_t operation, void *argument, uint32_t count)
{
    unsigned int calls;

    return rig_op_calls(operation, argument, count, &calls);
}

int rig_map(grant_ref_t ref, uint32_t flags, unsigned int n, struct gnttab_map_grant_ref *op)
{
    *op = (struct gnttab_map_grant_ref){ .host_addr = PT_ADDRESS(n),
                                         .flags = flags,
                                         .ref = ref,
                                         .dom = GRANTER,
                                         .status = 99,
                                         .handle = 0xdead };
    ck_assert_int_eq(rig_op(GNTTABOP_map_grant_ref, op, 1), 0);
    return op->status;
}

int rig_unmap(const struct gnttab_map_grant_ref *map)
{
    struct gnttab_unmap_grant_ref op = {
        .host_addr = (map->flags & GNTMAP_host_map) != 0 ? map->host_addr : 0,
        .dev_bus_addr = (map->flags & GNTMAP_device_map) != 0 ? map->dev_bus_addr : 0,
        .handle = map->handle,
        .status = 99,
    };

    ck_assert_int_eq(rig_op(GNTTABOP_unmap_grant_ref, &op, 1), 0);
    return op.status;
}

struct rig_state rig_state(const struct page *page, grant_ref_t ref)
{
    struct rig_state state = {
        .refs = page->refs,
        .uses = fake_page_uses(page),
        .granter_references = granter->references,
        .word = *grant_v1_word(granter->grants, ref),
        .users = rig_users(ref),
    };
    uint64_t link = (uint32_t)mapper->grants->track_free;

    for (; link != 0; link = track_of(mapper->grants, (uint32_t)link - 1)->ref) {
        state.free_track++;
    }
    /* Frames of handles that were not made yet count as free. */
    state.free_track += HANDLES - mapper->grants->track_frames * GRANT_TRACK_ENTRIES;
    for (unsigned int i = 0; i < PT_ENTRIES; i++) {
        state.mapped += pt[i] != 0;
    }
    return state;
}

void rig_expect_same(const struct rig_state *before, const struct page *page, grant_ref_t ref)
{
    struct rig_state now = rig_state(page, ref);

    ck_assert_mem_eq(before, &now, sizeof(now));
}
