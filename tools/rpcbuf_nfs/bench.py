# SPDX-License-Identifier: LGPL-3.0-or-later
#
# rpcbuf-bench nfs: several forms of an NFS server against each other, with fio.
#
# Each round starts all servers again. Each case then runs on one server after the
# other, and each round begins with another one, so that other load on the machine
# affects all alike. Servers that are not measured are idle; their CPU is checked.
# Every sample is appended to a file, from which an interrupted run continues.

import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from rpcbuf_nfs import net, options, table
from rpcbuf_nfs.case import case_of
from rpcbuf_nfs.fault import FAILED, SERVER, SETTINGS, Fault
from rpcbuf_nfs.fio import Fio
from rpcbuf_nfs.leftovers import new_folder
from rpcbuf_nfs.measure import measure
from rpcbuf_nfs.process import read_text
from rpcbuf_nfs.progress import duration, show_progress
from rpcbuf_nfs.results import (FORMAT, FORMAT_VERSION, Results, Writer,
                                read_results, summarise)
from rpcbuf_nfs.server import Statistics
from rpcbuf_nfs.sides import (JEMALLOC, JEMALLOC_NOTE, SERVED, also_build,
                              mounted_side, running_side, served_sides, unique)

START_SECONDS = 2.5     # planned, a server
FIO_SECONDS = 1.0       # planned, for fio to begin and to end
WARM_UP = case_of("4k-randread-qd16")


def first_match(path, start):
    for line in read_text(path).splitlines():
        if line.startswith(start):
            return line.partition(":")[2].strip()
    return ""


def machine():
    memory = first_match("/proc/meminfo", "MemTotal").split()
    return {"cpus": os.cpu_count(), "kernel": platform.release(),
            "cpu_model": first_match("/proc/cpuinfo", "model name"),
            "memory_mib": int(memory[0]) >> 10 if memory else 0}


def output_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True,
                              check=False).stdout.strip()
    except OSError:
        return ""


def software(place, fio_version):
    """Versions of the programs, as far as known."""
    found = {"fio": fio_version.removeprefix("fio-"), "rpcbuf": place.version}
    for package in ["nfs-ganesha", "libntirpc4.3", "libnfs13", "libjemalloc2"]:
        version = output_of("dpkg-query", "-W", "-f=${Version}", package)
        if version:
            found[package] = version
    return found


def filesystem_of(path):
    return output_of("stat", "-f", "-c", "%T", path) or "unknown file system"


