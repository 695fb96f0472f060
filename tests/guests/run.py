#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Boot the test guests as control domain, one QEMU each, and report.

    run.py --hv hypervisor/paravane.elf --guests BUILD/tests/guests [NAME...]
    run.py --hv xen.elf --peer --guests ...

Tags in a test's header comment:
    QEMU: smp=4 mem=1024      more CPUs or memory than the default 2 and 512; cpu=MODEL
    HV: option=...            added to the hypervisor's command line
    EXPECT: crash             right is that the hypervisor crashes the guest, and says so
    PEER: differs: WHY        with --peer, anything but a hang is accepted and shown as "differs"
    ALSO: bochs               with --bochs, once more on bochs: a CPU with PCID and UMIP
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
VERDICT = re.compile(r"TEST (\S+) (PASSED|FAILED|SKIPPED)(.*)")
CRASHED = re.compile(r"dom(?:ain)? ?0\b.*\b(?:crashed|watchdog)", re.IGNORECASE)
FORBIDDEN = re.compile(
    r"\bpanic|\bASSERT|hypervisor bug|Xen BUG|FATAL TRAP|double fault", re.IGNORECASE)
DEFAULTS = {"smp": "2", "mem": "512"}

# No QEMU without KVM has PCID.  bochs flushes whatever CR3's top bit says, so what it shows is that
# nothing faults.  In a network of its own: the display listens.
BOCHS = ["unshare", "--map-root-user", "--net", "bochs", "-q", "-f", "FOLDER/bochsrc", "-rc", "FOLDER/commands"]
BOCHSRC = """\
cpu: model=corei7_icelake_u, count={smp}, ips=100000000, reset_on_triple_fault=0, ignore_bad_msrs=1
memory: guest={mem}, host={mem}
romimage: file=/usr/share/bochs/BIOS-bochs-latest, options=fastboot
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
ata0-master: type=cdrom, path={folder}/boot.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=/dev/stdout
clock: sync=none
display_library: rfb, options="timeout=0"
log: {folder}/log
panic: action=report
error: action=ignore
info: action=ignore
"""
GRUB_MENU = """\
set timeout=0
menuentry test {{
    multiboot2 /core {options}
    module2 /guest
}}
"""


class Test:
    """One guest and what its header says about it."""

    def __init__(self, source):
        self.name = source.stem
        header = source.read_text().split("*/\n#include", 1)[0]
        self.qemu = dict(DEFAULTS)
        for words in re.findall(r"QEMU: ([^\n*]*)", header):
            self.qemu.update(word.split("=", 1) for word in words.split())
        self.options = " ".join(re.findall(r"HV: ([^\n*]*)", header))
        self.crash = "EXPECT: crash" in header
        self.also_bochs = "ALSO: bochs" in header
        self.differs = re.search(r"PEER: differs: (.*?)(?:\n \*\n|\Z)", header, re.DOTALL)
        if self.differs:
            self.differs = re.sub(r"\s*\n \* ?", " ", self.differs.group(1)).strip(" */\n")


def bochs_command(arguments, test, guest, options, folder):
    """A CD with GRUB, the core and the guest, and a bochs that starts from it."""
    (folder / "iso/boot/grub").mkdir(parents=True)
    shutil.copy(arguments.hv, folder / "iso/core")
    shutil.copy(guest, folder / "iso/guest")
    (folder / "iso/boot/grub/grub.cfg").write_text(GRUB_MENU.format(options=options))
    (folder / "bochsrc").write_text(BOCHSRC.format(folder=folder, **test.qemu))
    (folder / "commands").write_text("continue\n")
    subprocess.run(["grub-mkrescue", "-o", folder / "boot.iso", folder / "iso"],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return [word.replace("FOLDER", str(folder)) for word in BOCHS]


def command_line(arguments, test, guest, bochs_folder):
    speed = "com1=115200,8n1" if arguments.peer else ""
    append = f"console=com1 {speed} noreboot=0 dom0_mem=128M,max:128M {test.options} " \
             f"{arguments.hv_options}"
    if bochs_folder is not None:
        return bochs_command(arguments, test, guest, append, bochs_folder)
    return [*shlex.split(arguments.qemu), "-accel", "tcg,thread=multi", "-cpu", test.qemu.get("cpu", arguments.cpu),
            "-m", test.qemu["mem"], "-smp", test.qemu["smp"], "-nographic", "-nodefaults",
            "-serial", "stdio", "-monitor", "none", "-no-reboot",
            "-kernel", str(arguments.hv), "-append", append.strip(), "-initrd", str(guest)]


def boot(arguments, command, timeout):
    """The console's text, the reason we stopped listening, and the seconds it took."""
    started = time.monotonic()
    deadline = started + timeout
    qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, start_new_session=True)
    text, reason = b"", None
    try:
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return text.decode(errors="replace"), reason or "timeout", \
                    time.monotonic() - started
            if not select.select([qemu.stdout], [], [], left)[0]:
                continue
            piece = os.read(qemu.stdout.fileno(), 65536)
            if not piece:
                return text.decode(errors="replace"), reason or "exit", \
                    time.monotonic() - started
            text += piece
            if reason is None and decided(text.decode(errors="replace")):
                # Something bad may still follow the verdict: listen a moment longer.
                reason = "verdict"
                deadline = min(deadline, time.monotonic() + arguments.linger)
    finally:
        if qemu.poll() is None:
            os.killpg(qemu.pid, signal.SIGKILL)
        qemu.wait()


