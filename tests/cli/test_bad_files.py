"""Mistakes in the YAML files of a user: recipes, options, and the config of a run; in forked processes."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fastrun.storage.format import FORMAT

ErrorOf = Callable[[subprocess.CompletedProcess[str], int], str]

TINY = ["data=synthetic", "data.shape=[4]", "data.samples=100", "model=mlp", "model.hidden=[4]", "steps=2"]

# Mistakes in a recipe, whose text begins in line 2: the line, and words of the error.
RECIPES = [
    ("optimizr:\n  lr: 1\n", 2, "did you mean optimizer?"),
    ("optimizer:\n  lrr: 1\n", 3, "did you mean lr?"),
    ("optimizer:\n  lr: fast\n", 3, "expects float"),
    ("model:\n  hiden: [3]\n", 3, "did you mean hidden?"),
    ("seed: 3\nbatch:\n  sze: 3\n", 4, "did you mean batch.size?"),
    ("batch:\n  size: 0\n", 3, "the minimum is 1"),
    ("batch:\n  size: big\n", 3, "batch.size: Value 'big'"),
    ("batch: 3\n", 2, "it is a group of values"),
    ("model: null\n", 2, "it needs a value"),
    ("epochs: abc\n", 2, "epochs: Value 'abc'"),
    ("clip:\n  kind: nrm\n", 3, "did you mean norm?"),
    ("defaults:\n  - override /optimzer: sgd\n", 3, "did you mean optimizer?"),
    ("defaults:\n  - override /optimizer: sgdd\n", 3, "did you mean sgd?"),
    ("defaults:\n  - resnt_amp\n", 3, "did you mean resnet_amp?"),
    ("epochs 1\nseed: 2\n", 3, "YAML needs `key: value`"),
    ("epochs: [1\n", 3, "YAML needs `key: value`"),
    ("\tseed: 1\n", 2, "YAML needs"),
    ("seed: 1\nseed: 2\n", 3, "duplicate key seed"),
    ("name: caf\udce9\n", 2, "save it as UTF-8"),
    ("defaults: 3\n", 0, "must be a list"),
    ("- a\n- b\n", 0, "it holds `key: value`"),
]

# Mistakes in an option of the user: the file and line, and words of the error.
OPTIONS = [
    ("model", "hidden: 3\n", "", "`fastrun options model`"),
    ("model", "", "", "`fastrun options model`"),
    ("model", "3", "", "a config is a mapping"),
    ("model", "_target_: [\n", "conf/model/own.yaml, line 3", "YAML needs"),
    ("model", "_target_: own.\udce9\n", "conf/model/own.yaml, line 2", "save it as UTF-8"),
    ("model", "_target_: own.nett\n", "conf/model/own.yaml, line 2", "did you mean net?"),
    ("batch", "kind: fixed\nszie: 3\n", "conf/batch/own.yaml, line 3", "did you mean batch.size?"),
    ("batch", "kind: fxed\n", "conf/batch/own.yaml, line 2", "did you mean fixed?"),
    ("model", "_target_: os.system\n", "conf/model/own.yaml, line 2", "add trust=os"),
]


@pytest.mark.sampled
@pytest.mark.parametrize(("text", "line", "hint"), RECIPES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_mistake_in_a_recipe_is_reported_with_its_file_and_line(
    shell, folder: Path, text, line, hint, error_of: ErrorOf
) -> None:
    (folder / "recipes").mkdir()
    (folder / "recipes/mine.yaml").write_text(f"# @package _global_\n{text}", errors="surrogateescape")
    err = error_of(shell("train", *TINY, "+recipe=mine"), 2)
    assert err.startswith(f"error: recipes/mine.yaml{f', line {line}' if line else ''}: ")
    assert hint in err


@pytest.mark.slow
def test_a_mistake_is_located_in_the_recipe_that_a_recipe_extends_or_on_the_command_line(
    shell, folder, error_of: ErrorOf
) -> None:
    (folder / "recipes/base").mkdir(parents=True)
    (folder / "recipes/base/lower.yaml").write_text("# @package _global_\nseed: 1\nepochs: 0\n")
    (folder / "recipes/mine.yaml").write_text("# @package _global_\ndefaults:\n  - base/lower\n")
    assert "error: recipes/base/lower.yaml, line 3: epochs=0" in error_of(shell("train", *TINY, "+recipe=mine"), 2)
    assert "error: log_every=0" in error_of(shell("train", *TINY, "epochs=1", "log_every=0", "+recipe=mine"), 2)
    assert "error: epochs=-1" in error_of(shell("train", *TINY, "epochs=-1", "+recipe=mine"), 2)
    (folder / "recipes/mine.yaml").write_text("# @package _global_\ndefaults:\n  - mine\n")
    assert "without end" in error_of(shell("train", *TINY, "+recipe=mine"), 2)
    (folder / "recipes/mine.yaml").write_text("epochs: 3\n")
    assert "recipes/mine.yaml: the first line must be" in error_of(shell("train", *TINY, "+recipe=mine"), 2)


@pytest.mark.sampled
@pytest.mark.parametrize(("group", "text", "where", "hint"), OPTIONS)
def test_a_mistake_in_a_users_option_is_reported_with_its_line(
    shell, folder: Path, group, text, where, hint, error_of: ErrorOf
) -> None:
    (folder / "own.py").write_text("def net(in_shape, num_classes): pass\n")
    (folder / "conf" / group).mkdir(parents=True)
    content = f"# Mine\n{text}" if ":" in text else text
    (folder / f"conf/{group}/own.yaml").write_text(content, errors="surrogateescape")
    err = error_of(shell("train", f"{group}=own"), 2)
    assert where in err
    assert hint in err


NUMBERED = f"format: {FORMAT}\n"
BROKEN = ["epochs: [1\n", "- 1\n", "epochs: caf\udce9\n", f"{NUMBERED}epohcs: 3\n", f"{NUMBERED}epochs: x\n"]


@pytest.mark.parametrize("text", BROKEN, ids=lambda text: text.splitlines()[-1])
def test_a_run_directory_with_a_broken_config_is_refused(shell, folder: Path, text: str, error_of: ErrorOf) -> None:
    (folder / "broken").mkdir()
    (folder / "broken/config.yaml").write_text(text, errors="surrogateescape")
    assert re.search("config.yaml|epohcs|epochs", error_of(shell("resume", "broken"), 2))
