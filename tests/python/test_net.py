# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: client and server reach each other across the two namespaces and by nothing
# else, with the TCP congestion control that was asked for, which no program
# changes; nothing of it is left in the machine; without the right to make them
# there is a fault, not the loopback device.
# Method: connections, made as root where namespaces are permitted.

import os
import socket
import subprocess
import sys
import unittest

from rpcbuf_nfs import net
from rpcbuf_nfs.fault import NETWORK, Fault

TCP_CONGESTION = 13
GUARD_SECONDS = 60
PERMITTED = not subprocess.run(["unshare", "--net", "true"], check=False,
                               stderr=subprocess.DEVNULL).returncode


def links():
    return sorted(os.listdir("/sys/class/net"))


@unittest.skipUnless(PERMITTED, "network namespaces are not permitted")
class Across(unittest.TestCase):
    def setUp(self):
        self.network = net.Namespaces("reno")
        self.addCleanup(self.network.close)

    def connect(self):
        with self.network.server():
            listener = socket.create_server((self.network.address, 0))
        self.addCleanup(listener.close)
        with self.network.client():
            client = socket.create_connection(listener.getsockname(),
                                              GUARD_SECONDS)
        self.addCleanup(client.close)
        server, _ = listener.accept()
        self.addCleanup(server.close)
        return listener, client, server

    def test_reached(self):
        _, client, server = self.connect()
        self.assertEqual(client.getsockname()[0], net.CLIENT_ADDRESS)
        client.sendall(b"x")
        self.assertEqual(server.recv(1), b"x")
        with self.assertRaises(OSError), socket.socket() as outside:
            outside.bind((self.network.address, 0))
        self.assertEqual(self.network.settings,
                         {"kind": "namespaces", "congestion": "reno"})

    def test_congestion(self):
        for sock in self.connect()[1:]:
            name = sock.getsockopt(socket.IPPROTO_TCP, TCP_CONGESTION, 16)
            self.assertEqual(name.rstrip(b"\0"), b"reno")
            with self.assertRaises(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, TCP_CONGESTION, b"reno")

    def test_two_runs(self):
        """Same addresses, no collision; nothing is to be seen outside."""
        before = links()
        other = net.Namespaces("reno")
        with other.server(), socket.create_server((other.address, 0)) as one:
            port = one.getsockname()[1]
            with self.network.server(), socket.create_server(
                    (other.address, port)) as two:
                self.assertEqual(one.getsockname(), two.getsockname())
        other.close()
        self.assertEqual(links(), before)

    def test_back_after_a_fault(self):
        own = os.readlink("/proc/thread-self/ns/net")
        with self.assertRaises(ZeroDivisionError), self.network.server():
            self.assertNotEqual(os.readlink("/proc/thread-self/ns/net"), own)
            raise ZeroDivisionError
        self.assertEqual(os.readlink("/proc/thread-self/ns/net"), own)

    def test_no_such_congestion(self):
        with self.assertRaises(Fault) as caught:
            net.Namespaces("nothing")
        self.assertEqual(caught.exception.status, NETWORK)
        self.assertIn("congestion control nothing", str(caught.exception))


class Refused(unittest.TestCase):
    @unittest.skipUnless(os.geteuid() == 0, "must be root to give that up")
    def test_not_permitted(self):
        """A sentence and a status of its own."""
        code = ("from rpcbuf_nfs import net\n"
                "try: net.open_network(False, 'reno')\n"
                "except net.Fault as fault: print(fault.status, fault)")
        done = subprocess.run(
            ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps",
             "-sys_admin", sys.executable, "-B", "-c", code], check=True,
            capture_output=True, text=True)
        self.assertRegex(done.stdout, f"^{NETWORK} the two network namespaces "
                         "cannot be made .*--local")


if __name__ == "__main__":
    unittest.main()
