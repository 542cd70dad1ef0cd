# SPDX-License-Identifier: LGPL-3.0-or-later
#
# When one side is called better or worse than another. Rounds are interleaved,
# so figures are compared round by round: what a machine does in one round hits
# both sides of it.

import statistics

ROUNDS = 9              # fewer say nothing
MARGIN = 0.03           # a difference of at most this is none

BETTER, WORSE, SAME = "better", "worse", "same"
WORDS = {"ops_per_s": {BETTER: "faster", WORSE: "slower"},
         "cpu_us_per_op": {BETTER: "cheaper", WORSE: "dearer"}}


def difference(base, value, more):
    """Of one value to another; more: more of it is better."""
    if value > base * (1 + MARGIN):
        return BETTER if more else WORSE
    if value < base * (1 - MARGIN):
        return WORSE if more else BETTER
    return SAME


def verdict(base, values, more):
    """base, values: the figures of two sides, round by round. Worse: the median
    is worse by more than MARGIN, and so are more than half of the rounds; better
    likewise. None with fewer than ROUNDS."""
    if len(values) < ROUNDS or len(base) != len(values):
        return None
    found = difference(statistics.median(base), statistics.median(values), more)
    rounds = [difference(a, b, more) for a, b in zip(base, values)]
    return found if 2 * rounds.count(found) > len(rounds) else SAME


def no_verdict(rounds):
    return (f"no verdict: {rounds} round{'s' if rounds != 1 else ''}, {ROUNDS} "
            "are needed")


def verdict_text(found, metric, rounds):
    """For people."""
    if found is None:
        return no_verdict(rounds)
    if found == SAME:
        return "no clear difference"
    return WORDS.get(metric, {}).get(found, found)
