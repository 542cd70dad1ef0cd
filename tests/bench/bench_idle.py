# SPDX-License-Identifier: LGPL-3.0-or-later
#
# What an idle connection costs: resident memory of the server before and after
# so many connections were made, each with a NULL call answered. Used by nfs-fio.

import resource
import socket
import struct
import time

from rpcbuf_nfs.fault import FAILED, Fault

CONNECTIONS = 1000
SETTLE_SECONDS = 2.5    # a loop gives its vector back after two


def null_call(sock, xid):
    sock.sendall(struct.pack(">11I", 1 << 31 | 40, xid, 0, 2, 100003, 3, 0,
                             0, 0, 0, 0))
    reply = b""
    while len(reply) < 28:
        part = sock.recv(28 - len(reply))
        if not part:
            raise Fault(FAILED, "the server closed a connection after a NULL call")
        reply += part
    if struct.unpack(">7I", reply)[1:4] != (xid, 1, 0):
        raise Fault(FAILED, "a NULL call was not answered")


def idle_sample(server, side, repeat):
    """Bytes per connection, of resident memory. Descriptors and socket buffers
    are the kernel's and not in it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE,
                       (max(soft, min(hard, 2 * CONNECTIONS)), hard))
    def connect():
        with server.network.client():
            return socket.create_connection(
                (server.network.address, server.port), 10)
    socks = []
    try:
        with connect() as sock:
            null_call(sock, 1)
        time.sleep(SETTLE_SECONDS)
        before = server.process.resident_kib()
        for xid in range(CONNECTIONS):
            socks.append(connect())
            null_call(socks[-1], xid)
        time.sleep(SETTLE_SECONDS)
        after = server.process.resident_kib()
    finally:
        for sock in socks:
            sock.close()
    return {"side": side, "repeat": repeat,
            "idle_bytes": (after - before) * 1024 / CONNECTIONS}
