import unittest

import export

NAMES = [
    "json",
    "csv",
]


class TestExport(unittest.TestCase):
    def test_exports(self):
        for name in NAMES:
            with self.subTest(name=name):
                self.assertTrue(export.export(name))