class Run:
    def __init__(self, args, place):
        self.args, self.place = args, place
        self.folder = tempfile.mkdtemp(prefix="rpcbuf-bench-log.")
        self.export = None      # a folder of ours that is exported
        self.network = net.Network(net.RUNNING)
        self.sides = self._sides()
        self.results = self.writer = None
        self.filled = False

    # ------------------------------------------------------------- beginning

    def _sides(self):
        args = self.args
        if args.server or args.mount:
            return unique([running_side(text) for text in args.server] +
                          [mounted_side(text) for text in args.mount])
        serve = args.serve or self.place.serve
        if not serve:
            raise Fault(SERVER, "there is no tools/serve beside this program: "
                        "name one with --serve, or servers that already run "
                        "with --server (see rpcbuf-bench(1))")
        return served_sides(args.only, serve, lambda: self.network,
                            lambda: self.export, args.preload,
                            [also_build(text) for text in args.also])

    @property
    def own(self):
        """Whether the servers are ours to start."""
        return not (self.args.server or self.args.mount)

    def make_export(self):
        try:
            self.export = new_folder(self.args.size, self.args.dir,
                                     tempfile.gettempdir())
        except OSError as error:
            raise Fault(FAILED, "no folder to export can be made: "
                        f"{error.filename}: {error.strerror}") from None

    def _head(self, fio_version):
        sides = [{"name": s.name, "about": s.about, "role": s.role}
                 for s in self.sides]
        for side in sides:
            if self.own and side["name"] == JEMALLOC:
                side["note"] = JEMALLOC_NOTE
        where = ""
        if not self.args.server:
            where = filesystem_of(self.export or self.sides[0].about)
        client = ("kernel's client, fio with libaio" if self.args.mount
                  else "libnfs, NFSv3, fio with its nfs engine")
        return {"format": FORMAT, "version": FORMAT_VERSION, "type": "run",
                "time": time.time(), "machine": machine(),
                "software": software(self.place, fio_version),
                "settings": {"cases": [c.name for c in self.args.cases],
                             "repeat": self.args.repeat,
                             "seconds": self.args.seconds,
                             "size_mib": self.args.size, "sides": sides,
                             "one_machine": self.own, "client": client,
                             "network": self.network.settings,
                             "file_system": where}}

    def open_results(self, fio_version):
        if not self.args.resume:
            head = self._head(fio_version)
            self.results = Results(head)
            self.writer = Writer(self.args.output, head)
            return
        self.results = self.args.resumed
        self.writer = Writer(self.args.output)
        self.writer.write({"type": "resumed", "time": time.time()})

    # ------------------------------------------------------------- measuring

    def todo(self):
        """(repeat, [cases]) that are not complete yet."""
        found = []
        for repeat in range(self.args.repeat):
            cases = [c for c in self.args.cases
                     if not self.results or
                     not self.results.whole(repeat, c.name)]
            if cases:
                found.append((repeat, cases))
        return found

    def planned(self):
        per_case = self.args.seconds + FIO_SECONDS
        return sum(len(self.sides) * (self._start_seconds() +
                                      len(cases) * per_case)
                   for _, cases in self.todo())

    def plan(self):
        def count(number, noun):
            return f"{number} {noun}{'s' if number != 1 else ''}"
        return (f"{count(len(self.args.cases), 'case')} on "
                f"{count(len(self.sides), 'server')}, "
                f"{count(self.args.repeat, 'round')} of {self.args.seconds} "
                f"s: about {duration(self.planned())}")

    def _start_seconds(self):
        return START_SECONDS + 1 + FIO_SECONDS if self.own else FIO_SECONDS

    def _start(self, order, fio, progress):
        servers, statistics = {}, {}
        try:
            for side in order:
                progress.at(f"starting {side.name}")
                servers[side.name] = server = side.start(self.folder)
                if server.process and self.place.stat:
                    reader = Statistics(self.place.stat, server.process.pid)
                    statistics[side.name] = reader if reader.read() else None
            if not self.filled:
                progress.at("making the file")
                self._fill(fio, servers)
            for side in order:
                progress.at(f"warming {side.name} up")
                fio.run(servers[side.name].target, WARM_UP, 1)
                progress.step(self._start_seconds())
            return servers, statistics
        except BaseException:
            stop_all(servers)
            raise

    def _fill(self, fio, servers):
        """Running servers may export different files."""
        targets = [self.export] if self.own else [
            server.target for server in servers.values()]
        for target in dict.fromkeys(targets):
            fio.fill(target)
        if self.own:
            os.chmod(os.path.join(self.export, fio.data), 0o666)
        self.filled = True

    def _repeat(self, repeat, cases, fio, progress):
        turn = repeat % len(self.sides)
        order = self.sides[turn:] + self.sides[:turn]
        servers, statistics = self._start(order, fio, progress)
        try:
            for case in cases:
                for side in order:
                    progress.at(f"{case.name}: {side.name}")
                    sample = measure(fio, servers, side.name, case,
                                     self.args.seconds,
                                     statistics.get(side.name))
                    sample.update(type="sample", repeat=repeat,
                                  time=time.time())
                    self.results.add(sample)
                    self.writer.write(sample)
                    progress.step(self.args.seconds + FIO_SECONDS)
                    progress.say(f"{repeat + 1}/{self.args.repeat} "
                                 f"{case.name:22} {side.name:9} "
                                 f"{sample['ops_per_s']:10,.0f} ops/s")
        except Fault as error:
            dead = [name for name, s in servers.items() if not s.alive()]
            raise Fault(error.status, f"{error}" + "".join(
                f"\n  the server {name} is gone" for name in dead)) from None
        finally:
            stop_all(servers)

    def measure(self, fio):
        with show_progress(self.planned()) as progress:
            for repeat, cases in self.todo():
                self._repeat(repeat, cases, fio, progress)

    def close(self):
        if self.writer:
            self.writer.close()
            if not self.results.samples:
                os.unlink(self.args.output)
        for path in [self.export, self.folder]:
            if path:
                shutil.rmtree(path, ignore_errors=True)
        self.network.close()


