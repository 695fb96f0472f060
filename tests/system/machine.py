# SPDX-License-Identifier: MIT
"""One machine in QEMU: its command line, its console, and how it ended."""
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from debugger import Debugger, symbol


def qemu_version(qemu):
    """The first number of it."""
    said = subprocess.run([qemu, "--version"], capture_output=True, text=True, check=True).stdout
    return int(re.search(r"version (\d+)", said)[1])


def usable(cpu, version):
    """The model without what that QEMU gets wrong: see docs/user/building.md."""
    return cpu + ",-smap" if cpu.startswith("max") and version < 9 else cpu


GRUB_MENU = """\
set timeout=0
serial --unit=0 --speed=115200
terminal_output serial
"""

# What dom0-tools/grub/20_paravane takes from GRUB's own library, for a CD.
GRUB_LIBRARY = """\
prepare_grub_to_access_device() { :; }
make_system_path_relative_to_its_root() { echo "${1#"$CD"}"; }
"""


def accelerator(icount=False):
    if icount:
        return ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"]
    return ["-accel", "tcg,thread=multi"]


def grub_entries(folder, core_options, kernel_options):
    """The menu entries that update-grub would write for what is in folder/iso/boot."""
    (folder / "grub-mkconfig_lib").write_text(GRUB_LIBRARY, encoding="ascii")
    script = pathlib.Path(__file__).resolve().parents[2] / "dom0-tools/grub/20_paravane"
    return subprocess.run(
        ["sh", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True,
        env={"PATH": os.environ["PATH"], "pkgdatadir": str(folder), "CD": str(folder / "iso"),
             "PARAVANE_BOOT": str(folder / "iso/boot"), "PARAVANE_OPTIONS": core_options,
             "PARAVANE_DOM0_CMDLINE": kernel_options}).stdout


def make_iso(folder, images, core_options, kernel_options):
    """A CD that GRUB boots from, by BIOS and by UEFI."""
    boot = folder / "iso/boot"
    (boot / "grub").mkdir(parents=True)
    (boot / "paravane").mkdir()
    shutil.copy(images.core, boot / "paravane/paravane.elf")
    shutil.copy(images.kernel, boot / "paravane/vmlinux-test")
    shutil.copy(images.initramfs, boot / "initrd.img-test")
    (boot / "grub/grub.cfg").write_text(
        GRUB_MENU + grub_entries(folder, core_options, kernel_options), encoding="ascii")
    made = subprocess.run(["grub-mkrescue", "-o", folder / "boot.iso", folder / "iso"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if made.returncode != 0:
        raise RuntimeError(f"grub-mkrescue failed:\n{made.stdout}")
    return folder / "boot.iso"


def boot_arguments(folder, firmware, images, core_options, kernel_options):
    """How the images get into the machine: by QEMU itself, or by GRUB on a firmware."""
    if firmware == "qemu":
        # In a list of modules a comma stands twice.
        module = f"{images.kernel} {kernel_options}".replace(",", ",,")
        return ["-kernel", str(images.core), "-append", core_options,
                "-initrd", f"{module},{images.initramfs}"]
    iso = make_iso(folder, images, core_options, kernel_options)
    arguments = ["-cdrom", str(iso), "-boot", "d"]
    if firmware == "ovmf":
        arguments += ["-bios", "/usr/share/ovmf/OVMF.fd"]
    return arguments


class Machine:
    """A running QEMU.  Use as a context manager: on leaving it, QEMU is gone."""

    def __init__(self, arguments):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="paravane."))
        self.process = None
        self.monitor = None
        self.debugger = None
        self.arguments = arguments
        self.ending = None      # why QEMU stopped, in its own words, or "timeout"
        self.text = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.monitor is not None:
            self.monitor.close()
        if self.debugger is not None:
            self.debugger.connection.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _connect(self, name):
        """To a socket on which QEMU listens, or soon will."""
        deadline = time.monotonic() + 20
        connection = socket.socket(socket.AF_UNIX)
        while True:
            try:
                connection.connect(str(self.folder / name))
                return connection
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    connection.close()
                    self.text = (self.process.stdout.read() or b"").decode("latin-1")
                    raise RuntimeError(f"QEMU did not start: {self.text.strip()}") from None
                time.sleep(0.02)

    def start(self, core=None, fault=None):
        """`fault`: a function of the core, and the code that stands there instead."""
        arguments = ["-nodefaults", "-display", "none", "-serial", "stdio", "-S",
                     "-qmp", f"unix:{self.folder}/qmp,server=on,wait=off"]
        if fault:
            arguments += ["-gdb", f"unix:{self.folder}/gdb,server=on,wait=off"]
        self.process = subprocess.Popen(
            self.arguments + arguments,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
        os.set_blocking(self.process.stdout.fileno(), False)
        self.monitor = self._connect("qmp")
        # The machine waits (-S) until we can hear how it ends.
        try:
            self.monitor.sendall(b'{"execute": "qmp_capabilities"}\n')
            if fault:
                self.debugger = Debugger(self._connect("gdb"), symbol(core, fault[0]), fault[1])
            else:
                self.monitor.sendall(b'{"execute": "cont"}\n')
        except OSError:
            pass                # QEMU went; its last words are in the console's text

    def type(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def command(self, line):
        """Of QEMU's monitor."""
        self.monitor.sendall(json.dumps({"execute": "human-monitor-command", "arguments": {
            "command-line": line}}).encode() + b"\n")

    def _events(self, pending):
        try:
            data = self.monitor.recv(65536)
        except OSError:
            data = b""
        if not data:
            return None
        *lines, pending = (pending + data).split(b"\n")
        for line in lines:
            event = json.loads(line)
            if event.get("event") == "SHUTDOWN":
                self.ending = event["data"]["reason"]
        return pending

    def run(self, timeout, until=None, echo=None):
        """Collect the console until QEMU ends, `until(text)` holds, or time is up."""
        deadline = time.monotonic() + timeout
        sources = {self.process.stdout, self.monitor}
        if self.debugger is not None:
            sources.add(self.debugger.connection)
        pending = b""
        while sources:
            left = deadline - time.monotonic()
            if left <= 0:
                self.ending = "timeout"
                break
            for source in select.select(sources, [], [], min(left, 1))[0]:
                if source is self.monitor:
                    pending = self._events(pending)
                    if pending is None:
                        sources.discard(source)
                    continue
                if source is not self.process.stdout:
                    self.debugger.stopped()
                    self.debugger = None
                    sources.discard(source)
                    continue
                data = source.read()
                if not data:
                    sources.discard(source)
                    continue
                # QEMU's terminal and the firmware's end lines differently.
                text = data.decode("latin-1").replace("\r", "")
                self.text += text
                if echo is not None:
                    echo(text)
            if until is not None and until(self.text):
                self.ending = self.ending or "until"
                break
        return self.ending
