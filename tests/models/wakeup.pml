/* SPDX-License-Identifier: MIT */
/*
 * The way of an event from a sender to a guest, with the 2-level scheme: a vCPU V
 * with two ports, two CPUs that can run it, a third that sends, an interrupt that
 * comes anywhere, and a vCPU X that takes CPU 0 for a while (docs/models.md).
 *
 * To be shown: when nothing moves any more, V has seen every event it did not mask,
 * and does not wait for one that is there; and no CPU runs V before another has saved it.
 */
#ifndef SENDS
#define SENDS 1 /* by the third CPU */
#endif
#ifndef IRQS
#define IRQS 0 /* events sent by interrupts and timers, where they come */
#endif
#ifndef GUEST
#define GUEST 2 /* things V's kernel does of its own accord */
#endif
#ifndef SLICES
#define SLICES 1 /* of X */
#endif

#define FAULT_BLOCK_LOOKS_FIRST 1
#define FAULT_POLL_LOOKS_FIRST 2
#define FAULT_MASK_READ_FIRST 3
#define FAULT_KICK_ONLY_UNMASKED 4
#define FAULT_NO_OFFER 5
#define FAULT_SOFTIRQ_LATE_CLEAR 6
#define FAULT_RUNNING_EARLY 7
#define FAULT_POLL_IN_TWO_STEPS 8
#ifndef FAULT
#define FAULT 0
#endif

#define SENDER  2 /* the third CPU */
#define ANY     7 /* poll_port: 0 in the core */
#define NOTHING 9

#define IDLE 0
#define V    1
#define X    2
#define PEER 3 /* what runs on the third CPU */

/* --- shared with the guest; both ports are in one word of the selector --- */
bool pending[2];
bool masked; /* port 1; port 0 never is */
bool selector;
bool upcall_pending, upcall_mask;

/* --- the core's, of V --- */
bool blocked, polling; /* VCPU_BLOCKED, VCPU_POLLING: one word */
byte poll_count, poll_port;
bool queued;
bool running = true;
bit vcpu_cpu; /* whose queue */
bool saved;   /* its registers are in struct vcpu */

/* --- the core's, of each CPU --- */
byte loaded[2];
bool idle_cpus[2];
bool queue_lock[2];
bool softirq[2]; /* SOFTIRQ_SCHEDULE */
bool wake[2];    /* VECTOR_WAKE is on its way */

/* --- V's kernel --- */
mtype = { RUN, CLI, POLLED, STI, HANDLER, SELECT, PORT_0, PORT_1, AGAIN };
mtype at = RUN;
byte guest_left = GUEST, irqs_left = IRQS, slices_left = SLICES;

/*
 * upcall_mask is written by plain stores, which may hang in the CPU's store buffer.
 * Nobody but the CPU that runs V reads it, unless a fault says so: else the buffer
 * makes no difference.
 */
#if FAULT == FAULT_KICK_ONLY_UNMASKED
byte buffered = NOTHING;
#define STORE_MASK(value) buffered = (value)
#define OWN_MASK          (buffered == NOTHING -> upcall_mask : buffered)
#define DRAIN             upcall_mask = OWN_MASK; buffered = NOTHING
active proctype store_buffer()
{
end_store_buffer:
    do
    :: atomic { buffered != NOTHING -> DRAIN }
    od
}
#else
#define STORE_MASK(value) upcall_mask = (value)
#define OWN_MASK          upcall_mask
#define DRAIN             skip
#endif

/*
 * Every step touches at most one thing that others may touch at that moment: what
 * queue_lock protects goes along with it, and so does what only V's own CPU uses.
 */

/* hypervisor/x86/softirq.c: softirq_raise_on() */
#define SOFTIRQ_RAISE_ON(cpu)                                                 \
    atomic {                                                                  \
        wake[cpu] = wake[cpu] || (cpu != self && !softirq[cpu]);              \
        softirq[cpu] = true                                                   \
    }

/* hypervisor/sched/sched.c: rouse_idle_cpu() */
inline rouse_idle_cpu()
{
    if
    :: atomic { idle_cpus[0] -> idle_cpus[0] = false }; SOFTIRQ_RAISE_ON(0)
    :: atomic { idle_cpus[1] -> idle_cpus[1] = false }; SOFTIRQ_RAISE_ON(1)
    :: else
    fi
}

