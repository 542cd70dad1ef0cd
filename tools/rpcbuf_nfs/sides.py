# SPDX-License-Identifier: LGPL-3.0-or-later
#
# What is compared: three forms of Ganesha that tools/serve starts, servers that
# already run, or mounted file systems. The first side is the baseline.

import os
import re
import tempfile
import typing

from rpcbuf_nfs.fault import SERVER, USAGE, Fault
from rpcbuf_nfs.server import Served, Server

STOCK, JEMALLOC, RPCBUF = "stock", "jemalloc", "rpcbuf"
SERVED = (STOCK, JEMALLOC, RPCBUF)
ABOUT = {
    STOCK: "nfs-ganesha as Debian ships it",
    JEMALLOC: "the same with {library} in place of glibc's malloc",
    RPCBUF: "the same with the plug-in libfsalrpcbuf.so",
}
# Verified with Ganesha 4.3: the address that malloc, calloc and free resolve to
# in each library of the process, with and without the flag.
JEMALLOC_NOTE = (
    "Ganesha opens its FSAL modules so that they keep glibc's malloc, whatever "
    "is preloaded; with FSAL_VFS it then aborts, because the module frees a "
    "block of the core. So the side jemalloc opens modules without that flag "
    "(RTLD_DEEPBIND), and all of the server, modules included, uses jemalloc.")


class Side(typing.NamedTuple):
    name: str
    about: str
    start: typing.Callable      # a folder for its files -> Server


def served_sides(names, serve, directory, library):
    """Forms of tools/serve; library: what jemalloc preloads."""
    for name in names:
        if name not in SERVED:
            raise Fault(USAGE, f"--only {name}: one of {', '.join(SERVED)} is "
                        "expected")
    options = {STOCK: (["--stock"], None), RPCBUF: ([], None),
               JEMALLOC: (["--stock", "--preload", library],
                          os.path.basename(library))}
    def starter(name):
        def start(folder):
            run = tempfile.mkdtemp(prefix=f"{name}.", dir=folder)
            return Served(serve, run, directory(), *options[name])
        return start
    return [Side(name, ABOUT[name].format(library=os.path.basename(library)),
                 starter(name)) for name in names]


def check_pid(text, what):
    if text is None:
        return None
    if not os.path.exists(f"/proc/{text}/status"):
        raise Fault(SERVER, f"{what}: there is no process {text}")
    return int(text)


def running_side(text):
    """NAME=URL[,PID]"""
    found = re.fullmatch(r"([\w.+-]+)=(nfs://[^,]+)(?:,(\d+))?", text)
    if not found:
        raise Fault(USAGE, f"--server {text}: NAME=nfs://HOST/PATH[?OPTIONS]"
                    "[,PID] is expected")
    pid = check_pid(found[3], f"--server {text}")
    return Side(found[1], found[2], lambda _: Server(found[2], pid))


def mounted_side(text):
    """[NAME=]DIR[,PID]"""
    found = re.fullmatch(r"(?:([\w.+-]+)=)?(.+?)(?:,(\d+))?", text)
    folder = os.path.realpath(found[2])
    if not os.path.isdir(folder):
        raise Fault(USAGE, f"--mount {text}: {found[2]} is not a folder")
    pid = check_pid(found[3], f"--mount {text}")
    return Side(found[1] or "mount", folder, lambda _: Server(folder, pid))
