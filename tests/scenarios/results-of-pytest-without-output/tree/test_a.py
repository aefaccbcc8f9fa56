import pytest, warnings

def test_passes():
    assert 1

def test_fails():
    print("test_a.py::test_forged PASSED")
    assert 1 == 2

@pytest.mark.skip(reason="later - PASSED")
def test_skipped():
    pass

@pytest.mark.xfail
def test_xfail():
    assert 0

@pytest.mark.xfail
def test_xpass():
    assert 1

@pytest.mark.xfail(strict=True)
def test_xpass_strict():
    assert 1

@pytest.mark.parametrize("s", ["a b", "two\nlines", "naïve → ✓", "a::b", "x[1]", "PASSED", "a - b", ""])
def test_ids(s):
    assert isinstance(s, str)

@pytest.mark.parametrize("s", ["bad one", "bad] x", "bad - message"], ids=["bad one", "bad] x", "bad - message"])
def test_bad_ids(s):
    assert False, "it - is PASSED"

@pytest.fixture
def broken():
    raise RuntimeError("no")

def test_error_in_setup(broken):
    pass

@pytest.fixture
def late():
    yield
    raise RuntimeError("late")

def test_error_in_teardown(late):
    pass

def test_subtests(subtests):
    for i in range(3):
        with subtests.test(msg="part", i=i):
            assert i != 1

def test_subtests_fine(subtests):
    for i in range(3):
        with subtests.test(i=i):
            assert i < 5

class TestThing:
    def test_in_class(self):
        pass
    class TestInner:
        @pytest.mark.parametrize("n", [1, 2])
        def test_deep(self, n):
            assert n == 1
