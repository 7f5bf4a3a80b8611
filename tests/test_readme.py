"""The README is true: its commands run, its menu is the menu."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from fastrun.cli.main import main
from fastrun.config import registry

TEXT = (Path(__file__).parents[1] / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.M | re.S)


@pytest.mark.slow
@pytest.mark.first
def test_every_command_works_in_the_order_it_is_shown(folder: Path, capfd) -> None:
    np.save(folder / "digits.npy", load_digits().images[:5].astype(np.uint8))
    commands = [line.partition("#")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    assert len(commands) > 12
    for line in commands:
        program, *arguments = shlex.split(line)
        assert program == "fastrun"
        if "device=ddp" in arguments:
            continue  # has a test of its own, in processes of its own
        if arguments[0] in ("ablate", "race") and "--plan" not in arguments and not os.environ.get("FASTRUN_FULL"):
            continue  # minutes of trainings
        patterns = {"RUN": "2*/summary.json", "SWEEP": "sweep-*/sweep.json"}
        found = {word: sorted(folder.glob(f"outputs/mlp_fast/{pattern}")) for word, pattern in patterns.items()}
        places = {word: str(files[0].parent) for word, files in found.items() if files}
        arguments = [places.get(argument, argument) for argument in arguments]
        assert main(arguments) == 0, capfd.readouterr().err


def test_the_python_works(folder: Path, capfd) -> None:
    names: dict[str, object] = {}
    for code in blocks("python"):
        exec(code, names)
    assert names["logits"].shape == (2, 10)
    assert names["model"].training is False
    assert (folder / "curves.png").is_file()


def test_a_model_of_ones_own_works(folder: Path, capfd) -> None:
    (folder / "conf/model").mkdir(parents=True)
    (folder / "conf/model/mine.yaml").write_text(blocks("yaml")[0])
    (folder / "mymod.py").write_text(blocks("python file=mymod.py")[0])
    assert main(["train", "model=mine", "epochs=1"]) == 0


def test_the_menu_lists_every_group_and_option() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", TEXT, re.M))
    assert rows.keys() == set(registry.groups())
    for group, options in rows.items():
        assert set(re.findall(r"\w+", options)) == set(registry.options(group)), group