/* hypervisor/sched/sched.c: sched_wake(), lock_queue_of() */
inline sched_wake()
{
    atomic {
        !queue_lock[vcpu_cpu] ->
        q = vcpu_cpu;
        queue_lock[q] = true;
        if
        :: !queued && loaded[q] != V && !running -> /* hypervisor/sched/sched.c: choose_cpu() */
            if
            :: skip
            :: vcpu_cpu = 1 - q; /* hypervisor/sched/sched.c: change_cpu() */
               queue_lock[q] = false;
               q = NOTHING
            fi
        :: else
        fi
    };
    if
    :: atomic { q == NOTHING && !queue_lock[vcpu_cpu] -> q = vcpu_cpu; queue_lock[q] = true }
    :: q != NOTHING
    fi;
    if
    :: atomic {
           !queued && loaded[q] != V && !blocked -> /* hypervisor/sched/sched.c: enqueue() */
           queued = true;
           seen = loaded[q] == IDLE
       };
       /* hypervisor/sched/sched.c: enqueue_and_look() */
       if
       :: atomic { seen -> idle_cpus[q] = false };
          SOFTIRQ_RAISE_ON(q)
       :: !seen ->
          if
          :: SOFTIRQ_RAISE_ON(q)
          :: skip /* X's slice is armed already */
          fi;
          rouse_idle_cpu()
       fi
    :: else
    fi;
    queue_lock[q] = false
}

/* hypervisor/sched/sched.c: sched_kick() */
inline sched_kick()
{
    q = vcpu_cpu;
    if
    :: atomic { q != self && running -> wake[q] = true }
    :: else
    fi
}

/* hypervisor/event/event.h: vcpu_wait_end(); `old`: it waited */
inline vcpu_wait_end()
{
#if FAULT == FAULT_POLL_IN_TWO_STEPS
    atomic { seen = polling; polling = false };
#else
    atomic { old = blocked; blocked = false; seen = polling; polling = false };
#endif
    if
    :: seen -> poll_count--
    :: else
    fi;
#if FAULT == FAULT_POLL_IN_TWO_STEPS
    atomic { old = blocked; blocked = false }
#endif
}

/* hypervisor/event/event.c: vcpu_unblock() */
inline vcpu_unblock()
{
    if
    :: blocked ->
        vcpu_wait_end();
        if
        :: old -> sched_wake()
        :: else
        fi
    :: else ->
#if FAULT == FAULT_KICK_ONLY_UNMASKED
        if
        :: !upcall_mask -> sched_kick()
        :: else
        fi
#else
        sched_kick()
#endif
    fi
}

/* hypervisor/event/channels.h: vcpu_tell() */
inline vcpu_tell(who)
{
    atomic { old = upcall_pending; upcall_pending = true };
    if
    :: !old && (who != V || blocked) -> vcpu_unblock()
    :: else
    fi
}

/* hypervisor/event/channels.h: two_level_select() */
inline two_level_select(who)
{
    atomic { old = selector; selector = true };
    if
    :: !old -> vcpu_tell(who)
    :: else
    fi
}

/* hypervisor/event/event.c: pollers_wake() */
inline pollers_wake(port)
{
    q = poll_port;
    if
    :: polling && (q == ANY || q == port) -> vcpu_unblock()
    :: else
    fi
}

#define MASKED(port) (port == 1 && masked)

/* hypervisor/event/channels.h: two_level_raise(); `may` is spent for it */
inline two_level_raise(may, who)
{
    atomic {
        may > 0 ->
        may--;
        if
        :: p = 0
        :: p = 1
        fi;
#if FAULT == FAULT_MASK_READ_FIRST
        seen = MASKED(p)
    };
    atomic {
#endif
        old = pending[p];
        pending[p] = true
    };
    if
    :: old -> skip
    :: else ->
        if
#if FAULT == FAULT_MASK_READ_FIRST
        :: !seen -> two_level_select(who)
#else
        :: !MASKED(p) -> two_level_select(who)
#endif
        :: else
        fi;
        /* hypervisor/event/channels.h: pollers_check() */
        if
        :: poll_count != 0 -> pollers_wake(p)
        :: else
        fi
    fi
}

/* hypervisor/sched/sched.c: sched_block() */
inline sched_block()
{
    STORE_MASK(0);
    if
    :: upcall_pending -> skip
    :: else ->
#if FAULT == FAULT_BLOCK_LOOKS_FIRST
        seen = upcall_pending;
        atomic { DRAIN; blocked = true };
#else
        atomic { DRAIN; blocked = true };
        seen = upcall_pending; /* hypervisor/event/event.h: event_upcall_due() */
#endif
        if
        :: seen -> blocked = false
        :: else -> softirq[self] = true
        fi
    fi
}

