# SPDX-License-Identifier: LGPL-3.0-or-later
#
# A killed run can leave processes and the exported folder. Each carries the name
# of its run, and the next run ends and removes those whose run has ended. The name
# of a run is its process id, its time of start, and the PID namespace of the id:
# no two running ones have the same name, and it is not known whether those of
# other namespaces still run.

import os
import re
import shutil
import signal
import tempfile

from rpcbuf_nfs.process import read_text, stat_fields

VARIABLE = "RPCBUF_BENCH_RUN"
FOLDER = "rpcbuf-bench."
NAME = r"(\d+)-\d+-(\d+)"
START_TIME = 19         # in /proc/PID/stat, from the state on


def namespace():
    return re.search(r"\d+", os.readlink("/proc/self/ns/pid"))[0]


def run_name(pid):
    """None when there is no such process."""
    try:
        return f"{pid}-{stat_fields(pid)[START_TIME]}-{namespace()}"
    except (OSError, IndexError):
        return None


def is_gone(name):
    pid, where = re.fullmatch(NAME, name).groups()
    return where == namespace() and run_name(int(pid)) != name


def mark_children():
    """Marks all processes that this one starts from now on as of its run."""
    os.environ[VARIABLE] = run_name(os.getpid())


def end_processes():
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        try:
            # Held first: the number cannot become another process's.
            process = os.pidfd_open(pid)
        except OSError:
            continue
        try:
            found = re.search(rf"(?:^|\0){VARIABLE}=({NAME})\0",
                              read_text(f"/proc/{pid}/environ"))
            if found and is_gone(found[1]):
                signal.pidfd_send_signal(process, signal.SIGKILL)
        except OSError:
            pass        # it has ended, or is another user's
        finally:
            os.close(process)


def new_folder(need_mib, parent=None, otherwise=None):
    """A fresh folder in parent; without one in memory where twice the need is
    free, so that no disk is measured, else in the folder otherwise."""
    if not parent:
        shm = os.path.isdir("/dev/shm") and shutil.disk_usage("/dev/shm").free
        parent = "/dev/shm" if shm and shm > 2 * need_mib << 20 else otherwise
    os.makedirs(parent, exist_ok=True)
    remove_folders(parent)
    folder = tempfile.mkdtemp(prefix=f"{FOLDER}{run_name(os.getpid())}.",
                              dir=parent)
    os.chmod(folder, 0o777)
    return folder


def remove_folders(parent):
    for entry in os.listdir(parent):
        found = re.fullmatch(rf"{re.escape(FOLDER)}({NAME})\..*", entry)
        if found and is_gone(found[1]):
            shutil.rmtree(os.path.join(parent, entry), ignore_errors=True)
