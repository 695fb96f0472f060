/* SPDX-License-Identifier: MIT */
/*
 * The types of frames: two CPUs of one guest, two frames that are page tables or
 * writable data by turns, and for each CPU a table it always walks through.  A table has one entry: what frame it maps writable (docs/models.md).
 *
 * To be shown (invariants 1 and 2): no CPU holds a writable translation of a frame
 * that is a table, nor takes a frame for a table that the guest can write to, however
 * late it lets go of what it once read; and each use that begins ends once.
 */
#ifndef OPERATIONS_0
#define OPERATIONS_0 2 /* of one CPU */
#endif
#ifndef OPERATIONS_1
#define OPERATIONS_1 1 /* of the other */
#endif

#define FAULT_NO_FLUSH 1
#define FAULT_FLUSH_LATE 2
#define FAULT_STAMP_LATE 3
#define FAULT_NO_WAIT 4
#define FAULT_NO_CHECK 5
#define FAULT_NOTED_FIRST 6
#define FAULT_SEEN_EARLY 7
#ifndef FAULT
#define FAULT 0
#endif

#define FRAMES  2
#define ROOT    2 /* and 3: the tables in use for ever, of CPU 0 and CPU 1 */
#define NOTHING 4 /* an entry not present */

/* hypervisor/mm/page_type.h: page_use_make() */
#define USE(type, state, cursor, count) ((type) + 4 * (state) + 16 * (cursor) + 32 * (count))
#define TYPE(use)                       ((use) & 3)
#define STATE(use)                      (((use) >> 2) & 3)
#define CURSOR(use)                     (((use) >> 4) & 1)
#define COUNT(use)                      ((use) >> 5)

#define NONE     0
#define TABLE    1
#define WRITABLE 2

#define FREE    0
#define BUSY    1
#define PARTIAL 2
#define IN_USE  3

#define OK      0
#define INVALID 1
#define RETRY   2 /* -XEN_EBUSY */
#define RESTART 3

/* --- struct page, and what is in the frame --- */
byte use[FRAMES + 2];
byte stamp[FRAMES];
bool lock[FRAMES + 2];
byte entry[FRAMES + 2] = NOTHING;
bool pinned[FRAMES];
bool unflushed[FRAMES]; /* not in the core: a table to be, translations may be left */

/* --- x86/tlb.c --- */
byte flush_clock = 1;
byte flushed_at[2];
bool request, waiting[2];

/* --- what a CPU remembers of the tables: writable translations, and tables it walked to --- */
typedef cpu_memory { bool writable[FRAMES]; bool table[FRAMES] };
cpu_memory tlb[2];

#define IS_TABLE(frame)           (TYPE(use[frame]) == TABLE && !unflushed[frame])
#define IS_WRITABLE(frame)        (TYPE(use[frame]) == WRITABLE && STATE(use[frame]) == IN_USE)
#define CHECK_NOT_WRITABLE(frame) assert(!tlb[0].writable[frame] && !tlb[1].writable[frame])
#define CHECK_NOT_WALKED(frame)   assert(!tlb[0].table[frame] && !tlb[1].table[frame])

/* Keep the translation that a table's entry gives. */
#define REMEMBER(condition, from)                                             \
    atomic {                                                                  \
        condition && entry[from] != NOTHING ->                                \
        assert(entry[from] < FRAMES && !IS_TABLE(entry[from]));               \
        CHECK_NOT_WALKED(entry[from]);                                        \
        tlb[self].writable[entry[from]] = true                                \
    }

/* What a CPU does whenever it likes. */
proctype walker(bit self)
{
end_walker:
    do
    :: REMEMBER(true, ROOT + self)
    :: REMEMBER(tlb[self].table[0], 0)
    :: REMEMBER(tlb[self].table[1], 1)
    :: atomic { IS_TABLE(0) && STATE(use[0]) == IN_USE -> tlb[self].table[0] = true }
    :: atomic { IS_TABLE(1) && STATE(use[1]) == IN_USE -> tlb[self].table[1] = true }
    od
}

/* hypervisor/x86/tlb.c: tlb_load_cr3(), tlb_flush_local() */
inline tlb_flush_local()
{
    atomic {
        flush_clock++;
        noted = flush_clock
    };
#if FAULT == FAULT_NOTED_FIRST
    flushed_at[self] = noted;
#endif
    atomic {
        tlb[self].writable[0] = false;
        tlb[self].writable[1] = false;
        tlb[self].table[0] = false;
        tlb[self].table[1] = false
    };
    flushed_at[self] = noted;
    noted = 0
}

