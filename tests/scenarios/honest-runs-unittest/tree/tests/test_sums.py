import unittest

import sums


class TestSums(unittest.TestCase):
    def test_adds(self):
        self.assertEqual(sums.add(1, 2), 3)
