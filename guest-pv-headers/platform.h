/* SPDX-License-Identifier: MIT */
/*
 * platform_op(struct xen_platform_op): the control domain's say over the machine:
 * clock, firmware, power management, CPUs.
 *
 * -EPERM for others; -EACCES if interface_version is not XENPF_INTERFACE_VERSION.
 */
#ifndef GUEST_PV_HEADERS_PLATFORM_H
#define GUEST_PV_HEADERS_PLATFORM_H

#include "guest-pv-headers/xen.h"

#define XENPF_INTERFACE_VERSION 0x03000001

/* Commands and the member of the union they use. */
#define XENPF_settime32            17 /* settime32 */
#define XENPF_add_memtype          31 /* add_memtype */
#define XENPF_del_memtype          32 /* del_memtype */
#define XENPF_read_memtype         33 /* read_memtype */
#define XENPF_microcode_update     35 /* microcode */
#define XENPF_platform_quirk       39 /* platform_quirk */
#define XENPF_get_cpu_version      48 /* pcpu_version */
#define XENPF_efi_runtime_call     49 /* efi_runtime_call */
#define XENPF_firmware_info        50 /* firmware_info */
#define XENPF_enter_acpi_sleep     51 /* enter_acpi_sleep */
#define XENPF_change_freq          52 /* change_freq */
#define XENPF_getidletime          53 /* getidletime */
#define XENPF_set_processor_pminfo 54 /* set_pminfo */
#define XENPF_get_cpuinfo          55 /* pcpu_info */
#define XENPF_cpu_online           56 /* cpu_ol */
#define XENPF_cpu_offline          57 /* cpu_ol */
#define XENPF_cpu_hotadd           58 /* cpu_add */
#define XENPF_mem_hotadd           59 /* mem_add */
#define XENPF_core_parking         60 /* core_parking */
#define XENPF_resource_op          61 /* resource_op */
#define XENPF_settime64            62 /* settime64 */
#define XENPF_get_symbol           63 /* symdata */
#define XENPF_settime              XENPF_settime64

/*
 * Clock: at system_time (ns since boot) it was secs.nsecs since 1970, UTC.
 * All domains' wall clocks are set from it.
 */

struct xenpf_settime32 {
    uint32_t secs;
    uint32_t nsecs;
    uint64_t system_time;
};

struct xenpf_settime64 {
    uint64_t secs;
    uint32_t nsecs;
    uint32_t mbz;
    uint64_t system_time;
};
#define xenpf_settime xenpf_settime64

/* Memory types: dom0's view of the MTRRs. */

struct xenpf_add_memtype {
    xen_pfn_t mfn;
    uint64_t nr_mfns;
    uint32_t type;   /* as in an MTRR */
    uint32_t handle; /* out: for del_memtype */
    uint32_t reg;    /* out: the register used */
    uint32_t hole;
};

/* By handle, or with handle 255 by register. */
struct xenpf_del_memtype {
    uint32_t handle;
    uint32_t reg;
};

struct xenpf_read_memtype {
    uint32_t reg;
    uint32_t hole0;
    xen_pfn_t mfn; /* out, as are all below; nr_mfns 0: not used */
    uint64_t nr_mfns;
    uint32_t type;
    uint32_t hole1;
};

/* Firmware. */

struct xenpf_microcode_update {
    const void __guest *data;
    uint32_t length; /* bytes */
    uint32_t hole;
};

/* A fault of the chipset that dom0 knows about. */
struct xenpf_platform_quirk {
    uint32_t quirk_id; /* QUIRK_* */
};
#define QUIRK_NOIRQBALANCING     1
#define QUIRK_IOAPIC_BAD_REGSEL  2
#define QUIRK_IOAPIC_GOOD_REGSEL 3

struct xenpf_efi_time {
    uint16_t year;
    uint8_t month;
    uint8_t day;
    uint8_t hour;
    uint8_t min;
    uint8_t sec;
    uint8_t hole0;
    uint32_t ns;
    int16_t tz; /* minutes */
    uint8_t daylight;
    uint8_t hole1;
};

struct xenpf_efi_guid {
    uint32_t data1;
    uint16_t data2;
    uint16_t data3;
    uint8_t data4[8];
};

/* Functions of UEFI's runtime services; `u` holds their arguments and results. */
#define XEN_EFI_get_time                      1
#define XEN_EFI_set_time                      2
#define XEN_EFI_get_wakeup_time               3
#define XEN_EFI_set_wakeup_time               4
#define XEN_EFI_get_next_high_monotonic_count 5 /* the count comes back in misc */
#define XEN_EFI_get_variable                  6
#define XEN_EFI_set_variable                  7
#define XEN_EFI_get_next_variable_name        8
#define XEN_EFI_query_variable_info           9
#define XEN_EFI_query_capsule_capabilities    10
#define XEN_EFI_update_capsule                11

