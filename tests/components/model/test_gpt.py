import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fastrun.components.model.gpt import gpt

LENGTH, VOCABULARY = 12, 7


def small(**own) -> nn.Module:
    torch.manual_seed(0)
    return gpt((LENGTH,), VOCABULARY, **{"width": 16, "depth": 2, "heads": 2} | own)


def count(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


@pytest.mark.parametrize("kind", [torch.int32, torch.int64])
@pytest.mark.parametrize("length", [LENGTH, 1, 5])
def test_tokens_become_logits_at_each_place(kind, length):
    tokens = torch.randint(0, VOCABULARY, (3, length)).to(kind)
    assert small()(tokens).shape == (3, length, VOCABULARY)


def test_gpt_2_has_its_124_million_weights():
    with torch.device("meta"):
        assert count(gpt((1024,), 50257, width=768, depth=12, heads=12)) == 124_439_808


@pytest.mark.parametrize(("width", "depth"), [(8, 1), (16, 3), (32, 2)])
@pytest.mark.parametrize("tie", [True, False])
def test_the_weights_are_as_many_as_the_formula_says(width, depth, tie):
    blocks = depth * (12 * width**2 + 13 * width)
    rest = (VOCABULARY * (1 if tie else 2) + LENGTH + 2) * width
    assert count(small(width=width, depth=depth, tie=tie)) == blocks + rest


@pytest.mark.parametrize("position", range(LENGTH))
def test_no_output_depends_on_the_tokens_after_it(position):
    net = small().eval()
    tokens = torch.randint(0, VOCABULARY, (2, LENGTH))
    changed = tokens.clone()
    changed[:, position] = (changed[:, position] + 1) % VOCABULARY
    differs = (net(tokens) != net(changed)).any(-1)
    assert not differs[:, :position].any()
    assert differs[:, position:].all()


def test_the_same_token_differs_from_place_to_place():
    out = small().eval()(torch.zeros(1, LENGTH, dtype=torch.long))
    assert out[0].unique(dim=0).shape[0] == LENGTH


def test_the_first_weights_are_those_of_gpt_2():
    net = small(width=128, depth=8)
    for name, parameter in net.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any()
        elif "norm" in name:
            assert (parameter == 1).all()
        else:
            last = name.endswith(("out.weight", "down.weight"))
            assert parameter.std().item() == pytest.approx(0.02 / (4 if last else 1), rel=0.1), name


def test_the_loss_starts_at_that_of_guessing():
    tokens = torch.randint(0, VOCABULARY, (8, LENGTH))
    loss = F.cross_entropy(small()(tokens).flatten(0, 1), torch.randint(0, VOCABULARY, (8 * LENGTH,)))
    assert loss.item() == pytest.approx(torch.tensor(VOCABULARY).log().item(), rel=0.02)


def test_tied_weights_are_one_tensor_and_gradients_reach_them_from_both_ends():
    tied, untied = small(), small(tie=False)
    assert tied.head.weight is tied.embed.weight
    assert untied.head.weight is not untied.embed.weight
    tied(torch.zeros(1, LENGTH, dtype=torch.long)).square().sum().backward()
    assert tied.embed.weight.grad[1:].any()  # tokens that were not read, but are outputs


def test_dropout_acts_in_training_alone():
    net, tokens = small(dropout=0.5), torch.zeros(1, LENGTH, dtype=torch.long)
    assert not torch.equal(net(tokens), net(tokens))
    net.eval()
    assert torch.equal(net(tokens), net(tokens))
