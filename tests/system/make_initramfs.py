#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Make an initramfs of the tests: busybox, an init, kernel modules, programs.

    make_initramfs.py --tree FETCHED --init dom0/init --for dom0 --program FILE... -o OUT

FETCHED is what fetch.sh made; --overlay copies a tree, --file one file.  The archive is written here rather than by cpio,
so that device nodes need no root and two runs give the same bytes.
"""
import argparse
import gzip
import lzma
import os
import pathlib
import re
import stat
import sys

# What the tests' machines have, what a toolstack needs, and what a guest has.
MODULES = {
    "dom0": """
        virtio_pci virtio_blk virtio_net ahci ata_piix sd_mod sr_mod nvme e1000 e1000e
        xhci_pci ehci_pci uhci_hcd usb_storage uas
        xenfs xen_privcmd xen_evtchn xen_gntdev xen_gntalloc xen_blkback xen_netback bridge
        msr cpuid loop ext4 crc32c_generic
    """.split(),
    "guest": "xen_blkfront xen_netfront".split(),
}

FOLDERS = "bin sbin dev proc sys tmp etc run root mnt lib usr usr/bin usr/sbin".split()


class Archive:
    """A newc cpio archive in memory."""

    def __init__(self):
        self.parts = []
        self.names = set()
        self.inode = 0

    def add(self, name, mode, data=b"", device=(0, 0)):
        if name in self.names:
            return
        folder = os.path.dirname(name)
        if folder:
            self.add(folder, stat.S_IFDIR | 0o755)
        self.names.add(name)
        self.inode += 1
        encoded = name.encode() + b"\0"
        links = 2 if stat.S_ISDIR(mode) else 1
        fields = (self.inode, mode, 0, 0, links, 0, len(data), 0, 0, *device, len(encoded), 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
        self.parts += [header, bytes(-len(header) % 4), data, bytes(-len(data) % 4)]

    def file(self, name, data, mode=0o755):
        self.add(name, stat.S_IFREG | mode, data)

    def finish(self):
        self.add("TRAILER!!!", 0)
        return b"".join(self.parts)


class Modules:
    """The modules of one kernel: where they are, and which need which."""

    def __init__(self, tree):
        folders = sorted((tree / "lib/modules").glob("*/kernel"))
        if len(folders) != 1:
            sys.exit(f"make_initramfs: {tree} does not hold exactly one kernel")
        self.folder = folders[0].parent
        self.release = self.folder.name
        self.files = {self.plain(file): file for file in sorted(self.folder.rglob("*.ko*"))}
        builtin = (self.folder / "modules.builtin").read_text(encoding="ascii").split()
        self.builtin = {self.plain(pathlib.PurePath(name)) for name in builtin}

    @staticmethod
    def plain(path):
        return path.name.split(".ko")[0].replace("-", "_")

    def data(self, name):
        raw = self.files[name].read_bytes()
        return lzma.decompress(raw) if self.files[name].suffix == ".xz" else raw

    def needs(self, name):
        found = re.search(rb"\0depends=([^\0]*)\0", self.data(name))
        return [other.replace("-", "_") for other in found[1].decode().split(",") if other]

    def closure(self, name):
        """The module and all it needs, each behind those it needs; none when built in."""
        if name in self.builtin:
            return []
        if name not in self.files:
            sys.exit(f"make_initramfs: kernel {self.release} has no module {name}")
        order = []
        for other in self.needs(name):
            order += [entry for entry in self.closure(other) if entry not in order]
        return order + [name]

    def pack(self, archive, names):
        rows = []
        for wanted in names:
            for name in self.closure(wanted):
                path = f"lib/modules/{self.release}/{name}.ko"
                if path not in archive.names:
                    archive.file(path, self.data(name), 0o644)
                    needed = " ".join(f"{other}.ko" for other in reversed(self.closure(name)[:-1]))
                    rows.append(f"{name}.ko: {needed}".rstrip())
        for name, rows in (("dep", rows), ("alias", []), ("symbols", [])):
            text = "\n".join(rows) + "\n" if rows else ""
            archive.file(f"lib/modules/{self.release}/modules.{name}", text.encode(), 0o644)


def busybox_of(tree):
    for name in ("bin/busybox", "usr/bin/busybox"):
        if (tree / name).exists():
            return (tree / name).read_bytes()
    sys.exit(f"make_initramfs: no busybox in {tree}")


def add_tree(archive, tree):
    for file in sorted(tree.rglob("*")):
        name = str(file.relative_to(tree))
        if file.is_symlink():
            archive.add(name, stat.S_IFLNK | 0o777, os.readlink(file).encode())
        elif file.is_file():
            archive.file(name, file.read_bytes(), file.stat().st_mode & 0o777)


def main():
    parser = argparse.ArgumentParser(description="make an initramfs of the tests")
    parser.add_argument("--tree", type=pathlib.Path, required=True)
    parser.add_argument("--init", type=pathlib.Path, required=True)
    parser.add_argument("--for", dest="role", choices=MODULES, default="dom0")
    parser.add_argument("--overlay", type=pathlib.Path, action="append", default=[])
    parser.add_argument("--file", action="append", default=[], metavar="NAME=FILE")
    parser.add_argument("--program", type=pathlib.Path, action="append", default=[])
    parser.add_argument("-o", dest="output", type=pathlib.Path, required=True)
    options = parser.parse_args()

    archive = Archive()
    for folder in FOLDERS:
        archive.add(folder, stat.S_IFDIR | 0o755)
    archive.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    archive.add("dev/null", stat.S_IFCHR | 0o666, device=(1, 3))
    archive.file("bin/busybox", busybox_of(options.tree))
    archive.add("bin/sh", stat.S_IFLNK | 0o777, b"busybox")
    archive.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n", 0o644)
    archive.file("etc/group", b"root:x:0:\n", 0o644)
    archive.file("init", options.init.read_bytes())
    for program in options.program:
        archive.file(f"usr/bin/{program.name}", program.read_bytes())
    for name, _, file in (entry.partition("=") for entry in options.file):
        archive.file(name, pathlib.Path(file).read_bytes(), 0o644)
    for overlay in options.overlay:
        add_tree(archive, overlay)
    Modules(options.tree).pack(archive, MODULES[options.role])

    temporary = options.output.with_suffix(".tmp")
    with open(temporary, "wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
        packed.write(archive.finish())
    os.replace(temporary, options.output)


if __name__ == "__main__":
    main()
