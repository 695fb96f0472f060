/* SPDX-License-Identifier: MIT */
/*
 * Every hypercall, once.
 *
 *   X(number, name, handler, args, who)
 *
 * The numbers are Xen's ABI and never change.  `handler` is written out in
 * full, so that searching for a handler's name finds this row.  `who` is
 * checked by the dispatcher before the handler runs.  iret (23) is not here:
 * entry.S calls hypercall_iret().
 */
#pragma once

/* clang-format off */
#define HYPERCALL_LIST(X)                                                                        \
    X( 0, set_trap_table,               hypercall_set_trap_table,               1, ANY)          \
    X( 1, mmu_update,                   hypercall_mmu_update,                   4, ANY)          \
    X( 2, set_gdt,                      hypercall_set_gdt,                      2, ANY)          \
    X( 3, stack_switch,                 hypercall_stack_switch,                 2, ANY)          \
    X( 4, set_callbacks,                hypercall_set_callbacks,                3, ANY)          \
    X( 5, fpu_taskswitch,               hypercall_fpu_taskswitch,               1, ANY)          \
    X( 7, platform_op,                  hypercall_platform_op,                  1, CONTROL)      \
    X( 8, set_debugreg,                 hypercall_set_debugreg,                 2, ANY)          \
    X( 9, get_debugreg,                 hypercall_get_debugreg,                 1, ANY)          \
    X(10, update_descriptor,            hypercall_update_descriptor,            2, ANY)          \
    X(12, memory_op,                    hypercall_memory_op,                    2, ANY)          \
    X(13, multicall,                    hypercall_multicall,                    2, ANY)          \
    X(14, update_va_mapping,            hypercall_update_va_mapping,            3, ANY)          \
    X(15, set_timer_op,                 hypercall_set_timer_op,                 1, ANY)          \
    X(17, xen_version,                  hypercall_xen_version,                  2, ANY)          \
    X(18, console_io,                   hypercall_console_io,                   3, ANY)          \
    X(20, grant_table_op,               hypercall_grant_table_op,               3, ANY)          \
    X(21, vm_assist,                    hypercall_vm_assist,                    2, ANY)          \
    X(22, update_va_mapping_otherdomain, hypercall_update_va_mapping_otherdomain, 4, ANY)        \
    X(24, vcpu_op,                      hypercall_vcpu_op,                      3, ANY)          \
    X(25, set_segment_base,             hypercall_set_segment_base,             2, ANY)          \
    X(26, mmuext_op,                    hypercall_mmuext_op,                    4, ANY)          \
    X(29, sched_op,                     hypercall_sched_op,                     2, ANY)          \
    X(30, callback_op,                  hypercall_callback_op,                  2, ANY)          \
    X(32, event_channel_op,             hypercall_event_channel_op,             2, ANY)          \
    X(33, physdev_op,                   hypercall_physdev_op,                   2, ANY)          \
    X(35, sysctl,                       hypercall_sysctl,                       1, CONTROL)      \
    X(36, domctl,                       hypercall_domctl,                       1, CONTROL)      \
    X(40, xenpmu_op,                    hypercall_xenpmu_op,                    2, ANY)          \
    X(48, mca,                          hypercall_mca,                          1, CONTROL)
/* clang-format on */
