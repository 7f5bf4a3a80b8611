import pytest
import torch
from torch import nn

from fastrun.components.amp.precision import choose_precision
from fastrun.errors import ConfigError

CPU, GPU = torch.device("cpu"), torch.device("cuda")


class Spy(nn.Module):
    """Notes what its layers compute in."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 2)
        self.seen: list[torch.dtype] = []

    def forward(self, x):
        x = self.first(x)
        self.seen.append(x.dtype)
        x = self.second(x)
        self.seen.append(x.dtype)
        return x


@pytest.fixture
def bf16_units(monkeypatch):
    def has(avx512: bool, amx: bool = False) -> None:
        units = {"avx512_bf16": avx512, "amx_bf16": amx}
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: units, raising=False)

    return has


@pytest.mark.parametrize(
    ("kind", "units", "dtype"),
    [
        ("off", True, torch.float32),
        ("bf16", False, torch.bfloat16),
        ("auto", True, torch.bfloat16),
        ("auto", False, torch.float32),
    ],
)
def test_the_forward_pass_computes_in_what_the_name_says(bf16_units, kind, units, dtype):
    bf16_units(units)
    chosen, spy = choose_precision(kind, CPU), Spy()
    with chosen.autocast():
        loss = nn.functional.cross_entropy(spy(torch.randn(3, 4)), torch.tensor([0, 1, 0]))
    loss.backward()
    assert spy.seen == [dtype, dtype]
    assert loss.dtype == torch.float32
    assert {p.dtype for p in spy.parameters()} == {p.grad.dtype for p in spy.parameters()} == {torch.float32}
    assert chosen.name == {torch.float32: "32-true", torch.bfloat16: "bf16-mixed"}[dtype]
    assert chosen.scaler is None


def test_each_forward_pass_sees_the_weights_of_the_step_before():
    chosen, layer, x = choose_precision("bf16", CPU), nn.Linear(1, 1, bias=False), torch.ones(1, 1)
    outputs = []
    for value in (1.0, 2.0):
        with torch.no_grad():
            layer.weight.fill_(value)
        with chosen.autocast():
            outputs.append(layer(x).item())
    assert outputs == [1.0, 2.0]


@pytest.mark.parametrize(("avx512", "amx", "name"), [(True, False, "bf16-mixed"), (False, True, "bf16-mixed")])
def test_auto_takes_either_kind_of_bf16_unit(bf16_units, avx512, amx, name):
    bf16_units(avx512, amx)
    assert choose_precision("auto", CPU).name == name


def test_auto_says_why(bf16_units):
    bf16_units(False)
    assert choose_precision("auto", CPU).why == "this CPU has no bf16 units"


def test_auto_is_full_precision_where_torch_cannot_tell(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert choose_precision("auto", CPU).name == "32-true"


def test_what_torch_says_of_this_cpu_is_understood():
    assert choose_precision("auto", CPU).name in ("32-true", "bf16-mixed")


def test_fp16_needs_a_gpu():
    with pytest.raises(ConfigError, match="needs a GPU") as caught:
        choose_precision("fp16", CPU)
    assert caught.value.exit_code == 2
    assert "bf16" in caught.value.hint


@pytest.mark.filterwarnings("ignore:torch.cuda.amp.GradScaler is enabled")  # where there is no GPU
@pytest.mark.parametrize(
    ("kind", "capability", "name", "scaled"),
    [
        ("auto", (9, 0), "bf16-mixed", False),
        ("auto", (8, 0), "bf16-mixed", False),
        ("auto", (7, 5), "16-mixed", True),
        ("auto", (7, 0), "16-mixed", True),
        ("auto", (6, 1), "32-true", False),
        ("fp16", (8, 0), "16-mixed", True),
        ("off", (9, 0), "32-true", False),
        ("bf16", (7, 0), "bf16-mixed", False),
    ],
)
def test_on_a_gpu_the_choice_follows_its_compute_capability(monkeypatch, kind, capability, name, scaled):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    chosen = choose_precision(kind, GPU)
    assert chosen.name == name
    assert (chosen.scaler is not None) == scaled


def test_auto_stays_at_full_precision_on_a_device_that_nobody_knows():
    assert choose_precision("auto", torch.device("mps")).name == "32-true"
