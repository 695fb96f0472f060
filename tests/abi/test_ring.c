/* SPDX-License-Identifier: MIT */
/*
 * guest-pv-headers/io/ring.h at work: a frontend and a backend in one process, over one page.
 * These macros are statements, so compare.py cannot compare them.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest-pv-headers/io/blkif.h"
#include "guest-pv-headers/xen.h"

static _Noreturn void failed(int line, const char *condition)
{
    (void)fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, line, condition);
    exit(1);
}

#define CHECK(condition) ((condition) ? (void)0 : failed(__LINE__, #condition))

static union {
    struct blkif_sring shared;
    uint8_t bytes[4096];
} page;

static struct blkif_front_ring front;
static struct blkif_back_ring back;

static void start(RING_IDX first)
{
    memset(&page, 0xff, sizeof(page));
    XEN_FRONT_RING_INIT(&front, &page.shared, sizeof(page));
    BACK_RING_INIT(&back, &page.shared, sizeof(page));
    if (first != 0) {
        page.shared.req_prod = first;
        page.shared.rsp_prod = first;
        page.shared.req_event = first + 1;
        page.shared.rsp_event = first + 1;
        FRONT_RING_ATTACH(&front, &page.shared, first, sizeof(page));
        BACK_RING_ATTACH(&back, &page.shared, first, sizeof(page));
    }
}

static int send_requests(unsigned int count, uint64_t id)
{
    int notify;

    while (count-- != 0) {
        RING_GET_REQUEST(&front, front.req_prod_pvt)->id = id++;
        front.req_prod_pvt++;
    }
    RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&front, notify);
    return notify;
}

/* Takes one request and answers it; its id, or -1 where there is none. */
static int64_t serve(int *notify)
{
    struct blkif_request request;

    if (!RING_HAS_UNCONSUMED_REQUESTS(&back)) {
        return -1;
    }
    RING_COPY_REQUEST(&back, back.req_cons, &request);
    back.req_cons++;
    RING_GET_RESPONSE(&back, back.rsp_prod_pvt)->id = request.id;
    back.rsp_prod_pvt++;
    RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&back, *notify);
    return (int64_t)request.id;
}

static int64_t receive(void)
{
    struct blkif_response response;

    if (!RING_HAS_UNCONSUMED_RESPONSES(&front)) {
        return -1;
    }
    RING_COPY_RESPONSE(&front, front.rsp_cons, &response);
    front.rsp_cons++;
    return (int64_t)response.id;
}

static void a_new_ring_is_empty(void)
{
    start(0);
    CHECK(RING_SIZE(&front) == 32 && RING_SIZE(&back) == 32);
    CHECK(RING_FREE_REQUESTS(&front) == 32);
    CHECK(!RING_FULL(&front));
    CHECK(page.shared.req_event == 1 && page.shared.rsp_event == 1);
    CHECK(page.shared.pvt.pvt_pad[3] == 0 && page.shared.__pad[43] == 0);
    CHECK(!RING_HAS_UNCONSUMED_REQUESTS(&back) && !RING_HAS_UNCONSUMED_RESPONSES(&front));
}

/* Also where the indices wrap around. */
static void requests_come_back_in_order(RING_IDX first)
{
    int notify = 0;

    start(first);
    for (unsigned int round = 0; round < 100; round++) {
        (void)send_requests(32, round * 100u);
        CHECK(RING_FULL(&front));
        for (unsigned int i = 0; i < 32; i++) {
            CHECK(serve(&notify) == (int64_t)(round * 100u + i));
        }
        CHECK(serve(&notify) == -1);
        for (unsigned int i = 0; i < 32; i++) {
            CHECK(receive() == (int64_t)(round * 100u + i));
        }
        CHECK(receive() == -1 && RING_FREE_REQUESTS(&front) == 32);
    }
}

/* The event index decides, not how full the ring is. */
static void only_who_asked_is_notified(void)
{
    int work;
    int notify = 0;

    start(0);
    CHECK(send_requests(1, 1) == 1);
    CHECK(send_requests(1, 2) == 0);
    CHECK(serve(&notify) == 1 && notify == 1);
    CHECK(serve(&notify) == 2 && notify == 0);

    RING_FINAL_CHECK_FOR_REQUESTS(&back, work);
    CHECK(!work && page.shared.req_event == 3);
    CHECK(send_requests(3, 3) == 1);
    RING_FINAL_CHECK_FOR_REQUESTS(&back, work);
    CHECK(work && page.shared.req_event == 3);

    RING_FINAL_CHECK_FOR_RESPONSES(&front, work);
    CHECK(work);
    CHECK(receive() == 1);
    CHECK(receive() == 2);
    RING_FINAL_CHECK_FOR_RESPONSES(&front, work);
    CHECK(!work && page.shared.rsp_event == 3);
    CHECK(serve(&notify) == 3 && notify == 1);
}

static void impossible_indices_are_seen(void)
{
    start(0);
    CHECK(!RING_REQUEST_PROD_OVERFLOW(&back, 32u) && RING_REQUEST_PROD_OVERFLOW(&back, 33u));
    CHECK(!RING_REQUEST_CONS_OVERFLOW(&back, 31u) && RING_REQUEST_CONS_OVERFLOW(&back, 32u));
    CHECK(!RING_RESPONSE_PROD_OVERFLOW(&front, 32u) && RING_RESPONSE_PROD_OVERFLOW(&front, 33u));

    /* A hostile frontend: the backend takes no more than it can answer. */
    page.shared.req_prod = 0x80000000u;
    CHECK(XEN_RING_NR_UNCONSUMED_REQUESTS(&back) == 32);
    back.req_cons = 32;
    CHECK(!RING_HAS_UNCONSUMED_REQUESTS(&back));
}

static void slots_are_a_power_of_two(void)
{
    for (unsigned int n = 1; n <= 131072; n++) {
        unsigned int slots = RING_FLOOR_POW2(n);

        CHECK((slots & (slots - 1)) == 0 && slots <= n);
        CHECK(2 * slots > n || slots == 65536);
    }
}

static void trap_flags_are_set(void)
{
    struct trap_info trap = { .flags = 0 };

    TI_SET_DPL(&trap, 3);
    CHECK(trap.flags == 3 && TI_GET_DPL(&trap) == 3 && TI_GET_IF(&trap) == 0);
    TI_SET_IF(&trap, 1);
    CHECK(trap.flags == 7 && TI_GET_IF(&trap) == 4);
}

int main(void)
{
    a_new_ring_is_empty();
    requests_come_back_in_order(0);
    requests_come_back_in_order(UINT32_MAX - 40);
    only_who_asked_is_notified();
    impossible_indices_are_seen();
    slots_are_a_power_of_two();
    trap_flags_are_set();
    return 0;
}
