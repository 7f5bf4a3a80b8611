import pytest
import torch
from torch import nn

from fastrun.components.model.vit import Patches, patch_for, sincos, vit
from fastrun.errors import ConfigError


def small(in_shape=(3, 16, 16), **own) -> nn.Module:
    torch.manual_seed(0)
    return vit(in_shape, 5, **{"width": 16, "depth": 2, "heads": 2} | own)


def test_vit_b_16_has_its_86_million_weights():
    with torch.device("meta"):
        net = vit((3, 224, 224), 1000, 16, 768, 12, 12, positions="learned", pool="token")
    assert sum(parameter.numel() for parameter in net.parameters()) == 86_567_656


@pytest.mark.parametrize(
    ("sides", "patch"),
    [
        ([8, 8], 2), ([28, 28], 4), ([32, 32], 4), ([64, 64], 8), ([224, 224], 14),
        ([31, 31], 5), ([1, 1], 1), ([2, 99], 1), ([2, 100], 2),
    ],
)  # fmt: skip
def test_the_patch_fits_the_size(sides, patch):
    assert patch_for(sides) == patch


@pytest.mark.parametrize(("side", "patch", "tokens"), [(16, 4, 16), (17, 4, 25), (10, 4, 9), (7, 7, 1), (6, 1, 36)])
@pytest.mark.parametrize("pool", ["mean", "token"])
@pytest.mark.parametrize("positions", ["sincos", "learned"])
def test_every_pixel_is_in_a_patch(side, patch, tokens, pool, positions):
    net = small((2, side, side), patch=patch, pool=pool, positions=positions)
    x = torch.randn(3, 2, side, side, requires_grad=True)
    out = net[0](x)
    assert out.shape == (3, tokens + (pool == "token"), 16)
    net(x).square().sum().backward()
    assert x.grad.ne(0).all()


def test_a_patch_larger_than_the_image_is_refused():
    with pytest.raises(ConfigError, match=r"model\.patch=17 is larger") as caught:
        small(patch=17)
    assert caught.value.hint == "they have [16, 16] pixels"


@pytest.mark.parametrize("positions", ["sincos", "learned"])
def test_the_place_of_a_patch_matters(positions):
    net = small(patch=8, positions=positions).eval()
    x = torch.randn(1, 3, 16, 16)
    assert not torch.allclose(net(x), net(x.flip(3).unflatten(3, (2, 8)).flip(4).flatten(3)), atol=1e-4)


def test_sincos_positions_differ_are_bounded_and_are_no_weights():
    grid = sincos(3, 4, 16)
    assert grid.shape == (12, 16)
    assert grid.unique(dim=0).shape == (12, 16)
    assert grid.abs().max() <= 1
    rates = torch.tensor([1.0 / 10_000 ** (n / 3) for n in range(4)])
    torch.testing.assert_close(grid[1], torch.cat([rates.sin(), rates.cos(), 0 * rates, 0 * rates + 1]))  # column 1
    assert not any("positions" in name for name, _ in small().named_parameters())


def test_sincos_positions_need_a_multiple_of_four():
    with pytest.raises(ConfigError, match=r"model\.width=18 is not a multiple of 4"):
        small(width=18)
    assert isinstance(small(width=18, positions="learned")[0], Patches)


def test_the_token_starts_near_zero_and_has_no_place_of_its_own():
    embed = small(pool="token")[0]
    assert embed(torch.randn(2, 3, 16, 16))[:, 0].abs().max() < 1e-4


def test_the_patches_are_drawn_as_the_linear_layer_that_they_are():
    net = small((3, 32, 32), patch=4, width=64)
    assert net[0].project.weight.std().item() == pytest.approx((2 / (48 + 64)) ** 0.5, rel=0.05)


def test_it_learns_to_tell_left_from_right():
    net = small((1, 8, 8), width=32)
    optimizer = torch.optim.AdamW(net.parameters(), 3e-3)
    for _ in range(60):
        y = torch.randint(0, 2, (32,))
        x = torch.randn(32, 1, 8, 8)
        x[y == 1, :, :, :4] += 2
        x[y == 0, :, :, 4:] += 2
        loss = nn.functional.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.3
