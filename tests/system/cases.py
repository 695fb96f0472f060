# SPDX-License-Identifier: MIT
"""The machines and what dom0 does on them.  One row, one boot."""
from dataclasses import dataclass


@dataclass
class Case:
    """`ending` is QEMU's word for why it stopped."""
    name: str
    tags: tuple = ("full",)
    machine: str = "pc"
    smp: int = 2
    memory: int = 2048
    firmware: str = "qemu"          # qemu (multiboot 1), bios or ovmf (GRUB, multiboot 2)
    cpu: str = "max"
    devices: tuple = ()
    task: str = "facts+poweroff"
    peer: bool = False              # the hypervisor is Debian's Xen 4.17
    toolstack: bool = False         # dom0 has vmctl, its daemons and a guest to make
    systemd: bool = False           # and its first process is Debian's systemd
    dom0_mem: str = "1024M"
    core: str = ""                  # more options of the core
    kernel: str = ""                # more options of dom0's kernel
    module: str = "kernel"          # what the core is given as dom0's kernel: kernel, text, none
    last: str = ""                  # after this on the console no more is expected: ending "until"
    fault: tuple = ()               # a function of the core, and the code it is made to begin with
    typing: tuple = ()              # after this on the console (in turn), these keys; or of QEMU
    expect: tuple = ()
    forbid: tuple = ()
    allow: tuple = ()               # of FORBIDDEN, what this case is about
    unfinished: tuple = ("poweroff", "reboot", "crash", "shell", "systemd_off")
    ending: str = "guest-shutdown"
    timeout: int = 180


QUICK = ("quick", "full")
FACTS = (r"DOM0: hypervisor type xen", r"hypervisor version/major 4", r"version/minor 17",
         r"xen-3.0-x86_64")


# With its registers and the top of its stack.
DOM0_CRASHED = (r"\(core\) dom0 crashed: its kernel says so", r"\(core\)   rip e033:ffffffff8",
                r"\(core\)   guest stack:\n\(core\)     [0-9a-f]{16} ")


def facts(cpus):
    return FACTS + (rf"DOM0: cpus {cpus}$",)


def guests(name, tasks, tags=("full",), **more):
    return Case(name, tags, memory=3072, dom0_mem="768M", toolstack=True,
                task="+".join(f"guest_{task}" for task in tasks.split()) + "+poweroff", **more)


TO_CORE = "\x01\x01\x01"

# Every key but those that end the machine, and then the way back to dom0's shell.
KEYS = (("leaving the shell ends it", TO_CORE), ("input goes to the core", "h"),
        ("t: clocks", "q"), ("d0: alive privileged", "r"), ("-- run queues", "e"),
        ("-- event channels", "g"), ("-- grant tables", "i"), ("irq: .* strays", "m"),
        ("of domains, .* of the core", "t"), ("s since 1970", "d"), ("-- registers", "?"),
        ("no such key", TO_CORE), ("input goes to dom0", "echo typed $((6*7))\n"),
        ("typed 42", "poweroff\n"))

def refused(name, *reasons, **more):
    """The core says why it does not start, and ends the machine."""
    return Case(name, task="shell", expect=reasons, ending="guest-reset", **more)


def refused_early(name, cpu, reason):
    """Before there is a core that could end the machine."""
    return Case(name, task="shell", cpu=cpu, last=reason, ending="until")


def traced(*callers):
    """Of the core's back-trace."""
    return tuple(rf"^\(core\)     {caller}\+0x" for caller in callers)


def core_fault(name, vector, where, code, said, expect, **more):
    """The core itself is wrong: it says so, with all CPUs' registers, and ends the machine."""
    return Case(f"core-{name}", task="shell", fault=(where, code),
                expect=(rf"Paravane panic on CPU \d: exception {vector}, {said}",
                        rf"  rip e008:ffff8180[0-9a-f]{{8}} {where}\+0x",
                        r"^\(core\) build-id [0-9a-f]{40}\n"
                        r"\(core\) CPU \d, domain \d+ vCPU \d+:\n\(core\)   rip ", *expect),
                **{"ending": "guest-reset", **more})


# Code with which a function of the core cannot begin well.
READ_STATE = "b977020000" "0f32" "0f20e3" "0f20c6"      # PAT to %edx:%eax, CR4 to %rbx, CR0 to %rsi
UD2 = "0f0b"
LOAD_NOT_CANONICAL = "48b8000000000000de80" "488b00"    # movabs $..., %rax; mov (%rax), %rax
STORE_UNMAPPED = "48b80000addef087ffff" "488900"        # movabs $..., %rax; mov %rax, (%rax)
PUSH_NOWHERE = "48bc0000addef087ffff" "50"              # movabs $..., %rsp; push %rax

