"""The points of a sweep: all combinations, zipped axes, and points drawn at random."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastrun.compose.search.grid import grid, sample, size, zip_axes
from fastrun.compose.search.space import Values
from fastrun.errors import ConfigError

KEYS = ("optimizer", "+model.width", "seed", "clip")


@st.composite
def axes(draw: st.DrawFn) -> list[Values]:
    """Up to four keys with up to four values each, some of them said twice."""
    return [
        Values.of(key, draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=4)))
        for key in KEYS[: draw(st.integers(1, 4))]
    ]


@given(axes())
def test_a_grid_has_every_combination_the_last_key_fastest(space: list[Values]) -> None:
    found = grid(space)
    assert len(found) == math.prod(len(axis.listed) for axis in space)
    assert all(list(point) == [axis.keys[0] for axis in space] for point in found)
    assert [point[space[-1].keys[0]] for point in found[: len(space[-1].listed)]] == [
        text for side in space[-1].listed for text in side.values()
    ]


@given(axes(), st.integers(1, 300), st.integers(0, 9))
def test_drawn_points_are_different_ones_of_the_grid_and_the_same_for_a_seed(
    space: list[Values], count: int, seed: int
) -> None:
    found = sample(space, count, seed)
    different = {tuple(point.items()) for point in found}
    assert len(different) == len(found) == min(count, size(space))
    assert different <= {tuple(point.items()) for point in grid(space)}
    assert found == sample(space, count, seed)


@given(st.lists(st.sampled_from("abcd"), min_size=2, max_size=4), st.integers(2, 3), st.booleans())
def test_keys_that_go_together_have_one_value_each(values: list[str], others: int, by_name: bool) -> None:
    together = [Values.of("optimizer", values), Values.of("+model.width", values[::-1])]
    alone = Values.of("seed", [str(number) for number in range(others)])
    space = zip_axes([together[0], alone, together[1]], ["optimizer", "model.width"])
    points = grid(space)
    assert len(points) == len(values) * others
    pairs = [(point["optimizer"][-1], point["+model.width"][-1]) for point in points]
    assert pairs == [pair for pair in zip(values, values[::-1], strict=True) for _ in range(others)]
    assert grid(zip_axes(together, which=True)) == grid(zip_axes(together, ["optimizer", "model.width"]))


@given(axes())
def test_without_zip_axes_stay_as_they_are(space: list[Values]) -> None:
    assert zip_axes(space, False) == space == zip_axes(space, [])


@pytest.mark.parametrize(
    ("which", "message"),
    [
        (True, "optimizer has 2, seed has 3"),
        (["optimizer", "seed"], "optimizer has 2, seed has 3"),
        (["optimizr"], "sweep.zip=optimizr is not swept over"),
    ],
)
def test_keys_that_cannot_go_together_are_named(which: bool | list[str], message: str) -> None:
    space = [Values.of("optimizer", ["sgd", "adamw"]), Values.of("seed", ["1", "2", "3"])]
    with pytest.raises(ConfigError, match=message):
        zip_axes(space, which)
