# SPDX-License-Identifier: LGPL-3.0-or-later
#
# An error: a sentence, and the exit status of the program. The manual
# pages of rpcbuf-bench and rpcbuf-report list the statuses.

import argparse
import sys

OUTPUT = 1          # what was found cannot be written
FAILED = 2          # a measurement gave no result
SERVER = 3          # a server did not start, or is not what it should be
CLIENT = 4          # no fio, or one that cannot do it
UNREADABLE = 5      # no such file, or it cannot be read
FOREIGN = 6         # the file is something else
CUT_SHORT = 7       # the file ends too early
VERSION = 8         # the file is of another version
SETTINGS = 9        # results of other settings
NOTHING = 10        # there is nothing in it to show
LIBRARY = 11        # a Python library is not installed
NETWORK = 12        # the network of the measurement cannot be made
USAGE = 64          # the arguments were not understood


class Fault(Exception):
    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


def unreadable(path, error):
    return Fault(UNREADABLE, f"{path} cannot be read: {error.strerror}")


class Parser(argparse.ArgumentParser):
    """Ends as the other tools of rpcbuf do."""

    def error(self, message):
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def number(least, most, kind=int):
    """For argparse: a number from least to most."""
    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            raise argparse.ArgumentTypeError(
                f"{text}: a number from {least} to {most} is expected")
        return value
    return parse
