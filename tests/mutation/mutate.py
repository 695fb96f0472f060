#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Change one condition of the core at a time; see whether a test notices.

    tests/mutation/mutate.py [--work DIR] [--count N] [--sanitize] [--guests N] [--those PATTERN] FILE[:LINE]...

All changes of all FILEs (conditions.py) are compiled in at once, and a number picks
one at run time.  First each test runs without a number and notes which changes would
have made a difference; then each change is tried with the tests that can tell, until
one fails or hangs: unit tests, the replay of the fuzzer's corpus on the hosted core,
test guests.  What is printed survives.  Exit status 1 if anything does.
"""
import argparse
import concurrent.futures
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import conditions

ROOT = pathlib.Path(__file__).resolve().parents[2]
CC = ["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-w", "-O1", "-fno-strict-aliasing", "-fno-strict-overflow"]
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
LISTS = ("tests/unit/sources.am", "tests/attack/sources.am", "tests/fuzz/sources.am")
CORPUS = "tests/fuzz/corpus/core"
MARK = b"mutant here\0"
SLOWER = 4  # how many times its usual time a test may take, beside thrice its CPU time
PASSES, NOTICES, LATE = range(3)


def variables():
    """What the lists of files set."""
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in LISTS).replace("\\\n", " ")
    return dict(re.findall(r"^(\w+) =(.*)$", text, re.MULTILINE)) | {"fuzz_main": "tests/fuzz/replay.c"}


def expand(value, table):
    return re.sub(r"\$\((\w+)\)", lambda match: expand(table.get(match.group(1), ""), table), value)


def run(command, **more):
    done = subprocess.run([str(word) for word in command], check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", **more)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout[-3000:]}")
    return done.stdout


class Tree:
    """A copy of ours with the changes in it, in `work`."""

    def __init__(self, work, files):
        self.work, self.top = work, work / "tree"
        ignored = shutil.ignore_patterns(".git", "build", "autom4te.cache", "__pycache__")
        shutil.copytree(ROOT, self.top, ignore=ignored, dirs_exist_ok=True)
        self.changes, number = [], 0
        for file in files:
            text, changes = conditions.rewrite((ROOT / file).read_text(encoding="utf-8"), number)
            (self.top / file).write_text(text, encoding="utf-8")
            self.changes += [(each, f"{file}:{line}: {what}") for each, line, what in changes]
            number = max([number] + [each + 3 for each, _, _ in changes])
        self.limit = number
        self.options = [f"-I{self.top}", f"-DMUTANTS={number}", "-include",
                        self.top / "tests/mutation/mutant.h"]
        self.jobs = {}

    def object(self, pool, source, options):
        """A compilation under way, and the object it makes."""
        name = self.work / "objects" / f"{len(self.jobs)}.o"
        key = (source, *options)
        if key not in self.jobs:
            command = [*CC, *self.options, *options, "-c", self.top / source, "-o", name]
            self.jobs[key] = (pool.submit(run, command), name)
        return self.jobs[key]

    def programs(self, libs):
        """{name: program} of the unit tests of the core, and the hosted core."""
        table, todo = variables(), {}
        (self.work / "objects").mkdir(exist_ok=True)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for name in table:
                test = re.fullmatch(r"tests_(?:unit_(test_\w+)|fuzz_(fuzz_core))_SOURCES", name)
                sources = [word for word in expand(table[name], table).split()
                           if word.endswith(".c")] if test else []
                if not any("hypervisor/" in source or '"hypervisor/' in
                           (ROOT / source).read_text(encoding="utf-8") for source in sources):
                    continue
                flags = "".join(table.get(name.replace("_SOURCES", more), "")
                                for more in ("_CFLAGS", "_CPPFLAGS"))
                hooks = [word for hook in re.findall(r"-include (?:\$\(srcdir\)/)?(\S+)", flags)
                         for word in ("-include", self.top / hook)]
                objects = [self.object(pool, source, hooks)
                           for source in [*sources, "tests/mutation/mutant.c"]]
                wraps = expand(table.get(name.replace("_SOURCES", "_LDFLAGS"), ""), table).split()
                if test.group(1):
                    wraps.append("-Wl,--wrap=_ck_assert_failed")
                todo[test.group(1) or test.group(2)] = (objects, wraps)
            for name, (objects, wraps) in todo.items():
                for job, _ in objects:
                    job.result()
                run([*CC, "-o", self.work / name, *wraps, *(each for _, each in objects), *libs])
        return {name: self.work / name for name in todo}

    def core(self):
        """The image, and the folder of the guests."""
        build = self.top / "build"
        build.mkdir(exist_ok=True)
        if not (build / "Makefile").exists():
            run(["../configure", "-q"], cwd=build)
        for name in build.glob("hypervisor/**/*.o"):  # of other changes, perhaps
            name.unlink()
        flags = " ".join(map(str, self.options))
        run(["make", "-j2", "WARNINGS=-w", f"CPPFLAGS={flags}", "hypervisor/paravane.elf"], cwd=build)
        run(["make", "-j2", "guests"], cwd=build)
        return build / "hypervisor/paravane.elf", build / "tests/guests-build"


class Program:
    """A unit test, or the hosted core with some inputs."""

    def __init__(self, name, command, work, limit):
        self.name, self.command = name, command
        noted = work / "noted"
        noted.write_bytes(bytes(limit))
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        if self.status(command, {"MUTANT_NOTED": str(noted)}, 60, 600) != 0:
            sys.exit(f"{name} fails without any change")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.seconds = time.monotonic() - started
        self.cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        self.noted = noted.read_bytes()

    def status(self, command, environment, cpu, seconds):
        """Of its end; None if there was none."""
        test = subprocess.Popen(["prlimit", f"--cpu={cpu}", *command], stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                env=os.environ | environment, start_new_session=True)
        try:
            return test.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            test.terminate()  # libcheck takes its child with it, or its whole session
            try:
                test.wait(5)
            except subprocess.TimeoutExpired:
                test.kill()
                test.wait()

    def can_tell(self, number):
        return self.noted[number] != 0

    def ask(self, number, patience, command=None, times=1):
        """Perhaps with another command, so many times as long."""
        times *= patience
        environment = {"MUTANT": str(number), "CK_TIMEOUT_MULTIPLIER": str(4 * patience)}
        started = time.monotonic()
        status = self.status(command or self.command, environment,
                             2 + int(3 * times * self.cpu), 30 + SLOWER * times * self.seconds)
        # libcheck has a limit as well.
        late = status in (None, -signal.SIGUSR1) or (status > 0 and time.monotonic() - started > 15)
        return PASSES if status == 0 else LATE if late else NOTICES


class Corpus:
    """The hosted core; of the corpus only the inputs that can tell."""

    name = "corpus"

    def __init__(self, program, work, limit):
        self.inputs = [Program(path.name, [program, path], work, limit)
                       for path in sorted((ROOT / CORPUS).iterdir())]

    def can_tell(self, number):
        return any(each.can_tell(number) for each in self.inputs)

    def ask(self, number, patience):
        able = [each for each in self.inputs if each.can_tell(number)]
        together = [able[0].command[0], *(each.command[1] for each in able)]
        return able[0].ask(number, patience, together, len(able))


class Guest:
    """A test guest on the image of the core."""

    def __init__(self, name, image, guests, work):
        self.name, self.image, self.guests, self.work = name, image, guests, work
        noted = work / f"noted-{name}"
        noted.unlink(missing_ok=True)
        started = time.monotonic()
        # A loaded machine may be too slow for it once.
        self.fit = self.passes(image, noted) or self.passes(image, noted)
        self.seconds = time.monotonic() - started
        numbers = noted.read_bytes()
        self.noted = {low + 256 * high for low, high in zip(numbers[::2], numbers[1::2])}

    def passes(self, image, noted, limit=60):
        qemu = f"qemu-system-x86_64 -chardev file,id=noted,path={noted},append=on " \
               "-device isa-debugcon,chardev=noted"
        command = [sys.executable, "-B", ROOT / "tests/guests/run.py", "--hv", image, "--guests",
                   self.guests, "--qemu", qemu, "--timeout", str(limit), self.name]
        return subprocess.run(list(map(str, command)), check=False, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode == 0

    def can_tell(self, number):
        return self.fit and number in self.noted

    def ask(self, number, patience):
        changed = self.work / f"changed-{number}.elf"
        image = self.image.read_bytes()
        changed.write_bytes(re.sub(re.escape(MARK) + b"....", lambda _: MARK + number.to_bytes(4, "little"),
                                   image, flags=re.DOTALL))
        limit, started = 10 + 3 * patience * self.seconds, time.monotonic()
        passes = self.passes(changed, "/dev/null", limit)
        changed.unlink()
        return PASSES if passes else LATE if time.monotonic() - started > limit else NOTICES


def try_all(stage, changes, tests, most):
    """The changes that survive; who killed the others is counted and printed."""
    killed, killers, slow = {}, {}, []

    def survives(change, patience=1):
        number, what = change
        place = what.partition(": ")[0]
        able = [test for test in tests if test.can_tell(number)]
        # What noticed another change of the line probably notices this one.
        able.sort(key=lambda test: test is not killers.get(place))
        for test in able[:most] if most else able:
            answer = test.ask(number, patience)
            if answer == LATE and patience == 1:
                slow.append(change)
                return False
            if answer == LATE:
                print(f"late twice: {what}", flush=True)
            if answer != PASSES:
                killed[test.name] = killed.get(test.name, 0) + 1
                killers[place] = test
                return False
        return True

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        left = [change for change, alive in zip(changes, pool.map(survives, changes)) if alive]
    # Again, alone: did it hang, or was the machine slow?
    left += [change for change in slow if survives(change, 2)]
    left = [change for change in changes if change in left]
    names = ", ".join(f"{name} {count}" for name, count in sorted(killed.items(), key=lambda pair: -pair[1]))
    print(f"{stage}: {sum(killed.values())} killed, {len(left)} left; {names}"
          f"; {len(slow)} tried again", flush=True)
    return left


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--work", type=pathlib.Path, help="a folder to keep what was compiled")
    parser.add_argument("--count", type=int, default=0, help="so many changes; 0: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--guests", type=int, default=8,
                        help="test guests for a change, at most; 0: none (%(default)s)")
    parser.add_argument("--those", default="", metavar="PATTERN",
                        help="only test guests with such names: a regular expression")
    parser.add_argument("--sanitize", action="store_true",
                        help="unit tests and corpus with ASan and UBSan: they see more, and take longer")
    parser.add_argument("files", nargs="+", metavar="FILE[:LINE]", help="all of it, or only that line")
    return parser.parse_args()


def chosen(args, changes):
    """Those of the lines that were named, and no more than were asked for."""
    lines = {name for name in args.files if ":" in name}
    files = set(args.files) - lines
    changes = [(number, what) for number, what in changes
               if what.partition(":")[0] in files or what.partition(": ")[0] in lines]
    if args.count and args.count < len(changes):
        changes = sorted(random.Random(args.seed).sample(changes, args.count))
    return changes


def main():
    args = arguments()
    os.environ.setdefault("CK_TIMEOUT_MULTIPLIER", "20")
    os.environ["ASAN_OPTIONS"] = "detect_leaks=0"  # looking for them takes longer than the tests
    CC.extend(SANITIZE if args.sanitize else [])
    libs = subprocess.run(["pkg-config", "--libs", "check"], check=True, stdout=subprocess.PIPE,
                          text=True).stdout.split()
    with tempfile.TemporaryDirectory(prefix="mutate-") as folder:
        work = args.work.resolve() if args.work else pathlib.Path(folder)
        tree = Tree(work, sorted({name.partition(":")[0] for name in args.files}))
        changes = chosen(args, tree.changes)
        print(f"{len(changes)} changes of {len(tree.changes)}", flush=True)
        programs = tree.programs(libs)
        attack = programs.pop("fuzz_core")
        units = [Program(name, [path], work, tree.limit) for name, path in programs.items()]
        units.sort(key=lambda test: test.seconds)
        left = try_all("unit tests", changes, units, 0)
        if left:
            left = try_all("corpus", left, [Corpus(attack, work, tree.limit)], 0)
        if left and args.guests:
            image, folder = tree.core()
            names = [path.stem for path in sorted(folder.glob("*.elf")) if re.search(args.those, path.stem)]
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                guests = list(pool.map(lambda name: Guest(name, image, folder, work), names))
            print(f"guests: {sum(guest.fit for guest in guests)} of {len(guests)} fit", flush=True)
            guests.sort(key=lambda test: len(test.noted))
            left = try_all("guests", left, guests, args.guests)
        for _, what in left:
            print(f"survives: {what}")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
