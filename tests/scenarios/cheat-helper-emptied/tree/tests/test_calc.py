import unittest

from calc import add
from tests.helpers import same


class TestAdd(unittest.TestCase):
    def test_adds(self):
        same(add(1, 2), 3)
