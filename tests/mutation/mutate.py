#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Change one condition of a file of the core at a time; see whether a unit test notices.

    tests/mutation/mutate.py [--count N] [--seed S] FILE...

Each change negates an if or a while, swaps && and ||, == and !=, or is off by one
(< and <=, > and >=).  The unit tests that compile FILE, by tests/unit/sources.am,
are linked with it and run.  A change that no test fails for survives: a test is
missing, or the condition makes no difference.  Exit status 1 if one survives.
"""
import argparse
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
CC = ["gcc", "-std=gnu17", "-w", "-O1"]
SWAPS = {"&&": "||", "||": "&&", "==": "!=", "!=": "==", "<": "<=", "<=": "<", ">": ">=", ">=": ">"}
IGNORED = re.compile(r'/\*.*?\*/|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|^[ \t]*#(?:[^\n]*\\\n)*[^\n]*$',
                     re.DOTALL | re.MULTILINE)
# A comparison has blanks around it, as clang-format writes it; so a shift or an arrow is none.
OPERATOR = re.compile(r"(?<= )(&&|\|\||==|!=|<=|>=|<|>)(?=[ \n])|\b(?:if|while) \((?=[^)])")


def mutants(text):
    """(offset, end, replacement) of every change."""
    blank = IGNORED.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)
    for match in OPERATOR.finditer(blank):
        if match.group(1):
            yield match.start(), match.end(), SWAPS[match.group(1)]
            continue
        depth, end = 1, match.end()
        while depth > 0:
            depth += {"(": 1, ")": -1}.get(blank[end], 0)
            end += 1
        yield match.end() - 1, end, "(!" + text[match.end() - 1:end] + ")"


def variables():
    """What tests/unit/sources.am sets."""
    text = (ROOT / "tests/unit/sources.am").read_text(encoding="utf-8").replace("\\\n", " ")
    return dict(re.findall(r"^(\w+) =(.*)$", text, re.MULTILINE))


def expand(value, table):
    return re.sub(r"\$\((\w+)\)", lambda match: expand(table.get(match.group(1), ""), table), value)


def programs(file, table):
    """{name: (sources, options)} of the unit tests that compile the file."""
    found = {}
    for name in table:
        test = re.fullmatch(r"tests_unit_(test_\w+)_SOURCES", name)
        sources = [source for source in expand(table[name], table).split()
                   if source.endswith(".c")] if test else []
        if file in sources:
            flags = table.get(name.replace("_SOURCES", "_CFLAGS"), "")
            hooks = re.findall(r"-include \$\(srcdir\)/(\S+)", flags)
            found[test.group(1)] = (sources, [word for hook in hooks
                                              for word in ("-include", str(ROOT / hook))])
    return found


def compile_object(source, to, options):
    return subprocess.run([*CC, *options, f"-I{ROOT}", "-c", str(source), "-o", str(to)],
                          check=False, stderr=subprocess.DEVNULL).returncode == 0


def passes(test, folder, objects, libs):
    """Does the program of these objects pass?  One that hangs or does not link does not."""
    program = folder / test
    if subprocess.run(["gcc", "-o", str(program), *map(str, objects), *libs], check=False,
                      stderr=subprocess.DEVNULL).returncode != 0:
        return False
    try:
        return subprocess.run([str(program)], check=False, timeout=60, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode == 0
    except subprocess.TimeoutExpired:
        return False


class Subject:
    """One file, and the tests that notice what is done to it."""

    def __init__(self, file, folder, libs):
        self.file, self.folder, self.libs = file, folder, libs
        self.tests = {}
        for test, (sources, options) in programs(file, variables()).items():
            objects = []
            for source in sources:
                objects.append(folder / f"{test}.{source.replace('/', '.')}.o")
                if not compile_object(ROOT / source, objects[-1], options):
                    sys.exit(f"{source} does not compile")
            self.tests[test] = (objects, objects[sources.index(file)], options)
            if not passes(test, folder, objects, libs):
                sys.exit(f"{test} fails without any change")
        if not self.tests:
            sys.exit(f"{file}: no unit test compiles it")

    def survives(self, text):
        """True, False, or None if it is no C any more."""
        source, mutant = self.folder / "mutant.c", self.folder / "mutant.o"
        source.write_text(text, encoding="utf-8")
        for test, (objects, own, options) in self.tests.items():
            if not compile_object(source, mutant, options):
                return None
            if not passes(test, self.folder,
                          [mutant if each == own else each for each in objects], self.libs):
                return False
        return True


def run(file, args, libs):
    """The changes that survive."""
    text = (ROOT / file).read_text(encoding="utf-8")
    chosen = list(mutants(text))
    if not chosen:
        sys.exit(f"{file}: no condition found")
    if args.count and args.count < len(chosen):
        chosen = sorted(random.Random(args.seed).sample(chosen, args.count))
    survivors = killed = 0
    with tempfile.TemporaryDirectory(prefix="mutate-") as folder:
        subject = Subject(file, pathlib.Path(folder), libs)
        for start, end, new in chosen:
            result = subject.survives(text[:start] + new + text[end:])
            killed += result is False
            if result:
                survivors += 1
                line = text.count("\n", 0, start) + 1
                print(f"{file}:{line}: survives: {' '.join(text[start:end].split())} -> "
                      f"{' '.join(new.split())}", flush=True)
    print(f"{file}: {killed} killed, {survivors} survive, by {', '.join(subject.tests)}", flush=True)
    return survivors


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=0, help="so many of each file; 0: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()
    libs = subprocess.run(["pkg-config", "--libs", "check"], check=True, stdout=subprocess.PIPE,
                          text=True).stdout.split()
    os.environ.setdefault("CK_TIMEOUT_MULTIPLIER", "5")
    return 1 if sum([run(file, args, libs) for file in args.files]) else 0


if __name__ == "__main__":
    sys.exit(main())
