#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Check the models with spin: each as it is, and each with a deliberate fault.

    tests/models/run.py [--faults] [--deep] [MODEL...]

As it is, a model must show no error.  With -DFAULT=n, for the last FAULT_ in its
text (--faults: for all), it must: a model that finds nothing wrong proves nothing.
--deep looks at more operations, which takes minutes and gigabytes.  Without spin: skipped.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
DEEP = {
    "fifo": [["-DVCPUS=1"], ["-DSENDS=3", "-DGUEST=1"]],
    "wakeup": [["-DIRQS=1", "-DGUEST=1"], ["-DSENDS=2"]],
    "page_type": [["-DOPERATIONS_1=2"], ["-DOPERATIONS_0=3"]],
}
SKIPPED = 77
FAULT = re.compile(r"^#define FAULT_(\w+) (\d+)$", re.MULTILINE)


def search(model, options, cc):
    """The number of errors found and of states seen."""
    with tempfile.TemporaryDirectory(prefix="model-") as folder:
        subprocess.run(["spin", *options, "-a", str(model)], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL)
        subprocess.run([cc, "-O2", "-w", "-DSAFETY", "-DMEMLIM=6000", "-o", "pan", "pan.c"],
                       cwd=folder, check=True)
        out = subprocess.run(["./pan", "-n", "-m1000000"], cwd=folder, check=False,
                             stdout=subprocess.PIPE, text=True).stdout
    errors = re.search(r"errors: (\d+)", out)
    states = re.search(r"(\d+) states, stored", out)
    if errors is None or states is None:
        sys.exit(f"{model.name} {options}: no result\n{out}")
    if errors.group(1) == "0" and ("MEMLIM" in out or "not completed" in out
                                   or "search depth too small" in out):
        sys.exit(f"{model.name} {options}: not searched to the end\n{out}")
    return int(errors.group(1)), int(states.group(1))


def check(model, args, cc):
    """True if the model holds and the faults are found."""
    good = True
    rounds = [("as it is", options, 0) for options in ([[]] + (DEEP[model.stem] if args.deep else []))]
    faults = FAULT.findall(model.read_text(encoding="utf-8"))
    if not faults:
        sys.exit(f"{model.name}: no deliberate fault in it")
    rounds += [(name, [f"-DFAULT={number}"], 1) for name, number in (faults if args.faults else faults[-1:])]
    for name, options, wanted in rounds:
        begin = time.monotonic()
        errors, states = search(model, options, cc)
        fits = errors == wanted
        good = good and fits
        print(f"{'ok' if fits else 'WRONG':5} {model.stem}: {' '.join([name] + options)}: "
              f"{errors} errors in {states} states, {time.monotonic() - begin:.1f} s", flush=True)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--faults", action="store_true")
    parser.add_argument("--deep", action="store_true")
    parser.add_argument("models", nargs="*")
    args = parser.parse_args()
    if shutil.which("spin") is None:
        print("spin is not installed")
        return SKIPPED
    cc = os.environ.get("CC", "gcc").split()[-1]
    models = [HERE / f"{name}.pml" for name in args.models] or sorted(HERE.glob("*.pml"))
    return 0 if all([check(model, args, cc) for model in models]) else 1


if __name__ == "__main__":
    sys.exit(main())
