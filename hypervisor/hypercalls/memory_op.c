/* SPDX-License-Identifier: MIT */
/*
 * memory_op: a domain's memory grows, shrinks and is exchanged.
 *
 * The upper bits of the command are how many extents earlier, preempted calls
 * have done; they come back through the guest and are bounded again each time.
 */
#include "guest-pv-headers/memory.h"

#include "hypervisor/domain/memory_map.h"
#include "hypervisor/grant/grant.h"
#include "hypervisor/mm/guest_access.h"
#include "hypervisor/mm/heap.h"
#include "hypervisor/x86/paging.h"

#define COMMAND_BITS  6
#define COMMAND_MASK  ((1u << COMMAND_BITS) - 1)
#define ORDER_GUEST   9u
#define ORDER_CONTROL 18u

/* The domain a valid request of the control domain is for; domain_put() it. */
static struct domain *find_controlled(domid_t id, bool valid, int *error)
{
    struct domain *domain = NULL;

    *error = !current->domain->privileged ? -XEN_EPERM : !valid ? -XEN_EINVAL : 0;
    if (*error == 0) {
        domain = domain_find(id);
        *error = domain == NULL ? -XEN_ESRCH : 0;
    }
    return domain;
}

static unsigned int address_bits(uint32_t flags)
{
    unsigned int bits = XENMEMF_get_address_bits(flags);

    return bits == 0 || bits > HEAP_ANY_ADDRESS ? HEAP_ANY_ADDRESS : bits;
}

/* The domain's own reference to an extent's frames goes; false at one that is not its. */
static always_inline bool give_up(const struct domain *domain, uint64_t number, unsigned int order)
{
    for (uint64_t j = 0; j < UINT64_C(1) << order; j++) {
        mfn_t frame = mfn(number + j);

        if (!frame_get(frame, domain->id)) {
            return false;
        }
        (void)page_disown(page_of(frame));
        page_put(page_of(frame));
    }
    return true;
}

/* This and the next work on extent i: true if it was done. */
static bool take_extent(struct domain *domain, const struct xen_memory_reservation *request,
                        uint64_t i, bool named)
{
    xen_pfn_t __guest *place = request->extent_start + i;
    struct page *first;
    xen_pfn_t number = M2P_NONE;
    int error;

    if (named && guest_read_words(guest_address(place), &number, 1) != 0) {
        return false;
    }
    first = domain_take_frames(domain, request->extent_order, address_bits(request->mem_flags),
                               pfn(number), &error);
    if (first == NULL) {
        return false;
    }
    number = page_frame(first).number;
    /* The guest that gives no place for the answer keeps the memory all the same. */
    if (guest_address(request->extent_start) == 0 ||
        likely(copy_words_to_guest(guest_address(place), &number, 1) == 0)) {
        return true;
    }
    (void)give_up(domain, number, request->extent_order);
    return false;
}

static bool decrease(struct domain *domain, const struct xen_memory_reservation *request,
                     uint64_t i)
{
    xen_pfn_t number;

    return guest_read_words(guest_address(request->extent_start + i), &number, 1) == 0 &&
           give_up(domain, number, request->extent_order);
}

static long reservation(uint64_t command, uint64_t argument)
{
    union {
        struct xen_memory_reservation request;
        uint64_t words[sizeof(struct xen_memory_reservation) / 8];
    } from;
    const struct xen_memory_reservation *request = &from.request;
    uint64_t i = command >> COMMAND_BITS, kind = command & COMMAND_MASK;
    struct domain *domain;
    int error;

    /* The count of extents must fit beside the command when the call is continued. */
    if (guest_read_words(argument, from.words, ARRAY_SIZE(from.words)) != 0 ||
        request->nr_extents > UINT64_MAX >> COMMAND_BITS || i > request->nr_extents ||
        request->extent_order > (current->domain->privileged ? ORDER_CONTROL : ORDER_GUEST)) {
        return (long)i;
    }
    domain = domain_reach(request->domid, &error);
    if (domain == NULL) {
        return (long)i;
    }
    for (uint64_t first = i; i < request->nr_extents; i++) {
        if (i > first && preempt_pending()) {
            domain_release(domain);
            return hypercall_continue(__HYPERVISOR_memory_op, 2, kind | i << COMMAND_BITS, argument,
                                      0, 0);
        }
        if (!(kind == XENMEM_decrease_reservation
                  ? decrease(domain, request, i)
                  : take_extent(domain, request, i, kind == XENMEM_populate_physmap))) {
            break;
        }
    }
    domain_release(domain);
    return (long)i;
}

