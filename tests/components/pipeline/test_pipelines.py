import random
from contextlib import closing
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import Dataset, TensorDataset

from fastrun.components.augment.images import Images
from fastrun.components.pipeline import resident
from fastrun.components.pipeline.mixed import MixedLoader
from fastrun.components.pipeline.plain import PlainLoader
from fastrun.components.pipeline.preparation import Preparation
from fastrun.components.pipeline.resident import ResidentLoader
from fastrun.components.pipeline.sampler import StatelessSampler
from fastrun.components.pipeline.standardize import fit_standardize
from fastrun.components.pipeline.workers import WorkerLoader
from fastrun.errors import StorageError
from fastrun.system import free_space

CPU = torch.device("cpu")
AUGMENTS = {
    "none": None,
    "crop_flip": Images((2, 6, 6), 20, pad=2, flip="random"),
    "alternating": Images((2, 6, 6), 20, pad=1, border="reflect", flip="alternating", cutout=2),
}
OF_BYTES = {"randaugment": Images((2, 6, 6), 20, pad=1, flip="random", ops=2)}
MIX = Images((2, 6, 6), 20, pad=0, mixup=0.5, cutmix=0.5).mix


class Map(Dataset):
    """A set of a user's own: no tensors to take hold of, labels that are plain numbers."""

    def __init__(self, samples: TensorDataset) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int):
        x, y = self.samples[index]
        return x, int(y)


class Noisy(Map):
    """A set that draws at random in all the ways that people do."""

    def __getitem__(self, index: int):
        x, y = super().__getitem__(index)
        return x.float() + torch.randn(x.shape) + np.random.rand() + random.random(), y


def images(count: int, dtype=torch.uint8) -> TensorDataset:
    random = torch.Generator().manual_seed(count)
    x = torch.randint(0, 256, (count, 2, 6, 6), dtype=torch.uint8, generator=random)
    return TensorDataset(x if dtype == torch.uint8 else x / 255, torch.arange(count))


def make(name: str, samples, sampler: StatelessSampler, augment):
    scale = fit_standardize(samples)
    if name == "resident":
        return ResidentLoader(samples, sampler, Preparation(scale, augment), CPU)
    if name == "plain":
        return PlainLoader(samples, sampler, Preparation(scale, augment), CPU)
    return WorkerLoader(samples, sampler, Preparation(scale, augment), CPU, int(name[-1]), 2)


def taken(pipeline, step: int, count: int) -> list:
    with closing(pipeline.batches(step)) as batches:
        return list(islice(batches, count))


def assert_identical(found: list, expected: list) -> None:
    assert len(found) == len(expected) > 0
    for (x, y), (expected_x, expected_y) in zip(found, expected, strict=True):
        assert x.dtype == expected_x.dtype == torch.float32
        assert torch.equal(x, expected_x)
        assert torch.equal(y, expected_y)


# torch advises against two workers on a single core, and newer Pythons against forking beside threads.
@pytest.mark.filterwarnings("ignore:This DataLoader will create", "ignore:This process .* is multi-threaded")
@pytest.mark.parametrize("augment", [*AUGMENTS, *OF_BYTES])
@pytest.mark.parametrize("step", [0, 5])
@pytest.mark.parametrize("name", ["workers0", "workers2", "plain"])
def test_every_pipeline_yields_the_batches_of_the_resident_one_from_any_step_on(name, step, augment):
    samples, sampler = images(14), StatelessSampler(14, 4, False, seed=3)
    chosen = (AUGMENTS | OF_BYTES)[augment]
    expected = taken(make("resident", samples, sampler, chosen), 0, 12)[step:]
    assert_identical(taken(make(name, samples, sampler, chosen), step, 12 - step), expected)


@settings(deadline=None, max_examples=40)
@given(st.data(), st.booleans(), st.sampled_from(list(AUGMENTS)), st.sampled_from([torch.uint8, torch.float32]))
def test_pipelines_agree_whatever_the_sizes(data, drop_last, augment, dtype):
    count = data.draw(st.integers(2, 20))
    samples = images(count, dtype)
    sampler = StatelessSampler(count, data.draw(st.integers(1, count)), drop_last, data.draw(st.integers(0, 9)))
    step = data.draw(st.integers(0, 3 * sampler.steps_per_epoch))
    expected = taken(make("resident", samples, sampler, AUGMENTS[augment]), step, 5)
    for name in ("workers0", "plain"):
        assert_identical(taken(make(name, samples, sampler, AUGMENTS[augment]), step, 5), expected)


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 20), st.booleans(), st.data())
def test_a_run_that_goes_on_at_a_step_gets_the_batches_it_would_have_got(count, drop_last, data):
    samples = images(count)
    sampler = StatelessSampler(count, data.draw(st.integers(1, count)), drop_last, 0)
    step = data.draw(st.integers(0, 3 * sampler.steps_per_epoch))
    pipeline = make("resident", samples, sampler, AUGMENTS["crop_flip"])
    assert_identical(taken(pipeline, step, 3), taken(pipeline, 0, step + 3)[step:])


