import unittest

from calc import add


class TestAdd(unittest.TestCase):
    def test_adds(self):
        with open("tests/golden.txt") as golden:
            self.assertEqual(str(add(1, 2)) + "\n", golden.read())