# What READ_STATE finds: the ABI's PAT; SMEP, SMAP (not with QEMU 7.2), XSAVE, FSGSBASE; write protection.
STATE = (r"  rax 0000000000070406 rbx 0000000000[13]50[6e]e8 rcx .* rdx 0000000000000501$",
         r"  rsi 0000000080050033 ")


CASES = [
    Case("demo", QUICK, memory=3072, toolstack=True, task="demo+demo_guest+poweroff",
         expect=(r"Linux .* x86_64", r"control_d", r"GUEST: ready")),

    # Machines.
    Case("pc-1cpu", smp=1, expect=facts(1)),
    Case("pc-2cpu", QUICK, smp=2, expect=facts(2)),
    Case("pc-4cpu", smp=4, expect=facts(4)),
    Case("pc-8cpu", smp=8, expect=facts(8), timeout=400),
    Case("q35-1cpu", machine="q35", smp=1, expect=facts(1)),
    Case("q35-2cpu", QUICK, machine="q35", smp=2, expect=facts(2)),
    Case("q35-4cpu", machine="q35", smp=4, expect=facts(4)),
    Case("memory-512m", memory=512, dom0_mem="384M", expect=facts(2)),
    Case("memory-4g", memory=4096, dom0_mem="3072M", expect=facts(2)),
    Case("memory-12g", memory=12288, dom0_mem="8192M", machine="q35", expect=facts(2),
         timeout=400),
    Case("x2apic-off", smp=2, cpu="max,-x2apic", expect=facts(2)),
    Case("smap-off", smp=2, cpu="max,-smap", expect=facts(2)),
    Case("old-cpu", smp=2, cpu="qemu64", expect=facts(2)),

    # Options of the core.
    Case("maxcpus", smp=4, core="maxcpus=2 help bogus=1 loglvl=loud",
         expect=facts(2) + (r"option bogus=1: unknown .*; ignored", r"option loglvl=loud: must be .*; ignored",
                            r"option dom0_max_vcpus=N: vCPUs of the control domain")),
    Case("nosmp", smp=4, core="nosmp", expect=facts(1)),
    Case("dom0-max-vcpus", smp=4, core="dom0_max_vcpus=3", expect=facts(3)),

    # The core's keys.
    Case("keys", task="shell", typing=KEYS, core="loglvl=error",
         expect=(r"CPU [01], domain \d+ vCPU \d+", r"  rip ", r"C: crash the machine",
                 r"CPU 0: \d+ wait", r"port \d+: virq", r"d0 grants: version"), forbid=(r"CPUs running",)),
    Case("keys-polled", task="shell", typing=KEYS, core="console=com1,115200,poll",
         expect=(r"the serial port is polled",)),
    Case("key-reboot", task="shell", ending="guest-reset", expect=(r"\(core\) Rebooting\.",),
         typing=(("CPUs running", TO_CORE), KEYS[1], ("t: clocks", "R"))),
    Case("nmi-machine-check", task="shell", ending="guest-reset",
         typing=(("leaving the shell ends it", "monitor: nmi"),
                 ("NMI without a known reason",
                  "monitor: mce 0 9 0xbd00000000000134 0x4 0x1234 0x0")),
         expect=(r"CPU 0: machine check", r"panic on CPU 0: exception 18", r"build-id [0-9a-f]{40}")),
    Case("key-crash", task="shell", typing=(*KEYS[:2], ("t: clocks", "C")), ending="guest-reset",
         expect=(r"Paravane panic on CPU \d: asked for on the console", r"key_crash\+0x",
                 r"build-id [0-9a-f]{40}")),

    # Faults of the core: on CPU 1, idle for the first time; on CPU 0, the other idle; when a running dom0 calls.
    core_fault("ud", 6, "schedule", READ_STATE + UD2, "error code 0,",
               traced("softirq_run", "idle") + STATE),
    core_fault("double-fault", 8, "dom0_build", READ_STATE + PUSH_NOWHERE, "error code 0,", STATE,
               core="noreboot", ending="until", last=r"\(core\) halted"),
    core_fault("gp", 13, "hypercall_physdev_op", LOAD_NOT_CANONICAL, "error code 0,",
               traced("hypercall_entry", "entry_syscall")),
    core_fault("page-fault", 14, "hypercall_physdev_op", STORE_UNMAPPED,
               "error code 2, cr2 ffff87f0dead0000", traced("hypercall_entry", "entry_syscall")),

    # What cannot be.
    refused("refuse-no-module", r"panic.*the boot loader passed no module", module="none"),
    refused("refuse-no-elf", r"panic.*the first module is not an ELF file", module="text"),
    refused("refuse-dom0-mem-large", r"panic.*dom0_mem=8192M is more than there is", core="dom0_mem=8G"),
    refused("refuse-dom0-mem-small", r"panic.*dom0_mem: 8 MiB is too little", core="dom0_mem=8M"),
    refused_early("refuse-no-long-mode", "max,-lm", r"this CPU has no 64-bit long mode"),
    refused_early("refuse-no-nx", "max,-nx", r"this CPU has no NX"),
    refused_early("refuse-no-apic", "max,-apic", r"this CPU has no local APIC"),
    Case("crash-noreboot", task="crash", core="noreboot", kernel="panic=1", ending="until",
         last=r"\(core\) halted", expect=DOM0_CRASHED,
         allow=(r"Oops", r"Call Trace", r"Kernel panic", r"\bBUG\b")),

    # Firmware.
    Case("grub-bios", QUICK, firmware="bios", expect=facts(2), timeout=300),
    Case("grub-ovmf", firmware="ovmf", machine="q35", expect=facts(2), timeout=400),

    # Devices, by the kind of interrupt they get.
    Case("disks-msix", QUICK, machine="q35", devices=("virtio-blk", "nvme"),
         task="disks+interrupts+poweroff", expect=(r"-msi-x? .*virtio", r"-msi-x? .*nvme")),
    Case("disks-msi", machine="q35", devices=("ahci",),
         task="disks+interrupts+poweroff", expect=(r"-msi .*ahci",)),
    Case("disks-legacy", devices=("virtio-blk-legacy", "ahci", "ide", "nvme"),
         task="disks+interrupts+poweroff", kernel="pci=nomsi",
         expect=(r"ioapic-level .*ahci", r"ioapic-level .*nvme", r"ioapic-edge .*ata_piix"),
         forbid=(r"irq .*-msi",)),
    Case("disks-usb", machine="q35", devices=("usb",), task="disks+interrupts+poweroff",
         expect=(r"-msi-x? .*xhci",)),
    Case("net-msix", QUICK, machine="q35", devices=("virtio-net",),
         task="net+poweroff"),
    Case("net-msi", machine="q35", devices=("e1000e",), task="net+poweroff"),
    Case("net-legacy", devices=("e1000",), task="net+poweroff"),

    # Load, and the ends of a machine.
    Case("load", QUICK, task="load+poweroff", timeout=400, allow=("segfault",)),
    Case("load-1cpu", smp=1, task="load+poweroff", timeout=400, allow=("segfault",)),
    Case("load-4cpu", smp=4, task="load+poweroff", timeout=600, allow=("segfault",)),
    Case("hotplug", smp=4, task="hotplug+poweroff", timeout=300),
    Case("reboot", QUICK, task="reboot", ending="guest-reset",
         expect=(r"\(core\) dom0 asked for a reboot\n\(core\) Rebooting\.",)),
    Case("crash", QUICK, task="crash", ending="guest-reset", kernel="panic=1",
         expect=(r"sysrq triggered crash", *DOM0_CRASHED),
         allow=(r"Oops", r"Call Trace", r"Kernel panic", r"\bBUG\b")),

    # Guests, made by vmctl in dom0.  Tasks share a boot: that is most of the time.
    guests("guest-life", "life", QUICK),
    guests("guests", "ends devices hotplug refused names killed cycles", timeout=900),
    guests("guests-hard", "full restarts hostile", timeout=900),
    guests("guests-by-xl", "by_xl", timeout=600),
    guests("guests-by-xl-alone", "by_xl_alone", timeout=300),
    Case("systemd", memory=3072, dom0_mem="768M", toolstack=True, systemd=True, timeout=600,
         kernel="rdinit=/usr/bin/start quiet", task="systemd_boot+systemd_restarts+systemd_stop+systemd_off",
         expect=(r"^GUEST: going down",)),
    guests("shares", "shares", ("soak",)),
    guests("soak-cycles", "soak", ("soak",), timeout=5400),
    guests("guests-on-xen", "on_peer", ("peer",), timeout=600, peer=True),
]