/* hypervisor/sched/sched_op.c: poll_ready() */
inline poll_ready()
{
    seen = upcall_pending && !OWN_MASK;
    if
    :: !seen && poll_port == ANY -> seen = pending[0]
    :: else
    fi;
    if
    :: !seen -> seen = pending[1]
    :: else
    fi
}

/* hypervisor/sched/sched_op.c: poll(): for port 1, or for both */
inline poll()
{
#if FAULT == FAULT_POLL_LOOKS_FIRST
    poll_ready();
#endif
    /* hypervisor/event/event.h: vcpu_poll_begin() */
    if
    :: poll_port = 1
    :: poll_port = ANY
    fi;
    poll_count++;
#if FAULT == FAULT_POLL_IN_TWO_STEPS
    polling = true;
    atomic { DRAIN; blocked = true };
#else
    atomic { DRAIN; blocked = true; polling = true };
#endif
#if FAULT != FAULT_POLL_LOOKS_FIRST
    poll_ready();
#endif
    if
    :: seen -> vcpu_wait_end()
    :: else -> softirq[self] = true
    fi
}

/* hypervisor/event/fifo.c: port_clear_mask() of port 1 */
inline port_clear_mask()
{
    atomic { DRAIN; masked = false };
    if
    :: pending[1] -> two_level_select(V)
    :: else
    fi
}

/* hypervisor/sched/sched.c: decide() */
inline decide()
{
    atomic {
        !queue_lock[self] ->
        queue_lock[self] = true;
        from = loaded[self];
        to = IDLE;
        if
        :: from == V && !blocked -> to = V
        :: from != V && queued && vcpu_cpu == self && !running -> to = V /* hypervisor/sched/sched.c: queue_first() */
        :: self == 0 && slices_left > 0 -> slices_left--; to = X
        :: else
        fi;
        queued = queued && (from == V || to != V)
    };
    if
    :: atomic { from == V && to != V -> /* hypervisor/sched/sched.c: give_up() */
           queued = !blocked }
    :: atomic { from == IDLE && to != IDLE -> idle_cpus[self] = false }
    :: else
    fi;
    atomic {
        loaded[self] = to;
        if
        :: from != V && to == V -> running = true
        :: to == IDLE -> idle_cpus[self] = true
        :: else
        fi;
        queue_lock[self] = false
    }
}

/* hypervisor/sched/sched.c: switch_to(), hypervisor/pv/context.c: context_switch() */
inline switch_to()
{
#if FAULT == FAULT_RUNNING_EARLY
    if
    :: from == V -> running = false
    :: else
    fi;
#endif
    atomic {
        if
        :: from == V -> DRAIN; saved = true
        :: to == V -> assert(saved); saved = false
        :: else
        fi
    };
    if
    :: from == V -> running = false
    :: else
    fi;
#if FAULT != FAULT_NO_OFFER
    /* hypervisor/sched/sched.c: offer_waiting() */
    if
    :: atomic { queued && vcpu_cpu == self && !queue_lock[self] -> queue_lock[self] = true };
       rouse_idle_cpu();
       queue_lock[self] = false
    :: !queued || vcpu_cpu != self
    fi
#endif
}

/* hypervisor/sched/sched.c: steal(), move_one() */
inline steal()
{
    seen = false;
    if
    :: atomic {
           queued && vcpu_cpu != self && !queue_lock[0] && !queue_lock[1] ->
           if
           :: !running -> queue_lock[0] = true; queue_lock[1] = true; vcpu_cpu = self; seen = true
           :: else
           fi
       };
       if
       :: seen ->
           idle_cpus[self] = false;
           softirq[self] = true;
           atomic { queue_lock[0] = false; queue_lock[1] = false }
       :: else
       fi
    :: !queued || vcpu_cpu == self
    fi
}

