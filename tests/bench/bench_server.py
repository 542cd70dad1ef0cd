# SPDX-License-Identifier: LGPL-3.0-or-later
#
# One server under measurement: starts tools/serve on a free port, finds the
# ganesha.nfsd below it, proves which of the two forms it is, reads its CPU time
# and its peak memory, and ends what it started. Or the ceiling beside them, which
# is one program. Used by nfs-fio, one thread.

import os
import random
import re
import signal
import socket
import subprocess
import time

START_SECONDS = 600     # tools/serve may have to install and build first
STOP_SECONDS = 15
PORTS = 10              # serve takes its other ports from just above --port
TICK_US = 1000000 // os.sysconf("SC_CLK_TCK")
PLUGIN = "libfsalrpcbuf.so"


class BenchError(Exception):
    """A measurement that could not be made, with a sentence saying why."""


def read_text(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def free_port():
    """The first of PORTS free ports, below the range of outgoing connections."""
    for _ in range(200):
        first = random.randrange(20500, 32000, PORTS)
        socks = []
        try:
            for port in range(first, first + PORTS):
                sock = socket.socket()
                socks.append(sock)
                sock.bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
        finally:
            for sock in socks:
                sock.close()
    raise BenchError(f"no {PORTS} free ports in a row between 20500 and 32000")


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


class Server:
    program = "ganesha.nfsd"

    def __init__(self, command, folder, directory, stock=False):
        """command: tools/serve, to which the rest is added here."""
        self.stock = stock
        self.log = os.path.join(folder, "serve.log")
        self.pid = None
        self.port = free_port()
        with open(self.log, "wb") as out:
            # A session of its own: a Ctrl-C at the terminal reaches us first,
            # and we end the servers in order.
            self.process = subprocess.Popen(
                self._command(command, folder, directory),
                stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT, start_new_session=True)
        try:
            self.url = self._wait_ready()
            self._check_form()
        except BaseException:
            self.stop()
            raise

    def _command(self, serve, folder, directory):
        command = [serve, "--port", str(self.port), "--address", "127.0.0.1",
                   "--run-dir", folder]
        return command + (["--stock"] if self.stock else []) + [directory]

    def _urls(self):
        urls = re.findall(r"nfs://[^\s'\"<>]+", read_text(self.log))
        return [u for u in urls if "nfsport=" in u and "version=4" not in u]

    def _fail(self, why):
        tail = "\n  ".join(read_text(self.log).splitlines()[-15:])
        raise BenchError(f"{' '.join(self.process.args)}: {why}\n  {tail}")

    def _wait_ready(self):
        """Until it accepts; the URL that it printed for NFSv3 libnfs clients."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self.process.poll() is not None:
                self._fail(f"ended with status {self.process.returncode}")
            self.pid = self.pid or next((pid for pid in family(
                self.process.pid) if runs(pid, self.program)), None)
            urls = self._urls()
            if self.pid and urls and self._accepts():
                return urls[0]
            time.sleep(0.1)
        return self._fail(f"not ready after {START_SECONDS} s")

    def _accepts(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def _check_form(self):
        loaded = PLUGIN in read_text(f"/proc/{self.pid}/maps")
        if loaded == self.stock:
            self._fail(f"{PLUGIN} is {'' if loaded else 'not '}mapped in "
                       f"process {self.pid}, the comparison would be void")

    def alive(self):
        return runs(self.pid, self.program)

    def cpu_us(self):
        if not self.alive():
            self._fail(f"{self.program}, process {self.pid}, is gone")
        fields = stat_fields(self.pid)
        return (int(fields[11]) + int(fields[12])) * TICK_US

    def forget_peak(self):
        """VmHWM starts again at what is resident now."""
        with open(f"/proc/{self.pid}/clear_refs", "w", encoding="ascii") as f:
            f.write("5")

    def peak_kib(self):
        status = read_text(f"/proc/{self.pid}/status")
        return int(re.search(r"^VmHWM:\s+(\d+) kB", status, re.M).group(1))

    def resident_kib(self):
        status = read_text(f"/proc/{self.pid}/status")
        return int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.M).group(1))

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                print(f"bench: the server on port {self.port} did not end "
                      f"within {STOP_SECONDS} s of SIGTERM, killing it")
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        # Left behind only by a serve that was killed.
        if self.pid and runs(self.pid, self.program):
            os.kill(self.pid, signal.SIGKILL)
        self.pid = None


class Ceiling(Server):
    """nfs_ceiling: the receive engine without Ganesha and without files."""
    program = "nfs_ceiling"

    def _command(self, program, folder, directory):
        size = os.path.getsize(os.path.join(directory, "data"))
        return [program, str(self.port), str(size)]

    def _urls(self):
        return [f"nfs://127.0.0.1/x?nfsport={self.port}&mountport={self.port}"]

    def _check_form(self):
        pass
