# SPDX-License-Identifier: LGPL-3.0-or-later
#
# python3 rpcbuf_nfs TOOL VERSION PROGRAM ARGUMENT...: started by rpcbuf-bench or
# rpcbuf-report, whose path is PROGRAM.

import importlib
import os
import sys

# This folder is a package; nothing in it is to be found as a module.
if __name__ == "__main__":
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True      # leave nothing in the source tree

from rpcbuf_nfs.fault import OUTPUT, Fault
from rpcbuf_nfs.place import Place


def main(tool, version, program, *arguments):
    name = os.path.basename(program)
    try:
        importlib.import_module(f"rpcbuf_nfs.{tool}").main(
            Place(program, version), arguments)
        sys.stdout.flush()
    except Fault as fault:
        print(f"{name}: {fault}", file=sys.stderr)
        return fault.status
    except OSError as error:
        # What cannot be flushed must not be tried again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"{name}: {error}", file=sys.stderr)
        return OUTPUT
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