/* xenpf_efi_runtime_call.misc, by function */
#define XEN_EFI_GET_TIME_SET_CLEARS_NS      0x1u
#define XEN_EFI_GET_WAKEUP_TIME_ENABLED     0x1u
#define XEN_EFI_GET_WAKEUP_TIME_PENDING     0x2u
#define XEN_EFI_SET_WAKEUP_TIME_ENABLE      0x1u
#define XEN_EFI_SET_WAKEUP_TIME_ENABLE_ONLY 0x2u
#define XEN_EFI_VARIABLE_NON_VOLATILE       0x1u
#define XEN_EFI_VARIABLE_BOOTSERVICE_ACCESS 0x2u
#define XEN_EFI_VARIABLE_RUNTIME_ACCESS     0x4u
#define XEN_EFI_VARINFO_BOOT_SNAPSHOT       0x1u

/* One call of a runtime service. */
struct xenpf_efi_runtime_call {
    uint32_t function; /* XEN_EFI_* */
    uint32_t misc;
    xen_ulong_t status; /* out: EFI_STATUS */
    union {
        struct {
            struct xenpf_efi_time time;
            uint32_t resolution;
            uint32_t accuracy;
        } get_time;
        struct xenpf_efi_time set_time;
        struct xenpf_efi_time get_wakeup_time;
        struct xenpf_efi_time set_wakeup_time;
        struct {
            void __guest *name; /* UTF-16 */
            xen_ulong_t size;   /* bytes of data */
            void __guest *data;
            struct xenpf_efi_guid vendor_guid;
        } get_variable;
        struct {
            void __guest *name;
            xen_ulong_t size;
            void __guest *data;
            struct xenpf_efi_guid vendor_guid;
        } set_variable;
        struct {
            xen_ulong_t size; /* bytes of name */
            void __guest *name;
            struct xenpf_efi_guid vendor_guid;
        } get_next_variable_name;
        struct {
            uint32_t attr;
            uint32_t hole;
            uint64_t max_store_size; /* bytes */
            uint64_t remain_store_size;
            uint64_t max_size;
        } query_variable_info;
        struct {
            void __guest *capsule_header_array;
            xen_ulong_t capsule_count;
            uint64_t max_capsule_size;
            uint32_t reset_type;
            uint32_t hole;
        } query_capsule_capabilities;
        struct {
            void __guest *capsule_header_array;
            xen_ulong_t capsule_count;
            uint64_t sg_list; /* machine address */
        } update_capsule;
    } u;
};

/* What the boot loader or BIOS told the core; type and index choose, `u` is the answer. */
#define XEN_FW_DISK_INFO            1 /* disk_info, index counts disks; -ESRCH past the last */
#define XEN_FW_DISK_MBR_SIGNATURE   2 /* disk_mbr_signature, likewise */
#define XEN_FW_VBEDDC_INFO          3 /* vbeddc_info */
#define XEN_FW_EFI_INFO             4 /* efi_info, index below */
#define XEN_FW_KBD_SHIFT_FLAGS      5 /* kbd_shift_flags */
#define XEN_FW_EFI_VERSION          0 /* version */
#define XEN_FW_EFI_CONFIG_TABLE     1 /* cfg */
#define XEN_FW_EFI_VENDOR           2 /* vendor */
#define XEN_FW_EFI_MEM_INFO         3 /* mem: addr in, the descriptor around it out */
#define XEN_FW_EFI_RT_VERSION       4 /* version */
#define XEN_FW_EFI_PCI_ROM          5 /* pci_rom */
#define XEN_FW_EFI_APPLE_PROPERTIES 6 /* apple_properties */

union xenpf_efi_info {
    uint32_t version;
    struct {
        uint64_t addr;
        uint32_t nent;
        uint32_t hole;
    } cfg;
    struct {
        uint32_t revision;
        uint32_t bufsz;     /* bytes */
        void __guest *name; /* UTF-16 */
    } vendor;
    struct {
        uint64_t addr;
        uint64_t size;
        uint64_t attr;
        uint32_t type;
        uint32_t hole;
    } mem;
    struct {
        uint16_t segment;
        uint8_t bus;
        uint8_t devfn;
        uint16_t vendor;
        uint16_t devid;
        uint64_t address;
        xen_ulong_t size;
    } pci_rom;
    struct {
        uint64_t address;
        xen_ulong_t size;
    } apple_properties;
};

