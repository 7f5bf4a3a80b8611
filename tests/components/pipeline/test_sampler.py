import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrun.components.augment.images import Images
from fastrun.components.pipeline.sampler import StatelessSampler

SIZES = st.integers(1, 40).flatmap(lambda samples: st.tuples(st.just(samples), st.integers(1, samples)))
AUGMENT = Images((1, 8, 8), 10, pad=2, flip="random")


def batches(sampler: StatelessSampler, epoch: int) -> list[list[int]]:
    indices, _ = sampler.epoch(epoch, None)
    return [part.tolist() for part in indices.split(sampler.local_batch_size)]


@settings(deadline=None)
@given(SIZES, st.booleans(), st.integers(0, 5))
def test_an_epoch_sees_each_sample_once_but_those_of_a_batch_that_is_left_out(sizes, drop_last, epoch):
    samples, size = sizes
    sampler = StatelessSampler(samples, size, drop_last, seed=0)
    seen = batches(sampler, epoch)
    assert len(seen) == sampler.steps_per_epoch
    flat = [index for batch in seen for index in batch]
    assert len(flat) == len(set(flat)) == (samples // size * size if drop_last else samples)
    assert set(flat) <= set(range(samples))
    assert all(len(batch) == size for batch in seen[: len(seen) if drop_last else -1])
    assert 1 <= len(seen[-1]) <= size


@settings(deadline=None)
@given(st.integers(1, 8), st.sampled_from([1, 2, 3, 4]), st.integers(0, 20), st.integers(0, 3))
def test_the_parts_of_all_ranks_are_the_batch_of_a_single_process(share, world, extra, epoch):
    size = share * world
    samples = 2 * size + extra % size
    alone, alone_draws = StatelessSampler(samples, size, True, seed=1).epoch(epoch, AUGMENT)
    ranks = [StatelessSampler(samples, size, True, 1, rank, world).epoch(epoch, AUGMENT) for rank in range(world)]
    for joined, whole in (([part[0] for part in ranks], alone), ([part[1] for part in ranks], alone_draws)):
        cut = [part.split(share) for part in joined]
        steps = [torch.cat([cut[rank][step] for rank in range(world)]) for step in range(2)]
        assert torch.equal(torch.cat(steps), whole)


def test_ranks_have_no_sample_in_common():
    first, second = (set(StatelessSampler(40, 8, True, 0, rank, 2).epoch(3, None)[0].tolist()) for rank in range(2))
    assert len(first) == len(second) == 20
    assert not first & second


def test_another_epoch_and_another_seed_have_another_order():
    orders = [
        StatelessSampler(50, 5, True, seed).epoch(epoch, None)[0].tolist() for seed in (0, 1) for epoch in (0, 1, 2)
    ]
    assert len({tuple(order) for order in orders}) == 6


def test_another_epoch_has_other_draws():
    draws = [StatelessSampler(50, 5, True, 0).epoch(epoch, AUGMENT)[1] for epoch in (0, 1)]
    assert not torch.equal(*draws)


def test_an_epoch_is_the_same_whenever_it_is_asked_for():
    sampler = StatelessSampler(50, 5, True, 0)
    first = sampler.epoch(2, AUGMENT)
    sampler.epoch(0, AUGMENT)
    torch.rand(3)
    again = sampler.epoch(2, AUGMENT)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])


def test_the_order_does_not_depend_on_the_augmentation():
    sampler = StatelessSampler(50, 5, True, 0)
    assert torch.equal(sampler.epoch(1, None)[0], sampler.epoch(1, AUGMENT)[0])
    assert sampler.epoch(1, None)[1] is None


def test_the_order_is_shuffled_and_what_it_leaves_out_changes():
    sampler = StatelessSampler(10, 8, True, 0)
    epochs = [sampler.epoch(epoch, None)[0].tolist() for epoch in range(20)]
    assert all(epoch != sorted(epoch) for epoch in epochs)
    assert set().union(*epochs) == set(range(10))
    assert len({frozenset(epoch) for epoch in epochs}) > 1


@pytest.mark.parametrize(
    ("samples", "size", "drop_last", "steps"),
    [(10, 5, True, 2), (10, 5, False, 2), (11, 5, True, 2), (11, 5, False, 3), (5, 5, True, 1), (6, 5, False, 2)],
)
def test_the_steps_of_an_epoch_are_its_batches(samples, size, drop_last, steps):
    assert StatelessSampler(samples, size, drop_last, 0).steps_per_epoch == steps


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.booleans(), st.integers(1, 40))
def test_the_least_part_is_that_of_the_batches_as_they_are_cut(samples, size, drop_last, accumulate):
    sampler = StatelessSampler(samples, min(size, samples), drop_last, 0)
    batches = sampler.epoch(0, None)[0].split(sampler.batch_size)
    least = min(len(part) for batch in batches for part in batch.chunk(accumulate))
    assert sampler.smallest_part(accumulate) == least