/* One step of V's kernel. */
inline guest()
{
    if
    :: atomic { at == RUN && guest_left > 0 ->
           guest_left--;
           if
           :: at = CLI; STORE_MASK(1)
           :: guest_left = 0 /* computes for ever */
           :: !masked -> masked = true
           fi }
    :: atomic { at == RUN && guest_left > 0 && masked -> guest_left-- };
       port_clear_mask();
       goto return_to_guest
    :: at == CLI ->
       if
       :: at = STI
       :: at = RUN; sched_block(); goto return_to_guest
       :: at = POLLED; poll(); goto return_to_guest
       fi
    :: atomic { at == POLLED && pending[1] -> pending[1] = false } /* what it waited for */
    :: atomic { at == POLLED && !pending[1] -> at = STI; STORE_MASK(0) }
    :: atomic { at == STI && upcall_pending -> at = RUN; STORE_MASK(0) };
       goto return_to_guest /* any hypercall will do */
    :: atomic { at == STI && !upcall_pending -> at = RUN; STORE_MASK(0) }
    :: atomic { at == HANDLER -> DRAIN; upcall_pending = false; at = SELECT }
    :: atomic { at == SELECT -> at = (selector -> PORT_0 : AGAIN); selector = false }
    :: atomic { at == PORT_0 -> at = PORT_1; pending[0] = false }
    :: atomic { at == PORT_1 -> at = AGAIN; pending[1] = pending[1] && masked }
    :: atomic { at == AGAIN && upcall_pending -> at = HANDLER }
    :: atomic { at == AGAIN && !upcall_pending -> /* hypervisor/pv/traps.c: hypercall_iret() */
           at = RUN;
           STORE_MASK(0) };
       goto return_to_guest
    fi
}

/* A CPU that V can run on. */
proctype cpu(bit self)
{
    byte q, from, to;
    bit p;
    bool old, seen;

    if
    :: loaded[self] == IDLE -> goto schedule
    :: else
    fi;

    /* hypervisor/x86/entry.S: return_to_guest() */
return_to_guest:
    if
    :: softirq[self] -> /* hypervisor/x86/softirq.c: softirq_run() */
soft_interrupts:
#if FAULT != FAULT_SOFTIRQ_LATE_CLEAR
        softirq[self] = false;
#endif
        if
        :: loaded[self] == V && blocked -> /* a timer is due as well */
            if
            :: two_level_raise(irqs_left, V)
            :: skip
            fi
        :: else
        fi;
        goto schedule
    :: else
    fi;
    if
    :: loaded[self] == X -> /* hypervisor/sched/sched.c: slice_expired() */
        atomic { wake[self] = false; softirq[self] = true };
        goto return_to_guest
    :: else
    fi;
    if
    :: atomic { upcall_pending && !OWN_MASK -> /* hypervisor/pv/traps.c: pv_deliver_upcall() */
           at = HANDLER;
           STORE_MASK(1) }
    :: else
    fi;
end_guest:
    do
    :: guest()
    :: atomic { wake[self] -> DRAIN; wake[self] = false }; goto return_to_guest
    :: two_level_raise(irqs_left, V); goto return_to_guest
    od;

    /* hypervisor/sched/sched.c: schedule() */
schedule:
    decide();
#if FAULT == FAULT_SOFTIRQ_LATE_CLEAR
    softirq[self] = false;
#endif
    if
    :: to != from -> switch_to()
    :: else
    fi;
    if
    :: to != IDLE -> goto return_to_guest
    :: else
    fi;
    steal();
    if
    :: seen -> goto schedule
    :: else
    fi;
    /* hypervisor/x86/softirq.c: softirq_wait() */
    if
    :: softirq[self] -> goto soft_interrupts
    :: else
    fi;
end_idle:
    if
    :: atomic { wake[self] -> wake[self] = false }
    :: two_level_raise(irqs_left, IDLE)
    fi;
    if
    :: softirq[self] -> goto soft_interrupts
    :: else -> goto schedule
    fi
}

/* hypervisor/event/event.c: send() */
proctype sender()
{
    byte self = SENDER, left = SENDS;
    byte q;
    bit p;
    bool old, seen;

end_sender:
    do
    :: two_level_raise(left, PEER)
    od
}

/* Nothing moves any more. */
proctype judge()
{
end_judge:
    timeout;
    assert(poll_count == (polling -> 1 : 0));
    if
    :: polling && OWN_MASK -> assert(!pending[1] && (poll_port == 1 || !pending[0]))
    :: else -> assert(at == RUN && !pending[0] && (!pending[1] || masked))
    fi
}

init
{
    atomic {
        loaded[0] = V;
        loaded[1] = IDLE;
        run cpu(0);
        run cpu(1);
        run sender();
        run judge()
    }
}
