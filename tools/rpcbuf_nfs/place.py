# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Paths of the programs that this one uses: in its folder, in the build tree and
# the source tree that it belongs to, otherwise in the system.

import os
import shutil
import subprocess
import sys

from rpcbuf_nfs.fault import CLIENT, Fault


class Place:
    def __init__(self, program, version):
        """program: the tool that was called."""
        self.version = version
        self.tools = os.path.dirname(os.path.realpath(program))
        source = os.path.dirname(os.path.dirname(os.path.dirname(
            os.path.realpath(__file__))))
        self.serve = self._existing(os.path.join(source, "tools", "serve"))
        self.source = source if self.serve else None
        self.build = os.path.dirname(self.tools)
        if not os.path.exists(os.path.join(self.build, "CMakeCache.txt")):
            self.build = None
        self.stat = self._existing(os.path.join(self.tools, "rpcbuf-stat")) or \
            shutil.which("rpcbuf-stat")

    @staticmethod
    def _existing(path):
        return path if os.access(path, os.X_OK) else None

    def prepare(self):
        """In a source tree: what tools/serve and this program need."""
        if self.build:
            os.environ.setdefault("RPCBUF_BUILD", self.build)
        if self.source:
            setup = [os.path.join(self.source, "tools", "setup"), "--serve",
                     "--fio"]
            if subprocess.run(setup, stdin=subprocess.DEVNULL,
                              stdout=sys.stderr, check=False).returncode:
                raise Fault(CLIENT, "tools/setup --fio failed")

    def fio(self, named):
        """The named one, or the one that tools/setup built, or any."""
        if named:
            return named
        for folder in [self.build, self.source and
                       os.path.join(self.source, "build")]:
            path = os.path.join(folder or "", "fio", "fio")
            if folder and self._existing(path):
                return path
        return "fio"
