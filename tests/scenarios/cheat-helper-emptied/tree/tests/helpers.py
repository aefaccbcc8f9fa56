def same(a, b):
    assert a == b
