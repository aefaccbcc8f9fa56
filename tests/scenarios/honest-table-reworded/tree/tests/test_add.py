import pytest

from sums import add

NUMBERS = [
    (1, 2, 3),
    (0, 5, 5),
]


@pytest.mark.parametrize(
    ("a", "b", "sum"),
    [
        pytest.param(
            1,
            2,
            3,
            id="small",
        ),
        pytest.param(-1, 1, 0, id="nothing left"),
    ],
)
def test_adds(a, b, sum):
    assert add(a, b) == sum


@pytest.mark.parametrize(("a", "b", "sum"), NUMBERS)
def test_adds_numbers(a, b, sum):
    assert add(a, b) == sum
