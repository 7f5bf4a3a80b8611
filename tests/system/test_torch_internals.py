"""What fastrun uses of torch that is not public: it is still there, and what replaces it computes the same."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector
from torch.optim import SGD, Adagrad, Adam, AdamW, optimizer

from fastrun.system import torch_internals
from fastrun.system.torch_internals import coalesced_values, flag_non_finite, has_step_hooks, one_by_one, sparse_values

FOREACH = sorted(name for name in vars(torch_internals) if name.startswith("foreach_"))
FUSED = sorted(name for name in vars(torch_internals) if name.startswith("fused_"))
KERNEL = "_amp_foreach_non_finite_check_and_unscale_"
HOOKS = "_global_optimizer_pre_hooks", "_global_optimizer_post_hooks"
SHAPES = (3,), (2, 4), (2, 3, 1, 2), ()


def tensors(seed: int, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator).to(dtype) for shape in SHAPES]


@pytest.fixture
def sgd() -> SGD:
    return SGD([nn.Parameter(torch.ones(2))], lr=0.1, fused=True)


@pytest.mark.parametrize("name", [*FOREACH, *FUSED])
def test_torch_still_has_the_kernels(name):
    assert getattr(torch_internals, name) is getattr(torch, f"_{name}", "gone from torch")


def test_more_than_a_few_kernels_are_looked_for():
    assert len(FOREACH) >= 10
    assert len(FUSED) == 4


def test_torch_still_has_the_other_names(sgd):
    assert hasattr(torch, KERNEL)
    assert hasattr(torch.Tensor, "_values")
    assert all(hasattr(sgd, f"_optimizer_step_{when}_hooks") for when in ("pre", "post"))
    assert all(hasattr(optimizer, name) for name in HOOKS)
    assert hasattr(sgd, "_step_supports_amp_scaling")


@pytest.mark.parametrize(
    ("name", "values", "options"),
    [
        ("add", [tensors(1)], {"alpha": 0.3}),
        ("add_", [tensors(1)], {"alpha": -0.3}),
        ("add_", [tensors(1)], {}),
        ("add_", [1], {}),
        ("clamp_min_", [0.1], {}),
        ("copy_", [tensors(1)], {}),
        ("copy_", [tensors(1, torch.float64)], {}),
        ("div_", [[2.0, 3.0, 4.0, 5.0]], {}),
        ("div_", [[torch.tensor(value) for value in (2.0, 3.0, 4.0, 5.0)]], {}),
        ("lerp", [tensors(1), 0.3], {}),
        ("lerp_", [tensors(1), 0.3], {}),
        ("mul_", [0.9], {}),
        ("mul_", [[2.0, 3.0, 4.0, 5.0]], {}),
        ("mul_", [[torch.rand(3), torch.rand(2, 1), torch.rand(2, 1, 1, 1), torch.rand(())]], {}),
        ("norm", [], {}),
        ("norm", [math.inf], {}),
        ("zero_", [], {}),
    ],
)
def test_a_loop_computes_what_torch_does_for_many_tensors_at_once(name, values, options):
    """The forms are those that fastrun uses."""
    at_once, looped = tensors(0), tensors(0)
    expected = getattr(torch_internals, f"foreach_{name}")(at_once, *values, **options)
    actual = one_by_one(name)(looped, *values, **options)
    if name.endswith("_"):
        expected, actual = at_once, looped
    torch.testing.assert_close(list(actual), list(expected), rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(looped, at_once, rtol=1e-6, atol=1e-7)


def test_every_function_for_many_tensors_is_compared():
    (parametrized,) = test_a_loop_computes_what_torch_does_for_many_tensors_at_once.pytestmark
    assert {f"foreach_{name}" for name, *_ in parametrized.args[1]} == set(FOREACH)


def test_a_loop_refuses_values_for_other_numbers_of_tensors():
    with pytest.raises(ValueError, match="zip"):
        one_by_one("mul_")(tensors(0), [1.0, 2.0])


@pytest.mark.parametrize("is_kernel_there", [True, False])
@pytest.mark.parametrize(
    ("values", "flag"),
    [
        ([1.0, -2.0], 0),
        ([1.0, math.inf], 1),
        ([-math.inf, 1.0], 1),
        ([math.nan, 1.0], 1),
        ([3e38, 3e38], 0),  # the sum of their squares overflows
        ([], 0),
    ],
)
def test_the_flag_is_set_where_a_number_is_not_finite(monkeypatch, is_kernel_there, values, flag):
    if not is_kernel_there:
        monkeypatch.delattr(torch, KERNEL)
    found = torch.zeros(())
    group = [torch.ones(3), torch.tensor(values), torch.ones((2, 2), dtype=torch.bfloat16)]
    flag_non_finite(group, found, torch.ones(()))
    assert found == flag
    flag_non_finite([torch.ones(3)], found, torch.ones(()))
    assert found == flag  # it stays


def sparse_gradient() -> Tensor:
    """The gradient of a table one of whose rows is used twice."""
    table = nn.Embedding(5, 2, sparse=True)
    table(torch.tensor([1, 1, 3])).sum().backward()
    return table.weight.grad


@pytest.mark.parametrize("values_of", [sparse_values, coalesced_values])
def test_the_values_of_a_sparse_tensor_are_its_own_memory(values_of):
    gradient = sparse_gradient()
    values = values_of(gradient)
    assert torch.equal(values.sum(0), torch.tensor([3.0, 3.0]))
    values.mul_(10)
    assert torch.equal(gradient.to_dense(), 10 * sparse_gradient().to_dense())


def test_the_values_of_a_coalesced_tensor_are_the_same_without_the_private_call():
    gradient = sparse_gradient().coalesce()
    assert torch.equal(coalesced_values(gradient.clone()), sparse_values(gradient))


@pytest.mark.parametrize(
    "register",
    [
        lambda own: own.register_step_pre_hook(lambda *_: None),
        lambda own: own.register_step_post_hook(lambda *_: None),
        lambda own: optimizer.register_optimizer_step_pre_hook(lambda *_: None),
        lambda own: optimizer.register_optimizer_step_post_hook(lambda *_: None),
    ],
    ids=["before its step", "after its step", "before each step", "after each step"],
)
def test_the_hooks_of_a_step_are_seen(sgd, register):
    assert not has_step_hooks(sgd)
    handle = register(sgd)
    assert has_step_hooks(sgd)
    handle.remove()
    assert not has_step_hooks(sgd)


@pytest.mark.parametrize("name", HOOKS)
def test_hooks_that_torch_does_not_list_any_more_may_be_there(sgd, monkeypatch, name):
    monkeypatch.delattr(optimizer, name)
    assert has_step_hooks(sgd)


@pytest.mark.parametrize("kind", [SGD, Adam, AdamW, Adagrad])
def test_optimizers_with_fused_steps_take_the_flag_and_others_do_not(kind):
    weights = [nn.Parameter(torch.ones(2))]
    assert torch_internals.takes_found_inf(kind(weights, fused=True))
    assert not torch_internals.takes_found_inf(kind(weights, fused=False))


def test_an_optimizer_that_does_not_say_so_takes_no_flag(sgd, monkeypatch):
    monkeypatch.delattr(sgd, "_step_supports_amp_scaling")
    assert not torch_internals.takes_found_inf(sgd)


def test_the_flag_keeps_a_fused_step_from_changing_weights(sgd):
    (weight,) = sgd.param_groups[0]["params"]
    weight.grad, sgd.found_inf = torch.tensor([math.nan, 1.0]), torch.ones(())
    sgd.step()
    assert torch.equal(parameters_to_vector([weight]), torch.ones(2))
