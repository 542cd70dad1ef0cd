# SPDX-License-Identifier: LGPL-3.0-or-later
#
# The client of the measurement: fio with its nfs engine (libnfs), one job, hence
# one connection. Used by nfs-fio, one thread.
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

CASES = [("randread", "4k", 16), ("write", "4k", 16),
         ("randread", "64k", 8), ("write", "64k", 8),
         ("randread", "1m", 8), ("write", "1m", 8),
         ("randread", "4k", 1), ("write", "4k", 1)]
OVERSTAY_SECONDS = 2


def case_name(case):
    return f"{case[1]}-{case[0]}-qd{case[2]}"


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
               "--filename=data", f"--size={args.size}m", f"--rw={case[0]}",
               f"--bs={case[1]}", f"--iodepth={case[2]}", "--time_based",
               f"--runtime={seconds}", "--eta=never", "--output-format=json",
               f"--output={out}"]
    with open(os.path.join(folder, "fio.log"), "wb") as log:
        fio = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL,
                               stdout=log, stderr=log)
    try:
        overstayed = not ended(fio, seconds + OVERSTAY_SECONDS)
    finally:
        end_fio(fio)
    try:
        text = read_text(out)
        job = json.loads(text[text.index("{"):])["jobs"][0]
    except (OSError, ValueError, LookupError):
        job = None
    record = job and job["write" if case[0] == "write" else "read"]
    if not record or not record["total_ios"] or job["error"]:
        tail = "\n  ".join(read_text(log.name).splitlines()[-5:])
        raise BenchError(f"{case_name(case)}: fio gave no result "
                         f"(status {fio.returncode}):\n  {tail}")
    return record, overstayed
