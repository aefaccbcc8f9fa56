import unittest
def test_passes():
    pass
class TestU(unittest.TestCase):
    def test_sub(self):
        for i in range(3):
            with self.subTest(i=i):
                self.assertNotEqual(i, 1)
    @unittest.skip("no")
    def test_no(self):
        pass
