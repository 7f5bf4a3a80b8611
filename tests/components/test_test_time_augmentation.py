import pytest
import torch
from torch import nn

from fastrun.components.test_time_augmentation import AUGMENTATIONS, averaged_logits

X = torch.randn(4, 3, 6, 8, generator=torch.Generator().manual_seed(0))


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 6 * 8, 5))


def test_no_views_are_the_network_itself():
    one = net()
    assert torch.equal(averaged_logits(one, X, "none"), one(X))


def test_a_mirrored_image_gives_the_same_logits():
    one = net()
    torch.testing.assert_close(averaged_logits(one, X, "mirror"), averaged_logits(one, X.flip(-1), "mirror"))
    torch.testing.assert_close(averaged_logits(one, X, "mirror"), (one(X) + one(X.flip(-1))) / 2)


def test_shifted_views_count_as_much_as_those_in_place():
    one = net()
    padded = nn.functional.pad(X, [1] * 4, mode="reflect")
    shifted = (padded[..., :6, :8], padded[..., 2:, 2:])
    expected = averaged_logits(one, X, "mirror") / 2 + sum(averaged_logits(one, view, "mirror") for view in shifted) / 4
    torch.testing.assert_close(averaged_logits(one, X, "mirror_shift"), expected)


@pytest.mark.parametrize("views", AUGMENTATIONS)
def test_weights_add_up_to_one(views):
    assert sum(weight for weight, _ in AUGMENTATIONS[views](X)) == 1.0
