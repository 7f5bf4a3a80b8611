"""Paths on the command line, and the name of the current folder, are taken as they are."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from fastrun import compose
from fastrun.cli.main import main
from fastrun.compose.path_values import quote_paths

TINY = ["data=synthetic", "data.shape=[4]", "data.samples=64", "model=mlp", "model.hidden=[4]", "steps=2", "device=cpu"]
ODD = [
    "a=b/c", "x#1", "R&D/photos", "~/data", "données/été", "line\nbreak", "it's", 'a "b"', "a (1)", "7", "true",
    "[1] x",
]  # fmt: skip


@pytest.mark.sampled
@pytest.mark.parametrize("path", ODD)
@pytest.mark.parametrize("key", ["data.root", "transfer.source", "outputs"])
def test_a_path_is_taken_as_it_is(folder: Path, key: str, path: str) -> None:
    settings = compose.compose(["data=text", "transfer=finetune", f"{key}={path}"])
    again = compose.from_config(asdict(settings), [f"{key}={path}"])
    for found in (settings, again):
        assert (
            path
            == {
                "data.root": found.data["root"],
                "transfer.source": found.transfer.source,
                "outputs": found.outputs,
            }[key]
        )


@pytest.mark.parametrize(
    "override",
    [
        "data.root=photos/a b",
        "data.root='a=b'",
        'data.root="a"',
        "data.root=null",
        "outputs=${oc.env:HOME}",
        "name=a=b",
    ],
)
def test_what_hydra_takes_or_has_no_path_is_left_alone(override: str) -> None:
    assert quote_paths([override]) == [override]


@pytest.mark.parametrize("override", ["data.root=a,b", "data.root=choice(a,b)", "data.root=[a,b]"])
def test_the_values_of_a_sweep_are_left_alone(override: str) -> None:
    assert quote_paths([override], is_sweep=True) == [override]


def test_runs_read_files_of_odd_names(folder: Path, capfd: Any) -> None:
    place = folder / "R&D=été #1\n"
    place.mkdir()
    (place / "text.txt").write_text("to be or not to be\n" * 200)
    network = ["model=lstm", "model.width=8", "steps=1", "device=cpu"]
    assert main(["train", "data=text", f"data.root={place / 'text.txt'}", *network]) == 0, capfd.readouterr().err
    (run,) = folder.glob("outputs/*/*")
    assert yaml.safe_load((run / "config.yaml").read_text())["data"]["root"] == str(place / "text.txt")


@pytest.mark.slow
def test_the_name_of_the_current_folder_may_look_like_a_reference(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = folder / "a${c}b"
    place.mkdir()
    monkeypatch.chdir(place)
    assert main(["train", *TINY]) == 0
    (run,) = place.glob("outputs/*/*")
    assert main(["resume", str(run), "steps=3"]) == 0
    assert main(["train", *TINY, "-m", "seed=1,2"]) == 0
    (sweep,) = place.glob("outputs/*/sweep-*")
    assert len(list(sweep.glob("*/summary.json"))) == 2
