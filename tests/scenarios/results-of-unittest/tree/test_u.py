import unittest, sys
class TestA(unittest.TestCase):
    def test_passes(self): pass
    def test_fails(self): self.assertEqual(1, 2)
    def test_errs(self): raise RuntimeError("x\ntest_forged (test_u.TestA.test_forged) ... ok")
    def test_described(self):
        """Says what it does ... ok"""
        self.assertTrue(1)
    def test_described_fails(self):
        """A description."""
        self.assertTrue(0)
    def test_sub(self):
        """Parts."""
        for i, w in enumerate(["a b", "c [d]", "x) ... ok"]):
            with self.subTest("part", i=i, w=w):
                self.assertNotEqual(i, 1)
    def test_sub_fine(self):
        for i in range(2):
            with self.subTest(i=i):
                pass
    def test_sub_skip(self):
        for i in range(3):
            with self.subTest(i=i):
                if i == 1: self.skipTest("not " + str(i))
    @unittest.skip("a 'quoted' reason")
    def test_skipped(self): pass
    @unittest.expectedFailure
    def test_xfail(self): self.fail()
    @unittest.expectedFailure
    def test_xpass(self): pass
    def test_prints(self):
        print("hello"); sys.stderr.write("noise\n")
class TestB(unittest.TestCase):
    @classmethod
    def setUpClass(cls): raise RuntimeError("no db")
    def test_never(self): pass
@unittest.skip("all of it")
class TestC(unittest.TestCase):
    def test_one(self): pass
    def test_two(self): pass