/* hypervisor/x86/tlb.c: tlb_serve() */
#define SERVE                                                                 \
    waiting[self] -> tlb_flush_local(); waiting[self] = false

/* hypervisor/x86/tlb.c: spin_wait() */
#define SPIN_UNTIL(condition, change)                                         \
    do                                                                        \
    :: atomic { condition -> change }; break                                  \
    :: SERVE                                                                  \
    od

/* hypervisor/x86/tlb.c: tlb_flush_older(), tlb_flush_mask() */
inline tlb_flush_older(age)
{
    if
    :: flushed_at[self] <= age -> tlb_flush_local()
    :: else
    fi;
    if
    :: flushed_at[1 - self] <= age ->
        SPIN_UNTIL(!request, request = true);
        waiting[1 - self] = true;
        SPIN_UNTIL(!waiting[1 - self], skip);
        request = false
    :: else
    fi
}

/* hypervisor/mm/page.h: page_table_lock() */
inline page_table_lock(frame)
{
    SPIN_UNTIL(!lock[frame], lock[frame] = true)
}

/* hypervisor/mm/page_type.c: page_type_put_preemptible(), page_use_put(), as data */
inline writable_put(frame)
{
    atomic {
        assert(IS_WRITABLE(frame) && COUNT(use[frame]) > 0);
        if
        :: COUNT(use[frame]) > 1 -> use[frame] = use[frame] - USE(0, 0, 0, 1); last = false
#if FAULT == FAULT_STAMP_LATE
        :: else -> use[frame] = USE(WRITABLE, FREE, 0, 0); last = true
#else
        :: else -> use[frame] = USE(WRITABLE, BUSY, 0, 0); last = true
#endif
        fi
    };
    if
    :: last ->
        stamp[frame] = flush_clock;
#if FAULT != FAULT_STAMP_LATE
        use[frame] = USE(WRITABLE, FREE, 0, 0);
#endif
        last = false
    :: else
    fi
}

/* hypervisor/mm/page_type.h: page_writable_get_locked(); result in `got` */
inline writable_get(frame)
{
    do
    :: atomic {
           was = NONE;
           if
           :: STATE(use[frame]) == FREE && TYPE(use[frame]) == WRITABLE ->
               use[frame] = USE(WRITABLE, IN_USE, 0, 1);
               got = OK
           :: STATE(use[frame]) == FREE && TYPE(use[frame]) != WRITABLE ->
               was = TYPE(use[frame]);
#if FAULT == FAULT_SEEN_EARLY
               use[frame] = USE(WRITABLE, IN_USE, 0, 1);
#else
               use[frame] = USE(WRITABLE, BUSY, 0, 0);
#endif
               got = RETRY
           :: STATE(use[frame]) == BUSY && TYPE(use[frame]) == WRITABLE -> got = RESTART
           :: STATE(use[frame]) == BUSY && TYPE(use[frame]) != WRITABLE -> got = INVALID
           :: STATE(use[frame]) == PARTIAL -> got = RETRY; was = WRITABLE
           :: IS_WRITABLE(frame) -> use[frame] = use[frame] + USE(0, 0, 0, 1); got = OK
           :: STATE(use[frame]) == IN_USE && TYPE(use[frame]) != WRITABLE -> got = INVALID
           fi
       };
       if
       :: got == RESTART -> /* hypervisor/mm/page_type.c: get(): wait */
           SPIN_UNTIL(STATE(use[frame]) != BUSY, skip)
       :: got == RETRY && was != WRITABLE -> /* hypervisor/mm/page_type.c: flush_old_use() */
#if FAULT != FAULT_NO_FLUSH
           if
           :: was != NONE -> tlb_flush_older(stamp[frame])
           :: else
           fi;
#endif
           atomic {
               CHECK_NOT_WALKED(frame);
#if FAULT != FAULT_SEEN_EARLY
               use[frame] = USE(WRITABLE, IN_USE, 0, 1);
#endif
               got = OK;
               was = NONE
           };
           break
       :: else -> was = NONE; break
       fi
    od
}

