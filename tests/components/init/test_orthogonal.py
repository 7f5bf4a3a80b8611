import pytest
import torch
from torch import nn

import fastrun
from fastrun.components.init.orthogonal import orthogonal


@pytest.mark.parametrize("gain", [1.0, 2**0.5])
@pytest.mark.parametrize(
    "layer", [nn.Linear(12, 5), nn.Linear(5, 12), nn.Conv2d(2, 7, 3), nn.Conv1d(2, 40, 3)], ids=repr
)
def test_rows_or_columns_are_orthonormal_up_to_the_gain(layer, gain):
    torch.manual_seed(0)
    orthogonal(layer, gain)
    matrix = layer.weight.detach().flatten(1)
    product = matrix @ matrix.T if len(matrix) <= matrix.shape[1] else matrix.T @ matrix
    torch.testing.assert_close(product, gain**2 * torch.eye(len(product)), atol=1e-5, rtol=0)
    assert not layer.bias.any()


@pytest.mark.parametrize(("kind", "gates"), [(nn.RNN, 1), (nn.GRU, 3), (nn.LSTM, 4)])
def test_recurrent_matrices_are_orthogonal_gate_by_gate_and_their_biases_stay(kind, gates):
    torch.manual_seed(0)
    net = kind(6, 6, num_layers=2)
    bias = net.bias_hh_l1.clone()
    orthogonal(net)
    for weight in (net.weight_ih_l0, net.weight_hh_l0, net.weight_hh_l1):
        for gate in weight.detach().split(6):
            torch.testing.assert_close(gate @ gate.T, torch.eye(6), atol=1e-5, rtol=0)
    assert len(net.weight_hh_l1) == 6 * gates
    assert torch.equal(net.bias_hh_l1, bias)


def test_each_of_an_attentions_projections_is_orthogonal():
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(6, 2)
    orthogonal(attention)
    for part in (*attention.in_proj_weight.detach().chunk(3), attention.out_proj.weight.detach()):
        torch.testing.assert_close(part @ part.T, torch.eye(6), atol=1e-5, rtol=0)


def test_a_run_starts_from_it(folder):
    own = ["data=synthetic", "data.shape=[8]", "model=mlp", "model.hidden=[8]", "optimizer=sgd", "optimizer.lr=1e-9"]
    run = fastrun.train([*own, "init=orthogonal", "init.gain=3", "norm=none", "steps=1"], quiet=True)
    matrix = next(m for m in run.load_model("last").modules() if isinstance(m, nn.Linear)).weight.detach()
    torch.testing.assert_close(matrix @ matrix.T, 9 * torch.eye(8), atol=1e-4, rtol=0)
