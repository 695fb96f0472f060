/* SPDX-License-Identifier: MIT */
/*
 * Exchange works in chunks of the larger of the two extent sizes.  A chunk is
 * all or nothing: the old frames are stolen (which fails if anything refers to
 * them), the new ones allocated, and only then does either change hands.
 */
#include "hypervisor/hypercalls/exchange.h"

#include "guest-pv-headers/errno.h"
#include "guest-pv-headers/memory.h"
#include "hypervisor/domain/continuation.h"
#include "hypervisor/domain/domain.h"
#include "hypervisor/lib/string.h"
#include "hypervisor/mm/guest_access.h"
#include "hypervisor/mm/heap.h"
#include "hypervisor/mm/m2p.h"
#include "hypervisor/mm/page_type.h"
#include "hypervisor/x86/percpu.h"
#include "hypervisor/x86/softirq.h"

#define ORDER_LIMIT_GUEST   9u
#define ORDER_LIMIT_CONTROL 12u

struct chunk {
    unsigned int order; /* of the whole */
    struct page **old;  /* 1 << order, stolen */
    struct page **new;  /* extents of out.extent_order */
    uint32_t old_count, new_count;
};

static void give_back(struct domain *domain, struct chunk *chunk, unsigned int out_order)
{
    for (uint32_t i = 0; i < chunk->old_count; i++) {
        domain_give_page(domain, chunk->old[i]);
    }
    for (uint32_t i = 0; i < chunk->new_count; i++) {
        heap_free_frames(chunk->new[i], out_order);
    }
}

static int steal_chunk(struct domain *domain, const struct xen_memory_exchange *request,
                       uint64_t index, struct chunk *chunk)
{
    unsigned int in_order = request->in.extent_order;
    uint64_t extents = UINT64_C(1) << (chunk->order - in_order);

    for (uint64_t i = 0; i < extents; i++) {
        xen_pfn_t number;

        if (copy_from_guest(&number, (const xen_pfn_t __guest *)(request->in.extent_start +
                                                                 index * extents + i)) != 0) {
            return -XEN_EFAULT;
        }
        for (uint64_t j = 0; j < UINT64_C(1) << in_order; j++) {
            mfn_t frame = mfn(number + j);

            if (!frame_valid(frame) || !domain_steal_page(domain, page_of(frame))) {
                return -XEN_EINVAL;
            }
            chunk->old[chunk->old_count++] = page_of(frame);
        }
    }
    return 0;
}

static int allocate_chunk(const struct xen_memory_exchange *request, struct chunk *chunk)
{
    unsigned int order = request->out.extent_order;
    unsigned int bits = XENMEMF_get_address_bits(request->out.mem_flags);
    uint32_t extents = 1u << (chunk->order - order);

    for (uint32_t i = 0; i < extents; i++) {
        chunk->new[i] = heap_frames(order, bits == 0 ? HEAP_ANY_ADDRESS : bits);
        if (chunk->new[i] == NULL) {
            return -XEN_ENOMEM;
        }
        chunk->new_count++;
    }
    return 0;
}

/* Cannot fail but for the guest's own lists: the memory is its in any case. */
static int hand_over(struct domain *domain, const struct xen_memory_exchange *request,
                     uint64_t index, struct chunk *chunk)
{
    unsigned int order = request->out.extent_order;
    int error = 0;

    for (uint32_t i = 0; i < chunk->new_count; i++) {
        xen_pfn_t __guest *place = request->out.extent_start + index * chunk->new_count + i;
        xen_pfn_t number = 0;

        if (copy_from_guest(&number, (const xen_pfn_t __guest *)place) != 0) {
            error = -XEN_EFAULT;
        }
        for (uint64_t j = 0; j < UINT64_C(1) << order; j++) {
            domain_give_page(domain, chunk->new[i] + j);
            m2p_set(page_frame(chunk->new[i] + j), pfn(number + j));
        }
        number = page_frame(chunk->new[i]).number;
        if (copy_to_guest(place, &number) != 0) {
            error = -XEN_EFAULT;
        }
    }
    for (uint32_t i = 0; i < chunk->old_count; i++) {
        m2p_set(page_frame(chunk->old[i]), pfn(M2P_NONE));
        heap_free_frames(chunk->old[i], 0);
    }
    return error;
}

