# SPDX-License-Identifier: LGPL-3.0-or-later
#
# One server under measurement. Served: starts tools/serve on a free port, finds
# the ganesha.nfsd below it, proves which form it is, and ends what it started.
# Running: one that was started before, or a mounted file system; of a server
# on another machine only what the client sees is known. One thread.

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time

from rpcbuf_nfs.fault import SERVER, Fault
from rpcbuf_nfs.process import Process, family, read_text, runs

START_SECONDS = 600     # tools/serve may have to install and build first
STOP_SECONDS = 15
PORTS = 10              # serve takes its other ports from just above --port
PLUGIN = "libfsalrpcbuf.so"


def free_port(address):
    """The first of PORTS free ports, below those of outgoing connections."""
    for _ in range(200):
        first = random.randrange(20500, 32000, PORTS)
        socks = []
        try:
            for port in range(first, first + PORTS):
                sock = socket.socket()
                socks.append(sock)
                sock.bind((address, port))
            return first
        except OSError:
            continue
        finally:
            for sock in socks:
                sock.close()
    raise Fault(SERVER, f"no {PORTS} free ports in a row between 20500 and "
                "32000")


class Server:
    """What the client is pointed at, and its process, where that is here."""
    process = None

    def __init__(self, target, pid=None):
        self.target = target
        if pid:
            self.process = Process(pid)

    def alive(self):
        return not self.process or os.path.exists(f"/proc/{self.process.pid}")

    def stop(self):
        pass


class Served(Server):
    program = "ganesha.nfsd"

    def __init__(self, serve, folder, directory, network, options=(),
                 library=None):
        """serve: tools/serve, to which the rest is added here; library: the end
        of the name of what must be loaded into the server. options go to
        serve."""
        super().__init__(None)
        self.folder, self.options, self.library = folder, options, library
        self.network = network
        self.log = os.path.join(folder, "serve.log")
        with network.server():
            self.port = free_port(network.address)
        command = self._command(serve, directory)
        with network.server(), open(self.log, "wb") as out:
            # A session of its own: a Ctrl-C at the terminal reaches us first,
            # and we end the servers in order. They end, too, when we are killed.
            self.parent = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *command],
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                start_new_session=True)
        try:
            self.target = self._wait_ready()
            self._check_form()
        except BaseException:
            self.stop()
            raise

    def _command(self, serve, directory):
        return [serve, "--port", str(self.port), "--address",
                self.network.address, "--run-dir", self.folder, *self.options,
                directory]

    def _urls(self):
        urls = re.findall(r"nfs://[^\s'\"<>]+", read_text(self.log))
        return [u for u in urls if "nfsport=" in u and "version=4" not in u]

    def _fail(self, why):
        tail = "\n  ".join(read_text(self.log).splitlines()[-15:])
        raise Fault(SERVER, f"{' '.join(self.parent.args[3:])}: {why}\n  {tail}")

    def _find(self):
        pid = next((pid for pid in family(self.parent.pid)
                    if runs(pid, self.program)), None)
        return Process(pid) if pid else None

    def _wait_ready(self):
        """Until it accepts; the URL that it printed for libnfs and NFSv3."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self.parent.poll() is not None:
                self._fail(f"ended with status {self.parent.returncode}")
            self.process = self.process or self._find()
            urls = self._urls()
            if self.process and urls and self._accepts():
                return urls[0]
            time.sleep(0.1)
        return self._fail(f"not ready after {START_SECONDS} s")

    def _accepts(self):
        try:
            with self.network.client():
                socket.create_connection(
                    (self.network.address, self.port), 1).close()
            return True
        except OSError:
            return False

    def _check_form(self):
        stock = "--stock" in self.options
        for name, wanted in (PLUGIN, not stock), (self.library, True):
            if name and self.process.maps(name) != wanted:
                self._fail(f"{name} is {'not ' if wanted else ''}mapped in "
                           f"process {self.process.pid}, the comparison would "
                           "be void")

    def alive(self):
        return runs(self.process.pid, self.program)

    def stop(self):
        if self.parent.poll() is None:
            self.parent.terminate()
            try:
                self.parent.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                print(f"the server on port {self.port} did not end within "
                      f"{STOP_SECONDS} s of SIGTERM, killing it",
                      file=sys.stderr)
                os.killpg(self.parent.pid, signal.SIGKILL)
                self.parent.wait()
        # Left behind only by a serve that was killed.
        if self.process and runs(self.process.pid, self.program):
            os.kill(self.process.pid, signal.SIGKILL)
        self.process = None


class Statistics:
    """What a server with rpcbuf counts, as rpcbuf-stat prints it."""

    def __init__(self, program, pid):
        self.command = [program, "--pid", str(pid), "--json"]

    def read(self):
        """None where there is no rpcbuf-stat, or the server has no rpcbuf."""
        try:
            done = subprocess.run(self.command, capture_output=True, text=True,
                                  check=False)
            return json.loads(done.stdout) if done.returncode == 0 else None
        except (OSError, ValueError):
            return None


def pages_between(before, after):
    """Pages per request, and their histogram, of what happened in between."""
    if not before or not after:
        return {}
    def grown(name):
        return after["figures"].get(name, 0) - before["figures"].get(name, 0)
    found = {name: grown(name) for name in ("requests", "pages_filled")}
    if not found["requests"]:
        return {}
    found["pages_per_request"] = found["pages_filled"] / found["requests"]
    old, new = (side.get("histograms", {}).get("pages_per_request")
                for side in (before, after))
    if old and new and len(old["counts"]) == len(new["counts"]):
        found["pages_histogram"] = {
            "le": new["le"],
            "counts": [b - a for a, b in zip(old["counts"], new["counts"])]}
    return found