/* hypervisor/mm/page_type.c: invalidate(); BUSY, with `cursor` entries held; result in `got` */
inline invalidate(frame, cursor)
{
#if FAULT != FAULT_NO_WAIT
    /* hypervisor/mm/page_type.c: wait_for_writers() */
    SPIN_UNTIL(!lock[frame], skip);
#endif
    got = OK;
    /* hypervisor/pv/page_tables.c: page_entries_release(), table_entries_release() */
    if
    :: got = RESTART
    :: cursor == 1 ->
        if
        :: entry[frame] != NOTHING -> writable_put(entry[frame])
        :: else
        fi;
        cursor = 0;
        if
        :: got = RESTART
        :: skip
        fi
    :: cursor == 0
    fi;
    if
    :: got == RESTART -> use[frame] = USE(TABLE, PARTIAL, cursor, 0)
    :: else ->
        stamp[frame] = flush_clock;
        use[frame] = USE(TABLE, FREE, 0, 0)
    fi;
    cursor = 0
}

/* hypervisor/mm/page_type.c: page_type_finish() */
inline finish(frame, cursor)
{
    atomic {
        if
        :: STATE(use[frame]) == PARTIAL ->
            cursor = CURSOR(use[frame]);
            use[frame] = USE(TABLE, BUSY, cursor, 0);
            got = RETRY
        :: else -> got = OK
        fi
    };
    if
    :: got == RETRY -> invalidate(frame, cursor)
    :: else
    fi
}

/* hypervisor/pv/page_tables.c: hold_l1(), hypervisor/mm/page_type.c: page_type_finish(); result in `got` */
inline hold(to)
{
    if
    :: to >= FRAMES -> got = INVALID
    :: else -> writable_get(to)
    fi
}

/* hypervisor/mm/page_type.c: validate() */
inline validate(frame, cursor)
{
    got = OK;
    /* hypervisor/pv/page_tables.c: page_entries_hold(), l1_entries_hold() */
    if
    :: got = RESTART
    :: cursor == 0 ->
        target = entry[frame];
        do
        :: target != NOTHING ->
            hold(target);
            if
            :: got == RETRY -> finish(target, below)
            :: else -> break
            fi;
            if
            :: got == OK -> skip /* again */
            :: else -> break
            fi
        :: else -> break
        od;
        target = NOTHING;
        if
        :: got == OK ->
            cursor = 1;
            if
            :: got = RESTART
            :: skip
            fi
        :: else
        fi
    :: cursor == 1
    fi;
#if FAULT == FAULT_FLUSH_LATE
    if
    :: unflushed[frame] -> tlb_flush_older(stamp[frame]); unflushed[frame] = false
    :: else
    fi;
#endif
    if
    :: got == OK -> use[frame] = USE(TABLE, IN_USE, 1, 1); cursor = 0
    :: got == RESTART -> use[frame] = USE(TABLE, PARTIAL, cursor, 0); cursor = 0
    :: got == INVALID -> invalidate(frame, cursor); got = INVALID
    fi
}

/* hypervisor/mm/page_type.c: page_type_get(), page_use_get(), as a table */
inline table_get(frame, cursor)
{
    do
    :: atomic {
           was = NONE;
           if
           :: STATE(use[frame]) == FREE ->
               was = TYPE(use[frame]);
               unflushed[frame] = was == WRITABLE;
               cursor = 0;
               use[frame] = USE(TABLE, BUSY, 0, 0);
               got = OK
           :: STATE(use[frame]) == PARTIAL ->
               cursor = CURSOR(use[frame]);
               use[frame] = USE(TABLE, BUSY, cursor, 0);
               got = OK
           :: STATE(use[frame]) == BUSY && TYPE(use[frame]) == TABLE -> got = RESTART
           :: STATE(use[frame]) == IN_USE && TYPE(use[frame]) == TABLE ->
               use[frame] = use[frame] + USE(0, 0, 0, 1);
               got = RETRY
           :: else -> got = INVALID
           fi
       };
       if
       :: got == RESTART -> SPIN_UNTIL(STATE(use[frame]) != BUSY, skip)
       :: got == OK ->
#if FAULT != FAULT_NO_FLUSH && FAULT != FAULT_FLUSH_LATE
           if
           :: was == WRITABLE -> tlb_flush_older(stamp[frame])
           :: else
           fi;
#endif
#if FAULT != FAULT_FLUSH_LATE
           atomic { CHECK_NOT_WRITABLE(frame); unflushed[frame] = false };
#endif
           was = NONE;
           validate(frame, cursor);
           break
       :: got == RETRY -> got = OK; break
       :: else -> break
       fi
    od
}

