import pytest
import torch

from fastrun.components.augment.mix import Mix

X = torch.arange(6.0).view(6, 1, 1, 1).expand(6, 2, 20, 30)
Y = torch.tensor([0, 1, 2, 0, 1, 2])
MIXES = {"mixup": Mix(3, 0.8, 0.0), "cutmix": Mix(3, 0.0, 1.0), "either": Mix(3, 0.5, 0.5)}


@pytest.mark.parametrize("mix", MIXES.values(), ids=MIXES)
def test_labels_are_mixed_as_the_images_are(mix):
    for step in range(50):
        x, y = mix(X, Y, 0, step)
        assert torch.allclose(y.sum(1), torch.ones(6))
        own = ((x - X.flip(0)) / (X - X.flip(0))).mean((1, 2, 3))  # what a sample kept of itself, by its pixels
        labels = torch.nn.functional.one_hot(Y, 3).float()
        expected = own.view(-1, 1) * labels + (1 - own).view(-1, 1) * labels.flip(0)
        torch.testing.assert_close(y, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("mix", MIXES.values(), ids=MIXES)
def test_several_labels_a_sample_are_mixed_by_the_same_shares(mix):
    labels = torch.nn.functional.one_hot(Y, 3)
    for step in range(10):
        torch.testing.assert_close(mix(X, labels, 0, step)[1], mix(X, Y, 0, step)[1])


def test_mixup_blends_and_cutmix_pastes():
    blended = [MIXES["mixup"](X, Y, 0, step)[0][0].unique() for step in range(20)]
    pasted = [MIXES["cutmix"](X, Y, 0, step)[0][0].unique() for step in range(20)]
    assert all(len(values) == 1 for values in blended)
    assert len({float(values) for values in blended}) == 20
    assert all(set(values.tolist()) <= {0.0, 5.0} for values in pasted)
    kinds = [len(MIXES["either"](X, Y, 0, step)[0][0].unique()) for step in range(40)]
    assert 5 < sum(kind > 1 for kind in kinds) < 35


def test_shares_are_those_of_the_beta_distribution():
    shares = torch.tensor([float(Mix(3, 0.2, 0.0)(X, Y, 0, step)[1][0, 0]) for step in range(2000)])
    expected = torch.distributions.Beta(0.2, 0.2)
    assert shares.mean() == pytest.approx(float(expected.mean), abs=0.03)
    assert shares.std() == pytest.approx(float(expected.stddev), abs=0.02)


@pytest.mark.parametrize("mix", MIXES.values(), ids=MIXES)
def test_a_batch_is_mixed_by_its_place_alone(mix):
    before = X.clone()
    first, again, other = (mix(X, Y, 0, step)[1] for step in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(X, before)


def test_a_batch_of_one_is_mixed_with_itself():
    x, y = MIXES["mixup"](X[:1], Y[:1], 0, 0)
    assert torch.equal(x, X[:1])
    assert y.tolist() == [[1.0, 0.0, 0.0]]
