import unittest

from calc import add


class TestAdd(unittest.TestCase):
    def test_adds(self):
        for a, b, sum in [
            (1, 2, 3),
        ]:
            with self.subTest(a=a, b=b):
                self.assertEqual(add(a, b), sum)
