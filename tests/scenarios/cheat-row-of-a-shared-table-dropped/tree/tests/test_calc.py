import unittest

from calc import add

CASES = [
    (1, 2, 3),
    (2, 2, 4),
]


class TestAdd(unittest.TestCase):
    def test_adds(self):
        for a, b, sum in CASES:
            with self.subTest(a=a, b=b):
                self.assertEqual(add(a, b), sum)
