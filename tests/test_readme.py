"""The README and the pages of the site are true: their commands and examples run, the menu is the menu."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from fastrun.cli.main import main
from fastrun.config import registry

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
WORDS = {"RUN": "2*/summary.json", "SWEEP": "sweep-*/sweep.json"}


LONG = ("rate", "commands", "network", "heuristics_help")  # whose commands take longest
REST = [pytest.param(ROOT / f"docs/{stem}.md", marks=pytest.mark.full) for stem in LONG]


def name(page: Path) -> str:
    return page.stem


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S)


def commands(page: Path) -> list[list[str]]:
    lines = (line for block in blocks(page, "sh") for line in block.splitlines())
    return [arguments for line in lines if (arguments := shlex.split(line, comments=True))]


def write_files(page: Path, folder: Path) -> None:
    np.save(folder / "digits.npy", load_digits().images[:5].astype(np.uint8))
    for name, text in re.findall(r'^```\w+ title="(\S+)"\n(.*?)^```', page.read_text(), re.M | re.S):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def takes_minutes(arguments: list[str]) -> bool:
    return arguments[0] in ("ablate", "race") and "--plan" not in arguments


def train_what_is_named(shown: list[list[str]]) -> None:
    """Train a run or a sweep where a page names or compares some and trains none."""
    words = {word for line in shown for word in line if word in WORDS}
    trains = [line for line in shown if line[1] == "train" and "+recipe=mlp_fast" in line]
    if (words or any(line[1] == "compare" for line in shown)) and not trains:
        assert main(["train", "+recipe=mlp_fast", "epochs=1"]) == 0
    if "SWEEP" in words and not any("-m" in line for line in trains):
        assert main(["train", "+recipe=mlp_fast", "epochs=1", "-m", "optimizer=sgd,adamw"]) == 0


@pytest.mark.slow
@pytest.mark.first
@pytest.mark.parametrize("page", [page for page in PAGES if commands(page) and page.stem not in LONG] + REST, ids=name)
def test_every_command_works_in_the_order_it_is_shown(folder: Path, capfd, page: Path) -> None:
    write_files(page, folder)
    shown = commands(page)
    train_what_is_named(shown)
    for program, *arguments in shown:
        assert program == "fastrun"
        if "device=ddp" in arguments:
            continue  # has a test of its own, in processes of its own
        if takes_minutes(arguments) and not os.environ.get("FASTRUN_FULL"):
            continue
        found = {word: sorted(folder.glob(f"outputs/mlp_fast/{pattern}")) for word, pattern in WORDS.items()}
        places = {word: str(files[0].parent) for word, files in found.items() if files}
        arguments = [places.get(argument, argument) for argument in arguments]
        assert main(arguments) == 0, capfd.readouterr().err


def test_the_pages_show_commands() -> None:
    assert sum(len(commands(page)) for page in PAGES) > 40


@pytest.mark.slow
def test_the_site_is_built_without_a_broken_link(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pages = list(tmp_path.glob("*.html"))
    assert len(pages) > 15
    loaded = re.compile(r"<(?:script|img|link rel=.(?:stylesheet|icon|preconnect).)[^>]*(?:src|href)=.https?://")
    assert [page.name for page in pages if loaded.search(page.read_text())] == []
    assert [page.name for page in pages if "```" in page.read_text()] == []  # a fence that is not one


def test_the_python_works(folder: Path, capfd) -> None:
    names: dict[str, object] = {}
    for code in blocks(ROOT / "docs/use.md", "python"):
        exec(code, names)
    assert names["logits"].shape == (2, 10)
    assert names["model"].training is False
    assert (folder / "curves.png").is_file()


def test_a_model_of_ones_own_works(folder: Path, capfd) -> None:
    write_files(ROOT / "docs/network.md", folder)
    assert main(["train", "model=mine", "epochs=1"]) == 0


def test_the_menu_lists_every_group_and_option() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", (ROOT / "docs/menu.md").read_text(), re.M))
    assert rows.keys() == set(registry.groups())
    for group, options in rows.items():
        assert set(re.findall(r"\w+", options)) == set(registry.options(group)), group
