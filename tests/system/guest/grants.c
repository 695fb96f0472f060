/* SPDX-License-Identifier: MIT */
/*
 * One of PEERS guests that grant pages to each other, and copy, map and unmap
 * what they were granted as fast as they can.  Every byte is checked, and that
 * what was granted to another is refused.  "paravane.base=N" on the command
 * line: they are the domains from N on.
 *
 *   GRANTS: rounds N        for each N that is a power of two: all peers were there N times
 *   GRANTS: not so: WHAT
 */
#include "tests/system/guest/say.h"

#define PEERS        4
#define REF_READABLE 8 /* + peer: a page that it may read */
#define REF_WRITABLE (REF_READABLE + PEERS)
#define WORDS        (PAGE_SIZE / sizeof(uint64_t))

static volatile struct grant_entry_v1 *table;
static volatile uint64_t *window; /* where grants are mapped */
static uint64_t *from, *to;
static unsigned int base, own;
static bool met[PEERS];

static void not_so(const char *what)
{
    say("GRANTS: not so: ");
    say(what);
    say("\r\n");
}

/* ---- Patterns ------------------------------------------------------------------------------- */

/* No two of these have a word in common at the same place. */
static uint64_t word(unsigned int granter, unsigned int peer, uint64_t round, size_t index)
{
    uint64_t seed = ((round * PEERS + granter) * PEERS + peer) * WORDS + index + 1;

    return seed * UINT64_C(0x9e3779b97f4a7c15);
}

static void fill(uint64_t *page, unsigned int granter, unsigned int peer, uint64_t round)
{
    for (size_t i = 0; i < WORDS; i++) {
        page[i] = word(granter, peer, round, i);
    }
}

static void check(const volatile uint64_t *page, unsigned int granter, unsigned int peer,
                  uint64_t round, const char *what)
{
    for (size_t i = 0; i < WORDS; i++) {
        if (page[i] != word(granter, peer, round, i)) {
            not_so(what);
            return;
        }
    }
}

/* ---- Requests ------------------------------------------------------------------------------- */

static struct gnttab_copy_ptr by_ref(unsigned int peer, grant_ref_t ref)
{
    return (struct gnttab_copy_ptr){ .u.ref = ref, .domid = (domid_t)(base + peer) };
}

static struct gnttab_copy_ptr by_frame(const uint64_t *page)
{
    return (struct gnttab_copy_ptr){ .u.gmfn = va_mfn(page), .domid = DOMID_SELF };
}

static int copy(struct gnttab_copy_ptr source, struct gnttab_copy_ptr dest, unsigned int flags)
{
    struct gnttab_copy request = { source, dest, PAGE_SIZE, (uint16_t)flags, 0, 0 };

    (void)hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_copy, &request, 1);
    return request.status;
}

static int map(unsigned int peer, grant_ref_t ref, grant_handle_t *handle)
{
    struct gnttab_map_grant_ref request = {
        .host_addr = (uint64_t)window,
        .flags = GNTMAP_host_map,
        .ref = ref,
        .dom = (domid_t)(base + peer),
    };

    (void)hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, &request, 1);
    *handle = request.handle;
    return request.status;
}

static void unmap(grant_handle_t handle)
{
    struct gnttab_unmap_grant_ref request = { .host_addr = (uint64_t)window, .handle = handle };

    (void)hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, &request, 1);
    if (request.status != GNTST_okay) {
        not_so("unmapped");
    }
}

/* Done; or the peer is not there any more, or has not granted anything yet. */
static bool done(int status, unsigned int peer, const char *what)
{
    bool absent = status == GNTST_bad_domain || (status == GNTST_general_error && !met[peer]);

    if (status != GNTST_okay && !absent) {
        not_so(what);
    }
    return status == GNTST_okay;
}

/* ---- Rounds --------------------------------------------------------------------------------- */

static bool use_peer(unsigned int peer, uint64_t round)
{
    grant_handle_t handle;

    if (!done(copy(by_ref(peer, REF_READABLE + own), by_frame(to), GNTCOPY_source_gref), peer,
              "copied from")) {
        return false;
    }
    met[peer] = true;
    check(to, peer, own, 0, "what was copied");
    if (copy(by_ref(peer, REF_READABLE + (own + 1) % PEERS), by_frame(to), GNTCOPY_source_gref) ==
            GNTST_okay ||
        copy(by_frame(from), by_ref(peer, REF_READABLE + own), GNTCOPY_dest_gref) == GNTST_okay) {
        not_so("refused");
    }
    fill(from, own, peer, round);
    if (!done(copy(by_frame(from), by_ref(peer, REF_WRITABLE + own), GNTCOPY_dest_gref), peer,
              "copied to") ||
        !done(map(peer, REF_WRITABLE + own, &handle), peer, "mapped")) {
        return false;
    }
    check(window, own, peer, round, "what is mapped");
    window[round % WORDS] = round;
    unmap(handle);
    return true;
}

static void grant(grant_ref_t ref, unsigned int peer, const void *page, unsigned int flags)
{
    table[ref].domid = (domid_t)(base + peer);
    table[ref].frame = (uint32_t)va_mfn(page);
    barrier();
    table[ref].flags = (uint16_t)(GTF_permit_access | flags);
}

/* Who we are: only of its own table may a guest ask the size. */
static unsigned int find_own(void)
{
    for (unsigned int peer = 0; peer < PEERS; peer++) {
        struct gnttab_query_size query = { .dom = (domid_t)(base + peer) };

        if (hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_query_size, &query, 1) == 0 &&
            query.status == GNTST_okay) {
            return peer;
        }
    }
    not_so("one of the peers");
    power_off();
}

static unsigned int base_argument(void)
{
    static const char name[] = "paravane.base=";
    const char *line = (const char *)start_info->cmd_line;
    unsigned int value = 0;

    while (*line != '\0' && strncmp(line, name, sizeof(name) - 1) != 0) {
        line++;
    }
    for (line += *line != '\0' ? sizeof(name) - 1 : 0; *line >= '0' && *line <= '9'; line++) {
        value = value * 10 + (unsigned int)(*line - '0');
    }
    return value;
}

void test_main(void)
{
    unsigned int together = 0;

    console_open();
    table = grant_table_map();
    window = spare_va();
    from = page_alloc();
    to = page_alloc();
    base = base_argument();
    own = find_own();
    for (unsigned int peer = 0; peer < PEERS; peer++) {
        uint64_t *readable = page_alloc();

        fill(readable, own, peer, 0);
        grant(REF_WRITABLE + peer, peer, page_alloc(), 0);
        grant(REF_READABLE + peer, peer, readable, GTF_readonly); /* the last: see met[] */
    }
    for (uint64_t round = 1;; round++) {
        unsigned int there = 0;

        for (unsigned int peer = 0; peer < PEERS; peer++) {
            there += use_peer(peer, round) ? 1 : 0;
        }
        together += there == PEERS ? 1 : 0;
        if (there == PEERS && (together & (together - 1)) == 0) {
            say("GRANTS: rounds ");
            say_number(together);
            say("\r\n");
        }
    }
}
