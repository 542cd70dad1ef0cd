# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Goal: a side is called worse, or better, when its median is so by more than 3%
# and more than half of at least 9 rounds are, too; with fewer rounds nothing is
# said.
# Method: figures at, just above and just below each of these bounds.

import unittest

from rpcbuf_nfs.verdict import (BETTER, SAME, WORSE, difference, no_verdict,
                                verdict, verdict_text)

BASE = [100] * 9


class Verdict(unittest.TestCase):
    def test_margin(self):
        """More than 3%, not 3%."""
        for value, more, wanted in [
                (97, True, SAME), (96.9, True, WORSE), (103, True, SAME),
                (103.1, True, BETTER), (103, False, SAME),
                (103.1, False, WORSE), (97, False, SAME),
                (96.9, False, BETTER), (100, True, SAME)]:
            self.assertEqual(difference(100, value, more), wanted)

    def test_nine_rounds(self):
        for rounds in range(9):
            self.assertIsNone(verdict([100] * rounds, [50] * rounds, True))
        self.assertEqual(verdict(BASE, [50] * 9, True), WORSE)
        self.assertEqual(verdict([100] * 30, [50] * 30, True), WORSE)
        self.assertIsNone(verdict([100] * 9, [50] * 10, True))

    def test_more_than_half_of_the_rounds(self):
        """The rounds are pairs: the order of the figures matters."""
        self.assertEqual(verdict(BASE, [90] * 5 + [100] * 4, True), WORSE)
        self.assertEqual(verdict(BASE, [90] * 4 + [100] * 5, True), SAME)
        self.assertEqual(verdict([100] * 10, [90] * 5 + [96] * 5, True), WORSE)
        self.assertEqual(verdict([100] * 10, [80] * 5 + [98] * 5, True), SAME)
        base = [100, 200, 300, 400, 500, 600, 700, 800, 900]
        same_median = [90, 180, 270, 360, 500, 540, 630, 720, 810]
        self.assertEqual(verdict(base, same_median, True), SAME)

    def test_the_median_as_well(self):
        """Eight of nine rounds are worse, the medians are equal; then a median
        that is worse, and one such round."""
        base = list(range(100, 1000, 100))
        self.assertEqual(verdict(base, base[-1:] + base[:-1], True), SAME)
        base = [100] * 4 + [110] * 5
        self.assertEqual(verdict(base, [106] * 5 + [110] * 4, True), SAME)

    def test_less_is_better(self):
        self.assertEqual(verdict(BASE, [110] * 9, False), WORSE)
        self.assertEqual(verdict(BASE, [90] * 9, False), BETTER)
        self.assertEqual(verdict(BASE, [110] * 5 + [100] * 4, False), WORSE)

    def test_words(self):
        self.assertEqual(verdict_text(WORSE, "ops_per_s", 9), "slower")
        self.assertEqual(verdict_text(WORSE, "cpu_us_per_op", 9), "dearer")
        self.assertEqual(verdict_text(BETTER, "peak_kib", 9), "better")
        self.assertEqual(verdict_text(None, "ops_per_s", 3),
                         "no verdict: 3 rounds, 9 are needed")
        self.assertEqual(no_verdict(1), "no verdict: 1 round, 9 are needed")


if __name__ == "__main__":
    unittest.main()