static int exchange_chunk(struct domain *domain, const struct xen_memory_exchange *request,
                          uint64_t index, struct chunk *chunk)
{
    int error;

    chunk->old_count = 0;
    chunk->new_count = 0;
    error = steal_chunk(domain, request, index, chunk);
    if (error == 0) {
        error = allocate_chunk(request, chunk);
    }
    if (error == 0 && domain_is_dying(domain)) {
        error = -XEN_EINVAL;
    }
    if (error != 0) {
        give_back(domain, chunk, request->out.extent_order);
        return error;
    }
    return hand_over(domain, request, index, chunk);
}

static int check(const struct xen_memory_exchange *request, bool privileged)
{
    unsigned int limit = privileged ? ORDER_LIMIT_CONTROL : ORDER_LIMIT_GUEST;
    const struct xen_memory_reservation *in = &request->in, *out = &request->out;

    if (in->extent_order > limit || out->extent_order > limit) {
        return -XEN_EPERM;
    }
    if (in->nr_extents > UINT64_MAX >> (in->extent_order + 6) ||
        out->nr_extents > UINT64_MAX >> (out->extent_order + 6) ||
        in->nr_extents << in->extent_order != out->nr_extents << out->extent_order ||
        request->nr_exchanged > in->nr_extents || in->domid != out->domid) {
        return -XEN_EINVAL;
    }
    return 0;
}

static long exchange_all(struct domain *domain, struct xen_memory_exchange *request,
                         uint64_t argument, struct chunk *chunk)
{
    struct xen_memory_exchange __guest *place = guest_pointer(struct xen_memory_exchange, argument);
    unsigned int extents_shift = chunk->order - request->in.extent_order;
    uint64_t first = request->nr_exchanged >> extents_shift;
    uint64_t chunks = request->in.nr_extents >> extents_shift;
    int error = 0;

    for (uint64_t i = first; i < chunks && error == 0; i++) {
        if (i > first && preempt_pending()) {
            error = -XEN_ERESTART;
            break;
        }
        error = exchange_chunk(domain, request, i, chunk);
        if (error == 0) {
            request->nr_exchanged = (i + 1) << extents_shift;
        }
    }
    if (copy_to_guest((xen_ulong_t __guest *)&place->nr_exchanged, &request->nr_exchanged) != 0) {
        return -XEN_EFAULT;
    }
    if (error == -XEN_ERESTART) {
        return hypercall_continue(__HYPERVISOR_memory_op, 2, XENMEM_exchange, argument, 0, 0);
    }
    return error;
}

long memory_exchange(uint64_t argument)
{
    struct xen_memory_exchange request;
    struct domain *domain = current->domain;
    struct chunk chunk;
    long result =
        copy_from_guest(&request, guest_pointer(const struct xen_memory_exchange, argument));

    if (result == 0) {
        result = check(&request, domain->privileged);
    }
    if (result != 0) {
        return result;
    }
    if (request.in.domid != DOMID_SELF && request.in.domid != domain->id) {
        return -XEN_EPERM; /* nobody exchanges another's memory */
    }

    chunk.order = MAX(request.in.extent_order, request.out.extent_order);
    if ((request.in.nr_extents & ((UINT64_C(1) << (chunk.order - request.in.extent_order)) - 1)) !=
        0) {
        return -XEN_EINVAL;
    }
    chunk.old = heap_alloc(sizeof(struct page *) << chunk.order);
    chunk.new = heap_alloc(sizeof(struct page *) << chunk.order);
    result = chunk.old == NULL || chunk.new == NULL
                 ? -XEN_ENOMEM
                 : exchange_all(domain, &request, argument, &chunk);
    heap_free(chunk.old);
    heap_free(chunk.new);
    return result;
}
