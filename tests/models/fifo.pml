/* SPDX-License-Identifier: MIT */
/*
 * The FIFO scheme's queues: two senders and the guest's own hypercalls put ports on
 * two queues, of one vCPU (two priorities) or of two, and the guest takes them off at
 * the same time, as the ABI tells it to (docs/models.md).
 *
 * To be shown: a queue holds what was put on it, once, in an order that ends; and when
 * nothing moves any more, every event was seen whose port is not masked.
 */
#ifndef PORTS
#define PORTS 3
#endif
#ifndef VCPUS
#define VCPUS 2 /* 1: both queues are of one */
#endif
#ifndef SENDS
#define SENDS 2 /* by both senders */
#endif
#ifndef GUEST
#define GUEST 2 /* things the guest does of its own accord */
#endif

#define FAULT_MASK_READ_FIRST 1
#define FAULT_UNMASK_LOOKS_FIRST 2
#define FAULT_READY_BEFORE_HEAD 3
#define FAULT_TELL_FIRST 4
#define FAULT_NO_NEW_HEAD 5
#define FAULT_TAIL_STAYS 6
#define FAULT_LINK_STAYS 7
#define FAULT_NO_SECOND_LOOK 8
#define FAULT_LINKED_LOOKED_AT 9
#define FAULT_APPEND_IN_TWO_STEPS 10
#ifndef FAULT
#define FAULT 0
#endif

#define QUEUES     2
#define vcpu_of(q)  ((q) % VCPUS)

/* --- shared with the guest: words, heads, ready bits --- */
bool pending[PORTS + 1], masked[PORTS + 1], linked[PORTS + 1];
byte link[PORTS + 1];
byte head[QUEUES];
bool ready[QUEUES];
bool upcall_pending[VCPUS];

/* --- the core's --- */
bool lock[VCPUS];
byte tail[QUEUES];
bit last_queue[PORTS + 1], wanted_queue[PORTS + 1]; /* one word of struct channel */

/* --- what is to be done for an event; the sender's before it sends, the guest's after it was seen --- */
bool work[PORTS + 1];

byte sends_left = SENDS, guest_left = GUEST;

/*
 * Every step touches at most one thing that others may touch at that moment: what a lock
 * protects, and a word that is in no queue, go along with it.
 */

/* hypervisor/event/fifo.c: append() */
inline append()
{
#if FAULT == FAULT_APPEND_IN_TWO_STEPS
    seen = linked[before];
    if
    :: atomic { seen -> link[before] = port }
    :: else
    fi
#else
    atomic {
        assert(link[before] == 0);
        link[before] = port;
        seen = linked[before]
#if FAULT != FAULT_LINK_STAYS
        ;
        if
        :: !seen -> link[before] = 0
        :: else
        fi
#endif
    }
#endif
}

/* hypervisor/event/fifo.c: enqueue_locked(), once tail is set */
inline enqueue_locked()
{
    if
    :: before != 0 -> append()
    :: else
    fi;
    if
#if FAULT == FAULT_NO_NEW_HEAD
    :: before == 0 ->
#else
    :: !seen ->
#endif
#if FAULT == FAULT_TELL_FIRST
        upcall_pending[vcpu_of(to)] = true;
#endif
#if FAULT == FAULT_READY_BEFORE_HEAD
        atomic { tell = !ready[to]; ready[to] = true };
        head[to] = port
#else
        head[to] = port;
        atomic { tell = !ready[to] && FAULT != FAULT_TELL_FIRST; ready[to] = true }
#endif
    :: else
    fi
}

/* hypervisor/event/fifo.c: enqueue() of a port that was just seen pending, not masked and not linked */
inline enqueue()
{
    atomic { from = last_queue[port]; to = wanted_queue[port] };
    atomic { /* hypervisor/lib/lock.h: spin_lock_both() */
        !lock[vcpu_of(from)] && !lock[vcpu_of(to)] ->
        lock[vcpu_of(from)] = true;
        lock[vcpu_of(to)] = true;
#if FAULT == FAULT_NO_SECOND_LOOK
        seen = false
#else
        seen = last_queue[port] != from
#endif
    };
    if
    :: atomic {
           !seen ->
#if FAULT != FAULT_LINKED_LOOKED_AT
           seen = linked[port];
#endif
           linked[port] = true;
           if
           :: !seen ->
#if FAULT != FAULT_LINK_STAYS
               link[port] = 0;
#endif
#if FAULT != FAULT_TAIL_STAYS
               if
               :: tail[from] == port -> tail[from] = 0
               :: else
               fi;
#endif
               last_queue[port] = to;
               before = tail[to];
               tail[to] = port
           :: else
           fi
       };
       if
       :: !seen -> enqueue_locked()
       :: else
       fi
    :: else
    fi;
    atomic { lock[vcpu_of(from)] = false; lock[vcpu_of(to)] = false; from = 0; before = 0; seen = false };
    if
    :: atomic { tell -> tell = false; upcall_pending[vcpu_of(to)] = true } /* hypervisor/event/channels.h: vcpu_tell() */
    :: else
    fi;
    to = 0
}

