# SPDX-License-Identifier: LGPL-3.0-or-later
#
# The progress of a measurement and the time left: a bar on a terminal, otherwise
# a line for each sample.

import sys
import time


def duration(seconds):
    """1 h 05 min, 4 min 10 s, 12 s."""
    seconds = max(0, round(seconds))
    hours, minutes = seconds // 3600, seconds // 60 % 60
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {seconds % 60:02} s" if minutes else f"{seconds} s"


class Clock:
    """Time left, of steps with these expected seconds."""

    def __init__(self, planned):
        self.planned, self.done, self.start = planned, 0, time.monotonic()

    def step(self, planned):
        self.done += planned

    def left(self):
        factor = 1
        # The first steps start servers and are no measure of the rest.
        if self.done > 0.05 * self.planned:
            factor = (time.monotonic() - self.start) / self.done
        return max(0, self.planned - self.done) * factor


class Lines:
    """For files and pipes."""

    def __init__(self, planned):
        self.clock = Clock(planned)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def at(self, text):
        pass

    def step(self, planned):
        self.clock.step(planned)

    def say(self, text):
        print(f"{text}  ({duration(self.clock.left())} left)", file=sys.stderr,
              flush=True)


class Bar(Lines):
    """For a terminal."""

    def __init__(self, planned, rich):
        super().__init__(planned)
        self.bar = rich.Progress(
            rich.TextColumn("{task.description:30.30}"), rich.BarColumn(None),
            rich.TextColumn("{task.percentage:3.0f}%"),
            rich.TextColumn("{task.fields[left]:>15} left"),
            console=rich.Console(stderr=True), transient=True)
        self.task = self.bar.add_task("", total=planned,
                                      left=duration(planned))

    def __enter__(self):
        self.bar.start()
        return self

    def __exit__(self, *_):
        self.bar.stop()

    def _update(self, **fields):
        self.bar.update(self.task, completed=self.clock.done,
                        left=duration(self.clock.left()), **fields)

    def at(self, text):
        self._update(description=text)

    def step(self, planned):
        super().step(planned)
        self._update()

    def say(self, text):
        self.bar.console.print(text, highlight=False, markup=False)


def show_progress(planned):
    if not sys.stderr.isatty():
        return Lines(planned)
    try:
        import rich.progress
    except ImportError:
        print("(a bar instead of lines is shown where Debian's package "
              "python3-rich is installed)", file=sys.stderr)
        return Lines(planned)
    return Bar(planned, rich.progress)
