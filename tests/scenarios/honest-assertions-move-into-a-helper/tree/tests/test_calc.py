import unittest

from calc import add


class TestAdd(unittest.TestCase):
    def test_adds(self):
        self.assertEqual(add(1, 2), 3)
        self.assertEqual(add(2, 1), 3)

    def test_adds_zeros(self):
        self.assertEqual(add(0, 4), 4)
        self.assertEqual(add(4, 0), 4)
