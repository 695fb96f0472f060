/* SPDX-License-Identifier: MIT */
/*
 * Request rings: one shared page (or more) through which a frontend sends
 * requests to a backend and gets responses in the same slots.
 *
 * Each side keeps its indices to itself and publishes them; indices only grow
 * and are masked on use.  The other side may write anything at any time: take
 * requests with RING_COPY_REQUEST, then check the copy.
 *
 * DEFINE_RING_TYPES(name, request, response) declares the types.
 */
#ifndef GUEST_PV_HEADERS_IO_RING_H
#define GUEST_PV_HEADERS_IO_RING_H

#include <stddef.h>
#include <stdint.h>

typedef uint32_t RING_IDX;

/* Ordering of accesses to shared memory; may be defined before this file is included. */
#ifndef xen_mb
#define xen_mb()  __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xen_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define xen_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#endif

/*
 * The shared page: what was produced, and at which value of it the other side
 * wants to be notified.  Slots follow after 64 bytes.
 */
#define DEFINE_RING_TYPES(__name, __req_t, __rsp_t)                   \
    union __name##_sring_entry {                                      \
        __req_t req;                                                  \
        __rsp_t rsp;                                                  \
    };                                                                \
    struct __name##_sring {                                           \
        RING_IDX req_prod;                                            \
        RING_IDX req_event;                                           \
        RING_IDX rsp_prod;                                            \
        RING_IDX rsp_event;                                           \
        union {                                                       \
            struct {                                                  \
                uint8_t smartpoll_active;                             \
            } netif;                                                  \
            struct {                                                  \
                uint8_t msg;                                          \
            } tapif_user;                                             \
            uint8_t pvt_pad[4];                                       \
        } pvt;                                                        \
        uint8_t __pad[44];                                            \
        union __name##_sring_entry ring[1]; /* as many as fit */      \
    };                                                                \
    struct __name##_front_ring {                                      \
        RING_IDX req_prod_pvt; /* next request, not published yet */  \
        RING_IDX rsp_cons;     /* next response to take */            \
        uint32_t nr_ents;                                             \
        struct __name##_sring *sring;                                 \
    };                                                                \
    struct __name##_back_ring {                                       \
        RING_IDX rsp_prod_pvt; /* next response, not published yet */ \
        RING_IDX req_cons;     /* next request to take */             \
        uint32_t nr_ents;                                             \
        struct __name##_sring *sring;                                 \
    };                                                                \
    typedef struct __name##_sring __name##_sring_t;                   \
    typedef struct __name##_front_ring __name##_front_ring_t;         \
    typedef struct __name##_back_ring __name##_back_ring_t

/* The largest power of two not above n, for n > 0: also a constant if n is one. */
#define RING_FLOOR_POW2(n)  \
    ((n) < 2       ? 1u     \
     : (n) < 4     ? 2u     \
     : (n) < 8     ? 4u     \
     : (n) < 16    ? 8u     \
     : (n) < 32    ? 16u    \
     : (n) < 64    ? 32u    \
     : (n) < 128   ? 64u    \
     : (n) < 256   ? 128u   \
     : (n) < 512   ? 256u   \
     : (n) < 1024  ? 512u   \
     : (n) < 2048  ? 1024u  \
     : (n) < 4096  ? 2048u  \
     : (n) < 8192  ? 4096u  \
     : (n) < 16384 ? 8192u  \
     : (n) < 32768 ? 16384u \
     : (n) < 65536 ? 32768u \
                   : 65536u)