/* hypervisor/mm/page_type.c: page_type_put_preemptible(), page_use_put(), as a table */
inline table_put(frame, cursor)
{
    atomic {
        assert(TYPE(use[frame]) == TABLE && STATE(use[frame]) == IN_USE && COUNT(use[frame]) > 0);
        if
        :: COUNT(use[frame]) > 1 -> use[frame] = use[frame] - USE(0, 0, 0, 1); got = OK
        :: else -> use[frame] = USE(TABLE, BUSY, 1, 0); cursor = 1; got = RETRY
        fi
    };
    if
    :: got == RETRY -> invalidate(frame, cursor)
    :: else
    fi;
    /* hypervisor/pv/page_tables.c: pt_finish() */
    do
    :: got == RESTART -> finish(frame, cursor)
    :: else -> break
    od
}

/* hypervisor/pv/page_tables.c: pt_set_entry(), set_l1_locked() */
inline set_entry(frame, to)
{
    do
    :: page_table_lock(frame);
       got = OK;
#if FAULT != FAULT_NO_CHECK
       if
       :: TYPE(use[frame]) != TABLE || STATE(use[frame]) != IN_USE -> got = INVALID
       :: else
       fi;
#endif
       if
       :: got == OK && to != NOTHING && to != entry[frame] -> hold(to)
       :: else
       fi;
       if
       :: got == OK && to != entry[frame] ->
           target = entry[frame];
           entry[frame] = to;
           if
           :: target != NOTHING -> writable_put(target)
           :: else
           fi;
           target = NOTHING
       :: else
       fi;
       lock[frame] = false;
       if
       :: got == RETRY ->
           finish(to, below);
           if
           :: got == OK -> skip /* again */
           :: else -> break
           fi
       :: else -> break
       fi
    od
}

inline any_frame(frame)
{
    if
    :: frame = 0
    :: frame = 1
    fi
}

inline any_entry(to)
{
    if
    :: to = NOTHING
    :: to = 0
    :: to = 1
    :: to = ROOT
    fi
}

/* One CPU: what the guest asks for, one thing after the other. */
proctype cpu(bit self)
{
    byte left = (self == 0 -> OPERATIONS_0 : OPERATIONS_1);
    byte got, was, noted, frame, to = NOTHING, target = NOTHING;
    bit above, below;
    bool last, had;

end_guest:
    do
    :: SERVE
    :: atomic { left > 0 -> left--; any_entry(to) };
       set_entry(ROOT + self, to)
    :: atomic { left > 0 -> left--; any_entry(to); any_frame(frame) };
       set_entry(frame, to)
    :: atomic { left > 0 -> left--; any_frame(frame) }; /* hypervisor/pv/mmuext.c: pin() */
       table_get(frame, above);
       if
       :: got == OK ->
           atomic { had = pinned[frame]; pinned[frame] = true };
           if
           :: had -> table_put(frame, above)
           :: else
           fi
       :: else
       fi
    :: atomic { left > 0 -> left--; any_frame(frame) }; /* hypervisor/pv/mmuext.c: unpin() */
       atomic { had = pinned[frame]; pinned[frame] = false };
       if
       :: had -> table_put(frame, above)
       :: else
       fi
    :: atomic { left > 0 -> left-- }; /* it loads its page tables anew */
       tlb_flush_local()
    :: atomic { left > 0 && tlb[self].writable[0] -> left--; any_entry(entry[0]) } /* a store */
    :: atomic { left > 0 && tlb[self].writable[1] -> left--; any_entry(entry[1]) }
    od
}

init
{
    atomic {
        use[ROOT] = USE(TABLE, IN_USE, 1, 1);
        use[ROOT + 1] = USE(TABLE, IN_USE, 1, 1);
        entry[ROOT] = 0;
        use[0] = USE(WRITABLE, IN_USE, 0, 1);
        use[1] = USE(TABLE, IN_USE, 1, 1);
        pinned[1] = true;
        run cpu(0);
        run cpu(1);
        run walker(0);
        run walker(1)
    }
}
