# SPDX-License-Identifier: LGPL-3.0-or-later
#
# What is compared: forms of Ganesha that tools/serve starts, servers that already
# run, or mounted file systems. The first side is a base: those behind it are
# related to it. So is each later one that has the role, but those that stand aside
# are related to none.

import os
import re
import tempfile
import typing

from rpcbuf_nfs.fault import SERVER, USAGE, Fault
from rpcbuf_nfs.server import PLUGIN, Served, Server

BASE, RELATED, ASIDE = "base", "related", "aside"
STOCK, TUNED, JEMALLOC, RPCBUF = "stock", "tuned", "jemalloc", "rpcbuf"
SERVED = (STOCK, TUNED, JEMALLOC, RPCBUF)
ABOUT = {
    STOCK: "nfs-ganesha as Debian ships it",
    TUNED: "the same as its users would tune it: RPC_Ioq_ThrdMin and "
    "RPC_Ioq_ThrdMax are the number of CPUs",
    JEMALLOC: "the same with {library} in place of glibc's malloc",
    RPCBUF: f"the same with the plug-in {PLUGIN}",
}
BUILD_ABOUT = f"the same with the {PLUGIN} of another build, {{plugin}}"
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
    role: str = RELATED


def also_build(text):
    """NAME=BUILD: the name, and the plug-in of that build."""
    found = re.fullmatch(r"([\w.+-]+)=(.+)", text)
    if not found or found[1] in SERVED:
        raise Fault(USAGE, f"--also {text}: NAME=BUILD is expected, with a name "
                    f"other than {', '.join(SERVED)}")
    plugin = found[2]
    if os.path.isdir(plugin):
        plugin = os.path.join(plugin, "fsal", PLUGIN)
    if not os.path.isfile(plugin):
        raise Fault(USAGE, f"--also {text}: there is no {plugin}")
    return found[1], os.path.realpath(plugin)


def served_sides(names, serve, network, directory, library, also=()):
    """Forms of tools/serve; network, directory: what leads to each when a side
    starts; library: what jemalloc preloads; also: (name, plug-in) of other
    builds, which stand before the last side, as its bases."""
    for name in names:
        if name not in SERVED:
            raise Fault(USAGE, f"--only {name}: one of {', '.join(SERVED)} is "
                        "expected")
    allocator = os.path.basename(library)
    def side(name, about, options, loaded=None, role=RELATED):
        def start(folder):
            run = tempfile.mkdtemp(prefix=f"{name}.", dir=folder)
            return Served(serve, run, directory(), network(), options, loaded)
        return Side(name, about, start, role)
    known = {STOCK: (["--stock"],), TUNED: (["--stock", "--tuned"], None, BASE),
             JEMALLOC: (["--stock", "--preload", library], allocator),
             RPCBUF: ([],)}
    sides = [side(name, ABOUT[name].format(library=allocator), *known[name])
             for name in names]
    builds = [side(name, BUILD_ABOUT.format(plugin=plugin),
                   ["--plugin", plugin], plugin, BASE)
              for name, plugin in also]
    return unique(sides[:-1] + builds + sides[-1:])


def unique(sides):
    names = [side.name for side in sides]
    for name in names:
        if names.count(name) > 1:
            raise Fault(USAGE, f"two sides have the name {name}")
    return sides


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
