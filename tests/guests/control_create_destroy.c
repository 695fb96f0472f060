/* SPDX-License-Identifier: MIT */
/*
 * Domains come and go: ids, what is told of them, limits; and when they are gone all memory is
 * free.
 *
 * Source: public domctl.h and sysctl.h; answers watched on Debian's Xen.
 *
 * PEER: differs: its memory comes back a while after destroydomain
 */
#include "tests/guests/lib/second.h"

#define ROUNDS     12
#define MANY_VCPUS 40u

static struct xen_domctl request;

static void what_is_told(unsigned int domain)
{
    struct xen_domctl_getdomaininfo info = second_info(domain);

    expect_eq(info.domain, domain, "its id");
    expect_eq(info.flags & (XEN_DOMINF_paused | XEN_DOMINF_shutdown | XEN_DOMINF_dying),
              XEN_DOMINF_paused, "made paused");
    expect_eq(info.nr_online_vcpus, 0, "no vCPU is up");
    expect_eq(info.max_vcpu_id, MANY_VCPUS - 1, "but all are there");
    expect_eq(info.tot_pages, 0, "no memory");
    expect_eq(info.max_pages, SECOND_PAGES + 64, "the limit it was given");
    expect(memcmp(info.handle, "second-domain-16", 16) == 0, "its handle");
}

static void pauses(unsigned int domain)
{
    expect_eq(domctl_plain(XEN_DOMCTL_pausedomain, domain), 0, "paused once more");
    expect_eq(domctl_plain(XEN_DOMCTL_unpausedomain, domain), 0, "and back");
    expect((second_info(domain).flags & XEN_DOMINF_paused) != 0, "still paused once");
    expect_eq(domctl_plain(XEN_DOMCTL_unpausedomain, domain), 0, "unpaused");
    expect((second_info(domain).flags & XEN_DOMINF_paused) == 0, "not paused");
    expect_eq(domctl_plain(XEN_DOMCTL_unpausedomain, domain), -XEN_EINVAL, "once too often");
}

static unsigned int listed(unsigned int first, unsigned int *ids, unsigned int room)
{
    static struct xen_domctl_getdomaininfo infos[8];
    struct xen_sysctl list;

    memset(&list, 0, sizeof(list));
    list.u.getdomaininfolist.first_domain = (domid_t)first;
    list.u.getdomaininfolist.max_domains = room;
    list.u.getdomaininfolist.buffer = infos;
    expect_eq(sysctl(&list, XEN_SYSCTL_getdomaininfolist), 0, "the list");
    for (unsigned int i = 0; i < list.u.getdomaininfolist.num_domains; i++) {
        ids[i] = infos[i].domain;
    }
    return list.u.getdomaininfolist.num_domains;
}

static void lists(unsigned int domain)
{
    unsigned int ids[8];

    expect_eq(listed(0, ids, 8), 2, "two domains");
    expect(ids[0] == 0 && ids[1] == domain, "in order");
    expect_eq(listed(0, ids, 1), 1, "no more than there is room for");
    expect(listed(domain, ids, 8) == 1 && ids[0] == domain, "from an id on");
    expect_eq(listed(domain + 1, ids, 8), 0, "none after it");
    memset(&request, 0, sizeof(request));
    expect_eq(domctl(&request, XEN_DOMCTL_getdomaininfo, 1), 0, "the next that exists");
    expect_eq(request.domain, domain, "it is found");
}

void test_main(void)
{
    unsigned int domain = second_make(MANY_VCPUS), last;
    unsigned long before, after;

    if (domain == NO_DOMAIN) {
        test_abort("createdomain");
    }
    what_is_told(domain);
    pauses(domain);
    lists(domain);
    request = second_wish(1);
    expect_eq(domctl(&request, XEN_DOMCTL_createdomain, domain), -XEN_EEXIST, "the id is taken");
    expect_eq(second_end(domain), 0, "destroyed");
    expect_eq(second_info(domain).domain, NO_DOMAIN, "gone");
    expect_eq(domctl_plain(XEN_DOMCTL_pausedomain, domain), -XEN_ESRCH, "nobody");

    request = second_wish(1);
    expect_eq(domctl(&request, XEN_DOMCTL_createdomain, 77), 0, "an id of one's choice");
    expect_eq(request.domain, 77, "it is that");
    expect_eq(second_end(77), 0, "destroyed");

    before = free_frames();
    last = domain;
    for (unsigned int i = 0; i < ROUNDS; i++) {
        domain = second_make(3);
        if (domain == NO_DOMAIN || !second_build(domain)) {
            break;
        }
        expect(domain != last, "an id is not used again at once");
        expect_eq(second_info(domain).tot_pages, SECOND_PAGES, "its memory");
        last = domain;
        expect_eq(second_end(domain), 0, "destroyed with all its memory");
    }
    after = free_frames();
    expect_eq(after, before, "as much free memory as before");
}
