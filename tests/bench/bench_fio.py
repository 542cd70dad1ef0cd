# SPDX-License-Identifier: LGPL-3.0-or-later
#
# The client of the measurement: fio with its nfs engine (libnfs); each job has a
# connection of its own. Used by nfs-fio, one thread.
#
# The end of that engine cannot be trusted: without a time limit it makes one
# pass over the file whatever loops and io_size say, and with calls in flight
# its unmount may wait for ever for a reply. So every case is time-based, and a
# fio that overstays is ended. Its results are in memory that fio shares with
# its job, a process in a session of its own: when the job is killed, fio still
# reports, and the numbers are whole.

import json
import os
import signal
import subprocess
import sys

from bench_server import BenchError, family, read_text

class Case:
    def __init__(self, rw, size, depth, ops, cpu, jobs=1):
        """ops, cpu: what the ratios are to be, at least and at most."""
        self.rw, self.size, self.depth, self.jobs = rw, size, depth, jobs
        self.goals = {"ops_per_s": ops, "cpu_us_per_op": cpu}
        self.name = f"{size}-{rw}-qd{depth}" + (f"-x{jobs}" if jobs > 1 else "")


CASES = [Case("randread", "4k", 16, 3.2, 0.27),
         Case("write", "4k", 16, 2.1, 0.40),
         Case("randread", "4k", 1, 2.2, 0.75),
         Case("write", "4k", 1, 1.4, 1.0),
         Case("randread", "64k", 8, 2.3, 0.38),
         Case("write", "64k", 8, 2.0, 0.40),
         Case("randread", "1m", 8, 1.7, 0.55),
         Case("write", "1m", 8, 1.5, 0.33),
         Case("randread", "4k", 4, 1.5, None, 64),
         Case("write", "4k", 4, 1.5, None, 64),
         Case("randread", "64k", 2, 1.5, None, 64),
         Case("write", "64k", 2, 1.5, None, 64),
         Case("randread", "1m", 1, 1.1, None, 64),
         Case("write", "1m", 1, 1.1, None, 64)]
OVERSTAY_SECONDS = 2


def need_fio(args, source):
    if not os.access(args.fio, os.X_OK):
        print(f"bench: {args.fio} is not there, building it", file=sys.stderr)
        subprocess.run([os.path.join(source, "tools/setup"), "--fio"],
                       check=True, stdout=sys.stderr)
    engines = subprocess.run([args.fio, "--enghelp"], capture_output=True,
                             text=True, check=True).stdout.split()
    if "nfs" not in engines:
        raise BenchError(f"{args.fio} has no nfs engine (Debian's package lacks "
                         "it); tools/setup --fio builds one that has")


def ended(fio, seconds):
    try:
        fio.wait(seconds)
        return True
    except subprocess.TimeoutExpired:
        return False


def send(sig, pids):
    for pid in pids:
        try:
            os.kill(pid, sig)
        except ProcessLookupError:
            pass


def end_fio(fio):
    """Ask, then kill the job and let fio report, then kill fio too."""
    if fio.poll() is None:
        send(signal.SIGTERM, family(fio.pid))
        if not ended(fio, OVERSTAY_SECONDS):
            send(signal.SIGKILL, family(fio.pid)[1:])
        if not ended(fio, OVERSTAY_SECONDS):
            send(signal.SIGKILL, reversed(family(fio.pid)))
            fio.wait()


def run_fio(args, url, case, seconds, folder):
    """fio's own record of one case, and whether it had to be told to end."""
    out = os.path.join(folder, "fio.json")
    command = [args.fio, "--name=bench", "--ioengine=nfs", f"--nfs_url={url}",
               "--filename=data", f"--size={args.size}m", f"--rw={case.rw}",
               f"--bs={case.size}", f"--iodepth={case.depth}", "--time_based",
               f"--numjobs={case.jobs}", "--group_reporting",
               f"--runtime={seconds}", "--eta=never", "--output-format=json",
               f"--output={out}"]
    with open(os.path.join(folder, "fio.log"), "wb") as log:
        fio = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL,
                               stdout=log, stderr=log)
    try:
        overstayed = not ended(fio, seconds + OVERSTAY_SECONDS * (
            1 if case.jobs == 1 else 3))
    finally:
        end_fio(fio)
    try:
        text = read_text(out)
        job = json.loads(text[text.index("{"):])["jobs"][0]
    except (OSError, ValueError, LookupError):
        job = None
    record = job and job["write" if case.rw == "write" else "read"]
    if not record or not record["total_ios"] or job["error"]:
        tail = "\n  ".join(read_text(log.name).splitlines()[-5:])
        raise BenchError(f"{case.name}: fio gave no result "
                         f"(status {fio.returncode}):\n  {tail}")
    return record, overstayed
