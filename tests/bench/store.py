#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Operations per second of stores, on this machine, one after the other.

    store.py --ours BUILD/dom0-tools/store/paravane-stored --bench BUILD/tests/bench/bench_store
             [--xenstored FILE] [--oxenstored FILE] [--libs DIR] [--rounds N]

Debian's stores are the programs of xen-utils-4.17; there is no hypervisor on
this machine, so a small preloaded library answers the few calls they make to
one.  Each figure is the best of --rounds; stores take turns, so that a busy
moment of the machine does not fall on one of them alone.  Needs root for
oxenstored, whose socket's place is fixed.
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

# What Debian's stores ask of a hypervisor at their start.
NO_HYPERVISOR = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
static int fake(const char *path)
{
    if (strncmp(path, "/proc/xen/xsd_", 14) == 0) {
        int fd = memfd_create("xsd", 0);
        if (strstr(path, "port")) {
            (void)!write(fd, "1\n", 2);
            lseek(fd, 0, SEEK_SET);
        } else {
            (void)!ftruncate(fd, 4096);
        }
        return fd;
    }
    return -1;
}
int open(const char *path, int flags, ...)
{
    static int (*real)(const char *, int, ...);
    int fd = fake(path);
    if (!real) real = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    return fd >= 0 ? fd : real(path, flags, 0600);
}
int prlimit64() { return 0; }
int setrlimit() { return 0; }
void *xc_interface_open() { return malloc(64); }
int xc_interface_close() { return 0; }
int xc_domain_getinfo(void *x, unsigned domid, unsigned count, unsigned *info)
{
    memset(info, 0, 64);
    *info = domid;
    return 1;
}
void *xenevtchn_open() { return malloc(64); }
void *xenevtchn_fdopen() { return malloc(64); }
int xenevtchn_fd() { static int fd = -1; if (fd < 0) fd = eventfd(0, 0); return fd; }
int xenevtchn_bind_virq() { return 1; }
int xenevtchn_bind_interdomain() { return 2; }
int xenevtchn_pending() { return -1; }
int xenevtchn_unmask() { return 0; }
int xenevtchn_unbind() { return 0; }
int xenevtchn_notify() { return 0; }
void *xengnttab_open() { return malloc(64); }
int xengnttab_close() { return 0; }
"""


class Store:
    """A store that runs while the block does."""

    def __init__(self, name, options, place):
        self.name, self.options, self.place = name, options, place

    def command(self):
        env = dict(os.environ)
        if self.name == "paravane":
            state = tempfile.mkdtemp(dir="/dev/shm")
            self.state = state
            return [self.options.ours, "--no-domains", "--socket", self.place + "/socket",
                    "--state", state], env, self.place + "/socket"
        self.state = None
        env["LD_PRELOAD"] = self.place + "/none.so"
        if self.options.libs:
            env["LD_LIBRARY_PATH"] = self.options.libs
        if self.name == "xenstored":
            env["XENSTORED_RUNDIR"] = env["XENSTORED_ROOTDIR"] = self.place
            return [self.options.xenstored, "-N"], env, self.place + "/socket"
        for directory in ("/var/run/xen", "/var/run/xenstored", "/var/log/xen"):
            os.makedirs(directory, exist_ok=True)
        return [self.options.oxenstored, "--no-fork", "--no-domain-init", "--no-access-log",
                "--config-file", "/dev/null"], env, "/var/run/xenstored/socket"

    def __enter__(self):
        command, env, self.socket = self.command()
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        self.process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        for _ in range(200):
            if os.path.exists(self.socket):
                time.sleep(0.2)
                return self
            time.sleep(0.02)
        raise RuntimeError(f"{self.name} does not come up")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        if self.state:
            shutil.rmtree(self.state)


def measure(options, name, domains, place):
    with Store(name, options, place) as store:
        run = subprocess.run([options.bench, store.socket, str(store.process.pid), str(domains),
                              str(options.seconds)], stdout=subprocess.PIPE, check=True, text=True,
                             timeout=300)
    rows = {}
    for line in run.stdout.splitlines():
        kind, rate, cost = line.split()
        rows[kind] = (float(rate), float(cost))
    return rows


def better(old, new):
    """The best of two measurements, figure by figure."""
    if old is None:
        return new
    return {kind: (max(old[kind][0], new[kind][0]), min(old[kind][1], new[kind][1]))
            for kind in new}


def show(names, domains, best):
    print(f"\nnodes of {domains} domain{'s' if domains != 1 else ''}: operations/s "
          "(CPU ns of the store per operation)\n")
    print("| operation/under way |", " | ".join(names), "| ours to the better one |")
    print("|---|" + "---:|" * (len(names) + 1))
    for kind in best[names[0]]:
        cells = [f"{best[name][kind][0]:.0f} ({best[name][kind][1]:.0f})" for name in names]
        others = [best[name][kind][0] for name in names[1:]]
        ratio = f"{best[names[0]][kind][0] / max(others):.2f}" if others else "-"
        print(f"| {kind} |", " | ".join(cells), f"| {ratio} |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ours", required=True)
    parser.add_argument("--bench", required=True)
    parser.add_argument("--xenstored")
    parser.add_argument("--oxenstored")
    parser.add_argument("--libs")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--domains", type=int, nargs="+", default=[1, 1000])
    options = parser.parse_args()
    names = ["paravane"] + [name for name in ("xenstored", "oxenstored") if getattr(options, name)]
    with tempfile.TemporaryDirectory() as place:
        source = pathlib.Path(place, "none.c")
        source.write_text(NO_HYPERVISOR, encoding="utf-8")
        subprocess.run(["cc", "-w", "-shared", "-fPIC", "-o", place + "/none.so", source, "-ldl"],
                       check=True)
        for domains in options.domains:
            best = {name: None for name in names}
            for _ in range(options.rounds):
                for name in names:
                    best[name] = better(best[name], measure(options, name, domains, place))
            show(names, domains, best)
    return 0


if __name__ == "__main__":
    sys.exit(main())
