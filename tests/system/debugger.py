# SPDX-License-Identifier: MIT
"""QEMU's gdb stub: where the core first calls a function, other code stands instead."""
import re
import subprocess


def symbol(core, name):
    """Its address in the core's image."""
    listed = subprocess.run(["nm", core], capture_output=True, text=True, check=True).stdout
    found = re.search(rf"^([0-9a-f]+) [tT] {name}$", listed, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"{core} has no function {name}")
    return int(found[1], 16)


def build_id(core):
    notes = subprocess.run(["readelf", "-n", core], capture_output=True, text=True, check=True).stdout
    return re.search(r"Build ID: ([0-9a-f]+)", notes)[1]


class Debugger:
    """Of a machine that waits to be started: starts it, and leaves it when its work is done."""

    def __init__(self, connection, address, code):
        self.connection = connection
        self.connection.settimeout(20)
        self.address = address
        self.code = code
        self._ask(f"Z1,{address:x},1")
        self._send("c")

    def _send(self, command):
        self.connection.sendall(f"${command}#{sum(command.encode()) & 0xff:02x}".encode())

    def _answer(self):
        data = b""
        while not re.search(rb"\$([^#]*)#..", data):
            piece = self.connection.recv(4096)
            if not piece:
                raise RuntimeError("QEMU's gdb stub went away")
            data += piece
        self.connection.sendall(b"+")
        return re.search(rb"\$([^#]*)#..", data)[1].decode()

    def _ask(self, command):
        self._send(command)
        answer = self._answer()
        if answer != "OK":
            raise RuntimeError(f"QEMU's gdb stub answers {command} with '{answer}'")

    def stopped(self):
        """The function is reached: change it, and let all CPUs go on."""
        stop = self._answer()
        if not stop.startswith("T05"):
            raise RuntimeError(f"QEMU's gdb stub stopped with '{stop}'")
        self._ask(f"M{self.address:x},{len(self.code) // 2:x}:{self.code}")
        self._ask("D")
        self.connection.close()
