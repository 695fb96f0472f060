#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Boot a stock Debian kernel as dom0 on many machines, and see that all is well.

    run.py --build BUILD [NAME|TAG...]    by name, or by tag (default: quick)
    run.py --list                         what there is
    run.py --build BUILD --demo           one boot, with its console shown
    run.py --build BUILD --shell          the same, at a terminal

--hv takes another hypervisor that speaks multiboot (with --peer: Debian's Xen),
so that a failure can be told from a fault of the test.
"""
import argparse
import hashlib
import os
import pathlib
import re
import sys
import time
from dataclasses import dataclass, field

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cases import CASES  # noqa: E402
from debugger import build_id  # noqa: E402
from machine import Machine, accelerator, boot_arguments, qemu_version, usable  # noqa: E402

DISK_SIZE = 4 << 20

# Nothing that goes well says any of this.
FORBIDDEN = [r"FAILED", r"\bBUG\b", r"Oops", r"Call Trace", r"Kernel panic", r"WARNING: CPU",
             r"general protection", r"segfault", r"\bPANIC\b", r"[Aa]ssertion", r"soft lockup",
             r"rcu_\w+ .*stall", r"modprobe: "]

# After this nothing more will come.
HOPELESS = re.compile(r"error: you need to load the kernel first|error: no multiboot header")

# How each device of a case is given to QEMU; {file} is a disk of its own.
DEVICES = {
    "virtio-blk": ["-drive", "if=none,id={id},format=raw,file={file}",
                   "-device", "virtio-blk-pci,drive={id}"],
    "virtio-blk-legacy": ["-drive", "if=none,id={id},format=raw,file={file}",
                          "-device", "virtio-blk-pci,drive={id},disable-modern=on,vectors=0"],
    "ahci": ["-drive", "if=none,id={id},format=raw,file={file}",
             "-device", "ich9-ahci,id=ahci{id}", "-device", "ide-hd,drive={id},bus=ahci{id}.0"],
    "ide": ["-drive", "if=ide,format=raw,file={file}"],
    "nvme": ["-drive", "if=none,id={id},format=raw,file={file}",
             "-device", "nvme,drive={id},serial={id}"],
    "usb": ["-drive", "if=none,id={id},format=raw,file={file}",
            "-device", "qemu-xhci,id=usb{id}", "-device", "usb-storage,drive={id},bus=usb{id}.0"],
    "virtio-net": ["-netdev", "user,id={id},tftp={tftp}", "-device", "virtio-net-pci,netdev={id}"],
    "e1000": ["-netdev", "user,id={id},tftp={tftp}", "-device", "e1000,netdev={id}"],
    "e1000e": ["-netdev", "user,id={id},tftp={tftp}", "-device", "e1000e,netdev={id}"],
}


@dataclass
class Images:
    core: pathlib.Path
    kernel: pathlib.Path
    initramfs: pathlib.Path


@dataclass
class Verdict:
    problems: list = field(default_factory=list)
    seconds: float = 0
    text: str = ""


def pattern(seed):
    """Bytes nobody gets right by chance, different for each disk."""
    block = b"".join(hashlib.sha256(b"%d.%d" % (seed, i)).digest() for i in range(2048))
    return b"".join(block[i:] + block[:i] for i in range(DISK_SIZE // len(block)))


def md5(data):
    return hashlib.md5(data).hexdigest()


class Peripherals:
    """The devices of a case, with their files, and what must be true of them later."""

    def __init__(self, case, folder):
        self.arguments = []
        self.disks = []
        self.nets = 0
        tftp = folder / "tftp"
        tftp.mkdir()
        (tftp / "pattern").write_bytes(pattern(99))
        for number, device in enumerate(case.devices):
            name = f"d{number}"
            file = folder / name
            words = DEVICES[device]
            if any("{file}" in word for word in words):
                file.write_bytes(pattern(number))
                self.disks.append((device, file, pattern(number)))
            else:
                self.nets += 1
            self.arguments += [word.format(id=name, file=file, tftp=tftp) for word in words]

    def problems(self, text):
        for device, file, before in self.disks:
            if f"reads {md5(before)}" not in text:
                yield f"{device}: dom0 did not read what was on the disk"
            half = DISK_SIZE // 2
            if file.read_bytes() != before[:half] * 2:
                yield f"{device}: the disk does not hold what dom0 wrote"
        if len(re.findall(f"net eth.* read {md5(pattern(99))}", text)) != self.nets:
            yield "a network interface did not transfer what it should"


def command_line(options, case, folder, peripherals):
    core = f"console=com1 dom0_mem={case.dom0_mem} {case.core}"
    hypervisor = options.xen if case.peer else options.hv
    if options.peer or case.peer:
        # Emulated AVX may leave the trap out by which Xen notices that a guest uses the FPU.
        core = f"com1=115200,8n1 spec-ctrl=eager-fpu {core} dom0_mem={case.dom0_mem},max:{case.dom0_mem}"
    kernel = f"console=hvc0 panic=-1 paravane.task={case.task} " \
             f"paravane.disks={len(peripherals.disks)} " \
             f"paravane.patience={max(1, round(options.patience))} {case.kernel} " + \
             " ".join(f"paravane.{setting}" for setting in options.set)
    initramfs = options.toolstack if case.toolstack else options.initramfs
    if case.systemd:
        initramfs = options.systemd
    images = Images(hypervisor, options.kernel, initramfs)
    if case.module == "text":
        images.kernel = folder / "text"
        images.kernel.write_text("no kernel\n", encoding="ascii")
    boot = boot_arguments(folder, case.firmware, images, core.strip(), kernel.strip())
    if case.module == "none":
        boot = boot[:boot.index("-initrd")]
    cpu = options.cpu or usable(case.cpu, options.qemu_version)
    return [options.qemu, *accelerator(), "-machine", case.machine, "-cpu", cpu,
            "-smp", str(case.smp), "-m", str(case.memory), "-no-reboot", *boot, *peripherals.arguments]


def judge(case, machine, core, peripherals):
    text = machine.text
    if machine.ending != case.ending:
        yield f"the machine ended by {machine.ending}, not {case.ending}"
    for task in case.task.split("+"):
        if task in case.unfinished:
            continue
        if f"DOM0: {task} ok" not in text:
            yield f"dom0 did not finish its task {task}"
    for wanted in case.expect:
        if not re.search(wanted, text, re.MULTILINE):
            yield f"not on the console: {wanted}"
    for forbidden in FORBIDDEN + list(case.forbid):
        if forbidden in case.allow:
            continue
        found = re.search(f"^.*{forbidden}.*$", text, re.MULTILINE)
        if found:
            yield f"on the console: {found[0].strip()[:120]}"
    for shown in re.findall(r"build-id (\w*)", text):
        if shown != build_id(core):
            yield f"the console names build-id {shown}, the image is {build_id(core)}"
    if "disks" in case.task or "net" in case.task:
        yield from peripherals.problems(text)


def ask_core(machine, echo):
    """What the core has to say about a machine that does not get on."""
    for keys in ("\x01\x01\x01", "d", "q", "r", "e"):
        machine.type(keys)
        machine.run(3, echo=echo)
    machine.ending = "timeout"


MONITOR = "monitor: "


class Typist:
    """Types what the case says as soon as what it waits for is on the console."""

    def __init__(self, case, machine):
        self.left = list(case.typing)
        self.last = re.compile(case.last) if case.last else None
        self.machine = machine
        self.seen = 0

    def look(self, text):
        found = self.left and re.compile(self.left[0][0]).search(text, self.seen)
        if found:
            self.seen = found.end()
            text = self.left.pop(0)[1]
            if text.startswith(MONITOR):
                self.machine.command(text.removeprefix(MONITOR))
            else:
                self.machine.type(text)
        return HOPELESS.search(text) or (self.last and self.last.search(text))


def run_case(options, case, echo=None):
    verdict = Verdict()
    started = time.monotonic()
    with Machine([]) as machine:
        try:
            if case.peer and not options.xen.is_file():
                raise RuntimeError("Debian's Xen could not be had; see `make dom0`")
            if case.systemd and not options.systemd.is_file():
                raise RuntimeError(f"{options.systemd} is missing; `make dom0-systemd` makes it")
            peripherals = Peripherals(case, machine.folder)
            machine.arguments = command_line(options, case, machine.folder, peripherals)
            machine.start(options.hv, case.fault)
            typist = Typist(case, machine)
            machine.run(case.timeout * options.patience, typist.look, echo)
            if machine.ending == "timeout":
                ask_core(machine, echo)
            verdict.problems = list(judge(case, machine, options.hv, peripherals))
            verdict.problems += [f"never on the console: {wanted}" for wanted, _ in typist.left]
        except (RuntimeError, OSError) as error:
            verdict.problems = [str(error)]
        verdict.text = machine.text
        verdict.seconds = time.monotonic() - started
    return verdict


def select(words):
    words = words or ["quick"]
    known = {case.name for case in CASES} | {tag for case in CASES for tag in case.tags} | {"all"}
    for word in words:
        if word not in known:
            sys.exit(f"run.py: no case and no tag is called {word} (--list shows them)")
    return [case for case in CASES
            if "all" in words or case.name in words or set(words) & set(case.tags)]


def show_list():
    for case in CASES:
        print(f"{case.name:24} {'+'.join(case.tags):12} {case.machine:4} cpus={case.smp} "
              f"memory={case.memory} {case.firmware} {case.task}")


def run_all(options):
    failed = 0
    chosen = select(options.words)
    log_folder = options.build / "tests/system/logs"
    log_folder.mkdir(parents=True, exist_ok=True)
    for number, case in enumerate(chosen, 1):
        echo = None
        if options.verbose:
            echo = lambda text: print(text, end="", flush=True)  # noqa: E731
        verdict = run_case(options, case, echo)
        (log_folder / f"{case.name}.log").write_text(verdict.text, encoding="utf-8")
        word = "FAIL" if verdict.problems else "PASS"
        print(f"{word}: system/{case.name} ({verdict.seconds:.0f} s) [{number}/{len(chosen)}]",
              flush=True)
        if verdict.problems:
            failed += 1
            for problem in verdict.problems:
                print(f"    {problem}")
            print("    the console's last lines:")
            for line in verdict.text.splitlines()[-40:]:
                print(f"    | {line}", flush=True)
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return 1 if failed else 0


def demo(options):
    """The one case made to be looked at."""
    case = next(case for case in CASES if case.name == "demo")
    verdict = run_case(options, case, echo=lambda text: print(text, end="", flush=True))
    print()
    for problem in verdict.problems:
        print(f"demo: {problem}")
    if not verdict.problems:
        print(f"demo: dom0 came up, made a guest, ended it and powered the machine off "
              f"in {verdict.seconds:.0f} seconds.")
    return 1 if verdict.problems else 0


def shell(options):
    """The same machine with this terminal as its console; QEMU takes our place."""
    case = next(case for case in CASES if case.name == "demo")
    case.task = "demo_shell"
    with Machine([]) as machine:
        command = command_line(options, case, machine.folder, Peripherals(case, machine.folder))
    print("Ctrl-A x ends QEMU; 'poweroff' in dom0 ends it the polite way.", flush=True)
    command += ["-nodefaults", "-display", "none", "-serial", "mon:stdio"]
    os.execvp(command[0], command)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("."))
    parser.add_argument("--hv", type=pathlib.Path)
    parser.add_argument("--peer", action="store_true", help="the hypervisor is Debian's Xen")
    parser.add_argument("--kernel", type=pathlib.Path)
    parser.add_argument("--initramfs", type=pathlib.Path)
    parser.add_argument("--qemu", help="default: what `make dom0` found")
    parser.add_argument("--cpu", help="default: the case's, without what that QEMU gets wrong")
    parser.add_argument("--patience", type=float, default=1, help="factor for every timeout")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE",
                        help="for what dom0 does: see tests/system/dom0/soak.sh")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--demo", action="store_true")
    parser.add_argument("--shell", action="store_true")
    parser.add_argument("-v", "--verbose", action="store_true", help="show the consoles")
    parser.add_argument("words", nargs="*", metavar="NAME|TAG")
    options = parser.parse_args()

    options.hv = options.hv or options.build / "hypervisor/paravane.elf"
    options.kernel = options.kernel or options.build / "tests/system/vmlinux"
    options.initramfs = options.initramfs or options.build / "tests/system/initramfs.cpio.gz"
    options.toolstack = options.build / "tests/system/toolstack.cpio.gz"
    options.systemd = options.build / "tests/system/systemd.cpio.gz"
    found = options.build / "tests/system/emulator"
    options.qemu = options.qemu or (found.read_text(encoding="utf-8").strip() if found.exists()
                                    else "qemu-system-x86_64")
    xen = options.build / "tests/system/xen"
    options.xen = pathlib.Path(xen.read_text(encoding="utf-8").strip() if xen.exists() else "")
    if options.list:
        return show_list()
    for image in (options.hv, options.kernel, options.initramfs, options.toolstack):
        if not image.exists():
            sys.exit(f"run.py: {image} is missing; ./bootstrap makes it")
    options.qemu_version = qemu_version(options.qemu)
    if options.shell:
        return shell(options)
    return demo(options) if options.demo else run_all(options)


if __name__ == "__main__":
    sys.exit(main())