/* hypervisor/event/fifo.c: fifo_raise() */
inline fifo_raise()
{
#if FAULT == FAULT_MASK_READ_FIRST
    seen = masked[port] || linked[port];
    pending[port] = true;
#else
    pending[port] = true;
    seen = masked[port] || linked[port];
#endif
    if
    :: !seen -> enqueue()
    :: else -> seen = false
    fi;
    port = 0
}

/* hypervisor/event/fifo.c: port_clear_mask() */
inline port_clear_mask()
{
#if FAULT == FAULT_UNMASK_LOOKS_FIRST
    seen = pending[port] && !linked[port];
    masked[port] = false;
#else
    masked[port] = false;
    seen = pending[port] && !linked[port];
#endif
    if
    :: seen -> seen = false; enqueue()
    :: else
    fi
}

inline choose_port()
{
    if
    :: port = 1
    :: port = 2
#if PORTS == 3
    :: port = 3
#endif
    fi
}

proctype sender()
{
    byte port, before;
    bit from, to;
    bool seen, tell;

end_sender:
    do
    :: atomic { sends_left > 0 -> sends_left--; choose_port(); work[port] = true };
       fifo_raise()
    od
}

/* What the guest does of its own accord, on any of its CPUs. */
proctype kernel()
{
    byte port, before;
    bit from, to;
    bool seen, tell;

end_kernel:
    do
    :: atomic { guest_left > 0 -> guest_left--; masked[1] = true }
    :: atomic { masked[1] && !pending[1] -> masked[1] = false }
    :: atomic { masked[1] && pending[1] -> port = 1 };
       port_clear_mask();
       port = 0
       /* hypervisor/event/fifo.c: fifo_set_priority(); or it is bound to another vCPU */
    :: atomic { guest_left > 0 -> guest_left--; choose_port(); wanted_queue[port] = 1 - wanted_queue[port]; port = 0 }
    od
}

/* The upcall of a vCPU, as the ABI wants it. */
proctype upcall(bit own)
{
    byte first[QUEUES];
    bool todo[QUEUES];
    byte port, next;
    bit q;

#define MINE(q) (vcpu_of(q) == own)
#define TAKE_READY                                                       \
    atomic {                                                             \
        if                                                               \
        :: MINE(0) -> todo[0] = todo[0] || ready[0]; ready[0] = false    \
        :: else                                                          \
        fi;                                                              \
        if                                                               \
        :: MINE(1) -> todo[1] = todo[1] || ready[1]; ready[1] = false    \
        :: else                                                          \
        fi                                                               \
    }

end_upcall:
    do
    :: atomic { upcall_pending[own] -> upcall_pending[own] = false };
       TAKE_READY;
       do
       :: todo[0] || todo[1] ->
           atomic {
               q = (todo[0] -> 0 : 1);
               port = (first[q] == 0 -> head[q] : first[q])
           };
           atomic {
               assert(port != 0 && linked[port] && last_queue[port] == q);
               next = link[port];
               assert(next != port);
               linked[port] = false;
               link[port] = 0;
               todo[q] = next != 0;
               first[q] = next;
               next = 0;
               q = 0
           };
           if
           :: atomic { pending[port] && !masked[port] -> pending[port] = false };
              work[port] = false
           :: else
           fi;
           port = 0;
           TAKE_READY
       :: else -> break
       od
    od
}

proctype judge()
{
    byte port;

    timeout;
    for (port : 1 .. PORTS) {
        assert(!linked[port] && !pending[port] && !work[port])
    }
}

init
{
    atomic {
        run sender();
        run sender();
        run kernel();
        run upcall(0);
        if
        :: VCPUS == 2 -> run upcall(1)
        :: else
        fi;
        run judge()
    }
}
