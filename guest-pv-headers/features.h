/* SPDX-License-Identifier: MIT */
/*
 * What the hypervisor offers a guest, or a kernel asks for in its ELF notes:
 * bit numbers, 32 to a word, read with XENVER_get_features.
 */
#ifndef GUEST_PV_HEADERS_FEATURES_H
#define GUEST_PV_HEADERS_FEATURES_H

#define XENFEAT_NR_SUBMAPS 1

/* For PV guests. */
#define XENFEAT_mmu_pt_update_preserve_ad 5  /* MMU_PT_UPDATE_PRESERVE_AD works */
#define XENFEAT_highmem_assist            6  /* MMUEXT_CLEAR_PAGE and MMUEXT_COPY_PAGE work */
#define XENFEAT_gnttab_map_avail_bits     7  /* GNTMAP_guest_avail_mask reaches the entry */
#define XENFEAT_dom0                      11 /* as a note: can be the control domain */
#define XENFEAT_memory_op_vnode_supported 13 /* XENMEMF_vnode works */
#define XENFEAT_linux_rsdp_unrestricted   15
#define XENFEAT_not_direct_mapped         16
#define XENFEAT_direct_mapped             17 /* pfn equals mfn throughout */

/* About guests with their own page tables under the hypervisor's; not set for PV. */
#define XENFEAT_writable_page_tables       0
#define XENFEAT_writable_descriptor_tables 1
#define XENFEAT_auto_translated_physmap    2
#define XENFEAT_supervisor_mode_kernel     3
#define XENFEAT_hvm_callback_vector        8
#define XENFEAT_hvm_safe_pvclock           9
#define XENFEAT_hvm_pirqs                  10

/* Always there in 64-bit; older kernels require it in their notes. */
#define XENFEAT_pae_pgdir_above_4gb 4

#endif
