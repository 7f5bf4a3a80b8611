import pytest
import torch
from torch import nn

import fastrun
from fastrun.components.init.auto import by_activation
from fastrun.components.init.gains import of_inputs
from fastrun.components.init.layers import activated_layers
from fastrun.components.model.resnet import resnet
from fastrun.errors import ConfigError


def names(net: nn.Module) -> list[str]:
    return [type(activated.after).__name__ if activated.after else "linear" for activated in activated_layers(net)]


def std(layer: nn.Linear) -> float:
    return layer.weight.std().item() * layer.in_features**0.5


def test_it_reads_the_activation_that_each_layer_feeds():
    net = nn.Sequential(
        nn.Linear(2, 2), nn.BatchNorm1d(2), nn.ReLU(), nn.Linear(2, 2), nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2),
        nn.Sigmoid(), nn.Conv1d(2, 2, 1), nn.LeakyReLU(), nn.Linear(2, 2), nn.GELU(), nn.Linear(2, 2),
    )  # fmt: skip
    assert names(net) == ["ReLU", "linear", "Tanh", "Sigmoid", "LeakyReLU", "GELU", "linear"]
    assert [activated.layer for activated in activated_layers(net)] == [
        m for m in net if isinstance(m, (nn.Linear, nn.Conv1d))
    ]
    before = [type(activated.before).__name__ for activated in activated_layers(net)]
    assert before == ["NoneType", "ReLU", "NoneType", "Tanh", "Sigmoid", "LeakyReLU", "GELU"]


def test_it_reads_an_activation_that_several_layers_share_at_each_of_its_places():
    relu = nn.ReLU()
    net = nn.Sequential(nn.Linear(2, 2), relu, nn.Linear(2, 2), relu, nn.Linear(2, 2))
    assert names(net) == ["ReLU", "ReLU", "linear"]


def test_it_sees_no_layer_twice():
    net = resnet((1, 8, 8), 10)
    seen = [activated.layer for activated in activated_layers(net)]
    assert len(seen) == len(set(seen)) == sum(isinstance(m, (nn.Linear, nn.Conv2d)) for m in net.modules())


@pytest.mark.parametrize(
    ("activation", "gain"),
    [
        (nn.ReLU(), 2**0.5), (nn.LeakyReLU(1.0), 1.0), (nn.LeakyReLU(0.5), 1.6**0.5),
        (nn.Tanh(), 5 / 3), (nn.Sigmoid(), 1.0), (nn.Identity(), 1.0), (nn.SELU(), 1.0),
    ],
)  # fmt: skip
def test_it_draws_with_the_gain_of_the_activation(activation, gain):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(400, 400), activation, nn.Linear(400, 400), activation, nn.Linear(400, 400))
    by_activation(net)
    assert [std(net[0]), std(net[2])] == pytest.approx([gain, gain], rel=0.02)
    assert std(net[4]) == pytest.approx(1.0, rel=0.02)


def test_smooth_rectifiers_are_given_variance_one_by_the_gain_of_what_comes_before_the_layer():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(400, 400), nn.GELU(), nn.Linear(400, 400), nn.SiLU(), nn.Linear(400, 400), nn.SiLU(),
    )  # fmt: skip
    by_activation(net)
    expected = [1.0, of_inputs(nn.GELU()), of_inputs(nn.SiLU())]
    assert [std(net[0]), std(net[2]), std(net[4])] == pytest.approx(expected, rel=0.02)


def test_an_attentions_projections_are_linear_each_for_itself():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(300, 300), nn.MultiheadAttention(300, 2), nn.ReLU())
    attention = net[1]
    attention.in_proj_bias.data.fill_(1.0)
    by_activation(net)
    assert names(net) == ["linear"] * 4 + ["ReLU"]
    deviations = [part.std().item() * 300**0.5 for part in attention.in_proj_weight.chunk(3)]
    assert deviations == pytest.approx([1.0] * 3, rel=0.02)
    assert not attention.in_proj_bias.any()


def test_an_attention_with_separate_projections_is_drawn_as_well():
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(300, 2, kdim=100, vdim=200)
    by_activation(attention)
    scaled = [
        attention.q_proj_weight.std() * 300**0.5,
        attention.k_proj_weight.std() * 200**0.5,
        attention.v_proj_weight.std() * 250**0.5,
    ]
    assert [deviation.item() for deviation in scaled] == pytest.approx([1.0] * 3, rel=0.02)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)

    def zero_init_last(self) -> None:
        nn.init.zeros_(self.body[1].weight)


def test_residual_blocks_start_as_their_shortcut_only_if_configured():
    net, x = nn.Sequential(Block(), nn.Sequential(Block())), torch.randn(4, 8)
    by_activation(net)
    assert not torch.equal(net(x), x)
    by_activation(net, zero_residual=True)
    assert torch.equal(net(x), x)


def test_timms_blocks_start_as_their_shortcut_too():
    timm = pytest.importorskip("timm")
    net = timm.create_model("resnet18", num_classes=2)
    by_activation(net, zero_residual=True)
    assert not any(block.bn2.weight.any() for stage in (net.layer1, net.layer4) for block in stage)
    assert net.layer1[0].bn1.weight.all()


def test_a_network_without_blocks_refuses_zero_residual():
    with pytest.raises(ConfigError, match="no residual blocks"):
        by_activation(nn.Linear(2, 2), zero_residual=True)


def test_a_run_takes_the_flag(folder):
    with pytest.raises(ConfigError, match="no residual blocks") as error:
        fastrun.train(["data=synthetic", "model=mlp", "init.zero_residual=true", "steps=1"], quiet=True)
    assert error.value.hint == "use init.zero_residual=false"