struct xenpf_firmware_info {
    uint32_t type;  /* XEN_FW_* */
    uint32_t index; /* XEN_FW_EFI_*, or a disk's number */
    union {
        struct {
            uint8_t device; /* from 0x80 on */
            uint8_t version;
            uint16_t interface_support;
            uint16_t legacy_max_cylinder;
            uint8_t legacy_max_head;
            uint8_t legacy_sectors_per_track;
            void __guest *edd_params; /* its first 16 bits are its size */
        } disk_info;
        struct {
            uint8_t device;
            uint8_t hole[3];
            uint32_t mbr_signature;
        } disk_mbr_signature;
        struct {
            uint8_t capabilities;
            uint8_t edid_transfer_time; /* s */
            uint16_t hole[3];
            uint8_t __guest *edid; /* 128 bytes */
        } vbeddc_info;
        union xenpf_efi_info efi_info;
        uint8_t kbd_shift_flags;
    } u;
};

/* Power. */

/*
 * Does what writing these values to the PM1 control registers does, or with
 * XENPF_ACPI_SLEEP_EXTENDED to the sleep control register.  State 5 turns the
 * machine off.
 */
struct xenpf_enter_acpi_sleep {
    uint16_t val_a; /* PM1A control; or sleep control */
    uint16_t val_b; /* PM1B control; or sleep status */
    uint32_t sleep_state;
    uint32_t flags; /* XENPF_ACPI_SLEEP_EXTENDED */
};
#define XENPF_ACPI_SLEEP_EXTENDED 0x1u

/* A CPU now runs at another rate. */
struct xenpf_change_freq {
    uint32_t flags; /* 0 */
    uint32_t cpu;
    uint64_t freq; /* Hz */
};

/* Time each CPU has been idle. */
struct xenpf_getidletime {
    uint8_t __guest *cpumap_bitmap; /* which CPUs; out: those that exist */
    uint32_t cpumap_nr_cpus;
    uint32_t hole;
    uint64_t __guest *idletime; /* out: ns, indexed by CPU */
    uint64_t now;               /* out: system time */
};

/*
 * Power states that ACPI's code, run by dom0, has found for a CPU.
 */

/* xenpf_set_processor_pminfo.type */
#define XEN_PM_CX  0
#define XEN_PM_PX  1
#define XEN_PM_TX  2
#define XEN_PM_PDC 3

/* What the hypervisor looks after: bits of a SIF_PM_MASK byte. */
#define XEN_PROCESSOR_PM_CX 1
#define XEN_PROCESSOR_PM_PX 2
#define XEN_PROCESSOR_PM_TX 4

/* xen_processor_performance.flags: which objects are there */
#define XEN_PX_PCT 1
#define XEN_PX_PSS 2
#define XEN_PX_PPC 4
#define XEN_PX_PSD 8

/* An ACPI generic address. */
struct xen_power_register {
    uint32_t space_id;
    uint32_t bit_width;
    uint32_t bit_offset;
    uint32_t access_size;
    uint64_t address;
};

/* CPUs that change their idle state together. */
struct xen_processor_csd {
    uint32_t domain;
    uint32_t coord_type;
    uint32_t num;
};

struct xen_processor_cx {
    struct xen_power_register reg;
    uint8_t type; /* C1: 1, ... */
    uint8_t hole0[3];
    uint32_t latency; /* us, worst case */
    uint32_t power;   /* mW */
    uint32_t dpcnt;
    struct xen_processor_csd __guest *dp; /* null with dpcnt 0 */
};

/* Properties of a CPU's idle states; bits XEN_PROCESSOR_FLAG_*. */
struct xen_processor_flags {
    uint32_t bits;
};
#define XEN_PROCESSOR_FLAG_bm_control       0x01u
#define XEN_PROCESSOR_FLAG_bm_check         0x02u
#define XEN_PROCESSOR_FLAG_has_cst          0x04u
#define XEN_PROCESSOR_FLAG_power_setup_done 0x08u
#define XEN_PROCESSOR_FLAG_bm_rld_set       0x10u

struct xen_processor_power {
    uint32_t count;
    struct xen_processor_flags flags;
    struct xen_processor_cx __guest *states;
};

/* A register of _PCT, as ACPI encodes it. */
struct xen_pct_register {
    uint8_t descriptor;
    uint8_t hole0;
    uint16_t length;
    uint8_t space_id;
    uint8_t bit_width;
    uint8_t bit_offset;
    uint8_t reserved;
    uint64_t address;
};

/* One entry of _PSS. */
struct xen_processor_px {
    uint64_t core_frequency;     /* MHz */
    uint64_t power;              /* mW */
    uint64_t transition_latency; /* us */
    uint64_t bus_master_latency; /* us */
    uint64_t control;
    uint64_t status;
};

/* _PSD. */
struct xen_psd_package {
    uint64_t num_entries;
    uint64_t revision;
    uint64_t domain;
    uint64_t coord_type;
    uint64_t num_processors;
};

