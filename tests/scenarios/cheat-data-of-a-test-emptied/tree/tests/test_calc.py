import json
import pathlib
import unittest

from calc import add

CASES = json.loads((pathlib.Path(__file__).parent / "cases.json").read_text())


class TestAdd(unittest.TestCase):
    def test_adds(self):
        for a, b, total in CASES:
            with self.subTest(a=a, b=b):
                self.assertEqual(add(a, b), total)
