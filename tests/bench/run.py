#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What Paravane costs, in instructions: one table, against Debian's Xen and bare Linux.

    run.py --build BUILD                       everything: half an hour
    run.py --build BUILD --parts kernel        the core's primitives only: seconds
    run.py --build BUILD --runs 1 --systems paravane --parts user

QEMU counts: one instruction is one tick of the TSC, waiting costs nothing, and every run gives the
same figures; --runs 2 sees to that.  A verdict is information; with --check, "missed" is a failure, and so is
a difference between two runs.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import types
from dataclasses import asdict, dataclass

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))
from machine import Machine, accelerator, boot_arguments, qemu_version, usable  # noqa: E402
from make_initramfs import Archive  # noqa: E402

SYSTEMS = ("paravane", "peer", "bare")
PARTS = ("kernel", "user", "life", "devices")
IN_BARE_LINUX = ("user",)       # parts that need no hypervisor
CONTROLS = ("k_empty", "k_rdtsc", "empty", "spin_10ms")
BOOT = "boot_to_init"

# Wanted at most, as a share of the peer's; and in KiB, whatever the peer's is.
SHARES = {"create_tiny": 0.15, "destroy_tiny": 0.3, "create_debian": 0.05, "debian_boot": 1}
KIB = {"core_kib_per_guest": 64, "dom0_kib_per_guest": 256}
FIRST_OF_MANY, LAST_OF_MANY = "create_tiny_of_many_1", "create_tiny_of_many_20"
WARM = "warm"                   # a row that warms up, and is not shown

RESULT = re.compile(r"BENCH (\w+) n=(\d+) min=(\d+) median=(\d+) max=(\d+)$", re.MULTILINE)
# Nothing more comes after these.
KERNEL_END = re.compile(r"^TEST bench (PASSED|FAILED|SKIPPED)", re.MULTILINE)
LINUX_END = re.compile(r"BENCH-END|bench_user: .*\n|Kernel panic|DOM0: .*FAILED.*\n")

# The kernel must not draw addresses by lot: a figure that depends on them is not the same twice.
KERNEL_OPTIONS = "quiet panic=-1 nokaslr norandmaps"
PEER_OPTIONS = "com1=115200,8n1 loglvl=warning guest_loglvl=warning"


class Unmeasured(Exception):
    """A figure could not be had; the text says why."""


@dataclass
class Row:
    """One line of the table.  Figures are instructions per operation, None where not measured."""
    name: str
    paravane: float = None
    peer: float = None
    bare: float = None
    wanted: float = None            # at most
    verdict: str = ""

    def judge(self):
        if self.name in CONTROLS:
            self.verdict = "control"
            return
        wanted = self.limit()
        if self.paravane is None:
            self.verdict = "not measured"
        elif wanted is None:
            self.verdict = "-"
        else:
            self.judge_against(wanted)

    def judge_against(self, wanted):
        self.wanted = wanted
        over = self.paravane - wanted
        self.verdict = "ok" if over <= 0 else f"missed by {number(over)}"

    def limit(self):
        """None if there is none, or nothing to compare with."""
        if self.name in KIB:
            return KIB[self.name]
        if self.peer is None:
            return None
        if self.name.startswith("k_"):
            return self.peer / 2
        if self.name == BOOT or self.name.startswith(("net_", "disk_")):
            return self.peer
        if self.name in SHARES:
            return SHARES[self.name] * self.peer
        return None if self.bare is None else wanted_in_dom0(self.peer, self.bare)


def wanted_in_dom0(peer, bare):
    """Half of the gap closed; where there is none to speak of, no worse than the worse one."""
    if peer - bare < 0.01 * bare:
        return max(peer, bare)
    return (peer + bare) / 2


def number(value):
    if value is None:
        return "-"
    if value >= 1e8:
        return f"{value / 1e6:.1f}M"
    return f"{value:.0f}" if value >= 1000 else f"{value:.1f}"


# --- running ----------------------------------------------------------------------------------


def note(text):
    print(text, file=sys.stderr, flush=True)


def behind(first, archive):
    """An initramfs and one more; the kernel unpacks one after the other."""
    return first + bytes(-len(first) % 4) + archive.finish()


def make_initramfs(options, part, folder):
    """dom0's initramfs with the benchmark behind it."""
    programs, images = options.build / "tests/bench", options.build / "tests/system"
    archive = Archive()
    if part == "user":
        first = images / "initramfs.cpio.gz"
        archive.add("dev/zero", 0o020666, device=(1, 5))
        archive.file("bench_user", (programs / "bench_user").read_bytes())
    else:
        first = images / "toolstack.cpio.gz"
        meter = (programs / "bench_meter").read_bytes()
        guest = Archive()
        guest.file("init", (HERE / "guest.sh").read_bytes())
        guest.file("usr/bin/bench_meter", meter)
        archive.file("guest/bench.cpio",
                     behind((images / "guest.cpio.gz").read_bytes(), guest))
        archive.file("guest/tiny.elf", (programs / "kernel/tiny.elf").read_bytes())
        archive.file("usr/bin/bench_meter", meter)
        archive.file("etc/guests.sh",
                     (HERE.parent / "system/dom0/guests.sh").read_bytes() +
                     (HERE / "dom0.sh").read_bytes())
    result = folder / "initramfs"
    result.write_bytes(behind(first.read_bytes(), archive))
    return result


