/* SPDX-License-Identifier: MIT */
/*
 * Moving a vCPU's vcpu_info into a page of the guest's choice.
 *
 * The page is held with a reference and as writable, so that it can neither go
 * nor become a page table while the core writes to it.
 */
#include "hypervisor/domain/vcpu_info.h"

#include "hypervisor/lib/string.h"
#include "hypervisor/mm/page_type.h"
#include "hypervisor/x86/percpu.h"

/* Under domain.lock, which VCPUOP_up takes as well. */
static bool may_move(const struct vcpu *vcpu)
{
    return vcpu->info_page == NULL &&
           (vcpu == current || (atomic_load(&vcpu->blocked) & VCPU_DOWN) != 0);
}

int vcpu_info_register(struct vcpu *vcpu, uint64_t mfn_number, uint32_t offset)
{
    struct domain *domain = vcpu->domain;
    struct vcpu_info *place;
    struct page *page;
    bool moved;
    int error;

    if (offset > PAGE_SIZE - sizeof(*place) || offset % _Alignof(struct vcpu_info) != 0) {
        return -XEN_ENXIO;
    }
    if (!frame_get(mfn(mfn_number), domain->id)) {
        return -XEN_EINVAL;
    }
    page = page_of(mfn(mfn_number));
    error = page_type_get(page, PAGE_WRITABLE);
    if (error != 0) {
        goto put_page;
    }

    place = (struct vcpu_info *)(void *)((uint8_t *)page_address(page) + offset);
    spin_lock(&domain->lock);
    moved = may_move(vcpu);
    if (moved) {
        memcpy(place, vcpu->info, sizeof(*place));
        vcpu->info_page = page;
        vcpu->info = place;
    }
    spin_unlock(&domain->lock);
    if (moved) {
        return 0;
    }

    error = -XEN_EINVAL;
    page_type_put(page);
put_page:
    page_put(page);
    return error;
}

void vcpu_info_release(struct vcpu *vcpu)
{
    struct page *page = vcpu->info_page;

    if (page != NULL) {
        vcpu->info_page = NULL;
        vcpu->info = vcpu->first_info;
        page_type_put(page);
        page_put(page);
    }
}