def end_on_signals():
    """In order, as on Ctrl-C."""
    for sig in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sig, lambda nr, _: sys.exit(128 + nr))


def stop_all(servers):
    """A second Ctrl-C must not leave any of them behind. The first may own the
    rpcbind that the others use, so it ends last."""
    before = {sig: signal.signal(sig, signal.SIG_IGN) for sig in
              (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        for name in reversed(list(servers)):
            servers[name].stop()
    finally:
        for sig, handler in before.items():
            signal.signal(sig, handler)


def keep_logs(run, error):
    """The logs of a failure stay."""
    folder, run.folder = run.folder, None
    if any(files for _, _, files in os.walk(folder)):
        return Fault(error.status, f"{error}\nthe logs are in {folder}")
    os.rmdir(folder)
    return error


def apply_resumed(args):
    """The settings of the file, none of which may be given again."""
    results = args.resumed = read_results(args.resume)
    settings = results.settings
    args.cases = [case_of(name) for name in settings["cases"]]
    args.repeat, args.seconds = settings["repeat"], settings["seconds"]
    args.size, args.output = settings["size_mib"], args.resume
    if not (args.server or args.mount):
        args.only = [name for name in results.sides if name in SERVED]
        apply_network(args, settings["network"])
    here = machine()
    if here != results.head["machine"]:
        raise Fault(SETTINGS, f"{args.resume} was begun on another machine: "
                    "its results and those of this one do not go together")


def apply_network(args, settings):
    """Figures of the loopback device and of namespaces do not go together."""
    if args.local != (settings["kind"] == net.LOCAL):
        raise Fault(SETTINGS, f"{args.resume} was begun "
                    f"{'with' if not args.local else 'without'} --local: go on "
                    "with it in the same way")
    args.congestion = settings["congestion"]


def perform(args, place):
    if args.resume:
        apply_resumed(args)
    run = Run(args, place)
    try:
        if args.resume and [s.name for s in run.sides] != args.resumed.sides:
            raise Fault(SETTINGS, f"{args.resume} compares "
                        f"{', '.join(args.resumed.sides)}, in this order")
        if args.list:
            print("\n".join(c.name for c in args.cases))
            print(run.plan(), file=sys.stderr)
            return
        if run.own:
            run.network = net.open_network(args.local, args.congestion)
            place.prepare()
        fio = Fio(place.fio(args.fio), args.size, run.folder, run.network,
                  "data" if run.own else "rpcbuf-bench.data")
        fio_version = fio.check("libaio" if args.mount else "nfs")
        if run.own:
            run.make_export()
        run.open_results(fio_version)
        print(f"{net.about(run.network.settings)}\n{run.plan()}; results go "
              f"to {args.output}", file=sys.stderr)
        run.measure(fio)
        table.show(run.results, summarise(run.results), args.markdown)
        print(f"\na page of it: rpcbuf-report {args.output} -o report.html",
              file=sys.stderr)
    except Fault as error:
        raise keep_logs(run, error) from None
    except (KeyboardInterrupt, SystemExit):
        if run.results and run.results.samples:
            print(f"interrupted; to go on: rpcbuf-bench nfs --resume "
                  f"{args.output}", file=sys.stderr)
        raise
    finally:
        run.close()


def main(place, arguments):
    end_on_signals()
    perform(options.parse(arguments), place)