def task(part, system):
    """What dom0 is told to do."""
    if part == "user":
        return "rdinit=/bench_user"
    toolstack = "xl" if (part, system) == ("life", "peer") else "vmctl"
    return f"paravane.task=bench_{part} paravane.toolstack={toolstack}"


def memory(part, system):
    """Of the machine, and dom0's options, which the two hypervisors spell differently."""
    machine, dom0 = (512, "128M") if part == "kernel" else (4096, "1024M")
    maximum = f",max:{dom0}" if system == "peer" else ""
    return machine, f"dom0_mem={dom0}{maximum}"


def command_line(options, part, system, folder):
    machine_memory, dom0_memory = memory(part, system)
    cpu = usable("max", qemu_version(options.qemu))
    common = [options.qemu, *accelerator(icount=True), "-cpu", cpu, "-smp", "1",
              "-m", str(machine_memory), "-no-reboot", "-seed", "1",
              "-rtc", "base=2024-01-01,clock=vm"]
    kernel = options.build / "tests/system/vmlinux"
    words = f"{KERNEL_OPTIONS} {task(part, system)}"
    if system == "bare":
        return common + ["-kernel", str(kernel), "-initrd",
                         str(make_initramfs(options, part, folder)),
                         "-append", f"console=ttyS0 {words}"]
    hypervisor = options.hv if system == "paravane" else options.peer
    core = f"console=com1 {dom0_memory} {PEER_OPTIONS if system == 'peer' else ''}".strip()
    if part == "kernel":
        guest = options.build / "tests/bench/kernel/bench.elf"
        return common + ["-kernel", str(hypervisor), "-append", core, "-initrd", str(guest)]
    images = types.SimpleNamespace(core=hypervisor, kernel=kernel,
                                   initramfs=make_initramfs(options, part, folder))
    return common + boot_arguments(folder, "qemu", images, core, f"console=hvc0 {words}")


def measure(options, part, system):
    """One boot: {row: instructions per operation}."""
    end = KERNEL_END if part == "kernel" else LINUX_END
    with tempfile.TemporaryDirectory(prefix="paravane.") as folder:
        arguments = command_line(options, part, system, pathlib.Path(folder))
        with Machine(arguments) as machine:
            machine.start()
            machine.run(options.timeout, until=lambda text: end.search(text) is not None)
            text, ending = machine.text, machine.ending
    if options.logs:
        options.logs.mkdir(parents=True, exist_ok=True)
        (options.logs / f"{part}-{system}.log").write_text(text, encoding="latin-1")
    found = end.search(text)
    good = found is not None and found.group(0) in ("TEST bench PASSED", "BENCH-END")
    if not good:
        tail = "\n".join("    | " + line for line in text.rstrip().split("\n")[-15:])
        raise Unmeasured(f"{part} rows on {system}: QEMU ended with \"{ending}\"; the console:\n"
                         f"{tail}")
    samples = {}
    for name, n, _, middle, _ in RESULT.findall(text):
        samples.setdefault(name, []).append(int(middle) / int(n))
    samples.pop(WARM, None)
    return {name: statistics.median(several) for name, several in samples.items()}


def deviation(first, second):
    """The largest relative difference between two runs, and the row that has it."""
    worst = 0.0, ""
    for name in sorted(set(first) | set(second)):
        if name not in first or name not in second:
            raise Unmeasured(f"{name} was measured in one of two runs only")
        worst = max(worst, (abs(first[name] - second[name]) / first[name], name))
    return worst


def measure_all(options, problems):
    """{system: {row: figure}}, and the largest deviation of all."""
    figures = {system: {} for system in options.systems}
    worst = 0.0, ""
    for part in options.parts:
        for system in options.systems:
            if system == "bare" and part not in IN_BARE_LINUX or \
                    system == "peer" and not options.peer:
                continue
            try:
                runs = []
                for run in range(options.runs):
                    note(f"bench: {part} rows on {system}, run {run + 1} of {options.runs}")
                    runs.append(measure(options, part, system))
                for other in runs[1:]:
                    share, name = deviation(runs[0], other)
                    worst = max(worst, (share, f"{name} on {system}"))
                figures[system].update(runs[0])
            except (Unmeasured, OSError, RuntimeError) as problem:
                problems.append(str(problem))
    return figures, worst


# --- the table --------------------------------------------------------------------------------


