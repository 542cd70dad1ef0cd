# SPDX-License-Identifier: LGPL-3.0-or-later
#
# The network between client and server: two network namespaces joined by a veth
# pair, or the loopback device.
#
# The namespaces have no names. Descriptors of this process hold them, and the
# processes that run in them: when all of these are gone, however they ended, the
# kernel removes namespaces, veth pair and addresses. So runs cannot collide, and
# only processes can be left: see leftovers.py.
#
# One thread: it enters a namespace to start programs and open files there.

import contextlib
import ctypes
import os
import subprocess

from rpcbuf_nfs import leftovers
from rpcbuf_nfs.fault import NETWORK, Fault
from rpcbuf_nfs.process import read_text

NAMESPACES, LOCAL, RUNNING = "namespaces", "local", "running"
SERVER_ADDRESS, CLIENT_ADDRESS = "192.0.2.1", "192.0.2.2"   # RFC 5737
SUBNET = "192.0.2.0/24"
LOOPBACK = "127.0.0.1"
CONGESTION = "cubic"
CURRENT = "/proc/sys/net/ipv4/tcp_congestion_control"
CLONE_NEWNET = 0x40000000


def about(settings):
    """A sentence for every output."""
    if settings["kind"] == NAMESPACES:
        return ("server and client in two network namespaces joined by a veth "
                f"pair; TCP congestion control {settings['congestion']} on "
                "both sides")
    if settings["kind"] == LOCAL:
        return ("LOCAL: server and client on the loopback device, which no "
                "user's clients are on; TCP congestion control "
                f"{settings['congestion']}")
    return ("servers that ran already, over the network that leads to them, "
            "without namespaces; TCP congestion control is theirs")


class Network:
    """That of the machine."""

    def __init__(self, kind):
        self.kind, self.address = kind, LOOPBACK
        self.congestion = None
        if kind == LOCAL:
            self.congestion = read_text(CURRENT).strip()

    @property
    def settings(self):
        return {"kind": self.kind, "congestion": self.congestion}

    def server(self):
        """Files opened and programs started meanwhile are on the server's side."""
        return contextlib.nullcontext()

    def client(self):
        return contextlib.nullcontext()

    def close(self):
        pass


# ------------------------------------------------------------- the namespaces

class Namespaces(Network):
    def __init__(self, congestion):
        super().__init__(NAMESPACES)
        self.address, self.congestion = SERVER_ADDRESS, congestion
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self._server = self._client = None
        try:
            self._server, self._client = self._make(), self._make()
            with self.server():
                ip("link", "add", "veth0", "type", "veth", "peer", "name",
                   "veth0", "netns", f"/proc/{os.getpid()}/fd/{self._client}")
            for enter, address in ((self.server, SERVER_ADDRESS),
                                   (self.client, CLIENT_ADDRESS)):
                with enter():
                    self._set_up(address)
        except BaseException:
            self.close()
            raise

    def _call(self, what, *arguments):
        if getattr(self._libc, what)(*arguments):
            reason = os.strerror(ctypes.get_errno())
            raise Fault(NETWORK, "the two network namespaces cannot be made "
                        f"({what}: {reason}): run it as root where that is "
                        "permitted, or measure the loopback device, which is "
                        "no network, with --local")

    def _make(self):
        self._call("unshare", CLONE_NEWNET)
        try:
            return os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        finally:
            self._call("setns", self._own, CLONE_NEWNET)

    def _set_up(self, address):
        ip("link", "set", "lo", "up")
        ip("address", "add", f"{address}/24", "dev", "veth0", "noprefixroute")
        ip("link", "set", "veth0", "up")
        # Not by the sysctl: a namespace may only set it to what the machine
        # permits its users. Locked: no program sets its own.
        try:
            ip("route", "add", SUBNET, "dev", "veth0", "src", address,
               "congctl", "lock", self.congestion)
        except Fault as error:
            raise Fault(NETWORK, f"the TCP congestion control "
                        f"{self.congestion} cannot be had: {error}") from None

    @contextlib.contextmanager
    def _inside(self, namespace):
        self._call("setns", namespace, CLONE_NEWNET)
        try:
            yield
        finally:
            self._call("setns", self._own, CLONE_NEWNET)

    def server(self):
        return self._inside(self._server)

    def client(self):
        return self._inside(self._client)

    def close(self):
        for fd in (self._server, self._client, self._own):
            if fd is not None:
                os.close(fd)
        self._server = self._client = self._own = None


def ip(*arguments):
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    try:
        done = subprocess.run(["ip", *arguments], capture_output=True, text=True,
                              check=False, env={**os.environ, "PATH": path})
    except OSError as error:
        raise Fault(NETWORK, "the network cannot be made: ip (Debian: iproute2)"
                    f": {error.strerror}") from None
    if done.returncode:
        raise Fault(NETWORK, "the network cannot be made: ip "
                    f"{' '.join(arguments)}: {done.stderr.strip()}")


def open_network(local, congestion):
    """local: the loopback device, else two namespaces. Ends what killed runs
    left."""
    leftovers.end_processes()
    leftovers.mark_children()
    return Network(LOCAL) if local else Namespaces(congestion)
