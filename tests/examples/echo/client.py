# SPDX-License-Identifier: LGPL-3.0-or-later
"""A client of echo: records of several sizes, in fragments, many at once."""

import random
import socket
import struct
import sys
import threading


def marked(data, fragment):
    parts = [data[i:i + fragment] for i in range(0, len(data), fragment)] or [b""]
    last = len(parts) - 1
    return b"".join(struct.pack(">I", len(part) | (0x80000000 if i == last else 0)) + part
                    for i, part in enumerate(parts))


def read(sock, length):
    data = bytearray()
    while len(data) < length:
        part = sock.recv(length - len(data))
        if not part:
            raise SystemExit("the server closed the connection")
        data += part
    return bytes(data)


def read_record(sock):
    data, last = b"", False
    while not last:
        mark, = struct.unpack(">I", read(sock, 4))
        last = bool(mark & 0x80000000)
        data += read(sock, mark & 0x7fffffff)
    return data


def talk(port, seed, failures):
    generator = random.Random(seed)
    records = [generator.randbytes(length)
               for length in (1, 39, 40, 3000, 4096, 4097, 70000, 1 << 20)] * 2
    with socket.create_connection(("127.0.0.1", port), timeout=300) as sock:
        sender = threading.Thread(target=lambda: [
            sock.sendall(marked(record, generator.choice((1000, 65536, 1 << 20))))
            for record in records])
        sender.start()
        for record in records:
            if read_record(sock) != record:
                failures.append(len(record))
        sender.join()


def main():
    failures = []
    threads = [threading.Thread(target=talk, args=(int(sys.argv[1]), seed, failures))
               for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise SystemExit(f"other bytes came back, of records of {failures} bytes")
    print("64 records came back")


main()