def test_mixed_batches_are_a_function_of_the_step_too():
    samples, sampler = images(14), StatelessSampler(14, 4, False, seed=3)
    mixed = MixedLoader(make("resident", samples, sampler, AUGMENTS["crop_flip"]), MIX, sampler)
    whole = taken(mixed, 0, 9)
    assert_identical(taken(mixed, 4, 5), whole[4:])
    assert all(y.shape == (len(x), 20) for x, y in whole)
    plain = taken(mixed.loader, 0, 9)
    assert sum(not torch.equal(x, plain_x) for (x, _), (plain_x, _) in zip(whole, plain, strict=True)) > 5


@pytest.mark.parametrize("block_bytes", [1, 2 * 4 * 72 * 4, 1 << 22])
def test_the_blocks_that_a_resident_set_is_made_in_change_nothing(monkeypatch, block_bytes):
    samples, sampler = images(14), StatelessSampler(14, 4, False, 0)
    expected = taken(make("resident", samples, sampler, AUGMENTS["crop_flip"]), 1, 9)
    monkeypatch.setattr(resident, "BLOCK_BYTES", block_bytes)
    assert_identical(taken(make("resident", samples, sampler, AUGMENTS["crop_flip"]), 1, 9), expected)


@pytest.mark.parametrize("name", ["resident", "workers0", "plain"])
def test_the_parts_of_two_ranks_are_the_batch_of_a_single_process(name):
    samples, augment = images(14), AUGMENTS["crop_flip"]
    alone = taken(make(name, samples, StatelessSampler(14, 4, True, 0), augment), 1, 7)
    parts = [taken(make(name, samples, StatelessSampler(14, 4, True, 0, rank, 2), augment), 1, 7) for rank in range(2)]
    joined = [(torch.cat([x, more_x]), torch.cat([y, more_y])) for (x, y), (more_x, more_y) in zip(*parts, strict=True)]
    assert_identical(joined, alone)


@pytest.mark.parametrize("name", ["resident", "workers0", "plain"])
def test_samples_stay_with_their_labels(name):
    samples = images(10)
    scaled = fit_standardize(samples)(samples.tensors[0])
    for x, y in taken(make(name, samples, StatelessSampler(10, 3, False, 0), None), 0, 8):
        assert torch.equal(x, scaled[y])


@pytest.mark.parametrize("name", ["workers0", "plain"])
def test_a_users_own_set_yields_what_its_tensors_would(name):
    samples, sampler = images(10), StatelessSampler(10, 3, False, 0)
    expected = taken(make("resident", samples, sampler, AUGMENTS["alternating"]), 0, 8)
    assert_identical(taken(make(name, Map(samples), sampler, AUGMENTS["alternating"]), 0, 8), expected)


@pytest.mark.parametrize("name", ["resident", "workers0", "plain"])
def test_another_epoch_brings_other_batches(name):
    sampler = StatelessSampler(12, 4, True, 0)
    labels = torch.cat([y for _, y in taken(make(name, images(12), sampler, None), 0, 6)]).tolist()
    first, second = labels[:12], labels[12:]
    assert sorted(first) == sorted(second) == list(range(12))
    assert first != second


def test_a_resident_set_is_not_changed_by_its_batches():
    samples = images(10, torch.float32)
    before = samples.tensors[0].clone()
    for x, _ in taken(make("resident", samples, StatelessSampler(10, 5, True, 0), None), 0, 4):
        x.zero_()
    assert torch.equal(samples.tensors[0], before)


@pytest.mark.filterwarnings("ignore:This DataLoader will create", "ignore:This process .* is multi-threaded")
@pytest.mark.parametrize("step", [0, 5])
@pytest.mark.parametrize("name", ["workers0", "workers2", "plain"])
def test_what_a_users_own_set_draws_at_random_depends_on_the_step_alone(name, step):
    samples, sampler = Noisy(images(14)), StatelessSampler(14, 4, False, seed=3)
    expected = taken(make("plain", samples, sampler, None), 0, 12)
    assert_identical(taken(make(name, samples, sampler, None), step, 12 - step), expected[step:])
    noise = [x.sum().item() for x, _ in expected]
    assert len(set(noise)) == len(noise)


@pytest.mark.filterwarnings("ignore:This DataLoader will create", "ignore:This process .* is multi-threaded")
@pytest.mark.parametrize("room", [(1 << 30, 100), (600, 600)])
def test_workers_without_room_for_their_batches_say_so(monkeypatch, room: tuple[int, int]):
    monkeypatch.setattr(free_space, "shared_memory", lambda: room)
    loader = make("workers2", images(16), StatelessSampler(16, 4, seed=0, drop_last=True), None)
    with pytest.raises(StorageError, match=r"need .* of shared memory for a batch each, and /dev/shm has") as caught:
        next(iter(loader.batches(0)))
    assert caught.value.exit_code == 7