def decided(text):
    complete = text.rsplit("\n", 1)[0]
    return VERDICT.search(complete) is not None or CRASHED.search(complete) is not None \
        or FORBIDDEN.search(complete) is not None


def judge(test, text, reason):
    """PASSED, FAILED or SKIPPED, and why."""
    verdict = VERDICT.search(text)
    bad = FORBIDDEN.search(text)
    if bad:
        return "FAILED", f"the hypervisor said \"{bad.group(0)}\""
    crashed = CRASHED.search(text)
    if test.crash:
        if verdict and verdict.group(2) == "SKIPPED":
            return "SKIPPED", verdict.group(3).lstrip(": ")
        if crashed and not verdict:
            return "PASSED", ""
        return "FAILED", "the guest should have been crashed" if verdict else f"({reason})"
    if not verdict:
        return "FAILED", "the guest was crashed" if crashed else f"no verdict ({reason})"
    if verdict.group(1) != test.name:
        return "FAILED", f"verdict of another test: {verdict.group(1)}"
    return verdict.group(2), verdict.group(3).strip(": ()\r")


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--hv", type=pathlib.Path, required=True, help="hypervisor, a multiboot ELF")
    parser.add_argument("--guests", type=pathlib.Path, default=pathlib.Path("/tmp/paravane-guests"),
                        help="where the built guests are (%(default)s)")
    parser.add_argument("--peer", action="store_true", help="honour PEER: tags")
    parser.add_argument("--bochs", action="store_true", help="honour ALSO: bochs")
    parser.add_argument("--hv-options", default="", help="more for the hypervisor's command line")
    parser.add_argument("--qemu", default="qemu-system-x86_64", help="with more options, perhaps")
    parser.add_argument("--cpu", default="max,-smap")
    parser.add_argument("--timeout", type=float, default=20, help="seconds per test")
    parser.add_argument("--jobs", type=int, default=1, help="machines at a time (%(default)s)")
    parser.add_argument("--linger", type=float, default=0.15, help=argparse.SUPPRESS)
    parser.add_argument("--logs", type=pathlib.Path, help="keep each test's console there")
    parser.add_argument("-v", "--verbose", action="store_true", help="show every console")
    parser.add_argument("--list", action="store_true", help="name the tests and stop")
    parser.add_argument("names", nargs="*")
    return parser.parse_args(argv)


def show(text):
    for line in text.replace("\r", "").split("\n"):
        print("    | " + "".join(c if c.isprintable() else "." for c in line))


def run_one(arguments, test, on_bochs):
    guest = arguments.guests / f"{test.name}.elf"
    if not guest.exists():
        return "FAILED", f"not built: {guest}", "", 0.0
    with tempfile.TemporaryDirectory(prefix="paravane.") as folder:
        folder = pathlib.Path(folder) if on_bochs else None
        try:
            command = command_line(arguments, test, guest, folder)
            text, reason, seconds = boot(arguments, command, arguments.timeout * (1 + 2 * on_bochs))
        except (OSError, subprocess.CalledProcessError) as error:
            return "FAILED", str(error), "", 0.0
    if arguments.logs:
        (arguments.logs / f"{test.name}{'@bochs' * on_bochs}.log").write_text(text)
    result, why = judge(test, text, reason)
    if on_bochs and "no PCID" in text:
        result, why = "FAILED", "a CPU without PCID"
    if result == "FAILED" and arguments.peer and test.differs and reason != "timeout":
        result, why = "DIFFERS", f"{test.differs} ({why})"
    return result, why, text, seconds


def main(argv):
    arguments = parse(argv)
    tests = [Test(source) for source in sorted(HERE.glob("*.c"))]
    known = {test.name for test in tests}
    unknown = [name for name in arguments.names if name not in known]
    if unknown:
        sys.exit(f"no such test: {' '.join(unknown)}")
    if arguments.names:
        tests = [test for test in tests if test.name in arguments.names]
    if arguments.list:
        print("\n".join(test.name for test in tests))
        return 0
    if not arguments.hv.exists():
        sys.exit(f"no such file: {arguments.hv}")
    if arguments.logs:
        arguments.logs.mkdir(parents=True, exist_ok=True)

    counts = {"PASSED": 0, "FAILED": 0, "SKIPPED": 0, "DIFFERS": 0}
    failed = []
    pool = concurrent.futures.ThreadPoolExecutor(max_workers=arguments.jobs)
    runs = [(test, False) for test in tests]
    if arguments.bochs:
        runs += [(test, True) for test in tests if test.also_bochs]
    outcomes = pool.map(lambda run: run_one(arguments, *run), runs)
    for (test, on_bochs), (result, why, text, seconds) in zip(runs, outcomes):
        name = test.name + "@bochs" * on_bochs
        counts[result] += 1
        mark = {"PASSED": "PASS", "FAILED": "FAIL", "SKIPPED": "SKIP", "DIFFERS": "PASS"}[result]
        note = f"  peer differs: {why}" if result == "DIFFERS" else f"  {why}" if why else ""
        print(f"{mark} {name} {seconds:.1f}s{note}", flush=True)
        if result == "FAILED":
            failed.append(name)
        if arguments.verbose or result == "FAILED":
            show(text)
    if failed:
        print("failed: " + " ".join(failed))
    print(f"{counts['PASSED'] + counts['DIFFERS']} passed, {counts['FAILED']} failed, "
          f"{counts['SKIPPED']} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
