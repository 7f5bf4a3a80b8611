"""The order of streamed samples: each once an epoch, a function of the place alone, the same for any processes."""

from __future__ import annotations

import pickle

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrun.components.data.packed.order import WindowOrder
from fastrun.components.pipeline.sampler import BatchSampler, StatelessSampler

SHARDS = st.lists(st.integers(1, 9), min_size=1, max_size=12)


@settings(deadline=None)
@given(SHARDS, st.integers(1, 5), st.integers(0, 9), st.integers(0, 3))
def test_each_sample_comes_once_an_epoch(shards, window, seed, epoch):
    count = sum(shards)
    order = WindowOrder(shards, window).places(seed, epoch, 0, count)
    assert sorted(order.tolist()) == list(range(count))


@settings(deadline=None)
@given(SHARDS, st.integers(1, 5), st.data())
def test_any_part_of_an_epoch_is_known_without_the_rest(shards, window, data):
    count = sum(shards)
    low = data.draw(st.integers(0, count))
    high = data.draw(st.integers(low, count))
    whole = WindowOrder(shards, window).places(3, 1, 0, count)
    assert torch.equal(WindowOrder(shards, window).places(3, 1, low, high), whole[low:high])


@settings(deadline=None)
@given(SHARDS, st.integers(1, 5))
def test_few_shards_are_in_use_at_a_time(shards, window):
    order = WindowOrder(shards, window)
    owners = torch.repeat_interleave(torch.arange(len(shards)), torch.tensor(shards))
    seen = owners[order.places(0, 0, 0, sum(shards))].tolist()
    for shard in range(len(shards)):
        first, last = seen.index(shard), len(seen) - 1 - seen[::-1].index(shard)
        assert len(set(seen[first : last + 1])) <= window


@settings(deadline=None)
@given(SHARDS, st.integers(1, 3), st.sampled_from([1, 2, 4]), st.integers(0, 30))
def test_the_parts_of_all_processes_are_the_batches_of_one(shards, share, world, step):
    count, size = sum(shards), share * world
    if size > count:
        return
    order = WindowOrder(shards, 3)

    def batches(rank: int, world: int):
        sampler = StatelessSampler(count, size, True, 1, rank, world, order=order)
        found = iter(BatchSampler(sampler, step, None))
        return [next(found).indices for _ in range(5)]

    parts = zip(*(batches(rank, world) for rank in range(world)), strict=True)
    for whole, part in zip(batches(0, 1), parts, strict=True):
        assert torch.equal(torch.cat(part), whole)


def test_batches_one_by_one_are_those_of_the_whole_epoch():
    order = WindowOrder([4, 7, 2, 5], 2)
    sampler = StatelessSampler(18, 5, False, seed=2, order=order)
    one_by_one = iter(BatchSampler(sampler, 2, None))
    for epoch, first in ((0, 2), (1, 0)):
        indices, _ = sampler.epoch(epoch, None)
        for part in indices.split(5)[first:]:
            assert torch.equal(next(one_by_one).indices, part)


def test_orders_of_other_epochs_and_seeds_differ():
    order = WindowOrder([20] * 5, 2)
    orders = {tuple(order.places(seed, epoch, 0, 100).tolist()) for seed in (0, 1) for epoch in (0, 1, 2)}
    assert len(orders) == 6


def test_another_process_has_the_same_order():
    order = WindowOrder([4, 7, 2], 2)
    assert torch.equal(pickle.loads(pickle.dumps(order)).places(0, 4, 0, 13), order.places(0, 4, 0, 13))