struct xen_processor_performance {
    uint32_t flags;          /* XEN_PX_* */
    uint32_t platform_limit; /* the fastest state allowed */
    struct xen_pct_register control_register;
    struct xen_pct_register status_register;
    uint32_t state_count;
    uint32_t hole0;
    struct xen_processor_px __guest *states;
    struct xen_psd_package domain_info;
    uint32_t shared_type; /* XEN_CPUPERF_* */
    uint32_t hole1;
};
#define XEN_CPUPERF_SHARED_TYPE_HW  1 /* the hardware coordinates */
#define XEN_CPUPERF_SHARED_TYPE_ALL 2 /* every CPU must be set */
#define XEN_CPUPERF_SHARED_TYPE_ANY 3 /* one is enough */

struct xenpf_set_processor_pminfo {
    uint32_t id;   /* ACPI id of the CPU */
    uint32_t type; /* XEN_PM_* */
    union {
        struct xen_processor_power power;
        struct xen_processor_performance perf;
        uint32_t __guest *pdc;
    } u;
};

/* CPUs. */

/* Which CPUs there are, one at a time; -EINVAL past the last possible one. */
struct xenpf_pcpuinfo {
    uint32_t xen_cpuid;
    uint32_t max_present; /* out, as are all below: highest number in use */
    uint32_t flags;       /* XEN_PCPU_FLAGS_* */
    uint32_t apic_id;
    uint32_t acpi_id;
};
#define XEN_PCPU_FLAGS_ONLINE  1
#define XEN_PCPU_FLAGS_INVALID 2 /* no such CPU */

struct xenpf_pcpu_version {
    uint32_t xen_cpuid;
    uint32_t max_present; /* out, as are all below */
    char vendor_id[12];   /* not terminated */
    uint32_t family;
    uint32_t model;
    uint32_t stepping;
};

struct xenpf_cpu_ol {
    uint32_t cpuid;
};

struct xenpf_cpu_hotadd {
    uint32_t apic_id;
    uint32_t acpi_id;
    uint32_t pxm;
};

struct xenpf_mem_hotadd {
    uint64_t spfn; /* first frame */
    uint64_t epfn; /* last + 1 */
    uint32_t pxm;
    uint32_t flags;
};

struct xenpf_core_parking {
    uint32_t type;      /* XEN_CORE_PARKING_* */
    uint32_t idle_nums; /* CPUs to be, or being, left idle */
};
#define XEN_CORE_PARKING_SET 1
#define XEN_CORE_PARKING_GET 2

/* One access to an MSR on a given CPU; a failed one ends the batch. */
struct xenpf_resource_entry {
    union {
        uint32_t cmd; /* XEN_RESOURCE_OP_* */
        int32_t ret;  /* out: the error */
    } u;
    uint32_t rsvd;
    uint64_t idx;
    uint64_t val; /* MSR 0x10 (TSC): ns of system time */
};
#define XEN_RESOURCE_OP_MSR_READ  0
#define XEN_RESOURCE_OP_MSR_WRITE 1

/* Returns how many entries succeeded. */
struct xenpf_resource_op {
    uint32_t nr_entries;
    uint32_t cpu;
    struct xenpf_resource_entry __guest *entries;
};

/* The hypervisor's symbols, one at a time; the end is where symnum stays as it was. */
struct xenpf_symdata {
    uint32_t namelen; /* in: room, out: length */
    uint32_t symnum;  /* in: which, out: the next */
    char __guest *name;
    uint64_t address;
    char type; /* as nm prints it */
    uint8_t hole[7];
};

struct xen_platform_op {
    uint32_t cmd;               /* XENPF_* */
    uint32_t interface_version; /* XENPF_INTERFACE_VERSION */
    union {
        struct xenpf_settime settime;
        struct xenpf_settime32 settime32;
        struct xenpf_settime64 settime64;
        struct xenpf_add_memtype add_memtype;
        struct xenpf_del_memtype del_memtype;
        struct xenpf_read_memtype read_memtype;
        struct xenpf_microcode_update microcode;
        struct xenpf_platform_quirk platform_quirk;
        struct xenpf_efi_runtime_call efi_runtime_call;
        struct xenpf_firmware_info firmware_info;
        struct xenpf_enter_acpi_sleep enter_acpi_sleep;
        struct xenpf_change_freq change_freq;
        struct xenpf_getidletime getidletime;
        struct xenpf_set_processor_pminfo set_pminfo;
        struct xenpf_pcpuinfo pcpu_info;
        struct xenpf_pcpu_version pcpu_version;
        struct xenpf_cpu_ol cpu_ol;
        struct xenpf_cpu_hotadd cpu_add;
        struct xenpf_mem_hotadd mem_add;
        struct xenpf_core_parking core_parking;
        struct xenpf_resource_op resource_op;
        struct xenpf_symdata symdata;
        uint8_t pad[128];
    } u;
};

#endif
