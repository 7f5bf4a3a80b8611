import pytest
import torch
from torch import nn

from fastrun.components.model.transformer import Attention, Block


def by_hand(attention: Attention, x: torch.Tensor, heads: int, causal: bool) -> torch.Tensor:
    """The paper's equations 1, head by head."""
    width = x.shape[-1] // heads
    q, k, v = attention.qkv(x).chunk(3, -1)
    parts = []
    for head in range(heads):
        position = slice(head * width, (head + 1) * width)
        scores = q[..., position] @ k[..., position].transpose(1, 2) / width**0.5
        if causal:
            scores = scores.masked_fill(torch.ones_like(scores).triu(1).bool(), -torch.inf)
        parts.append(scores.softmax(-1) @ v[..., position])
    return attention.out(torch.cat(parts, -1))


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("heads", [1, 2, 4])
def test_attention_is_the_papers(causal, heads):
    attention, x = Attention(8, heads, 0.0, causal), torch.randn(3, 5, 8)
    torch.testing.assert_close(attention(x), by_hand(attention, x, heads, causal), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("norm", ["norm1", "norm2"])
def test_the_norms_of_a_block_leave_each_token_mean_zero_and_variance_one(norm):
    block, seen = Block(16, 2, 0.0, causal=True), []
    getattr(block, norm).register_forward_hook(lambda _, x, y: seen.append(y.detach()))
    block(torch.randn(3, 5, 16) * 7 + 2)
    (out,) = seen
    torch.testing.assert_close(out.mean(-1), torch.zeros(3, 5), rtol=0, atol=1e-5)
    torch.testing.assert_close(out.var(-1, correction=0), torch.ones(3, 5), rtol=1e-3, atol=0)


def test_dropout_acts_in_training_alone():
    block, x = Block(16, 2, 0.5, causal=False), torch.randn(3, 5, 16)
    assert not torch.equal(block(x), block(x))
    block.eval()
    assert torch.equal(block(x), block(x))


def test_dropout_is_in_the_attention_and_on_both_branches():
    torch.manual_seed(0)
    attention, x = Attention(16, 2, 0.5, causal=False), torch.randn(3, 5, 16)
    assert not torch.equal(attention(x), attention(x))
    block = Block(16, 2, 0.5, causal=False)
    nn.init.zeros_(block.attention.out.weight)
    nn.init.ones_(block.attention.out.bias)
    nn.init.zeros_(block.down.weight)
    nn.init.ones_(block.down.bias)
    added = (block(x) - x).round().long()
    assert set(added.unique().tolist()) == {0, 2, 4}  # each branch adds 1, doubled or dropped
