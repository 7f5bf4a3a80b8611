import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrun.components.data.stratified_split import stratified_split
from fastrun.errors import ConfigError

FRACTIONS = st.sampled_from([{}, {"val": 0.2}, {"val": 0.2, "test": 0.3}, {"val": 0.0, "test": 0.5}, {"val": 1 / 12}])


def numbered(labels) -> tuple[torch.Tensor, torch.Tensor]:
    """Samples that say which they are."""
    y = torch.tensor(labels)
    return torch.arange(len(y)), y


def members(part) -> list[int]:
    return part.tensors[0].tolist()


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), FRACTIONS, st.integers(0, 2**32))
def test_each_sample_is_in_one_part_with_its_label(labels, fractions, seed):
    parts = stratified_split(*numbered(labels), fractions, seed)
    assert parts.keys() == fractions.keys() | {"train"}
    assert sorted(sample for part in parts.values() for sample in members(part)) == list(range(len(labels)))
    for part in parts.values():
        assert part.tensors[1].tolist() == [labels[sample] for sample in members(part)]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), FRACTIONS, st.integers(0, 2**32))
def test_each_class_is_spread_evenly_over_the_parts(labels, fractions, seed):
    parts = stratified_split(*numbered(labels), fractions, seed)
    for label in set(labels):
        count = labels.count(label)
        for name, fraction in (fractions | {"train": 1 - sum(fractions.values())}).items():
            assert abs((parts[name].tensors[1] == label).sum().item() - count * fraction) <= 1


def test_the_seed_alone_decides_on_the_split():
    x, y = numbered([0, 1] * 50)
    splits = [members(stratified_split(x, y, {"val": 0.2}, seed)["val"]) for seed in (0, 0, 1)]
    assert splits[0] == splits[1] != splits[2]


def test_the_split_is_no_prefix_of_a_sorted_set():
    val = members(stratified_split(*numbered([0] * 50 + [1] * 50), {"val": 0.2}, 0)["val"])
    assert len(val) == 20
    assert val != [*range(10), *range(50, 60)]


@pytest.mark.parametrize(
    "fractions", [{"val": 0.2, "test": 0.2}, {"val": 0.3, "test": 0.3}, {"val": 0.6}, {"val": 0.2, "test": 0.79}]
)
def test_a_class_of_one_sample_is_trained_on(fractions):
    parts = stratified_split(*numbered([0] * 10 + [1]), fractions, 0)
    assert 10 in members(parts["train"])


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=30),
    st.floats(0, 0.49),
    st.floats(0, 0.49),
    st.integers(0, 2**32),
)
def test_every_class_is_trained_on_whatever_the_fractions(labels, val, test, seed):
    parts = stratified_split(*numbered(labels), {"val": val, "test": test}, seed)
    assert set(parts["train"].tensors[1].tolist()) == set(labels)
    assert sorted(sample for part in parts.values() for sample in members(part)) == list(range(len(labels)))


@pytest.mark.parametrize(
    "fractions", [{"val": 1.0}, {"val": 0.5, "test": 0.5}, {"val": 0.7, "test": 0.6}, {"val": -0.1}]
)
def test_fractions_that_leave_nothing_to_train_on_are_refused(fractions):
    with pytest.raises(ConfigError, match="leave nothing to train on"):
        stratified_split(*numbered([0, 1]), fractions, 0)