static long domain_quantity(uint64_t command, uint64_t argument)
{
    struct domain *domain;
    domid_t id;
    long result;
    int error = get_argument(&id, argument);

    domain = error != 0 ? NULL : domain_reach(id, &error);
    if (domain == NULL) {
        return error;
    }
    result = (long)read_once(domain->shared_info->arch.max_pfn);
    result = command == XENMEM_current_reservation   ? (long)domain->pages
             : command == XENMEM_maximum_reservation ? (long)MIN(domain->max_pages, UINT32_MAX)
                                                     : MAX(result, 1) - 1;
    domain_release(domain);
    return result;
}

static long machphys_mapping(uint64_t argument)
{
    struct xen_machphys_mapping mapping = {
        .v_start = M2P_GUEST_START,
        .v_end = M2P_GUEST_START + (UINT64_C(1) << 38),
        .max_mfn = frame_limit - 1,
    };

    return put_argument(argument, &mapping);
}

/* The first frame of each 2 MiB of the machine-to-physical table. */
static long machphys_mfn_list(uint64_t argument)
{
    struct xen_machphys_mfn_list request;
    uint64_t size = frame_limit * sizeof(uint64_t), step = 0x200000;
    uint32_t i = 0;
    int error = get_argument(&request, argument);

    for (uint64_t offset = 0; error == 0 && offset < size && i < request.max_extents;
         offset += step, i++) {
        xen_pfn_t number = paging_frame_of(M2P_START + offset).number;

        error = copy_to_guest(request.extent_start + i, &number);
    }
    request.nr_extents = i;
    return error != 0 ? error : put_argument(argument, &request);
}

/* Under the lock: the control domain may give the caller another one meanwhile. */
static long give_map(uint64_t argument, bool machine)
{
    struct domain *domain = current->domain;
    const struct xen_memory_map_copy *map;
    struct xen_memory_map request;
    int error;

    spin_lock(&domain->lock);
    map = machine ? &machine_memory_map : domain->memory_map;
    error = map == NULL ? -XEN_ENOSYS : get_argument(&request, argument);
    if (error == 0) {
        request.nr_entries = MIN(request.nr_entries, map->count);
        error = guest_fault(raw_copy_to_guest(request.buffer, map->entries,
                                              request.nr_entries * sizeof(map->entries[0])));
    }
    spin_unlock(&domain->lock);
    return error != 0 ? error : put_argument(argument, &request);
}

static long set_memory_map(uint64_t argument)
{
    struct xen_foreign_memory_map request;
    struct xen_memory_map_copy *map, *old;
    struct domain *domain;
    int error = get_argument(&request, argument);

    if (error != 0) {
        return error;
    }
    domain = find_controlled(request.domid, request.map.nr_entries <= MEMORY_MAP_LIMIT, &error);
    if (domain == NULL) {
        return error;
    }
    map = heap_alloc(sizeof(*map));
    error = map == NULL ? -XEN_ENOMEM
                        : guest_fault(raw_copy_from_guest(
                              map->entries, (const void __guest *)request.map.buffer,
                              request.map.nr_entries * sizeof(map->entries[0])));
    if (error == 0) {
        map->count = request.map.nr_entries;
        spin_lock(&domain->lock);
        old = domain->memory_map;
        domain->memory_map = map;
        spin_unlock(&domain->lock);
        map = old;
    }
    heap_free(map);
    domain_put(domain);
    return error;
}

static long claim_pages(uint64_t argument)
{
    struct xen_memory_reservation request;
    struct domain *domain;
    int error = get_argument(&request, argument);

    if (error != 0) {
        return error;
    }
    domain = find_controlled(request.domid,
                             guest_address(request.extent_start) == 0 &&
                                 request.extent_order == 0 && request.mem_flags == 0,
                             &error);
    if (domain == NULL) {
        return error;
    }
    /* A promise that could be kept now; frames are handed out first come, first served. */
    error =
        request.nr_extents > domain->pages && request.nr_extents - domain->pages > heap_free_count()
            ? -XEN_ENOMEM
            : 0;
    domain_put(domain);
    return error;
}

