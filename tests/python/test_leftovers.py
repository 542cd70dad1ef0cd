# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: processes and folders of a killed run are ended and removed, those of runs
# that live, of runs of which that is not known, and of others are not.
# Method: a run that is a program of its own and is killed while it has a child in
# the server's namespace; names of runs that never were.

import os
import select
import subprocess
import sys
import tempfile
import unittest

from rpcbuf_nfs import leftovers
from rpcbuf_nfs.leftovers import is_gone, namespace, run_name

GUARD_SECONDS = 60
NO_PID = 2**22 + 1      # the kernel gives none above 2**22
PERMITTED = not subprocess.run(["unshare", "--net", "true"], check=False,
                               stderr=subprocess.DEVNULL).returncode
RUN = """
import os, subprocess, sys
from rpcbuf_nfs import net
network = net.open_network(%r, "reno")
with network.server():
    child = subprocess.Popen(["sleep", "1000"])
print(child.pid, flush=True)
sys.stdin.read()
"""


def gone(process, seconds):
    """process: a pidfd. Whether it ends within so many seconds."""
    return bool(select.select([process], [], [], seconds)[0])


class Leftovers(unittest.TestCase):
    def test_names(self):
        self.assertRegex(run_name(os.getpid()), rf"^{os.getpid()}-\d+-\d+$")
        self.assertIsNone(run_name(NO_PID))
        self.assertFalse(is_gone(run_name(os.getpid())))
        for name, wanted in [(f"{NO_PID}-1-{namespace()}", True),
                             (f"{os.getpid()}-1-{namespace()}", True),
                             (f"{NO_PID}-1-{int(namespace()) + 1}", False)]:
            self.assertEqual(is_gone(name), wanted, name)

    def test_ended(self):
        for local in (True, False) if PERMITTED else (True,):
            run = subprocess.Popen(
                [sys.executable, "-B", "-c", RUN % local], text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            with run, os.fdopen(os.pidfd_open(int(run.stdout.readline()))
                                ) as child:
                leftovers.end_processes()
                self.assertFalse(gone(child, 0), "of a run that lives")
                run.kill()
                run.wait(GUARD_SECONDS)
                leftovers.end_processes()
                self.assertTrue(gone(child, GUARD_SECONDS))

    def test_of_another_namespace(self):
        """Its process ids count elsewhere."""
        name = f"{NO_PID}-1-{int(namespace()) + 1}"
        child = subprocess.Popen(["sleep", "1000"], env={
            **os.environ, leftovers.VARIABLE: name})
        self.addCleanup(child.wait, GUARD_SECONDS)
        self.addCleanup(child.kill)
        with os.fdopen(os.pidfd_open(child.pid)) as process:
            leftovers.end_processes()
            self.assertFalse(gone(process, 0))

    def test_folders(self):
        with tempfile.TemporaryDirectory() as parent:
            gone_runs, kept = ([os.path.join(parent, name) for name in names]
                               for names in [
                [f"rpcbuf-bench.{NO_PID}-1-{namespace()}.x"],
                [f"rpcbuf-bench.{run_name(os.getpid())}.x", "rpcbuf-bench.x",
                 f"rpcbuf-bench.{NO_PID}-1-{int(namespace()) + 1}.x"]])
            for path in gone_runs + kept:
                os.mkdir(path)
            kept.append(leftovers.new_folder(1, parent))
            self.assertEqual(sorted(os.listdir(parent)),
                             sorted(map(os.path.basename, kept)))


if __name__ == "__main__":
    unittest.main()
