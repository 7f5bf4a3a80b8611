"""What a checkpoint holds besides Lightning's part, and which contents are refused."""

import pytest
import torch

from fastrun.errors import CheckpointError
from fastrun.storage.checkpoint.state import CheckpointState, TrainState, is_checkpoint, network_weights
from fastrun.storage.format import FORMAT

NET = {"net.weight": torch.ones(2), "net.bias": torch.zeros(1), "loss.weight": torch.ones(3)}


def checkpoint(**values) -> dict:
    content: dict = {"state_dict": dict(NET), "loops": {"fit_loop": {}}, "epoch": 3}
    plain: dict = {"clock": {}, "metrics": {}, "config": {}, "data": {}}
    values = plain | {"train_state": TrainState(step=7).state(), "world_size": 2} | values
    CheckpointState(**values).put_into(content)
    return content


def test_a_state_is_read_as_it_was_written():
    content = checkpoint(clock={"train": 2.5}, metrics={"val/acc": 0.5})
    state = CheckpointState.of(content)
    assert (state.world_size, state.clock, state.metrics) == (2, {"train": 2.5}, {"val/acc": 0.5})
    assert (state.format, state.train_state["step"]) == (FORMAT, 7)


def test_counts_of_lightning_are_left_out():
    content = checkpoint()
    assert "loops" not in content
    assert content["epoch"] == 0


def test_the_progress_of_a_run_is_what_it_was():
    before, after = TrainState(5, 40, {"metric": "val/acc"}, {"train/loss": 1.0}, None, "patience"), TrainState()
    after.load(before.state())
    assert after == before


def test_the_weights_to_evaluate_are_the_average_where_there_is_one():
    assert network_weights(checkpoint(), "a").keys() == {"weight", "bias"}
    average = {"weight": torch.full((2,), 0.5)}
    assert network_weights(checkpoint(evaluation_weights=average), "a") is average


@pytest.mark.parametrize("content", [{}, {"state_dict": {}}, {"fastrun": 1}, [], None])
def test_another_content_is_no_checkpoint(content):
    assert not is_checkpoint(content)
    with pytest.raises(CheckpointError, match=r"^it\.ckpt is not a checkpoint of fastrun$") as caught:
        CheckpointState.of(content, "it.ckpt")
    assert caught.value.exit_code == 6


@pytest.mark.parametrize(
    ("number", "description"),
    [
        (None, "has no format number"),
        (FORMAT - 1, f"has format {FORMAT - 1}"),
        (FORMAT + 1, f"has format {FORMAT + 1}"),
        ("a\nb" * 100, r"has format 'a\\nba"),
        (torch.ones(3, 3), r"has format tensor\("),
    ],
)
def test_another_format_is_refused_in_a_line_with_a_hint(number, description):
    content = checkpoint()
    content["fastrun"]["format"] = number
    with pytest.raises(CheckpointError, match=f"^it.ckpt {description}") as caught:
        network_weights(content, "it.ckpt")
    assert caught.value.message.endswith(f"; this version of fastrun reads format {FORMAT}")
    assert "train again" in caught.value.hint
    assert caught.value.render().count("\n") == 1


def test_a_state_that_lacks_something_is_damaged_and_what_may_be_left_out_is_not_needed():
    content = checkpoint()
    del content["fastrun"]["average"]
    assert CheckpointState.of(content).average is None
    del content["fastrun"]["clock"], content["fastrun"]["metrics"]
    with pytest.raises(CheckpointError, match=r"^it\.ckpt is damaged: it lacks clock, metrics$"):
        CheckpointState.of(content, "it.ckpt")
