"""A text as blocks of characters: that nothing is lost or seen twice, and every way in which a file can be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import fastrun
from fastrun.cli.main import main
from fastrun.components.data.splits import check_splits
from fastrun.components.data.text import encode_characters, read_utf8, text
from fastrun.errors import ConfigError, DataError

ABC = "the quick brown fox jumps over the lazy dog. " * 20

LM = """
from torch import nn
class Net(nn.Module):
    def __init__(self, vocabulary, width=8):
        super().__init__()
        self.net = nn.Sequential(nn.Embedding(vocabulary, width), nn.Linear(width, vocabulary))
    def forward(self, x):
        return self.net(x)
"""


def written(folder: Path, content: str | bytes, name: str = "it.txt") -> str:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def read(part, classes: list[str], which: int) -> list[str]:
    """The blocks of inputs (0) or targets (1) as strings."""
    return ["".join(classes[place] for place in block) for block in part.tensors[which].tolist()]


@settings(deadline=None, max_examples=60)
@given(
    characters=st.text(st.sampled_from("ab \n\r\0é漢🙂"), min_size=2, max_size=300),
    length=st.integers(1, 9),
    fractions=st.sampled_from([(0.1, 0.0), (0.3, 0.3), (0.5, 0.0), (0.01, 0.4)]),
)
def test_every_character_of_a_part_is_a_target_once_and_in_no_other_part(
    tmp_path_factory, characters, length, fractions
):
    root = written(tmp_path_factory.mktemp("text"), characters)
    val, test = (int(len(characters) * fraction) for fraction in fractions)
    cuts = {"train": (0, len(characters) - val - test), "val": (len(characters) - val - test, len(characters) - test)}
    cuts |= {"test": (len(characters) - test, len(characters))} if test else {}
    if len(set(characters)) < 2 or any(high - low <= length for low, high in cuts.values()):
        with pytest.raises(DataError):
            text(root, length, None, *fractions)
        return
    sets = text(root, length, None, *fractions)
    assert sets.keys() & {"train", "val", "test"} == cuts.keys()
    for name, (low, high) in cuts.items():
        own = characters[low:high]
        blocks = (len(own) - 1) // length
        x, y = (read(sets[name], sets["classes"], which) for which in (0, 1))
        assert "".join(x) == own[: blocks * length]
        assert "".join(y) == own[1 : 1 + blocks * length]
        assert len(own) - 1 - blocks * length < length


def test_blocks_share_the_memory_of_one_tensor(tmp_path):
    sets = text(written(tmp_path, ABC), length=16, stride=1)
    places = {tensor.untyped_storage().data_ptr() for name in ("train", "val") for tensor in sets[name].tensors}
    assert len(places) == 1
    assert {tensor.dtype for tensor in sets["train"].tensors} == {torch.int64}  # as embedding and cross-entropy want


def test_a_stride_lets_the_blocks_of_train_overlap_and_no_others(tmp_path):
    sets = text(written(tmp_path, ABC), length=16, stride=5)
    x = read(sets["train"], sets["classes"], 0)
    assert x[:3] == [ABC[:16], ABC[5:21], ABC[10:26]]
    assert read(sets["val"], sets["classes"], 0) == [
        ABC[810:826],
        ABC[826:842],
        ABC[842:858],
        ABC[858:874],
        ABC[874:890],
    ]


def test_a_character_that_train_lacks_is_in_the_vocabulary(tmp_path):
    sets = text(written(tmp_path, "ab" * 100 + "z" * 10), length=4, val_fraction=0.1)
    assert sets["classes"] == ["a", "b", "z"]
    assert sets["train"].tensors[1].max() < 2 == sets["val"].tensors[1].max()
    assert check_splits(sets).task.vocabulary == 3


def test_what_the_run_directory_records(tmp_path):
    about = check_splits(text(written(tmp_path, ABC), length=16, test_fraction=0.2)).describe()
    assert about["task"] == "language"
    assert about["in_shape"] == [16]
    assert about["classes"] == sorted(set(ABC))
    assert about["characters"] == {"train": 630, "val": 90, "test": 180}
    assert about["samples"] == {"train": 39, "val": 5, "test": 11}


@given(st.text())
def test_any_text_comes_back_from_its_codes(characters):
    tokens, classes = encode_characters(characters)
    assert "".join(classes[place] for place in tokens.tolist()) == characters
    assert classes == sorted(set(characters))


def test_line_ends_stay_and_the_mark_at_the_start_goes(tmp_path):
    assert read_utf8(Path(written(tmp_path, b"\xef\xbb\xbfone\r\ntwo\n"))) == "one\r\ntwo\n"


@pytest.mark.parametrize("pipeline", ["resident", "workers", "plain"])
def test_a_step_trains(folder: Path, pipeline):
    (folder / "lm.py").write_text(LM)
    (folder / "conf/model").mkdir(parents=True)
    (folder / "conf/model/lm.yaml").write_text("# A language model\n_target_: lm.Net\n")
    own = ["data=text", f"data.root={written(folder, ABC)}", "data.length=8", "model=lm", "init=default"]
    run = fastrun.train([*own, "steps=2", "batch.size=4", f"pipeline={pipeline}", "data.stride=3"], quiet=True)
    assert run.summary["steps"] == 2
    assert run.load_model()(torch.zeros(1, 8, dtype=torch.int64)).shape == (1, 8, len(set(ABC)))


BAD = [
    (None, [], 2, "data.root is not set", "text file"),
    (ABC, ["data.length=0"], 2, "data.length=0", ""),
    (ABC, ["data.stride=0"], 2, "data.stride=0", ""),
    (ABC, ["data.val_fraction=0.8", "data.test_fraction=0.2"], 2, "nothing to train on", "below 1"),
    ("/nowhere.txt", [], 3, "does not exist", "text file"),
    (".", [], 3, "is a folder", "text file"),
    ("", [], 3, "is empty", "nothing to predict"),
    ("aaaa" * 100, [], 3, "has one character only, 'a'", "nothing to predict"),
    ("abc", [], 3, "the train set has 3 characters, but a block of data.length=64 needs 65", "smaller data.length"),
    (ABC, ["data.val_fraction=0"], 3, "the val set has 0 characters", "larger part of the text for val"),
    (ABC, ["data.test_fraction=0.01"], 3, "the test set has 9 characters", "larger part of the text for test"),
    (b"plain until here: \xe9t\xe9", [], 3, "is not UTF-8: byte 18 is 0xe9", "iconv"),
    ("hello".encode("utf-16"), [], 3, "is not UTF-8: byte 0 is 0xff", "iconv"),
]


@pytest.mark.sampled
@pytest.mark.parametrize(("content", "own", "code", "message", "hint"), BAD, ids=lambda value: repr(value)[:30])
def test_what_cannot_be_trained_on_is_refused_in_a_line(folder: Path, capfd, content, own, code, message, hint) -> None:
    is_path = content in (None, "/nowhere.txt", ".")
    root = content if is_path else written(folder, content)
    own = [*own, *([f"data.root={root}"] if root else [])]
    assert main(["train", "data=text", "model=mlp", *own]) == code
    error, hinted = capfd.readouterr().err.strip().splitlines()
    assert error.startswith("error: ")
    assert message in error
    assert hinted.startswith("hint: ")
    assert hint in hinted


def test_fractions_are_checked_before_anything_is_read():
    with pytest.raises(ConfigError, match="nothing to train on"):
        text("/nowhere.txt", val_fraction=1.0)
