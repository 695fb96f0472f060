#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The vmctl program, over a fake libvmctl: what it prints, asks for and returns.

    run.py VMCTL CHECK-SCHEMA        $srcdir is the tree
"""
import json
import os
import pathlib
import pty
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(os.environ.get("srcdir", ".")).resolve()
FULL = ROOT / "tests/unit/guest_xml/full.xml"
SMALL = ROOT / "tests/unit/guest_xml/small.xml"


class Cli:
    def __init__(self, program, checker, folder):
        self.program = program
        self.checker = checker
        self.folder = folder
        self.calls = folder / "calls"

    def run(self, *words, text="", **environment):
        """The process that ran `vmctl words`; .calls has what it asked of the library."""
        self.calls.write_text("")
        done = subprocess.run(
            [self.program, *words], input=text, capture_output=True, timeout=60,
            encoding="utf-8", errors="surrogateescape", check=False, cwd=self.folder,
            env={"PATH": os.environ["PATH"], "FAKE_CALLS": str(self.calls), **environment})
        done.calls = self.calls.read_text().splitlines()
        return done

    def on_terminal(self, *words, **environment):
        """All that it prints, with a terminal for standard output and error."""
        master, slave = pty.openpty()
        child = subprocess.Popen(
            [self.program, *words], stdin=slave, stdout=slave, stderr=slave, cwd=self.folder,
            env={"PATH": os.environ["PATH"], "TERM": "xterm", "FAKE_CALLS": str(self.calls),
                 **environment})
        os.close(slave)
        text = b""
        while True:
            try:
                some = os.read(master, 4096)
            except OSError:
                break
            if not some:
                break
            text += some
        os.close(master)
        return child.wait(60), text.decode()

    def file(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return str(path)


def equal(got, wanted):
    if got != wanted:
        raise AssertionError(f"got {got!r}\n    wanted {wanted!r}")


def has(text, part):
    if part not in text:
        raise AssertionError(f"{part!r} is not in {text!r}")


def ended(done, code, out=None, err=None):
    equal((done.returncode, done.stderr if err is not None else None),
          (code, err))
    if out is not None:
        equal(done.stdout, out)


# --- the command line -------------------------------------------------------------

def without_a_command_it_says_how_to_go_on(cli):
    ended(cli.run(), 2, "", "vmctl: which command?\n       hint: see 'vmctl help'\n")


def near_misses_are_found(cli):
    ended(cli.run("crate", "x"), 2, "", "vmctl: there is no command 'crate'; did you mean "
          "'create'?\n       hint: see 'vmctl help'\n")
    ended(cli.run("frobnicate"), 2, "",
          "vmctl: there is no command 'frobnicate'\n       hint: see 'vmctl help'\n")
    ended(cli.run("create", "--pausd", "x"), 2, "", "vmctl: there is no option '--pausd'; did you "
          "mean '--paused'?\n       hint: see 'vmctl help create'\n")
    ended(cli.run("list", "-x"), 2, "",
          "vmctl: there is no option '-x'\n       hint: see 'vmctl help list'\n")
    equal(json.loads(cli.run("list", "-jx").stdout)["error"]["cause"], "there is no option '-x'")
    ended(cli.run("help", "crate"), 2, "", "vmctl: there is no command 'crate'; did you mean "
          "'create'?\n       hint: see 'vmctl help'\n")


def operands_are_counted(cli):
    for words, message in [
            (["create"], "create needs GUEST.xml"),
            (["create", "a", "b"], "create takes only GUEST.xml; 'b' is too much"),
            (["list", "a"], "list takes no 'a'"),
            (["rename", "web"], "rename needs GUEST NAME"),
            (["destroy"], "destroy needs GUEST..."),
    ]:
        ended(cli.run(*words), 2, "",
              f"vmctl: {message}\n       hint: see 'vmctl help {words[0]}'\n")


def values_of_options_are_checked(cli):
    for words, message in [
            (["top", "--count"], "--count needs a value: NUMBER"),
            (["top", "--count=x"],
             "--count: 'x' is not a whole number from 0 to 1000000000"),
            (["top", "--count", "-1"],
             "--count: '-1' is not a whole number from 0 to 1000000000"),
            (["top", "--count=1000000001"], "--count: 1000000001 is out of range"),
            (["list", "--names=1"], "--names takes no value"),
    ]:
        done = cli.run(*words)
        equal(done.returncode, 2)
        has(done.stderr, message)
    ended(cli.run("--color=blue", "list"), 2, "",
          "vmctl: --color: 'blue': expected auto, always or never\n")


def options_stand_anywhere(cli):
    wanted = cli.run("list", "--json").stdout
    equal(cli.run("--json", "list").stdout, wanted)
    equal(cli.run("-j", "list").stdout, wanted)
    equal(cli.run("rename", "web", "--", "--json").calls, ["rename 1 --json"])
    equal(cli.run("console", "-jw", "web").returncode, 2)
    equal(cli.run("create", "-pc", str(SMALL)).calls,
          ["create small 1", "console 7 write", "whole"])
    equal(cli.run("top", "-n2", "-d0").stdout.count("CPU %"), 2)


def every_command_has_help(cli):
    overview = cli.run("help")
    equal(overview.returncode, 0)
    equal(cli.run("--help").stdout, overview.stdout)
    names = re.findall(r"^  ([a-z-]+)  ", overview.stdout, re.M)
    if len(names) < 20:
        raise AssertionError(f"only {names}")
    manual = cli.run("help", "--man").stdout
    completion = cli.run("help", "--completion").stdout
    for name in names:
        text = cli.run("help", name).stdout
        has(text, f"usage: vmctl {name}")
        equal(cli.run(name, "--help").stdout, text)
        for option in re.findall(r"--([a-z-]+)", text):
            has(manual, "\\-\\-" + option.replace("-", "\\-"))
            has(completion, "--" + option)
        has(manual, ".SS \"\\fB" + name.replace("-", "\\-"))
        has(completion, f"    {name}) options=")
        if max(len(line) for line in text.splitlines()) > 80:
            raise AssertionError(f"help of {name} is wider than a terminal")
    equal(cli.run("help", "nothing").returncode, 2)


def completion_completes(cli):
    script = cli.folder / "completion"
    script.write_text(cli.run("help", "--completion").stdout)
    (cli.folder / "bin").mkdir(exist_ok=True)
    link = cli.folder / "bin/vmctl"
    if not link.exists():
        link.symlink_to(cli.program)

    def complete(*words):
        line = " ".join(words)
        done = subprocess.run(
            ["bash", "-c", 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
             '_vmctl 2>/dev/null; printf "%s\\n" "${COMPREPLY[@]}"', "-", script, *words],
            capture_output=True, text=True, check=True, timeout=60,
            env={"PATH": f"{cli.folder}/bin:{os.environ['PATH']}"})
        return done.stdout.split() or line

    equal(complete("vmctl", "cre"), ["create"])
    equal(complete("vmctl", "destroy", "w"), ["web"])
    equal(complete("vmctl", "create", "--p"), ["--paused"])
    equal(complete("vmctl", "--json", "help", "unp"), ["unpause"])


# --- create, check ----------------------------------------------------------------

def create_creates(cli):
    ended(cli.run("create", str(SMALL)), 0, "small is domain 7\n", "")
    equal(cli.run("create", str(SMALL)).calls, ["create small 0"])
    done = cli.run("create", "--paused", str(SMALL))
    equal((done.stdout, done.calls), ("small is domain 7, paused\n", ["create small 1"]))
    equal(cli.run("create", "-", text=SMALL.read_text()).calls, ["create small 0"])
    done = cli.run("--json", "create", str(SMALL))
    equal(json.loads(done.stdout), {"notes": [], "name": "small", "domid": 7})


def create_tells_what_has_no_effect(cli):
    done = cli.run("create", str(FULL))
    equal(done.returncode, 0)
    has(done.stderr, f"{FULL}:89: note: <graphics>: is left out")
    notes = json.loads(cli.run("create", "-j", str(FULL)).stdout)["notes"]
    has([note["line"] for note in notes], 89)


# A vmctl killed in between leaves no paused guest: libvmctl starts it, or undoes it.
def create_with_console_shows_it_from_the_first_byte(cli):
    done = cli.run("create", "-c", str(SMALL))
    equal(done.returncode, 0)
    equal(done.calls, ["create small 0", "console 7 write", "whole"])
    has(done.stdout, "login on 7: ")
    equal(cli.run("create", "-c", "-p", str(SMALL)).calls,
          ["create small 1", "console 7 write", "whole"])
    equal(cli.run("create", "-c", "-j", str(SMALL)).returncode, 2)
    done = cli.run("create", "-c", str(SMALL), FAKE_FAIL="console_attach:11")
    equal((done.returncode, done.calls), (11, ["create small 0", "console 7 write"]))
    done = cli.run("create", "-c", str(SMALL), FAKE_FAIL="vmctl_create:8")
    equal(done.returncode, 8)
    equal("login" in done.stdout, False)


def a_bad_file_is_told_with_its_line(cli):
    path = cli.file("bad.xml", "<domain type='xen'>\n<name>a</name>\n<memory>8192</memory>\n"
                    "<vcpu>0</vcpu>\n<os><type>linux</type><kernel>v</kernel></os>\n</domain>\n")
    done = cli.run("create", "bad.xml")
    ended(done, 2, "", "vmctl: bad.xml:4: <vcpu>: 0 is out of range: it may be 1 to 128\n"
          "       hint: 'vmctl check bad.xml' shows all 2 mistakes\n")
    equal(done.calls, [])
    ended(cli.run("create", "/nonexistent.xml"), 3, "",
          "vmctl: /nonexistent.xml: No such file or directory\n")
    answer = json.loads(cli.run("create", "--json", path).stdout)
    equal((answer["error"]["code"], answer["error"]["reason"]), (2, "invalid"))
    ended(cli.run("check", "bad.xml"), 2, "",
          "bad.xml:4: error: <vcpu>: 0 is out of range: it may be 1 to 128\n"
          "bad.xml:5: error: <kernel>: 'v' is not an absolute path: it must begin with /\n")


def check_shows_everything_of_every_file(cli):
    cli.file("bad.xml", "<domain type='xen'/>")
    done = cli.run("check", str(SMALL), "bad.xml", "missing.xml")
    equal(done.returncode, 2)
    has(done.stdout, f"{SMALL}: valid: small, 1 vCPU, 64 MiB, 0 disks, 0 network cards\n")
    has(done.stderr, "bad.xml:1: error: <domain>: <memory> is missing\n")
    has(done.stderr, "missing.xml: error: No such file or directory\n")
    equal(done.calls, [])
    files = json.loads(cli.run("check", "-j", str(SMALL), "bad.xml").stdout)["files"]
    equal([one["valid"] for one in files], [True, False])
    equal([report["words"] for report in files[1]["reports"]],
          ["<domain>: <name> is missing", "<domain>: <memory> is missing",
           "<domain>: <os> is missing"])
    done = cli.run("check", str(FULL))
    equal(done.returncode, 0)
    if "not asked" in done.stderr:
        raise AssertionError(done.stderr)


def the_schema_is_asked_by_a_program_of_its_own(cli):
    def ask(schema, text):
        done = subprocess.run([cli.checker, str(schema)], input=text, capture_output=True,
                              encoding="utf-8", timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    schema = ROOT / "libvmctl/guest.rng"
    equal(ask(schema, FULL.read_text()), (0, "", ""))
    code, out, err = ask(schema, "<domain type='xen'>\n<name/></domain>")
    equal((code, err), (1, ""))
    has(out, "2 Error validating datatype token\n")
    equal(ask(schema, "<!DOCTYPE d><domain/>")[:2], (1, ""))
    code, out, err = ask(cli.folder / "nothing.rng", "<domain/>")
    equal((code, out), (2, ""))
    has(err, "nothing.rng: No such file or directory")
    code, out, err = ask(SMALL, "<domain/>")
    equal((code, out), (2, ""))
    equal(subprocess.run([cli.checker], capture_output=True, check=False).returncode, 2)


def the_manual_is_right(cli):
    page = (ROOT / "docs/user/guest-xml.md").read_text(encoding="utf-8")
    example = re.search(r"\n(    <domain.*?</domain>)\n", page, re.S)[1]
    ended(cli.run("check", cli.file("web.xml", example)), 0,
          "web.xml: valid: web, 2 vCPUs, 512 MiB, 1 disk, 1 network card\n".replace(
              "web.xml", str(cli.folder / "web.xml")), "")
    page = (ROOT / "docs/user/vmctl.md").read_text(encoding="utf-8")
    manual = cli.run("help", "--man").stdout.replace("\\-", "-")
    equal(re.findall(r"^\| (\d+) \| ([a-z-]*) ?\|", page, re.M),
          re.findall(r"^\\fB(\d+)\\fR(?: \(([a-z-]+)\))?$", manual, re.M))
    commands = re.findall(r"^    vmctl (?:-j )?([a-z-]+)", page, re.M)
    if len(commands) < 12:
        raise AssertionError(f"only {commands}")
    for command in commands:
        equal(cli.run("help", command).returncode, 0)


# Where an element of guest-xml.md stands; in <domain> if nothing is said.
PLACES = {
    "os": "bootmenu boot smbios loader nvram", "clock": "timer", "cputune": "emulatorpin quota period",
    "devices": "emulator controller input memballoon audio graphics video hostdev filesystem channel "
               "tpm rng watchdog sound panic parallel redirdev smartcard hub iommu vsock shmem crypto",
    "disk": "alias address backingStore geometry serial wwn iotune encryption transient "
            "backenddomain",
    "interface": "script ip filterref vlan port virtualport", "bandwidth": "inbound",
}


def guest_with(element, place):
    """A guest that has this element, at this place."""
    def at(here):
        return f"<{element} path='/x'/>" if here == place else ""

    return (f"<domain type='xen'><name>a</name><memory>8192</memory>{at('domain')}"
            f"<os><type>linux</type><kernel>/k</kernel>{at('os')}</os>"
            f"<clock offset='utc'>{at('clock')}</clock><cputune>{at('cputune')}</cputune><devices>"
            f"<disk type='file'><source file='/d'/><target dev='xvda'/>{at('disk')}</disk>"
            f"<interface type='bridge'><source bridge='b'/>{at('interface')}"
            f"<bandwidth>{at('bandwidth')}</bandwidth></interface>{at('devices')}</devices></domain>")


def what_the_manual_leaves_out_is_left_out(cli):
    page = (ROOT / "docs/user/guest-xml.md").read_text(encoding="utf-8")
    ignored, noted, refused = page.split("## Left out")[1].split("## Errors")[0].split("\n\n", 3)[1:]
    refused = "\n".join(line.split("|")[1] for line in refused.splitlines() if line.startswith("|"))
    seen = 0
    for text, code, word in ((ignored, 0, None), (noted, 0, "note"), (refused, 2, "error")):
        for element in re.findall(r"`<([A-Za-z]+)>`", text):
            place = next((where for where, names in PLACES.items() if element in names.split()),
                         "domain")
            if element in ("domain", "driver") or (element, place) == ("memory", "domain"):
                continue
            done = cli.run("check", cli.file("a.xml", guest_with(element, place)))
            if "is not known inside" in done.stderr:
                raise AssertionError(f"<{element}>: {done.stderr}")
            if done.returncode not in ({2, 14} if code else {0}):
                raise AssertionError(f"<{element}>: status {done.returncode}: {done.stderr}")
            has(done.stderr, f": {word}: <{element}" if word else "")
            equal(done.stderr == "", word is None)
            seen += 1
    if seen < 60:
        raise AssertionError(f"only {seen} elements")


# --- failures ---------------------------------------------------------------------

def every_reason_is_its_exit_code(cli):
    for reason in range(1, 18):
        equal(cli.run("create", str(SMALL), FAKE_FAIL=f"vmctl_create:{reason}").returncode, reason)
    equal(cli.run("list", FAKE_FAIL="vmctl_open:10").returncode, 10)


def errors_have_all_their_parts(cli):
    done = cli.run("rename", "web", "x", FAKE_FAIL="vmctl_rename:13")
    ended(done, 13, "", 'vmctl: vmctl_rename: thing ?[31m: the test "wants" it (limit 3 things; '
          "held by guest 'db')\n       hint: do not want it\n")
    error = json.loads(cli.run("-j", "rename", "web", "x", FAKE_FAIL="vmctl_rename:13").stdout)
    equal(error["error"], {
        "reason": "limit", "code": 13,
        "message": 'vmctl_rename: thing \x1b[31m: the test "wants" it (limit 3 things; held by '
        "guest 'db')",
        "what": "vmctl_rename", "object": "thing \x1b[31m", "cause": 'the test "wants" it',
        "limit": "3 things", "holder": "guest 'db'", "remedy": "do not want it"})


def json_is_json_whatever_happens(cli):
    for words in (["list"], ["info"], ["info", "web"], ["log"], ["dumpxml", "web"], ["version"],
                  ["top", "-d", "0"], ["destroy", "web"], ["pause", "web", "nobody"],
                  ["create", str(SMALL)], ["create", "missing"], ["check", "missing"],
                  ["rename", "web", "x"], ["set-memory", "web", "1"], ["nonsense"],
                  ["console", "web"], ["list", "--nonsense"], [],
                  ["attach-disk", "web", "/d"], ["detach-network", "nobody", "0"]):
        done = cli.run("--json", *words)
        try:
            answer = json.loads(done.stdout)
        except ValueError:
            raise AssertionError(f"{words}: {done.stdout!r}") from None
        equal(done.stderr, "")
        if done.returncode != 0 and "results" not in answer and "files" not in answer:
            equal(answer["error"]["code"], done.returncode)


def keys_of(answer):
    if isinstance(answer, list):
        return set().union(*(keys_of(one) for one in answer))
    if not isinstance(answer, dict):
        return set()
    return set(answer).union(*(keys_of(one) for key, one in answer.items() if key != "error"))


def the_keys_are_those_of_the_manual(cli):
    page = (ROOT / "docs/user/vmctl.md").read_text(encoding="utf-8")
    rows = {}
    for commands, keys in re.findall(r"^\| (`[a-z].*?) \| (.*) \|$", page, re.M):
        for command in re.findall(r"`([^`]+)`", commands):
            rows[command] = set(re.findall(r"`([a-z_]+)`", keys))
    rows["top"] |= rows["list"]
    rows["top"].remove("list")
    rows["info GUEST"] |= rows["list"] - {"guests"}
    rows["info GUEST"].remove("list")
    operands = {"info GUEST": ["web"], "create": [str(FULL)], "check": [str(FULL)], "top": ["-d0"],
                "rename": ["web", "x"], "set-memory": ["web", "1M"], "set-vcpus": ["web", "1"],
                "attach-disk": ["web", "/d"], "detach-disk": ["web", "xvdb"],
                "attach-network": ["web", "br0"], "detach-network": ["web", "0"]}
    for command, keys in rows.items():
        plain = command.split()[0]
        fallback = ["web"] if plain in ("destroy", "shutdown", "reboot", "pause", "unpause",
                                        "dumpxml") else []
        done = cli.run("--json", plain, *operands.get(command, fallback))
        equal((command, keys_of(json.loads(done.stdout))), (command, keys - {"error"}))
    if len(rows) < 21:
        raise AssertionError(f"only {sorted(rows)}")


def with_json_standard_error_stays_empty(cli):
    """Names that cannot be had are in the document, progress is nowhere."""
    has(cli.run("list", FAKE_STORELESS="1").stderr, "no names")
    done = cli.run("-j", "list", FAKE_STORELESS="1")
    found = json.loads(done.stdout)
    equal((done.returncode, done.stderr, len(found["guests"])), (0, "", 4))
    equal(found["error"]["cause"], "no names")
    equal("error" in json.loads(cli.run("-j", "list").stdout), False)
    code, text = cli.on_terminal("-j", "create", str(SMALL), FAKE_SLOW="1")
    equal((code, "\r" in text.replace("\r\n", "\n")), (0, False))


def a_full_disk_is_an_error(cli):
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([cli.program, "list"], stdout=full, stderr=subprocess.PIPE,
                              check=False, timeout=60)
        quiet = subprocess.run([cli.program, "-j", "list"], stdout=full, stderr=subprocess.PIPE,
                               check=False, timeout=60)
    equal((done.returncode, done.stderr),
          (17, b"vmctl: cannot write: No space left on device\n"))
    equal((quiet.returncode, quiet.stderr), (17, b""))


# --- life ---------------------------------------------------------------------------

def one_command_acts_on_several_guests(cli):
    for verb in ("destroy", "shutdown", "reboot", "pause", "unpause"):
        done = cli.run(verb, "web", "nobody", "2")
        equal(done.calls, [f"{verb} 1", f"{verb} 2"])
        ended(done, 3, "", "vmctl: guest 'nobody': there is no such guest\n")
        results = json.loads(cli.run("-j", verb, "web", "nobody").stdout)["results"]
        equal(results[0], {"guest": "web", "domid": 1})
        equal(results[1]["error"]["reason"], "not-found")
        done = cli.run(verb, "web", "db", FAKE_FAIL=f"vmctl_{verb}:8")
        equal((done.returncode, len(done.calls)), (8, 2))


def shutdown_waits_if_asked(cli):
    equal(cli.run("shutdown", "-w", "web").calls, ["shutdown 1", "wait 1 300000"])
    # All are asked before the first is waited for; one time limit is for all.
    equal(cli.run("shutdown", "-w", "web", "nobody", "db").calls,
          ["shutdown 1", "shutdown 2", "wait 1 300000", "wait 2 300000"])
    done = cli.run("-j", "shutdown", "-w", "--timeout=1", "web", "db", FAKE_SLOW="1")
    equal((done.returncode, done.calls[2:], done.stderr), (12, ["wait 1 1000", "wait 2 0"], ""))
    done = cli.run("shutdown", "-w", "--timeout=1", "web", FAKE_SLOW="1")
    equal(done.returncode, 12)
    has(done.stderr, "shut down guest 1: it has not ended within 1 s")
    has(done.stderr, "hint: 'vmctl destroy'")


def changes_go_where_they_should(cli):
    for words, call in [
            (["rename", "web", "www"], "rename 1 www"),
            (["set-memory", "db", "512M"], "set-memory 2 524288"),
            (["set-memory", "db", "1GiB"], "set-memory 2 1048576"),
            (["set-vcpus", "web", "3"], "set-vcpus 1 3"),
            (["attach-disk", "web", "/d"], "attach-disk 1 /d (next)"),
            (["attach-disk", "-r", "web", "/d", "xvdb"], "attach-disk 1 /d xvdb ro"),
            (["detach-disk", "web", "xvdb"], "detach-disk 1 xvdb"),
            (["attach-network", "web", "br0"], "attach-network 1 br0 (mac) (name) 0"),
            (["attach-network", "web", "br0", "--mac", "00:16:3e:00:00:01", "--name=lan",
              "--rate=100"], "attach-network 1 br0 00:16:3e:00:00:01 lan 100"),
            (["detach-network", "web", "0"], "detach-network 1 0"),
    ]:
        done = cli.run(*words)
        equal((done.returncode, done.stdout, done.stderr, done.calls), (0, "", "", [call]))
    for words in (["set-memory", "web", "512"], ["set-memory", "web", "M"],
                  ["set-memory", "web", "5X"], ["set-vcpus", "web", "0"],
                  ["set-vcpus", "web", "1x"]):
        done = cli.run(*words)
        equal((done.returncode, done.calls), (2, []))


# --- showing --------------------------------------------------------------------------

def list_is_a_table(cli):
    ended(cli.run("list"), 0,
          "   ID  NAME        STATE           VCPUS     MEMORY     CPU TIME\n"
          "    0  Domain-0    running             1    512 MiB         12.3\n"
          "    1  web         idle                2      1 GiB         24.6\n"
          "    2  db          crashed             3    1.5 GiB         37.0\n"
          "    3  (domain 3)  powered off         4      2 GiB         49.3\n", "")
    equal(cli.run("list", "--names").stdout, "Domain-0\nweb\ndb\n")
    guests = json.loads(cli.run("list", "-j").stdout)["guests"]
    equal([(one["name"], one["state"], one["shutdown_reason"]) for one in guests],
          [("Domain-0", "running", None), ("web", "blocked", None), ("db", "shutdown", "crash"),
           (None, "shutdown", "poweroff")])


def info_is_of_the_host_or_of_a_guest(cli):
    text = cli.run("info").stdout
    has(text, "hypervisor     Paravane 9.9\n")
    has(text, "CPUs           2 of 2.345 GHz\n")
    has(text, "free memory    292 MiB\n")
    equal(json.loads(cli.run("-j", "info").stdout)["memory_free_kib"], 300000)
    text = cli.run("info", "web").stdout
    has(text, "memory target  1 GiB\n")
    has(text, "vCPUs          2 of 4\n  vCPU 0       idle, last on CPU 2, 0.0 s\n"
        "  vCPU 1       offline, last on CPU 3, 0.0 s\n")
    equal(len(json.loads(cli.run("-j", "info", "web").stdout)["vcpus"]), 2)
    equal(cli.run("info", "nobody").returncode, 3)


def log_and_dumpxml_print_what_they_get(cli):
    equal(cli.run("log").stdout, '(core) first line\n(core) "second" \x1b \udcff\n')
    equal(json.loads(cli.run("log", "-j").stdout)["log"],
          '(core) first line\n(core) "second" \x1b \xff\n')
    equal(cli.run("log", "-j", "-f").returncode, 2)
    equal(cli.run("dumpxml", "web").stdout, "<domain type='xen'>\n</domain>\n")
    equal(json.loads(cli.run("dumpxml", "web", "-j").stdout)["xml"],
          "<domain type='xen'>\n</domain>\n")


def top_shows_who_uses_the_cpus(cli):
    lines = cli.run("top", "-d", "0", "-n", "2").stdout.splitlines()
    equal(len(lines), 10)
    equal([line.split()[0] for line in lines[:3]], ["ID", "1", "0"])
    guests = json.loads(cli.run("top", "--json", "-d", "1").stdout)["guests"]
    equal(guests[0]["name"], "web")
    if not 200 <= guests[0]["cpu_permille"] <= 250:
        raise AssertionError(guests[0])


def version_is_told_without_a_hypervisor_too(cli):
    equal(cli.run("version").stdout, "vmctl 9.9\nhypervisor Paravane 9.9, interface 4.17.0\n")
    ended(cli.run("-V", FAKE_FAIL="vmctl_open:10"), 0, "vmctl 9.9\nhypervisor: none here\n", "")


def console_has_one_writer(cli):
    equal(cli.run("console", "web").calls, ["console 1 write"])
    equal(cli.run("console", "-w", "web").calls, ["console 1"])
    equal(cli.run("console", "--dump", "web").calls, ["console 1 dump"])
    done = cli.run("console", "web", FAKE_BUSY="1")
    equal(done.returncode, 16)
    has(done.stderr, "process 99 types there\n       hint: --watch only looks")
    equal(cli.run("console", "--take-over", "web", FAKE_BUSY="1").returncode, 0)
    equal(cli.run("console", "-w", "--take-over", "web").returncode, 2)


# --- terminals --------------------------------------------------------------------------

def colours_only_on_a_terminal(cli):
    if "\033" in cli.run("list", TERM="xterm").stdout:
        raise AssertionError("colours in a pipe")
    has(cli.run("list", "--color=always").stdout, "\033[32midle")
    has(cli.on_terminal("list")[1], "\033[32midle")
    for words, environment in ((["list"], {"NO_COLOR": "1"}), (["list"], {"TERM": "dumb"}),
                               (["list", "--color=never"], {})):
        if "\033" in cli.on_terminal(*words, **environment)[1]:
            raise AssertionError(f"{words} {environment}: colours")


def progress_is_shown_on_a_terminal(cli):
    code, text = cli.on_terminal("create", str(SMALL), FAKE_SLOW="1")
    equal(code, 0)
    has(text, "\r\033[Ksetting up devices (1 s)\r\033[K")
    has(text, "\r\033[Kunpacking the kernel, 40 % (2 s)\r\033[Ksmall is domain 7")
    equal(cli.run("create", str(SMALL), FAKE_SLOW="1").stderr, "")


TESTS = [value for name, value in list(globals().items())
         if callable(value) and getattr(value, "__module__", "") == "__main__"
         and name not in ("Cli", "equal", "has", "ended", "guest_with", "keys_of", "main")]


def main():
    program, checker = (str(pathlib.Path(name).resolve()) for name in sys.argv[1:])
    failed = 0
    for test in TESTS:
        with tempfile.TemporaryDirectory() as folder:
            try:
                test(Cli(program, checker, pathlib.Path(folder)))
                print(f"PASS: {test.__name__}")
            except AssertionError as error:
                print(f"FAIL: {test.__name__}: {error}")
                failed += 1
    print(f"{len(TESTS) - failed} passed, {failed} failed")
    return 0 if failed == 0 and len(TESTS) > 20 else 1


if __name__ == "__main__":
    sys.exit(main())
