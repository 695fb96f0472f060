/* SPDX-License-Identifier: MIT */
/*
 * The end of a domain, in stages that can each be interrupted.
 */
#include "hypervisor/domain/destroy.h"

#include "guest-pv-headers/errno.h"
#include "hypervisor/domain/io_permissions.h"
#include "hypervisor/domain/vcpu_info.h"
#include "hypervisor/event/event.h"
#include "hypervisor/grant/grant.h"
#include "hypervisor/mm/heap.h"
#include "hypervisor/mm/page_type.h"
#include "hypervisor/pv/context.h"
#include "hypervisor/pv/cpu_policy.h"
#include "hypervisor/pv/pirq.h"
#include "hypervisor/sched/sched.h"
#include "hypervisor/time/vcpu_time.h"
#include "hypervisor/x86/fpu.h"
#include "hypervisor/x86/percpu.h"

static int release_vcpus(struct domain *domain)
{
    struct vcpu *vcpu;

    FOR_EACH_VCPU(domain, vcpu)
    {
        int error = pv_vcpu_release(vcpu);

        if (error != 0) {
            return error;
        }
        vcpu_info_release(vcpu);
        vcpu_time_stop(vcpu);
    }
    return 0;
}

/* Drop the pin; what is half way is brought down.  With a reference. */
static int release_uses(struct page *page)
{
    int error = 0;

    if ((atomic_fetch_and(&page->use, ~PAGE_USE_PINNED) & PAGE_USE_PINNED) != 0) {
        error = page_type_put_preemptible(page);
        page_put(page);
    }
    return error != 0 ? error : page_type_finish(page);
}

static int release_pages(struct domain *domain)
{
    struct page *page;

    while ((page = domain->visited) != NULL || (page = domain_visit_dying_page(domain)) != NULL) {
        /* One more than guests can take: the frame must not be missed. */
        if (domain->visited == NULL && !page_get_within(page, domain->id, PAGE_REF_LIMIT + 1)) {
            continue; /* its last reference went just now: it may be somebody else's already */
        }
        domain->visited = page;
        if (release_uses(page) != 0) {
            return -XEN_ERESTART;
        }
        domain->visited = NULL;
        (void)page_disown(page);
        page_put(page);
        if (preempt_pending()) {
            return -XEN_ERESTART;
        }
    }
    return 0;
}

typedef int stage_function(struct domain *domain);

int domain_kill(struct domain *domain)
{
    static stage_function *const stages[] = { events_close_all, release_vcpus, release_pages,
                                              grant_table_release_mappings };
    int error = 0;

    if (domain == dom0) {
        return -XEN_EINVAL;
    }
    if (!domain_is_dying(domain)) {
        atomic_store(&domain->state, DOMAIN_DYING);
        domain_pause(domain);
        sched_watchdogs_stop(domain);
        pirqs_destroy(domain);
    }
    while (error == 0 && domain->kill_stage < ARRAY_SIZE(stages)) {
        error = stages[domain->kill_stage](domain);
        if (error == 0) {
            domain->kill_stage++;
        }
    }
    if (error == 0 && atomic_exchange(&domain->state, DOMAIN_DEAD) != DOMAIN_DEAD) {
        event_send_global_virq(VIRQ_DOM_EXC);
        domain_put(domain); /* the table's */
    }
    return error;
}

void vcpu_free(struct vcpu *vcpu)
{
    sched_vcpu_destroy(vcpu);
    vcpu_time_destroy(vcpu);
    events_vcpu_destroy(vcpu);
    heap_free(vcpu->fpu);
    if (vcpu->id >= LEGACY_VCPUS) {
        heap_free(vcpu->first_info);
    }
    heap_free(vcpu);
}

void domain_free(struct domain *domain)
{
    struct vcpu *vcpu;

    domain_unlist(domain);
    if (domain->vcpu != NULL) {
        FOR_EACH_VCPU(domain, vcpu)
        {
            vcpu_free(vcpu);
        }
        heap_free(domain->vcpu);
    }
    events_destroy(domain);
    grant_table_destroy(domain);
    heap_free(domain->cpu_policy);
    io_permissions_destroy(domain);
    if (domain->shared_info != NULL &&
        page_unlend(page_of(direct_map_frame(domain->shared_info)))) {
        heap_free_frames(page_of(direct_map_frame(domain->shared_info)), 0);
    }
    heap_free(domain->memory_map);
    heap_free(domain);
}
