/* SPDX-License-Identifier: MIT */
/*
 * The core's page tables.
 */
#include "hypervisor/x86/paging.h"

#include "hypervisor/lib/atomic.h"
#include "hypervisor/lib/lock.h"
#include "hypervisor/lib/string.h"
#include "hypervisor/x86/address_space.h"
#include "hypervisor/x86/features.h"

/* Whether a guest may look is said by the last entry alone (the machine-to-physical table). */
#define TABLE_FLAGS (PTE_PRESENT | PTE_WRITABLE | PTE_ACCESSED | PTE_USER)

pte_t core_l4[PTE_ENTRIES] __attribute__((aligned(4096)));
mfn_t (*paging_take_frame)(void);

static struct spinlock paging_lock = SPINLOCK_INIT(RANK_PAGING);
static uint64_t next_device = DEVICES_START;

static pte_t *table_of(pte_t entry)
{
    return direct_map_mfn(pte_frame(entry));
}

/* The table below `entry`, made if there is none; NULL without memory. */
static pte_t *next_table(pte_t *entry)
{
    if ((*entry & PTE_PRESENT) == 0) {
        mfn_t frame = paging_take_frame();

        if (mfn_equal(frame, MFN_INVALID)) {
            return NULL;
        }
        page_clear(direct_map_mfn(frame));
        write_once(*entry, pte_make(frame, TABLE_FLAGS));
    }
    return table_of(*entry);
}

/* The entry of `address` in the table of `level`, tables above it made as needed. */
static pte_t *entry_at(uint64_t address, unsigned int level)
{
    pte_t *entry = &core_l4[pte_index(address, 4)];

    for (unsigned int l = 3; l >= level; l--) {
        pte_t *table = next_table(entry);

        if (table == NULL) {
            return NULL;
        }
        entry = &table[pte_index(address, l)];
    }
    return entry;
}

/* The highest level at which a single entry can map the start of a range. */
static unsigned int level_for(uint64_t address, mfn_t frame, uint64_t count, bool large)
{
    unsigned int top = !large ? 1 : cpu_features.large_1g ? 3 : 2;

    for (unsigned int level = top; level > 1; level--) {
        uint64_t pages = UINT64_C(1) << (9 * (level - 1));

        if (count >= pages && frame.number % pages == 0 && (address >> PAGE_SHIFT) % pages == 0) {
            return level;
        }
    }
    return 1;
}

bool paging_map(uint64_t address, mfn_t frame, uint64_t count, uint64_t flags)
{
    bool large = (flags & PTE_LARGE) != 0;

    flags &= ~(uint64_t)PTE_LARGE;
    while (count > 0) {
        unsigned int level = level_for(address, frame, count, large);
        uint64_t pages = UINT64_C(1) << (9 * (level - 1));
        pte_t *entry = entry_at(address, level);

        if (entry == NULL) {
            return false;
        }
        write_once(*entry, pte_make(frame, flags | (level > 1 ? PTE_LARGE : 0)));
        address += pages * PAGE_SIZE;
        frame = mfn_plus(frame, pages);
        count -= pages;
    }
    return true;
}

pte_t *paging_entry(uint64_t address)
{
    pte_t *entry = &core_l4[pte_index(address, 4)];

    for (unsigned int level = 3; level >= 1; level--) {
        if ((*entry & PTE_PRESENT) == 0 || (*entry & PTE_LARGE) != 0) {
            return NULL;
        }
        entry = &table_of(*entry)[pte_index(address, level)];
    }
    return entry;
}

mfn_t paging_frame_of(uint64_t address)
{
    pte_t entry = core_l4[pte_index(address, 4)];
    unsigned int level = 3;

    for (; level >= 1; level--) {
        entry = table_of(entry)[pte_index(address, level)];
        if (level == 1 || (entry & PTE_LARGE) != 0) {
            break;
        }
    }
    return mfn_plus(pte_frame(entry), (address >> PAGE_SHIFT) % (UINT64_C(1) << (9 * (level - 1))));
}

static uint64_t map_range(maddr_t address, uint64_t size, uint64_t flags)
{
    uint64_t offset = address.byte & PAGE_MASK;
    uint64_t count = (offset + size + PAGE_MASK) >> PAGE_SHIFT;
    uint64_t where = 0;

    spin_lock(&paging_lock);
    if (count <= (DEVICES_END - next_device) >> PAGE_SHIFT &&
        paging_map(next_device, mfn_of_maddr(address), count, flags)) {
        where = next_device + offset;
        next_device += count << PAGE_SHIFT;
    }
    spin_unlock(&paging_lock);
    return where;
}

volatile void *map_device(maddr_t address, uint64_t size)
{
    return (volatile void *)map_range(address, size, CORE_DEVICE);
}

const void *map_firmware(maddr_t address, uint64_t size)
{
    return (const void *)map_range(address, size, CORE_RO);
}

void paging_install_core(pte_t *guest_l4)
{
    for (unsigned int slot = CORE_FIRST_SLOT; slot <= CORE_LAST_SLOT; slot++) {
        write_once(guest_l4[slot], core_l4[slot]);
    }
}