static long acquire_grant_frames(struct domain *domain,
                                 const struct xen_mem_acquire_resource *request)
{
    int error = 0;

    if (request->id > XENMEM_resource_grant_table_id_status || request->nr_frames > 64 ||
        request->frame > UINT32_MAX - request->nr_frames) {
        return -XEN_EINVAL;
    }
    for (uint32_t i = 0; error == 0 && i < request->nr_frames; i++) {
        mfn_t frame;
        xen_pfn_t number;

        error = grant_table_frame(domain, (uint32_t)request->frame + i,
                                  request->id == XENMEM_resource_grant_table_id_status, &frame);
        if (error == 0) {
            number = frame.number;
            error = copy_to_guest(request->frame_list + i, &number);
        }
    }
    return error;
}

static long acquire_resource(uint64_t argument)
{
    struct xen_mem_acquire_resource request;
    struct domain *domain;
    long result;
    int error = get_argument(&request, argument);

    if (error != 0 || request.pad != 0) {
        return error != 0 ? error : -XEN_EINVAL;
    }
    domain = find_controlled(request.domid, true, &error);
    if (domain == NULL) {
        return error;
    }
    if (request.type != XENMEM_resource_grant_table) {
        result = -XEN_EOPNOTSUPP;
    } else if (guest_address(request.frame_list) == 0) {
        request.nr_frames = 64; /* asked how many there could be */
        result = put_argument(argument, &request);
    } else {
        result = acquire_grant_frames(domain, &request);
    }
    domain_put(domain);
    return result;
}

/*
 * Exchange works in chunks of the larger of the two extent sizes.  A chunk is
 * all or nothing: the old frames are stolen (which fails if anything refers to
 * them), the new ones allocated, and only then does either change hands.
 */
#define EXCHANGE_ORDER_CONTROL 12u
struct chunk {
    unsigned int order; /* of the whole */
    uint32_t old, new;  /* lists: of frames that are stolen, of extents of out.extent_order */
};

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
            page_list_push(&chunk->old, page_of(frame));
        }
    }
    return 0;
}

static int allocate_chunk(const struct xen_memory_exchange *request, struct chunk *chunk)
{
    unsigned int order = request->out.extent_order;

    for (uint32_t i = 0; i < 1u << (chunk->order - order); i++) {
        struct page *first = heap_frames(order, address_bits(request->out.mem_flags));

        if (first == NULL) {
            return -XEN_ENOMEM;
        }
        page_list_push(&chunk->new, first);
    }
    return 0;
}

/* Cannot fail but for the guest's own lists: the memory is its in any case. */
static int hand_over(struct domain *domain, const struct xen_memory_exchange *request,
                     uint64_t index, struct chunk *chunk)
{
    unsigned int order = request->out.extent_order;
    xen_pfn_t __guest *place = request->out.extent_start + (index << (chunk->order - order));
    struct page *page;
    int error = 0;

    for (; (page = page_list_pop(&chunk->new)) != NULL; place++) {
        xen_pfn_t number = 0;

        if (copy_from_guest(&number, (const xen_pfn_t __guest *)place) != 0) {
            error = -XEN_EFAULT;
        }
        for (uint64_t j = 0; j < UINT64_C(1) << order; j++) {
            m2p_set(page_frame(page + j), pfn(number + j));
            domain_give_page(domain, page + j, true);
        }
        number = page_frame(page).number;
        if (copy_to_guest(place, &number) != 0) {
            error = -XEN_EFAULT;
        }
    }
    while ((page = page_list_pop(&chunk->old)) != NULL) {
        m2p_set(page_frame(page), pfn(M2P_NONE));
        heap_free_frames(page, 0);
    }
    return error;
}

