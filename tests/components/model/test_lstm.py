import pytest
import torch
from torch import nn

from fastrun.components.model.lstm import lstm

LENGTH, VOCABULARY = 9, 7


def small(**own) -> nn.Module:
    torch.manual_seed(0)
    return lstm((LENGTH,), VOCABULARY, **{"width": 16, "depth": 2} | own)


@pytest.mark.parametrize("kind", [torch.int32, torch.int64])
@pytest.mark.parametrize("length", [LENGTH, 1, 30])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_tokens_become_logits_at_each_place(kind, length, dropout):
    tokens = torch.randint(0, VOCABULARY, (3, length)).to(kind)
    assert small(dropout=dropout)(tokens).shape == (3, length, VOCABULARY)


@pytest.mark.parametrize(("width", "depth"), [(8, 1), (16, 3)])
@pytest.mark.parametrize("tie", [True, False])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_the_weights_are_as_many_as_the_formula_says(width, depth, tie, dropout):
    result = sum(p.numel() for p in small(width=width, depth=depth, tie=tie, dropout=dropout).parameters())
    assert result == depth * 4 * width * (2 * width + 2) + VOCABULARY * (width * (1 if tie else 2) + 1)


@pytest.mark.parametrize("position", range(LENGTH))
def test_no_output_depends_on_the_tokens_after_it(position):
    net = small().eval()
    tokens = torch.randint(0, VOCABULARY, (2, LENGTH))
    changed = tokens.clone()
    changed[:, position] = (changed[:, position] + 1) % VOCABULARY
    differs = (net(tokens) != net(changed)).any(-1)
    assert not differs[:, :position].any()
    assert differs[:, position:].all()


def test_layers_one_at_a_time_are_the_stack():
    stack, single = small(), small(dropout=0.5)
    single.load_state_dict(
        {
            key.replace("layers.0", f"layers.{key[-1]}")[:-1] + "0" if "_l" in key else key: value
            for key, value in stack.state_dict().items()
        }
    )
    tokens = torch.randint(0, VOCABULARY, (3, LENGTH))
    torch.testing.assert_close(single.eval()(tokens), stack.eval()(tokens))


def test_forget_gates_start_open():
    for name, bias in small(dropout=0.5).layers.named_parameters():
        if "bias_ih" in name:
            gates = bias.view(4, 16)
            assert (gates[1] == 1).all()
            assert (gates[[0, 2, 3]].abs() <= 16**-0.5).all()


def test_dropout_acts_in_training_alone_and_is_a_function_of_the_seed():
    net, tokens = small(dropout=0.5), torch.zeros(1, LENGTH, dtype=torch.long)
    first = net(tokens)
    assert not torch.equal(first, net(tokens))
    torch.manual_seed(3)
    again = net(tokens)
    torch.manual_seed(3)
    assert torch.equal(net(tokens), again)
    net.eval()
    assert torch.equal(net(tokens), net(tokens))


def test_tied_weights_are_one_tensor_of_a_size_that_keeps_the_logits_small():
    net = small(tie=True, width=256)
    assert net.head.weight is net.embed.weight
    assert net.embed.weight.std().item() == pytest.approx(1 / 16, rel=0.1)
    assert small().head.weight is not small().embed.weight
