import unittest

from legacy import export


class TestLegacy(unittest.TestCase):
    def test_exports(self):
        self.assertEqual(export(), 1)
