"""The verbs that only look: help, version, recipes, options, runs, completion."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import fastrun
from fastrun.cli.commands import verbs
from fastrun.cli.commands.completion import words
from fastrun.cli.main import main
from fastrun.config import registry


def said(capfd, *arguments: str) -> str:
    assert main(list(arguments)) == 0
    return capfd.readouterr().out


@pytest.mark.parametrize("flag", ["--help", "-h", "help"])
def test_help_names_every_verb(capfd, flag: str) -> None:
    out = said(capfd, flag)
    assert all(f"\n  {verb} " in out for verb in verbs())


@pytest.mark.parametrize(
    "verb", ["resume", "eval", "recipes", "options", "runs", "prune", "diagnose", "ablate", "version"]
)
def test_every_verb_has_help_of_its_own(capfd, verb: str) -> None:
    with pytest.raises(SystemExit) as left:
        main([verb, "--help"])
    assert left.value.code == 0
    assert f"usage: fastrun {verb}" in capfd.readouterr().out


def test_train_help_is_ours_and_lists_the_groups(shell) -> None:
    done = shell("train", "--help-all")
    assert done.returncode == 0
    assert "fastrun train:" in done.stdout
    assert "Powered by Hydra" not in done.stdout
    assert "optimizer: adafactor, adagrad, adam, adamw" in done.stdout
    assert "+recipe=NAME" in done.stdout


def test_version_names_what_decides_on_results(capfd) -> None:
    assert "torch 2." in said(capfd, "version")
    assert said(capfd, "--version").startswith(f"fastrun {fastrun.__version__}")


def test_recipes_are_listed_shown_and_copied(folder: Path, capfd) -> None:
    assert "The lot" in said(capfd, "recipes")
    out = said(capfd, "recipes", "resnet_sgd")
    assert "defaults:" in out
    assert "optimizer.momentum: - -> 0.9" in out
    assert "batch.size: 128 -> 64" in out  # from the recipe that it extends
    said(capfd, "recipes", "copy", "resnet_amp")
    own = folder / "recipes/resnet_amp.yaml"
    own.write_text(own.read_text().replace("epochs: 15", "epochs: 3"))
    assert "epochs: 10 -> 3" in said(capfd, "recipes", "resnet_amp")
    assert "(yours)" in said(capfd, "recipes")
    assert main(["recipes", "copy", "resnet_amp"]) == 2
    assert "already exists" in capfd.readouterr().err


def test_a_recipe_of_ones_own_extends_a_shipped_one(folder: Path, capfd) -> None:
    (folder / "recipes/deep").mkdir(parents=True)
    (folder / "recipes/deep/er.yaml").write_text(
        "# @package _global_\n# Deeper\ndefaults:\n  - /recipe/mlp_fast\n\nepochs: 1\n"
    )
    assert "deep/er" in said(capfd, "recipes")
    main(["train", "+recipe=deep/er"])
    assert list(folder.glob("outputs/deep-er/*/summary.json"))


def test_options_lists_groups_then_options_with_their_arguments(capfd) -> None:
    assert "optimizer       adafactor adagrad adam adamw" in said(capfd, "options")
    out = said(capfd, "options", "optimizer")
    assert "optimizer=nesterov" in out
    assert "optimizer.lr=3e-3" in out
    assert "clip.max=1.0" in said(capfd, "options", "clip")


@pytest.mark.slow
def test_options_draws_the_schedules_and_overwrites_nothing(folder: Path, capfd) -> None:
    out = said(capfd, "options", "schedule", "--plot", "schedule.warmup=10%")
    assert set(registry.options("schedule")) <= set(out.split())
    assert "the picture is in schedules.png" in out
    first = (folder / "schedules.png").read_bytes()
    assert first.startswith(b"\x89PNG")
    assert "the picture is in schedules-2.png" in said(capfd, "options", "schedule", "--plot")
    assert main(["options", "schedule", "--plot", "--png", "schedules.png"]) == 2
    assert "already exists" in capfd.readouterr().err
    assert (folder / "schedules.png").read_bytes() == first
    said(capfd, "options", "schedule", "--plot", "schedule=wsd", "--png", "one.png")
    assert sorted(path.name for path in folder.iterdir()) == ["one.png", "schedules-2.png", "schedules.png"]


@pytest.mark.parametrize("package", ["matplotlib.figure", "plotext"])
def test_what_draws_may_be_missing(folder: Path, capfd, monkeypatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert main(["options", "schedule", "--plot"]) == 2
    assert "pip install 'fastrun[report]'" in capfd.readouterr().err


def test_runs_lists_the_newest_last(folder: Path, capfd) -> None:
    assert "no runs" in said(capfd, "runs")
    (folder / "outputs").mkdir()
    assert "no runs" in said(capfd, "runs")
    for name in ("older", "newer"):
        said(capfd, "train", "model=mlp", "steps=1", f"name={name}")
    out = said(capfd, "runs")
    assert out.index(" older ") < out.index(" newer ")
    assert "finished" in out
    assert '"status": "finished"' in said(capfd, "runs", "--json")


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("fastrun tr", "train"),
        ("fastrun train opt", "optimizer="),
        ("fastrun train optimizer=ada", "optimizer=adamw"),
        ("fastrun train optimizer=sgd,ada", "optimizer=sgd,adamw"),
        ("fastrun train +recipe=res", "+recipe=resnet_amp"),
        ("fastrun train batch.s", "batch.size="),
        ("fastrun train optimizer.l", "optimizer.lr="),
        ("fastrun diagnose +recipe=mlp", "+recipe=mlp_fast"),
        ("fastrun options sch", "schedule"),
        ("fastrun recipes mlp", "mlp_fast"),
        ("fastrun completion z", "zsh"),
    ],
)
def test_completion_knows_verbs_groups_options_and_recipes(line: str, word: str) -> None:
    found = words(line)
    assert word in found
    assert all(one.startswith(line.rpartition(" ")[2]) for one in found)


def test_bash_completes(folder: Path, capfd) -> None:
    script = said(capfd, "completion", "bash")
    asked = (
        script + '\nCOMP_LINE="fastrun train optimizer=ada" COMP_POINT=${#COMP_LINE}; _fastrun; echo "${COMPREPLY[@]}"'
    )
    stand_in = 'fastrun() { python3 -m fastrun "$@"; }\n'
    import os

    environ = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(Path(__file__).parents[3]),
    }
    done = subprocess.run(["bash", "-c", stand_in + asked], capture_output=True, text=True, env=environ, check=True)
    assert set(done.stdout.split()) == {name for name in registry.options("optimizer") if name.startswith("ada")}


def test_the_help_of_train_fits_a_screen_and_names_every_recipe_and_group(shell) -> None:
    done = shell("train", "--help")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert len(lines) <= 26
    assert max(map(len, lines)) <= 80
    assert set(done.stdout.split()) >= {*registry.recipes(), *registry.groups()}
