import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrun.system.seed import derive, generator, seed_torch, seeded

keys = st.lists(st.one_of(st.integers(), st.text(max_size=5)), max_size=4).map(tuple)


@settings(deadline=None)
@given(keys)
def test_a_seed_is_the_same_each_time_and_one_that_torch_takes(key):
    assert derive(*key) == derive(*key)
    assert 0 <= derive(*key) < 2**63
    assert generator(*key).initial_seed() == derive(*key)


@settings(deadline=None)
@given(keys, keys)
def test_other_keys_have_other_seeds(key, other):
    assert (derive(*key) == derive(*other)) == (key == other)


@pytest.mark.parametrize(
    ("key", "other"),
    [((0, "order", 1), (0, "order", 2)), ((0, "order", 1), (1, "order", 1)), ((1, 12), (11, 2)), ((1,), ("1",))],
)
def test_near_keys_have_unlike_seeds(key, other):
    assert bin(derive(*key) ^ derive(*other)).count("1") > 10


def test_seeds_do_not_depend_on_the_process_so_that_runs_resume():
    assert derive(0, "order", 0) == 2094333682667709378
    assert derive(7, "step", 41, 1) == 6708305469888069582


def test_a_generator_draws_the_same_and_leaves_the_global_one_alone():
    before = torch.get_rng_state()
    first, second = (torch.rand(4, generator=generator(3, "augment", 0)) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(before, torch.get_rng_state())


def test_a_block_draws_by_its_key_and_leaves_every_state_as_it_was():
    def drawn() -> list[float]:
        return [torch.rand(()).item(), np.random.rand(), random.random()]

    def first(*key) -> list[float]:
        with seeded(*key):
            return drawn()

    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    untouched = drawn()
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    assert first(0, "a") == first(0, "a") != first(0, "b")
    assert drawn() == untouched


def test_a_network_on_a_gpu_that_draws_on_the_cpu_is_seeded_on_both(monkeypatch):
    of_gpus = [torch.Generator(), torch.Generator()]  # stand in for the generators of two GPUs
    monkeypatch.setattr(torch.cuda, "default_generators", of_gpus)
    before = of_gpus[0].initial_seed()
    seed_torch(torch.device("cuda", 1), 5)
    assert of_gpus[1].initial_seed() == 5
    assert of_gpus[0].initial_seed() == before
    first = torch.rand(3)
    seed_torch(torch.device("cuda", 1), 5)
    assert torch.equal(torch.rand(3), first)