/* Slots in `_sz` bytes: for a type's name, and for a pointer to a shared ring. */
#define __CONST_RING_SIZE(_s, _sz) \
    RING_FLOOR_POW2(((_sz)-offsetof(struct _s##_sring, ring)) / sizeof(union _s##_sring_entry))
#define __RING_SIZE(_s, _sz)                                                      \
    RING_FLOOR_POW2(((_sz) - (size_t)((uintptr_t)(_s)->ring - (uintptr_t)(_s))) / \
                    sizeof((_s)->ring[0]))

/* The frontend empties the page ... */
#define SHARED_RING_INIT(_s)                                           \
    do {                                                               \
        (_s)->req_prod = 0;                                            \
        (_s)->rsp_prod = 0;                                            \
        (_s)->req_event = 1;                                           \
        (_s)->rsp_event = 1;                                           \
        for (size_t __i = 0; __i < sizeof((_s)->pvt.pvt_pad); __i++) { \
            (_s)->pvt.pvt_pad[__i] = 0;                                \
        }                                                              \
        for (size_t __i = 0; __i < sizeof((_s)->__pad); __i++) {       \
            (_s)->__pad[__i] = 0;                                      \
        }                                                              \
    } while (0)

/* ... and both sides start from 0, or after a reconnection from index `_i`. */
#define FRONT_RING_ATTACH(_r, _s, _i, __size)    \
    do {                                         \
        (_r)->req_prod_pvt = (_i);               \
        (_r)->rsp_cons = (_i);                   \
        (_r)->nr_ents = __RING_SIZE(_s, __size); \
        (_r)->sring = (_s);                      \
    } while (0)
#define BACK_RING_ATTACH(_r, _s, _i, __size)     \
    do {                                         \
        (_r)->rsp_prod_pvt = (_i);               \
        (_r)->req_cons = (_i);                   \
        (_r)->nr_ents = __RING_SIZE(_s, __size); \
        (_r)->sring = (_s);                      \
    } while (0)
#define FRONT_RING_INIT(_r, _s, __size) FRONT_RING_ATTACH(_r, _s, 0, __size)
#define BACK_RING_INIT(_r, _s, __size)  BACK_RING_ATTACH(_r, _s, 0, __size)
#define XEN_FRONT_RING_INIT(_r, _s, __size) \
    do {                                    \
        SHARED_RING_INIT(_s);               \
        FRONT_RING_INIT(_r, _s, __size);    \
    } while (0)

/* Room. */
#define RING_SIZE(_r)          ((_r)->nr_ents)
#define RING_FREE_REQUESTS(_r) (RING_SIZE(_r) - ((_r)->req_prod_pvt - (_r)->rsp_cons))
#define RING_FULL(_r)          (RING_FREE_REQUESTS(_r) == 0)

/* The other side's index, read once. */
#define RING_LOAD(_index) __atomic_load_n(&(_index), __ATOMIC_ACQUIRE)

static inline RING_IDX ring_min(RING_IDX a, RING_IDX b)
{
    return a < b ? a : b;
}

/* Work.  A backend never takes more requests than it has slots left to answer in. */
#define XEN_RING_NR_UNCONSUMED_RESPONSES(_r) (RING_LOAD((_r)->sring->rsp_prod) - (_r)->rsp_cons)
#define XEN_RING_NR_UNCONSUMED_REQUESTS(_r)                     \
    ring_min(RING_LOAD((_r)->sring->req_prod) - (_r)->req_cons, \
             RING_SIZE(_r) - ((_r)->req_cons - (_r)->rsp_prod_pvt))
#define RING_HAS_UNCONSUMED_RESPONSES(_r) (XEN_RING_NR_UNCONSUMED_RESPONSES(_r) != 0)
#define RING_HAS_UNCONSUMED_REQUESTS(_r)  (XEN_RING_NR_UNCONSUMED_REQUESTS(_r) != 0)

/* Slots.  The contents can change under the reader: prefer the copies below. */
#define RING_SLOT(_r, _idx)         ((_r)->sring->ring[(_idx) & (RING_SIZE(_r) - 1)])
#define RING_GET_REQUEST(_r, _idx)  (&RING_SLOT(_r, _idx).req)
#define RING_GET_RESPONSE(_r, _idx) (&RING_SLOT(_r, _idx).rsp)
#define RING_COPY_REQUEST(_r, _idx, _req) \
    (*(_req) = *(volatile __typeof__(*(_req)) *)RING_GET_REQUEST(_r, _idx))
#define RING_COPY_RESPONSE(_r, _idx, _rsp) \
    (*(_rsp) = *(volatile __typeof__(*(_rsp)) *)RING_GET_RESPONSE(_r, _idx))

/* Indices of the other side that cannot be true. */
#define RING_REQUEST_CONS_OVERFLOW(_r, _cons)  (((_cons) - (_r)->rsp_prod_pvt) >= RING_SIZE(_r))
#define RING_REQUEST_PROD_OVERFLOW(_r, _prod)  (((_prod) - (_r)->rsp_prod_pvt) > RING_SIZE(_r))
#define RING_RESPONSE_PROD_OVERFLOW(_r, _prod) (((_prod) - (_r)->rsp_cons) > RING_SIZE(_r))

/*
 * Stores a new producer index and reports whether the other side asked to be
 * told: whether its event index is one of the slots just published.
 */
static inline int ring_publish(RING_IDX *shared, const RING_IDX *event, RING_IDX fresh)
{
    RING_IDX old = *shared;
    RING_IDX wanted;

    __atomic_store_n(shared, fresh, __ATOMIC_RELEASE);
    xen_mb();
    wanted = __atomic_load_n(event, __ATOMIC_RELAXED);
    return (RING_IDX)(fresh - wanted) < (RING_IDX)(fresh - old);
}

/* Publishing. */
#define RING_PUSH_REQUESTS(_r) \
    __atomic_store_n(&(_r)->sring->req_prod, (_r)->req_prod_pvt, __ATOMIC_RELEASE)
#define RING_PUSH_RESPONSES(_r) \
    __atomic_store_n(&(_r)->sring->rsp_prod, (_r)->rsp_prod_pvt, __ATOMIC_RELEASE)
#define RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(_r, _notify) \
    ((_notify) = ring_publish(&(_r)->sring->req_prod, &(_r)->sring->req_event, (_r)->req_prod_pvt))
#define RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(_r, _notify) \
    ((_notify) = ring_publish(&(_r)->sring->rsp_prod, &(_r)->sring->rsp_event, (_r)->rsp_prod_pvt))

/* Before going to sleep: ask to be told of the next one, then look again. */
#define RING_FINAL_CHECK_FOR_REQUESTS(_r, _work_to_do)                                       \
    do {                                                                                     \
        (_work_to_do) = RING_HAS_UNCONSUMED_REQUESTS(_r);                                    \
        if (!(_work_to_do)) {                                                                \
            __atomic_store_n(&(_r)->sring->req_event, (_r)->req_cons + 1, __ATOMIC_RELAXED); \
            xen_mb();                                                                        \
            (_work_to_do) = RING_HAS_UNCONSUMED_REQUESTS(_r);                                \
        }                                                                                    \
    } while (0)
#define RING_FINAL_CHECK_FOR_RESPONSES(_r, _work_to_do)                                      \
    do {                                                                                     \
        (_work_to_do) = RING_HAS_UNCONSUMED_RESPONSES(_r);                                   \
        if (!(_work_to_do)) {                                                                \
            __atomic_store_n(&(_r)->sring->rsp_event, (_r)->rsp_cons + 1, __ATOMIC_RELAXED); \
            xen_mb();                                                                        \
            (_work_to_do) = RING_HAS_UNCONSUMED_RESPONSES(_r);                               \
        }                                                                                    \
    } while (0)

#endif
