import unittest


class TestOld(unittest.TestCase):
    def test_old(self):
        self.assertEqual(1 + 1, 3)