static int exchange_chunk(struct domain *domain, const struct xen_memory_exchange *request,
                          uint64_t index, struct chunk *chunk)
{
    struct page *page;
    int error = steal_chunk(domain, request, index, chunk);

    if (error == 0) {
        error = allocate_chunk(request, chunk);
    }
    if (error == 0 && domain_is_dying(domain)) {
        error = -XEN_EINVAL;
    }
    if (error == 0) {
        return hand_over(domain, request, index, chunk);
    }
    while ((page = page_list_pop(&chunk->old)) != NULL) {
        domain_give_page(domain, page, true);
    }
    while ((page = page_list_pop(&chunk->new)) != NULL) {
        heap_free_frames(page, request->out.extent_order);
    }
    return error;
}

static int check(const struct xen_memory_exchange *request, const struct domain *domain)
{
    unsigned int limit = domain->privileged ? EXCHANGE_ORDER_CONTROL : ORDER_GUEST;
    const struct xen_memory_reservation *in = &request->in, *out = &request->out;

    if (in->extent_order > limit || out->extent_order > limit ||
        (in->domid != DOMID_SELF && in->domid != domain->id)) { /* nobody's memory but its own */
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
                         uint64_t argument)
{
    struct chunk chunk = { .order = MAX(request->in.extent_order, request->out.extent_order) };
    unsigned int extents_shift = chunk.order - request->in.extent_order;
    uint64_t first = request->nr_exchanged >> extents_shift;
    uint64_t chunks = request->in.nr_extents >> extents_shift;
    int error = 0;

    if (chunks << extents_shift != request->in.nr_extents) {
        return -XEN_EINVAL;
    }
    for (uint64_t i = first; i < chunks && error == 0; i++) {
        if (i > first && preempt_pending()) {
            error = -XEN_ERESTART;
            break;
        }
        error = exchange_chunk(domain, request, i, &chunk);
        if (error == 0) {
            request->nr_exchanged = (i + 1) << extents_shift;
        }
    }
    if (put_argument(argument + offsetof(struct xen_memory_exchange, nr_exchanged),
                     &request->nr_exchanged) != 0) {
        return -XEN_EFAULT;
    }
    if (error == -XEN_ERESTART) {
        return hypercall_continue(__HYPERVISOR_memory_op, 2, XENMEM_exchange, argument, 0, 0);
    }
    return error;
}

static long exchange(uint64_t argument)
{
    struct xen_memory_exchange request;
    long result = get_argument(&request, argument);

    if (result == 0) {
        result = check(&request, current->domain);
    }
    return result != 0 ? result : exchange_all(current->domain, &request, argument);
}

long hypercall_memory_op(uint64_t command, uint64_t argument)
{
    domid_t id;

    /* Only the first three and exchange are ever continued. */
    switch (command & COMMAND_MASK) {
    case XENMEM_populate_physmap:
    case XENMEM_increase_reservation:
    case XENMEM_decrease_reservation:
        return reservation(command, argument);
    case XENMEM_exchange:
        return exchange(argument);
    case XENMEM_maximum_ram_page:
        return (long)frame_limit - 1;
    case XENMEM_current_reservation:
    case XENMEM_maximum_reservation:
    case XENMEM_maximum_gpfn:
        return domain_quantity(command & COMMAND_MASK, argument);
    case XENMEM_machphys_mapping:
        return machphys_mapping(argument);
    case XENMEM_machphys_mfn_list:
        return machphys_mfn_list(argument);
    case XENMEM_memory_map:
        return give_map(argument, false);
    case XENMEM_machine_memory_map:
        return current->domain->privileged ? give_map(argument, true) : -XEN_EPERM;
    case XENMEM_set_memory_map:
        return set_memory_map(argument);
    case XENMEM_claim_pages:
        return claim_pages(argument);
    case XENMEM_acquire_resource:
        return acquire_resource(argument);
    case XENMEM_get_sharing_freed_pages:
    case XENMEM_get_sharing_shared_pages:
        return 0;
    case XENMEM_add_to_physmap:
    case XENMEM_add_to_physmap_batch:
    case XENMEM_remove_from_physmap:
        /* A PV guest keeps its own physical map. */
        return get_argument(&id, argument) != 0 ? -XEN_EFAULT : -XEN_EACCES;
    case XENMEM_get_vnumainfo:
        return -XEN_EOPNOTSUPP;
    default:
        return -XEN_ENOSYS;
    }
}
