# SPDX-License-Identifier: LGPL-3.0-or-later
#
# The client of the measurement: fio, with its nfs engine (libnfs) or, on a
# mounted file system, with the kernel's client; each job has a connection of its
# own. One thread.
#
# The end of the nfs engine cannot be trusted: without a time limit it makes one
# pass over the file whatever loops and io_size say, and with calls in flight
# it may wait for ever for a reply, before its unmount or in it. So every case is
# time-based. What fio prints says when its jobs began to measure; when their time
# is over and fio has not ended within OVERSTAY_SECONDS, its jobs are killed, not
# fio. They are processes of their own, their results are in memory that fio
# shares with them: fio reports, and the figures are whole.

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import time

from rpcbuf_nfs.case import Case
from rpcbuf_nfs.fault import CLIENT, FAILED, Fault
from rpcbuf_nfs.process import family, read_text

OVERSTAY_SECONDS = 2    # to end, after the time of the jobs
START_SECONDS = 60      # until the jobs measure, at most
REPORT_SECONDS = 20     # to report, once its jobs are gone
POLL_SECONDS = 0.1
RUNNING = re.compile(r"Jobs: (\d+) \(f=")     # fio starts all at once
DATA = "data"
FILL_SECONDS = 10       # for the end, see above, beside what the bytes take
FILL_MIB_PER_SECOND = 1
FIO_RW = {"mixed": "randrw"}
RESULTS = {"read": "read", "randread": "read", "write": "write",
           "randwrite": "write", "mixed": "mixed"}


def children_cpu_us():
    use = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (use.ru_utime + use.ru_stime) * 1e6


def ended(fio, seconds):
    try:
        fio.wait(seconds)
        return True
    except subprocess.TimeoutExpired:
        return False


def send(sig, pids):
    for pid in pids:
        try:
            os.kill(pid, sig)
        except ProcessLookupError:
            pass


def end_jobs(fio):
    """Kills the processes that fio has forked, so that fio reports."""
    send(signal.SIGKILL, family(fio.pid)[1:])
    ended(fio, REPORT_SECONDS)


def kill_fio(fio):
    """Kills it with all that it has forked, unless it has ended."""
    if fio.poll() is None:
        send(signal.SIGKILL, reversed(family(fio.pid)))
        fio.wait()


def all_began(text, jobs):
    """Whether so many jobs measured at the same time, by fio's output."""
    return any(int(number) >= jobs for number in RUNNING.findall(text))


def can_direct(path):
    """Whether it can be opened past the page cache."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_DIRECT))
        return True
    except OSError:
        return False


class Fio:
    def __init__(self, program, size_mib, folder, network, data=DATA):
        """folder: for fio's output; data: the measured file."""
        self.program, self.size_mib = program, size_mib
        self.folder, self.network, self.data = folder, network, data
        self.log = os.path.join(folder, "fio.log")

    def check(self, engine):
        """Checks that it exists and has the engine; returns its version."""
        program = shutil.which(self.program)
        if not program:
            raise Fault(CLIENT, f"there is no fio at {self.program}")
        engines = subprocess.run([program, "--enghelp"], capture_output=True,
                                 text=True, check=False).stdout.split()
        if engine not in engines:
            raise Fault(CLIENT, f"{program} has no {engine} engine" + (
                " (Debian's package lacks it); tools/setup --fio of rpcbuf "
                "builds one that has" if engine == "nfs" else ""))
        self.program = program
        return subprocess.run([program, "--version"], capture_output=True,
                              text=True, check=False).stdout.strip()

    def _where(self, target):
        """target: a URL, or the folder of a mounted file system."""
        if target.startswith("nfs://"):
            return ["--ioengine=nfs", f"--nfs_url={target}"]
        return ["--ioengine=libaio", f"--directory={target}",
                f"--direct={int(can_direct(os.path.join(target, self.data)))}"]

    def command(self, target, case, seconds, out):
        mix = case.rw == "mixed"
        return [self.program, "--name=bench", *self._where(target),
                f"--filename={self.data}", f"--size={self.size_mib}m",
                f"--rw={FIO_RW.get(case.rw, case.rw)}", f"--bs={case.size}",
                *(["--rwmixread=70", "--unified_rw_reporting=mixed"]
                  if mix else []),
                f"--iodepth={case.depth}", "--time_based",
                f"--numjobs={case.jobs}", "--group_reporting",
                f"--runtime={seconds}", "--eta=always",
                "--eta-interval=500ms", "--output-format=json",
                f"--output={out}"]

    def _start(self, command):
        with self.network.client(), open(self.log, "wb") as log:
            return subprocess.Popen(command, cwd=self.folder, stdout=log,
                                    stdin=subprocess.DEVNULL, stderr=log)

    def _tail(self):
        lines = read_text(self.log).replace("\r", "\n").splitlines()
        return "\n  ".join([line for line in lines if line][-5:])

    def fill(self, target):
        """Makes the file, with real bytes in it: holes would all be read from
        one page of zeroes that never leaves the CPU's cache."""
        out = os.path.join(self.folder, "fill.json")
        fio = self._start([self.program, "--name=fill", *self._where(target),
                           f"--filename={self.data}", "--rw=write", "--bs=1m",
                           f"--size={self.size_mib}m", "--iodepth=1",
                           "--refill_buffers", "--eta=never",
                           "--output-format=json", f"--output={out}"])
        try:
            if not ended(fio, FILL_SECONDS + self.size_mib /
                         FILL_MIB_PER_SECOND):
                end_jobs(fio)
        finally:
            kill_fio(fio)
        record = record_of(out, Case("write", "1m", 1))
        if not record or record["io_bytes"] < self.size_mib << 20:
            raise Fault(FAILED, f"{target} could not be filled with a file "
                        f"{self.data} of {self.size_mib} MiB:\n  "
                        f"{self._tail()}")

    def _overstays(self, fio, jobs, seconds):
        """Waits until fio has ended, or should have: False, True."""
        end = time.monotonic() + START_SECONDS + seconds + OVERSTAY_SECONDS
        begun = False
        while not ended(fio, POLL_SECONDS):
            if not begun and all_began(read_text(self.log), jobs):
                begun = True
                end = time.monotonic() + seconds + OVERSTAY_SECONDS
            if time.monotonic() > end:
                return True
        return False

    def run(self, target, case, seconds):
        """fio's own record of one case, and whether its jobs had to be
        ended."""
        out = os.path.join(self.folder, "fio.json")
        if os.path.exists(out):
            os.unlink(out)
        fio = self._start(self.command(target, case, seconds, out))
        try:
            overstayed = self._overstays(fio, case.jobs, seconds)
            if overstayed:
                end_jobs(fio)
        finally:
            kill_fio(fio)
        record = record_of(out, case)
        if not record:
            raise Fault(FAILED, f"{case.name}: fio gave no result (status "
                        f"{fio.returncode}):\n  {self._tail()}")
        # A job notes how long it measured when its last call is answered.
        record["runtime"] = record["runtime"] or seconds * 1000
        return record, overstayed


def record_of(path, case):
    """fio's record of its operations; None when there is none."""
    try:
        text = read_text(path)
        job = json.loads(text[text.index("{"):])["jobs"][0]
        record = job[RESULTS[case.rw]]
        return record if record["total_ios"] and not job["error"] else None
    except (OSError, ValueError, LookupError):
        return None