def make_rows(figures):
    names = []
    for of_system in figures.values():
        names += [name for name in of_system if name not in names]
    # Booting is measured first, and read last.
    names.sort(key=lambda name: name == BOOT)
    rows = []
    for name in names:
        row = Row(name, **{system: figures[system].get(name) for system in figures})
        row.judge()
        if name == LAST_OF_MANY and row.paravane is not None:
            row.judge_against(1.05 * figures["paravane"][FIRST_OF_MANY])
        rows.append(row)
    return rows


def cells(row):
    ratio = gap = None
    if row.paravane is not None and row.peer:
        ratio = f"{row.paravane / row.peer:.3f}"
        if row.bare is not None and row.peer - row.bare >= 0.01 * row.bare:
            gap = f"{100 * (row.peer - row.paravane) / (row.peer - row.bare):.0f} %"
    return [row.name, number(row.paravane), number(row.peer), number(row.bare), ratio or "-",
            gap or "-", number(row.wanted), row.verdict]


def print_table(rows):
    lines = [["row", "Paravane", "Xen 4.17", "bare", "ratio", "gap closed", "wanted", "verdict"]]
    lines += [cells(row) for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]

    def show(line):
        print("| " + " | ".join(cell.ljust(width) if i in (0, 7) else cell.rjust(width)
                                for i, (cell, width) in enumerate(zip(line, widths))) + " |")

    show(lines[0])
    print("|" + "|".join("-" * (width + 1) + ("-" if i in (0, 7) else ":")
                         for i, width in enumerate(widths)) + "|")
    for line in lines[1:]:
        show(line)


def fetch_peer():
    cache = os.environ.get("PARAVANE_CACHE") or \
        os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "paravane")
    fetched = subprocess.run(["sh", HERE / "fetch_peer.sh", cache], stdout=subprocess.PIPE,
                             text=True, check=False)
    if fetched.returncode != 0:
        raise Unmeasured("Debian's Xen is not there to compare with (--peer FILE gives one)")
    return pathlib.Path(fetched.stdout.strip().split("\n")[-1])


def names_of(allowed):
    def parse(text):
        chosen = text.split(",")
        if not set(chosen) <= set(allowed):
            raise argparse.ArgumentTypeError(f"only these are known: {','.join(allowed)}")
        return [name for name in allowed if name in chosen]
    return parse


def parse_options(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--build", type=pathlib.Path, required=True, help="the build tree")
    parser.add_argument("--hv", type=pathlib.Path, help="another core than the build tree's")
    parser.add_argument("--peer", type=pathlib.Path, help="Debian's Xen, if it is at hand")
    parser.add_argument("--parts", type=names_of(PARTS), default=list(PARTS),
                        help="of " + ",".join(PARTS))
    parser.add_argument("--systems", type=names_of(SYSTEMS), default=list(SYSTEMS),
                        help="of " + ",".join(SYSTEMS))
    parser.add_argument("--runs", type=int, choices=(1, 2, 3), default=2,
                        help="boots per figure (%(default)s)")
    parser.add_argument("--check", action="store_true",
                        help="a missed figure is a failure, or one that differs")
    parser.add_argument("--json", type=pathlib.Path,
                        help="where the table goes to be read by programs "
                             "(BUILD/tests/bench/figures.json)")
    parser.add_argument("--logs", type=pathlib.Path, help="keep the consoles there")
    parser.add_argument("--qemu", default="qemu-system-x86_64")
    parser.add_argument("--timeout", type=float, default=900, help="seconds per boot")
    options = parser.parse_args(argv)
    options.hv = options.hv or options.build / "hypervisor/paravane.elf"
    options.json = options.json or options.build / "tests/bench/figures.json"
    return options


def main(argv):
    options = parse_options(argv)
    problems = []
    if "peer" in options.systems and options.peer is None:
        try:
            options.peer = fetch_peer()
        except Unmeasured as problem:
            problems.append(str(problem))
    figures, (share, where) = measure_all(options, problems)
    rows = make_rows(figures)
    print_table(rows)
    missed = [row.name for row in rows if row.verdict.startswith("missed")]
    lost = [row.name for row in rows if row.paravane is None] if figures.get("paravane") else []
    if lost:
        problems.append(f"{', '.join(lost)} on paravane")
    judged = sum(row.verdict == "ok" for row in rows) + len(missed)
    print(f"\n{judged - len(missed)} of {judged} as wanted.")
    if options.runs > 1 and not problems:
        at = f" ({where})" if share > 0 else ""
        print(f"Largest difference between {options.runs} runs: {100 * share:.4f} %{at}.")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"rows": [asdict(row) for row in rows], "deviation": share},
                                       indent=1) + "\n", encoding="ascii")
    for problem in problems:
        note(f"bench: not measured: {problem}")
    return 1 if problems or options.check and (missed or share > 0) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
