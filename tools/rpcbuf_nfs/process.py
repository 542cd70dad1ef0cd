# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Facts from /proc about a server process, and about the machine.

import os
import re
import threading
import time

from rpcbuf_nfs.fault import FAILED, Fault

TICK_US = 1000000 // os.sysconf("SC_CLK_TCK")
PAGE_KIB = os.sysconf("SC_PAGE_SIZE") >> 10
SAMPLE_SECONDS = 0.1
SWITCHES = re.compile(r"^(non)?voluntary_ctxt_switches:\s+(\d+)", re.M)


def read_text(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def stat_fields(pid):
    """Fields of /proc/PID/stat from the state on (the name may hold spaces)."""
    return read_text(f"/proc/{pid}/stat").rpartition(")")[2].split()


def family(ancestor):
    """ancestor and the processes that descend from it, oldest first."""
    parents = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            parents[int(pid)] = int(stat_fields(pid)[1])
        except (OSError, IndexError):
            continue
    found = [ancestor]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def runs(pid, program):
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe")) == program
    except OSError:
        return False


def machine_cpu_us():
    """User and system time of all processes, and time stolen by the host."""
    ticks = [int(x) for x in read_text("/proc/stat").split("\n")[0].split()[1:]]
    return (ticks[0] + ticks[1] + ticks[2]) * TICK_US, ticks[7] * TICK_US


class Process:
    """A server process. Its figures are those of all of its threads."""

    def __init__(self, pid):
        self.pid = pid

    def _read(self, name):
        try:
            return read_text(f"/proc/{self.pid}/{name}")
        except OSError:
            raise Fault(FAILED, f"the server, process {self.pid}, is gone"
                        ) from None

    def cpu_us(self):
        fields = self._read("stat").rpartition(")")[2].split()
        if fields[0] in "ZX":
            raise Fault(FAILED, f"the server, process {self.pid}, has ended")
        return (int(fields[11]) + int(fields[12])) * TICK_US

    def forget_peak(self):
        """VmHWM starts again at what is resident now; False: not permitted."""
        try:
            with open(f"/proc/{self.pid}/clear_refs", "w",
                      encoding="ascii") as f:
                f.write("5")
            return True
        except PermissionError:
            return False

    def peak_kib(self):
        return int(re.search(r"^VmHWM:\s+(\d+) kB", self._read("status"),
                             re.M)[1])

    def resident_kib(self):
        return int(self._read("statm").split()[1]) * PAGE_KIB

    def maps(self, library):
        """Whether a library is loaded into it."""
        return library in self._read("maps")

    def switches(self):
        """(voluntary, involuntary) context switches by thread."""
        found = {}
        for tid in os.listdir(f"/proc/{self.pid}/task"):
            try:
                text = read_text(f"/proc/{self.pid}/task/{tid}/status")
            except OSError:
                continue
            found[tid] = tuple(int(nr) for _, nr in SWITCHES.findall(text))
        return found


class Watch:
    """Samples the memory and the context switches of a process meanwhile. A
    thread that ends in between is counted as it was when last seen."""

    def __init__(self, process):
        self.process = process
        self.resident = []      # (milliseconds, KiB)
        self._before = process.switches()
        self._last = dict(self._before)
        self._end = threading.Event()
        self._start = time.monotonic()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _look(self, nr):
        at = round((time.monotonic() - self._start) * 1000)
        self.resident.append((at, self.process.resident_kib()))
        # Reading the status of each thread is expensive.
        if nr % 5 == 0:
            self._last.update(self.process.switches())

    def _sample(self):
        nr = 0
        try:
            self._look(nr)
            while not self._end.wait(SAMPLE_SECONDS):
                nr += 1
                self._look(nr)
        except (Fault, OSError):
            pass    # it ended; the measuring thread will notice

    def stop(self):
        """The growth of the (voluntary, involuntary) switches."""
        self._end.set()
        self._thread.join()
        try:
            self._look(0)
        except OSError:
            raise Fault(FAILED, f"the server, process {self.process.pid}, "
                        "is gone") from None
        none = (0, 0)
        return tuple(sum(value[i] - self._before.get(tid, none)[i]
                         for tid, value in self._last.items())
                     for i in range(2))
